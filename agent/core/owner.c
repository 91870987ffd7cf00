/* See owner.h. The stored form is in owner_store.c. */
#include "core/owner.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TAKEN_STEP_WH 500
#define STEP_MS 2000 /* less than that apart, two clocks agree */

static const char *const OVERRIDE[] = { "none", "auto", "hold", "charge", "discharge" };
static const char *const EV_MODE[] = { "unset", "off", "solar", "cheap", "now" };

const char *override_word(enum override_mode m)
{
	return OVERRIDE[m];
}

const char *ev_mode_word(enum ev_mode m)
{
	return EV_MODE[m];
}

int override_parse(const char *word, enum override_mode *out)
{
	for (int i = OVERRIDE_AUTO; i <= OVERRIDE_DISCHARGE; i++)
		if (!strcmp(OVERRIDE[i], word)) {
			*out = (enum override_mode)i;
			return 0;
		}
	return -EINVAL;
}

int ev_mode_parse(const char *word, enum ev_mode *out)
{
	for (int i = EV_OFF; i <= EV_NOW; i++)
		if (!strcmp(EV_MODE[i], word)) {
			*out = (enum ev_mode)i;
			return 0;
		}
	return -EINVAL;
}

void owner_init(struct owner *o)
{
	memset(o, 0, sizeof(*o));
	o->reserve_pct = o->reserve_config_pct = NAN;
}

double owner_reserve(const struct owner *o, double config_pct)
{
	if (o->reserve_config_pct != config_pct)
		return config_pct;
	return o->reserve_unread ? 100 : !isnan(o->reserve_pct) ? o->reserve_pct : config_pct;
}

bool owner_reserve_yield(struct owner *o, double config_pct)
{
	if ((isnan(o->reserve_pct) && !o->reserve_unread) || o->reserve_config_pct == config_pct)
		return false;
	if (isnan(o->reserve_config_pct)) {
		o->reserve_config_pct = config_pct;
		o->reserve_pct = fmax(o->reserve_pct, o->reserve_unread ? NAN : config_pct);
		return true;
	}
	o->reserve_pct = o->reserve_config_pct = NAN;
	o->reserve_unread = false;
	return true;
}

int owner_reserve_set(struct owner *o, double pct, double config_pct, struct errbuf *err)
{
	if (!(pct >= 0 && pct <= 100))
		return errbuf_set(err, -ERANGE, "reserve: %g %% is outside 0..100", pct);
	o->reserve_pct = pct;
	o->reserve_config_pct = config_pct;
	o->reserve_unread = false;
	return 0;
}

static int find_override(const struct owner *o, const char *device)
{
	for (int i = 0; i < o->n_overrides; i++)
		if (!strcmp(o->override[i].device, device))
			return i;
	return -1;
}

static int find_ev(const struct owner *o, const char *device)
{
	for (int i = 0; i < o->n_evs; i++)
		if (!strcmp(o->ev[i].device, device))
			return i;
	return -1;
}

int owner_override_set(struct owner *o, const struct owner_override *v, int64_t utc_ms, struct errbuf *err)
{
	const bool power = v->mode == OVERRIDE_CHARGE || v->mode == OVERRIDE_DISCHARGE;
	int i = find_override(o, v->device);

	if (v->mode < OVERRIDE_AUTO || v->mode > OVERRIDE_DISCHARGE || !v->device[0])
		return errbuf_set(err, -EINVAL, "override: no mode or no device");
	if (!isnan(v->power_w) && !power)
		return errbuf_set(err, -EINVAL, "override: power goes with charge and discharge only");
	if (!isnan(v->power_w) && !(v->power_w > 0 && v->power_w <= 1e6))
		return errbuf_set(err, -ERANGE, "override: %g W is outside 1..1000000", v->power_w);
	if (v->until_utc_ms <= utc_ms)
		return errbuf_set(err, -ERANGE, "override: its end is not in the future");
	if (v->until_utc_ms - utc_ms > OWNER_OVERRIDE_MAX_MS)
		return errbuf_set(err, -ERANGE, "override: at most 31 days");
	if (i < 0 && o->n_overrides >= DEVICE_MAX)
		return errbuf_set(err, -ENOSPC, "override: %d devices have one already", DEVICE_MAX);
	if (i < 0)
		i = o->n_overrides++;
	o->override[i] = *v;
	return 0;
}

