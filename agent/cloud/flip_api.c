/* See flip_api.h. Which gap of the reference has which answer is in agent/cloud/README.md. */
#include "cloud/flip_api.h"

#include "core/calendar.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MAX (256 * 1024) /* of anything but a list */
#define DEPTH_MAX (FLIP_DEPTH_MAX + 2)

static const char *text_of(const cJSON *o, const char *key)
{
	const cJSON *m = cJSON_GetObjectItemCaseSensitive(o, key);

	return cJSON_IsString(m) ? m->valuestring : NULL;
}

/* FNV-1a. */
static uint64_t hash_of(const char *text)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3ULL;
	return h;
}

/* The list of an answer; "detail" and "errors" hold what went wrong, whatever the status said. */
static const cJSON *list_in(const cJSON *tree)
{
	const cJSON *m;

	if (!cJSON_IsObject(tree))
		return cJSON_IsArray(tree) ? tree : NULL;
	cJSON_ArrayForEach(m, tree) {
		if (cJSON_IsArray(m) && strcmp(m->string, "detail") != 0 && strcmp(m->string, "errors") != 0)
			return m;
	}
	return NULL;
}

static bool looks_like_command(const cJSON *row)
{
	return text_of(row, "id") || text_of(row, "device_id");
}

static void take_bad(struct flip_list *l, const cJSON *row, const char *why)
{
	const char *device_id = text_of(row, "device_id"), *id = text_of(row, "id");

	if (l->bad < FLIP_LIST_BAD_MAX) {
		snprintf(l->bad_row[l->bad].device_id, FLIP_ID_MAX, "%s", device_id ? device_id : "");
		snprintf(l->bad_row[l->bad].why, sizeof(l->bad_row[0].why), "%.40s: %.70s", id ? id : "(no id)", why);
	}
	if (l->bad++ == 0)
		snprintf(l->first_bad, sizeof(l->first_bad), "%s", l->bad_row[0].why);
}

static void take_row(struct flip_list *l, const cJSON *row, int room)
{
	const char *id = text_of(row, "id");
	struct errbuf why = { "" };

	if (l->n_hashes < room)
		l->hash[l->n_hashes++] = hash_of(id ? id : "");
	if (l->n == room)
		l->beyond++;
	else if (flip_command_decode(row, &l->command[l->n], &why) < 0)
		take_bad(l, row, why.text);
	else
		l->n++;
}

int flip_list_decode(const char *text, size_t len, const char (*devices)[FLIP_ID_MAX], int n, struct flip_list **out,
		     struct errbuf *err)
{
	AUTO_JSON *tree = NULL;
	const cJSON *rows, *row;
	struct flip_list *l;
	int count, room, like = 0;
	char words[120];

	if (len > FLIP_LIST_TEXT_MAX)
		return errbuf_set(err, -E2BIG, "commands: %zu bytes, at most %d are taken", len, FLIP_LIST_TEXT_MAX);
	tree = json_parse(text, len, FLIP_LIST_TEXT_MAX, DEPTH_MAX, err);
	if (!tree)
		return -EINVAL;
	rows = list_in(tree);
	flip_error_words(text, rows ? 0 : len, words, sizeof(words));
	if (!rows)
		return errbuf_set(err, -EINVAL, "commands: no list%s%s", words[0] ? ", but: " : "", words);
	cJSON_ArrayForEach(row, rows)
		like += looks_like_command(row);
	count = cJSON_GetArraySize(rows);
	if (count > 0 && like == 0)
		return errbuf_set(err, -EINVAL, "commands: a list of %d, and none of them is a command", count);
	room = count < FLIP_LIST_MAX ? count : FLIP_LIST_MAX;
	l = malloc(sizeof(*l) + (size_t)room * (sizeof(l->command[0]) + sizeof(l->hash[0])));
	if (!l)
		return errbuf_set(err, -ENOMEM, "commands: no memory");
	memset(l, 0, sizeof(*l));
	l->n_rows = count;
	l->hash = (uint64_t *)(void *)&l->command[room];
	cJSON_ArrayForEach(row, rows)
		take_row(l, row, room);
	if (devices)
		flip_list_sift(l, devices, n);
	*out = l;
	return 0;
}

static bool ours(const char *device_id, const char (*devices)[FLIP_ID_MAX], int n)
{
	for (int i = 0; i < n; i++)
		if (devices[i][0] && !strcmp(devices[i], device_id))
			return true;
	return false;
}

static int by_creation(const void *a, const void *b)
{
	const struct flip_command *x = a, *y = b;

	if (x->created_utc_ms != y->created_utc_ms)
		return x->created_utc_ms < y->created_utc_ms ? -1 : 1;
	if (x->starts_utc_ms != y->starts_utc_ms)
		return x->starts_utc_ms < y->starts_utc_ms ? -1 : 1;
	return strcmp(x->id, y->id);
}

