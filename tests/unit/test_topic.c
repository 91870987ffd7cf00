/* Topics: what lies below our root, and whose request it is. */
#include "core/topic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_make(void **state)
{
	struct topic_root r;
	char out[40], tiny[12], exact[19], none[1];

	(void)state;
	topic_root_set(&r, "hearth/1", "home");
	assert_string_equal(r.text, "hearth/1/home");
	assert_string_equal(topic_make(&r, out, sizeof(out), "device/%s", "bat"), "hearth/1/home/device/bat");
	assert_string_equal(topic_make(&r, exact, sizeof(exact), "site"), "hearth/1/home/site");
	assert_string_equal(topic_make(&r, exact, sizeof(exact), "sites"), ""); /* cut is never published */
	assert_string_equal(topic_make(&r, tiny, sizeof(tiny), "site"), "");
	assert_string_equal(topic_make(&r, none, sizeof(none), "site"), "");
	assert_string_equal(topic_make(&r, out, 0, "site"), "");
}

static void test_root_too_long(void **state)
{
	struct topic_root r;
	char root[140], out[200];

	(void)state;
	memset(root, 'a', sizeof(root) - 1);
	root[sizeof(root) - 1] = '\0';
	topic_root_set(&r, root, "home");
	assert_string_equal(r.text, "");
	assert_string_equal(topic_make(&r, out, sizeof(out), "site"), "");
	assert_null(topic_below(&r, "/site"));
}

static void test_below(void **state)
{
	struct topic_root r;

	(void)state;
	topic_root_set(&r, "hearth/1", "home");
	assert_null(topic_below(&r, ""));
	assert_null(topic_below(&r, "hearth/1/home"));
	assert_null(topic_below(&r, "hearth/1/home2/request/ping"));
	assert_null(topic_below(&r, "hearth/1/hom/request/ping"));
	assert_string_equal(topic_below(&r, "hearth/1/home/"), "");
	assert_string_equal(topic_below(&r, "hearth/1/home/request/ping"), "request/ping");
}

static const struct {
	const char *below, *user, *verb; /* verb NULL = not a request */
} REQUESTS[] = {
	{ "", NULL, NULL },
	{ "request", NULL, NULL },
	{ "request/", NULL, NULL },
	{ "request/a/b", NULL, NULL },
	{ "request/verbverbverbverb", NULL, NULL }, /* 16: one too many */
	{ "as/", NULL, NULL },
	{ "as/me", NULL, NULL },
	{ "as//request/ping", NULL, NULL },
	{ "as/me/request", NULL, NULL },
	{ "as/me/request/", NULL, NULL },
	{ "as/me/you/request/ping", NULL, NULL },
	{ "as/longname/request/ping", NULL, NULL },
	{ "as/me/response/ping", NULL, NULL },
	{ "as/me/as/you/request/ping", NULL, NULL },
	{ "requests/ping", NULL, NULL },
	{ "set/x", NULL, NULL },
	{ "request/state.get", "", "state.get" },
	{ "request/verbverbverbver", "", "verbverbverbver" },
	{ "as/me/request/ping", "me", "ping" },
	{ "as/sevenle/request/ping", "sevenle", "ping" },
	{ "as/request/request/ping", "request", "ping" },
};

static void test_request(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(REQUESTS) / sizeof(REQUESTS[0]); i++) {
		char user[8], verb[16];
		const bool is = topic_request(REQUESTS[i].below, user, sizeof(user), verb, sizeof(verb));

		if (is != !!REQUESTS[i].verb || (is && (strcmp(user, REQUESTS[i].user) != 0 || strcmp(verb, REQUESTS[i].verb) != 0)))
			fail_msg("'%s'", REQUESTS[i].below);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_make), cmocka_unit_test(test_root_too_long), cmocka_unit_test(test_below),
					    cmocka_unit_test(test_request) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
