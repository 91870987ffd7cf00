/* What stays when FlatPeak is silent: the cache over restarts, its wear, and which source counts at which instant. */
#include "support/prices_kit.h"

static int ops_put, ops_delete;

/* Like pass, but counts what goes to the disk. */
static void pass_counting(int64_t ms)
{
	for (const int64_t end = at_home.now_ms + ms; at_home.now_ms < end; at_home.now_ms += S, at_home.utc_ms += S) {
		prices_step(p);
		serve();
		for (const struct fake_wait *w = fake_first; w; w = w->next)
			for (int i = 0; i < w->n; i++) {
				ops_put += w->ops[i].verb == STORE_PUT;
				ops_delete += w->ops[i].verb == STORE_DELETE;
			}
		fake_commit(0);
	}
}

static void restart(int64_t dead_ms)
{
	prices_stop(p);
	at_home.now_ms += dead_ms;
	at_home.utc_ms += dead_ms;
	begin();
}

static void test_restart(void **state)
{
	static struct price_series before;
	const int64_t from = -9 * HOUR, to = 60 * HOUR;

	(void)state;
	pass(5 * S);
	compose(from, to);
	before = import;
	assert_non_null(fake_find(STORE_PRICE, "loc_1/IMPORT/2026-03-02T00:00:00.000Z"));
	assert_non_null(fake_find(STORE_PRICE, "loc_1/EXPORT/fetched"));
	restart(0);
	prices_compose(p, at_home.utc_ms, at_home.utc_ms + from, at_home.utc_ms + to, &import, &export);
	assert_string_equal(import.source, "flatpeak");
	assert_string_equal(import.currency, "GBP");
	assert_int_equal(import.n, before.n);
	for (int i = 0; i < import.n; i++) {
		assert_int_equal(import.s[i].from_utc_ms, before.s[i].from_utc_ms);
		assert_int_equal(import.s[i].to_utc_ms, before.s[i].to_utc_ms);
		assert_float_equal(import.s[i].value, before.s[i].value, 1e-9);
		assert_float_equal(import.s[i].confidence, before.s[i].confidence, 1e-9);
	}
	assert_float_equal(price_at(&export, at_home.utc_ms, NULL), 0.05, 1e-6);
	assert_state("ok", "");
	/* fetched just now: a restart is no reason to ask again */
	pass(10 * MINUTE);
	assert_int_equal(server.asked[0], 1);
	pass(10 * MINUTE);
	assert_int_equal(server.asked[0], 2);
	/* an hour off: asked at once, yet there are prices before the answer */
	restart(HOUR);
	assert_int_equal(status().fetched_utc_ms != 0, 1);
	pass(5 * S);
	assert_int_equal(server.asked[0], 3);
}

/* Flat tariffs, unchanged forecasts: a refresh writes next to nothing. */
static void test_wear(void **state)
{
	int first, days = 3;

	(void)state;
	pass_counting(10 * S);
	first = ops_put;
	assert_in_range(first, 9, 20); /* joined: a few segments a day, not 48 */
	ops_put = ops_delete = 0;
	pass_counting(days * DAY);
	if (ops_put > days * 6 * 7 || ops_delete > days * 12)
		fail_msg("%d rows put, %d deleted in %d days", ops_put, ops_delete, days);
	/* two weeks later nothing older than two weeks is left */
	pass_counting(20 * DAY);
	assert_in_range(fake_count(STORE_PRICE), 40, 70);
	for (int i = 0; i < fake_top; i++)
		if (fake_rows[i].used && fake_rows[i].at_ms < at_home.utc_ms - 15 * DAY)
			fail_msg("%s is still there", fake_rows[i].key);
	compose(-20 * DAY, -13 * DAY); /* nor is it known */
	assert_in_range(at_home.utc_ms - import.s[0].from_utc_ms, 13 * DAY + HOUR, 14 * DAY + 7 * HOUR);
	/* and what is on disk is what is known */
	compose(-13 * DAY, 2 * DAY);
	first = import.n;
	restart(0);
	compose(-13 * DAY, 2 * DAY);
	assert_int_equal(import.n, first);
}

static void put_row(const char *key, int64_t at_ms, const char *body)
{
	struct store_op op = { .verb = STORE_PUT, .table = STORE_PRICE, .at_ms = at_ms, .body = body };

	snprintf(op.key, sizeof(op.key), "%s", key);
	fake_apply(&op);
}

