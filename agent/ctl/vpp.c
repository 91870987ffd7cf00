/* Verbs about Flip events and commands. */
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>

#define ID_MAX 128
#define ID_SHORT "%.8s" /* an event's id beside its command */

static const char *text_of(const cJSON *o, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));

	return text ? text : "";
}

static cJSON *by_id(const cJSON *list, const char *id)
{
	cJSON *o;

	cJSON_ArrayForEach(o, list)
		if (!strcmp(text_of(o, "id"), id))
			return o;
	return NULL;
}

/* What a command says of an event nobody described to us: its id, or the command's own where it belongs to none. */
static const char *event_of(const cJSON *command)
{
	return text_of(command, "event_id")[0] ? text_of(command, "event_id") : text_of(command, "id");
}

/* Two times of the agent: all of the same form, so the text decides. */
static void widen(cJSON *event, const cJSON *command, const char *key, int sign)
{
	const char *theirs = text_of(command, key), *ours = text_of(event, key);

	if (theirs[0] && (!ours[0] || strcmp(theirs, ours) * sign > 0)) {
		cJSON_DeleteItemFromObjectCaseSensitive(event, key);
		cJSON_AddStringToObject(event, key, theirs);
	}
}

static bool is_open(const char *state)
{
	return !strcmp(state, "active") || !strcmp(state, "suspended") || !strcmp(state, "scheduled");
}

/* Adds a row for every event that is known by its commands only. */
static void add_from_commands(cJSON *events, const cJSON *commands)
{
	const cJSON *c;
	cJSON *e;

	cJSON_ArrayForEach(c, commands) {
		const char *state = text_of(c, "state");

		e = by_id(events, event_of(c));
		if (e && text_of(e, "starts_at")[0] && !cJSON_HasObjectItem(e, "from_commands"))
			continue;
		if (!e) {
			e = cJSON_CreateObject();
			cJSON_AddStringToObject(e, "id", event_of(c));
			cJSON_AddItemToArray(events, e);
		}
		if (!cJSON_HasObjectItem(e, "from_commands"))
			cJSON_AddBoolToObject(e, "from_commands", true);
		if (!cJSON_HasObjectItem(e, "participating"))
			cJSON_AddBoolToObject(e, "participating", strcmp(state, "opted_out") != 0);
		widen(e, c, "starts_at", -1);
		widen(e, c, "ends_at", 1);
		if (!is_open(text_of(e, "status"))) {
			cJSON_DeleteItemFromObjectCaseSensitive(e, "status");
			cJSON_AddStringToObject(e, "status", state);
		}
	}
}

/**
 * The id a person meant by its beginning: an event's or a command's. A whole id and one that is not known pass as they are,
 * the agent judges them. False after saying that several begin so.
 */
static bool resolve(struct ctl *c, const char *wanted, char out[ID_MAX], int *code)
{
	AUTO_JSON *both = ctl_states(c, "events", "commands", code);
	const cJSON *list, *o;
	const char *found = NULL, *other = NULL;

	if (!both)
		return false;
	cJSON_ArrayForEach(list, both)
		cJSON_ArrayForEach(o, list) {
			const char *ids[] = { text_of(o, "id"), text_of(o, "event_id") };

			for (int i = 0; i < 2; i++) {
				if (!strcmp(ids[i], wanted))
					found = wanted;
				else if (!*wanted || strncmp(ids[i], wanted, strlen(wanted)) != 0)
					continue;
				else if (!found)
					found = ids[i];
				else if (found != wanted && strcmp(found, ids[i]) != 0)
					other = ids[i];
			}
		}
	if (other && found != wanted) {
		fprintf(stderr, "hearthctl: several begin with '%s': %s, %s\n", wanted, found, other);
		*code = CTL_FAILED;
		return false;
	}
	snprintf(out, ID_MAX, "%s", found ? found : wanted);
	return true;
}

