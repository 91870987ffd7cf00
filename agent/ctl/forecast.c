/* hearthctl forecast: what the agent expects of house and sun, and telling it better. */
#include "core/calendar.h"
#include "ctl/ctl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BLOCKS 8
#define HOURS_MAX 48
#define NAME 11                    /* characters left of the bars */
#define FILE_MAX_BYTES (64 * 1024) /* a request may not be larger */

/* A row of the drawing. */
struct row {
	int n;
	double w[HOURS_MAX];
	double most_w;
};

static void row_take(const cJSON *hours, const char *key, struct row *r)
{
	const cJSON *hour;

	memset(r, 0, sizeof(*r));
	cJSON_ArrayForEach(hour, hours) {
		const cJSON *w = cJSON_GetObjectItemCaseSensitive(hour, key);

		if (r->n == HOURS_MAX)
			break;
		r->w[r->n] = cJSON_IsNumber(w) ? w->valuedouble : 0;
		r->most_w = fmax(r->most_w, r->w[r->n++]);
	}
}

/* Hours a bar stands for, so that all of them fit a line. */
static int hours_a_bar(int hours)
{
	const int room = terminal_is() ? terminal_width() - NAME : HOURS_MAX;
	int step = 1;

	while ((hours + step - 1) / step > room && step < 6)
		step++;
	return step == 5 ? 6 : step; /* marks stand every six hours */
}

/* Bars to the scale of @most_w, behind them the highest hour where there is room. */
static void draw(const char *name, const struct row *r, double most_w)
{
	static const char *const GLYPHS[BLOCKS + 1] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	const int step = hours_a_bar(r->n), bars = (r->n + step - 1) / step;
	char text[32];

	printf("%-*s", NAME, name);
	for (int i = 0; i < r->n; i += step) {
		double w = 0;
		int block;

		for (int k = i; k < i + step && k < r->n; k++)
			w = fmax(w, r->w[k]);
		block = most_w > 0 ? (int)ceil(w / most_w * BLOCKS - 0.25) : 0;
		terminal_put(GLYPHS[block < 0 ? 0 : block > BLOCKS ? BLOCKS : block]);
	}
	snprintf(text, sizeof(text), "  up to %.1f kW", r->most_w / 1000);
	puts(!terminal_is() || NAME + bars + (int)strlen(text) <= terminal_width() ? text : "");
}

static double kwh(const struct row *r, int from, int to)
{
	double sum = 0;

	for (int i = from; i < to && i < r->n; i++)
		sum += r->w[i];
	return sum / 1000;
}

/* The clock on the wall below the bars, every six hours. */
static void draw_clock(const cJSON *hours)
{
	const int step = hours_a_bar(cJSON_GetArraySize(hours) < HOURS_MAX ? cJSON_GetArraySize(hours) : HOURS_MAX);
	char line[HOURS_MAX + 8];
	const cJSON *hour;
	int i = 0, free_from = 0;

	memset(line, ' ', sizeof(line));
	cJSON_ArrayForEach(hour, hours) {
		const char *from = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(hour, "from"));
		int64_t utc_ms;
		struct tm tm;
		time_t t;

		if (i == HOURS_MAX || !from || calendar_parse(from, &utc_ms) < 0)
			break;
		t = (time_t)(utc_ms / 1000);
		localtime_r(&t, &tm);
		if (tm.tm_hour % 6 == 0 && i / step >= free_from) {
			memcpy(line + i / step, (char[]){ (char)('0' + tm.tm_hour / 10), (char)('0' + tm.tm_hour % 10) }, 2);
			free_from = i / step + 3;
		}
		i++;
	}
	line[free_from ? free_from - 1 : 0] = '\0';
	printf("%-*s%s\n", NAME, "", line);
}

/* Where a forecast comes from, in words. */
static const char *source_words(const char *source)
{
	static const char *const WORDS[][2] = {
		{ "history", "learned from this home's history" },
		{ "standard", "a standard household, until this one has been measured for some days" },
		{ "clear_sky", "a clear sky over the panels, until their yield has been measured for some days" },
		{ "pushed", "pushed from outside" },
		{ "none", "no forecast; it needs latitude and longitude in [site], and peak_w, tilt_deg and azimuth_deg of the PV device, or some days of its yield" },
	};

	for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
		if (!strcmp(source, WORDS[i][0]))
			return WORDS[i][1];
	return source;
}

