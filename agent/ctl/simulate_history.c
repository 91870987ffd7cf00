/* hearthctl simulate --history: "what would I have saved", out of what the hub has recorded. Asks history.get page by page. */
#include "ctl/simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS 86400000LL
#define PAGE_MS (2 * DAY_MS)
#define STEP_MS 300000
#define LEARN_DAYS 7         /* before, for the forecasts, as far as they are recorded */
#define DAYS_MAX 366
#define BATTERY_LEAST_WH 100.
#define KNOWN_LEAST 0.9      /* of the span asked for */
#define STEP_MINUTES (STEP_MS / TRUTH_MINUTE_MS)
#define DAY_MINUTES 1440

struct tape {
	struct truth *t;
	int known, asked; /* steps with load and import price, from the start on */
};

/* The numbers of a list in one pass: cJSON's lists are chains. Returns how many. */
static int numbers(const cJSON *data, const char *key, double *out, int max)
{
	const cJSON *v;
	int n = 0;

	cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(data, key)) {
		if (n >= max)
			break;
		out[n++] = cJSON_IsNumber(v) ? v->valuedouble : (double)NAN;
	}
	return n;
}

static void put(struct truth *t, int64_t utc_ms, double load_w, double pv_w, double import, double export)
{
	for (int m = 0; m < STEP_MINUTES; m++) {
		const int64_t at = utc_ms + m * TRUTH_MINUTE_MS;
		const int i = truth_minute(t, at);

		if (at < t->from_utc_ms || at >= t->end_utc_ms)
			continue;
		t->load_w[i] = (float)load_w;
		t->pv_w[i] = (float)pv_w;
		t->import_price[i] = import;
		t->export_price[i] = export;
	}
}

/* One page of at most two days; what a car took is house here, for every row took it so. */
static int take_page(struct tape *tape, const cJSON *data)
{
	enum { LOAD, PV, CAR, IMPORT, EXPORT, LISTS };
	static const char *const KEYS[LISTS] = { "load_w", "pv_w", "ev_w", "import_price", "export_price" };
	static double list[LISTS][PAGE_MS / STEP_MS + 1];
	const char *start = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "start"));
	int n = 0, len[LISTS];
	int64_t at;

	if (!start || calendar_parse(start, &at) < 0)
		return -1;
	for (int k = 0; k < LISTS; k++) {
		len[k] = numbers(data, KEYS[k], list[k], PAGE_MS / STEP_MS + 1);
		n = len[k] > n ? len[k] : n;
	}
	for (int i = 0; i < n; i++, at += STEP_MS) {
		const double car_w = i < len[CAR] && list[CAR][i] > 0 ? list[CAR][i] : 0, load_w = i < len[LOAD] ? list[LOAD][i] : (double)NAN;
		const double pv_w = i < len[PV] && list[PV][i] > 0 ? list[PV][i] : 0, import = i < len[IMPORT] ? list[IMPORT][i] : (double)NAN;
		const double export = i < len[EXPORT] && !isnan(list[EXPORT][i]) ? list[EXPORT][i] : 0;

		put(tape->t, at, load_w + car_w, isnan(load_w) ? (double)NAN : pv_w, import, isnan(import) ? (double)NAN : export);
		if (at >= tape->t->start_utc_ms && at < tape->t->end_utc_ms)
			tape->known += !isnan(load_w) && !isnan(import);
	}
	return 0;
}

static int fetch(struct ctl *c, struct tape *tape)
{
	char text[CALENDAR_TEXT_MAX];
	int code = CTL_DONE;

	for (int64_t at = tape->t->from_utc_ms; at < tape->t->end_utc_ms && code == CTL_DONE; at += PAGE_MS) {
		const int64_t to = at + PAGE_MS < tape->t->end_utc_ms ? at + PAGE_MS : tape->t->end_utc_ms;
		cJSON *args = cJSON_CreateObject();
		AUTO_JSON *data = NULL;

		calendar_format(at, text);
		cJSON_AddStringToObject(args, "from", text);
		calendar_format(to, text);
		cJSON_AddStringToObject(args, "to", text);
		data = ctl_request(c, "history.get", args, &code);
		if (data && take_page(tape, data) < 0) {
			fprintf(stderr, "hearthctl: the agent's history is not understood\n");
			code = CTL_FAILED;
		}
	}
	return code;
}

/* Where a gap's minute comes from: that time of the day before, where it is known, else the minute before, else the first that is. */
static int alike(bool day_before, int i, int start, int first)
{
	return day_before ? i - DAY_MINUTES : i > start ? i - 1 : first;
}

/* From the start on; the day behind the end repeats the last one. Before the start what is unknown teaches nothing, and a price is
 * that of the day after. */
