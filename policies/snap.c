/* Toward 0 to what a device can do, and the patience of cars: contactors wear, and a car that is asked to change too
 * often stops answering. A charge starts at the minimum and rises in steps. Patience only ever delays increases or keeps
 * what already was; cuts by ranks 1 and 2 pass. */
#include "policies/work.h"

#include <math.h>

#define CAR_STEP_MS 5000   /* between two changes of current */
#define CAR_DWELL_MS 60000 /* between pause and resume, and the shortest charge when only sun or price is against it */
#define CAR_DRAWS_W 100.0
#define CAR_CHANGE_W 50.0  /* smaller increases are not worth a change, nor smaller decreases that only sun or price asks for */
#define CAR_OVER_A 0.5     /* of a car that draws more than told: what it rounds away looks like room, and what it does more like load */
/* At most 2.8 kW a step on three phases: what batteries and a limit's other cars follow within a step's time. From 6 to 32 A in
 * 35 s. Who says `now` gets them in 15 s. */
#define CAR_RAMP_A 4.0
#define CAR_RAMP_NOW_A 10.0

/* What it was told; 0 when it was left to itself. */
static double told_w(const struct work_device *d)
{
	return d->dev->ordered.kind == ORDER_POWER ? d->dev->ordered.w : 0;
}

/* Events and the owner's word act at once; what the sun and the price want may wait. */
static bool patient(enum rank rank)
{
	return rank == RANK_PLAN || rank == RANK_SELF_USE;
}

static bool drew_since_start(const struct work *w, const struct work_device *d)
{
	double power_w;
	int64_t at_ms;

	return view_power(w->s, (int)(d - w->d), &power_w, &at_ms) && at_ms > d->memory->started_ms && power_w > CAR_DRAWS_W;
}

/* A charge begins at the minimum; one that is taken over from the charger's own control goes on as it is. */
static double start_w(const struct work_device *d)
{
	double min_w = view_min_w(d->dev);

	return d->dev->ordered.kind != ORDER_POWER && d->known ? double_max(min_w, d->now_w) : min_w;
}

/* The most the car may be told now, and which patience says so. */
static double rise_bound(const struct work *w, const struct work_device *d, double before_w, double step_a, enum reason *code)
{
	const struct chain_memory *m = d->memory;
	int64_t now_ms = w->s->now_ms, settle_ms = view_settle_ms(d->dev);
	double min_w = view_min_w(d->dev);

	*code = REASON_CAR_DWELL;
	if (before_w <= 0 && m->zero_ms && now_ms - m->zero_ms < CAR_DWELL_MS)
		return 0;
	*code = REASON_CAR_RAMP;
	if (before_w <= 0)
		return start_w(d);
	if (before_w < min_w - 0.5)
		return min_w; /* the minimum itself moves with the voltage */
	if (now_ms - m->started_ms < (settle_ms > CAR_START_MS ? settle_ms : CAR_START_MS) && !drew_since_start(w, d))
		return before_w;
	*code = REASON_CAR_DWELL;
	if (now_ms - m->changed_ms < CAR_STEP_MS)
		return before_w;
	*code = REASON_CAR_RAMP;
	return before_w + view_amps_to_w(d->dev, step_a);
}

/* The meter's noise moves what the sun leaves with every sample. What the car was told is good enough as long as it lies between
 * that and what the estimate of the house's load leaves; that follows real changes within some samples, large ones at once. */
static double without_noise(const struct work *w, const struct work_device *d, double before_w)
{
	double wanted_w = d->order.w, calm_w = wanted_w + w->grid_w - w->c->loop.load_w;

	if (!w->meter || d->wish->code != REASON_CAR_SOLAR)
		return wanted_w;
	for (int i = 0; i < w->n; i++)
		calm_w -= w->d[i].memory->seen_w;
	return double_clamp(before_w, double_min(wanted_w, calm_w), double_max(wanted_w, calm_w));
}

