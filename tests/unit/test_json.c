/* JSON from outside: what must be refused before cJSON sees it, and getters that never guess. */
#include "core/json.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LEN(s) (s), sizeof(s) - 1

static const struct {
	const char *name, *text;
	size_t len;
	const char *want; /* part of the reason; NULL = accepted */
} PARSE[] = {
	{ "nothing", LEN(""), "empty" },
	{ "white space", LEN(" \n\t "), "not understood" },
	{ "cut behind a comma: cJSON 1.7.15 reads on", LEN("{\"1\":1,"), "ends early, 1 bracket still open" },
	{ "cut in a text", LEN("{\"a"), "has no end" },
	{ "cut behind a backslash", LEN("\"a\\"), "has no end" },
	{ "escaped quote at the end", LEN("\"a\\\""), "has no end" },
	{ "cut in \\u", LEN("\"\\u12\""), "not understood" },
	{ "\\u0000", LEN("\"a\\u0000b\""), "\\u0000 at offset 2" },
	{ "an escaped backslash before u0000", LEN("\"\\\\u0000\""), NULL },
	{ "NUL inside", LEN("{\"a\":1}\0"), "byte 0x00" },
	{ "NUL in a text", LEN("\"a\0b\""), "byte 0x00" },
	{ "lone surrogate bytes", LEN("\"\xed\xa0\x80\""), "not UTF-8" },
	{ "overlong slash", LEN("\"\xc0\xaf\""), "not UTF-8" },
	{ "cut sequence", LEN("\"\xe2\x82\""), "not UTF-8" },
	{ "Latin-1 outside", LEN("[\xe9]"), "outside of text" },
	{ "euro sign", LEN("\"\xe2\x82\xac\""), NULL },
	{ "too deep", LEN("[[[[[1]]]]]"), "nested deeper than 4 at offset 4" },
	{ "as deep as allowed", LEN("[[[[1]]]]"), NULL },
	{ "brackets in a text do not count", LEN("\"[[[[[[[[{{{\""), NULL },
	{ "closes nothing", LEN("]"), "closes nothing" },
	{ "wrong bracket", LEN("[1}"), "not understood" },
	{ "two values", LEN("1 2"), "more text behind" },
	{ "value and rubbish", LEN("{} x"), "more text behind" },
	{ "trailing white space", LEN("{} \r\n\t"), NULL },
	{ "NaN", LEN("[NaN]"), "not understood" },
	{ "too long", LEN("[                                             1]"), "at most 40" },
	{ "number alone", LEN("42"), NULL },
};

static void test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(PARSE) / sizeof(PARSE[0]); i++) {
		char *exact = malloc(PARSE[i].len ? PARSE[i].len : 1); /* no NUL behind it: a read too far is seen */
		struct errbuf err = { "" };
		cJSON *tree;

		memcpy(exact, PARSE[i].text, PARSE[i].len);
		tree = json_parse(exact, PARSE[i].len, 40, 4, &err);
		if (!tree != !!PARSE[i].want || (PARSE[i].want && !strstr(err.text, PARSE[i].want)))
			fail_msg("%s: %s, '%s'", PARSE[i].name, tree ? "taken" : "refused", err.text);
		cJSON_Delete(tree);
		free(exact);
	}
}

/* A tree is many times its text: refused before it is there, whatever the text's own limit. */
static void test_many(void **state)
{
	const size_t size = 2 << 20;
	char *text = malloc(size);
	struct errbuf err = { "" };
	cJSON *tree;

	(void)state;
	for (int objects = 0; objects < 2; objects++) {
		const size_t step = objects ? 3 : 2;
		size_t n = 1;

		for (n = 1; n + step < size; n += step)
			memcpy(text + n, objects ? "[],0" : "0,0,", step);
		text[0] = '[', text[n - 1] = ']';
		assert_null(json_parse(text, n, size, 4, &err));
		assert_non_null(strstr(err.text, "too many values"));
	}
	/* as many as are allowed: the array itself and what is in it; then one more */
	for (size_t i = 0; i < JSON_VALUES_MAX; i++)
		memcpy(text + 1 + 2 * i, "0,", 2);
	text[0] = '[';
	text[2 * (JSON_VALUES_MAX - 1)] = ']';
	tree = json_parse(text, 2 * (JSON_VALUES_MAX - 1) + 1, size, 4, &err);
	assert_non_null(tree);
	assert_int_equal(cJSON_GetArraySize(tree), JSON_VALUES_MAX - 1);
	cJSON_Delete(tree);
	text[2 * (JSON_VALUES_MAX - 1)] = ',';
	text[2 * JSON_VALUES_MAX] = ']';
	assert_null(json_parse(text, 2 * JSON_VALUES_MAX + 1, size, 4, &err));
	free(text);
}

