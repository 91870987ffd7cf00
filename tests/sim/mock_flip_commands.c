/* Mock Flip: commands, from the utility's wish to the device's answer (flip-api 7.4, 7.5, 9.6, 10). */
#include "sim/mock_flip.h"

#include "core/calendar.h"
#include "core/json.h"
#include "sim/mock_flip_words.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTED_MS (7 * 86400000LL) /* so long after its end a command is still listed: longer than a hub keeps it */
#define LIMIT_DEFAULT 100

struct mock_command *mock_flip_find(struct mock_flip *f, const char *id)
{
	for (int i = f->n_commands - 1; i >= 0; i--)
		if (strcmp(f->command[i]->id, id) == 0)
			return f->command[i];
	return NULL;
}

static bool pending(const struct mock_command *c)
{
	return strcmp(c->device_status, "PENDING") == 0;
}

static bool listed(const struct mock_command *c, int64_t now_ms)
{
	return c->ends_ms == 0 || c->ends_ms > now_ms - LISTED_MS || pending(c);
}

/* Drops the oldest command that is no longer listed; false when all are. */
static bool make_room(struct mock_flip *f, int64_t now_ms)
{
	for (int i = 0; i < f->n_commands; i++)
		if (!listed(f->command[i], now_ms)) {
			free(f->command[i]);
			f->n_commands--;
			memmove(&f->command[i], &f->command[i + 1], (size_t)(f->n_commands - i) * sizeof(f->command[0]));
			return true;
		}
	return false;
}

struct mock_command *mock_flip_create(struct mock_flip *f, const struct mock_command *model, int64_t now_ms,
				      struct errbuf *err)
{
	struct mock_command *c;

	if (model->id[0] && mock_flip_find(f, model->id)) {
		errbuf_set(err, -EEXIST, "there is a command %s already", model->id);
		return NULL;
	}
	if (f->n_commands == MOCK_COMMANDS_MAX && !make_room(f, now_ms)) {
		errbuf_set(err, -ENOSPC, "%d commands are held, all of them still listed", MOCK_COMMANDS_MAX);
		return NULL;
	}
	c = calloc(1, sizeof(*c));
	if (!c) {
		errbuf_set(err, -ENOMEM, "no memory");
		return NULL;
	}
	*c = *model;
	if (!c->id[0])
		mock_flip_uuid(f, c->id);
	if (!c->event_id[0])
		mock_flip_uuid(f, c->event_id);
	c->created_ms = c->updated_ms = c->pending_since_ms = now_ms;
	c->n_acks = 0;
	memset(c->ack, 0, sizeof(c->ack));
	if (!c->status[0])
		snprintf(c->status, sizeof(c->status), "OK");
	snprintf(c->device_status, sizeof(c->device_status), "PENDING");
	c->reason[0] = '\0';
	f->command[f->n_commands++] = c;
	return c;
}

/* Clients pass over rows that are not newer than what they have: updated_at never stands still. */
static void touch(struct mock_command *c, int64_t now_ms)
{
	c->updated_ms = now_ms > c->updated_ms ? now_ms : c->updated_ms + 1;
}

void mock_flip_change(struct mock_command *c, const char *status, int64_t now_ms)
{
	if (status[0])
		snprintf(c->status, sizeof(c->status), "%s", status);
	snprintf(c->device_status, sizeof(c->device_status), "PENDING");
	c->reason[0] = '\0';
	c->pending_since_ms = now_ms;
	touch(c, now_ms);
}

/* One replacement however much time has passed: a clock that jumps a week is an outage, not 672 commands. */
static void replace(struct mock_flip *f, struct mock_command *old, int64_t now_ms)
{
	struct mock_command model = *old;
	struct errbuf err = { "" };

	snprintf(old->device_status, sizeof(old->device_status), "FAILED_OFFLINE");
	snprintf(old->reason, sizeof(old->reason), "not acknowledged within 15 minutes");
	touch(old, now_ms);
	if (old->ends_ms != 0 && old->ends_ms <= now_ms)
		return;
	snprintf(model.replaces, sizeof(model.replaces), "%s", old->id);
	model.id[0] = '\0';
	mock_flip_create(f, &model, now_ms, &err);
}

void mock_flip_step(struct mock_flip *f, int64_t now_ms)
{
	for (int i = 0; i < f->n_commands; i++) {
		struct mock_command *c = f->command[i];

		if (pending(c) && strcmp(c->status, "OK") == 0 && now_ms - c->pending_since_ms >= MOCK_ACK_LIMIT_MS)
			replace(f, c, now_ms);
	}
}

void mock_flip_add_time(cJSON *o, const char *key, int64_t utc_ms, char form)
{
	const int offset_min = -7 * 60;
	char text[CALENDAR_TEXT_MAX], tail[8];
	bool shifted = form == 'o';

	if (utc_ms == 0) {
		cJSON_AddNullToObject(o, key);
		return;
	}
	calendar_format(utc_ms + (shifted ? offset_min * 60000 : 0), text);
	snprintf(tail, sizeof(tail), "%s", shifted ? "-07:00" : "Z");
	text[strlen(text) - 1] = '\0';
	if (shifted && utc_ms % 1000 == 0)
		text[19] = '\0'; /* the documentation's sample of this form has no fraction */
	if (form == ' ')
		text[10] = ' ';
	strncat(text, tail, sizeof(text) - strlen(text) - 1);
	cJSON_AddStringToObject(o, key, text);
}

