/* Verbs that show the home and its devices. */
#include "core/field.h"
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLOW_W 5 /* below it nothing flows: meters are never quite at 0 */

static double number(const cJSON *o, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);

	return cJSON_IsNumber(v) ? v->valuedouble : 0;
}

static void print_flow(const char *name, const cJSON *site, const char *key, const char *in, const char *out)
{
	double w = number(site, key);

	if (cJSON_HasObjectItem(site, key))
		printf("  %-9s %7.0f W%s%s\n", name, w < 0 ? -w : w, w > FLOW_W || w < -FLOW_W ? "  " : "",
		       w > FLOW_W ? in : w < -FLOW_W ? out : "");
}

/* The rest of the balance. A home gives nothing: below 0 something stands in it that nobody measures, a PV inverter mostly. */
static void print_home(const cJSON *site)
{
	double w = number(site, "load_w");

	if (!cJSON_HasObjectItem(site, "load_w"))
		return;
	if (w < -FLOW_W)
		printf("  %-9s not measured\n", "home");
	else
		printf("  %-9s %7.0f W\n", "home", w > 0 ? w : 0);
}

static void print_site(const cJSON *site)
{
	const int step = terminal_is() && terminal_width() < 60 ? 10 : 5; /* % a character stands for */
	char bar[3 * 20 + 1] = "", text[200];
	const char *reason = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(site, "reason")), *mode = show_word(site, "mode");
	double soc = number(site, "soc_pct"), floor_pct = number(site, "floor_pct");

	print_flow("grid", site, "grid_w", "importing", "exporting");
	print_home(site);
	print_flow("sun", site, "pv_w", "", "producing");
	print_flow("battery", site, "battery_w", "charging", "discharging");
	print_flow("car", site, "ev_w", "charging", "feeding");
	if (cJSON_HasObjectItem(site, "soc_pct")) {
		for (int pct = 0; pct < 100; pct += step)
			strcat(bar, pct + step / 2. <= soc ? "█" : pct <= floor_pct && pct + step > floor_pct ? "│" : "░");
		snprintf(text, sizeof(text), "%s  floor %.0f %% (%s)", bar, floor_pct, show_word(site, "floor_source"));
		printf("  stored    %7.1f %%  ", soc);
		terminal_wrap(23, text);
	}
	printf("  mode      %s\n", mode);
	if (reason && *reason) {
		fputs("  because   ", stdout);
		terminal_wrap(12, !strncmp(reason, mode, strlen(mode)) && reason[strlen(mode)] == ':' ? reason + strlen(mode) + 2 : reason);
	}
	fflush(stdout);
}

static void print_status(struct ctl *c, const cJSON *site, const cJSON *agent)
{
	const cJSON *w;

	printf("%s  (hearthd %s)\n", link_site(c->link), show_word(agent, "version"));
	print_site(site);
	cJSON_ArrayForEach(w, cJSON_GetObjectItemCaseSensitive(agent, "warnings")) {
		fputs("  warning   ", stdout);
		terminal_wrap(12, cJSON_IsString(w) ? w->valuestring : "");
	}
}

struct watch {
	struct ctl *c;
	bool offline, clock_waits;
};

static bool on_site(const struct watch *w, const cJSON *payload)
{
	const struct ctl *c = w->c;
	char *line;

	if (c->json) {
		line = cJSON_PrintUnformatted(payload);
		puts(line ? line : "");
		cJSON_free(line);
		fflush(stdout);
		return true;
	}
	if (terminal_is())
		printf("\033[H\033[J%s  %s\n", link_site(c->link), show_time(payload, "at"));
	if (w->clock_waits)
		printf("  warning   " CTL_CLOCK_WAITS "\n");
	print_site(payload);
	return true;
}

static bool on_watched(void *context, const char *below, const cJSON *payload)
{
	struct watch *w = context;

	if (!strcmp(below, "status")) {
		w->offline = cJSON_IsString(payload) && !strcmp(payload->valuestring, "offline");
		return !w->offline;
	}
	if (!strcmp(below, "agent") && payload)
		w->clock_waits = cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(payload, "clock_trusted"));
	return !strcmp(below, "site") && payload ? on_site(w, payload) : true;
}

static int watch(struct ctl *c)
{
	static const char *const FILTERS[] = { "agent", "status", "site", NULL };
	struct watch w = { .c = c };
	struct errbuf err = { "" };

	if (link_watch(c->link, FILTERS, on_watched, &w, 0, &err) < 0)
		fprintf(stderr, "hearthctl: %s\n", err.text);
	else if (w.offline)
		fprintf(stderr, "hearthctl: the agent is offline\n");
	else
		return CTL_DONE;
	return CTL_UNREACHABLE;
}

