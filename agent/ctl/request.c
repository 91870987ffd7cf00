/* hearthctl: one request and its answer, and whose clock counts: the agent's, in the time zone of its site. */
#include "core/calendar.h"
#include "ctl/ctl.h"
#include "io/zone.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int exit_of(int error)
{
	return error == -ENOTCONN || error == -ETIMEDOUT ? CTL_UNREACHABLE : CTL_FAILED;
}

static bool is_ok(const cJSON *answer)
{
	const char *status = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(answer, "status"));

	return status && !strcmp(status, "ok");
}

static int64_t own_now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* TZ, because strftime() and all that prints times here goes by it. */
static void use_zone(struct ctl *c, const char *name)
{
	struct errbuf err = { "" };
	char value[64];

	if (zone_load(name, &c->zone, &err) < 0) {
		fprintf(stderr, "hearthctl: %s: times are in UTC\n", err.text);
		c->zone = (struct zone){ .name = "UTC" };
	}
	snprintf(value, sizeof(value), ":%s", c->zone.name);
	setenv("TZ", value, 1);
	tzset();
}

/* An agent that does not say counts as one in UTC, and so does one that may not be asked: why, the request itself will tell. */
static int ask_clock(struct ctl *c, struct errbuf *err)
{
	AUTO_JSON *args = cJSON_CreateObject();
	AUTO_JSON *answer = NULL;
	const cJSON *data;
	const char *zone, *at;
	int64_t utc_ms;
	int r = link_request(c->link, "ping", args, &answer, err);

	if (r < 0 && r != -EACCES)
		return r;
	data = is_ok(answer) ? cJSON_GetObjectItemCaseSensitive(answer, "data") : NULL;
	zone = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "timezone"));
	at = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "at"));
	if (at && calendar_parse(at, &utc_ms) == 0)
		c->ahead_ms = utc_ms - own_now_ms();
	c->clock_doubtful = cJSON_IsFalse(cJSON_GetObjectItemCaseSensitive(data, "clock_trusted"));
	use_zone(c, zone ? zone : "UTC");
	return 0;
}

int ctl_open(struct ctl *c)
{
	struct errbuf err = { "" };
	int r;

	if (c->link)
		return CTL_DONE;
	r = link_open(&c->link, &c->link_options, &err);
	if (r == 0 && !c->verb->timeless)
		r = ask_clock(c, &err);
	if (r == 0)
		return CTL_DONE;
	fprintf(stderr, "hearthctl: %s\n", err.text);
	return exit_of(r);
}

int64_t ctl_now_ms(const struct ctl *c)
{
	return own_now_ms() + c->ahead_ms;
}

/* An error about a device is easier mended with the names there are. */
static cJSON *devices_for(struct ctl *c, const cJSON *error)
{
	const char *message = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(error, "message"));
	AUTO_JSON *args = NULL, *answer = NULL;
	struct errbuf err;

	if (c->json || !message || (strncmp(message, "there is no device", 18) != 0 && strncmp(message, "device ", 7) != 0))
		return NULL;
	args = cJSON_CreateObject();
	cJSON_AddItemToArray(cJSON_AddArrayToObject(args, "parts"), cJSON_CreateString("devices"));
	if (link_request(c->link, "state.get", args, &answer, &err) < 0 || !is_ok(answer))
		return NULL;
	return cJSON_DetachItemFromObjectCaseSensitive(cJSON_GetObjectItemCaseSensitive(answer, "data"), "devices");
}

cJSON *ctl_request(struct ctl *c, const char *verb, cJSON *args, int *code)
{
	AUTO_JSON *owned = args ? args : cJSON_CreateObject();
	AUTO_JSON *answer = NULL, *devices = NULL;
	struct errbuf err = { "" };
	const cJSON *error;
	int r;

	*code = ctl_open(c);
	if (*code != CTL_DONE)
		return NULL;
	r = link_request(c->link, verb, owned, &answer, &err);
	if (r < 0) {
		fprintf(stderr, "hearthctl: %s\n", err.text);
		*code = exit_of(r);
		return NULL;
	}
	if (is_ok(answer))
		return cJSON_DetachItemFromObjectCaseSensitive(answer, "data");
	error = cJSON_GetObjectItemCaseSensitive(answer, "error");
	devices = devices_for(c, error);
	ctl_refused(c, verb, error, devices);
	*code = CTL_FAILED;
	return NULL;
}

/* A member of the answer's own by such a name stays. */
void ctl_print_done(cJSON *data, const char *verb, cJSON *args, const char *done)
{
	if (!cJSON_HasObjectItem(data, "verb"))
		cJSON_AddStringToObject(data, "verb", verb);
	if (!cJSON_HasObjectItem(data, "args"))
		cJSON_AddItemToObject(data, "args", args ? args : cJSON_CreateObject());
	else
		cJSON_Delete(args);
	if (!cJSON_HasObjectItem(data, "done"))
		cJSON_AddStringToObject(data, "done", done);
	ctl_print_json(data);
}

int ctl_change(struct ctl *c, const char *verb, cJSON *args, const char *done)
{
	int code;
	cJSON *sent = cJSON_Duplicate(args, true);
	AUTO_JSON *data = ctl_request(c, verb, args, &code);

	if (c->json && data)
		ctl_print_done(data, verb, sent, done);
	else
		cJSON_Delete(sent);
	if (!data)
		return code;
	if (c->json)
		return CTL_DONE;
	if (cJSON_HasObjectItem(data, "warning"))
		printf("%s; but: %s\n", done, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "warning")));
	else
		puts(done);
	return CTL_DONE;
}

cJSON *ctl_states(struct ctl *c, const char *one, const char *other, int *code)
{
	cJSON *args = cJSON_CreateObject(), *parts = cJSON_AddArrayToObject(args, "parts");

	cJSON_AddItemToArray(parts, cJSON_CreateString(one));
	if (other)
		cJSON_AddItemToArray(parts, cJSON_CreateString(other));
	return ctl_request(c, "state.get", args, code);
}

cJSON *ctl_state(struct ctl *c, const char *part, int *code)
{
	cJSON *data = ctl_states(c, part, NULL, code), *wanted;

	if (!data)
		return NULL;
	wanted = cJSON_DetachItemFromObjectCaseSensitive(data, part);
	cJSON_Delete(data);
	if (!wanted) {
		fprintf(stderr, "hearthctl: the agent says nothing about '%s'\n", part);
		*code = CTL_FAILED;
	}
	return wanted;
}

void ctl_print_json(const cJSON *o)
{
	AUTO_TEXT *text = cJSON_Print(o);

	puts(text ? text : "null");
}
