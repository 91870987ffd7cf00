/* Mock FlatPeak: see mock_flatpeak.h. Codes the documentation does not give are marked as ours. */
#include "sim/mock_flatpeak.h"

#include "core/calendar.h"
#include "core/json.h"
#include "io/crypto.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WINDOW_MAX_MS (90 * 86400000LL)
#define HOUR_MS 3600000LL

static const char *const PROFILES[] = { "zero", "anode", "busbar" };

const char *mock_profile_name(enum mock_profile p)
{
	return PROFILES[p];
}

int mock_profile_find(const char *name)
{
	for (int i = 0; i < 3; i++)
		if (strcmp(PROFILES[i], name) == 0)
			return i;
	return -EINVAL;
}

void mock_flatpeak_init(struct mock_flatpeak *f, const char *account, const char *key, const char *location, uint64_t seed)
{
	memset(f, 0, sizeof(*f));
	snprintf(f->account, sizeof(f->account), "%s", account);
	snprintf(f->key, sizeof(f->key), "%s", key);
	snprintf(f->location, sizeof(f->location), "%s", location);
	f->profile = PROFILE_ANODE;
	f->import = (struct mock_tariff){ .kind = MOCK_TARIFF_FLAT, .flat = 0.25 };
	f->export = (struct mock_tariff){ .kind = MOCK_TARIFF_FLAT, .flat = 0.05 };
	snprintf(f->currency, sizeof(f->currency), "GBP");
	f->zone = mock_zone_find("Europe/London");
	f->expires_in_s = 3600;
	f->horizon_h = f->forecast_after_h = NAN;
	f->bearer_status = 401;
	f->seed = seed;
}

cJSON *mock_flatpeak_error(const char *type, const char *code, const char *message, int64_t now_ms)
{
	cJSON *o = cJSON_CreateObject();
	char text[CALENDAR_TEXT_MAX];

	cJSON_AddStringToObject(o, "object", "error");
	cJSON_AddBoolToObject(o, "live_mode", 0);
	cJSON_AddStringToObject(o, "context", "api.price_retrieve");
	cJSON_AddStringToObject(o, "type", type);
	cJSON_AddStringToObject(o, "code", code);
	cJSON_AddStringToObject(o, "message", message);
	snprintf(text, sizeof(text), "req-%llx", (unsigned long long)now_ms);
	cJSON_AddStringToObject(o, "request_id", text);
	calendar_format(now_ms, text);
	text[strlen(text) - 1] = '\0'; /* the samples carry no zone here */
	cJSON_AddStringToObject(o, "time_created", text);
	return o;
}

struct call {
	struct mock_flatpeak *f;
	const struct mock_request *q;
	struct mock_reply *r;
	struct url url;
	enum mock_profile profile;
	const cJSON *body;
};

static void refuse(struct call *c, int status, const char *code, const char *message)
{
	c->r->status = status;
	c->r->body = mock_flatpeak_error(status == 422 || status >= 500 ? "api_error" : "invalid_request", code, message,
					 c->q->now_utc_ms);
}

/* Validation: 409 in the oldest generation, 400 since. */
static void invalid(struct call *c, const char *code, const char *message)
{
	refuse(c, c->profile == PROFILE_ZERO ? 409 : 400, code, message);
}

static void say(struct call *c, int status, const char *message)
{
	c->r->status = status;
	c->r->body = cJSON_CreateObject();
	cJSON_AddStringToObject(c->r->body, "message", message);
}

static bool login_right(const struct mock_flatpeak *f, const char *header)
{
	uint8_t plain[256];
	char want[192];
	int n;

	if (!header || strncasecmp(header, "Basic ", 6) != 0)
		return false;
	n = crypto_base64_decode(header + 6, strlen(header + 6), plain, sizeof(plain));
	snprintf(want, sizeof(want), "%s:%s", f->account, f->key);
	return n == (int)strlen(want) && memcmp(plain, want, (size_t)n) == 0;
}

static void get_login(struct call *c)
{
	struct mock_flatpeak *f = c->f;
	uint64_t n = f->logins % MOCK_BEARERS_MAX;

	if (!login_right(f, c->q->authorization)) {
		say(c, 403, "Bad credentials");
		return;
	}
	f->logins++;
	f->seed = f->seed * 6364136223846793005u + 1442695040888963407u;
	snprintf(f->bearer[n].token, sizeof(f->bearer[n].token), "eyJ.sim.%016llx", (unsigned long long)f->seed);
	f->bearer[n].expires_ms = c->q->now_utc_ms + f->expires_in_s * 1000LL;
	c->r->status = 200;
	c->r->body = cJSON_CreateObject();
	cJSON_AddStringToObject(c->r->body, "bearer_token", f->bearer[n].token);
	cJSON_AddNumberToObject(c->r->body, "expires_in", f->expires_in_s);
	cJSON_AddBoolToObject(c->r->body, "live_mode", 0);
}

