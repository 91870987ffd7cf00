/* When FlatPeak is asked, and what follows from its answers: days and weeks on a simulated clock. */
#include "support/prices_kit.h"

static void test_first(void **state)
{
	(void)state;
	assert_state("waiting", "");
	prices_step(p);
	assert_int_equal(fake_http_n, 1);
	assert_string_equal(fake_http[0].url, "https://api.example/login");
	assert_int_equal(fake_http[0].method, HTTP_GET);
	assert_string_equal(fake_http[0].user, "acc_1");
	assert_string_equal(fake_http[0].header[0], "Flatpeak-Version: 2025-09-14.anode");
	prices_step(p); /* one at a time */
	assert_int_equal(fake_http_n, 1);
	pass(5 * S);
	assert_int_equal(fake_http_n, 3);
	assert_string_equal(fake_http[1].url, "https://api.example/prices/loc_1");
	assert_int_equal(fake_http[1].method, HTTP_POST);
	assert_string_equal(fake_http[1].bearer, "tok-1");
	assert_null(fake_http[1].user);
	/* from the start of the local day, horizon and a day ahead */
	assert_string_equal(fake_http[1].body, "{\"start_time\":\"2026-03-02T00:00:00Z\",\"end_time\":\"2026-03-05T09:00:00Z\","
					       "\"tariff_direction\":\"IMPORT\"}");
	assert_non_null(strstr(fake_http[2].body, "EXPORT"));
	assert_state("ok", "");
	assert_int_equal(status().fetched_utc_ms, utc("2026-03-02T09:30:01Z"));
	assert_int_equal(status().requests, 3);
	assert_true(at_home.changed >= 2);

	compose(-9 * HOUR, 48 * HOUR);
	assert_string_equal(import.source, "flatpeak");
	assert_string_equal(import.currency, "GBP");
	assert_string_equal(import.timezone, "Europe/London");
	assert_float_equal(price_at(&import, utc("2026-03-03T17:00:00Z"), NULL), 0.4, 1e-6);
	assert_float_equal(price_at(&import, utc("2026-03-03T19:00:00Z"), NULL), 0.1, 1e-6);
	assert_float_equal(price_at(&export, utc("2026-03-03T19:00:00Z"), NULL), 0.05, 1e-6);
	compose(0, 100 * HOUR);
	assert_true(isnan(price_at(&import, utc("2026-03-05T09:00:00Z"), NULL))); /* never asked for, no week before: unknown */
	cfg.plan.horizon_h = 168;
	pass(7 * HOUR);
	assert_true(server.asked[0] == 2 && strstr(fake_http_last()->body, "end_time\":\"2026-03-07T1")); /* five days at most */
}

static void test_day(void **state)
{
	(void)state;
	server.expires_s = 300;
	pass(DAY);
	/* 6 h each, and once at 23:00 */
	assert_in_range(server.asked[0], 5, 6);
	assert_in_range(server.asked[1], 5, 6);
	assert_in_range(server.logins, 5, 6); /* both directions share one */
	assert_int_equal(server.expired_seen, 0);
	assert_true(server.least_gap_ms[0] >= 15 * MINUTE);
	assert_int_equal(status().failures, 0);
}

/* The update that was announced is fetched soon after it, never before. */
static void test_next_update(void **state)
{
	int64_t last;

	(void)state;
	server.next_update = "2026-03-02T11:00:00Z";
	pass(85 * MINUTE);
	assert_int_equal(server.asked[0], 1);
	pass(15 * MINUTE);
	assert_int_equal(server.asked[0], 2);
	/* it stays announced although it is past: 15 minutes, and after two hours not any more */
	pass(100 * MINUTE);
	assert_in_range(server.asked[0], 7, 9);
	last = server.asked[0];
	pass(3 * HOUR);
	assert_true(server.asked[0] <= last + 2);
	/* the end of the day */
	server.next_update = NULL;
	pass(utc("2026-03-02T22:59:00Z") - at_home.utc_ms);
	last = server.asked[0];
	assert_true(server.last_asked_ms[0] < at_home.now_ms - 10 * MINUTE);
	pass(20 * MINUTE);
	assert_int_equal(server.asked[0], last + 1);
}