bool owner_override_clear(struct owner *o, const char *device)
{
	const int i = find_override(o, device);

	if (i < 0)
		return false;
	o->override[i] = o->override[--o->n_overrides];
	return true;
}

/* The bound keeps a clock that was set back from stretching it for ever. @now_ms 0: not asked for. */
static bool in_force(const struct owner_override *v, int64_t utc_ms, int64_t now_ms)
{
	if (v->until_ms && now_ms)
		return now_ms < v->until_ms;
	return utc_ms < v->until_utc_ms && v->until_utc_ms - utc_ms <= OWNER_OVERRIDE_MAX_MS;
}

const struct owner_override *owner_override_now(const struct owner *o, const char *device, int64_t utc_ms, int64_t now_ms)
{
	const int i = find_override(o, device);

	return i >= 0 && in_force(&o->override[i], utc_ms, now_ms) ? &o->override[i] : NULL;
}

const struct owner_override *owner_override_at(const struct owner *o, const char *device, int64_t utc_ms)
{
	return owner_override_now(o, device, utc_ms, 0);
}

int owner_pause(struct owner *o, int64_t duration_ms, int64_t utc_ms, struct errbuf *err)
{
	if (duration_ms < 0 || duration_ms > OWNER_PAUSE_MAX_MS)
		return errbuf_set(err, -ERANGE, "pause: %lld s is outside 0..%lld", (long long)(duration_ms / 1000),
				  OWNER_PAUSE_MAX_MS / 1000);
	o->pause_until_utc_ms = duration_ms ? utc_ms + duration_ms : 0;
	o->pause_until_ms = 0;
	return 0;
}

bool owner_paused(const struct owner *o, int64_t utc_ms)
{
	/* the bound keeps a clock that was set back from stretching the pause for ever */
	return utc_ms < o->pause_until_utc_ms && o->pause_until_utc_ms - utc_ms <= OWNER_PAUSE_MAX_MS;
}

void owner_pause_mono(struct owner *o, int64_t now_ms, int64_t duration_ms)
{
	o->pause_until_ms = duration_ms ? now_ms + duration_ms : 0;
}

bool owner_paused_at(const struct owner *o, int64_t utc_ms, int64_t now_ms)
{
	return o->pause_until_ms ? now_ms < o->pause_until_ms : owner_paused(o, utc_ms);
}

int owner_ev_set(struct owner *o, const struct owner_ev *v, int64_t utc_ms, struct errbuf *err)
{
	int i = find_ev(o, v->device);

	if (v->mode < EV_OFF || v->mode > EV_NOW || !v->device[0])
		return errbuf_set(err, -EINVAL, "ev: no mode or no device");
	if (!isnan(v->energy_wh) && !isnan(v->soc_pct))
		return errbuf_set(err, -EINVAL, "ev: either energy or state of charge, not both");
	if (!isnan(v->energy_wh) && !(v->energy_wh > 0 && v->energy_wh <= 500000))
		return errbuf_set(err, -ERANGE, "ev: %g Wh is outside 1..500000", v->energy_wh);
	if (!isnan(v->soc_pct) && !(v->soc_pct > 0 && v->soc_pct <= 100))
		return errbuf_set(err, -ERANGE, "ev: %g %% is outside 1..100", v->soc_pct);
	if (v->ready_by_utc_ms && v->ready_by_utc_ms <= utc_ms)
		return errbuf_set(err, -ERANGE, "ev: ready_by is not in the future");
	if (v->ready_by_utc_ms && v->ready_by_utc_ms - utc_ms > OWNER_OVERRIDE_MAX_MS)
		return errbuf_set(err, -ERANGE, "ev: ready_by is more than 31 days ahead");
	if (i < 0 && o->n_evs >= DEVICE_MAX)
		return errbuf_set(err, -ENOSPC, "ev: %d chargers have a mode already", DEVICE_MAX);
	if (i < 0)
		i = o->n_evs++;
	o->ev[i] = *v;
	return 0;
}

