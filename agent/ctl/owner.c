/* Verbs by which the owner changes things: reserve, override, car. */
#include "ctl/ctl.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What the owner wants and what is kept now: during an event that may be another floor. */
static int show_reserve(struct ctl *c)
{
	int code;
	AUTO_JSON *both = ctl_states(c, "site", "owner", &code), *o = NULL;
	const cJSON *site, *reserve;

	if (!both)
		return code;
	site = cJSON_GetObjectItemCaseSensitive(both, "site");
	reserve = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(both, "owner"), "reserve_pct");
	if (!cJSON_IsNumber(reserve))
		reserve = cJSON_GetObjectItemCaseSensitive(site, "floor_pct");
	o = cJSON_CreateObject();
	cJSON_AddItemToObject(o, "reserve_pct", cJSON_Duplicate(reserve, true));
	cJSON_AddItemToObject(o, "floor_pct", cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(site, "floor_pct"), true));
	cJSON_AddItemToObject(o, "floor_source", cJSON_Duplicate(cJSON_GetObjectItemCaseSensitive(site, "floor_source"), true));
	if (c->json)
		ctl_print_json(o);
	else if (cJSON_Compare(reserve, cJSON_GetObjectItemCaseSensitive(o, "floor_pct"), true))
		printf("%s (in force)\n", show(o, "reserve_pct", 0, "%"));
	else
		printf("%s (in force now: %s, %s)\n", show(o, "reserve_pct", 0, "%"), show(o, "floor_pct", 0, "%"),
		       show_word(o, "floor_source"));
	return CTL_DONE;
}

int ctl_reserve(struct ctl *c)
{
	char done[80], text[QUANTITY_TEXT_MAX];
	struct errbuf err = { "" };
	cJSON *args;
	double pct;

	if (c->argc > 1)
		return ctl_usage_of(c, c->argv[1]);
	if (c->argc == 0)
		return show_reserve(c);
	if (quantity_parse(QUANTITY_PERCENT, c->argv[0], &pct, &err) < 0) {
		fprintf(stderr, "hearthctl: %s\n", err.text);
		return CTL_USAGE;
	}
	args = cJSON_CreateObject();
	cJSON_AddNumberToObject(args, "pct", pct);
	snprintf(done, sizeof(done), "the reserve is set to %s", quantity_text(QUANTITY_PERCENT, pct, text));
	return ctl_change(c, "reserve.set", args, done);
}

static const struct ctl_option NOTHING[] = { { NULL, NULL, QUANTITY_POWER, false, false } };

static const char *text_of(const cJSON *o, const char *key, const char *without)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));

	return text ? text : without;
}

/* "charging battery with 3000 W until 18:00 (Europe/London)" */
static void say_override(const struct ctl *c, const struct ctl_words *w, const char *mode, char *out, size_t size)
{
	static const char *const WORDS[][2] = { { "charge", "charging" }, { "discharge", "discharging" }, { "hold", "holding" },
						{ "auto", "plain self-use for" } };
	const cJSON *power = cJSON_GetObjectItemCaseSensitive(w->args, "power_w");
	bool moves = strcmp(mode, "hold") != 0 && strcmp(mode, "auto") != 0;
	char text[QUANTITY_TEXT_MAX];
	int i = 0;

	while (strcmp(WORDS[i][0], mode) != 0)
		i++;
	snprintf(out, size, "%s %s%s%s %s", WORDS[i][1], text_of(w->args, "device", "the battery"),
		 moves ? " with " : "", !moves ? "" : power ? quantity_text(QUANTITY_POWER, power->valuedouble, text) : "all it can",
		 ctl_words_end(c, w));
}

/* More than a battery can or may is asked for easily: what the order became, for the device or the first by the owner's hand. */
static void add_decided(struct ctl *c, const char *device, double asked_w, char *done, size_t size)
{
	int code;
	AUTO_JSON *decision = ctl_state(c, "decision", &code);
	const cJSON *d;

	cJSON_ArrayForEach(d, cJSON_GetObjectItemCaseSensitive(decision, "devices")) {
		const cJSON *w = cJSON_GetObjectItemCaseSensitive(d, "w");
		const size_t n = strlen(done);

		if ((device && strcmp(d->string, device) != 0) || strcmp(show_word(d, "rank"), "override") != 0)
			continue;
		if (cJSON_IsNumber(w) && fabs(fabs(w->valuedouble) - asked_w) > 1)
			snprintf(done + n, size - n, "; now %.0f W, all it can or may", fabs(w->valuedouble));
		return;
	}
}

