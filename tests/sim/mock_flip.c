/* Mock Flip: paths, tokens and errors; see mock_flip.h. */
#include "sim/mock_flip.h"

#include "core/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum token_kind { TOKEN_CLIENT, TOKEN_SITE };

typedef void call_fn(struct mock_flip *f, const struct mock_call *c, struct mock_reply *r);

cJSON *mock_flip_error(int status, const char *where, const char *text)
{
	cJSON *o = cJSON_CreateObject(), *detail, *row = cJSON_CreateObject(), *loc;
	char code[16];

	if (status != 422) {
		snprintf(code, sizeof(code), "http_%d", status);
		cJSON_AddStringToObject(o, "code", code);
		cJSON_AddStringToObject(o, "message", text);
		cJSON_AddNumberToObject(o, "status_code", status);
		cJSON_AddArrayToObject(o, "errors");
	}
	detail = cJSON_AddArrayToObject(o, "detail");
	loc = cJSON_AddArrayToObject(row, "loc");
	cJSON_AddItemToArray(loc, cJSON_CreateString(status == 422 ? "body" : "request"));
	if (where[0])
		cJSON_AddItemToArray(loc, cJSON_CreateString(where));
	cJSON_AddStringToObject(row, "msg", text);
	cJSON_AddStringToObject(row, "type", status == 422 ? "value_error" : "error");
	cJSON_AddItemToArray(detail, row);
	return o;
}

static void refuse(struct mock_reply *r, int status, const char *where, const char *text)
{
	r->status = status;
	r->body = mock_flip_error(status, where, text);
}

/* splitmix64: ids need to differ, not to be secret. */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

void mock_flip_uuid(struct mock_flip *f, char out[37])
{
	uint64_t a = next_random(&f->seed), b = next_random(&f->seed);

	snprintf(out, 37, "%08x-%04x-4%03x-%04x-%012llx", (unsigned)(a >> 32), (unsigned)(a >> 16 & 0xffff),
		 (unsigned)(a & 0xfff), (unsigned)(0x8000 | (b >> 48 & 0x3fff)), (unsigned long long)(b & 0xffffffffffff));
}

void mock_flip_init(struct mock_flip *f, const char *token, uint64_t seed)
{
	memset(f, 0, sizeof(*f));
	snprintf(f->token, sizeof(f->token), "%s", token);
	f->seed = seed;
	f->forbidden_status = 403;
	f->token_life_ms = 3600 * 1000;
}

void mock_flip_deinit(struct mock_flip *f)
{
	for (int i = 0; i < f->n_commands; i++)
		free(f->command[i]);
	for (int i = 0; i < MOCK_PATCHES_MAX; i++)
		cJSON_free(f->patch[i].body);
	mock_points_deinit(&f->points);
	memset(f, 0, sizeof(*f));
}

void mock_flip_expire_tokens(struct mock_flip *f, int64_t until_ms)
{
	for (int i = 0; i < MOCK_SITE_TOKENS_MAX; i++)
		if (f->site_token[i].expires_ms > until_ms)
			f->site_token[i].expires_ms = until_ms;
}

static void post_site_token(struct mock_flip *f, const struct mock_call *c, struct mock_reply *r)
{
	struct mock_site_token *t = &f->site_token[f->n_tokens % MOCK_SITE_TOKENS_MAX];
	const char *site = c->url.segment[3];
	char uuid[37];

	if (strlen(site) >= sizeof(t->site)) {
		refuse(r, 422, "siteId", "the site id is too long");
		return;
	}
	f->n_tokens++;
	mock_flip_uuid(f, uuid);
	snprintf(t->token, sizeof(t->token), "fls_%s", uuid);
	snprintf(t->site, sizeof(t->site), "%s", site);
	t->expires_ms = c->q->now_utc_ms + f->token_life_ms;
	r->status = 200;
	r->body = cJSON_CreateObject();
	cJSON_AddStringToObject(r->body, "site_access_token", t->token);
	json_add_time(r->body, "expires_at", t->expires_ms);
}

static void post_telemetry(struct mock_flip *f, const struct mock_call *c, struct mock_reply *r)
{
	mock_points_take(&f->points, c->body, r);
}