/* Rows of another place, damaged rows, rows that overlap because a writing was interrupted. */
static void test_odd_rows(void **state)
{
	static const char *const BAD[] = { "", "x", "1772496000000", "1772496000000 0.1", "1772496000000 0.1 1", "1772496000000 nan 1 5",
					   "1772496000000 0.1 2 5", "1772496000000 1e400 1 5", "1772496000000 0.1 1 -5",
					   "1772496000000 0.1 1 5 6", "0 0.1 1 5", "99999999999999999999 0.1 1 5" };
	char key[80], body[80];

	(void)state;
	prices_stop(p);
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		snprintf(key, sizeof(key), "loc_1/IMPORT/2026-03-02T%02d:00:00.000Z", (int)i);
		put_row(key, at_home.utc_ms, BAD[i]);
	}
	put_row("loc_1/IMPORT/yesterday", at_home.utc_ms, "1772496000000 0.1 1 5");
	put_row("loc_1/IMPORT/fetched", at_home.utc_ms - HOUR, "- ");
	put_row("loc_2/IMPORT/2026-03-02T00:00:00.000Z", at_home.utc_ms, "1772496000000 0.7 1 5");
	put_row("loc_2/IMPORT/fetched", at_home.utc_ms, "GBP Europe/London");
	put_row("loc_11/IMPORT/fetched", at_home.utc_ms, "GBP Europe/London");
	begin();
	compose(-DAY, DAY);
	assert_int_equal(import.n, 0);
	assert_int_equal(status().fetched_utc_ms, 0); /* a fetch whose prices are gone is none */

	prices_stop(p);
	fake_clear();
	put_row("loc_1/IMPORT/fetched", at_home.utc_ms - HOUR, "EUR Europe/Berlin");
	snprintf(body, sizeof(body), "%lld 0.1 1 1000", (long long)utc("2026-03-03T00:00:00Z"));
	put_row("loc_1/IMPORT/2026-03-02T00:00:00.000Z", 0, body);
	snprintf(body, sizeof(body), "%lld 0.3 1 3000", (long long)utc("2026-03-02T14:00:00Z"));
	put_row("loc_1/IMPORT/2026-03-02T12:00:00.000Z", 0, body);
	snprintf(body, sizeof(body), "%lld 0.2 1 2000", (long long)utc("2026-03-02T16:00:00Z"));
	put_row("loc_1/IMPORT/2026-03-02T11:00:00.000Z", 0, body);
	begin();
	compose(0, 12 * HOUR);
	assert_string_equal(import.currency, "EUR");
	assert_float_equal(price_at(&import, utc("2026-03-02T10:00:00Z"), NULL), 0.1, 1e-9);
	assert_float_equal(price_at(&import, utc("2026-03-02T11:30:00Z"), NULL), 0.2, 1e-9);
	assert_float_equal(price_at(&import, utc("2026-03-02T13:00:00Z"), NULL), 0.3, 1e-9);
	assert_float_equal(price_at(&import, utc("2026-03-02T15:00:00Z"), NULL), 0.2, 1e-9);
	assert_float_equal(price_at(&import, utc("2026-03-02T17:00:00Z"), NULL), 0.1, 1e-9);
	pass(5 * S); /* and the next fetch writes it anew */
	restart(0);
	compose(0, 12 * HOUR);
	assert_float_equal(price_at(&import, utc("2026-03-02T13:00:00Z"), NULL), 0.1, 1e-9);
	assert_float_equal(price_at(&import, utc("2026-03-02T17:00:00Z"), NULL), 0.4, 1e-6);
}

/* Fourteen days, whatever location a row is of. */
static void test_old_rows(void **state)
{
	(void)state;
	put_row("loc_2/IMPORT/2026-02-16T08:00:00.000Z", at_home.utc_ms - 14 * DAY - MINUTE, "1771230600000 0.7 1 5");
	put_row("loc_2/IMPORT/2026-02-16T09:00:00.000Z", at_home.utc_ms - 14 * DAY + MINUTE, "1771234200000 0.7 1 5");
	pass(5 * S);
	assert_null(fake_find(STORE_PRICE, "loc_2/IMPORT/2026-02-16T08:00:00.000Z"));
	assert_non_null(fake_find(STORE_PRICE, "loc_2/IMPORT/2026-02-16T09:00:00.000Z"));
}

