/* The verbs history.get and savings.get. The first: five-minute means of the house and prices of the time, from what the recorder keeps. Pages of the store are
 * added up as they come; a step of which less than half was measured is unknown. */
#include "core/bill.h"
#include "flow/history/past.h"
#include "flow/hub.h"
#include "flow/local/request.h"
#include "flow/local/verbs.h"
#include "io/loop.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_S 300
#define STEP_MS (STEP_S * 1000LL)
#define SPAN_MS (2 * 86400000LL)
#define STEPS_MAX (SPAN_MS / STEP_MS + 1)
#define ENOUGH_S (STEP_S / 2)
#define READS_MAX 3 /* at once, of the users together and of the hub's own tools: each takes 40 KiB, and 1 ms of the loop at its end */

/* What was measured of one step; a reload or a restart may have cut it into several rows. */
struct step {
	double site_s, ev_s;                 /* behind the energies */
	double grid_wh, home_wh, solar_wh, ev_wh;
	uint32_t chargers;                   /* bits: who was measured */
	double priced_s, import_money, export_s, export_money; /* price x seconds, and of how many */
};

struct reading {
	struct request *rq;
	int64_t from_ms, seq;
	int n;                               /* steps */
	int n_chargers;
	char charger[DEVICE_MAX][DEVICE_ID_MAX];
	struct step step[STEPS_MAX];
};

static void take_site(struct step *s, const struct history_row *h)
{
	if (!isnan(h->import_price)) {
		s->priced_s += h->duration_s;
		s->import_money += h->import_price * h->duration_s;
	}
	if (!isnan(h->export_price)) {
		s->export_s += h->duration_s;
		s->export_money += h->export_price * h->duration_s;
	}
	if (h->measured_s < 1)
		return;
	s->site_s += h->measured_s;
	s->grid_wh += h->in_wh - h->out_wh;
	s->home_wh += h->home_wh;            /* NAN stays NAN: a step is not known by halves */
	s->solar_wh += h->solar_wh;
}

static void take_row(struct reading *r, const struct store_row *row)
{
	const int64_t at = row->at_ms - r->from_ms;
	const int i = (int)(at / STEP_MS);
	struct history_row h;

	if (at < 0 || i >= r->n || history_unpack(row->at_ms, row->body, &h) < 0)
		return;
	if (!strcmp(row->kind, "site")) {
		take_site(&r->step[i], &h);
		return;
	}
	for (int k = 0; k < r->n_chargers; k++) {
		if (strcmp(row->kind, r->charger[k]) != 0)
			continue;
		r->step[i].chargers |= 1u << k;
		r->step[i].ev_s += h.measured_s;
		r->step[i].ev_wh += h.in_wh - h.out_wh;
	}
}

static double mean_w(double wh, double s)
{
	return s >= ENOUGH_S ? wh * 3600 / s : NAN;
}

enum column { COLUMN_LOAD, COLUMN_PV, COLUMN_GRID, COLUMN_BATTERY, COLUMN_EV, COLUMN_IMPORT, COLUMN_EXPORT, COLUMNS };

/* The battery is what is left of the balance: so it needs no list of who was a battery then. A car nobody measured is a part
 * of the house, as it was at the time. */
static double column_w(const struct reading *r, const struct step *s, enum column c)
{
	const int measured = __builtin_popcount(s->chargers);
	const double ev_w = r->n_chargers == 0 ? 0 : measured == 0 ? NAN : mean_w(s->ev_wh, s->ev_s / measured);
	const double home_w = mean_w(s->home_wh, s->site_s);

	switch (c) {
	case COLUMN_LOAD:
		return isnan(home_w) ? NAN : fmax(home_w - (isnan(ev_w) ? 0 : ev_w), 0);
	case COLUMN_PV:
		return mean_w(s->solar_wh, s->site_s);
	case COLUMN_GRID:
		return mean_w(s->grid_wh, s->site_s);
	case COLUMN_BATTERY:
		return mean_w(s->grid_wh - s->home_wh + s->solar_wh, s->site_s);
	case COLUMN_EV:
		return ev_w;
	case COLUMN_IMPORT:
	case COLUMN_EXPORT:
	case COLUMNS:
		break;
	}
	return NAN;
}

static double price_of(const struct step *s, enum column c, const struct price_series *known, int64_t at_ms)
{
	const double kept_s = c == COLUMN_IMPORT ? s->priced_s : s->export_s;

	if (kept_s > 0)
		return (c == COLUMN_IMPORT ? s->import_money : s->export_money) / kept_s;
	return known ? bill_price(known, at_ms, at_ms + STEP_MS) : NAN;
}

static void add_column(cJSON *o, const char *name, const struct reading *r, enum column c, const struct price_series *known)
{
	const double steps = c < COLUMN_IMPORT ? 1 : 1e5;
	cJSON *list = cJSON_AddArrayToObject(o, name);

	for (int i = 0; i < r->n; i++) {
		const struct step *s = &r->step[i];
		const double v = c < COLUMN_IMPORT ? column_w(r, s, c) : price_of(s, c, known, r->from_ms + i * STEP_MS);

		cJSON_AddItemToArray(list, isfinite(v) ? cJSON_CreateNumber(round(v * steps) / steps) : cJSON_CreateNull());
	}
}

