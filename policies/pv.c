/* Rank 6: the sun at negative export prices. Nothing shall be exported then; batteries and cars first take what they may. PV
 * gets a bound, steered by the meter. The batteries that balance by that meter come first: what they can still take or give
 * is theirs to settle, at once only what is beyond them is the sun's; two quick loops on one meter would fight. What the sun
 * behind a bound would give cannot be seen, so it is offered: to batteries in small steps, to cars that wait for sun for a
 * short while. Where importing is paid for too, no sun at all is cheapest. A price is no reason to leave an inverter bounded
 * when the hub dies: one that nobody guards is let alone. */
#include "policies/policies.h"
#include "policies/sentence.h"
#include "policies/view.h"

#include <math.h>
#include <string.h>

#define PRICE_BAND 0.0005   /* per kWh: below minus this it is negative, until it is not */
#define BAND_PART 0.015     /* of the rating: export that is noise */
#define BAND_W 50.0
#define STEP_PART 0.1       /* of the rating, offered to batteries at a time */
#define STEP_MS 5000
#define TAKE_MS 10000       /* batteries have this long to take what they can */
#define BLOCK_MS 60000      /* after an offer that only led to export; doubled each time up to BLOCK_MAX_MS */
#define BLOCK_MAX_MS 960000
#define CAR_MS 40000        /* a car has this long to take up what it is offered */
#define CAR_AGAIN_MS 600000

struct pv_memory {
	bool negative, running, offered;
	uint32_t sample;
	int64_t changed_ms, step_ms, step_after_ms, block_ms;
	int64_t export_ms;                /* since when there is export, 0 = there is none */
	int64_t car_end_ms, car_after_ms; /* end of the offer that runs, 0 = none; the next one not before */
	double car_w;                     /* that is offered */
	double bound_w[DEVICE_MAX];
	double peak_w[DEVICE_MAX];        /* the most each was read to give */
};

/* All that the loop looks at, summed up. */
struct pv_sums {
	double size_w, made_w;   /* of the PV that is steered */
	double forced_w;         /* discharged by order: its export is not the sun's */
	double take_w, cover_w;  /* what the other batteries could take more or give less, and take less or give more */
	double car_w;            /* what cars that wait for sun could begin with */
	int64_t settle_ms;
};

static void pv_init(void *memory)
{
	(void)memory;
}

static bool steered(const struct snap_device *d)
{
	return view_pv(d) && view_steerable(d) && (d->state.caps.guarded_by != GUARDED_NONE || d->allow_unguarded);
}

static double size_w(const struct pv_memory *m, const struct snapshot *s, int i)
{
	return view_pv_size(&s->dev[i], m->peak_w[i]);
}

static double made_w(const struct pv_memory *m, const struct snapshot *s, int i)
{
	double power_w;

	return view_power(s, i, &power_w, NULL) ? double_max(0, -power_w) : size_w(m, s, i);
}

static void peaks_learn(struct pv_memory *m, const struct snapshot *s)
{
	double power_w;

	for (int i = 0; i < s->n_devices; i++)
		if (view_power(s, i, &power_w, NULL))
			m->peak_w[i] = double_max(m->peak_w[i], -power_w);
}

static void sum_battery(const struct snapshot *s, int i, struct pv_sums *sums)
{
	const struct order *o = &s->dev[i].ordered;
	double power_w;

	if (!view_power(s, i, &power_w, NULL))
		return;
	if (o->kind == ORDER_POWER) {
		sums->forced_w += double_max(0, -power_w);
		return;
	}
	if (o->kind != ORDER_BALANCE) { /* under its own control: what it gives it need not give */
		sums->take_w += double_max(0, -power_w);
		return;
	}
	sums->take_w += double_max(0, o->max_w - power_w);
	sums->cover_w += double_max(0, power_w - o->min_w);
}

/* More for a car that charges, its least for one that waits. */
static double car_wants_w(const struct snap_device *d, double step_w)
{
	double now_w = d->ordered.kind == ORDER_POWER ? d->ordered.w : 0;

	if ((d->ev_mode != EV_SOLAR && d->ev_mode != EV_CHEAP) || !view_car_connected(d) || now_w >= view_charge_max(d))
		return 0;
	return now_w > 0 ? double_min(step_w, view_charge_max(d) - now_w) : view_min_w(d);
}

static void sum_up(const struct pv_memory *m, const struct snapshot *s, struct pv_sums *sums)
{
	*sums = (struct pv_sums){ 0 };
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];

		if (steered(d)) {
			sums->size_w += size_w(m, s, i);
			sums->made_w += made_w(m, s, i);
			if (view_settle_ms(d) > sums->settle_ms)
				sums->settle_ms = view_settle_ms(d);
		} else if (view_battery(d)) {
			sum_battery(s, i, sums);
		}
	}
	for (int i = 0; i < s->n_devices; i++)
		if (view_charger(&s->dev[i]) && view_steerable(&s->dev[i]))
			sums->car_w = double_max(sums->car_w, car_wants_w(&s->dev[i], STEP_PART * sums->size_w));
}

static double band_w(const struct pv_sums *sums)
{
	return double_max(BAND_W, BAND_PART * sums->size_w);
}

/* From each by what it makes; lost_w beyond that cannot be taken from the sun. */
static void lower(struct pv_memory *m, const struct snapshot *s, const struct pv_sums *sums, double lost_w)
{
	double keep = sums->made_w > lost_w ? 1 - lost_w / sums->made_w : 0;

	for (int i = 0; i < s->n_devices; i++)
		if (steered(&s->dev[i]))
			m->bound_w[i] = double_min(m->bound_w[i], keep * made_w(m, s, i));
	m->changed_ms = s->now_ms;
}