/* "load: 8.5 kWh in 24 h, 8.4 in the 24 h after; learned from ...; a day ahead it was 31 % off (8 % too low), last 7 days". */
static void say(const cJSON *o, const char *name, const char *key, const char *amounts)
{
	const char *source = show_word(cJSON_GetObjectItemCaseSensitive(o, "source"), key);
	char error_key[24], bias_key[24], text[400];
	const cJSON *error, *bias;
	size_t n;

	snprintf(error_key, sizeof(error_key), "%s_error_pct", key);
	snprintf(bias_key, sizeof(bias_key), "%s_pct", key);
	error = cJSON_GetObjectItemCaseSensitive(o, error_key);
	bias = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(o, "bias"), bias_key);
	n = (size_t)snprintf(text, sizeof(text), "%s: %s%s%s", name, amounts, amounts[0] ? "; " : "", source_words(source));
	if (cJSON_IsNumber(error))
		snprintf(text + n, sizeof(text) - n, "; a day ahead it was %.0f %% off (%.0f %% too %s), last 7 days", error->valuedouble,
			 cJSON_IsNumber(bias) ? fabs(bias->valuedouble) : 0, cJSON_IsNumber(bias) && bias->valuedouble > 0 ? "high" : "low");
	else if (strcmp(source, "none") != 0)
		snprintf(text + n, sizeof(text) - n, "; not compared for a day yet");
	terminal_wrap(0, text);
}

static void say_load(const cJSON *o, const struct row *load)
{
	char text[100];

	snprintf(text, sizeof(text), "%.1f kWh in 24 h, %.1f in the 24 h after", kwh(load, 0, 24), kwh(load, 24, 48));
	say(o, "load", "load", text);
}

static void say_sun(const cJSON *o, const struct row *pv, const struct row *low, const struct row *high)
{
	char text[160] = "";

	if (high->most_w > 0)
		snprintf(text, sizeof(text), "%.1f kWh in 24 h (dull %.1f, bright %.1f: 1 of 10 is below, 1 of 10 above), %.1f in the 24 h after", kwh(pv, 0, 24),
			 kwh(low, 0, 24), kwh(high, 0, 24), kwh(pv, 24, 48));
	say(o, "sun", "pv", text);
}

static int show_forecast(struct ctl *c)
{
	int code;
	AUTO_JSON *o = ctl_state(c, "forecast", &code);
	struct row load, pv, low, high;
	const cJSON *hours;

	if (!o)
		return code;
	if (c->json) {
		ctl_print_json(o);
		return CTL_DONE;
	}
	hours = cJSON_GetObjectItemCaseSensitive(o, "hours");
	row_take(hours, "load_w", &load);
	row_take(hours, "pv_w", &pv);
	row_take(hours, "pv_low_w", &low);
	row_take(hours, "pv_high_w", &high);
	draw("load", &load, load.most_w);
	if (high.most_w > 0) {
		draw("sun, bright", &high, high.most_w);
		draw("sun", &pv, high.most_w);
		draw("sun, dull", &low, high.most_w);
	}
	draw_clock(hours);
	say_load(o, &load);
	say_sun(o, &pv, &low, &high);
	if (cJSON_HasObjectItem(o, "pushed_until"))
		printf("pushed until %s\n", show_day(o, "pushed_until"));
	return CTL_DONE;
}

/* The whole file as JSON, or NULL with the reason on stderr. */
static cJSON *read_file(const char *path)
{
	struct errbuf err = { "" };
	size_t len;
	char *text = ctl_read(path, FILE_MAX_BYTES, &len);
	cJSON *o;

	if (!text)
		return NULL;
	o = json_parse(text, len, FILE_MAX_BYTES, 8, &err);
	if (!o)
		ctl_bad_text(path, text, len, err.text);
	free(text);
	if (!o || cJSON_IsObject(o))
		return o;
	fprintf(stderr, "hearthctl: %s: an object with load, pv, until is expected\n", path);
	cJSON_Delete(o);
	return NULL;
}

int ctl_forecast(struct ctl *c)
{
	cJSON *args;

	if (c->argc == 2 && !strcmp(c->argv[0], "set")) {
		args = read_file(c->argv[1]);
		return args ? ctl_change(c, "forecast.set", args, "the forecast is in force; beyond its end the own one goes on") : CTL_FAILED;
	}
	if (c->argc == 1 && !strcmp(c->argv[0], "clear"))
		return ctl_change(c, "forecast.set", NULL, "the agent's own forecast is in force");
	if (c->argc == 0)
		return show_forecast(c);
	if (!strcmp(c->argv[0], "set"))
		return c->argc > 2 ? ctl_usage_of(c, c->argv[2]) : ctl_usage(c);
	return ctl_usage_of(c, c->argv[!strcmp(c->argv[0], "clear")]);
}