/* A disk that fails or is busy: prices go on, and are written with the next fetch. */
static void test_store_fails(void **state)
{
	(void)state;
	for (int busy = 0; busy < 2; busy++) {
		teardown(state);
		setup(state);
		fake_submit_error = busy ? -EAGAIN : 0;
		for (int i = 0; i < 10; i++, at_home.now_ms += S, at_home.utc_ms += S) {
			prices_step(p);
			serve();
			fake_commit(-EIO);
		}
		assert_state("ok", "");
		assert_int_equal(fake_count(STORE_PRICE), 0);
		fake_submit_error = 0;
		pass(7 * HOUR);
		assert_true(fake_count(STORE_PRICE) > 8);
		assert_non_null(fake_find(STORE_PRICE, "loc_1/IMPORT/2026-03-02T00:00:00.000Z"));
	}
	/* a slow one: what comes meanwhile is written when it is through */
	for (int i = 0; i < 14 * 3600; i++, at_home.now_ms += S, at_home.utc_ms += S) {
		prices_step(p);
		serve();
		server.base = i < 7 * 3600 ? 0.3 : 0.4;
	}
	fake_commit(0);
	restart(0);
	compose(0, HOUR);
	assert_float_equal(import.s[0].value, price_of(0, at_home.utc_ms), 1e-6);

	/* what failed may have reached the disk nevertheless */
	server.base = 0.7;
	while (fake_n_queue == 0) {
		prices_step(p);
		serve();
		at_home.now_ms += S, at_home.utc_ms += S;
	}
	for (int i = 0; i < fake_first->n; i++)
		fake_apply(&fake_first->ops[i]);
	fake_commit(-EIO);
	server.base = 0.2;
	pass(8 * HOUR);
	restart(0);
	compose(0, HOUR);
	assert_float_equal(import.s[0].value, price_of(0, at_home.utc_ms), 1e-6);
}

/* The week the issue asks for: a day and a half on what was fetched, then last week's pattern, and back at once. */
static void test_week(void **state)
{
	int n;

	(void)state;
	pass_long(8 * DAY);
	assert_state("ok", "");
	server.login.error = server.prices[0].error = server.prices[1].error = -EHOSTUNREACH;
	n = requests();
	pass_long(30 * HOUR); /* the last fetch is up to six hours old */
	assert_state("retrying", "not reached");
	compose(0, 24 * HOUR);
	assert_string_equal(import.source, "flatpeak");
	assert_true(price_at(&import, at_home.utc_ms, NULL) > 0 && import.s[0].confidence > 0.5);
	pass_long(6 * HOUR);
	assert_state("retrying", "older than 36 h");
	for (int day = 0; day < 12; day++) {
		const int64_t four = calendar_next_minute(&LONDON, at_home.utc_ms, 17 * 60);

		compose(0, 48 * HOUR);
		assert_string_equal(import.source, "last_known");
		assert_float_equal(price_at(&import, four, NULL), 0.4, 1e-6);
		assert_float_equal(price_at(&import, four + 4 * HOUR, NULL), 0.1, 1e-6);
		assert_float_equal(import.s[0].confidence, 0.2, 0);
		assert_int_equal(import.s[0].from_utc_ms, at_home.utc_ms);
		assert_int_equal(import.s[import.n - 1].to_utc_ms, at_home.utc_ms + 48 * HOUR);
		for (int i = 1; i < import.n; i++)
			assert_int_equal(import.s[i].from_utc_ms, import.s[i - 1].to_utc_ms);
		if (day == 5)
			restart(0); /* a power cut does not take the pattern away */
		pass_long(DAY);
	}
	if (requests() - n > 14 * 24 * 8)
		fail_msg("%d requests in two weeks of silence", requests() - n);
	memset(&server.login, 0, sizeof(server.login));
	memset(server.prices, 0, sizeof(server.prices));
	n = at_home.changed;
	pass(16 * MINUTE);
	assert_state("ok", "");
	assert_true(at_home.changed > n);
	compose(0, 48 * HOUR);
	assert_string_equal(import.source, "flatpeak");
}

/* Across the night the clock changes, the pattern keeps its local hours: 16:00-19:00 is dear on both sides. */
static void test_week_over_change(void **state)
{
	(void)state;
	at_home.utc_ms = utc("2026-03-20T12:00:00Z");
	pass_long(7 * DAY);
	server.login.error = server.prices[0].error = server.prices[1].error = -EHOSTUNREACH;
	pass_long(2 * DAY); /* noon of the 29th, after the change */
	compose(0, 48 * HOUR);
	assert_string_equal(import.source, "last_known");
	assert_float_equal(price_at(&import, utc("2026-03-29T14:59:00Z"), NULL), 0.1, 1e-6);
	assert_float_equal(price_at(&import, utc("2026-03-29T15:00:00Z"), NULL), 0.4, 1e-6);
	assert_float_equal(price_at(&import, utc("2026-03-29T17:59:00Z"), NULL), 0.4, 1e-6);
	assert_float_equal(price_at(&import, utc("2026-03-29T18:00:00Z"), NULL), 0.1, 1e-6);
}

