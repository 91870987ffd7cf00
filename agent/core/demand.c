/* See demand.h. Every doubt is settled so that less import is allowed: gaps count as used, only measured energy makes a peak
 * (a higher peak would allow more), an unknown beginning of an interval counts as if the target had been used. */
#include "core/demand.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define SEEN_MS 15000 /* a reading says nothing of later: a suspended hub, a loop that stood */
#define HOUR_MS 3600000.0
#define APART_MS 2000        /* the clocks moved apart by more than this: a step */
#define SPREAD_MORE_MS 60000 /* what was saved is not spent faster than within this */
#define SPREAD_LESS_MS 15000 /* nor what was used too much made up for faster than within this */
#define MORE_MAX 2           /* times the target */
#define PEAK_STEP_W 1

static double kept(const struct demand *d, const struct demand_config *cfg)
{
	return d->running ? fmax(cfg->target_w, d->peak_w) : cfg->target_w;
}

static int month_of(const struct zone *zone, int64_t utc_ms)
{
	struct civil c;

	calendar_local(zone, utc_ms, &c);
	return c.year * 12 + c.month - 1;
}

/* The interval around @utc_ms; what was before it is for the caller to count. */
static void begin(struct demand *d, const struct demand_config *cfg, const struct zone *zone, int64_t utc_ms)
{
	const int64_t length_ms = (int64_t)cfg->interval_min * 60000, local_ms = utc_ms + calendar_offset_s(zone, utc_ms) * 1000LL;
	const int month = month_of(zone, utc_ms);

	if (month != d->month)
		d->peak_w = 0;
	d->month = month;
	d->start_utc_ms = utc_ms - (local_ms % length_ms + length_ms) % length_ms;
	d->end_utc_ms = d->start_utc_ms + length_ms;
	d->used_wh = d->seen_wh = 0;
	d->late_w = NAN;
	d->running = true;
}

/* Import until the end of the interval that makes its average the target; what is above or below the target so far is not made
 * up for within less than @least_ms. */
static double quotient(const struct demand *d, double target_w, int64_t least_ms)
{
	const int64_t left_ms = d->end_utc_ms - d->last_utc_ms;
	const double spare_wh = target_w * (double)(d->last_utc_ms - d->start_utc_ms) / HOUR_MS - d->used_wh;

	return target_w + spare_wh * HOUR_MS / (double)(left_ms > least_ms ? left_ms : least_ms);
}

/* Enters an interval of which nobody knows what it was so far; if it is the one that was left, not less than what was known, and
 * the target since. */
static void enter(struct demand *d, const struct demand_config *cfg, const struct zone *zone, int64_t utc_ms)
{
	const int64_t start_utc_ms = d->start_utc_ms, gap_ms = utc_ms > d->last_utc_ms ? utc_ms - d->last_utc_ms : 0;
	const double used_wh = d->used_wh;

	begin(d, cfg, zone, utc_ms);
	d->used_wh = kept(d, cfg) * (double)(utc_ms - d->start_utc_ms) / HOUR_MS;
	if (start_utc_ms == d->start_utc_ms)
		d->used_wh = fmax(d->used_wh, used_wh + kept(d, cfg) * (double)gap_ms / HOUR_MS);
}

static void count(struct demand *d, const struct demand_config *cfg, int64_t ms)
{
	const int64_t seen_ms = isnan(d->last_w) ? 0 : ms < SEEN_MS ? ms : SEEN_MS;

	d->used_wh += fmax(kept(d, cfg), d->known_w) * (double)(ms - seen_ms) / HOUR_MS;
	if (seen_ms == 0)
		return;
	d->used_wh += d->last_w * (double)seen_ms / HOUR_MS;
	d->seen_wh += d->last_w * (double)seen_ms / HOUR_MS;
}

static bool finish(struct demand *d)
{
	const double average_w = d->seen_wh * HOUR_MS / (double)(d->end_utc_ms - d->start_utc_ms);

	if (average_w < d->peak_w + PEAK_STEP_W)
		return false;
	d->peak_w = average_w;
	return true;
}

/* The clocks still agree since the last reading, and it was not too long ago to be accounted for. */
static bool goes_on(const struct demand *d, const struct demand_config *cfg, const struct demand_reading *r)
{
	const int64_t passed = r->now_ms - d->last_ms;

	return d->running && llabs(r->utc_ms - d->last_utc_ms - passed) <= APART_MS && passed < (int64_t)cfg->interval_min * 60000 &&
	       d->end_utc_ms - d->start_utc_ms == (int64_t)cfg->interval_min * 60000;
}

