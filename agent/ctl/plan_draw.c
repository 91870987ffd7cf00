/* See plan_draw.h. Slots differ in length: a column is a stretch of time and shows the mean over it, weighted by time. */
#include "ctl/plan_draw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WIDTH_MIN 30
#define WIDTH_NARROW 50   /* below it there is no room beside the drawing */
#define WIDTH_MAX 240
#define LABEL 9           /* characters left of the drawing */
#define RANGE 17          /* and right of it, without the currency */
#define SLOTS_MAX 4032
#define LEVELS 8          /* heights of one character */
#define QUARTER_MS 900000LL
#define HOUR_MS 3600000LL

enum paint { PAINT_PRICE, PAINT_CHARGE, PAINT_GIVE, PAINT_STORE, PAINT_CAR, PAINT_AXIS };
static const char *const PAINTS[] = { "\033[36m", "\033[32m", "\033[33m", "\033[34m", "\033[35m", "\033[2m" };

struct drawing {
	FILE *out;
	const struct plan_draw_options *o;
	int columns, slots;
	bool narrow;
	int64_t start_utc_ms, span_ms;
	double end_ms[SLOTS_MAX];  /* of each slot, from the start */
};

struct column { double mean[WIDTH_MAX]; double lo, hi; };
struct scale { double lo, hi; int rows; };

static const cJSON *member(const cJSON *o, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(o, key);
}

/* ---- numbers ---- */

static bool read_slots(struct drawing *d, const cJSON *plan)
{
	const char *start = cJSON_GetStringValue(member(plan, "start"));
	const cJSON *v;
	double ms = 0;

	if (!start || calendar_parse(start, &d->start_utc_ms) < 0)
		return false;
	cJSON_ArrayForEach(v, member(plan, "slot_s")) {
		if (!cJSON_IsNumber(v) || !(v->valuedouble > 0) || v->valuedouble > 86400 || d->slots == SLOTS_MAX)
			return false;
		ms += v->valuedouble * 1e3;
		d->end_ms[d->slots++] = ms;
	}
	d->span_ms = (int64_t)ms;
	return d->slots > 0;
}

/* Numbers of an array into @out; false unless there is one for each slot (@more: and one for the end). */
static bool read_array(const struct drawing *d, const cJSON *array, bool more, double *out)
{
	const cJSON *v;
	int n = 0;

	if (!cJSON_IsArray(array) || cJSON_GetArraySize(array) != d->slots + (more ? 1 : 0))
		return false;
	cJSON_ArrayForEach(v, array)
		out[n++] = cJSON_IsNumber(v) && isfinite(v->valuedouble) ? v->valuedouble : 0;
	return true;
}

/* Means over columns of values that hold for a slot each; from lowest to highest of these, not of the means. */
static void column_make(const struct drawing *d, const double *v, struct column *c)
{
	double width_ms = (double)d->span_ms / d->columns;
	int t = 0;

	c->lo = INFINITY;
	c->hi = -INFINITY;
	for (int i = 0; i < d->columns; i++) {
		double from = i * width_ms, to = from + width_ms, sum = 0;

		while (t < d->slots - 1 && d->end_ms[t] <= from)
			t++;
		for (int k = t; k < d->slots && (k == t || d->end_ms[k - 1] < to); k++)
			sum += v[k] * (fmin(to, d->end_ms[k]) - fmax(from, k > 0 ? d->end_ms[k - 1] : 0));
		c->mean[i] = sum / width_ms;
	}
	for (int k = 0; k < d->slots; k++) {
		c->lo = fmin(c->lo, v[k]);
		c->hi = fmax(c->hi, v[k]);
	}
}

/* ---- lines ---- */

static void put(const struct drawing *d, enum paint paint, const char *label, const char *const *cells, const char *range)
{
	if (d->narrow && range[0] && label[0]) { /* the first row's numbers stand above it, the last one's below */
		fprintf(d->out, "%-*.*s%s\n", LABEL, LABEL - 1, label, range);
		label = range = "";
	}
	fprintf(d->out, "%-*.*s", LABEL, LABEL - 1, label);
	if (d->o->color)
		fputs(PAINTS[paint], d->out);
	for (int i = 0; i < d->columns; i++)
		fputs(cells[i], d->out);
	if (d->o->color)
		fputs("\033[0m", d->out);
	if (d->narrow && range[0])
		fprintf(d->out, "\n%-*s%s\n", LABEL, "", range);
	else
		fprintf(d->out, "%s%s\n", range[0] ? "  " : "", range);
}

/* A bar's character in row @row (0 = the lowest) for @height rows of bar. */
static const char *rising(double height, int row)
{
	static const char *const GLYPHS[LEVELS + 1] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	int i = (int)lround((height - row) * LEVELS);

	return GLYPHS[i < 0 ? 0 : i > LEVELS ? LEVELS : i];
}