static void mend(struct truth *t)
{
	const int start = truth_minute(t, t->start_utc_ms), end = truth_minute(t, t->end_utc_ms - 1) + 1;
	int load = start, price = start;

	while (load < end - 1 && isnan(t->load_w[load]))
		load++;
	while (price < end - 1 && isnan(t->import_price[price]))
		price++;
	for (int i = start; i < end; i++) {
		if (isnan(t->load_w[i])) {
			const int from = alike(i >= DAY_MINUTES && !isnan(t->load_w[i - DAY_MINUTES]), i, start, load);

			t->load_w[i] = t->load_w[from];
			t->pv_w[i] = t->pv_w[from];
		}
		if (isnan(t->import_price[i])) {
			const int from = alike(i >= DAY_MINUTES && !isnan(t->import_price[i - DAY_MINUTES]), i, start, price);

			t->import_price[i] = t->import_price[from];
			t->export_price[i] = t->export_price[from];
		}
	}
	for (int i = start - 1; i >= 0; i--) {
		const int from = i + DAY_MINUTES < end ? i + DAY_MINUTES : end - 1; /* one day of 23 hours */

		if (isnan(t->import_price[i])) {
			t->import_price[i] = t->import_price[from];
			t->export_price[i] = t->export_price[from];
		}
	}
	for (int i = end; i < t->n; i++) {
		const int from = i - DAY_MINUTES > start ? i - DAY_MINUTES : start;

		t->import_price[i] = t->import_price[from];
		t->export_price[i] = t->export_price[from];
		t->load_w[i] = t->load_w[from];
		t->pv_w[i] = t->pv_w[from];
	}
}

static void describe(const struct simulate_words *w, int days, struct scenario *s)
{
	*s = scenario_defaults();
	snprintf(s->name, sizeof(s->name), "history");
	snprintf(s->about, sizeof(s->about), "what the hub recorded, with a battery of %.1f kWh and %.1f kW", w->battery_wh / 1e3,
		 (w->power_w > 0 ? w->power_w : w->battery_wh / 2) / 1e3);
	s->days = days;
	s->day_ahead = true; /* when each price came to be known is not recorded: never earlier than this */
	s->latitude = s->longitude = NAN;
	s->n_batteries = 1;
	s->battery[0] = (struct scenario_battery){ .capacity_wh = w->battery_wh, .charge_eff = 0.95, .discharge_eff = 0.95, .standby_w = 10,
						   .soc_pct = 50, .soc_min_pct = 5, .native = true };
	s->battery[0].charge_max_w = s->battery[0].discharge_max_w = w->power_w > 0 ? w->power_w : w->battery_wh / 2;
}

int simulate_history(struct ctl *c, const struct simulate_words *w, struct simulation *s)
{
	const int days = (int)(w->history_s * 1e3 / DAY_MS);
	struct tape tape = { .t = &s->truth };
	int64_t end, start;
	int code;

	if (days < 1 || days > DAYS_MAX || days * (DAY_MS / 1e3) < w->history_s) {
		fprintf(stderr, "hearthctl: --history: whole days, 1d to %dd\n", DAYS_MAX);
		return CTL_USAGE;
	}
	if (w->battery_wh < BATTERY_LEAST_WH) {
		fprintf(stderr, "hearthctl: --battery: %g Wh is less than %g Wh; %g kWh is written %gkWh\n", w->battery_wh, BATTERY_LEAST_WH, w->battery_wh, w->battery_wh);
		return CTL_USAGE;
	}
	code = ctl_open(c);
	if (code != CTL_DONE)
		return code;
	s->history = true;
	s->zone = c->zone;
	describe(w, days, &s->scenario);
	end = calendar_day_start(&s->zone, ctl_now_ms(c));
	start = calendar_day_start(&s->zone, end - days * DAY_MS + DAY_MS / 2);
	if (truth_alloc(&s->truth, calendar_day_start(&s->zone, start - LEARN_DAYS * DAY_MS + DAY_MS / 2), start, end) < 0) {
		fprintf(stderr, "hearthctl: no memory\n");
		return CTL_FAILED;
	}
	for (int i = 0; i < s->truth.n; i++) {
		s->truth.load_w[i] = s->truth.pv_w[i] = (float)NAN;
		s->truth.import_price[i] = s->truth.export_price[i] = (double)NAN;
	}
	code = fetch(c, &tape);
	if (code != CTL_DONE)
		return code;
	tape.asked = (int)((end - start) / STEP_MS);
	if (tape.known < tape.asked * KNOWN_LEAST) {
		fprintf(stderr, "hearthctl: the history is too short: load and prices are known for %.1f of %d days\n", tape.known * (STEP_MS / 1e3) / 86400,
			days);
		return CTL_FAILED;
	}
	mend(&s->truth);
	for (int i = 0; i < s->truth.n; i++) /* the forecast needs to know that there is a roof */
		s->scenario.pv.peak_w = fmax(s->scenario.pv.peak_w, (double)s->truth.pv_w[i]);
	return CTL_DONE;
}