/* To each by its size. A bound that does not bind stays where it is. */
static void lift(struct pv_memory *m, const struct snapshot *s, const struct pv_sums *sums, double more_w)
{
	for (int i = 0; i < s->n_devices; i++) {
		double rated_w = view_discharge_max(&s->dev[i]);
		double bound_w = made_w(m, s, i) + more_w * size_w(m, s, i) / sums->size_w;

		if (!steered(&s->dev[i]) || m->bound_w[i] >= double_min(rated_w, bound_w))
			continue;
		m->bound_w[i] = double_min(rated_w, bound_w);
		m->changed_ms = s->now_ms;
	}
}

/* Offers a car what it could begin with; while the offer stands, its export is tolerated. */
static double car_offer(struct pv_memory *m, const struct snapshot *s, const struct pv_sums *sums, bool exporting)
{
	if (m->car_end_ms && s->now_ms >= m->car_end_ms) {
		m->car_after_ms = s->now_ms + (exporting ? CAR_AGAIN_MS : 0); /* not taken up: much later */
		m->car_end_ms = 0;
	}
	if (m->car_end_ms)
		return m->car_w;
	if (exporting || sums->car_w <= 0 || s->now_ms < m->car_after_ms)
		return 0;
	m->car_w = sums->car_w + band_w(sums);
	m->car_end_ms = s->now_ms + CAR_MS;
	lift(m, s, sums, m->car_w);
	return m->car_w;
}

/* Batteries near full take less than they are allowed. */
static void step_failed(struct pv_memory *m, const struct snapshot *s)
{
	if (!m->offered)
		return;
	m->offered = false;
	m->step_after_ms = s->now_ms + m->block_ms;
	m->block_ms = m->block_ms < BLOCK_MAX_MS ? 2 * m->block_ms : BLOCK_MAX_MS;
}

/* What is exported although batteries have had their time, or more than they could take. */
static bool too_much(struct pv_memory *m, const struct snapshot *s, const struct pv_sums *sums, double export_w)
{
	if (export_w <= band_w(sums))
		m->export_ms = 0;
	else if (m->export_ms == 0)
		m->export_ms = s->now_ms;
	return export_w - sums->take_w > band_w(sums) || (m->export_ms && s->now_ms - m->export_ms >= TAKE_MS);
}

static void loop_step(struct pv_memory *m, const struct snapshot *s, double grid_w)
{
	struct pv_sums sums;
	double export_w, band;

	sum_up(m, s, &sums);
	band = band_w(&sums);
	if (s->grid_w.at_ms - m->changed_ms < sums.settle_ms)
		return; /* the meter shows neither before nor after */
	export_w = -grid_w - sums.forced_w;
	export_w -= car_offer(m, s, &sums, export_w > band);
	if (m->changed_ms == s->now_ms)
		return; /* that was the offer */
	if (too_much(m, s, &sums, export_w)) {
		step_failed(m, s);
		lower(m, s, &sums, export_w + band / 2);
	} else if (grid_w - sums.cover_w > band) {
		lift(m, s, &sums, grid_w - band / 2);
	} else if (fabs(grid_w) <= band && sums.take_w > band && s->now_ms >= m->step_after_ms &&
		   s->now_ms - m->step_ms >= STEP_MS) {
		if (m->offered)
			m->block_ms = BLOCK_MS; /* the last one was taken */
		m->offered = true;
		m->step_ms = s->now_ms;
		lift(m, s, &sums, double_min(sums.take_w, STEP_PART * sums.size_w));
	}
}

static void price_look(struct pv_memory *m, const struct snapshot *s)
{
	bool known = s->clock_trusted && isfinite(s->export_price);
	struct pv_memory fresh;

	m->negative = known && s->export_price < (m->negative ? 0 : -PRICE_BAND);
	if (m->negative == m->running)
		return;
	fresh = (struct pv_memory){ .negative = m->negative, .running = m->negative, .block_ms = BLOCK_MS };
	memcpy(fresh.peak_w, m->peak_w, sizeof(fresh.peak_w));
	*m = fresh;
	for (int i = 0; i < s->n_devices; i++)
		m->bound_w[i] = view_discharge_max(&s->dev[i]);
}

static void free_wish(const struct snapshot *s, int i, bool negative, struct wishes *out)
{
	if (negative)
		wish_order(out, i, order_release(), 0, REASON_PV_FREE, "export costs %.3f, but nobody guards the inverter: not bounded for a price",
			   -s->export_price);
	else
		wish_order(out, i, order_release(), 0, REASON_PV_FREE, "the sun gives what it can");
	wish_rank(out, RANK_SELF_USE);
}

static void pv_step(void *memory, const struct snapshot *s, struct wishes *out)
{
	struct pv_memory *m = memory;
	double grid_w;

	peaks_learn(m, s);
	price_look(m, s);
	if (m->negative && !out->meter_lost && view_grid(s, &grid_w) && s->grid_sample != m->sample) {
		m->sample = s->grid_sample;
		loop_step(m, s, grid_w);
	}
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];

		if (!view_pv(d) || !view_steerable(d))
			continue;
		if (!m->negative || !steered(d))
			free_wish(s, i, m->negative, out);
		else if (s->import_price < -PRICE_BAND)
			wish_order(out, i, order_power(0), s->price_until_utc_ms, REASON_NEGATIVE_PRICE,
				   "import pays %.3f and export costs %.3f: no sun", -s->import_price, -s->export_price);
		else
			wish_order(out, i, order_power(-m->bound_w[i]), s->price_until_utc_ms, REASON_NEGATIVE_PRICE,
				   "export costs %.3f: no more sun than is used here", -s->export_price);
	}
}

const struct policy POLICY_PV = { "pv", RANK_PLAN, sizeof(struct pv_memory), pv_init, pv_step };