static bool bearer_right(const struct call *c)
{
	const char *header = c->q->authorization;

	if (!header || strncasecmp(header, "Bearer ", 7) != 0)
		return false;
	for (int i = 0; i < MOCK_BEARERS_MAX; i++)
		if (c->f->bearer[i].token[0] && strcmp(c->f->bearer[i].token, header + 7) == 0)
			return c->f->bearer[i].expires_ms > c->q->now_utc_ms;
	return false;
}

/* What is asked for, whichever generation asks. */
struct query {
	char location[64], direction[16], start_text[40], end_text[40];
	int64_t start_ms, end_ms;
	bool zulu; /* times are written back as they came: Z, or end_time's offset */
	int offset_min;
	bool with_tariff;
};

static int offset_of(const char *text, bool *zulu)
{
	size_t len = strlen(text);
	int hour = 0, minute = 0;

	*zulu = text[len - 1] == 'Z' || text[len - 1] == 'z';
	if (*zulu || len < 6 || sscanf(text + len - 5, "%2d:%2d", &hour, &minute) != 2)
		return 0;
	return (text[len - 6] == '-' ? -1 : 1) * (hour * 60 + minute);
}

static void add_time(cJSON *o, const char *key, int64_t utc_ms, const struct query *q)
{
	char text[CALENDAR_TEXT_MAX], tail[16] = "Z";

	calendar_format(utc_ms + (q->zulu ? 0 : q->offset_min * 60000LL), text);
	text[utc_ms % 1000 ? 23 : 19] = '\0';
	if (!q->zulu)
		snprintf(tail, sizeof(tail), "%c%02d:%02d", q->offset_min < 0 ? '-' : '+', abs(q->offset_min) / 60 % 24,
			 abs(q->offset_min) % 60);
	strncat(text, tail, sizeof(text) - strlen(text) - 1);
	cJSON_AddStringToObject(o, key, text);
}

/* One member of the body, or of the query in the oldest generation. 0 also when it is absent; -1 when it is no text. */
static int read_text(const struct call *c, const char *key, char *out, size_t size)
{
	struct errbuf err;

	if (!c->body)
		return url_query(&c->url, key, out, size) < 0 ? -1 : 0;
	return json_get_text(c->body, key, out, size, &err) < 0 ? -1 : 0;
}

static int parse_time(const char *text, int64_t *out)
{
	return strlen(text) > 10 && text[10] == 'T' ? calendar_parse(text, out) : -EINVAL;
}

static bool read_query(struct call *c, struct query *q)
{
	const char *direction = c->body ? "tariff_direction" : "direction";
	char flag[8] = "false";

	snprintf(q->direction, sizeof(q->direction), "IMPORT");
	q->start_ms = c->q->now_utc_ms;
	if (read_text(c, "end_time", q->end_text, sizeof(q->end_text)) < 0 || !q->end_text[0]) {
		invalid(c, "end_time_missing", "end_time is required."); /* our code */
		return false;
	}
	if (read_text(c, "start_time", q->start_text, sizeof(q->start_text)) < 0 ||
	    read_text(c, direction, q->direction, sizeof(q->direction)) < 0 || parse_time(q->end_text, &q->end_ms) < 0 ||
	    (q->start_text[0] && parse_time(q->start_text, &q->start_ms) < 0)) {
		invalid(c, "time_invalid", "start_time or end_time is not RFC 3339."); /* our code */
		return false;
	}
	if (q->start_ms < 0 || q->end_ms <= q->start_ms || q->end_ms - q->start_ms > WINDOW_MAX_MS) {
		invalid(c, "time_range_invalid", "end_time must be after start_time, at most 90 days."); /* our code */
		return false;
	}
	if (strcmp(q->direction, "IMPORT") && strcmp(q->direction, "EXPORT") && strcmp(q->direction, "LOCAL")) {
		invalid(c, "tariff_direction_invalid", "The direction must be IMPORT, EXPORT or LOCAL.");
		return false;
	}
	q->offset_min = offset_of(q->end_text, &q->zulu);
	q->with_tariff = c->body != NULL;
	if (!c->body && url_query(&c->url, "include_tariff", flag, sizeof(flag)) > 0)
		q->with_tariff = strcmp(flag, "true") == 0;
	return true;
}

