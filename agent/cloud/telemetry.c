/* See telemetry.h: a point in memory and on disk, and two made one. The packed line is
 *   "1 <duration_s> <merged> <state>[ <mode> <assumed> <13 numbers>]"
 * state: 1 online, 2 grid online; without the rest when offline. Numbers are whole W, tenths of Wh and of percent, "-" = NAN.
 * Flip's form is written by telemetry_encode.c, Flip's answer read by telemetry_answer.c. */
#include "cloud/telemetry.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define VERSION 1
#define NUMBER_MAX 1e12
#define START_MAX_MS 253402300799999 /* the end of the year 9999 */
#define ASSUMED_ALL 31
#define MODES (MODE_SAVINGS + 1)
#define STATE_ONLINE 1
#define STATE_GRID 2

/* Every number of a point, in the order they are packed. */
static const struct number {
	size_t offset;
	int scale;   /* packed = value * scale */
	double max;
	bool energy; /* of the interval: adds up */
} NUMBERS[] = {
#define P(member) offsetof(struct telemetry_point, member)
	{ P(charge_w), 1, NUMBER_MAX, false },       { P(discharge_w), 1, NUMBER_MAX, false },
	{ P(charge_wh), 10, NUMBER_MAX, true },      { P(discharge_wh), 10, NUMBER_MAX, true },
	{ P(stored_wh), 10, NUMBER_MAX, false },     { P(capacity_wh), 10, NUMBER_MAX, false },
	{ P(reserve_pct), 10, 100, false },          { P(soc_pct), 10, 100, false },
	{ P(soh_pct), 10, 100, false },              { P(home_wh), 10, NUMBER_MAX, true },
	{ P(home_w), 1, NUMBER_MAX, false },         { P(solar_wh), 10, NUMBER_MAX, true },
	{ P(solar_w), 1, NUMBER_MAX, false },
#undef P
};
#define N_NUMBERS (sizeof(NUMBERS) / sizeof(NUMBERS[0]))

static double *number_of(struct telemetry_point *p, const struct number *n)
{
	return (double *)(void *)((char *)p + n->offset);
}

static double number_in(const struct telemetry_point *p, const struct number *n)
{
	return *(const double *)(const void *)((const char *)p + n->offset);
}

static int64_t number_scaled(double v, const struct number *n)
{
	return llround(fmin(fmax(v, 0), n->max) * n->scale);
}

void telemetry_round(struct telemetry_point *p)
{
	for (size_t i = 0; i < N_NUMBERS; i++) {
		double *v = number_of(p, &NUMBERS[i]);

		if (!p->online || !isfinite(*v))
			*v = NAN;
		else
			*v = (double)number_scaled(*v, &NUMBERS[i]) / NUMBERS[i].scale;
	}
	if (!p->online) {
		p->grid_online = false;
		p->mode = MODE_SELF_CONSUMPTION;
		p->assumed = 0;
	}
	if (p->merged < 1)
		p->merged = 1;
}

int telemetry_pack(const struct telemetry_point *p, char *out, size_t size)
{
	char text[TELEMETRY_PACKED_MAX];
	int n, state = (p->online ? STATE_ONLINE : 0) | (p->online && p->grid_online ? STATE_GRID : 0);

	n = snprintf(text, sizeof(text), "%d %d %d %d", VERSION, (int)p->duration_s, (int)p->merged, state);
	if (p->online)
		n += snprintf(text + n, sizeof(text) - (size_t)n, " %d %u", (int)p->mode, (unsigned)p->assumed);
	for (size_t i = 0; p->online && i < N_NUMBERS && (size_t)n < sizeof(text); i++) {
		double v = number_in(p, &NUMBERS[i]);

		if (isfinite(v))
			n += snprintf(text + n, sizeof(text) - (size_t)n, " %lld", (long long)number_scaled(v, &NUMBERS[i]));
		else
			n += snprintf(text + n, sizeof(text) - (size_t)n, " -");
	}
	if ((size_t)n >= sizeof(text) || (size_t)n >= size)
		return -E2BIG;
	memcpy(out, text, (size_t)n + 1);
	return n;
}

