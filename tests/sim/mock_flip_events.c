/* Mock Flip: events as their commands tell, and participation (flip-api 8.3, 9.7). */
#include "sim/mock_flip.h"

#include "core/json.h"
#include "sim/mock_flip_words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The window of an event is that of all its commands. */
struct event {
	int64_t starts_ms, ends_ms, created_ms, updated_ms;
	int n, canceled, opted_out;
	const char *status;
};

static bool read_event(const struct mock_flip *f, const char *id, int64_t now_ms, struct event *out)
{
	struct event e = { .starts_ms = INT64_MAX, .created_ms = INT64_MAX };
	bool endless = false;

	for (int i = 0; i < f->n_commands; i++) {
		const struct mock_command *c = f->command[i];

		if (strcmp(c->event_id, id) != 0)
			continue;
		e.n++;
		e.canceled += strcmp(c->status, "CANCELED") == 0;
		e.opted_out += strcmp(c->status, "OPT_OUT") == 0;
		endless |= c->ends_ms == 0;
		e.starts_ms = c->starts_ms < e.starts_ms ? c->starts_ms : e.starts_ms;
		e.ends_ms = c->ends_ms > e.ends_ms ? c->ends_ms : e.ends_ms;
		e.created_ms = c->created_ms < e.created_ms ? c->created_ms : e.created_ms;
		e.updated_ms = c->updated_ms > e.updated_ms ? c->updated_ms : e.updated_ms;
	}
	if (endless)
		e.ends_ms = 0;
	e.status = e.canceled == e.n                      ? "CANCELED"
		   : now_ms < e.starts_ms                 ? "UPCOMING"
		   : e.ends_ms == 0 || now_ms < e.ends_ms ? "ACTIVE"
							  : "COMPLETED";
	*out = e;
	return e.n > 0;
}

static cJSON *event_json(struct mock_flip *f, const char *id, const char *site, const struct event *e)
{
	cJSON *o = cJSON_CreateObject(), *schedule;

	cJSON_AddStringToObject(o, "id", id);
	cJSON_AddStringToObject(o, "program_id", "5f0b5f34-52a4-4d2b-8f55-6d5c4d3b2a10");
	cJSON_AddStringToObject(o, "site_id", site);
	mock_flip_add_window(o, e->starts_ms, e->ends_ms, 'T');
	schedule = cJSON_AddArrayToObject(o, "schedule");
	for (int i = 0; i < f->n_commands; i++) {
		const struct mock_command *c = f->command[i];
		cJSON *row;

		if (strcmp(c->event_id, id) != 0)
			continue;
		row = cJSON_CreateObject();
		mock_flip_add_window(row, c->starts_ms, c->ends_ms, 'T');
		cJSON_AddStringToObject(row, "mode", c->mode);
		mock_flip_add_word(row, "power_mode", c->power_mode);
		cJSON_AddBoolToObject(row, "is_preparatory_action", c->preparatory);
		cJSON_AddItemToArray(schedule, row);
	}
	cJSON_AddStringToObject(o, "status", e->status);
	cJSON_AddBoolToObject(o, "is_participating", e->opted_out < e->n);
	json_add_time(o, "created_at", e->created_ms);
	json_add_time(o, "updated_at", e->updated_ms);
	return o;
}

static bool wanted(const struct url *u, const char *status)
{
	char word[64];
	const char *at = strstr(u->query, "status=");

	if (!at)
		return true;
	for (; at; at = strstr(at + 1, "status=")) {
		size_t len = strcspn(at + 7, "&");

		if (len < sizeof(word) && len == strlen(status) && strncmp(at + 7, status, len) == 0)
			return true;
	}
	return false;
}

