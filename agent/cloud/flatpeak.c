/* FlatPeak's requests worded, login and errors decoded. Prices are decoded in flatpeak_prices.c. Which gap of the reference has
 * which answer: agent/cloud/README.md. */
#include "cloud/flatpeak.h"

#include "core/calendar.h"
#include "core/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define EXPIRES_DEFAULT_S 3600 /* what the documented sample says */
#define EXPIRES_MAX_S 604800

enum flatpeak_profile flatpeak_profile_by_name(const char *name)
{
	if (!strcmp(name, "busbar"))
		return FLATPEAK_BUSBAR;
	return !strcmp(name, "zero") ? FLATPEAK_ZERO : FLATPEAK_ANODE;
}

const char *flatpeak_direction_name(enum flatpeak_direction d)
{
	return d == FLATPEAK_EXPORT ? "EXPORT" : "IMPORT";
}

/* Visible ASCII only: what goes into a header line must not end it. */
static bool visible(const char *text)
{
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

static void word_version(enum flatpeak_profile p, const char *busbar_version, struct flatpeak_request *out)
{
	const char *version = "";

	switch (p) {
	case FLATPEAK_ZERO:
		version = "2024-08-24.zero";
		break;
	case FLATPEAK_ANODE:
		version = "2025-09-14.anode";
		break;
	case FLATPEAK_BUSBAR: /* its version is not known: without one configured the account's default counts */
		version = busbar_version ? busbar_version : "";
		break;
	}
	out->header[0] = '\0';
	if (version[0] && strlen(version) < 60 && visible(version))
		snprintf(out->header, sizeof(out->header), "Flatpeak-Version: %s", version);
}

void flatpeak_login_request(enum flatpeak_profile p, const char *busbar_version, struct flatpeak_request *out)
{
	memset(out, 0, sizeof(*out));
	word_version(p, busbar_version, out);
	snprintf(out->path, sizeof(out->path), "/login");
}

/* "2026-03-01T08:00:00Z": the answer's times take the request's form, and UTC has no clock changes. */
static void word_time(int64_t utc_ms, char out[CALENDAR_TEXT_MAX])
{
	calendar_format(utc_ms, out);
	snprintf(out + strlen("2026-03-01T08:00:00"), 2, "Z");
}

static int check_id(const char *id, struct errbuf *err)
{
	if (id[0] == '\0')
		return errbuf_set(err, -EINVAL, "location_id: empty");
	if (strlen(id) >= FLATPEAK_ID_MAX)
		return errbuf_set(err, -EINVAL, "location_id: %zu bytes, at most %d are allowed", strlen(id), FLATPEAK_ID_MAX - 1);
	for (const char *p = id; *p; p++)
		if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", *p))
			return errbuf_set(err, -EINVAL, "location_id: a character that cannot be in an id");
	return 0;
}

int flatpeak_prices_request(const struct flatpeak_query *q, struct flatpeak_request *out, struct errbuf *err)
{
	const char *direction = flatpeak_direction_name(q->direction), *id = q->location_id;
	char from[CALENDAR_TEXT_MAX], to[CALENDAR_TEXT_MAX];
	int r = check_id(id, err);

	if (r < 0)
		return r;
	if (q->to_utc_ms <= q->from_utc_ms)
		return errbuf_set(err, -EINVAL, "prices: the window ends before it begins");
	if (q->to_utc_ms - q->from_utc_ms > FLATPEAK_WINDOW_MS)
		return errbuf_set(err, -ERANGE, "prices: a window of %lld days, at most 90 are allowed",
				  (long long)((q->to_utc_ms - q->from_utc_ms) / 86400000));
	memset(out, 0, sizeof(*out));
	word_version(q->profile, q->busbar_version, out);
	word_time(q->from_utc_ms, from);
	word_time(q->to_utc_ms, to);
	out->post = q->profile != FLATPEAK_ZERO;
	switch (q->profile) {
	case FLATPEAK_ZERO:
		snprintf(out->path, sizeof(out->path),
			 "/tariffs/rates/%s?start_time=%s&end_time=%s&include_tariff=true&include_carbon=false&direction=%s", id,
			 from, to, direction);
		break;
	case FLATPEAK_ANODE:
		snprintf(out->path, sizeof(out->path), "/prices/%s", id);
		snprintf(out->body, sizeof(out->body), "{\"start_time\":\"%s\",\"end_time\":\"%s\",\"tariff_direction\":\"%s\"}", from,
			 to, direction);
		break;
	case FLATPEAK_BUSBAR:
		snprintf(out->path, sizeof(out->path), "/prices");
		snprintf(out->body, sizeof(out->body),
			 "{\"location_id\":\"%s\",\"start_time\":\"%s\",\"end_time\":\"%s\",\"tariff_direction\":\"%s\"}", id, from,
			 to, direction);
		break;
	}
	return 0;
}

/* Text of a stranger for our log: cut, and printable. */
static void get_words(const cJSON *o, const char *key, char *out, size_t size)
{
	const cJSON *m = cJSON_GetObjectItemCaseSensitive(o, key);
	size_t n = 0;

	if (cJSON_IsString(m) && m->valuestring)
		for (const char *p = m->valuestring; *p && n + 1 < size; p++)
			out[n++] = *p >= ' ' && *p <= '~' ? *p : '?';
	out[n] = '\0';
}

static bool has(const cJSON *o, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(o, key) != NULL;
}

/* An error says so itself ("object"), or is nothing but a message. The HTTP status is not asked: it is not always told. */
bool flatpeak_error_get(const cJSON *o, struct flatpeak_error *out)
{
	const cJSON *object = cJSON_GetObjectItemCaseSensitive(o, "object");
	const bool named = cJSON_IsString(object) && object->valuestring && !strcmp(object->valuestring, "error");
	const bool bare = cJSON_IsString(cJSON_GetObjectItemCaseSensitive(o, "message")) && !has(o, "data") &&
			  !has(o, "bearer_token") && !has(o, "token");

	if (!cJSON_IsObject(o) || !(named || bare))
		return false;
	get_words(o, "type", out->type, sizeof(out->type));
	get_words(o, "code", out->code, sizeof(out->code));
	get_words(o, "message", out->message, sizeof(out->message));
	get_words(o, "request_id", out->request_id, sizeof(out->request_id));
	return true;
}

int flatpeak_error_decode(const char *text, size_t len, struct flatpeak_error *out)
{
	AUTO_JSON *o = json_parse(text, len, FLATPEAK_BODY_MAX, FLATPEAK_DEPTH_MAX, NULL);

	memset(out, 0, sizeof(*out));
	return o && flatpeak_error_get(o, out) ? 0 : -EINVAL;
}

int flatpeak_error_set(struct errbuf *err, const struct flatpeak_error *e)
{
	if (!e->code[0] && !e->message[0])
		return errbuf_set(err, -EPROTO, "an error without a word");
	return errbuf_set(err, -EPROTO, "%s%s%s", e->code, e->code[0] && e->message[0] ? ": " : "", e->message);
}

int flatpeak_login_decode(const char *text, size_t len, struct flatpeak_login *out, struct flatpeak_error *fault,
			  struct errbuf *err)
{
	AUTO_JSON *o = json_parse(text, len, FLATPEAK_BODY_MAX, FLATPEAK_DEPTH_MAX, err);
	struct flatpeak_login l = { .expires_in_s = EXPIRES_DEFAULT_S };
	int64_t expires;
	int r;

	memset(fault, 0, sizeof(*fault));
	if (!o)
		return len > FLATPEAK_BODY_MAX ? -E2BIG : -EINVAL;
	if (flatpeak_error_get(o, fault))
		return flatpeak_error_set(err, fault);
	r = json_get_text(o, "bearer_token", l.token, sizeof(l.token), err);
	if (r == 0) /* its name before the generations known here */
		r = json_get_text(o, "token", l.token, sizeof(l.token), err);
	if (r < 0)
		return -EINVAL;
	if (l.token[0] == '\0' || !visible(l.token))
		return errbuf_set(err, -EINVAL, "bearer_token: %s", l.token[0] ? "not printable" : "missing");
	/* how long it is good is worth a guess; the token is good without it */
	if (json_get_int(o, "expires_in", 1, EXPIRES_MAX_S, &expires, NULL) > 0)
		l.expires_in_s = (int)expires;
	if (json_get_bool(o, "live_mode", &l.live_mode, NULL) < 0)
		l.live_mode = false;
	*out = l;
	return 0;
}

enum flatpeak_advice flatpeak_advise(int status, const struct flatpeak_error *e)
{
	static const struct {
		const char *code;
		enum flatpeak_advice advice;
	} CODES[] = {
		{ "account_disabled", FLATPEAK_STOP },
		{ "no_tariff_connected", FLATPEAK_WAIT },
		{ "pending_connect", FLATPEAK_WAIT },
		{ "no_price_data", FLATPEAK_WAIT },
		{ "token_expired", FLATPEAK_LOGIN },
	};

	for (size_t i = 0; e && i < sizeof(CODES) / sizeof(CODES[0]); i++)
		if (!strcmp(e->code, CODES[i].code))
			return CODES[i].advice;
	if (status == 401 || status == 403)
		return FLATPEAK_LOGIN;
	if (status == 422)
		return FLATPEAK_WAIT;
	/* what will not get better by itself, if it is FlatPeak that says so */
	if (e && (status == 400 || status == 404 || status == 409 || status == 410))
		return FLATPEAK_STOP;
	return FLATPEAK_RETRY;
}