/* One number of digits only, from @min to @max, and the space before it (none before the first). */
static bool take(const char **at, bool first, int64_t min, int64_t max, int64_t *out)
{
	const char *p = *at;
	int64_t n = 0;
	int digits = 0;

	if (!first && *p++ != ' ')
		return false;
	for (; *p >= '0' && *p <= '9' && digits < 18; p++, digits++)
		n = n * 10 + (*p - '0');
	if (!digits || (*p >= '0' && *p <= '9') || n < min || n > max)
		return false;
	*at = p;
	*out = n;
	return true;
}

static bool take_number(const char **at, const struct number *n, double *out)
{
	int64_t v;

	if (!strncmp(*at, " -", 2)) {
		*at += 2;
		*out = NAN;
		return true;
	}
	if (!take(at, false, 0, (int64_t)n->max * n->scale, &v))
		return false;
	*out = (double)v / n->scale;
	return true;
}

int telemetry_unpack(const char *device_id, int64_t start_utc_ms, const char *packed, struct telemetry_point *out)
{
	struct telemetry_point p = { .start_utc_ms = start_utc_ms, .mode = MODE_SELF_CONSUMPTION };
	int64_t version, duration, merged, state, mode, assumed;
	size_t len = strnlen(device_id, sizeof(p.device_id));
	const char *at = packed;

	if (len == 0 || len >= sizeof(p.device_id) || start_utc_ms < 0 || start_utc_ms > START_MAX_MS)
		return -EINVAL;
	memcpy(p.device_id, device_id, len);
	if (!take(&at, true, VERSION, VERSION, &version) || !take(&at, false, 1, INT32_MAX, &duration) ||
	    !take(&at, false, 1, INT32_MAX, &merged) || !take(&at, false, 0, STATE_ONLINE | STATE_GRID, &state) ||
	    state == STATE_GRID)
		return -EINVAL;
	p.duration_s = (int32_t)duration;
	p.merged = (int32_t)merged;
	p.online = state & STATE_ONLINE;
	p.grid_online = state & STATE_GRID;
	if (p.online) {
		if (!take(&at, false, 0, MODES - 1, &mode) || !take(&at, false, 0, ASSUMED_ALL, &assumed))
			return -EINVAL;
		p.mode = (enum battery_mode)mode;
		p.assumed = (uint32_t)assumed;
	}
	for (size_t i = 0; i < N_NUMBERS; i++) {
		double *v = number_of(&p, &NUMBERS[i]);

		*v = NAN;
		if (p.online && !take_number(&at, &NUMBERS[i], v))
			return -EINVAL;
	}
	if (*at)
		return -EINVAL;
	*out = p;
	return 0;
}

int telemetry_merge(const struct telemetry_point *a, const struct telemetry_point *b, struct telemetry_point *out)
{
	const int64_t gap_ms = b->start_utc_ms - (a->start_utc_ms + a->duration_s * 1000LL);
	const int64_t duration_ms = b->start_utc_ms + b->duration_s * 1000LL - a->start_utc_ms;
	const int32_t shorter = a->duration_s < b->duration_s ? a->duration_s : b->duration_s;
	struct telemetry_point p = *b;

	if (a->duration_s < 1 || b->duration_s < 1 || a->online != b->online || strcmp(a->device_id, b->device_id) != 0)
		return -EINVAL;
	if (gap_ms < 0 || gap_ms > shorter * 1000LL || duration_ms / 1000 > INT32_MAX || a->merged > INT32_MAX - b->merged)
		return -EINVAL;
	p.start_utc_ms = a->start_utc_ms;
	p.duration_s = (int32_t)(duration_ms / 1000);
	p.merged = a->merged + b->merged;
	for (size_t i = 0; i < N_NUMBERS; i++) {
		double x = number_in(a, &NUMBERS[i]), y = number_in(b, &NUMBERS[i]);

		if (NUMBERS[i].energy && isfinite(x))
			*number_of(&p, &NUMBERS[i]) = isfinite(y) ? x + y : x;
	}
	telemetry_round(&p); /* tenths again, not their sum in binary */
	*out = p;
	return 0;
}