/* What the users ask for takes no place from the hub's own tools. */
static int *reads_of(const struct request *rq)
{
	return &rq->hub->history_reads[rq->role == USER_HUB];
}

static void reading_end(struct reading *r)
{
	--*reads_of(r->rq);
	free(r);
}

/* Takes @r over. Ends before the answer, which frees the request. */
static void fail(struct reading *r, int e)
{
	struct request *rq = r->rq;

	reading_end(r);
	request_error(rq, e == -EAGAIN ? "busy" : "unavailable", "the history cannot be read (%s)",
		      e == -ESHUTDOWN ? "hearthd is stopping" : e == -EAGAIN ? "the disk is behind: try again" : strerror(-e));
}

static void answer(struct reading *r)
{
	static const char *const NAMES[COLUMNS] = { "load_w", "pv_w", "grid_w", "battery_w", "ev_w", "import_price", "export_price" };
	const struct price_series *known[2];
	struct request *rq = r->rq;
	cJSON *o = cJSON_CreateObject();

	past_series(rq->hub->prices, loop_utc_ms(), r->from_ms, r->from_ms + r->n * STEP_MS, &known[0], &known[1]);
	json_add_time(o, "start", r->from_ms);
	cJSON_AddNumberToObject(o, "step_s", STEP_S);
	for (int c = 0; c < COLUMNS; c++)
		add_column(o, NAMES[c], r, (enum column)c, c < COLUMN_IMPORT ? NULL : known[c - COLUMN_IMPORT]);
	reading_end(r);
	request_ok(rq, o);
}

static int read_page(struct reading *r, store_rows_fn done)
{
	/* a row belongs to the step it began in */
	const struct store_query q = { .table = STORE_HISTORY, .seq_from = r->seq, .at_from_ms = r->from_ms,
				       .at_to_ms = r->from_ms + r->n * STEP_MS, .max_rows = STORE_READ_MAX };

	return store_read(r->rq->hub->store, &q, done, r);
}

static void on_rows(void *context, const struct store_row *rows, int n)
{
	struct reading *r = context;
	int e;

	for (int i = 0; i < n; i++)
		take_row(r, &rows[i]);
	if (n == 0 && r->rq->hub->prices) {
		answer(r);
		return;
	}
	if (n > 0)
		r->seq = rows[n - 1].seq + 1;
	e = n < 0 ? n : n == 0 ? -ESHUTDOWN : read_page(r, on_rows); /* without prices: hearthd is stopping */
	if (e < 0)
		fail(r, e);
}

static int get_time(const cJSON *args, const char *key, int64_t *utc_ms, struct errbuf *err)
{
	char text[48] = ""; /* with an offset and nine digits behind the second */
	int r = json_get_text(args, key, text, sizeof(text), err);

	if (r < 0)
		return r;
	if (r == 0)
		return errbuf_set(err, -EINVAL, "%s is missing: a time such as 2026-01-15T12:00:00Z", key);
	if (calendar_parse(text, utc_ms) < 0 || *utc_ms <= 0)
		return errbuf_set(err, -EINVAL, "%s: '%s' is not a time such as 2026-01-15T12:00:00Z", key, text);
	return 0;
}

static int get_span(const cJSON *args, int64_t *from_ms, int64_t *to_ms, struct errbuf *err)
{
	if (get_time(args, "from", from_ms, err) < 0 || get_time(args, "to", to_ms, err) < 0)
		return -EINVAL;
	if (*to_ms <= *from_ms)
		return errbuf_set(err, -EINVAL, "to is not later than from");
	if (*to_ms - *from_ms > SPAN_MS)
		return errbuf_set(err, -ERANGE, "from and to are more than 2 days apart: ask for the rest in another request");
	return 0;
}

void verb_history_get(struct request *rq)
{
	struct errbuf err = { "" };
	int64_t from_ms, to_ms;
	struct reading *r;
	int e;

	if (get_span(rq->args, &from_ms, &to_ms, &err) < 0) {
		request_error(rq, "bad_request", "%s", err.text);
		return;
	}
	if (*reads_of(rq) >= READS_MAX) {
		request_error(rq, "busy", "%d pages of the history are being read: try again", READS_MAX);
		return;
	}
	r = calloc(1, sizeof(*r));
	if (!r) {
		request_error(rq, "busy", "no memory");
		return;
	}
	++*reads_of(rq);
	r->rq = rq;
	r->from_ms = from_ms / STEP_MS * STEP_MS;
	r->n = (int)((to_ms - r->from_ms + STEP_MS - 1) / STEP_MS);
	for (int i = 0; i < plant_count(rq->hub->plant); i++)
		if (plant_roles(rq->hub->plant, i) & ROLE_CHARGER)
			memcpy(r->charger[r->n_chargers++], plant_config(rq->hub->plant, i)->id, DEVICE_ID_MAX);
	e = read_page(r, on_rows);
	if (e < 0)
		fail(r, e);
}

void verb_savings_get(struct request *rq)
{
	struct hub *h = rq->hub;
	struct errbuf err = { "" };
	struct savings_query q;

	if (savings_query_decode(rq->args, &q, &err) < 0)
		request_error(rq, "bad_request", "%s", err.text);
	else if (!h->clock_trusted)
		request_error(rq, "unavailable", "the clock is not trusted: which day is today is not known");
	else
		request_ok(rq, savings_answer(h->savings, &q, loop_utc_ms()));
}