/* Per instant: FlatPeak, then [tariff]; taxes on what is bought only; other money is not mixed. */
static void test_order(void **state)
{
	(void)state;
	assert_int_equal(tariff_parse("00:00-12:00 0.7, 12:00-24:00 0.8", &cfg.tariff.import, NULL), 0);
	cfg.flatpeak.vat_multiplier = 1.2;
	snprintf(cfg.tariff.currency, sizeof(cfg.tariff.currency), "GBP");
	compose(0, 12 * HOUR);
	assert_string_equal(import.source, "tariff");
	assert_string_equal(import.currency, "GBP");
	pass(5 * S);
	compose(0, 100 * HOUR);
	assert_string_equal(import.source, "flatpeak");
	assert_float_equal(import.s[0].value, 0.12, 1e-6);
	assert_float_equal(price_at(&export, at_home.utc_ms, NULL), 0.05, 1e-6);
	assert_float_equal(price_at(&import, utc("2026-03-05T08:59:00Z"), NULL), 0.12, 1e-6);
	assert_float_equal(price_at(&import, utc("2026-03-05T09:00:00Z"), NULL), 0.7, 1e-6); /* beyond what was fetched */
	assert_float_equal(price_at(&import, utc("2026-03-05T12:00:00Z"), NULL), 0.8, 1e-6);

	snprintf(cfg.tariff.currency, sizeof(cfg.tariff.currency), "EUR");
	compose(0, 100 * HOUR);
	assert_string_equal(import.currency, "GBP");
	assert_true(isnan(price_at(&import, utc("2026-03-05T09:00:00Z"), NULL)));
	server.login.error = server.prices[0].error = server.prices[1].error = -EHOSTUNREACH;
	pass_long(37 * HOUR);
	compose(0, 24 * HOUR);
	assert_string_equal(import.source, "tariff");
	assert_string_equal(import.currency, "EUR");
	assert_float_equal(import.s[0].confidence, 1, 0);
	assert_string_equal(export.source, "none");
	assert_true(at_home.changed >= 3); /* growing old is news */
}

/* Unsure below 0.2: as good as unknown. */
static void test_unsure(void **state)
{
	(void)state;
	assert_int_equal(tariff_parse("0.7", &cfg.tariff.import, NULL), 0);
	server.prices[0] = (struct way){ .status = 200, .body =
		"{\"location_id\":\"loc_1\",\"data\":[{\"valid_from\":\"2026-03-02T00:00:00Z\",\"valid_to\":\"2026-03-02T12:00:00Z\","
		"\"price\":{\"value\":-0.02,\"confidence\":0.2}},{\"valid_from\":\"2026-03-02T12:00:00Z\",\"valid_to\":\"2026-03-03T00:00:00Z\","
		"\"price\":{\"value\":0.3,\"confidence\":0.19}}]}" };
	pass(5 * S);
	compose(0, 12 * HOUR);
	assert_int_equal(import.n, 2);
	assert_float_equal(import.s[0].value, -0.02, 1e-6);
	assert_float_equal(import.s[0].confidence, 0.2, 0);
	assert_float_equal(import.s[1].value, 0.7, 1e-6);
}

/* Moving to another location takes nothing along, and coming back finds nothing stale. */
static void test_move(void **state)
{
	(void)state;
	pass(5 * S);
	snprintf(cfg.flatpeak.location_id, sizeof(cfg.flatpeak.location_id), "loc_2");
	server.base = 0.5;
	prices_configure(p, &cfg, &LONDON, KEY);
	compose(0, HOUR);
	assert_int_equal(import.n, 0);
	fake_commit(0);
	assert_int_equal(fake_count(STORE_PRICE), 0);
	pass(5 * S);
	compose(0, HOUR);
	assert_float_equal(import.s[0].value, 0.5, 1e-6);
	assert_null(fake_find(STORE_PRICE, "loc_1/IMPORT/fetched"));
	assert_non_null(fake_find(STORE_PRICE, "loc_2/IMPORT/fetched"));
	snprintf(cfg.flatpeak.location_id, sizeof(cfg.flatpeak.location_id), "loc_1");
	prices_configure(p, &cfg, &LONDON, KEY);
	server.base = 0.6;
	pass(5 * S);
	restart(0);
	compose(0, HOUR);
	assert_float_equal(import.s[0].value, 0.6, 1e-6);
}

