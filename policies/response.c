/* See response.h. */
#include "policies/response.h"
#include "policies/view.h"

#include <math.h>

#define LATE_MS 1000        /* bus, tick and meter, on top of what the driver says */
#define MERGE_MS 200        /* orders closer than this are one past entry */
#define TAIL 0.15           /* a first-order device is never quite done: so much of the last change may still be missing */
#define SEEN_MS 3000        /* a device that has been there for so long is there at the meter too */
#define SLACK_W 100.0
#define SLACK 0.15          /* a device this far from its order still counts as following it */
#define EXACT_W 25.0
#define STILL_W 20.0
#define STILL 0.02
#define PACE 0.1            /* of what is missing, from one reading to the next: it stands */
#define DOUBT 3.0           /* windows until a device that does something else is believed */
#define GAIN_MIN_W 500.0    /* below, losses and rounding are no gain */
#define GAIN_RANGE SLACK
#define GAIN_REST 2.0       /* windows */
#define NARROWEST_MS 200.0
#define WRITE_MS 250        /* from our decision to the device's register */

static const struct response_range OPEN = { -INFINITY, INFINITY };

void response_begin(struct response *r, int64_t settle_ms)
{
	if (r->settle_ms == settle_ms)
		return;
	r->settle_ms = settle_ms;
	r->learned = false;
	r->min_ms = 0;
	r->max_ms = double_min(1.5 * (double)settle_ms + LATE_MS, RESPONSE_MAX_MS);
}

static void past_add(struct response *r)
{
	double merge_ms = double_max(MERGE_MS, 4 * r->max_ms / RESPONSE_PAST);
	float w = (float)r->told_w;

	if ((double)(r->since_ms - r->past[r->newest].from_ms) < merge_ms) {
		r->past[r->newest].low_w = fminf(r->past[r->newest].low_w, w);
		r->past[r->newest].high_w = fmaxf(r->past[r->newest].high_w, w);
		return;
	}
	r->newest = (r->newest + 1) % RESPONSE_PAST;
	r->n += r->n < RESPONSE_PAST;
	r->past[r->newest].from_ms = r->since_ms;
	r->past[r->newest].low_w = r->past[r->newest].high_w = w;
}

/* For limits. */
static bool fails_soon(const struct response *r)
{
	return r->brief || response_fails(r);
}

void response_told(struct response *r, int64_t at_ms, double w)
{
	if (w == r->told_w && r->since_ms)
		return;
	if (r->bound && r->less) {
		r->ended = true;
		r->end = r->can;
	}
	if (!fails_soon(r))
		r->from_w = r->reading_w;
	if (r->since_ms)
		past_add(r);
	r->told_w = w;
	r->since_ms = at_ms;
}

/* Least and most of what was in force, each as far as @can goes; what is told now it may still come to do. */
static struct response_range in_force(const struct response *r, int64_t from_ms, int64_t to_ms, struct response_range can)
{
	struct response_range range = { INFINITY, -INFINITY };
	int64_t end_ms = r->since_ms;

	if (to_ms >= r->since_ms || r->n == 0)
		range = (struct response_range){ r->told_w, r->told_w };
	for (int k = 0, i = r->newest; k < r->n && end_ms > from_ms; k++, i = (i + RESPONSE_PAST - 1) % RESPONSE_PAST) {
		if (r->past[i].from_ms <= to_ms || k == r->n - 1) { /* the oldest stands for all before it */
			range.low_w = double_min(range.low_w, double_clamp(r->past[i].low_w, can.low_w, can.high_w));
			range.high_w = double_max(range.high_w, double_clamp(r->past[i].high_w, can.low_w, can.high_w));
		}
		end_ms = r->past[i].from_ms;
	}
	return range;
}

struct response_range response_orders(const struct response *r, int64_t from_ms, int64_t to_ms)
{
	return in_force(r, from_ms, to_ms, OPEN);
}

struct response_range response_did(const struct response *r, int64_t from_ms, int64_t to_ms)
{
	return in_force(r, from_ms, to_ms, r->ended ? r->end : OPEN);
}

