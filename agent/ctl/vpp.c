/* Verbs about Flip events and commands. */
#include "ctl/ctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ctl_events(struct ctl *c)
{
	static const char *const HEADERS[] = { "event", "status", "from", "to", "taking part" };
	int code;
	AUTO_JSON *events = NULL;
	const cJSON *e;
	struct table *t;

	if (c->argc != 0)
		return ctl_usage(c);
	events = ctl_state(c, "events", &code);
	if (!events)
		return code;
	if (c->json) {
		ctl_print_json(events);
		return CTL_DONE;
	}
	t = table_new(HEADERS, 5);
	cJSON_ArrayForEach(e, events)
		table_row(t, show_word(e, "id"), show_word(e, "status"), show_time(e, "starts_at"), show_time(e, "ends_at"),
			  show_word(e, "participating"));
	table_print(t);
	return CTL_DONE;
}

int ctl_commands(struct ctl *c)
{
	static const char *const HEADERS[] = { "command", "device", "state", "mode", "power", "floor", "from", "to", "delivered", "told Flip" };
	int code;
	AUTO_JSON *commands = NULL;
	const cJSON *e, *b;
	struct table *t;

	if (c->argc != 0)
		return ctl_usage(c);
	commands = ctl_state(c, "commands", &code);
	if (!commands)
		return code;
	if (c->json) {
		ctl_print_json(commands);
		return CTL_DONE;
	}
	t = table_new(HEADERS, 10);
	cJSON_ArrayForEach(e, commands) {
		b = cJSON_GetObjectItemCaseSensitive(e, "battery_commands");
		table_row(t, show_word(e, "id"), show_word(e, "device_id"), show_word(e, "state"), show_word(b, "mode"),
			  show(b, "setpoint_w", 0, "W"), show(b, "backup_reserve_percentage", 0, "%"), show_time(e, "starts_at"),
			  show_time(e, "ends_at"), show(e, "delivered_wh", 0, "Wh"), show_word(e, "device_status"));
	}
	table_print(t);
	return CTL_DONE;
}

int ctl_event(struct ctl *c)
{
	cJSON *args;
	char *end;
	double pct;

	if (c->argc == 2 && (!strcmp(c->argv[0], "opt-out") || !strcmp(c->argv[0], "opt-in"))) {
		bool in = !strcmp(c->argv[0], "opt-in");

		args = cJSON_CreateObject();
		cJSON_AddStringToObject(args, "event_id", c->argv[1]);
		cJSON_AddBoolToObject(args, "participating", in);
		return ctl_change(c, "event.participate", args, in ? "taking part" : "not taking part; stopped at once");
	}
	if (c->argc == 3 && !strcmp(c->argv[0], "reserve")) {
		pct = strtod(c->argv[2], &end);
		if (end == c->argv[2] || (*end && strcmp(end, "%") != 0))
			return ctl_usage(c);
		args = cJSON_CreateObject();
		cJSON_AddStringToObject(args, "event_id", c->argv[1]);
		cJSON_AddNumberToObject(args, "reserve_pct", pct);
		return ctl_change(c, "event.participate", args, "the reserve holds for this event");
	}
	return ctl_usage(c);
}