#define ONE_PRICE(currency, from, to, value) \
	"{\"location_id\":\"loc_1\",\"currency_code\":\"" currency "\",\"data\":[{\"valid_from\":\"" from "\",\"valid_to\":\"" to \
	"\",\"price\":{\"value\":" value "}}]}"

/* Another account or server: the same, with a write still under way; another version of the same is no move. */
static void test_account(void **state)
{
	(void)state;
	for (int what = 0; what < 3; what++) {
		teardown(state);
		setup(state);
		for (int i = 0; i < 5; i++, at_home.now_ms += S, at_home.utc_ms += S) {
			prices_step(p);
			serve();
		}
		if (what == 0)
			snprintf(cfg.flatpeak.account_id, sizeof(cfg.flatpeak.account_id), "acc_2");
		else if (what == 1)
			snprintf(cfg.flatpeak.api_url, sizeof(cfg.flatpeak.api_url), "https://other.example/");
		else
			snprintf(cfg.flatpeak.busbar_version, sizeof(cfg.flatpeak.busbar_version), "2026-01-01.busbar");
		prices_configure(p, &cfg, &LONDON, KEY);
		compose(0, HOUR);
		assert_int_equal(import.n > 0, what == 2);
		fake_commit(0);
		assert_int_equal(fake_count(STORE_PRICE) > 0, what == 2);
		server.base = 0.5;
		pass(5 * S);
		restart(0);
		compose(0, HOUR);
		assert_float_equal(import.s[0].value, 0.5, 1e-6);
	}
	/* changed while it was off */
	snprintf(cfg.flatpeak.account_id, sizeof(cfg.flatpeak.account_id), "acc_3");
	restart(0);
	compose(0, HOUR);
	assert_int_equal(import.n, 0);
	assert_int_equal(status().fetched_utc_ms, 0);
	server.prices[0] = (struct way){ .status = 200,
		.body = ONE_PRICE("GBP", "2026-03-02T09:07:00Z", "2026-03-02T12:00:00Z", "0.3") };
	pass(5 * S);
	assert_null(fake_find(STORE_PRICE, "loc_1/IMPORT/2026-03-02T00:00:00.000Z")); /* nothing of theirs stays */
	assert_non_null(fake_find(STORE_PRICE, "loc_1/IMPORT/2026-03-02T09:07:00.000Z"));
	restart(0);
	compose(0, HOUR);
	assert_float_equal(import.s[0].value, 0.3, 1e-6);
}

static void refresh(void)
{
	at_home.now_ms += 16 * MINUTE;
	at_home.utc_ms += 16 * MINUTE;
	prices_step(p);
	if (fake_http_waiting() == 0)
		assert_int_equal(prices_refresh(p, NULL), 0);
	pass(5 * S);
}

/* What an answer does not repeat is taken back: fresh is the instant, not the day. As a pattern it stays. */
static void test_taken_back(void **state)
{
	(void)state;
	pass(5 * S);
	compose(0, 48 * HOUR);
	assert_float_equal(price_at(&import, utc("2026-03-02T17:00:00Z"), NULL), 0.4, 1e-6);
	server.prices[0] = (struct way){ .status = 200,
		.body = ONE_PRICE("GBP", "2026-03-02T09:00:00Z", "2026-03-02T12:00:00Z", "0.3") };
	refresh();
	for (int again = 0; again < 2; again++) {
		assert_state("ok", "");
		compose(0, 48 * HOUR);
		assert_float_equal(price_at(&import, utc("2026-03-02T11:59:00Z"), NULL), 0.3, 1e-6);
		assert_true(isnan(price_at(&import, utc("2026-03-02T12:00:00Z"), NULL)));
		assert_true(isnan(price_at(&import, utc("2026-03-03T12:00:00Z"), NULL)));
		restart(0);
	}
	server.login.error = server.prices[0].error = -EHOSTUNREACH;
	pass_long(7 * DAY);
	compose(0, 24 * HOUR);
	assert_string_equal(import.source, "last_known");
	assert_float_equal(price_at(&import, utc("2026-03-09T17:00:00Z"), NULL), 0.4, 1e-6);
	assert_float_equal(price_at(&import, utc("2026-03-09T11:00:00Z"), NULL), 0.3, 1e-6);
}