/* Renewed before it expires; how long it lives is what the server says, however little. */
static void test_token(void **state)
{
	static const int LIVES[] = { 3, 30, 61, 120, 700 };

	(void)state;
	for (size_t i = 0; i < sizeof(LIVES) / sizeof(LIVES[0]); i++) {
		const int seen = server.expired_seen, before = server.asked[0];

		server.expires_s = LIVES[i];
		server.next_update = "2027-01-01T00:00:00Z";
		pass(12 * HOUR);
		assert_true(server.asked[0] >= before + 1);
		if (LIVES[i] > 5)
			assert_int_equal(server.expired_seen, seen);
	}
	assert_true(server.logins <= 3 * server.asked[0]);
	assert_int_equal(status().failures, 0);
}

/* A token the server has forgotten: one more login, the same request again, nobody hears of it. */
static void test_relogin(void **state)
{
	struct errbuf err = { "" };
	struct civil asked, again;
	char words[64];

	(void)state;
	pass(5 * S);
	server.token = 77;
	assert_int_equal(prices_refresh(p, &err), -EBUSY);
	assert_non_null(strstr(err.text, "FlatPeak may be asked every 15 minutes: asked at "));
	calendar_local(&LONDON, at_home.utc_ms, &asked); /* within the last minute */
	calendar_local(&LONDON, at_home.utc_ms + 15 * MINUTE, &again);
	snprintf(words, sizeof(words), ": asked at %02d:%02d, again at %02d:", asked.hour, asked.minute, again.hour);
	assert_non_null(strstr(err.text, words));
	at_home.now_ms += 16 * MINUTE;
	at_home.utc_ms += 16 * MINUTE;
	assert_int_equal(prices_refresh(p, NULL), 0);
	assert_int_equal(prices_refresh(p, NULL), 0); /* under way */
	pass(6 * S);
	assert_int_equal(server.expired_seen, 1);
	assert_int_equal(server.logins, 2);
	assert_int_equal(server.asked[0], 3);
	assert_int_equal(server.asked[1], 2);
	assert_state("ok", "");
}

static void test_storms(void **state)
{
	static const struct { const char *name; struct way login, prices; const char *words; } STORMS[] = {
		{ "401 of prices", { 0 }, { .status = 401, .body = CODE("bearer_invalid") }, "fresh login" },
		{ "403 of prices", { 0 }, { .status = 403, .body = "{\"message\":\"no\"}" }, "fresh login" },
		{ "403 of login", { .status = 403, .body = "{\"message\":\"Bad credentials\"}" }, { 0 }, "account_id" },
		{ "401 of login, HTML", { .status = 401, .body = "<html>" }, { 0 }, "account_id" },
		{ "500", { 0 }, { .status = 500, .body = "{\"message\":\"Internal Server Error\"}" }, "500" },
		{ "503 of login", { .status = 503, .body = "" }, { 0 }, "503" },
		{ "timeout", { 0 }, { .error = -ETIMEDOUT }, "not reached" },
		{ "no network", { .error = -EHOSTUNREACH }, { 0 }, "not reached" },
		{ "certificate", { .error = -EACCES }, { 0 }, "not reached" },
		{ "429 without a word", { 0 }, { .status = 429, .body = "" }, "too often" },
		{ "HTML with 200", { 0 }, { .status = 200, .body = "<html>hello</html>" }, "not understood" },
		{ "cut", { 0 }, { .status = 200, .body = "{\"object\":\"price\",\"data\":[{\"valid" }, "not understood" },
		{ "garbage at login", { .status = 200, .body = "{\"bearer_token\":\"a\\r\\nb\"}" }, { 0 }, "not understood" },
		{ "another location", { 0 }, { .status = 200, .body = "{\"location_id\":\"loc_2\",\"data\":[]}" }, "another location" },
		{ "other direction", { 0 }, { .status = 200, .body = "{\"direction\":\"EXPORT\",\"data\":[]}" }, "other direction" },
		{ "an error with 200", { 0 }, { .status = 200, .body = CODE("whatever") }, "words" },
		{ "a portal's 404", { 0 }, { .status = 404, .body = "<html>" }, "404" },
		{ "redirect", { 0 }, { .status = 302, .body = "" }, "302" },
	};

	for (size_t i = 0; i < sizeof(STORMS) / sizeof(STORMS[0]); i++) {
		int before;

		teardown(state);
		setup(state);
		server.login = STORMS[i].login;
		server.prices[0] = server.prices[1] = STORMS[i].prices;
		pass(HOUR);
		if (requests() > 36 || requests() < 5)
			fail_msg("%s: %d requests in an hour", STORMS[i].name, requests());
		if (strcmp(status().state, "retrying") != 0 || !strstr(status().reason, STORMS[i].words))
			fail_msg("%s: %s: %s", STORMS[i].name, status().state, status().reason);
		assert_true(status().failures > 3);
		before = requests();
		pass(HOUR);
		if (requests() > before + 20)
			fail_msg("%s: %d requests in the second hour", STORMS[i].name, requests() - before);
		/* and over: well within a quarter of an hour */
		memset(&server.login, 0, sizeof(server.login));
		memset(server.prices, 0, sizeof(server.prices));
		pass(16 * MINUTE);
		assert_state("ok", "");
	}
}

