/* A FlatPeak of a few lines behind the fake HTTP client, and the home that asks it. tests/support/prices_kit.h includes this. */
#ifndef HEARTH_TESTS_PRICES_SERVER_H
#define HEARTH_TESTS_PRICES_SERVER_H

#include "core/calendar.h"
#include "flow/cloud/prices.h"
#include "io/log.h"
#include "support/cm.h"
#include "support/fake_http.h"

#define S 1000LL
#define MINUTE (60 * S)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define KEY "sk_test_very-secret"
#define CODE(c) "{\"object\":\"error\",\"type\":\"api_error\",\"code\":\"" c "\",\"message\":\"words\"}"

static const struct zone LONDON = { "Europe/London", 3, { { 1761440400, 0 }, { 1774746000, 3600 }, { 1792890000, 0 } } };

/* How the server is made to answer. status 0 = prices; error != 0 = none at all. */
struct way { int status, error; const char *body; int64_t retry_after_ms; };

static struct {
	int64_t now_ms, utc_ms;
	bool trusted;
	int changed, vouched;
} at_home;

static struct {
	struct way login, prices[2];
	int expires_s;
	bool dates;                    /* else plain HTTP */
	int64_t date_ahead_ms;
	double base;                   /* import at local 16:00-19:00 is 4 * base, else base */
	const char *next_update;       /* NULL = not said */
	int64_t forget_ms;             /* tokens given before are refused; for a storm */
	int64_t token_until_ms;
	int token, logins, asked[2], expired_seen;
	int64_t last_asked_ms[2], least_gap_ms[2];
} server;

static struct config cfg;
static struct prices *p;
static struct price_series import, export;

static inline int64_t utc(const char *text)
{
	int64_t t;

	if (calendar_parse(text, &t) < 0)
		fail_msg("%s", text);
	return t;
}

static inline bool kit_clock(void *context, int64_t *now_ms, int64_t *utc_ms)
{
	(void)context;
	*now_ms = at_home.now_ms;
	*utc_ms = at_home.utc_ms;
	return at_home.trusted;
}

static inline void kit_changed(void *context)
{
	(void)context;
	at_home.changed++;
}

static inline void kit_vouch(void *context, int64_t date_utc_ms)
{
	(void)context;
	at_home.vouched++;
	if (llabs(date_utc_ms - at_home.utc_ms) < 10 * MINUTE)
		at_home.trusted = true;
}

static inline int64_t after(const char *text, const char *what)
{
	const char *found = strstr(text, what);
	char time[21] = "";

	if (!found)
		fail_msg("no %s in %s", what, text);
	memcpy(time, found + strlen(what), 20);
	return utc(time);
}

static inline double price_of(int side, int64_t utc_ms)
{
	struct civil c;

	calendar_local(&LONDON, utc_ms, &c);
	return side == 0 ? (c.hour >= 16 && c.hour < 19 ? 4 * server.base : server.base) : 0.05;
}

static inline void serve_prices(int i, int side)
{
	static char text[200000];
	const char *body = fake_http[i].body;
	const int64_t from = after(body, "start_time\":\""), to = after(body, "end_time\":\"");
	size_t n = (size_t)snprintf(text, sizeof(text),
				    "{\"object\":\"price\",\"location_id\":\"%s\",\"location_timezone\":\"Europe/London\","
				    "\"currency_code\":\"GBP\",\"tariff_direction\":\"%s\"%s%s%s,\"data\":[",
				    cfg.flatpeak.location_id, side ? "EXPORT" : "IMPORT", server.next_update ? ",\"next_update\":\"" : "",
				    server.next_update ? server.next_update : "", server.next_update ? "\"" : "");

	if (to - from > 6 * DAY)
		fail_msg("a window of %lld h", (long long)((to - from) / HOUR));
	for (int64_t t = from; t < to; t += HOUR / 2) {
		char a[CALENDAR_TEXT_MAX], b[CALENDAR_TEXT_MAX];

		calendar_format(t, a);
		calendar_format(t + HOUR / 2, b);
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      "%s{\"valid_from\":\"%s\",\"valid_to\":\"%s\",\"price\":{\"value\":%.5f,\"confidence\":%g}}",
				      t > from ? "," : "", a, b, price_of(side, t), t < at_home.utc_ms + DAY ? 1. : 0.8);
	}
	snprintf(text + n, sizeof(text) - n, "]}");
	fake_http_answer(i, 200, text);
}

static inline void serve_way(int i, const struct way *w)
{
	const struct fake_http_reply r = { .status = w->error ? 0 : w->status, .error = w->error, .body = w->body,
					   .retry_after_ms = w->retry_after_ms, .date_utc_ms = server.dates ? at_home.utc_ms + server.date_ahead_ms : 0 };

	fake_http_reply(i, &r);
}

static inline void serve_login(int i)
{
	char body[200];

	server.logins++;
	if (server.login.status || server.login.error) {
		serve_way(i, &server.login);
		return;
	}
	if (!fake_http[i].user || !fake_http[i].password || strcmp(fake_http[i].password, KEY) != 0 || fake_http[i].bearer)
		fail_msg("login without Basic");
	server.token++;
	server.token_until_ms = at_home.now_ms + server.expires_s * S;
	snprintf(body, sizeof(body), "{\"bearer_token\":\"tok-%d\",\"expires_in\":%d,\"live_mode\":false}", server.token, server.expires_s);
	fake_http_reply(i, &(struct fake_http_reply){ .status = 200, .body = body, .date_utc_ms = server.dates ? at_home.utc_ms + server.date_ahead_ms : 0 });
}

/* Answers the request that waits, if one does. */
static inline void serve(void)
{
	const int i = fake_http_next();
	char token[32];
	int side;

	if (i < 0)
		return;
	if (fake_http_waiting() > 1)
		fail_msg("two requests at once");
	if (strstr(fake_http[i].url, "/login")) {
		serve_login(i);
	} else {
		side = strstr(fake_http[i].body, "EXPORT") != NULL;
		server.asked[side]++;
		if (server.last_asked_ms[side] && at_home.now_ms - server.last_asked_ms[side] < server.least_gap_ms[side])
			server.least_gap_ms[side] = at_home.now_ms - server.last_asked_ms[side];
		server.last_asked_ms[side] = at_home.now_ms;
		snprintf(token, sizeof(token), "tok-%d", server.token);
		if (!fake_http[i].bearer || strcmp(fake_http[i].bearer, token) != 0 || at_home.now_ms >= server.token_until_ms) {
			server.expired_seen++;
			fake_http_answer(i, 401, CODE("bearer_invalid"));
		} else if (server.prices[side].status || server.prices[side].error) {
			serve_way(i, &server.prices[side]);
		} else {
			serve_prices(i, side);
		}
	}
	if (fake_http_n > FAKE_HTTP_MAX - 10)
		fake_http_clear();
}

#endif