/* A clock that goes back by more than a little: what was fetched then is asked for anew. */
static void test_clock_back(void **state)
{
	int n;

	(void)state;
	pass(5 * S);
	at_home.utc_ms -= 4 * MINUTE;
	pass(5 * S);
	compose(0, HOUR);
	assert_string_equal(import.source, "flatpeak");
	n = server.asked[0];
	server.prices[0] = server.prices[1] = (struct way){ .error = -EHOSTUNREACH };
	at_home.utc_ms -= 2 * MINUTE;
	pass(5 * S);
	compose(0, HOUR);
	assert_int_equal(import.n, 0);
	assert_state("retrying", "later time than now");
	assert_int_equal(server.asked[0], n + 1);
	memset(server.prices, 0, sizeof(server.prices));
	pass(MINUTE);
	assert_state("ok", "");
	compose(0, HOUR);
	assert_string_equal(import.source, "flatpeak");
}

/* The supplier's money changes: yesterday's numbers mean something else. */
static void test_new_money(void **state)
{
	static struct log_line line[LOG_KEEP];
	int n, told = 0;

	(void)state;
	pass_long(2 * DAY);
	compose(-40 * HOUR, HOUR);
	assert_float_equal(price_at(&import, utc("2026-03-03T10:00:00Z"), NULL), 0.1, 1e-6);
	server.prices[0] = (struct way){ .status = 200,
		.body = ONE_PRICE("EUR", "2026-03-04T00:00:00Z", "2026-03-05T00:00:00Z", "0.3") };
	refresh();
	refresh();
	for (int again = 0; again < 2; again++) {
		compose(-40 * HOUR, HOUR);
		assert_string_equal(import.currency, "EUR");
		assert_true(isnan(price_at(&import, utc("2026-03-03T10:00:00Z"), NULL)));
		assert_float_equal(price_at(&import, at_home.utc_ms, NULL), 0.3, 1e-6);
		restart(0);
	}
	n = log_recent(line, LOG_KEEP);
	for (int i = 0; i < n; i++)
		told += strstr(line[i].text, "IMPORT prices come in EUR now") != NULL;
	assert_int_equal(told, 1);
}

/* One currency for both sides: import's. Export in another one is unknown, and the status says why. */
static void test_two_currencies(void **state)
{
	(void)state;
	snprintf(cfg.tariff.currency, sizeof(cfg.tariff.currency), "EUR");
	assert_int_equal(tariff_parse("0.7", &cfg.tariff.import, NULL), 0);
	server.prices[0] = (struct way){ .status = 422, .body = CODE("no_tariff_connected") };
	pass(5 * S);
	compose(0, HOUR);
	assert_string_equal(import.currency, "EUR");
	assert_string_equal(export.currency, "EUR");
	assert_int_equal(export.n, 0);
	assert_state("no_tariff", "export prices are in GBP, import prices in EUR");
	/* nor as a pattern of the week before, when they have grown old */
	pass_long(8 * DAY);
	server.prices[1].error = -EHOSTUNREACH;
	pass_long(40 * HOUR);
	compose(0, HOUR);
	assert_string_equal(export.source, "none");
	snprintf(cfg.tariff.currency, sizeof(cfg.tariff.currency), "GBP");
	compose(0, HOUR);
	assert_string_equal(export.source, "last_known");
	pass(S);
	assert_null(strstr(status().reason, "export prices are in"));

	teardown(state);
	setup(state);
	snprintf(cfg.tariff.currency, sizeof(cfg.tariff.currency), "EUR");
	assert_int_equal(tariff_parse("0.05", &cfg.tariff.export, NULL), 0);
	server.prices[1] = (struct way){ .status = 422, .body = CODE("no_tariff_connected") };
	pass(5 * S);
	compose(0, HOUR);
	assert_string_equal(import.source, "flatpeak");
	assert_string_equal(export.currency, "GBP");
	assert_int_equal(export.n, 0);
	assert_state("ok", "export prices are in EUR, import prices in GBP");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_restart), T(test_wear),		   T(test_odd_rows), T(test_store_fails), T(test_week),
		T(test_week_over_change), T(test_order), T(test_unsure),   T(test_move),
		T(test_old_rows), T(test_account),	   T(test_taken_back), T(test_clock_back), T(test_new_money), T(test_two_currencies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
