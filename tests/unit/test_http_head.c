/* Tests of http_head: dates of three forms, Retry-After of two, and what strangers make of them. */
#include "support/cm.h"

#include "core/http_head.h"

#include <errno.h>
#include <string.h>

static void test_dates(void **state)
{
	static const struct {
		const char *text;
		int64_t utc_s; /* -1 = none */
	} ROWS[] = {
		{ "", -1 },
		{ "0", -1 },
		{ "1994-11-06T08:49:37Z", -1 },
		{ "Sun, 06 Nov 1994 08:49:37", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 UTC", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 +0100", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT ", -1 },
		{ " Sun, 06 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun, 6 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun,  6 Nov 1994 08:49:37 GMT", -1 },
		{ "Son, 06 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun, 06 Okt 1994 08:49:37 GMT", -1 },
		{ "Sun, 31 Nov 1994 08:49:37 GMT", -1 },
		{ "Thu, 29 Feb 2023 08:49:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 24:00:00 GMT", -1 },
		{ "Sun, 06 Nov 1994 08:60:37 GMT", -1 },
		{ "Sun, 06 Nov 19945 08:49:37 GMT", -1 },
		{ "Sun, 06-Nov-94 08:49:37 GMT", -1 },
		{ "Sunday, 06 Nov 1994 08:49:37 GMT", -1 },
		{ "Sunday, 06-Nov-1994 08:49:37 GMT", -1 },
		{ "Sun Nov 6 08:49:37 1994", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", -1 },
		{ "Sun, 06 Nov 1994 08:49:37 GMT", 784111777 },
		{ "Sunday, 06-Nov-94 08:49:37 GMT", 784111777 },
		{ "Sun Nov  6 08:49:37 1994", 784111777 },
		{ "Sun Nov 06 08:49:37 1994", 784111777 },
		{ "Mon, 06 Nov 1994 08:49:37 GMT", 784111777 }, /* the date counts */
		{ "Thu, 29 Feb 2024 08:49:37 GMT", 1709196577 },
		{ "Sat, 31 Dec 2016 23:59:60 GMT", 1483228800 }, /* a leap second */
		{ "Wednesday, 31-Dec-69 00:00:00 GMT", 3155673600 }, /* 2069 */
		{ "Thursday, 01-Jan-70 00:00:00 GMT", 0 },
		{ "Fri, 31 Dec 9999 23:59:59 GMT", 253402300799 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		int64_t ms = 42;
		const int r = http_date_parse(ROWS[i].text, strlen(ROWS[i].text), &ms);

		assert_row(ROWS[i].text, r == (ROWS[i].utc_s < 0 ? -EINVAL : 0));
		assert_row(ROWS[i].text, ms == (ROWS[i].utc_s < 0 ? 42 : ROWS[i].utc_s * 1000));
	}
	assert_int_equal(http_date_parse("Sun, 06 Nov\0 1994 08:49:37 GMT", 30, &(int64_t){ 0 }), -EINVAL);
}

#define D "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

static void test_retry_after(void **state)
{
	static const struct {
		const char *name, *lines;
		int64_t ms;
	} ROWS[] = {
		{ "nothing", "HTTP/1.1 429 Slow down\r\n\r\n", -1 },
		{ "no value", "Retry-After:\r\n", -1 },
		{ "only blanks", "Retry-After: \t \r\n", -1 },
		{ "negative", "Retry-After: -5\r\n", -1 },
		{ "fraction", "Retry-After: 1.5\r\n", -1 },
		{ "unit", "Retry-After: 5s\r\n", -1 },
		{ "words", "Retry-After: soon\r\n", -1 },
		{ "longer name", "X-Retry-After: 5\r\n", -1 },
		{ "shorter name", "Retry: 5\r\n", -1 },
		{ "space before the colon", "Retry-After : 5\r\n", -1 },
		{ "date without Date", "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", -1 },
		{ "date with a Date that is none", "Date: today\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n", -1 },
		{ "seconds", "Retry-After: 120\r\n", 120000 },
		{ "zero", "Retry-After: 0\r\n", 0 },
		{ "any case, no blank, no line end", "rEtRy-aFtEr:7", 7000 },
		{ "more than a day", "Retry-After: 86401\r\n", 86400000 },
		{ "more than any number", "Retry-After: 99999999999999999999999999\r\n", 86400000 },
		{ "a date", D "Retry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n", 30000 },
		{ "a date before the Date", "Retry-After: Sun, 06 Nov 1994 08:50:07 GMT\r\n" D, 30000 },
		{ "a date that is over", D "Retry-After: Sun, 06 Nov 1994 08:00:00 GMT\r\n", 0 },
		{ "a date far away", D "Retry-After: Mon, 06 Nov 2034 08:00:00 GMT\r\n", 86400000 },
		{ "twice: the first", "Retry-After: 5\r\nRetry-After: 50\r\n", 5000 },
		{ "the first that is one", "Retry-After: soon\r\nRetry-After: 50\r\n", 50000 },
		{ "the last answer's", "HTTP/1.1 103 Hints\r\nRetry-After: 5\r\n\r\nHTTP/1.1 429 No\r\n\r\n", -1 },
		{ "a trailer comes too late", D "Retry-After: 5\r\n\r\nDate: Mon, 07 Nov 1994 08:49:37 GMT\r\nRetry-After: 9\r\n", 5000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct http_head head = { 0 };

		for (const char *line = ROWS[i].lines; *line;) {
			const char *end = strchr(line, '\n');
			const size_t n = end ? (size_t)(end - line) + 1 : strlen(line);

			http_head_line(&head, line, n);
			line += n;
		}
		assert_row(ROWS[i].name, http_head_retry_after_ms(&head) == ROWS[i].ms);
		assert_row(ROWS[i].name, head.date_utc_ms == (strstr(ROWS[i].lines, D) ? 784111777000 : 0));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_dates), cmocka_unit_test(test_retry_after) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
