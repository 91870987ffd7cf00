/* The mock clouds put together: see cloud.h. */
#include "sim/cloud.h"

#include "io/crypto.h"
#include "io/loop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PEM_MAX 65536

const char *cloud_name(enum cloud_id id)
{
	return id == CLOUD_FLIP ? "flip" : "flatpeak";
}

int64_t clouds_now_ms(const struct clouds *c)
{
	return loop_utc_ms() + c->offset_ms;
}

static void count(struct cloud *c, const struct mock_request *q)
{
	struct cloud_stats *s = &c->stats;
	const char *name = c->id == CLOUD_FLIP ? mock_flip_route(q) : mock_flatpeak_route(q);
	int64_t now = loop_now_ms();
	int i = 0, in_second = 0;

	while (i < s->n_paths && strcmp(s->path[i].name, name) != 0)
		i++;
	if (i == s->n_paths && i < CLOUD_PATHS_MAX)
		s->path[s->n_paths++].name = name;
	if (i < CLOUD_PATHS_MAX)
		s->path[i].n++;
	s->recent_ms[s->requests++ % CLOUD_RECENT] = now;
	for (uint64_t k = s->requests;
	     k > 0 && s->requests - k < CLOUD_RECENT && s->recent_ms[(k - 1) % CLOUD_RECENT] > now - 1000; k--)
		in_second++;
	if (in_second > s->max_per_s)
		s->max_per_s = in_second;
	s->last_utc_ms = q->now_utc_ms;
	snprintf(s->last.method, sizeof(s->last.method), "%s", q->method);
	snprintf(s->last.target, sizeof(s->last.target), "%s", q->target);
	snprintf(s->last.version, sizeof(s->last.version), "%s", q->version ? q->version : "");
	snprintf(s->last.body, sizeof(s->last.body), "%.*s", q->body ? (int)q->len : 0, q->body ? q->body : "");
}

static void run(struct cloud *c, const struct mock_request *q, struct mock_reply *r)
{
	if (c->id == CLOUD_FLIP)
		mock_flip_handle(&c->clouds->flip, q, r);
	else
		mock_flatpeak_handle(&c->clouds->flatpeak, q, r);
}

static cJSON *error_body(const struct cloud *c, int status, const char *text)
{
	const char *code = status == 429 ? "rate_limit" : status == 422 ? "no_price_data" : "set_by_test";

	if (c->id == CLOUD_FLIP)
		return mock_flip_error(status, "", text);
	if (status == 403)
		return cJSON_Parse("{\"message\":\"Bad credentials\"}");
	return mock_flatpeak_error(status == 429                    ? "rate_limit"
				   : status >= 500 || status == 422 ? "api_error"
								    : "invalid_request",
				   code, text, clouds_now_ms(c->clouds));
}

static void set_text(struct cloud_answer *out, const char *text, size_t len)
{
	free(out->body);
	out->body = malloc(len + 1);
	out->len = out->body ? len : 0;
	if (out->body)
		memcpy(out->body, text, len);
}

static void set_json(struct cloud_answer *out, cJSON *json)
{
	char *text = json ? cJSON_PrintUnformatted(json) : NULL;

	free(out->body);
	out->body = text; /* cJSON uses malloc as everybody here */
	out->len = text ? strlen(text) : 0;
	cJSON_Delete(json);
}