static const char OBJECT[] = "{\"n\":1.5,\"big\":1e999,\"i\":-3,\"max\":9007199254740993,\"t\":\"abc\",\"b\":true,\"z\":null,\"N\":7,\"half\":0.5,"
			     "\"neg\":-1e300}";

static void test_get(void **state)
{
	AUTO_JSON *o = json_parse(LEN(OBJECT), 1000, 4, NULL);
	struct errbuf err;
	char text[4] = "x";
	double d = 99;
	int64_t i = 99;
	bool b = false;

	(void)state;
	assert_non_null(o);
	assert_int_equal(json_get_number(o, "none", 0, 1, &d, &err), 0);
	assert_int_equal(json_get_number(o, "z", 0, 1, &d, &err), 0);
	assert_int_equal(json_get_number(o, "t", 0, 1, &d, &err), -22);
	assert_string_equal(err.text, "t: not a number");
	assert_int_equal(json_get_number(o, "n", 0, 1, &d, &err), -34);
	assert_string_equal(err.text, "n: 1.5 is outside 0..1");
	cJSON_AddNumberToObject(o, "import_w", 99999999);
	cJSON_AddNumberToObject(o, "duration_s", 0);
	assert_int_equal(json_get_number(o, "import_w", 0, 1e6, &d, &err), -34);
	assert_string_equal(err.text, "import_w: 99999999 W is outside 0..1000000 W");
	assert_int_equal(json_get_int(o, "duration_s", 1, 86400, &i, &err), -34);
	assert_string_equal(err.text, "duration_s: 0 s is outside 1..86400 s");
	assert_int_equal(json_get_number(o, "big", 0, INFINITY, &d, &err), -34);
	assert_float_equal(d, 99, 0); /* untouched so far */
	assert_int_equal(json_get_number(o, "n", 1.5, 1.5, &d, &err), 1);
	assert_float_equal(d, 1.5, 0);
	assert_int_equal(json_get_number(o, "N", 0, 9, &d, &err), 1); /* names differ by case */
	assert_float_equal(d, 7, 0);

	assert_int_equal(json_get_int(o, "half", 0, 1, &i, &err), -22);
	assert_int_equal(json_get_int(o, "max", INT64_MIN, INT64_MAX, &i, &err), 1); /* rounded by JSON itself to 2^53 */
	assert_int_equal(json_get_int(o, "neg", INT64_MIN, INT64_MAX, &i, &err), -34);
	assert_int_equal(json_get_int(o, "i", 0, 5, &i, &err), -34);
	assert_string_equal(err.text, "i: -3 is outside 0..5");
	assert_int_equal(json_get_int(o, "i", -3, 5, &i, &err), 1);
	assert_int_equal(i, -3);
	assert_int_equal(json_get_int(o, "z", 0, 5, &i, &err), 0);

	assert_int_equal(json_get_bool(o, "n", &b, &err), -22);
	assert_int_equal(json_get_bool(o, "b", &b, &err), 1);
	assert_true(b);
	assert_int_equal(json_get_bool(o, "none", &b, NULL), 0);

	assert_int_equal(json_get_text(o, "t", text, 3, &err), -34);
	assert_string_equal(text, "x");
	assert_int_equal(json_get_text(o, "t", text, 4, &err), 1);
	assert_string_equal(text, "abc");
	assert_int_equal(json_get_text(o, "n", text, 4, &err), -22);
	assert_int_equal(json_get_text(NULL, "t", text, 4, &err), 0);
}

static void test_add(void **state)
{
	AUTO_JSON *o = cJSON_CreateObject();
	AUTO_TEXT *text = NULL;

	(void)state;
	json_add_number(o, "nan", NAN, 1);
	json_add_number(o, "inf", INFINITY, 1);
	json_add_number(o, "soc", 20.449999, 1);
	json_add_number(o, "w", -0.4, 0); /* never "-0" */
	json_add_number(o, "wh", 123456.5, 0);
	json_add_number(o, "huge", 1e308, 3);
	json_add_time(o, "never", 0);
	json_add_time(o, "at", 1768478400123);
	text = cJSON_PrintUnformatted(o);
	assert_string_equal(text, "{\"soc\":20.4,\"w\":0,\"wh\":123457,\"huge\":1e+308,\"at\":\"2026-01-15T12:00:00.123Z\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_parse), cmocka_unit_test(test_many), cmocka_unit_test(test_get), cmocka_unit_test(test_add) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
