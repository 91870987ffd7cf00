/* The mock FlatPeak without sockets: zones, tariffs, the forms of its answers; and which requests a cloud's fault hits. */
#include "sim/cloud_fault.c"
#include "sim/mock_flatpeak.c"
#include "sim/mock_tariff.c"
#include "sim/mock_url.c"
#include "support/seed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define NOW 1768478400000 /* 2026-01-15T12:00:00Z */

static struct mock_flatpeak peak;
static char bearer[80];

static int setup(void **state)
{
	struct mock_request q = { .method = "GET",
				  .target = "/login",
				  .authorization = "Basic YWNjX3NpbTpza190ZXN0X3NpbQ==" };
	struct mock_reply r = { 0 };

	(void)state;
	mock_flatpeak_init(&peak, "acc_sim", "sk_test_sim", "loc_sim", 1);
	q.now_utc_ms = NOW;
	mock_flatpeak_handle(&peak, &q, &r);
	assert_int_equal(r.status, 200);
	snprintf(bearer, sizeof(bearer), "Bearer %s", cJSON_GetObjectItem(r.body, "bearer_token")->valuestring);
	cJSON_Delete(r.body);
	return 0;
}

static void test_zones(void **state)
{
	static const struct {
		const char *zone, *at;
		int want;
	} ROWS[] = {
		{ "UTC", "2026-07-01T00:00:00Z", 0 },
		{ "Europe/London", "2026-01-01T00:00:00Z", 0 },
		{ "Europe/London", "2026-03-29T00:59:59.999Z", 0 },
		{ "Europe/London", "2026-03-29T01:00:00Z", 60 },
		{ "Europe/London", "2026-10-25T00:59:59Z", 60 },
		{ "Europe/London", "2026-10-25T01:00:00Z", 0 },
		{ "Europe/London", "2026-12-31T23:59:59Z", 0 },
		{ "Europe/Berlin", "2024-03-31T00:59:59Z", 60 }, /* the last Sunday is the 31st; a leap year */
		{ "Europe/Berlin", "2024-03-31T01:00:00Z", 120 },
		{ "Europe/Berlin", "2024-10-27T01:00:00Z", 60 },
		{ "Europe/Berlin", "2027-03-28T01:00:00Z", 120 },
		{ "Europe/Berlin", "2027-10-31T00:59:59Z", 120 },
		{ "Europe/Berlin", "2027-10-31T01:00:00Z", 60 },
		{ "Europe/Berlin", "2028-02-29T12:00:00Z", 60 },
		{ "Europe/Berlin", "2000-03-26T01:00:00Z", 120 },
		{ "Europe/Berlin", "1970-01-01T00:00:00Z", 60 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		int64_t at;

		assert_int_equal(calendar_parse(ROWS[i].at, &at), 0);
		if (mock_zone_offset_min(mock_zone_find(ROWS[i].zone), at) != ROWS[i].want)
			fail_msg("%s %s", ROWS[i].zone, ROWS[i].at);
	}
	assert_null(mock_zone_find("Europe/Atlantis"));
}

static void test_schedules(void **state)
{
	static const struct {
		const char *json;
		int want; /* kind, or negative */
	} ROWS[] = {
		{ "true", -EINVAL },
		{ "{}", -EINVAL },
		{ "[]", -EINVAL },
		{ "\"hourly\"", -EINVAL },
		{ "[7]", -EINVAL },
		{ "[[\"00:00\",\"12:00\"]]", -EINVAL },
		{ "[[\"00:00\",\"12:00\",\"1\"]]", -EINVAL },
		{ "[[\"00:00\",\"25:00\",1]]", -EINVAL },
		{ "[[\"00:00\",\"24:01\",1]]", -EINVAL },
		{ "[[\"00:60\",\"12:00\",1]]", -EINVAL },
		{ "[[\"0:00x\",\"12:00\",1]]", -EINVAL },
		{ "[[\"00:00\",\"12:00\",1],[\"11:59\",\"13:00\",2]]", -EINVAL },
		{ "[[\"22:00\",\"02:00\",1],[\"01:00\",\"03:00\",2]]", -EINVAL },
		{ "[[\"00:00\",\"00:00\",1],[\"01:00\",\"03:00\",2]]", -EINVAL },
		{ "null", MOCK_TARIFF_NONE },
		{ "-0.1", MOCK_TARIFF_FLAT },
		{ "\"half-hourly\"", MOCK_TARIFF_HALF_HOURLY },
		{ "[[\"22:00\",\"02:00\",1],[\"02:00\",\"22:00\",2]]", MOCK_TARIFF_WINDOWS },
		{ "[[\"00:00\",\"24:00\",1]]", MOCK_TARIFF_WINDOWS },
		{ "[[\"08:00\",\"09:00\",1]]", MOCK_TARIFF_WINDOWS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		cJSON *o = cJSON_Parse(ROWS[i].json), *back;
		struct mock_tariff t = { .n = -7 };
		struct errbuf err = { "" };
		int e = mock_tariff_read(o, &t, &err);

		if ((e < 0 ? e : (int)t.kind) != ROWS[i].want)
			fail_msg("%s: %d %s", ROWS[i].json, e, err.text);
		if (e < 0) {
			assert_int_equal(t.n, -7); /* untouched */
			assert_true(err.text[0]);
		} else {
			back = mock_tariff_json(&t);
			assert_true(t.kind == MOCK_TARIFF_WINDOWS || cJSON_Compare(o, back, 1));
			cJSON_Delete(back);
		}
		cJSON_Delete(o);
	}
}

/* By chance: elements ascend without overlap, and each minute has the price it should have. */
static void test_expand_by_chance(void **state)
{
	static struct mock_element e[MOCK_ELEMENTS_MAX];
	unsigned seed = (unsigned)seed_of("HEARTH_SEED");
	struct mock_tariff t = { .kind = MOCK_TARIFF_WINDOWS, .n = 2, .window = { { 1410, 330, 0.1 }, { 330, 1000, 0.3 } } };
	const struct mock_zone *z = mock_zone_find("Europe/Berlin");

	(void)state;
	for (int round = 0; round < 50; round++) {
		int64_t from = NOW + rand_r(&seed) % 400 * 86400000LL + rand_r(&seed) % 86400000;
		int64_t to = from + 1 + rand_r(&seed) % (3 * 86400000);
		int n, k = 0;

		t.kind = round % 2 ? MOCK_TARIFF_WINDOWS : MOCK_TARIFF_HALF_HOURLY;
		n = mock_tariff_expand(&t, z, false, from, to, e);
		for (int i = 0; i < n; i++) {
			assert_true(e[i].from_ms < e[i].to_ms);
			assert_true(i == 0 || e[i].from_ms >= e[i - 1].to_ms);
		}
		for (int64_t at = from; at < to; at += 7 * 60000) {
			int minute = (int)((at / 60000 + mock_zone_offset_min(z, at)) % 1440);
			int want = minute >= 1410 || minute < 330 ? 0 : minute < 1000 ? 1 : -1;

			while (k < n && e[k].to_ms <= at)
				k++;
			if (t.kind == MOCK_TARIFF_HALF_HOURLY) {
				assert_true(k < n && e[k].from_ms <= at);
				assert_true((minute >= 720 && minute < 870) == (e[k].value < 0));
				assert_true(e[k].to_ms - e[k].from_ms <= 1800000);
			} else if (want < 0) {
				assert_true(k == n || e[k].from_ms > at); /* a gap */
			} else {
				assert_true(k < n && e[k].from_ms <= at && e[k].value == t.window[want].value);
			}
		}
	}
}

/* Status of POST /prices/loc_sim with this body; the first element's times into @first. */
static int prices(const char *body, char *first, size_t size)
{
	struct mock_request q = {
		.method = "POST", .target = "/prices/loc_sim", .authorization = bearer, .type = "application/json"
	};
	struct mock_reply r = { 0 };
	const cJSON *row;

	q.body = body;
	q.len = strlen(body);
	q.now_utc_ms = NOW;
	mock_flatpeak_handle(&peak, &q, &r);
	row = cJSON_GetArrayItem(cJSON_GetObjectItem(r.body, "data"), 0);
	snprintf(first, size, "%s %s", row ? cJSON_GetObjectItem(row, "valid_from")->valuestring : "",
		 row ? cJSON_GetObjectItem(row, "valid_to")->valuestring : "");
	cJSON_Delete(r.body);
	return r.status;
}

static void test_times(void **state)
{
	static const struct {
		const char *body;
		int want;
		const char *first;
	} ROWS[] = {
		{ "{}", 400, " " },
		{ "{\"end_time\":7}", 400, " " },
		{ "{\"end_time\":\"2026-01-15\"}", 400, " " },
		{ "{\"end_time\":\"2026-01-16 00:00:00Z\"}", 400, " " },
		{ "{\"end_time\":\"2026-01-16T00:00:00\"}", 400, " " },
		{ "{\"end_time\":\"2026-01-16T00:00:00Z\",\"start_time\":\"x\"}", 400, " " },
		{ "{\"end_time\":\"2026-01-15T12:00:00Z\"}", 400, " " },
		{ "{\"end_time\":\"2026-04-15T12:00:00.001Z\"}", 400, " " },
		{ "{\"end_time\":\"2026-04-15T12:00:00Z\"}", 200, "2026-01-15T12:00:00Z 2026-04-15T12:00:00Z" },
		{ "{\"end_time\":\"2026-01-15T12:00:00.250Z\"}", 200, "2026-01-15T12:00:00Z 2026-01-15T12:00:00.250Z" },
		{ "{\"end_time\":\"2026-01-15T18:00:00+05:30\"}", 200,
		  "2026-01-15T17:30:00+05:30 2026-01-15T18:00:00+05:30" },
		{ "{\"end_time\":\"2026-01-15T12:00:00-00:30\",\"start_time\":\"2026-01-15T13:00:00+01:00\"}", 200,
		  "2026-01-15T11:30:00-00:30 2026-01-15T12:00:00-00:30" },
	};
	char first[96];

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		int status = prices(ROWS[i].body, first, sizeof(first));

		if (status != ROWS[i].want || strcmp(first, ROWS[i].first) != 0)
			fail_msg("%s: %d %s", ROWS[i].body, status, first);
	}
}

static void test_bearers(void **state)
{
	char first[96];
	static const char BODY[] = "{\"end_time\":\"2026-01-16T00:00:00Z\"}";
	struct mock_request q = { .method = "GET",
				  .target = "/login",
				  .authorization = "Basic YWNjX3NpbTpza190ZXN0X3NpbQ==" };

	(void)state;
	for (int i = 0; i < MOCK_BEARERS_MAX; i++) {
		struct mock_reply r = { 0 };

		assert_int_equal(prices(BODY, first, sizeof(first)), 200);
		mock_flatpeak_handle(&peak, &q, &r);
		cJSON_Delete(r.body);
	}
	assert_int_equal(prices(BODY, first, sizeof(first)), 401); /* sixteen newer ones */
}

static void test_bad_logins(void **state)
{
	static const char *const HEADERS[] = { NULL,
					       "",
					       "Basic",
					       "Basic ",
					       "Basic !",
					       "Bearer x",
					       "Basic YWNjX3NpbTpza190ZXN0X3NpYg==",
					       "Basic YWNjX3NpbTpza190ZXN0X3NpbXg=" };

	(void)state;
	for (size_t i = 0; i < sizeof(HEADERS) / sizeof(HEADERS[0]); i++)
		assert_false(login_right(&peak, HEADERS[i]));
}

static void test_faults(void **state)
{
	struct cloud_faults f = { 0 };
	struct cloud_fault one = { .counted = true, .left = 2 }, got;

	(void)state;
	assert_int_equal(cloud_fault_by_name("200", &one), -EINVAL);
	assert_int_equal(cloud_fault_by_name("600", &one), -EINVAL);
	assert_int_equal(cloud_fault_by_name("", &one), -EINVAL);
	assert_int_equal(cloud_fault_by_name("4o4", &one), -EINVAL);
	assert_int_equal(cloud_fault_by_name("404", &one), 0);
	snprintf(one.path, sizeof(one.path), "/v1/t");
	assert_int_equal(cloud_fault_add(&f, &one, false), 0);
	assert_false(cloud_fault_take(&f, "/v1", 0, &got));
	assert_true(cloud_fault_take(&f, "/v1/telemetry", 0, &got));
	assert_true(cloud_fault_take(&f, "/v1/t", 0, &got));
	assert_false(cloud_fault_take(&f, "/v1/t", 0, &got)); /* used up */
	one = (struct cloud_fault){ .kind = CLOUD_FAULT_HTML, .until_ms = 100 };
	assert_int_equal(cloud_fault_add(&f, &one, false), 0);
	assert_true(cloud_fault_take(&f, "/", 99, &got));
	assert_false(cloud_fault_take(&f, "/", 100, &got));
	assert_int_equal(f.n, 0);
	one.until_ms = 0;
	for (int i = 0; i < CLOUD_FAULTS_MAX; i++)
		assert_int_equal(cloud_fault_add(&f, &one, true), 0);
	assert_int_equal(cloud_fault_add(&f, &one, true), -ENOSPC);
	assert_int_equal(cloud_fault_add(&f, &one, false), 0); /* in their place */
	assert_int_equal(f.n, 1);
}

static void test_urls(void **state)
{
	static const struct {
		const char *target;
		int n; /* negative: refused */
		const char *last;
	} ROWS[] = {
		{ "", -1, "" },
		{ "x", -1, "" },
		{ "/%", -1, "" },
		{ "/%4", -1, "" },
		{ "/%4g", -1, "" },
		{ "/%00", -1, "" },
		{ "/", 1, "" },
		{ "/a/", 2, "" },
		{ "//", 2, "" },
		{ "/a%2Fb", 1, "a/b" },
		{ "/a+b", 1, "a+b" },
		{ "/%C3%A9?x/y", 1, "\xc3\xa9" },
		{ "/1/2/3/4/5/6/7/8", 8, "8" },
		{ "/1/2/3/4/5/6/7/8/9", -1, "" },
	};
	struct url u;
	char value[8];
	int number = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		int e = url_parse(ROWS[i].target, &u);

		if ((e < 0) != (ROWS[i].n < 0) ||
		    (e == 0 && (u.n != ROWS[i].n || strcmp(u.segment[u.n - 1], ROWS[i].last) != 0)))
			fail_msg("%s", ROWS[i].target);
	}
	assert_int_equal(url_parse("/a?skip=3&skipper=4&t=a%2Bb+c&e=&bad=%zz&long=123456789", &u), 0);
	assert_int_equal(url_query(&u, "t", value, sizeof(value)), 1);
	assert_string_equal(value, "a+b c");
	assert_int_equal(url_query(&u, "none", value, sizeof(value)), 0);
	assert_int_equal(url_query(&u, "bad", value, sizeof(value)), -EINVAL);
	assert_int_equal(url_query(&u, "long", value, sizeof(value)), -EINVAL);
	assert_int_equal(url_query_int(&u, "skip", 0, &number), 0);
	assert_int_equal(number, 3);
	assert_int_equal(url_query_int(&u, "skip", 4, &number), -EINVAL);
	assert_true(url_is(&u, "/{id}"));
	assert_false(url_is(&u, "/a/{id}"));
	assert_false(url_is(&u, "/ab"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zones),
		cmocka_unit_test(test_schedules),
		cmocka_unit_test(test_expand_by_chance),
		cmocka_unit_test_setup(test_times, setup),
		cmocka_unit_test_setup(test_bearers, setup),
		cmocka_unit_test_setup(test_bad_logins, setup),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