static double slack(const struct response *r, double w)
{
	return r->exact ? EXACT_W : double_max(SLACK_W, SLACK * fabs(w));
}

static bool fits(const struct response *r, struct response_range told, double w)
{
	return w >= told.low_w - slack(r, told.low_w) && w <= told.high_w + slack(r, told.high_w);
}

/* By the driver's time only: it has moved, not as far as any order of that time, and hardly comes nearer. */
static bool stops_short(const struct response *r, int64_t at_ms, double w)
{
	struct response_range told = response_orders(r, at_ms - r->settle_ms - WRITE_MS, at_ms);
	double sign = w < r->told_w ? 1 : -1;

	return !fits(r, told, w) && sign * (w - r->from_w) > STILL_W && sign * (w - r->reading_w) <= PACE * fabs(r->told_w - w);
}

/* Only of an order that has stood for long: a window may still be too short. */
static void gain_learn(struct response *r, int64_t at_ms, double w)
{
	struct response_range told = response_orders(r, at_ms - (int64_t)(GAIN_REST * r->max_ms), at_ms);

	if (told.low_w != told.high_w || fabs(told.low_w) < GAIN_MIN_W)
		return;
	r->gain_off += (w / told.low_w - 1 - r->gain_off) / 8;
	r->gain_off = double_clamp(r->gain_off, -GAIN_RANGE, GAIN_RANGE);
}

/* It goes no further than @w. */
static struct response_range end_of(double w, bool below)
{
	return (struct response_range){ below ? -INFINITY : w, below ? w : INFINITY };
}

void response_blind(struct response *r)
{
	r->odd_ms = 0;
	r->bound = r->brief = false;
}

/* The loop takes it to follow its orders; limits know better where it stopped short. */
static void limits_keep(struct response *r, double w, bool brief)
{
	response_blind(r);
	r->brief = brief;
	if (brief)
		r->can = end_of(w, w < r->told_w);
}

/* It was late, and has come: the meter will show it in its own time. */
static void late_learn(struct response *r, int64_t at_ms)
{
	double late_ms = (double)(at_ms - r->since_ms);

	r->came_ms = at_ms;
	if (late_ms > r->max_ms && late_ms <= (1 + DOUBT) * r->max_ms)
		r->max_ms = double_min(1.1 * late_ms + LATE_MS, RESPONSE_MAX_MS);
}

/* The first reading of a life, when its first order is still under way: nobody knows what the device was told before, but this is
 * what it did, and no disobedience. */
static void before_keep(struct response *r, double w)
{
	r->n = 1;
	r->newest = 0;
	r->past[0].from_ms = 0;
	r->past[0].low_w = r->past[0].high_w = (float)w;
}

void response_read(struct response *r, int64_t at_ms, double w)
{
	struct response_range told;
	bool below, brief;

	if (at_ms == r->read_ms)
		return;
	if (r->n == 0 && (double)(at_ms - r->since_ms) < r->max_ms)
		before_keep(r, w);
	told = response_orders(r, at_ms - (int64_t)r->max_ms, at_ms);
	r->brief = brief = stops_short(r, at_ms, w);
	r->still = fabs(w - r->reading_w) <= STILL_W + STILL * fabs(w);
	if (fabs(w - (1 + r->gain_off) * r->told_w) > STILL_W + STILL * fabs(w))
		r->there_ms = 0;
	else if (r->there_ms == 0)
		r->there_ms = at_ms;
	r->read_ms = at_ms;
	r->reading_w = w;
	if (w < r->end.low_w - slack(r, r->end.low_w) || w > r->end.high_w + slack(r, r->end.high_w))
		r->ended = false;
	if (fits(r, told, w)) {
		if (r->odd_ms)
			late_learn(r, at_ms);
		limits_keep(r, w, brief);
		gain_learn(r, at_ms, w);
		return;
	}
	/* the meter has seen it happen: this reading is late or wrong */
	if (!r->exact && r->proved_ms == r->since_ms && at_ms - r->since_ms < READING_LOST_MS) {
		limits_keep(r, w, brief);
		return;
	}
	if (r->odd_ms == 0)
		r->odd_ms = at_ms;
	if (r->still || r->odd_ms == at_ms)
		r->rest_w = w;
	below = w < told.low_w;
	r->less = below ? told.low_w > 0 : told.high_w < 0;
	if (r->exact)
		r->bound = told.low_w == told.high_w || (r->still && r->less);
	else
		r->bound = (double)(at_ms - r->odd_ms) >= DOUBT * r->max_ms;
	r->can = end_of(w, below);
}