static int set_override(struct ctl *c, const char *mode)
{
	static const struct ctl_option OPTIONS[] = {
		{ "--power", "power_w", QUANTITY_POWER, false, false },
		{ "--for", "duration_s", QUANTITY_DURATION, false, false },
		{ "--until", "until", QUANTITY_DURATION, true, false },
		{ NULL, NULL, QUANTITY_POWER, false, false },
	};
	AUTO_JSON *data = NULL, *sent = NULL;
	char done[280], device[64];
	struct ctl_words w;
	const cJSON *power;
	double asked_w;
	int code = ctl_words_take(c, 1, OPTIONS, true, &w);

	if (code != CTL_DONE)
		return code;
	if ((w.time != NULL) == cJSON_HasObjectItem(w.args, "duration_s")) {
		fputs("hearthctl: say how long: either --for 2h or --until 18:00\n", stderr);
		cJSON_Delete(w.args);
		return CTL_USAGE;
	}
	code = ctl_words_times(c, &w);
	if (code != CTL_DONE)
		return code;
	cJSON_AddStringToObject(w.args, "mode", mode);
	say_override(c, &w, mode, done, sizeof(done));
	snprintf(device, sizeof(device), "%s", text_of(w.args, "device", ""));
	power = cJSON_GetObjectItemCaseSensitive(w.args, "power_w");
	asked_w = power ? power->valuedouble : 0;
	sent = cJSON_Duplicate(w.args, true);
	data = ctl_request(c, "override.set", w.args, &code);
	if (!data)
		return code;
	if (c->json) {
		ctl_print_done(data, "override.set", sent, done);
		sent = NULL;
		return CTL_DONE;
	}
	if (asked_w > 0)
		add_decided(c, device[0] ? device : NULL, asked_w, done, sizeof(done));
	printf("%s%s%s\n", done, cJSON_HasObjectItem(data, "warning") ? "; but: " : "", text_of(data, "warning", ""));
	return CTL_DONE;
}

static int pause_all(struct ctl *c)
{
	char done[160], text[QUANTITY_TEXT_MAX];
	struct errbuf err = { "" };
	double seconds;
	cJSON *args;
	int code;

	if (quantity_parse(QUANTITY_DURATION, c->argv[1], &seconds, &err) < 0) {
		fprintf(stderr, "hearthctl: %s\n", err.text);
		return CTL_USAGE;
	}
	code = ctl_open(c);
	if (code != CTL_DONE)
		return code;
	args = cJSON_CreateObject();
	cJSON_AddNumberToObject(args, "duration_s", seconds);
	snprintf(done, sizeof(done), "paused for %s, until %s: every device is under its own control", quantity_text(QUANTITY_DURATION, seconds, text),
		 ctl_until(c, ctl_now_ms(c) + (int64_t)seconds * 1000));
	return ctl_change(c, "pause", args, done);
}

int ctl_override(struct ctl *c)
{
	static const char *const MODES[] = { "auto", "hold", "charge", "discharge" };
	const char *mode = c->argc ? c->argv[0] : "";
	struct ctl_words w;
	cJSON *args;

	if (!strcmp(mode, "pause") && c->argc == 2)
		return pause_all(c);
	if (!strcmp(mode, "resume") && c->argc == 1) {
		args = cJSON_CreateObject();
		cJSON_AddNumberToObject(args, "duration_s", 0);
		return ctl_change(c, "pause", args, "steering again");
	}
	if (!strcmp(mode, "clear"))
		return ctl_words_take(c, 1, NOTHING, true, &w) == CTL_DONE ? ctl_change(c, "override.clear", w.args, "the override is gone") : CTL_USAGE;
	for (size_t i = 0; i < sizeof(MODES) / sizeof(MODES[0]); i++)
		if (!strcmp(mode, MODES[i]))
			return set_override(c, mode);
	if (c->argc == 0 || (!strcmp(mode, "pause") && c->argc == 1))
		return ctl_usage(c);
	return ctl_usage_of(c, !strcmp(mode, "pause") ? c->argv[2] : !strcmp(mode, "resume") ? c->argv[1] : mode);
}

/* "the car charges when it is cheap: 20 kWh by 07:00 (Europe/London)" */
static void say_ev(const struct ctl *c, const struct ctl_words *w, const char *const mode[2], char *out, size_t size)
{
	const cJSON *energy = cJSON_GetObjectItemCaseSensitive(w->args, "energy_wh");
	char text[QUANTITY_TEXT_MAX];
	size_t n = (size_t)snprintf(out, size, "%s %s", text_of(w->args, "device", "the car"), mode[1]);

	if (energy)
		n += (size_t)snprintf(out + n, size - n, ": %s", quantity_text(QUANTITY_ENERGY, energy->valuedouble, text));
	if (w->until_utc_ms)
		snprintf(out + n, size - n, "%s by %s", energy ? "" : ": ready", ctl_until(c, w->until_utc_ms));
	else if (!strcmp(mode[0], "cheap") && !energy)
		snprintf(out + n, size - n, ", but nothing is planned until it is said what it needs by when (hearthctl ev ready --by 07:00 --energy 20kWh): "
			 "it charges from what the sun leaves, and by habit where [plan] ev_habit = yes");
}

