/* Scenario files: what is taken, and what is refused with which words. Every shipped one is among them. */
#include "simulate/scenario.h"
#include "support/cm.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "\"format\":\"hearth-scenario/1\""

static const struct {
	const char *name, *text, *want; /* want: part of the reason, "" = it is fine */
} ROWS[] = {
	{ "nothing", "", "JSON" },
	{ "a list", "[]", "scenario: not an object" },
	{ "no format", "{}", "format: must be" },
	{ "another format", "{\"format\":\"hearth-scenario/2\"}", "format: must be" },
	{ "the least", "{" FORMAT "}", "" },
	{ "deep", "{" FORMAT ",\"load\":[[[[[[[[[[1]]]]]]]]]]}", "nested deeper" },
	{ "unknown key", "{" FORMAT ",\"dayz\":3}", "dayz: there is no such key, did you mean days?" },
	{ "unknown key inside", "{" FORMAT ",\"pv\":{\"tild_deg\":3}}", "pv.tild_deg: there is no such key, did you mean tilt_deg?" },
	{ "unknown key far off", "{" FORMAT ",\"zzzzzzzzz\":3}", "zzzzzzzzz: there is no such key" },
	{ "days 0", "{" FORMAT ",\"days\":0}", "days: 0 is outside 1..800" },
	{ "days half", "{" FORMAT ",\"days\":1.5}", "days: 1.5 is not a whole number" },
	{ "days text", "{" FORMAT ",\"days\":\"7\"}", "days: not a number" },
	{ "tick", "{" FORMAT ",\"tick_s\":60}", "tick_s: 60 s is outside 1..10" },
	{ "huge", "{" FORMAT ",\"days\":1e300}", "days: 1e+300 is outside" },
	{ "negative seed", "{" FORMAT ",\"seed\":-1}", "seed: -1 is outside" },
	{ "start no day", "{" FORMAT ",\"start\":\"2025-02-30\"}", "start: a local day" },
	{ "start too early", "{" FORMAT ",\"start\":\"1999-01-01\"}", "start: a local day" },
	{ "start number", "{" FORMAT ",\"start\":2025}", "start: a local day" },
	{ "battery without size", "{" FORMAT ",\"battery\":{\"soc_pct\":50}}", "battery.capacity_wh: it must be said" },
	{ "battery of no size", "{" FORMAT ",\"battery\":{\"capacity_wh\":0}}", "battery.capacity_wh: 0 Wh is outside 100..1000000 Wh" },
	{ "second battery", "{" FORMAT ",\"battery\":[{\"capacity_wh\":1000},{\"capacity_wh\":1000,\"charge_eff\":2}]}", "battery[1].charge_eff: 2 is outside" },
	{ "five batteries", "{" FORMAT ",\"battery\":[{},{},{},{},{}]}", "battery: at most 4" },
	{ "a number as battery", "{" FORMAT ",\"battery\":7}", "battery: not an object" },
	{ "empty below its minimum", "{" FORMAT ",\"battery\":{\"capacity_wh\":1000,\"soc_pct\":3}}", "soc_pct: 3 % is below soc_min_pct" },
	{ "price windows", "{" FORMAT ",\"tariff\":{\"import\":\"00:00-07:00 0.1, 07:00-24:00 0.3\"}}", "" },
	{ "price gap", "{" FORMAT ",\"tariff\":{\"import\":\"00:00-07:00 0.1\"}}", "tariff.import: gap between 07:00 and 24:00" },
	{ "price of a pence", "{" FORMAT ",\"tariff\":{\"export\":5000}}", "tariff.export: price 5000 is outside" },
	{ "both kinds", "{" FORMAT ",\"tariff\":{\"import\":{\"market\":{},\"half_hours\":[]}}}", "import: a price, windows" },
	{ "market", "{" FORMAT ",\"tariff\":{\"import\":{\"market\":{\"mean\":0.1}},\"known\":\"day-ahead\"}}", "" },
	{ "market key", "{" FORMAT ",\"tariff\":{\"import\":{\"market\":{\"maen\":0.1}}}}", "tariff.import.market.maen: there is no such key, did you mean mean?" },
	{ "few half hours", "{" FORMAT ",\"tariff\":{\"import\":{\"half_hours\":[1,2]}}}", "tariff.import.half_hours: a list of 48" },
	{ "known", "{" FORMAT ",\"tariff\":{\"known\":\"never\"}}", "tariff.known: \"always\" or" },
	{ "car days", "{" FORMAT ",\"car\":{\"days\":\"mon-fry\"}}", "car.days: days are as in" },
	{ "car time", "{" FORMAT ",\"car\":{\"arrives\":\"25:00\"}}", "car.arrives: not a time of day" },
	{ "car stays", "{" FORMAT ",\"car\":{\"arrives\":\"08:00\",\"leaves\":\"08:00\"}}", "car.leaves: not the time it arrives" },
	{ "car of two phases", "{" FORMAT ",\"car\":{\"phases\":2}}", "car.phases: 1 or 3" },
	{ "car known", "{" FORMAT ",\"car\":{\"known\":\"habbit\"}}", "car.known: \"told\" or \"habit\"" },
	{ "car by habit", "{" FORMAT ",\"car\":{\"known\":\"habit\"}}", "" },
	{ "car mode", "{" FORMAT ",\"car\":{\"mode\":\"solar\"}}", "car.mode: \"cheap\" or" },
	{ "event", "{" FORMAT ",\"events\":[{\"day\":\"wed\"},{\"minutes\":1}]}", "events[1].minutes: 1 is outside 5..720" },
	{ "events no list", "{" FORMAT ",\"events\":{}}", "events: a list of at most 8" },
	{ "reserve", "{" FORMAT ",\"site\":{\"reserve_pct\":101}}", "site.reserve_pct: 101 % is outside 0..100 %" },
	{ "flag", "{" FORMAT ",\"site\":{\"battery_export\":1}}", "site.battery_export: neither true nor false" },
};

