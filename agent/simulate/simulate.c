/* See simulate.h. */
#include "simulate/simulate.h"

#include "policies/planner/home.h"
#include "simulate/clairvoyant.h"
#include "simulate/hub.h"
#include "simulate/rules.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS 86400000LL
#define LAST_MS (2 * DAY_MS) /* whose prices say what is worth what is left */
#define ASK_TICKS 1024

static const struct { const char *name, *key; double work; } ROWS[ROW_COUNT] = {
	[ROW_NO_BATTERY] = { "no battery", "no_battery", 0.01 }, [ROW_SELF_USE] = { "self-use", "self_use", 0.01 },
	[ROW_TIMER] = { "time switch", "time_switch", 0.01 }, [ROW_HEARTH] = { "Hearth", "hearth", 0.9 },
	[ROW_CLAIRVOYANT] = { "clairvoyant", "clairvoyant", 0.07 },
};

const char *simulate_row_name(enum simulate_row_kind kind)
{
	return ROWS[kind].name;
}

const char *simulate_row_key(enum simulate_row_kind kind)
{
	return ROWS[kind].key;
}

struct run {
	const struct scenario *s;
	const struct truth *t;
	const struct simulate_options *o;
	struct simulate_result *out;
	double before;   /* work done by the rows before, 0..1 */
	double work;     /* share of the row that runs */
};

static bool told_to_stop(void *context, double done)
{
	const struct run *r = context;

	return r->o->progress && r->o->progress(r->o->context, fmin(1, r->before + r->work * done));
}

static double seconds(void *context)
{
	const struct run *r = context;

	return r->o->seconds(r->o->context);
}

static double stored_value(const struct scenario *s, const struct truth *t)
{
	const int64_t from = t->end_utc_ms - LAST_MS > t->start_utc_ms ? t->end_utc_ms - LAST_MS : t->start_utc_ms;
	const int n = (int)((t->end_utc_ms - from) / SIMULATE_POINT_MS);
	struct plan_instance in;
	double value;

	if (s->n_batteries == 0 || instance_alloc(&in, n, 1, 0))
		return 0;
	for (int i = 0; i < n; i++) {
		in.slot_h[i] = SIMULATE_POINT_MS / 3.6e6;
		in.import_price[i] = t->import_price[truth_minute(t, from + (int64_t)i * SIMULATE_POINT_MS)];
	}
	value = home_terminal_value(&in, s->battery[0].discharge_eff);
	instance_deinit(&in);
	return value;
}

static double mean_price(const struct truth *t)
{
	double sum = 0;
	int n = 0;

	for (int64_t at = t->start_utc_ms; at < t->end_utc_ms; at += 5 * TRUTH_MINUTE_MS, n++)
		sum += t->import_price[truth_minute(t, at)];
	return n ? sum / n : 0;
}

static int run_ticks(struct run *r, struct world *w, enum simulate_row_kind kind, struct hub_sim *hub, const struct rules_window *cheap)
{
	const double span = (double)(r->t->end_utc_ms - r->t->start_utc_ms);

	for (int64_t tick = 0; w->utc_ms < r->t->end_utc_ms; tick++) {
		world_sense(w);
		if (hub)
			hub_sim_order(hub);
		else
			rules_order(w, kind, cheap, r->o->zone);
		world_step(w);
		if (tick % ASK_TICKS == 0 && told_to_stop(r, (double)(w->utc_ms - r->t->start_utc_ms) / span))
			return -ECANCELED;
	}
	world_close(w);
	return 0;
}

static int run_row(struct run *r, enum simulate_row_kind kind, const struct rules_window *cheap, struct errbuf *err)
{
	const struct hub_sim_options options = { .zone = r->o->zone, .seconds = r->o->seconds ? seconds : NULL, .context = r };
	struct world *w = malloc(sizeof(*w));
	struct hub_sim *hub = NULL;
	double begun = r->o->seconds ? seconds(r) : 0;
	int rc = -ENOMEM;

	if (w)
		world_init(w, r->s, r->t, kind != ROW_NO_BATTERY, &r->out->row[kind]);
	if (w && kind == ROW_HEARTH)
		hub = hub_sim_make(w, &options, r->out);
	if (w && (hub || kind != ROW_HEARTH))
		rc = run_ticks(r, w, kind, hub, cheap);
	if (kind == ROW_HEARTH && r->o->seconds)
		r->out->seconds = seconds(r) - begun;
	hub_sim_free(hub);
	free(w);
	return rc == -ENOMEM ? errbuf_set(err, rc, "no memory for the simulated home") : rc;
}

static void compare(struct run *r)
{
	const double price = mean_price(r->t);
	struct simulate_row *row = r->out->row;
	double most;

	for (int i = 0; i < ROW_COUNT; i++) {
		row[i].stock = (row[i].end_wh - row[i].start_wh) / 1e3 * r->out->stored_value - row[i].car_short_kwh * price;
		row[i].total = row[i].bill - row[i].event_income + row[i].wear - row[i].stock;
	}
	for (int i = 0; i < ROW_COUNT; i++)
		row[i].saving = row[ROW_NO_BATTERY].total - row[i].total;
	most = row[ROW_NO_BATTERY].total - r->out->least_total;
	for (int i = 0; i < ROW_COUNT; i++) {
		row[i].of_clairvoyant = row[ROW_CLAIRVOYANT].saving > 0.005 ? 100 * row[i].saving / row[ROW_CLAIRVOYANT].saving : NAN;
		row[i].of_most = most > 0.005 ? 100 * row[i].saving / most : NAN;
	}
}

static int run_rows(struct run *r, struct errbuf *err)
{
	const struct rules_window cheap = rules_cheapest(r->t, r->o->zone);
	const struct clairvoyant_options best = { .stored_value = r->out->stored_value, .stop = told_to_stop, .context = r };
	int rc = 0;

	for (int i = 0; i < ROW_COUNT && rc == 0; i++) {
		r->work = ROWS[i].work;
		if (i == ROW_CLAIRVOYANT)
			rc = clairvoyant_run(r->s, r->t, &best, &r->out->row[i], &r->out->least_total, err);
		else
			rc = run_row(r, (enum simulate_row_kind)i, &cheap, err);
		r->before += r->work;
	}
	return rc;
}

int simulate_run(const struct scenario *s, const struct truth *t, const struct simulate_options *o, struct simulate_result *out,
		 struct errbuf *err)
{
	struct run r = { .s = s, .t = t, .o = o, .out = out };
	const int n = (int)((t->end_utc_ms - t->start_utc_ms) / SIMULATE_POINT_MS);
	int rc;

	memset(out, 0, sizeof(*out));
	out->least_total = NAN;
	out->start_utc_ms = t->start_utc_ms;
	out->end_utc_ms = t->end_utc_ms;
	out->stored_value = stored_value(s, t);
	for (int i = 0; i < ROW_COUNT; i++) {
		out->row[i].n_points = n;
		out->row[i].point = calloc((size_t)n, sizeof(*out->row[i].point));
		if (!out->row[i].point)
			return errbuf_set(err, -ENOMEM, "no memory for %d half hours", n);
	}
	rc = run_rows(&r, err);
	if (rc == 0)
		compare(&r);
	out->unfinished = rc < 0;
	return rc;
}

void simulate_result_deinit(struct simulate_result *r)
{
	for (int i = 0; i < ROW_COUNT; i++) {
		free(r->row[i].point);
		r->row[i].point = NULL;
		r->row[i].n_points = 0;
	}
}