/* The same hanging from above, row 0 the highest: there are few such characters. */
static const char *hanging(double height, int row)
{
	double part = height - row;

	return part < 0.0625 ? " " : part < 0.3125 ? "▔" : part < 0.75 ? "▀" : "█";
}

static double share_of(double v, double lo, double hi)
{
	return hi > lo ? (v - lo) / (hi - lo) : 0;
}

static void draw_rising(const struct drawing *d, enum paint paint, const char *label, const struct column *c, struct scale s,
			const char *range)
{
	const char *cells[WIDTH_MAX];

	for (int row = s.rows - 1; row >= 0; row--) {
		for (int i = 0; i < d->columns; i++)
			cells[i] = rising(share_of(c->mean[i], s.lo, s.hi) * s.rows, row);
		put(d, paint, row == s.rows - 1 ? label : "", cells, row == s.rows - 1 ? range : "");
	}
}

static void draw_prices(const struct drawing *d, const cJSON *prices, double *v)
{
	static const char *const KEYS[] = { "import", "export" };
	struct column c[2];
	bool known[2];
	double lo = 0, hi = 0;
	char range[48];

	for (int i = 0; i < 2; i++) {
		known[i] = read_array(d, member(prices, KEYS[i]), false, v);
		if (!known[i])
			continue;
		column_make(d, v, &c[i]);
		lo = fmin(lo, c[i].lo);
		hi = fmax(hi, c[i].hi);
	}
	for (int i = 0; i < 2; i++) {
		if (!known[i])
			continue;
		snprintf(range, sizeof(range), "%.*f..%.*f%s%.8s/kWh", c[i].hi < 10 ? 2 : 0, c[i].lo, c[i].hi < 10 ? 2 : 0, c[i].hi,
			 d->o->currency ? " " : "", d->o->currency ? d->o->currency : "");
		draw_rising(d, PAINT_PRICE, KEYS[i], &c[i], (struct scale){ lo, hi, 2 }, range);
	}
}

/* Charging above the line, giving below it, in one scale. */
static void draw_power(const struct drawing *d, const char *id, const struct column *c)
{
	const char *cells[WIDTH_MAX];
	double most = fmax(fmax(c->hi, -c->lo), 1e-3);
	char range[48];

	snprintf(range, sizeof(range), "charge %.1f kW", fmax(0, c->hi));
	for (int row = 1; row >= 0; row--) {
		for (int i = 0; i < d->columns; i++)
			cells[i] = rising(c->mean[i] / most * 2, row);
		put(d, PAINT_CHARGE, row ? id : "", cells, row ? range : "");
	}
	for (int i = 0; i < d->columns; i++)
		cells[i] = "─";
	put(d, PAINT_AXIS, "", cells, "");
	snprintf(range, sizeof(range), "give %.1f kW", fmax(0, -c->lo));
	for (int row = 0; row < 2; row++) {
		for (int i = 0; i < d->columns; i++)
			cells[i] = hanging(-c->mean[i] / most * 2, row);
		put(d, PAINT_GIVE, "", cells, row ? range : "");
	}
}

/* What is stored, from empty to full; below the floor it is hatched. */
static void draw_stored(const struct drawing *d, const struct column *c, const struct column *floor, double full)
{
	const char *cells[WIDTH_MAX];
	char range[3][48] = { "", "", "" };

	snprintf(range[2], sizeof(range[2]), "%.1f..%.1f kWh", c->lo, c->hi);
	if (floor && d->narrow)
		snprintf(range[2], sizeof(range[2]), "%.1f..%.1f kWh, ▒ floor %.1f", c->lo, c->hi, floor->hi);
	else if (floor)
		snprintf(range[1], sizeof(range[1]), "▒ floor %.1f", floor->hi);
	for (int row = 2; row >= 0; row--) {
		for (int i = 0; i < d->columns; i++) {
			const char *glyph = rising(share_of(c->mean[i], 0, full) * 3, row);
			bool below = floor && share_of(floor->mean[i], 0, full) * 3 >= row + 0.5;

			cells[i] = below && strcmp(glyph, " ") ? "▒" : glyph;
		}
		put(d, PAINT_STORE, row == 2 ? "stored" : "", cells, range[row]);
	}
}