/* The first tries are near: a hiccup costs half a minute. */
static void test_hiccup(void **state)
{
	(void)state;
	server.prices[0].error = -ECONNRESET;
	pass(5 * S);
	assert_state("retrying", "not reached");
	memset(server.prices, 0, sizeof(server.prices));
	pass(9 * S);
	assert_int_equal(server.asked[0], 1);
	pass(25 * S);
	assert_int_equal(server.asked[0], 2);
	assert_state("ok", "");
	for (int i = 0; i < 6; i++) { /* and the next one no more */
		pass(16 * MINUTE);
		assert_int_equal(prices_refresh(p, NULL), 0);
		fake_http_fail(fake_http_next(), -ETIMEDOUT);
		pass(35 * S);
		assert_state("ok", "");
	}
}

/* A login refused: once more soon, then every quarter of an hour, for ever; and after a good one anew. */
static void test_login_refused(void **state)
{
	(void)state;
	server.login = (struct way){ .status = 403, .body = "{\"message\":\"Bad credentials\"}" };
	pass(44 * MINUTE);
	assert_int_equal(server.logins, 4);
	assert_state("retrying", "account_id");
	memset(&server.login, 0, sizeof(server.login));
	pass(16 * MINUTE);
	assert_state("ok", "");
	server.login = (struct way){ .status = 403, .body = "{\"message\":\"Bad credentials\"}" };
	server.token = 77; /* forgotten */
	at_home.now_ms += 16 * MINUTE;
	at_home.utc_ms += 16 * MINUTE;
	assert_int_equal(prices_refresh(p, NULL), 0);
	server.logins = 0;
	pass(MINUTE);
	assert_int_equal(server.logins, 2);
}

static void test_retry_after(void **state)
{
	(void)state;
	server.prices[0] = (struct way){ .status = 429, .body = CODE("rate_limit"), .retry_after_ms = 2 * HOUR };
	pass(2 * HOUR);
	assert_int_equal(requests(), 2);
	memset(server.prices, 0, sizeof(server.prices));
	pass(5 * MINUTE);
	assert_state("ok", "");
	/* a zero is no permission to storm */
	server.prices[0] = (struct way){ .status = 503, .retry_after_ms = -1 };
	pass(7 * HOUR);
	assert_in_range(server.asked[0], 5, 80);
}

static void test_codes(void **state)
{
	static const struct { int status; const char *body, *words; } CODES[] = {
		{ 422, CODE("no_tariff_connected"), "no import tariff is connected at FlatPeak for loc_1: connect it in FlatPeak's own pages" },
		{ 200, CODE("no_tariff_connected"), "connect it in FlatPeak's own pages" },
		{ 422, CODE("pending_connect"), "first time" },
		{ 422, CODE("no_price_data"), "connect it again in FlatPeak's own pages" },
		{ 422, CODE("something_new"), "if it stays so, connect the tariff in FlatPeak's own pages" },
		{ 422, "", "connect the tariff in FlatPeak's own pages" },
		{ 200, "{\"data\":[]}", "connect the tariff in FlatPeak's own pages" },
		{ 200, "{\"data\":[{\"valid_from\":\"2020-01-01T00:00:00Z\",\"valid_to\":\"2020-01-02T00:00:00Z\",\"price\":{\"value\":1}}]}",
		  "connect the tariff in FlatPeak's own pages" },
	};

	for (size_t i = 0; i < sizeof(CODES) / sizeof(CODES[0]); i++) {
		teardown(state);
		setup(state);
		server.prices[0] = (struct way){ .status = CODES[i].status, .body = CODES[i].body };
		pass(3 * HOUR);
		assert_state("no_tariff", CODES[i].words);
		assert_null(strstr(status().reason, "[tariff]")); /* there is none */
		assert_int_equal(tariff_parse("0.2", &cfg.tariff.import, NULL), 0);
		pass(S);
		assert_state("no_tariff", "; [tariff] is used meanwhile");
		memset(&cfg.tariff.import, 0, sizeof(cfg.tariff.import));
		if (server.least_gap_ms[0] < 15 * MINUTE || server.asked[0] < 10 || server.asked[0] > 13)
			fail_msg("%s: %d times, %lld s apart", CODES[i].body, server.asked[0], (long long)(server.least_gap_ms[0] / S));
		assert_in_range(server.asked[1], 1, 2); /* export goes on by itself */
		assert_int_equal(status().failures, 0);
		memset(server.prices, 0, sizeof(server.prices));
		pass(16 * MINUTE);
		assert_state("ok", "");
	}
}