/* IEC 61851's letter in words. */
static const char *car_state(const cJSON *charger)
{
	static const char *const WORDS[][2] = { { "A", "no car" }, { "B", "plugged in" }, { "C", "charging" }, { "D", "charging" }, { "E", "fault" },
						{ "F", "fault" } };
	const char *state = show_word(charger, "state");

	for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
		if (!strcmp(state, WORDS[i][0]))
			return WORDS[i][1];
	return state;
}

/* Of what it was to get: what it has not taken yet. */
static double left_wh(const cJSON *ev, double wh)
{
	const cJSON *taken = cJSON_GetObjectItemCaseSensitive(ev, "taken_wh");

	return fmax(0, wh - (cJSON_IsNumber(taken) ? taken->valuedouble : 0));
}

/* What each car is to do, as the owner said it; a car nobody said anything of has no mode. */
static int show_ev(struct ctl *c)
{
	static const char *const HEADERS[] = { "charger", "mode", "needs", "by", "state", "now" };
	int code;
	AUTO_JSON *both = ctl_states(c, "owner", "devices", &code);
	const cJSON *evs = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(both, "owner"), "evs"), *d, *e, *mine;
	char needs[QUANTITY_TEXT_MAX];
	struct table *t;
	bool any = false;

	if (!both)
		return code;
	if (c->json) {
		ctl_print_json(evs);
		return CTL_DONE;
	}
	t = table_new(HEADERS, 6);
	cJSON_ArrayForEach(d, cJSON_GetObjectItemCaseSensitive(both, "devices")) {
		const cJSON *charger = cJSON_GetObjectItemCaseSensitive(d, "charger"), *wh;

		if (!charger)
			continue;
		any = true;
		mine = NULL;
		cJSON_ArrayForEach(e, evs)
			mine = strcmp(show_word(e, "device"), d->string) == 0 ? e : mine;
		wh = cJSON_GetObjectItemCaseSensitive(mine, "energy_wh");
		table_row(t, d->string, mine ? show_word(mine, "mode") : "not chosen",
			  cJSON_IsNumber(wh) ? quantity_text(QUANTITY_ENERGY, left_wh(mine, wh->valuedouble), needs) : show(mine, "soc_pct", 0, "%"),
			  show_day(mine, "ready_by"), car_state(charger), show(d, "ac_power_w", 0, "W"));
	}
	table_print(t);
	if (!any)
		fputs("hearthctl: no charger is configured\n", stderr);
	return CTL_DONE;
}

int ctl_ev(struct ctl *c)
{
	static const char *const MODES[][2] = { { "off", "does not charge" }, { "solar", "charges from own surplus" },
						{ "cheap", "charges when it is cheap" }, { "now", "charges now" }, { "ready", "charges when it is cheap" } };
	static const struct ctl_option OPTIONS[] = {
		{ "--by", "ready_by", QUANTITY_DURATION, true, false },
		{ "--energy", "energy_wh", QUANTITY_ENERGY, false, false },
		{ NULL, NULL, QUANTITY_POWER, false, false },
	};
	const char *mode = c->argc ? c->argv[0] : "";
	size_t i = 0;
	char done[480];
	struct ctl_words w;
	int code;

	if (c->argc == 0)
		return show_ev(c);
	while (i < 5 && strcmp(mode, MODES[i][0]) != 0)
		i++;
	if (i == 5)
		return ctl_usage_of(c, mode);
	code = ctl_words_take(c, 1, OPTIONS, true, &w);
	if (code == CTL_DONE && !strcmp(mode, "ready") && (!w.time || !cJSON_HasObjectItem(w.args, "energy_wh"))) {
		fputs("hearthctl: say what it needs by when: --by 07:00 --energy 20kWh\n", stderr);
		cJSON_Delete(w.args);
		return CTL_USAGE;
	}
	if (code == CTL_DONE)
		code = ctl_words_times(c, &w);
	if (code != CTL_DONE)
		return code;
	say_ev(c, &w, MODES[i], done, sizeof(done));
	cJSON_AddStringToObject(w.args, "mode", !strcmp(mode, "ready") ? "cheap" : mode);
	return ctl_change(c, "ev.set", w.args, done);
}
