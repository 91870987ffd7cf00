/* Lines, columns and paths in JSON texts, whole and broken ones. */
#include "core/json_place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT                                                                                                                     \
	"{\n\t\"slots\": 3, \"load_kw\": [1,\n 2,NaN],\n\t\"battery\": {\"note\": \"a \\\" } , b\", \"soc_kwh\": -4e1},\n\t\"evs\": " \
	"[{\"id\": \"x\"}, {\"min_kw\": true}]\n}"

static const struct {
	const char *name, *text, *mark; /* the place is where @mark stands first */
	const char *path, *token;
	int line, column;
} AT[] = {
	{ "a bad number in an array", TEXT, "NaN", "load_kw[2]", "NaN", 3, 4 },
	{ "a number of an object", TEXT, "-4e1", "battery.soc_kwh", "-4e1", 4, 47 },
	{ "in the second of a list", TEXT, "true", "evs[1].min_kw", "true", 5, 34 },
	{ "in a text that has brackets", TEXT, "b\"", "battery.note", "b", 4, 32 },
	{ "behind a key", TEXT, ": 3", "slots", "", 2, 9 },
	{ "alone", "nan", "nan", "", "nan", 1, 1 },
	{ "a list in a list", "[[1,2],[3,oops", "oops", "[1][1]", "oops", 1, 11 },
	{ "closes what was never open", "]]}x", "x", "", "x", 1, 4 },
};

static void test_at(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(AT) / sizeof(AT[0]); i++) {
		size_t len = strlen(AT[i].text), offset = (size_t)(strstr(AT[i].text, AT[i].mark) - AT[i].text);
		char *exact = malloc(len); /* no NUL behind it: a read too far is seen */
		struct json_place p;

		memcpy(exact, AT[i].text, len);
		json_place_at(exact, len, offset, &p);
		if (strcmp(p.path, AT[i].path) != 0 || strcmp(p.token, AT[i].token) != 0 || p.line != AT[i].line || p.column != AT[i].column)
			fail_msg("%s: %d:%d %s '%s'", AT[i].name, p.line, p.column, p.path, p.token);
		json_place_at(exact, len, len + 5, &p); /* behind the end is the end */
		assert_string_equal(p.token, "");
		free(exact);
	}
}

static const struct {
	const char *path, *found; /* NULL: nothing */
	int line, column;
} FIND[] = {
	{ "slots", "slots", 2, 11 },
	{ "load_kw[1]", "load_kw[1]", 3, 2 },
	{ "load_kw[9]", "load_kw", 2, 25 },
	{ "battery.soc_kwh", "battery.soc_kwh", 4, 47 },
	{ "battery.capacity_kwh", "battery", 4, 13 },
	{ "evs[1].min_kw", "evs[1].min_kw", 5, 34 },
	{ "load", NULL, 0, 0 }, /* the beginning of a key is none */
	{ "", NULL, 0, 0 },
};

static void test_find(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(FIND) / sizeof(FIND[0]); i++) {
		struct json_place p = { .path = "" };
		const bool found = json_place_find(TEXT, strlen(TEXT), FIND[i].path, &p);

		if (found != (FIND[i].found != NULL) ||
		    (found && (strcmp(p.path, FIND[i].found) != 0 || p.line != FIND[i].line || p.column != FIND[i].column)))
			fail_msg("%s: %d, %d:%d %s", FIND[i].path, found, p.line, p.column, p.path);
	}
}

/* Any cut and any offset of an ugly text: no read behind it, no path longer than its room. */
static void test_cut(void **state)
{
	char ugly[700] = "{\"a\\";
	struct json_place p;

	(void)state;
	for (int i = 0; i < 20; i++)
		strcat(ugly, "{\"a long key of many letters\":[");
	strcat(ugly, "\"\\");
	for (size_t len = 0; len <= strlen(ugly); len++) {
		char *exact = malloc(len ? len : 1);

		memcpy(exact, ugly, len);
		for (size_t offset = 0; offset <= len; offset += 7)
			json_place_at(exact, len, offset, &p);
		json_place_find(exact, len, "a.b[3]", &p);
		assert_true(strlen(p.path) < JSON_PATH_MAX);
		free(exact);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_at), cmocka_unit_test(test_find), cmocka_unit_test(test_cut) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