/* Most homes sell by no tariff of FlatPeak: that is normal, and import does not suffer. */
static void test_export_none(void **state)
{
	(void)state;
	assert_int_equal(tariff_parse("0.15", &cfg.tariff.export, NULL), 0);
	server.prices[1] = (struct way){ .status = 422, .body = CODE("no_tariff_connected") };
	pass(DAY);
	assert_state("ok", "");
	assert_in_range(server.asked[0], 5, 6);
	assert_in_range(server.asked[1], 5, 6);
	assert_int_equal(status().failures, 0);
	compose(0, 24 * HOUR);
	assert_string_equal(import.source, "flatpeak");
	assert_string_equal(export.source, "tariff");
	assert_int_equal(export.n, 1);
	assert_float_equal(export.s[0].value, 0.15, 1e-6);
	server.prices[1].body = CODE("no_price_data");
	pass(8 * HOUR);
	assert_state("ok", "export tariff: connect it again in FlatPeak's own pages");
}

static void test_stopped(void **state)
{
	static const struct { int status; const char *body, *words; } STOPS[] = {
		{ 422, CODE("account_disabled"), "disabled the account" },
		{ 200, CODE("account_disabled"), "disabled the account" },
		{ 404, "{\"message\":\"Not Found\"}", "correct [flatpeak] location_id" },
		{ 400, CODE("end_time_missing"), "end_time_missing" },
	};

	for (size_t i = 0; i < sizeof(STOPS) / sizeof(STOPS[0]); i++) {
		int n;

		teardown(state);
		setup(state);
		pass(5 * S);
		server.prices[0] = (struct way){ .status = STOPS[i].status, .body = STOPS[i].body };
		pass(7 * HOUR);
		n = requests();
		assert_state("stopped", STOPS[i].words);
		pass(DAY);
		assert_int_equal(requests(), n);
		compose(0, HOUR);
		assert_string_equal(import.source, "flatpeak"); /* the last prices are kept */
		assert_int_equal(status().next_utc_ms, 0);

		/* the same configuration read again changes nothing; another account does */
		prices_configure(p, &cfg, &LONDON, KEY);
		pass(HOUR);
		assert_int_equal(requests(), n);
		memset(server.prices, 0, sizeof(server.prices));
		if (i % 2) {
			assert_int_equal(prices_refresh(p, NULL), 0); /* somebody asks for it */
		} else {
			snprintf(cfg.flatpeak.account_id, sizeof(cfg.flatpeak.account_id), "acc_2");
			prices_configure(p, &cfg, &LONDON, KEY);
		}
		pass(6 * S);
		assert_state("ok", "");
	}
}

/* Nothing by the time of day while the clock is wrong; but a login may be what proves it right. */
static void test_clock(void **state)
{
	(void)state;
	at_home.trusted = false;
	pass(3 * HOUR);
	assert_in_range(server.logins, 1, 4);
	assert_int_equal(server.asked[0], 0);
	assert_state("waiting", "clock");
	server.expires_s = 1; /* no storm of them either */
	pass(3 * HOUR);
	assert_in_range(server.logins, 10, 17);
	server.dates = true;
	server.date_ahead_ms = 20 * MINUTE;
	pass(20 * MINUTE);
	assert_true(at_home.vouched > 0);
	assert_int_equal(server.asked[0], 0); /* its time is not ours */
	server.date_ahead_ms = -2 * MINUTE;
	server.expires_s = 3600;
	pass(20 * MINUTE);
	assert_int_equal(server.asked[0], 1);
	assert_state("ok", "");

	teardown(state);
	setup(state);
	at_home.trusted = false;
	server.login.error = -EHOSTUNREACH;
	pass(HOUR);
	assert_in_range(server.logins, 4, 12);
	assert_state("retrying", "not reached");
	memset(&server.login, 0, sizeof(server.login));
	pass(16 * MINUTE);
	assert_state("waiting", "clock");
}