const struct owner_ev *owner_ev_of(const struct owner *o, const char *device)
{
	const int i = find_ev(o, device);

	return i >= 0 ? &o->ev[i] : NULL;
}

bool owner_ev_took(struct owner *o, const char *device, double wh)
{
	const int i = find_ev(o, device);
	struct owner_ev *v = i >= 0 ? &o->ev[i] : NULL;
	double before;

	if (!v || isnan(v->energy_wh) || !(wh > 0) || v->taken_wh >= v->energy_wh)
		return false;
	before = v->taken_wh;
	v->taken_wh += wh;
	return v->taken_wh >= v->energy_wh || floor(v->taken_wh / TAKEN_STEP_WH) > floor(before / TAKEN_STEP_WH);
}

double owner_ev_left_wh(const struct owner_ev *v)
{
	return isnan(v->energy_wh) ? NAN : v->taken_wh < v->energy_wh ? v->energy_wh - v->taken_wh : 0;
}

static bool expire_wishes(struct owner *o, int64_t utc_ms, int64_t now_ms)
{
	bool changed = false;

	for (int i = 0; i < o->n_overrides;) {
		struct owner_override *v = &o->override[i];

		if (in_force(v, utc_ms, now_ms)) {
			if (v->until_ms && now_ms && llabs(utc_ms + v->until_ms - now_ms - v->until_utc_ms) > STEP_MS) {
				v->until_utc_ms = utc_ms + v->until_ms - now_ms;
				changed = true;
			}
			i++;
			continue;
		}
		o->override[i] = o->override[--o->n_overrides];
		changed = true;
	}
	for (int i = 0; i < o->n_evs; i++) {
		struct owner_ev *v = &o->ev[i];

		if (!v->ready_by_utc_ms || utc_ms < v->ready_by_utc_ms)
			continue;
		v->ready_by_utc_ms = 0; /* the wish was for one departure; the mode stays */
		v->energy_wh = v->soc_pct = NAN;
		v->taken_wh = 0;
		changed = true;
	}
	return changed;
}

static bool end_pause(struct owner *o)
{
	o->pause_until_utc_ms = o->pause_until_ms = 0;
	return true;
}

bool owner_expire_durations(struct owner *o, int64_t now_ms)
{
	bool changed = o->pause_until_ms && now_ms >= o->pause_until_ms && end_pause(o);

	for (int i = 0; i < o->n_overrides;) {
		if (!o->override[i].until_ms || now_ms < o->override[i].until_ms) {
			i++;
			continue;
		}
		o->override[i] = o->override[--o->n_overrides];
		changed = true;
	}
	return changed;
}

bool owner_expire(struct owner *o, int64_t utc_ms)
{
	const bool changed = expire_wishes(o, utc_ms, 0);

	return (o->pause_until_utc_ms && !o->pause_until_ms && !owner_paused(o, utc_ms) && end_pause(o)) || changed;
}

bool owner_expire_at(struct owner *o, int64_t utc_ms, int64_t now_ms)
{
	const bool changed = expire_wishes(o, utc_ms, now_ms);
	const int64_t until_utc_ms = utc_ms + o->pause_until_ms - now_ms;

	if (!o->pause_until_utc_ms)
		return changed;
	if (!owner_paused_at(o, utc_ms, now_ms))
		return end_pause(o);
	if (!o->pause_until_ms || llabs(until_utc_ms - o->pause_until_utc_ms) <= STEP_MS)
		return changed;
	o->pause_until_utc_ms = until_utc_ms; /* the clock was stepped: a restart must find the end where it is */
	return true;
}