static void draw_battery(const struct drawing *d, const cJSON *battery, double *v)
{
	const char *id = cJSON_GetStringValue(member(battery, "id"));
	const cJSON *capacity = member(battery, "capacity_kwh");
	struct column c, floor;
	bool has_floor;
	double full, least = INFINITY, most = -INFINITY;

	if (!read_array(d, member(battery, "battery_kw"), false, v))
		return;
	column_make(d, v, &c);
	draw_power(d, id && id[0] ? id : "battery", &c);
	if (!read_array(d, member(battery, "soc_kwh"), true, v))
		return;
	for (int t = 0; t <= d->slots; t++) {
		least = fmin(least, v[t]);
		most = fmax(most, v[t]);
	}
	for (int t = 0; t < d->slots; t++) /* the mean of a slot */
		v[t] = (v[t] + v[t + 1]) / 2;
	column_make(d, v, &c);
	c.lo = least;
	c.hi = most;
	has_floor = read_array(d, member(battery, "floor_kwh"), true, v);
	if (has_floor)
		column_make(d, v + 1, &floor);
	full = cJSON_IsNumber(capacity) && capacity->valuedouble > 0 ? capacity->valuedouble : fmax(c.hi, 1e-3);
	draw_stored(d, &c, has_floor ? &floor : NULL, full);
}

static void draw_car(const struct drawing *d, const cJSON *ev, double *v)
{
	const char *id = cJSON_GetStringValue(member(ev, "id"));
	struct column c;
	char range[48];

	if (!read_array(d, member(ev, "ev_kw"), false, v))
		return;
	column_make(d, v, &c);
	snprintf(range, sizeof(range), "car %.1f kW", c.hi);
	draw_rising(d, PAINT_CAR, id && id[0] ? id : "car", &c, (struct scale){ 0, fmax(c.hi, 1e-3), 1 }, range);
}

/* ---- time ---- */

/* Hours between two marks, so that a mark has room for its words. */
static int mark_hours(const struct drawing *d)
{
	static const int HOURS[] = { 1, 2, 3, 4, 6, 12 };

	for (size_t i = 0; i < sizeof(HOURS) / sizeof(HOURS[0]); i++)
		if ((double)HOURS[i] * HOUR_MS / (double)d->span_ms * d->columns >= 4)
			return HOURS[i];
	return 24;
}

static void draw_axis(const struct drawing *d)
{
	static const char *const DAYS[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const struct zone UTC = { .name = "UTC" };
	const char *cells[WIDTH_MAX];
	char words[WIDTH_MAX + 1];
	int hours = mark_hours(d), free_from = 0;

	memset(words, ' ', sizeof(words));
	for (int i = 0; i < d->columns; i++)
		cells[i] = "─";
	for (int64_t at = (d->start_utc_ms + QUARTER_MS - 1) / QUARTER_MS * QUARTER_MS; at < d->start_utc_ms + d->span_ms; at += QUARTER_MS) {
		int i = (int)((at - d->start_utc_ms) * d->columns / d->span_ms);
		struct civil local;
		char text[8];
		size_t n;

		calendar_local(d->o->zone ? d->o->zone : &UTC, at, &local);
		if (local.minute || local.hour % hours)
			continue;
		cells[i] = local.hour ? "┴" : "┼";
		snprintf(text, sizeof(text), "%02d", local.hour % 24);
		if (local.hour == 0)
			snprintf(text, sizeof(text), "%s", DAYS[local.weekday % 7]);
		n = strlen(text);
		if (i < free_from || i + (int)n > d->columns)
			continue;
		memcpy(words + i, text, n);
		free_from = i + (int)n + 1;
	}
	put(d, PAINT_AXIS, "", cells, "");
	words[d->columns] = '\0';
	for (int i = d->columns - 1; i >= 0 && words[i] == ' '; i--)
		words[i] = '\0';
	fprintf(d->out, "%-*s%s\n", LABEL, "", words);
}

void plan_draw(FILE *out, const cJSON *plan, const struct plan_draw_options *o)
{
	struct drawing *d = calloc(1, sizeof(*d));
	double *v = calloc(SLOTS_MAX + 1, sizeof(*v));
	const cJSON *one;

	if (d && v) {
		int width = o->width < WIDTH_MIN ? WIDTH_MIN : o->width > WIDTH_MAX ? WIDTH_MAX : o->width;

		d->out = out;
		d->o = o;
		d->narrow = width < WIDTH_NARROW;
		d->columns = width - LABEL - (d->narrow ? 0 : RANGE + (o->currency ? 1 + (int)strnlen(o->currency, 8) : 0));
	}
	if (d && v && read_slots(d, plan)) {
		draw_prices(d, member(plan, "prices"), v);
		cJSON_ArrayForEach(one, member(plan, "batteries"))
			draw_battery(d, one, v);
		cJSON_ArrayForEach(one, member(plan, "evs"))
			draw_car(d, one, v);
		draw_axis(d);
	}
	free(v);
	free(d);
}