static struct response_range with(struct response_range range, double w)
{
	return (struct response_range){ double_min(range.low_w, w), double_max(range.high_w, w) };
}

bool response_there(const struct response *r, int64_t meter_ms)
{
	return r->there_ms && meter_ms - r->there_ms > SEEN_MS && (double)(meter_ms - r->since_ms) > r->max_ms;
}

struct response_range response_power(const struct response *r, int64_t meter_ms, int64_t hold_ms)
{
	int64_t from_ms = meter_ms - (int64_t)r->max_ms;
	struct response_range range = response_did(r, from_ms < hold_ms ? from_ms : hold_ms, meter_ms - (int64_t)r->min_ms);
	struct response_range older = response_did(r, meter_ms - 2 * (int64_t)r->max_ms, from_ms);
	bool seen = r->there_ms && meter_ms - r->there_ms > SEEN_MS;
	double gain = 1 + r->gain_off, tail = r->learned && !seen ? TAIL : 0;

	range.low_w = gain * (range.low_w - tail * double_max(0, range.low_w - older.low_w));
	range.high_w = gain * (range.high_w + tail * double_max(0, older.high_w - range.high_w));
	if (r->bound && r->exact && range.low_w == range.high_w)
		return (struct response_range){ r->reading_w, r->reading_w };
	if (r->bound && (!r->exact || r->less)) {
		range.low_w = double_clamp(range.low_w, r->can.low_w, r->can.high_w);
		range.high_w = double_clamp(range.high_w, r->can.low_w, r->can.high_w);
	} else if (r->odd_ms && (r->read_ms > r->since_ms || from_ms <= r->since_ms)) {
		range = with(with(range, r->reading_w), r->rest_w);
	} else if (r->came_ms && meter_ms - r->came_ms <= LATE_MS) {
		range = with(range, r->rest_w);
	}
	return range;
}

static double effect(const struct response *r, double w, bool shown)
{
	double can_w = double_clamp(w, r->can.low_w, r->can.high_w);

	if (shown && fabs(can_w) < fabs(w))
		return can_w * w > 0 ? can_w : 0; /* what it does the other way is no order of ours */
	return w * (1 + r->gain_off);
}

double response_effect(const struct response *r, double w)
{
	return effect(r, w, r->bound);
}

bool response_fails(const struct response *r)
{
	return r->odd_ms && (r->still || (double)(r->read_ms - r->odd_ms) >= r->max_ms);
}

double response_effect_soon(const struct response *r, double w)
{
	return effect(r, w, fails_soon(r));
}

double response_order(const struct response *r, double w)
{
	return w / (1 + r->gain_off);
}

void response_learn(struct response *r, const struct response_times *t)
{
	double from_ms = 0.8 * t->quiet_ms - 200, to_ms = 1.1 * t->done_ms + (t->done_ms - t->quiet_ms) / 4 + 100;

	r->learned = true;
	r->proved_ms = r->since_ms;
	if (t->begun_ms < r->min_ms)
		r->min_ms = double_max(0, 0.8 * t->begun_ms - 200);
	else if (from_ms > r->min_ms)
		r->min_ms += (from_ms - r->min_ms) / 2;
	if (t->short_ms >= r->max_ms)
		r->max_ms = double_min(to_ms, RESPONSE_MAX_MS);
	else if (to_ms < r->max_ms)
		r->max_ms -= (r->max_ms - to_ms) / 2;
	r->max_ms = double_max(r->max_ms, NARROWEST_MS);
	r->min_ms = double_min(r->min_ms, r->max_ms - NARROWEST_MS);
}

void response_widen(struct response *r)
{
	r->learned = false;
	r->min_ms = 0;
	r->max_ms = double_min(2 * r->max_ms, RESPONSE_MAX_MS);
}