static void test_missing(void **state)
{
	struct errbuf err = { "" };

	(void)state;
	cfg.flatpeak.location_id[0] = '\0';
	prices_configure(p, &cfg, &LONDON, KEY);
	pass(HOUR);
	assert_state("waiting", "set [flatpeak] location_id (loc_..., from FlatPeak's dashboard)");
	assert_int_equal(prices_refresh(p, &err), -ENODATA);
	assert_non_null(strstr(err.text, "set [flatpeak] location_id"));
	prices_configure(p, &cfg, &LONDON, "");
	assert_state("waiting", "API key");
	cfg.flatpeak.account_id[0] = '\0';
	prices_configure(p, &cfg, &LONDON, "");
	assert_state("waiting", "account_id");
	cfg.flatpeak.mode = LINK_OFF;
	prices_configure(p, &cfg, &LONDON, KEY);
	assert_state("off", "");
	assert_int_equal(prices_refresh(p, &err), -ENODATA);
	assert_int_equal(tariff_parse("0.2", &cfg.tariff.import, NULL), 0);
	snprintf(cfg.tariff.currency, sizeof(cfg.tariff.currency), "GBP");
	compose(0, HOUR);
	assert_string_equal(import.source, "tariff");
	assert_string_equal(import.currency, "GBP");
	assert_int_equal(export.n, 0);
	assert_int_equal(requests(), 0);
	cfg.flatpeak.mode = LINK_DIRECT;
	snprintf(cfg.flatpeak.account_id, sizeof(cfg.flatpeak.account_id), "acc_1");
	snprintf(cfg.flatpeak.location_id, sizeof(cfg.flatpeak.location_id), "loc/../1");
	prices_configure(p, &cfg, &LONDON, KEY);
	pass(MINUTE);
	assert_state("stopped", "location_id");
	assert_int_equal(server.asked[0], 0);
}

/* An answer to a question nobody asks any more: other location, and nobody at all. */
static void test_late(void **state)
{
	(void)state;
	pass(S);
	prices_step(p); /* import is under way */
	assert_int_equal(fake_http_waiting(), 1);
	snprintf(cfg.flatpeak.location_id, sizeof(cfg.flatpeak.location_id), "loc_9");
	prices_configure(p, &cfg, &LONDON, KEY);
	serve_prices(fake_http_next(), 0);
	assert_int_equal(status().fetched_utc_ms, 0);
	compose(0, HOUR);
	assert_int_equal(import.n, 0);
	pass(6 * S);
	assert_state("ok", "");
	at_home.now_ms += 16 * MINUTE;
	server.base = 0.3;
	assert_int_equal(prices_refresh(p, NULL), 0);
	serve(); /* its rows are not committed yet */
	prices_step(p);
	prices_stop(p);
	p = NULL;
	if (fake_http_waiting())
		serve_prices(fake_http_next(), 1);
	fake_commit(0);
}

/* Neither the key nor a token stands in a log line, whatever the server repeats. */
static void test_secrets(void **state)
{
	static struct log_line line[LOG_KEEP];
	int n;

	(void)state;
	server.login = (struct way){ .status = 403, .body = "{\"message\":\"not " KEY "\"}" };
	pass(5 * S);
	assert_state("retrying", "withheld");
	memset(&server.login, 0, sizeof(server.login));
	server.prices[0] = (struct way){ .status = 500, .body = "{\"message\":\"what is tok-1?\"}" };
	pass(16 * MINUTE);
	assert_state("retrying", "withheld");
	server.prices[0] = (struct way){ .status = 422, .body = "{\"message\":\"what is tok-1?\"}" };
	pass(16 * MINUTE);
	n = log_recent(line, LOG_KEEP);
	assert_true(n > 0);
	for (int i = 0; i < n; i++)
		if (strstr(line[i].text, "secret") || strstr(line[i].text, "tok-"))
			fail_msg("logged: %s", line[i].text);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_first),	T(test_day),   T(test_next_update), T(test_token), T(test_relogin), T(test_storms),  T(test_hiccup),
		T(test_codes),	T(test_clock), T(test_export_none), T(test_late),  T(test_missing), T(test_stopped), T(test_retry_after),
		T(test_secrets), T(test_login_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