int ctl_events(struct ctl *c)
{
	static const char *const HEADERS[] = { "event", "status", "from", "to", "taking part" };
	int code;
	AUTO_JSON *both = NULL;
	const cJSON *e;
	cJSON *events;
	struct table *t;

	if (c->argc != 0)
		return ctl_usage_of(c, c->argv[0]);
	both = ctl_states(c, "events", "commands", &code);
	if (!both)
		return code;
	events = cJSON_GetObjectItemCaseSensitive(both, "events");
	add_from_commands(events, cJSON_GetObjectItemCaseSensitive(both, "commands"));
	if (c->json) {
		ctl_print_json(events);
		return CTL_DONE;
	}
	t = table_new(HEADERS, 5);
	cJSON_ArrayForEach(e, events)
		table_row(t, show_word(e, "id"), show_word(e, "status"), show_day(e, "starts_at"), show_day(e, "ends_at"),
			  show_word(e, "participating"));
	table_print(t);
	if (cJSON_GetArraySize(events) == 0)
		fputs("hearthctl: no event is known\n", stderr);
	return CTL_DONE;
}

int ctl_commands(struct ctl *c)
{
	static const char *const HEADERS[] = { "command", "device", "state", "mode", "power", "floor", "from", "to",
					       "delivered", "told Flip", "event" };
	int code;
	AUTO_JSON *commands = NULL;
	const cJSON *e, *b;
	struct table *t;
	char event[16];

	if (c->argc != 0)
		return ctl_usage_of(c, c->argv[0]);
	commands = ctl_state(c, "commands", &code);
	if (!commands)
		return code;
	if (c->json) {
		ctl_print_json(commands);
		return CTL_DONE;
	}
	t = table_new(HEADERS, 11);
	cJSON_ArrayForEach(e, commands) {
		b = cJSON_GetObjectItemCaseSensitive(e, "battery_commands");
		snprintf(event, sizeof(event), ID_SHORT, text_of(e, "event_id"));
		table_row(t, show_word(e, "id"), show_word(e, "device_id"), show_word(e, "state"), show_word(b, "mode"),
			  show(b, "setpoint_w", 0, "W"), show(b, "backup_reserve_percentage", 0, "%"), show_day(e, "starts_at"),
			  show_day(e, "ends_at"), show(e, "delivered_wh", 0, "Wh"), show_word(e, "device_status"), event);
	}
	table_print(t);
	if (cJSON_GetArraySize(commands) == 0)
		fputs("hearthctl: no command is known\n", stderr);
	return CTL_DONE;
}

/* The verb without an id or a share, a word it does not have, or a word too many. */
static int event_usage(const struct ctl *c)
{
	static const struct { const char *word; int argc; } FORMS[] = { { "opt-out", 2 }, { "opt-in", 2 }, { "reserve", 3 } };

	for (size_t i = 0; c->argc > 0 && i < sizeof(FORMS) / sizeof(FORMS[0]); i++)
		if (!strcmp(c->argv[0], FORMS[i].word))
			return c->argc > FORMS[i].argc ? ctl_usage_of(c, c->argv[FORMS[i].argc]) : ctl_usage(c);
	return c->argc > 0 ? ctl_usage_of(c, c->argv[0]) : ctl_usage(c);
}

int ctl_event(struct ctl *c)
{
	cJSON *args;
	char id[ID_MAX], done[120], text[QUANTITY_TEXT_MAX];
	struct errbuf err = { "" };
	double pct;
	int code;

	if (c->argc == 2 && (!strcmp(c->argv[0], "opt-out") || !strcmp(c->argv[0], "opt-in"))) {
		bool in = !strcmp(c->argv[0], "opt-in");

		if (!resolve(c, c->argv[1], id, &code))
			return code;
		args = cJSON_CreateObject();
		cJSON_AddStringToObject(args, "event_id", id);
		cJSON_AddBoolToObject(args, "participating", in);
		return ctl_change(c, "event.participate", args, in ? "taking part" : "not taking part; stopped at once");
	}
	if (c->argc == 3 && !strcmp(c->argv[0], "reserve")) {
		if (quantity_parse(QUANTITY_PERCENT, c->argv[2], &pct, &err) < 0) {
			fprintf(stderr, "hearthctl: %s\n", err.text);
			return CTL_USAGE;
		}
		if (!resolve(c, c->argv[1], id, &code))
			return code;
		args = cJSON_CreateObject();
		cJSON_AddStringToObject(args, "event_id", id);
		cJSON_AddNumberToObject(args, "reserve_pct", pct);
		snprintf(done, sizeof(done), "the reserve for event %.40s is %s", id, quantity_text(QUANTITY_PERCENT, pct, text));
		return ctl_change(c, "event.participate", args, done);
	}
	return event_usage(c);
}
