/* See interval.h. The site's powers are those of core/encode.h, so that telemetry and R/site never disagree. */
#include "core/interval.h"

#include "core/clock_gate.h"
#include "core/encode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HOLD_MS 15000
#define MS_PER_H 3600000.0
#define REPEAT_MAX_MS 3600000 /* see interval_step: a step back of more begins anew */

/* The powers of one snapshot; NAN = not known. Home and solar may be negative here. */
struct powers {
	double grid, home, solar, device[DEVICE_MAX];
};

void interval_init(struct interval *iv, int32_t length_s)
{
	*iv = (struct interval){ .length_s = length_s < 1 ? 1 : length_s > 86400 ? 86400 : length_s, .told_utc_ms = -1 };
}

static const struct value *power_of(const struct snap_device *d)
{
	const struct value *part = &d->state.f[F_BATTERY_POWER_AC_W];

	return d->roles & ROLE_BATTERY && part->q != Q_ABSENT ? part : &d->state.ac_power_w;
}

static void powers_take(const struct snapshot *s, struct powers *p)
{
	bool battery = false, sun = false;
	struct site_sums sums;

	site_sums(s, &sums);
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];

		battery |= d->roles & ROLE_BATTERY;
		/* a hybrid that cannot tell its battery from its sun counts as a battery there */
		sun |= d->roles & ROLE_PV && (!(d->roles & ROLE_BATTERY) || d->state.f[F_BATTERY_POWER_AC_W].q != Q_ABSENT);
		if (!value_get(power_of(d), s->now_ms, HOLD_MS, &p->device[i]))
			p->device[i] = NAN;
	}
	p->grid = sums.grid_w;
	p->solar = sun ? -sums.pv_w : 0;
	p->home = sums.grid_w - (battery ? sums.battery_w : 0) + p->solar;
}

/* A straight line from @w0 to @w1; what lies below zero counts on the other side. */
static void sum_add(struct interval_sum *sum, double w0, double w1, double ms)
{
	double wh, above;

	if (isnan(w0) || isnan(w1))
		return;
	sum->measured_s += ms / 1000;
	wh = (w0 + w1) / 2 * ms / MS_PER_H;
	if (w0 >= 0 && w1 >= 0) {
		sum->in_wh += wh;
	} else if (w0 <= 0 && w1 <= 0) {
		sum->out_wh -= wh;
	} else {
		above = fmax(w0, w1) * fmax(w0, w1) / fabs(w1 - w0) / 2 * ms / MS_PER_H;
		sum->in_wh += above;
		sum->out_wh += above - wh;
	}
}

static double between(double w0, double w1, double f)
{
	return w0 + (w1 - w0) * f;
}

/* The piece of the line from the last snapshot to this one that lies between the fractions @from and @to of @ms. */
static void powers_add(struct interval_report *r, const struct powers *p, const struct powers *last, const double part[3])
{
	const double from = part[0], to = part[1], ms = (to - from) * part[2];

	sum_add(&r->grid, between(last->grid, p->grid, from), between(last->grid, p->grid, to), ms);
	sum_add(&r->home, between(last->home, p->home, from), between(last->home, p->home, to), ms);
	sum_add(&r->solar, between(last->solar, p->solar, from), between(last->solar, p->solar, to), ms);
	for (int i = 0; i < r->n; i++)
		sum_add(&r->device[i].power, between(last->device[i], p->device[i], from),
			between(last->device[i], p->device[i], to), ms);
}

static void powers_last(const struct interval_report *r, struct powers *out)
{
	out->grid = r->grid.last_w;
	out->home = r->home.last_w;
	out->solar = r->solar.last_w;
	for (int i = 0; i < r->n; i++)
		out->device[i] = r->device[i].power.last_w;
}

static void keep_good(const struct value *v, double *out)
{
	if (value_usable(v))
		*out = v->v;
}

/* What stands "at the end", should the interval end here. */
static void end_at(struct interval *iv, const struct snapshot *s, const struct powers *p)
{
	struct interval_report *r = &iv->r;

	r->grid.last_w = p->grid;
	r->home.last_w = p->home;
	r->solar.last_w = p->solar;
	r->grid_lost = s->grid_lost;
	for (int i = 0; i < r->n; i++) {
		const struct device_state *state = &s->dev[i].state;
		const struct value *grid = &state->f[F_INVERTER_GRID_ONLINE];
		struct interval_device *d = &r->device[i];

		d->roles = s->dev[i].roles;
		d->online = state->availability == AVAIL_ONLINE;
		d->grid_online = value_usable(grid) ? grid->v > 0.5 : -1;
		d->power.last_w = p->device[i];
		keep_good(&state->f[F_BATTERY_SOC_PCT], &d->soc_pct);
		keep_good(&state->f[F_BATTERY_SOH_PCT], &d->soh_pct);
		keep_good(&state->f[F_BATTERY_CAPACITY_WH], &d->capacity_wh);
	}
	iv->last_ms = s->now_ms;
	iv->last_utc_ms = s->utc_ms;
}

static const struct interval_device *device_find(const struct interval_report *r, const char *id)
{
	for (int i = 0; i < r->n; i++)
		if (!strcmp(r->device[i].id, id))
			return &r->device[i];
	return NULL;
}