static void add_element(cJSON *data, const struct call *c, const struct query *q, const struct mock_element *e,
			double confidence)
{
	bool old = c->profile == PROFILE_ZERO || c->f->tariff_element;
	cJSON *row = cJSON_CreateObject(), *price;

	add_time(row, "valid_from", e->from_ms, q);
	add_time(row, "valid_to", e->to_ms, q);
	if (q->with_tariff) {
		price = cJSON_AddObjectToObject(row, old ? "tariff" : "price");
		json_add_number(price, old ? "rate" : "value", e->value, 5);
		cJSON_AddNumberToObject(price, "confidence", confidence);
	}
	cJSON_AddItemToArray(data, row);
}

/* Cuts at the horizon, and where forecasts begin. */
static void add_data(cJSON *o, const struct call *c, const struct query *q)
{
	static struct mock_element element[MOCK_ELEMENTS_MAX]; /* one thread, and too large for a stack */
	static const struct mock_tariff LOCAL = { .kind = MOCK_TARIFF_FLAT, .flat = 0 };
	const struct mock_flatpeak *f = c->f;
	bool export = q->direction[0] == 'E';
	const struct mock_tariff *t = q->direction[0] == 'L' ? &LOCAL : export ? &f->export : &f->import;
	int64_t now = c->q->now_utc_ms,
		forecast = isnan(f->forecast_after_h) ? INT64_MAX : now + (int64_t)(f->forecast_after_h * HOUR_MS);
	int64_t to = isnan(f->horizon_h) ? q->end_ms : now + (int64_t)(f->horizon_h * HOUR_MS);
	cJSON *data = cJSON_AddArrayToObject(o, "data");
	int n = mock_tariff_expand(t, f->zone, export, q->start_ms, to < q->end_ms ? to : q->end_ms, element);

	for (int i = 0; i < n; i++) {
		struct mock_element e = element[i], rest = e;

		if (e.from_ms < forecast && e.to_ms > forecast) {
			e.to_ms = rest.from_ms = forecast;
			add_element(data, c, q, &e, 1);
			e = rest;
		}
		add_element(data, c, q, &e, e.from_ms >= forecast ? 0.8 : 1);
	}
}

static void add_request(cJSON *o, const struct call *c, const struct query *q)
{
	cJSON *request = cJSON_AddObjectToObject(o, "request");

	if (c->profile == PROFILE_ZERO) {
		cJSON_AddBoolToObject(request, "include_tariff", q->with_tariff);
		cJSON_AddBoolToObject(request, "include_carbon", 0);
	}
	cJSON_AddStringToObject(request, c->profile == PROFILE_ZERO ? "direction" : "tariff_direction", q->direction);
	add_time(request, "start_time", q->start_ms, q);
	add_time(request, "end_time", q->end_ms, q);
}

static void answer_prices(struct call *c, const struct query *q)
{
	const bool zero = c->profile == PROFILE_ZERO, busbar = c->profile == PROFILE_BUSBAR;
	const struct query utc = { .zulu = true };
	int64_t now = c->q->now_utc_ms, hour = now / HOUR_MS * HOUR_MS;
	char id[40], device[64] = "";
	cJSON *o = cJSON_CreateObject();

	snprintf(id, sizeof(id), "%s_%024llx", zero ? "rts" : "prs", (unsigned long long)++c->f->serial);
	cJSON_AddStringToObject(o, "id", id);
	cJSON_AddStringToObject(o, "object", zero ? "tariff_rate" : "price");
	cJSON_AddBoolToObject(o, "live_mode", 0);
	cJSON_AddStringToObject(o, "location_id", c->f->location);
	cJSON_AddStringToObject(o, "location_timezone", c->f->zone->name);
	cJSON_AddStringToObject(o, "currency_code", c->f->currency);
	if (busbar && read_text(c, "device_id", device, sizeof(device)) == 0 && device[0])
		cJSON_AddStringToObject(o, "device_id", device);
	cJSON_AddStringToObject(o, zero ? "direction" : "tariff_direction", q->direction);
	add_time(o, "last_updated", hour, &utc);
	if (!busbar) {
		add_time(o, "next_update", hour + HOUR_MS, &utc);
		add_request(o, c, q);
	}
	add_data(o, c, q);
	add_time(o, "time_created", now, &utc);
	cJSON_AddStringToObject(o, "account_id", c->f->account);
	c->f->priced++;
	c->r->status = 200;
	c->r->body = o;
}