/* What cannot be read and names another hub's device is that hub's affair. */
static void sift_bad(struct flip_list *l, const char (*devices)[FLIP_ID_MAX], int n)
{
	const int known = l->bad < FLIP_LIST_BAD_MAX ? l->bad : FLIP_LIST_BAD_MAX;
	int kept = 0;

	for (int i = 0; i < known; i++) {
		if (l->bad_row[i].device_id[0] && !ours(l->bad_row[i].device_id, devices, n)) {
			l->bad--;
			l->foreign++;
		} else {
			l->bad_row[kept++] = l->bad_row[i];
		}
	}
	if (l->bad == 0)
		l->first_bad[0] = '\0';
	else if (kept > 0)
		snprintf(l->first_bad, sizeof(l->first_bad), "%s", l->bad_row[0].why);
}

void flip_list_sift(struct flip_list *list, const char (*devices)[FLIP_ID_MAX], int n)
{
	int kept = 0;

	for (int i = 0; i < list->n; i++)
		if (ours(list->command[i].device_id, devices, n))
			list->command[kept++] = list->command[i];
	list->foreign += list->n - kept;
	list->n = kept;
	sift_bad(list, devices, n);
	qsort(list->command, (size_t)list->n, sizeof(list->command[0]), by_creation);
}

int flip_site_token_decode(const char *text, size_t len, struct flip_site_token *out, struct errbuf *err)
{
	AUTO_JSON *o = json_parse(text, len, ANSWER_MAX, DEPTH_MAX, err);
	struct flip_site_token t = { .expires_utc_ms = 0 };
	char at[64] = "";
	int r;

	if (!o)
		return -EINVAL;
	if (!cJSON_IsObject(o))
		return errbuf_set(err, -EINVAL, "site token: not an object");
	if ((r = json_get_text(o, "site_access_token", t.token, sizeof(t.token), err)) < 0 ||
	    json_get_text(o, "expires_at", at, sizeof(at), err) < 0)
		return -EINVAL;
	if (r == 0 || !t.token[0])
		return errbuf_set(err, -EINVAL, "site_access_token: missing");
	for (const char *p = t.token; *p; p++)
		if (*p <= ' ' || *p >= 0x7f)
			return errbuf_set(err, -EINVAL, "site_access_token: a character that cannot be in a header");
	if (at[0] && calendar_parse(at, &t.expires_utc_ms) < 0)
		return errbuf_set(err, -EINVAL, "expires_at: '%s' is not an ISO 8601 time", at);
	*out = t;
	return 0;
}

/* Appends "/" and @part, percent-encoded. */
static int add_part(char *path, size_t size, const char *part)
{
	static const char HEX[] = "0123456789ABCDEF";
	size_t n = strlen(path);

	if (part[strspn(part, ".")] == '\0' || n + 2 > size) /* empty, or a step up */
		return -EINVAL;
	path[n++] = '/';
	for (; *part; part++) {
		const unsigned char c = (unsigned char)*part;
		const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || strchr("-._~", c);

		if (n + 4 > size)
			return -EINVAL;
		if (plain) {
			path[n++] = (char)c;
		} else {
			path[n++] = '%';
			path[n++] = HEX[c >> 4];
			path[n++] = HEX[c & 15];
		}
	}
	path[n] = '\0';
	return 0;
}

int flip_site_token_path(const char *site_id, char *out, size_t size)
{
	if (size < 16)
		return -EINVAL;
	snprintf(out, size, "/v1/auth/site");
	return add_part(out, size, site_id);
}

/* PATCH /v1/command/{id}. */
static cJSON *word_status(const char *id, const char *status, const char *reason, struct flip_request *out)
{
	cJSON *body = cJSON_CreateObject();

	snprintf(out->path, sizeof(out->path), "/v1/command");
	snprintf(out->id, sizeof(out->id), "%s", id);
	cJSON_AddStringToObject(body, "device_status", status);
	if (reason && reason[0])
		cJSON_AddStringToObject(body, "device_status_reason", reason);
	return body;
}

static cJSON *word_participation(const cJSON *row, const char *event_id, const char *site_id, struct flip_request *out)
{
	cJSON *body = cJSON_Duplicate(row, true);

	cJSON_DeleteItemFromObjectCaseSensitive(body, "message_id");
	cJSON_DeleteItemFromObjectCaseSensitive(body, "event_id");
	out->site_token = true;
	snprintf(out->path, sizeof(out->path), "/v1/site");
	snprintf(out->id, sizeof(out->id), "%s", event_id);
	if (add_part(out->path, sizeof(out->path), site_id) < 0 || add_part(out->path, sizeof(out->path), "event") < 0) {
		cJSON_Delete(body);
		return NULL;
	}
	return body;
}