bool demand_step(struct demand *d, const struct demand_config *cfg, const struct zone *zone, const struct demand_reading *r)
{
	bool changed = false;

	if (!(cfg->target_w > 0) || !r->clock_trusted) {
		d->running = false;
	} else if (!goes_on(d, cfg, r)) {
		enter(d, cfg, zone, r->utc_ms);
	} else if (r->utc_ms < d->end_utc_ms) {
		count(d, cfg, r->now_ms - d->last_ms);
	} else {
		const int64_t end_utc_ms = d->end_utc_ms;

		count(d, cfg, end_utc_ms > d->last_utc_ms ? end_utc_ms - d->last_utc_ms : 0);
		changed = finish(d);
		begin(d, cfg, zone, r->utc_ms);
		count(d, cfg, r->utc_ms - end_utc_ms);
	}
	d->last_ms = r->now_ms;
	if (d->running)
		d->last_utc_ms = r->utc_ms;
	d->last_w = r->import_w;
	if (!isnan(r->import_w))
		d->known_w = r->import_w;
	if (d->running && isnan(d->late_w) && d->end_utc_ms - r->utc_ms <= SPREAD_LESS_MS)
		d->late_w = quotient(d, kept(d, cfg), SPREAD_LESS_MS);
	return changed;
}

/* Close to the end the plain quotient asks for all or nothing because of a few Wh. What was saved is then spent more slowly; what
 * was too much may still ask for the cut that stands already, or for one that goes on into the next interval, but not for more. */
static double allowed(const struct demand *d, double target_w)
{
	const double plain_w = quotient(d, target_w, 1);
	double w = plain_w;

	if (plain_w > target_w)
		w = quotient(d, target_w, SPREAD_MORE_MS);
	else if (!isnan(d->late_w))
		w = fmax(plain_w, fmin(d->late_w, quotient(d, target_w, SPREAD_LESS_MS)));
	return fmin(fmax(1, w), MORE_MAX * target_w);
}

void demand_view(const struct demand *d, const struct demand_config *cfg, struct demand_view *out)
{
	const double target_w = kept(d, cfg), passed_ms = (double)(d->last_utc_ms - d->start_utc_ms);

	*out = (struct demand_view){ .interval_w = NAN, .peak_w = NAN };
	if (!(cfg->target_w > 0))
		return;
	out->target_w = out->allowed_w = target_w;
	if (!d->running)
		return;
	out->allowed_w = allowed(d, target_w);
	out->until_utc_ms = d->end_utc_ms;
	out->interval_w = passed_ms > 0 ? d->used_wh * HOUR_MS / passed_ms : NAN;
	out->peak_w = d->peak_w > 0 ? d->peak_w : NAN;
}

cJSON *demand_encode(const struct demand *d)
{
	cJSON *j = cJSON_CreateObject();

	json_add_number(j, "month", d->month, 0);
	json_add_number(j, "peak_w", d->peak_w, 1);
	return j;
}

int demand_decode(const cJSON *j, struct demand *out, struct errbuf *err)
{
	int64_t month;
	double peak_w;
	int r;

	if ((r = json_get_int(j, "month", 1970 * 12, 9999 * 12 + 11, &month, err)) < 0)
		return r;
	if (r == 0 || (r = json_get_number(j, "peak_w", 0, 1e9, &peak_w, err)) == 0)
		return errbuf_set(err, -EINVAL, "month and peak_w: one is missing");
	if (r < 0)
		return r;
	*out = (struct demand){ .month = (int)month, .peak_w = peak_w };
	return 0;
}

cJSON *demand_encode_interval(const struct demand *d)
{
	cJSON *j = cJSON_CreateObject();

	json_add_time(j, "start", d->start_utc_ms);
	json_add_time(j, "at", d->last_utc_ms);
	json_add_number(j, "used_wh", d->used_wh, 1);
	return j;
}

int demand_decode_interval(const cJSON *j, struct demand *d, struct errbuf *err)
{
	char start[64] = "", at[64] = "";
	int64_t start_utc_ms, at_utc_ms;
	double used_wh;

	if (json_get_text(j, "start", start, sizeof(start), err) < 0 || json_get_text(j, "at", at, sizeof(at), err) < 0 ||
	    calendar_parse(start, &start_utc_ms) < 0 || calendar_parse(at, &at_utc_ms) < 0 || at_utc_ms < start_utc_ms)
		return errbuf_set(err, -EINVAL, "start and at: no times");
	if (json_get_number(j, "used_wh", 0, 1e9, &used_wh, err) != 1)
		return errbuf_set(err, -EINVAL, "used_wh: no energy");
	d->start_utc_ms = start_utc_ms;
	d->last_utc_ms = at_utc_ms;
	d->used_wh = used_wh;
	return 0;
}
