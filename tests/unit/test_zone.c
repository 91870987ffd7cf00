/* Zones probed from libc agree with libc everywhere, and the process's own TZ survives. */
#include "io/zone.h"

#include <time.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void agrees(const char *name)
{
	static struct zone z;
	char value[64] = ":";
	int transitions = 0;
	int32_t last = 0;

	assert_int_equal(zone_load(name, &z, NULL), 0);
	assert_string_equal(z.name, name);
	setenv("TZ", strcat(value, name), 1);
	tzset();
	for (int64_t s = 1577836800; s < 2398377600; s += 7 * 3600 + 11) {
		const time_t t = (time_t)s;
		struct tm tm;

		localtime_r(&t, &tm);
		if (tm.tm_gmtoff != calendar_offset_s(&z, s * 1000))
			fail_msg("%s at %lld", name, (long long)s);
		transitions += tm.tm_gmtoff != last;
		last = (int32_t)tm.tm_gmtoff;
	}
	for (int i = 1; i < z.n; i++) { /* to the second */
		const time_t t = (time_t)z.t[i].from_utc_s - 1;
		struct tm tm;

		localtime_r(&t, &tm);
		assert_int_equal(tm.tm_gmtoff, z.t[i - 1].offset_s);
	}
	assert_in_range(z.n, transitions ? transitions - 1 : 1, transitions + 1);
	unsetenv("TZ");
	tzset();
}

static void test_zones(void **state)
{
	/* changes at UTC 01:00, at local midnight, by half an hour, by Ramadan, never, date line, negative summer time */
	static const char *const NAMES[] = { "Europe/London",	   "America/Santiago", "Australia/Lord_Howe", "Africa/Casablanca",
					     "Asia/Kathmandu",	   "Pacific/Apia",     "Europe/Dublin",	      "America/New_York",
					     "UTC" };

	(void)state;
	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
		agrees(NAMES[i]);
}

static void test_unknown(void **state)
{
	static const char *const NAMES[] = { "", "Europe/Lodnon", "/etc/passwd", "../../../etc/passwd", "Europe", "Europe/../UTC",
					     "A/name/that/is/longer/than/any/zone/could/be/at/all" };
	static struct zone z;
	struct errbuf err;
	char nearest[64];

	(void)state;
	z.n = 42;
	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
		assert_int_equal(zone_load(NAMES[i], &z, &err), -2);
		assert_false(zone_known(NAMES[i], nearest, sizeof(nearest)));
	}
	assert_int_equal(z.n, 42);
	assert_false(zone_known("Europe/Lodnon", nearest, sizeof(nearest)));
	assert_string_equal(nearest, "Europe/London");
	assert_true(zone_known("Europe/London", nearest, sizeof(nearest)));
	assert_string_equal(nearest, "");
}

static void test_restores(void **state)
{
	static struct zone z;

	(void)state;
	setenv("TZ", "Asia/Tokyo", 1);
	tzset();
	assert_int_equal(zone_load("Europe/London", &z, NULL), 0);
	assert_string_equal(getenv("TZ"), "Asia/Tokyo");
	assert_int_equal(timezone, -9 * 3600);
	unsetenv("TZ");
	tzset();
	assert_int_equal(zone_load("Europe/London", &z, NULL), 0);
	assert_null(getenv("TZ"));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_zones), cmocka_unit_test(test_unknown), cmocka_unit_test(test_restores) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