int flip_request_encode(const char *kind, const char *row_body, const char *site_id, struct flip_request *out, struct errbuf *err)
{
	AUTO_JSON *row = json_parse(row_body, strlen(row_body), ANSWER_MAX, DEPTH_MAX, err);
	AUTO_JSON *body = NULL;
	const char *id = text_of(row, "id"), *event_id = text_of(row, "event_id"), *command_id = text_of(row, "command_id");
	const cJSON *taking_part = cJSON_GetObjectItemCaseSensitive(row, "is_participating");

	memset(out, 0, sizeof(*out));
	if (!row)
		return -EINVAL;
	if (strlen(id ? id : "") >= FLIP_ID_MAX || strlen(event_id ? event_id : "") >= FLIP_ID_MAX ||
	    strlen(command_id ? command_id : "") >= FLIP_ID_MAX)
		return errbuf_set(err, -EINVAL, "%s row: an id of more than %d characters", kind, FLIP_ID_MAX - 1);
	if (!strcmp(kind, "command_status") && id && text_of(row, "device_status"))
		body = word_status(id, text_of(row, "device_status"), text_of(row, "device_status_reason"), out);
	else if (!strcmp(kind, "participation") && event_id)
		body = word_participation(row, event_id, site_id, out);
	else if (!strcmp(kind, "participation") && command_id && cJSON_IsFalse(taking_part))
		body = word_status(command_id, "FAILED_FAULT", "opted out by the owner", out);
	else if (!strcmp(kind, "participation") && command_id)
		return errbuf_set(err, -ENOTSUP, "Flip's API has no words for this about a command without an event");
	else if (strcmp(kind, "command_status") != 0 && strcmp(kind, "participation") != 0)
		return errbuf_set(err, -ENOTSUP, "%s rows have no way to Flip by HTTPS", kind);
	if (!body || add_part(out->path, sizeof(out->path), out->id) < 0)
		return errbuf_set(err, -EINVAL, "%s row: ids missing or too long", kind);
	out->body = cJSON_PrintUnformatted(body);
	return out->body ? 0 : errbuf_set(err, -ENOMEM, "%s row: no memory", kind);
}

bool flip_answer_id(const char *text, size_t len, char out[FLIP_ID_MAX])
{
	AUTO_JSON *o = json_parse(text, len, ANSWER_MAX, DEPTH_MAX, NULL);
	const char *id = cJSON_IsObject(o) ? text_of(o, "id") : NULL;
	const cJSON *m;

	for (m = cJSON_IsObject(o) ? o->child : NULL; m && !id; m = m->next)
		id = cJSON_IsObject(m) ? text_of(m, "id") : NULL;
	if (!id || !id[0] || strlen(id) >= FLIP_ID_MAX)
		return false;
	memcpy(out, id, strlen(id) + 1);
	return true;
}

static void say(const char *words, char *out, size_t size)
{
	size_t n = 0;

	for (; *words && n + 1 < size; words++)
		out[n++] = *words < ' ' || *words >= 0x7f ? '?' : *words;
	out[n] = '\0';
}

/* {"loc":["body","telemetry",0],"msg":"..."}, {"path":"...","message":"..."}, or plain text. */
static void say_item(const cJSON *item, char *out, size_t size)
{
	const char *words = text_of(item, "msg") ? text_of(item, "msg") : text_of(item, "message");
	const cJSON *loc = cJSON_GetObjectItemCaseSensitive(item, "loc"), *part;
	char where[96] = "", all[320];
	size_t n = 0;

	if (cJSON_IsString(item)) {
		say(item->valuestring, out, size);
		return;
	}
	if (!words)
		return;
	if (text_of(item, "path"))
		n = (size_t)snprintf(where, sizeof(where), "%.80s", text_of(item, "path"));
	for (part = cJSON_IsArray(loc) ? loc->child : NULL; part && n < 60; part = part->next) {
		if (cJSON_IsString(part))
			n += (size_t)snprintf(where + n, sizeof(where) - n, "%s%.24s", n ? "." : "", part->valuestring);
		else if (cJSON_IsNumber(part))
			n += (size_t)snprintf(where + n, sizeof(where) - n, "%s%d", n ? "." : "", part->valueint);
	}
	snprintf(all, sizeof(all), "%s%s%.200s", where, where[0] ? ": " : "", words);
	say(all, out, size);
}

void flip_error_words(const char *text, size_t len, char *out, size_t size)
{
	static const char *const KEYS[] = { "detail", "errors", "message", "error_description", "error" };
	AUTO_JSON *o = len > 0 ? json_parse(text, len, ANSWER_MAX, DEPTH_MAX, NULL) : NULL;

	if (size > 0)
		out[0] = '\0';
	if (cJSON_IsString(o))
		say_item(o, out, size);
	for (size_t i = 0; size > 1 && cJSON_IsObject(o) && !out[0] && i < sizeof(KEYS) / sizeof(KEYS[0]); i++) {
		const cJSON *m = cJSON_GetObjectItemCaseSensitive(o, KEYS[i]);

		say_item(cJSON_IsArray(m) ? m->child : m, out, size);
	}
}