static void test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct errbuf err = { "" };
		struct scenario s;
		int rc = scenario_parse(ROWS[i].text, strlen(ROWS[i].text), &s, &err);

		if ((rc == 0) != (ROWS[i].want[0] == '\0') || !strstr(err.text, ROWS[i].want))
			fail_msg("%s: %d, '%s'", ROWS[i].name, rc, err.text);
		if (rc == 0)
			scenario_deinit(&s);
	}
}

static void test_values(void **state)
{
	static const char TEXT[] = "{" FORMAT ",\"name\":\"x\",\"start\":\"2026-03-29\",\"days\":3,\"seed\":9,\"battery\":[{\"capacity_wh\":5000},{\"capacity_wh\":"
				   "7000,\"native\":false}],\"car\":{\"days\":\"sat,sun\",\"arrives\":\"17:30\"},\"events\":[{\"day\":\"fri-mon\",\"pay\":0.5}],"
				   "\"tariff\":{\"export\":0.125},\"plan\":{\"horizon_h\":24}}";
	struct errbuf err = { "" };
	struct scenario s;

	(void)state;
	assert_int_equal(scenario_parse(TEXT, strlen(TEXT), &s, &err), 0);
	assert_string_equal(s.name, "x");
	assert_int_equal(s.start_month * 100 + s.start_day, 329);
	assert_int_equal(s.days, 3);
	assert_int_equal(s.seed, 9);
	assert_int_equal(s.n_batteries, 2);
	assert_true(s.battery[0].capacity_wh == 5000 && s.battery[0].native && s.battery[0].charge_eff == 0.95);
	assert_true(s.battery[1].capacity_wh == 7000 && !s.battery[1].native);
	assert_int_equal(s.car.days, 0x41);
	assert_int_equal(s.car.arrives_min, 1050);
	assert_int_equal(s.event[0].days, 1 << 5 | 1 << 6 | 1 | 2);
	assert_true(s.event[0].pay == 0.5 && s.export.windows.w[0].price == 0.125 && s.import.windows.w[0].price == 0.28);
	assert_int_equal(s.plan.horizon_h, 24);
	scenario_deinit(&s);
}

static void test_half_hours(void **state)
{
	char text[2000];
	size_t n = (size_t)snprintf(text, sizeof(text), "{" FORMAT ",\"tariff\":{\"import\":{\"half_hours\":[");
	struct errbuf err = { "" };
	struct scenario s;

	(void)state;
	for (int i = 0; i < 48; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.2f", i ? "," : "", i / 100.0);
	snprintf(text + n, sizeof(text) - n, "]}}}");
	assert_int_equal(scenario_parse(text, strlen(text), &s, &err), 0);
	assert_int_equal(s.import.kind, PRICE_VALUES);
	assert_int_equal(s.import.n_values, 48);
	assert_true(fabs((double)s.import.value[47] - 0.47) < 1e-6);
	scenario_deinit(&s);
	scenario_deinit(&s); /* twice is fine */
	text[n - 1] = 'x';
	assert_true(scenario_parse(text, strlen(text), &s, &err) < 0);
}

/* A text of random cuts and changes is taken or refused, and leaves nothing behind (the sanitizers look). */
static void test_damaged(void **state)
{
	static const char TEXT[] = "{" FORMAT ",\"battery\":[{\"capacity_wh\":5000}],\"events\":[{\"day\":\"wed\"}],\"tariff\":{\"import\":{\"half_hours\":[0,1]}}}";
	unsigned random = 7;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		char text[sizeof(TEXT)];
		struct errbuf err = { "" };
		struct scenario s;
		size_t len;

		memcpy(text, TEXT, sizeof(TEXT));
		random = random * 1103515245u + 12345u;
		text[random / 65536 % (sizeof(TEXT) - 1)] = (char)(32 + random / 7 % 90);
		random = random * 1103515245u + 12345u;
		len = random / 65536 % 4 ? sizeof(TEXT) - 1 : random / 65536 % sizeof(TEXT);
		if (scenario_parse(text, len, &s, &err) == 0)
			scenario_deinit(&s);
		else
			assert_true(err.text[0] != '\0');
	}
}

static void test_shipped(void **state)
{
	const char *folder = HEARTH_SOURCE_DIR "/packaging/scenarios";
	DIR *d = opendir(folder);
	struct dirent *e;
	int n = 0;

	(void)state;
	assert_non_null(d);
	while ((e = readdir(d))) {
		char path[600], text[20000];
		struct errbuf err = { "" };
		struct scenario s;
		size_t len;
		FILE *f;

		if (!strstr(e->d_name, ".json"))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		f = fopen(path, "rb");
		assert_non_null(f);
		len = fread(text, 1, sizeof(text), f);
		fclose(f);
		if (scenario_parse(text, len, &s, &err) < 0)
			fail_msg("%s: %s", e->d_name, err.text);
		assert_true(strlen(s.name) + 5 == strlen(e->d_name) && strncmp(s.name, e->d_name, strlen(s.name)) == 0);
		assert_true(s.about[0] && s.n_batteries && s.seed == 1 && s.load.noise == 1 && s.pv.clouds == 1 && !s.perfect_forecast);
		scenario_deinit(&s);
		n++;
	}
	closedir(d);
	assert_true(n >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	cmocka_unit_test(test_values),	cmocka_unit_test(test_half_hours),
		cmocka_unit_test(test_damaged), cmocka_unit_test(test_shipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