static void hold_rise(const struct work *w, struct work_device *d, double before_w)
{
	double step_a = patient(d->rank) ? CAR_RAMP_A : CAR_RAMP_NOW_A, bound_w;
	enum reason code;

	if (before_w > 0)
		d->order.w = without_noise(w, d, before_w);
	bound_w = rise_bound(w, d, before_w, step_a, &code);
	if (d->order.w <= bound_w)
		return;
	if (before_w > 0 && code == REASON_CAR_DWELL)
		d->claim_w = double_min(d->order.w, before_w + view_amps_to_w(d->dev, step_a));
	d->order.w = bound_w;
	if (code == REASON_CAR_RAMP) {
		work_wait(d, code, "a charge starts with %d A, rises once the car draws, by %.0f A in %d s", CAR_MIN_A, step_a, CAR_STEP_MS / 1000);
	} else if (before_w > 0) {
		work_wait(d, code, "no change within %d s of the last", CAR_STEP_MS / 1000);
	} else {
		work_wait(d, code, "%d s of rest after a pause", CAR_DWELL_MS / 1000);
		d->retry_ms = d->memory->zero_ms + CAR_DWELL_MS;
	}
}

static void hold_fall(const struct work *w, struct work_device *d, double before_w)
{
	const struct chain_memory *m = d->memory;
	double bound_w = d->power_band.max_w, wanted_w;

	if (before_w > bound_w)
		work_cut(d, d->power_band.max_by->rank, d->power_band.max_by->code, "%s", d->power_band.max_by->why);
	if (!patient(d->rank) || before_w > bound_w)
		return;
	if (!view_car_connected(d->dev))
		return;
	d->order.w = wanted_w = without_noise(w, d, before_w);
	if (before_w - wanted_w < CAR_CHANGE_W) {
		d->order.w = before_w;
		return;
	}
	if (d->order.w < view_min_w(d->dev) && w->s->now_ms - m->started_ms < CAR_DWELL_MS)
		d->order.w = double_min(before_w, double_max(d->order.w, view_min_w(d->dev)));
	if (w->s->now_ms - m->changed_ms < CAR_STEP_MS)
		d->order.w = before_w;
	if (d->order.w > wanted_w)
		work_wait(d, REASON_CAR_DWELL, "no change within %d s, no pause within %d s of the start", CAR_STEP_MS / 1000, CAR_DWELL_MS / 1000);
}

void snap_hold(struct work *w)
{
	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];

		if (!d->charger || d->order.kind != ORDER_POWER)
			continue;
		if (d->order.w < told_w(d))
			hold_fall(w, d, told_w(d));
		else
			hold_rise(w, d, told_w(d));
		if (d->order.w < view_min_w(d->dev) - 0.5)
			d->order.w = 0; /* nobody makes room for what it cannot do */
	}
}

static double toward_zero(const struct device_caps *caps, double min_w, double w)
{
	double size = fabs(w);

	if (caps->step_w > 0 && size > min_w)
		size = min_w + floor((size - min_w) / caps->step_w + 1e-9) * caps->step_w;
	if (size < min_w || size < 1)
		return 0;
	return copysign(size, w);
}

/* Before the minimum is looked at: it moves with the voltage, and half a watt must not cost the charge. */
static void lift_to_minimum(struct work_device *d)
{
	double min_w = view_min_w(d->dev);

	if (d->order.w >= min_w - 0.5 && d->order.w < min_w)
		d->order.w = min_w;
}

static void skip_small_rise(struct work_device *d)
{
	double before_w = told_w(d), least_w = d->memory->over > 0 ? view_amps_to_w(d->dev, CAR_OVER_A) : CAR_CHANGE_W;

	if (before_w >= view_min_w(d->dev) - 0.5 && d->order.w > before_w && d->order.w - before_w < least_w)
		d->order.w = before_w;
}

void snap_all(struct work *w)
{
	for (int i = 0; i < w->n; i++) {
		struct work_device *d = &w->d[i];
		bool car = d->charger && d->order.kind == ORDER_POWER;

		if (car)
			lift_to_minimum(d);
		if (d->order.kind == ORDER_POWER || (d->order.kind == ORDER_BALANCE && !d->order.native))
			d->order.w = toward_zero(&d->dev->state.caps, view_min_w(d->dev), d->order.w);
		if (car)
			skip_small_rise(d);
	}
}