static void get_prices(struct call *c)
{
	struct mock_flatpeak *f = c->f;
	struct query q = { .location = "" };
	bool in_path = c->url.n > 1;

	if (in_path)
		snprintf(q.location, sizeof(q.location), "%.63s", c->url.segment[c->url.n - 1]);
	else if (read_text(c, "location_id", q.location, sizeof(q.location)) < 0 || !q.location[0]) {
		invalid(c, "location_id_missing", "location_id is required."); /* our code */
		return;
	}
	if (strcmp(q.location, f->location) != 0) {
		if (c->profile == PROFILE_ZERO)
			say(c, 404, "Not Found");
		else
			refuse(c, 404, "location_not_found", "There is no such location."); /* our code */
		return;
	}
	if (!read_query(c, &q))
		return;
	if (f->code[0])
		refuse(c, 422, f->code, "Set by the test.");
	else if ((q.direction[0] == 'E' ? f->export.kind : f->import.kind) == MOCK_TARIFF_NONE && q.direction[0] != 'L')
		refuse(c, 422, "no_tariff_connected", "No tariff is connected at this location for this direction.");
	else
		answer_prices(c, &q);
}

/* Which generation has which path. busbar kept the path form for a while. */
static const struct route {
	const char *method, *path, *name;
	unsigned profiles;
} ROUTES[] = {
	{ "GET", "/login", "GET /login", 1u << PROFILE_ZERO | 1u << PROFILE_ANODE | 1u << PROFILE_BUSBAR },
	{ "POST", "/prices", "POST /prices", 1u << PROFILE_BUSBAR },
	{ "POST", "/prices/{id}", "POST /prices/{id}", 1u << PROFILE_ANODE | 1u << PROFILE_BUSBAR },
	{ "GET", "/tariffs/rates/{id}", "GET /tariffs/rates/{id}", 1u << PROFILE_ZERO },
};

static const struct route *find_route(const char *method, const struct url *u, int *status)
{
	*status = 404;
	for (size_t i = 0; i < sizeof(ROUTES) / sizeof(ROUTES[0]); i++) {
		if (!url_is(u, ROUTES[i].path))
			continue;
		if (strcmp(ROUTES[i].method, method) == 0)
			return &ROUTES[i];
		*status = 405;
	}
	return NULL;
}

const char *mock_flatpeak_route(const struct mock_request *q)
{
	const struct route *row;
	struct url u;
	int status;

	if (url_parse(q->target, &u) < 0)
		return "other";
	row = find_route(q->method, &u, &status);
	return row ? row->name : "other";
}

/* The generation a request speaks; -EINVAL for a version nobody knows. */
static int profile_of(const struct mock_flatpeak *f, const char *version)
{
	size_t len = version ? strlen(version) : 0;

	if (!version)
		return (int)f->profile;
	if (strcmp(version, "2024-08-24.zero") == 0 || strcmp(version, "2024-08-24") == 0)
		return PROFILE_ZERO;
	if (strcmp(version, "2025-09-14.anode") == 0)
		return PROFILE_ANODE;
	return len > 7 && strcmp(version + len - 7, ".busbar") == 0 ? PROFILE_BUSBAR : -EINVAL;
}

static void post(struct call *c)
{
	struct errbuf err = { "" };
	AUTO_JSON *body = NULL;

	if (strcmp(c->q->method, "POST") == 0) {
		if (!c->q->type || strncasecmp(c->q->type, "application/json", 16) != 0) {
			refuse(c, 415, "content_type_invalid", "The body must be application/json."); /* our code */
			return;
		}
		c->body = body = json_parse(c->q->body, c->q->len, MOCK_BODY_MAX, MOCK_DEPTH_MAX, &err);
		if (!cJSON_IsObject(body)) {
			invalid(c, "data_json_invalid", body ? "The body must be an object." : err.text);
			return;
		}
	}
	get_prices(c);
	c->body = NULL;
}

void mock_flatpeak_handle(struct mock_flatpeak *f, const struct mock_request *q, struct mock_reply *r)
{
	struct call c = { .f = f, .q = q, .r = r, .profile = f->profile };
	int profile = profile_of(f, q->version), status = 404;
	const struct route *row = NULL;

	if (url_parse(q->target, &c.url) == 0)
		row = find_route(q->method, &c.url, &status);
	if (profile < 0) {
		refuse(&c, 400, "version_invalid", "This Flatpeak-Version is not known."); /* our code */
		return;
	}
	c.profile = (enum mock_profile)profile;
	if (!row || !(row->profiles & 1u << profile))
		say(&c, row ? 404 : status, status == 405 ? "Method Not Allowed" : "Not Found");
	else if (row == &ROUTES[0] && strcmp(f->code, "account_disabled") != 0)
		get_login(&c);
	else if (row == &ROUTES[0])
		refuse(&c, 422, f->code, "The account is disabled.");
	else if (!bearer_right(&c))
		refuse(&c, f->bearer_status, "bearer_invalid", "The token is unknown or has expired."); /* our code */
	else
		post(&c);
}