/* Every path of the API. Without a function: Flip has it, this mock does not. {id} of a site is always segment 2. */
static const struct route {
	const char *method, *path, *alias; /* the plural some pages of the documentation use */
	enum token_kind token;
	call_fn *run;
	const char *name;
} ROUTES[] = {
#define ROUTE(method, path, alias, token, run)                                                                              \
	{                                                                                                                   \
		method, path, alias, token, run, method " " path                                                            \
	}
	ROUTE("POST", "/v1/auth/site/{id}", NULL, TOKEN_CLIENT, post_site_token),
	ROUTE("GET", "/v1/commands", NULL, TOKEN_CLIENT, mock_flip_get_commands),
	ROUTE("PATCH", "/v1/command/{id}", "/v1/commands/{id}", TOKEN_CLIENT, mock_flip_patch_command),
	ROUTE("POST", "/v1/telemetry/BATTERY", NULL, TOKEN_CLIENT, post_telemetry),
	ROUTE("GET", "/v1/site/{id}/events", "/v1/sites/{id}/events", TOKEN_SITE, mock_flip_get_events),
	ROUTE("GET", "/v1/site/{id}/event/{id}", "/v1/site/{id}/events/{id}", TOKEN_SITE, mock_flip_get_event),
	ROUTE("PATCH", "/v1/site/{id}/event/{id}", "/v1/site/{id}/events/{id}", TOKEN_SITE, mock_flip_patch_event),
	ROUTE("GET", "/v1/sites", NULL, TOKEN_CLIENT, NULL),
	ROUTE("POST", "/v1/commission", NULL, TOKEN_CLIENT, NULL),
	ROUTE("POST", "/v1/sessions", NULL, TOKEN_CLIENT, NULL),
	ROUTE("GET", "/v1/programs", NULL, TOKEN_CLIENT, NULL),
	ROUTE("POST", "/v1/telemetry/BATTERY_COUNTER", NULL, TOKEN_CLIENT, NULL),
	ROUTE("PATCH", "/v1/settings/{id}", NULL, TOKEN_CLIENT, NULL),
	ROUTE("POST", "/v1/supplements", NULL, TOKEN_CLIENT, NULL),
	ROUTE("GET", "/v1/site/{id}", NULL, TOKEN_SITE, NULL),
	ROUTE("PATCH", "/v1/site/{id}", "/v1/sites/{id}", TOKEN_SITE, NULL),
	ROUTE("POST", "/v1/site/{id}/devices", NULL, TOKEN_CLIENT, NULL),
	ROUTE("GET", "/v1/site/{id}/devices", NULL, TOKEN_SITE, NULL),
	ROUTE("GET", "/v1/site/{id}/device/{id}", NULL, TOKEN_SITE, NULL),
	ROUTE("PATCH", "/v1/site/{id}/device/{id}", NULL, TOKEN_SITE, NULL),
	ROUTE("DELETE", "/v1/site/{id}/device/{id}", NULL, TOKEN_SITE, NULL),
	ROUTE("POST", "/v1/site/{id}/enrollments", NULL, TOKEN_SITE, NULL),
	ROUTE("GET", "/v1/site/{id}/enrollments", NULL, TOKEN_SITE, NULL),
	ROUTE("GET", "/v1/site/{id}/enrollment/{id}", NULL, TOKEN_SITE, NULL),
	ROUTE("DELETE", "/v1/site/{id}/enrollment/{id}", "/v1/site/{id}/enrollments/{id}", TOKEN_SITE, NULL),
	ROUTE("GET", "/v1/site/{id}/programs", NULL, TOKEN_SITE, NULL),
	ROUTE("GET", "/v1/site/{id}/program/{id}", NULL, TOKEN_SITE, NULL),
#undef ROUTE
};

/* NULL and *status 404 or 405. */
static const struct route *find_route(const char *method, const struct url *u, int *status)
{
	*status = 404;
	for (size_t i = 0; i < sizeof(ROUTES) / sizeof(ROUTES[0]); i++) {
		const struct route *row = &ROUTES[i];

		if (!url_is(u, row->path) && !(row->alias && url_is(u, row->alias)))
			continue;
		if (strcmp(row->method, method) == 0)
			return row;
		*status = 405;
	}
	return NULL;
}

const char *mock_flip_route(const struct mock_request *q)
{
	const struct route *row;
	struct url u;
	int status;

	if (url_parse(q->target, &u) < 0)
		return "other";
	row = find_route(q->method, &u, &status);
	return row ? row->name : "other";
}

/* 0, or the status of the refusal: 401 for no token we know, f->forbidden_status for a good one at the wrong door. */
static int check_token(const struct mock_flip *f, struct mock_call *c, enum token_kind kind)
{
	const char *header = c->q->authorization, *token;
	const struct mock_site_token *t = NULL;

	if (!header || strncasecmp(header, "Bearer ", 7) != 0)
		return 401;
	token = header + 7;
	if (strcmp(token, f->token) == 0)
		return kind == TOKEN_CLIENT ? 0 : f->forbidden_status;
	for (int i = 0; i < MOCK_SITE_TOKENS_MAX && !t; i++)
		if (f->site_token[i].token[0] && strcmp(f->site_token[i].token, token) == 0)
			t = &f->site_token[i];
	if (!t || t->expires_ms <= c->q->now_utc_ms)
		return 401;
	c->site = t->site;
	return kind == TOKEN_SITE && strcmp(c->url.segment[2], t->site) == 0 ? 0 : f->forbidden_status;
}

static bool takes_body(const struct route *row)
{
	return strcmp(row->method, "PATCH") == 0 || (strcmp(row->method, "POST") == 0 && row->run != post_site_token);
}

void mock_flip_handle(struct mock_flip *f, const struct mock_request *q, struct mock_reply *r)
{
	struct mock_call c = { .q = q, .site = "" };
	struct errbuf err = { "" };
	AUTO_JSON *body = NULL;
	const struct route *row;
	int status;

	mock_flip_step(f, q->now_utc_ms);
	if (url_parse(q->target, &c.url) < 0) {
		refuse(r, 400, "path", "the path is not understood");
		return;
	}
	row = find_route(q->method, &c.url, &status);
	if (!row) {
		refuse(r, status, "path", status == 404 ? "Not Found" : "Method Not Allowed");
		return;
	}
	status = check_token(f, &c, row->token);
	if (status) {
		refuse(r, status, "authorization", status == 401 ? "Unauthorized" : "this token does not open this path");
		return;
	}
	if (!row->run) {
		refuse(r, 501, "path", "Flip has this path, the mock does not");
		return;
	}
	if (takes_body(row)) {
		if (!q->type || strncasecmp(q->type, "application/json", 16) != 0) {
			refuse(r, 415, "content-type", "the body must be application/json");
			return;
		}
		c.body = body = json_parse(q->body, q->len, MOCK_BODY_MAX, MOCK_DEPTH_MAX, &err);
		if (!cJSON_IsObject(body)) {
			refuse(r, 422, "", body ? "the body must be an object" : err.text);
			return;
		}
	}
	row->run(f, &c, r);
}