int ctl_status(struct ctl *c)
{
	int code;
	AUTO_JSON *site = NULL, *agent = NULL;

	if (c->argc > 1 || (c->argc == 1 && strcmp(c->argv[0], "--watch") != 0))
		return ctl_usage_of(c, c->argv[strcmp(c->argv[0], "--watch") == 0]);
	site = ctl_state(c, "site", &code);
	if (!site)
		return code;
	if (c->argc == 1)
		return watch(c);
	agent = ctl_state(c, "agent", &code);
	if (!agent)
		return code;
	if (c->json) {
		cJSON_AddItemToObject(site, "agent", agent);
		agent = NULL;
		ctl_print_json(site);
	} else {
		print_status(c, site, agent);
	}
	return CTL_DONE;
}

static const char *kinds_text(const cJSON *device, char out[64])
{
	const cJSON *k;

	out[0] = '\0';
	cJSON_ArrayForEach(k, cJSON_GetObjectItemCaseSensitive(device, "kinds"))
		snprintf(out + strlen(out), 64 - strlen(out), "%s%s", out[0] ? "," : "", cJSON_GetStringValue(k));
	return out;
}

int ctl_devices(struct ctl *c)
{
	static const char *const HEADERS[] = { "device", "kind", "state", "power", "stored", "guarded by", "verdict", "note" };
	int code;
	AUTO_JSON *devices = NULL;
	const cJSON *d;
	struct table *t;
	char kinds[64];

	if (c->argc != 0)
		return ctl_usage_of(c, c->argv[0]);
	devices = ctl_state(c, "devices", &code);
	if (!devices)
		return code;
	if (c->json) {
		ctl_print_json(devices);
		return CTL_DONE;
	}
	t = table_new(HEADERS, 8);
	cJSON_ArrayForEach(d, devices)
		table_row(t, d->string, kinds_text(d, kinds), show_word(d, "availability"), show(d, "ac_power_w", 0, "W"),
			  show(cJSON_GetObjectItemCaseSensitive(d, "battery"), "soc_pct", 1, "%"), show_word(d, "guarded_by"),
			  show_word(d, "verdict"), cJSON_HasObjectItem(d, "note") ? show_word(d, "note") : "");
	table_print(t);
	return CTL_DONE;
}

int ctl_device(struct ctl *c)
{
	static const char *const HEADERS[] = { "value", "now", "unit" };
	int code;
	AUTO_JSON *devices = NULL;
	const cJSON *d, *group, *v;
	struct table *t;

	if (c->argc != 1)
		return c->argc ? ctl_usage_of(c, c->argv[1]) : ctl_usage(c);
	devices = ctl_state(c, "devices", &code);
	if (!devices)
		return code;
	d = cJSON_GetObjectItemCaseSensitive(devices, c->argv[0]);
	if (!d) {
		fprintf(stderr, "hearthctl: there is no device '%s'; there are:", c->argv[0]);
		cJSON_ArrayForEach(v, devices)
			fprintf(stderr, " %s", v->string);
		fputc('\n', stderr);
		return CTL_FAILED;
	}
	if (c->json) {
		ctl_print_json(d);
		return CTL_DONE;
	}
	t = table_new(HEADERS, 3);
	cJSON_ArrayForEach(group, d)
		if (!cJSON_IsObject(group) && !cJSON_IsArray(group))
			table_row(t, group->string, show_word(d, group->string), "");
	cJSON_ArrayForEach(group, d) {
		if (!cJSON_IsObject(group))
			continue;
		cJSON_ArrayForEach(v, group) {
			char name[80];
			enum field f;

			snprintf(name, sizeof(name), "%s.%s", group->string, v->string);
			f = field_by_name(name);
			table_row(t, name, show_word(group, v->string), f == F_COUNT ? "" : field_info(f)->unit);
		}
	}
	table_print(t);
	return CTL_DONE;
}

int ctl_bus(struct ctl *c)
{
	static const char *const HEADERS[] = { "bus", "link", "requests", "exceptions", "timeouts", "bad answers", "load", "last trouble" };
	int code;
	AUTO_JSON *buses = NULL;
	const cJSON *b;
	struct table *t;

	if (c->argc != 0)
		return ctl_usage_of(c, c->argv[0]);
	buses = ctl_state(c, "buses", &code);
	if (!buses)
		return code;
	if (c->json) {
		ctl_print_json(buses);
		return CTL_DONE;
	}
	t = table_new(HEADERS, 8);
	cJSON_ArrayForEach(b, buses)
		table_row(t, show_word(b, "name"), show_word(b, "link"), show(b, "requests", 0, ""), show(b, "exceptions", 0, ""),
			  show(b, "timeouts", 0, ""), show(b, "bad_answers", 0, ""), show(b, "load_pct", 1, "%"), show_word(b, "last_error"));
	table_print(t);
	return CTL_DONE;
}

int ctl_vpp(struct ctl *c)
{
	int code;
	AUTO_JSON *o = NULL;

	if (c->argc != 0)
		return ctl_usage_of(c, c->argv[0]);
	o = ctl_state(c, "vpp", &code);
	if (!o)
		return code;
	if (c->json)
		ctl_print_json(o);
	else
		puts(cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(o, "next_event")) ?
		     cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "notice")) : "no event is known");
	return CTL_DONE;
}
