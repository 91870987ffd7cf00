/* R/tariff's text: parsed back it is the series, whatever its size. */
#include "support/cm.h"

#include "core/json.h"
#include "core/price.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct price_series series;

static void check(int n)
{
	char *text = price_print(&series);
	AUTO_JSON *o = text ? json_parse(text, strlen(text), 1 << 20, 8, NULL) : NULL;
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "prices");

	assert_non_null(o);
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "source")), n ? series.source : "none");
	assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "currency")), series.currency);
	assert_int_equal(cJSON_GetArraySize(list), n);
	for (int i = 0; i < n; i++) {
		const cJSON *s = cJSON_GetArrayItem(list, i);
		int64_t from;

		assert_int_equal(calendar_parse(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(s, "from")), &from), 0);
		assert_true(from == series.s[i].from_utc_ms);
		assert_true(fabs(cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(s, "value")) - series.s[i].value) < 6e-7);
	}
	free(text);
}

static void test_print(void **state)
{
	(void)state;
	memset(series.currency, 'G', 3);
	memset(series.timezone, '"', sizeof(series.timezone) - 1); /* the longest once escaped */
	memset(series.source, '\x01', sizeof(series.source) - 1);
	check(0);
	for (int i = 0; i < PRICE_SEGMENTS_MAX; i++) {
		series.s[i].from_utc_ms = 253402300000000LL - (PRICE_SEGMENTS_MAX - i) * 900000LL; /* the year 9999 */
		series.s[i].to_utc_ms = series.s[i].from_utc_ms + 900000;
		series.s[i].value = i % 2 ? -999.999999 : 0.24530;
		series.s[i].confidence = 0.333;
	}
	series.n = 2;
	check(2);
	series.n = PRICE_SEGMENTS_MAX;
	check(PRICE_SEGMENTS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_print) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
