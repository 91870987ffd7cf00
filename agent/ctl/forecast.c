/* hearthctl forecast: what the agent expects of house and sun, and telling it better. */
#include "core/calendar.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BLOCKS 8
#define HOURS_MAX 48
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

/* Bars to the scale of @most_w; behind them what the text says. */
static void draw(const char *name, const struct row *r, double most_w, const char *text)
{
	static const char *const GLYPHS[BLOCKS + 1] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };

	printf("%-11s", name);
	for (int i = 0; i < r->n; i++) {
		int block = most_w > 0 ? (int)ceil(r->w[i] / most_w * BLOCKS - 0.25) : 0;

		fputs(GLYPHS[block < 0 ? 0 : block > BLOCKS ? BLOCKS : block], stdout);
	}
	printf("  %s\n", text);
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
	char line[HOURS_MAX + 8];
	const cJSON *hour;
	int i = 0;

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
		if (tm.tm_hour % 6 == 0)
			memcpy(line + i, (char[]){ (char)('0' + tm.tm_hour / 10), (char)('0' + tm.tm_hour % 10) }, 2);
		i++;
	}
	line[i + 2] = '\0';
	printf("%-11s%s\n", "", line);
}

/* "load: from history, a day ahead it was 31 % off (8 % too low), last 7 days". */
static void say_source(const cJSON *o, const char *name, const char *key, const char *error_key, const char *bias_key)
{
	const cJSON *error = cJSON_GetObjectItemCaseSensitive(o, error_key);
	const cJSON *bias = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(o, "bias"), bias_key);

	printf("%s: from %s", name, show_word(cJSON_GetObjectItemCaseSensitive(o, "source"), key));
	if (!cJSON_IsNumber(error))
		fputs(", not compared for a day yet\n", stdout);
	else
		printf(", a day ahead it was %.0f %% off (%.0f %% too %s), last 7 days\n", error->valuedouble,
		       cJSON_IsNumber(bias) ? fabs(bias->valuedouble) : 0, cJSON_IsNumber(bias) && bias->valuedouble > 0 ? "high" : "low");
}

static int show_forecast(struct ctl *c)
{
	int code;
	AUTO_JSON *o = ctl_state(c, "forecast", &code);
	struct row load, pv, low, high;
	const cJSON *hours;
	char text[120];

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
	snprintf(text, sizeof(text), "up to %.1f kW; %.1f kWh in 24 h, %.1f in the 24 h after", load.most_w / 1000, kwh(&load, 0, 24), kwh(&load, 24, 48));
	draw("load", &load, load.most_w, text);
	snprintf(text, sizeof(text), "1 of 10 is above: up to %.1f kW; %.1f kWh, %.1f", high.most_w / 1000, kwh(&high, 0, 24), kwh(&high, 24, 48));
	draw("sun, bright", &high, high.most_w, text);
	snprintf(text, sizeof(text), "up to %.1f kW; %.1f kWh, %.1f", pv.most_w / 1000, kwh(&pv, 0, 24), kwh(&pv, 24, 48));
	draw("sun", &pv, high.most_w, text);
	snprintf(text, sizeof(text), "1 of 10 is below: up to %.1f kW; %.1f kWh, %.1f", low.most_w / 1000, kwh(&low, 0, 24), kwh(&low, 24, 48));
	draw("sun, dull", &low, high.most_w, text);
	draw_clock(hours);
	say_source(o, "load", "load", "load_error_pct", "load_pct");
	say_source(o, "sun", "pv", "pv_error_pct", "pv_pct");
	if (cJSON_HasObjectItem(o, "pushed_until"))
		printf("pushed until %s\n", show_day(o, "pushed_until"));
	return CTL_DONE;
}

/* The whole file as JSON, or NULL with the reason on stderr. One byte more than allowed is read, so that the parser refuses it. */
static cJSON *read_file(const char *path)
{
	FILE *f = strcmp(path, "-") ? fopen(path, "rb") : stdin;
	char *text = malloc(FILE_MAX_BYTES + 1);
	struct errbuf err = { "" };
	cJSON *o = NULL;
	size_t len;

	if (!f || !text) {
		fprintf(stderr, "hearthctl: %s: %s\n", path, strerror(f ? ENOMEM : errno));
	} else {
		len = fread(text, 1, FILE_MAX_BYTES + 1, f);
		o = json_parse(text, len, FILE_MAX_BYTES, 8, &err);
		if (!o || !cJSON_IsObject(o)) {
			fprintf(stderr, "hearthctl: %s: %s\n", path, o ? "an object with load, pv, until is expected" : err.text);
			cJSON_Delete(o);
			o = NULL;
		}
	}
	if (f && f != stdin)
		fclose(f);
	free(text);
	return o;
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
	return c->argc == 0 ? show_forecast(c) : ctl_usage(c);
}