/* The report's devices are those of the snapshot, in its order; who was there before keeps what it has. */
static void devices_match(struct interval_report *r, const struct snapshot *s)
{
	struct interval_report before;
	bool same = r->n == s->n_devices;

	for (int i = 0; same && i < r->n; i++)
		same = !strcmp(r->device[i].id, s->dev[i].id);
	if (same)
		return;
	before = *r;
	r->n = s->n_devices;
	for (int i = 0; i < r->n; i++) {
		const struct interval_device *old = device_find(&before, s->dev[i].id);

		if (old) {
			r->device[i] = *old;
			continue;
		}
		r->device[i] = (struct interval_device){ .grid_online = -1, .soc_pct = NAN, .soh_pct = NAN, .capacity_wh = NAN,
							 .power.last_w = NAN };
		memcpy(r->device[i].id, s->dev[i].id, sizeof(r->device[i].id));
	}
}

static void sum_clear(struct interval_sum *sum)
{
	sum->in_wh = sum->out_wh = sum->measured_s = 0;
}

static void begin(struct interval *iv, int64_t start_utc_ms, int64_t utc_ms)
{
	const int64_t length_ms = iv->length_s * 1000LL;

	sum_clear(&iv->r.grid);
	sum_clear(&iv->r.home);
	sum_clear(&iv->r.solar);
	for (int i = 0; i < iv->r.n; i++)
		sum_clear(&iv->r.device[i].power);
	iv->begun = true;
	iv->r.start_utc_ms = start_utc_ms / 1000 * 1000;
	iv->end_utc_ms = (utc_ms / length_ms + 1) * length_ms;
}

/* Home takes what the inverters draw at night; the noise of meters read one after the other must not make it negative. */
static void report(struct interval *iv, int64_t end_utc_ms, struct interval_report *out)
{
	double home_w = iv->r.home.last_w, solar_w = iv->r.solar.last_w;

	iv->told_utc_ms = iv->r.start_utc_ms;
	if (!out)
		return;
	*out = iv->r;
	out->duration_s = (int32_t)((end_utc_ms - iv->r.start_utc_ms) / 1000);
	out->home.in_wh = fmax(iv->r.home.in_wh - iv->r.home.out_wh + iv->r.solar.out_wh, 0);
	out->home.out_wh = 0;
	if (!isnan(home_w)) /* known only when solar is */
		out->home.last_w = fmax(home_w + fmax(-solar_w, 0), 0);
	if (!isnan(solar_w))
		out->solar.last_w = fmax(solar_w, 0);
}

bool interval_cut(struct interval *iv, struct interval_report *out)
{
	if (!iv->begun)
		return false;
	iv->begun = false;
	if (iv->last_utc_ms - iv->r.start_utc_ms < 1000)
		return false;
	report(iv, iv->last_utc_ms, out);
	return true;
}

/* Unless this time was told already. */
static void begin_here(struct interval *iv, int64_t utc_ms)
{
	if (utc_ms / 1000 * 1000 <= iv->told_utc_ms) {
		iv->skipped++;
		return;
	}
	begin(iv, utc_ms, utc_ms);
}

bool interval_step(struct interval *iv, const struct snapshot *s, struct interval_report *out)
{
	const int64_t ms = s->now_ms - iv->last_ms, utc_ms = s->utc_ms - iv->last_utc_ms, length_ms = iv->length_s * 1000LL;
	const bool stepped = llabs(utc_ms - ms) > CLOCK_STEP_MS, silent = ms > HOLD_MS;
	struct powers now, last;
	bool ended = false;
	int64_t end;
	double f;

	if (!s->clock_trusted || s->utc_ms <= 0) {
		iv->begun = false;
		return false;
	}
	powers_take(s, &now);
	if (stepped)
		ended = interval_cut(iv, out);
	if (utc_ms - ms < -REPEAT_MAX_MS || iv->told_utc_ms - s->utc_ms > REPEAT_MAX_MS)
		iv->told_utc_ms = -1;
	devices_match(&iv->r, s);
	powers_last(&iv->r, &last);
	if (!iv->begun) {
		begin_here(iv, s->utc_ms);
	} else if (s->utc_ms < iv->end_utc_ms) {
		if (!silent)
			powers_add(&iv->r, &now, &last, (double[]){ 0, 1, (double)ms });
	} else if (silent) { /* nothing is known of the time since; what stood at the last snapshot stands at the end */
		report(iv, iv->end_utc_ms, out);
		begin(iv, s->utc_ms, s->utc_ms);
		ended = true;
	} else {
		end = s->utc_ms / length_ms * length_ms;
		f = (double)(end - iv->last_utc_ms) / (double)utc_ms;
		powers_add(&iv->r, &now, &last, (double[]){ 0, f, (double)ms });
		end_at(iv, s, &now);
		report(iv, end, out);
		begin(iv, end, s->utc_ms);
		powers_add(&iv->r, &now, &last, (double[]){ f, 1, (double)ms });
		return true;
	}
	end_at(iv, s, &now);
	return ended;
}