void mock_flip_add_window(cJSON *o, int64_t starts_ms, int64_t ends_ms, char form)
{
	mock_flip_add_time(o, "starts_at", starts_ms, form);
	mock_flip_add_time(o, "ends_at", ends_ms, form);
	if (ends_ms)
		cJSON_AddNumberToObject(o, "duration_s", (double)(ends_ms - starts_ms) / 1000);
	else
		cJSON_AddNullToObject(o, "duration_s");
}

void mock_flip_add_word(cJSON *o, const char *key, const char *word)
{
	if (word[0])
		cJSON_AddStringToObject(o, key, word);
	else
		cJSON_AddNullToObject(o, key);
}

static void add_number(cJSON *o, const char *key, double v)
{
	if (isnan(v))
		cJSON_AddNullToObject(o, key);
	else
		cJSON_AddNumberToObject(o, key, v);
}

cJSON *mock_flip_command_json(const struct mock_command *c)
{
	cJSON *o = cJSON_CreateObject(), *battery;
	char form = c->form == 'o' ? 'o' : 'T';

	cJSON_AddStringToObject(o, "id", c->id);
	mock_flip_add_word(o, "event_id", c->event_id);
	cJSON_AddStringToObject(o, "device_id", c->device_id);
	mock_flip_add_window(o, c->starts_ms, c->ends_ms, c->form);
	cJSON_AddBoolToObject(o, "is_preparatory_action", c->preparatory);
	battery = cJSON_AddObjectToObject(o, "battery_commands");
	cJSON_AddStringToObject(battery, "mode", c->mode);
	mock_flip_add_word(battery, "power_mode", c->power_mode);
	add_number(battery, "setpoint_w", c->setpoint_w);
	add_number(battery, "backup_reserve_percentage", c->reserve_pct);
	if (c->grid_import < 0)
		cJSON_AddNullToObject(battery, "enable_grid_import");
	else
		cJSON_AddBoolToObject(battery, "enable_grid_import", c->grid_import);
	cJSON_AddStringToObject(o, "status", c->status);
	cJSON_AddStringToObject(o, "device_status", c->device_status);
	mock_flip_add_word(o, "device_status_reason", c->reason);
	mock_flip_add_time(o, "created_at", c->created_ms, form);
	mock_flip_add_time(o, "updated_at", c->updated_ms, form);
	return o;
}

static int by_update(const void *a, const void *b)
{
	const struct mock_command *const *x = a, *const *y = b;

	return ((*x)->updated_ms > (*y)->updated_ms) - ((*x)->updated_ms < (*y)->updated_ms);
}

void mock_flip_get_commands(struct mock_flip *f, const struct mock_call *c, struct mock_reply *r)
{
	static const struct mock_command *row[MOCK_COMMANDS_MAX]; /* one thread, and too large for a stack */
	int skip = 0, limit = LIMIT_DEFAULT, n = 0;

	if (url_query_int(&c->url, "skip", 0, &skip) < 0 || url_query_int(&c->url, "limit", 1, &limit) < 0) {
		r->status = 422;
		r->body = mock_flip_error(422, "query", "skip and limit must be whole numbers");
		return;
	}
	for (int i = 0; i < f->n_commands; i++)
		if (listed(f->command[i], c->q->now_utc_ms))
			row[n++] = f->command[i];
	qsort(row, (size_t)n, sizeof(row[0]), by_update);
	r->status = 200;
	r->body = cJSON_CreateArray();
	for (int i = skip; i < n && i - skip < limit; i++)
		cJSON_AddItemToArray(r->body, mock_flip_command_json(row[i]));
}

static bool one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

void mock_flip_patch_command(struct mock_flip *f, const struct mock_call *c, struct mock_reply *r)
{
	static const char *const ANSWERS[] = { "OK", "FAILED_OFFLINE", "FAILED_FAULT", "FAILED" /* OLDER */, NULL };
	const cJSON *status = cJSON_GetObjectItemCaseSensitive(c->body, "device_status");
	const cJSON *reason = cJSON_GetObjectItemCaseSensitive(c->body, "device_status_reason");
	struct mock_command *command = mock_flip_find(f, c->url.segment[2]);
	struct mock_ack *ack;

	r->status = 422;
	if (!command) {
		r->status = 404;
		r->body = mock_flip_error(404, "commandId", "there is no such command");
		return;
	}
	if (!cJSON_IsString(status) || !one_of(status->valuestring, ANSWERS)) {
		r->body = mock_flip_error(422, "device_status", "must be OK, FAILED_OFFLINE or FAILED_FAULT");
		return;
	}
	if (reason && !cJSON_IsString(reason) && !cJSON_IsNull(reason)) {
		r->body = mock_flip_error(422, "device_status_reason", "must be a text");
		return;
	}
	ack = &command->ack[command->n_acks++ % MOCK_ACKS_MAX];
	ack->at_ms = c->q->now_utc_ms;
	snprintf(ack->status, sizeof(ack->status), "%s", status->valuestring);
	snprintf(ack->reason, sizeof(ack->reason), "%s", cJSON_IsString(reason) ? reason->valuestring : "");
	if (strcmp(command->device_status, ack->status) != 0 || strcmp(command->reason, ack->reason) != 0)
		touch(command, c->q->now_utc_ms);
	snprintf(command->device_status, sizeof(command->device_status), "%s", ack->status);
	snprintf(command->reason, sizeof(command->reason), "%s", ack->reason);
	r->status = 200;
	r->body = mock_flip_command_json(command);
}