static void set_retry_after(const struct cloud *c, const struct cloud_fault *f, struct cloud_answer *out)
{
	time_t at = (time_t)(clouds_now_ms(c->clouds) / 1000) + f->retry_after_s;
	struct tm tm;

	if (f->retry_after_s < 0)
		return;
	snprintf(out->retry_after, sizeof(out->retry_after), "%d", f->retry_after_s);
	if (!f->retry_date)
		return;
	gmtime_r(&at, &tm);
	strftime(out->retry_after, sizeof(out->retry_after), "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

static void spoil(const struct cloud *c, const struct cloud_fault *f, struct cloud_answer *out)
{
	static const char GARBAGE[] = "{\"telemetry\":[{\"index\":0,\"sta\xff\xfe\0\x01]]";
	static const char PAGE[] = "<!DOCTYPE html><html><body><h1>Welcome to the guest network</h1></body></html>\n";

	set_retry_after(c, f, out);
	switch (f->kind) {
	case CLOUD_FAULT_STATUS:
		out->status = f->code;
		set_json(out, error_body(c, f->code, "set by the test"));
		return;
	case CLOUD_FAULT_SLOW:
		out->how = CLOUD_SLOW;
		out->chunk_ms = f->ms;
		return;
	case CLOUD_FAULT_CUT:
		out->how = CLOUD_CUT;
		return;
	case CLOUD_FAULT_CLOSE:
		out->how = CLOUD_CLOSE;
		return;
	case CLOUD_FAULT_REDIRECT:
		out->status = 302;
		snprintf(out->location, sizeof(out->location), "/redirected");
		set_text(out, "", 0);
		return;
	case CLOUD_FAULT_GARBAGE:
		set_text(out, GARBAGE, sizeof(GARBAGE) - 1);
		break;
	case CLOUD_FAULT_HTML:
		out->type = "text/html";
		set_text(out, PAGE, sizeof(PAGE) - 1);
		break;
	case CLOUD_FAULT_ERROR200:
		set_json(out, error_body(c, 500, "set by the test"));
		break;
	case CLOUD_FAULT_HUGE:
		out->how = CLOUD_HUGE;
		break;
	case CLOUD_FAULT_EMPTY:
		set_text(out, "", 0);
		break;
	}
	out->status = 200;
}

static void too_large(const struct cloud *c, struct mock_reply *r)
{
	r->status = 413;
	r->body = error_body(c, 413, "the body is above 2 MiB");
}

static void answer(void *context, const struct mock_request *request, struct cloud_answer *out)
{
	struct cloud *c = context;
	struct mock_request q = *request;
	struct mock_reply r = { .status = 200 };
	struct cloud_fault fault;
	bool hit;

	q.now_utc_ms = out->date_utc_ms = clouds_now_ms(c->clouds);
	count(c, &q);
	if (c->state == CLOUD_STATE_HANG) {
		out->how = CLOUD_HANG;
		return;
	}
	hit = cloud_fault_take(&c->faults, q.target, loop_now_ms(), &fault);
	if (!q.body)
		too_large(c, &r);
	else if (!hit || fault.carried_out)
		run(c, &q, &r);
	out->status = r.status;
	set_json(out, r.body);
	if (hit)
		spoil(c, &fault, out);
	if (out->how != CLOUD_CLOSE)
		c->stats.by_status[out->status]++;
	c->stats.unauthorized += out->status == 401 || out->status == 403;
}

/* A whole PEM file; NULL with the reason. */
static char *read_file(const char *path, struct errbuf *err)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, PEM_MAX);

	if (!f || !text || fread(text, 1, PEM_MAX - 1, f) == 0) {
		errbuf_set(err, -EINVAL, "cannot read %s", path);
		free(text);
		text = NULL;
	}
	if (f)
		fclose(f);
	return text;
}

int cloud_set_state(struct cloud *c, enum cloud_state state, struct errbuf *err)
{
	if (state == CLOUD_STATE_CUT) {
		cloud_http_cut(c->http);
	} else {
		int e = cloud_http_up(c->http, err);

		if (e < 0)
			return e;
	}
	c->state = state;
	if (state == CLOUD_UP)
		cloud_http_release(c->http); /* an answer that late would be none */
	return 0;
}

static int open_cloud(struct clouds *clouds, enum cloud_id id, struct cloud_http_options *options, struct errbuf *err)
{
	struct cloud *c = &clouds->cloud[id];

	c->clouds = clouds;
	c->id = id;
	options->answer = answer;
	options->context = c;
	c->port = cloud_http_open(&c->http, options, err);
	return c->port < 0 ? c->port : cloud_http_up(c->http, err);
}

int clouds_open(struct clouds *c, uv_loop_t *loop, const struct options *o, struct errbuf *err)
{
	struct cloud_http_options http = { .loop = loop, .host = o->listen };
	bool tls = o->cloud_cert[0] != '\0';
	uint64_t seed;
	int e = 0;

	crypto_random(&seed, sizeof(seed));
	mock_flip_init(&c->flip, o->flip_token, seed);
	mock_flatpeak_init(&c->flatpeak, o->flatpeak_account, o->flatpeak_key, o->location, seed);
	c->open = true;
	http.cert = tls ? read_file(o->cloud_cert, err) : NULL;
	http.key = tls && http.cert ? read_file(o->cloud_key, err) : NULL;
	if (tls && !http.key)
		e = -EINVAL;
	http.port = o->flip_port;
	if (e == 0)
		e = open_cloud(c, CLOUD_FLIP, &http, err);
	http.port = o->flatpeak_port;
	if (e == 0)
		e = open_cloud(c, CLOUD_FLATPEAK, &http, err);
	free(http.cert);
	free(http.key);
	return e;
}

void clouds_close(struct clouds *c)
{
	for (int i = 0; i < CLOUDS; i++) {
		cloud_http_close(c->cloud[i].http);
		c->cloud[i].http = NULL;
	}
	c->open = false;
}

void clouds_deinit(struct clouds *c)
{
	mock_flip_deinit(&c->flip);
}