/* Every event once, at its first command; the latest start first. */
void mock_flip_get_events(struct mock_flip *f, const struct mock_call *c, struct mock_reply *r)
{
	r->status = 200;
	r->body = cJSON_CreateArray();
	for (int i = 0; i < f->n_commands; i++) {
		const char *id = f->command[i]->event_id;
		struct event e, other;
		bool first = true;
		int at = 0;

		for (int k = 0; k < i && first; k++)
			first = strcmp(f->command[k]->event_id, id) != 0;
		if (!first || !read_event(f, id, c->q->now_utc_ms, &e) || !wanted(&c->url, e.status))
			continue;
		for (const cJSON *row = r->body->child; row; row = row->next, at++)
			if (read_event(f, cJSON_GetObjectItem(row, "id")->valuestring, c->q->now_utc_ms, &other) &&
			    other.starts_ms < e.starts_ms)
				break;
		cJSON_InsertItemInArray(r->body, at, event_json(f, id, c->site, &e));
	}
}

void mock_flip_get_event(struct mock_flip *f, const struct mock_call *c, struct mock_reply *r)
{
	struct event e;
	bool found = read_event(f, c->url.segment[4], c->q->now_utc_ms, &e);

	r->status = found ? 200 : 404;
	r->body = found ? event_json(f, c->url.segment[4], c->site, &e)
			: mock_flip_error(404, "eventId", "there is no such event");
}

/* The reserve {"device_settings":[{"device_id","reserve_percentage"}]} asks for of this device; NAN = nothing. */
static double reserve_for(const cJSON *settings, const char *device_id)
{
	const cJSON *row;

	cJSON_ArrayForEach(row, settings)
	{
		const cJSON *device = cJSON_GetObjectItemCaseSensitive(row, "device_id");
		const cJSON *reserve = cJSON_GetObjectItemCaseSensitive(row, "reserve_percentage");

		if (cJSON_IsString(device) && strcmp(device->valuestring, device_id) == 0 && cJSON_IsNumber(reserve) &&
		    reserve->valuedouble >= 0 && reserve->valuedouble <= 100)
			return reserve->valuedouble;
	}
	return NAN;
}

static void note_patch(struct mock_flip *f, const struct mock_call *c)
{
	struct mock_patch *p = &f->patch[f->n_patches++ % MOCK_PATCHES_MAX];

	cJSON_free(p->body);
	snprintf(p->site_id, sizeof(p->site_id), "%s", c->site);
	snprintf(p->event_id, sizeof(p->event_id), "%.*s", MOCK_ID_MAX - 1, c->url.segment[4]);
	p->body = cJSON_PrintUnformatted(c->body);
}

/* Opting out or in, or another reserve: each command it changes has to be answered anew. */
static void apply(struct mock_flip *f, const struct mock_call *c, const cJSON *part, const cJSON *settings)
{
	for (int i = 0; i < f->n_commands; i++) {
		struct mock_command *command = f->command[i];
		double reserve = reserve_for(settings, command->device_id);
		bool out = strcmp(command->status, "OPT_OUT") == 0;

		if (strcmp(command->event_id, c->url.segment[4]) != 0 || strcmp(command->status, "CANCELED") == 0)
			continue;
		if (!isnan(reserve) && reserve != command->reserve_pct) {
			command->reserve_pct = reserve;
			mock_flip_change(command, "", c->q->now_utc_ms);
		}
		if (part && out == cJSON_IsTrue(part))
			mock_flip_change(command, out ? "OK" : "OPT_OUT", c->q->now_utc_ms);
	}
}

void mock_flip_patch_event(struct mock_flip *f, const struct mock_call *c, struct mock_reply *r)
{
	const cJSON *part = cJSON_GetObjectItemCaseSensitive(c->body, "is_participating");
	const cJSON *settings = cJSON_GetObjectItemCaseSensitive(c->body, "device_settings");
	struct event e;

	if (!read_event(f, c->url.segment[4], c->q->now_utc_ms, &e)) {
		mock_flip_get_event(f, c, r);
		return;
	}
	if ((!part && !settings) || (part && !cJSON_IsBool(part)) || (settings && !cJSON_IsArray(settings))) {
		r->status = 422;
		r->body = mock_flip_error(422, "is_participating", "neither a participation nor device settings");
		return;
	}
	if (strcmp(e.status, "COMPLETED") == 0 || strcmp(e.status, "CANCELED") == 0) {
		r->status = 409;
		r->body = mock_flip_error(409, "eventId", "the event is over");
		return;
	}
	note_patch(f, c);
	apply(f, c, part, settings);
	mock_flip_get_event(f, c, r);
}
