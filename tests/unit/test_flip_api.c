/* Flip's HTTPS API: lists, site tokens, errors, rows as requests; the ugly ones first. */
#include "cloud/flip_api.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define CMD(id, device, created)                                                                                                \
	"{\"id\":\"" id "\",\"event_id\":null,\"device_id\":\"" device "\",\"starts_at\":\"2026-01-15T18:00:00Z\",\"ends_at\":"   \
	"\"2026-01-15T20:00:00Z\",\"battery_commands\":{\"mode\":\"STANDBY\"},\"status\":\"OK\",\"device_status\":\"PENDING\","  \
	"\"created_at\":\"2026-01-15T12:00:" created "Z\",\"updated_at\":\"2026-01-15T12:00:" created "Z\"}"
#define BAD(id, device) "{\"id\":\"" id "\",\"device_id\":\"" device "\",\"starts_at\":\"soon\"}"

static const char OURS[][FLIP_ID_MAX] = { "bat-1", "", "bat-2" };

struct list_row {
	const char *name, *text;
	int result, n, foreign, bad, rows;
	const char *says; /* error, or why the first bad one is bad */
};

static const struct list_row LISTS[] = {
	{ "nothing at all", "", -EINVAL, 0, 0, 0, 0, "empty" },
	{ "HTML", "<html><body>502 Bad Gateway</body></html>", -EINVAL, 0, 0, 0, 0, "JSON" },
	{ "garbage", "\x01\xff\xfe[[", -EINVAL, 0, 0, 0, 0, "JSON" },
	{ "cut", "[" CMD("a", "bat-1", "01") ",{\"id\":", -EINVAL, 0, 0, 0, 0, "ends early" },
	{ "null", "null", -EINVAL, 0, 0, 0, 0, "no list" },
	{ "a number", "5", -EINVAL, 0, 0, 0, 0, "no list" },
	{ "an object without a list", "{\"n\":1}", -EINVAL, 0, 0, 0, 0, "no list" },
	{ "an error with status 200", "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"no\",\"type\":\"x\"}]}", -EINVAL, 0, 0, 0, 0, "body: no" },
	{ "the wider error", "{\"code\":\"x\",\"message\":\"try later\",\"errors\":[{\"path\":\"p\",\"message\":\"m\"}]}", -EINVAL, 0, 0, 0,
	  0, "p: m" },
	{ "a list of something else", "[1,\"two\",{\"x\":3},[],null]", -EINVAL, 0, 0, 0, 0, "none of them is a command" },
	{ "too deep", "[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", -EINVAL, 0, 0, 0, 0, "nested" },
	{ "empty list", "[]", 0, 0, 0, 0, 0, NULL },
	{ "empty list, wrapped", "{\"total\":0,\"commands\":[]}", 0, 0, 0, 0, 0, NULL },
	{ "an error list beside the commands", "{\"errors\":[],\"commands\":[" CMD("a", "bat-1", "01") "]}", 0, 1, 0, 0, 1, NULL },
	{ "ours", "[" CMD("a", "bat-1", "01") "," CMD("b", "bat-2", "02") "]", 0, 2, 0, 0, 2, NULL },
	{ "wrapped", "{\"data\":[" CMD("a", "bat-1", "01") "]}", 0, 1, 0, 0, 1, NULL },
	{ "a fleet's", "[" CMD("a", "bat-9", "01") "," CMD("b", "bat-1", "02") "," CMD("c", "", "03") "]", 0, 1, 2, 0, 3, NULL },
	{ "ours unreadable", "[" BAD("a", "bat-1") "," CMD("b", "bat-1", "02") "]", 0, 1, 0, 1, 2, "a: created_at" },
	{ "theirs unreadable: not our affair", "[" BAD("a", "bat-9") "," CMD("b", "bat-1", "02") "]", 0, 1, 1, 0, 2, NULL },
	{ "nobody's, unreadable", "[5," CMD("b", "bat-1", "02") ",{\"id\":\"x\"}]", 0, 1, 0, 2, 3, "(no id)" },
	{ "nothing but unreadable ones", "[" BAD("a", "bat-1") "]", 0, 0, 0, 1, 1, "a: " },
	{ "the first is theirs, the second ours", "[" BAD("a", "bat-9") "," BAD("b", "bat-2") "]", 0, 0, 1, 1, 2, "b: " },
};

static void test_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(LISTS) / sizeof(LISTS[0]); i++) {
		const struct list_row *w = &LISTS[i];
		struct flip_list *l = NULL;
		struct errbuf err = { "" };
		const int r = flip_list_decode(w->text, strlen(w->text), OURS, 3, &l, &err);

		if (r != w->result)
			fail_msg("%s: %d (%s)", w->name, r, err.text);
		if (w->says && !strstr(r < 0 ? err.text : l->first_bad, w->says))
			fail_msg("%s: says '%s'", w->name, r < 0 ? err.text : l->first_bad);
		if (r == 0 && (l->n != w->n || l->foreign != w->foreign || l->bad != w->bad || l->n_rows != w->rows || l->beyond ||
			       (!w->says && l->first_bad[0])))
			fail_msg("%s: %d kept, %d foreign, %d bad of %d", w->name, l->n, l->foreign, l->bad, l->n_rows);
		free(l);
	}
}

static void test_order_and_ids(void **state)
{
	static const char TEXT[] = "[" CMD("d", "bat-1", "09") "," CMD("b", "bat-2", "01") "," CMD("a", "bat-1", "01") "," CMD("c", "bat-1",
									"05") "]";
	struct flip_list *all = NULL, *same = NULL;
	const char *want = "abcd";

	(void)state;
	assert_int_equal(flip_list_decode(TEXT, sizeof(TEXT) - 1, NULL, 0, &all, NULL), 0); /* as the worker does: sifted later */
	assert_int_equal(all->n, 4);
	assert_int_equal(all->n_hashes, 4);
	assert_string_equal(all->command[0].id, "d");
	flip_list_sift(all, OURS, 3);
	for (int i = 0; i < 4; i++)
		assert_int_equal(all->command[i].id[0], want[i]);
	assert_int_equal(flip_list_decode(TEXT, sizeof(TEXT) - 1, OURS, 3, &same, NULL), 0);
	assert_memory_equal(all->hash, same->hash, 4 * sizeof(uint64_t));
	assert_true(all->hash[0] != all->hash[1]);
	flip_list_sift(same, OURS, 0); /* a hub that lost its devices */
	assert_int_equal(same->n, 0);
	assert_int_equal(same->foreign, 4);
	free(all);
	free(same);
}

static void test_large(void **state)
{
	const size_t room = FLIP_LIST_TEXT_MAX + 1024;
	char *text = malloc(room);
	struct flip_list *l = NULL;
	struct errbuf err;
	size_t n = 1;

	(void)state;
	memset(text, ' ', room);
	assert_int_equal(flip_list_decode(text, FLIP_LIST_TEXT_MAX + 1, OURS, 3, &l, &err), -E2BIG);
	memcpy(text, "[", 1);
	for (int i = 0; i < FLIP_LIST_MAX + 5; i++)
		n += (size_t)snprintf(text + n, room - n, "%s%s", i ? "," : "", CMD("a", "bat-1", "01"));
	n += (size_t)snprintf(text + n, room - n, "]");
	assert_true(n < FLIP_LIST_TEXT_MAX);
	assert_int_equal(flip_list_decode(text, n, OURS, 3, &l, &err), 0);
	assert_int_equal(l->n, FLIP_LIST_MAX);
	assert_int_equal(l->beyond, 5);
	free(l);
	free(text);
}

static void test_site_tokens(void **state)
{
	static const struct { const char *text; int result; int64_t expires; } ROWS[] = {
		{ "", -EINVAL, 0 }, { "[]", -EINVAL, 0 }, { "{}", -EINVAL, 0 }, { "{\"site_access_token\":\"\"}", -EINVAL, 0 },
		{ "{\"site_access_token\":5}", -EINVAL, 0 }, { "{\"site_access_token\":\"a b\"}", -EINVAL, 0 },
		{ "{\"site_access_token\":\"a\\r\\nX-Evil: 1\"}", -EINVAL, 0 }, { "{\"site_access_token\":\"t\\u00e9\"}", -EINVAL, 0 },
		{ "{\"site_access_token\":\"t\",\"expires_at\":\"soon\"}", -EINVAL, 0 }, { "{\"site_access_token\":\"t\"}", 0, 0 },
		{ "{\"site_access_token\":\"t\",\"expires_at\":\"2026-01-15T13:00:00+01:00\"}", 0, 1768478400000LL },
		{ "{\"site_access_token\":\"t\",\"expires_at\":\"2026-01-15 12:00:00.000Z\"}", 0, 1768478400000LL },
	};
	char *text = malloc(4096);

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct flip_site_token t = { .token = "old" };

		assert_int_equal(flip_site_token_decode(ROWS[i].text, strlen(ROWS[i].text), &t, NULL), ROWS[i].result);
		assert_string_equal(t.token, ROWS[i].result ? "old" : "t");
		assert_int_equal(t.expires_utc_ms, ROWS[i].expires);
	}
	snprintf(text, 4096, "{\"site_access_token\":\"%03000d\"}", 1);
	{
		struct flip_site_token t;

		assert_int_equal(flip_site_token_decode(text, strlen(text), &t, NULL), -EINVAL);
	}
	free(text);
}

static void test_requests(void **state)
{
	static const struct { const char *name, *kind, *row, *site; int result; const char *path, *body; bool site_token; } ROWS[] = {
		{ "not JSON", "command_status", "{", "home", -EINVAL, NULL, NULL, false },
		{ "no id", "command_status", "{\"message_id\":\"m\",\"device_status\":\"OK\"}", "home", -EINVAL, NULL, NULL, false },
		{ "no status", "command_status", "{\"message_id\":\"m\",\"id\":\"c\"}", "home", -EINVAL, NULL, NULL, false },
		{ "long id", "command_status", "{\"id\":\"0123456789012345678901234567890123456789012345678901234567890123\","
		  "\"device_status\":\"OK\"}", "home", -EINVAL, NULL, NULL, false },
		{ "dots", "command_status", "{\"id\":\"..\",\"device_status\":\"OK\"}", "home", -EINVAL, NULL, NULL, false },
		{ "no site", "participation", "{\"event_id\":\"e\",\"is_participating\":false}", "", -EINVAL, NULL, NULL, false },
		{ "no event", "participation", "{\"is_participating\":false}", "home", -EINVAL, NULL, NULL, false },
		{ "unknown kind", "commission", "{\"id\":\"c\"}", "home", -ENOTSUP, NULL, NULL, false },
		{ "back into a command", "participation", "{\"command_id\":\"c\",\"is_participating\":true}", "home", -ENOTSUP, NULL, NULL,
		  false },
		{ "a reserve for a command", "participation", "{\"command_id\":\"c\",\"device_settings\":[]}", "home", -ENOTSUP, NULL, NULL,
		  false },
		{ "status", "command_status", "{\"message_id\":\"m\",\"id\":\"c-1\",\"device_status\":\"OK\"}", "home", 0, "/v1/command/c-1",
		  "{\"device_status\":\"OK\"}", false },
		{ "status with a reason", "command_status", "{\"message_id\":\"m\",\"id\":\"c-1\",\"device_status\":\"FAILED_FAULT\","
		  "\"device_status_reason\":\"a \\\"b\\\"\"}", "home", 0, "/v1/command/c-1",
		  "{\"device_status\":\"FAILED_FAULT\",\"device_status_reason\":\"a \\\"b\\\"\"}", false },
		{ "escapes", "command_status", "{\"id\":\"a/b?c#d%\\u00e9.\",\"device_status\":\"OK\"}", "home", 0,
		  "/v1/command/a%2Fb%3Fc%23d%25%C3%A9.", "{\"device_status\":\"OK\"}", false },
		{ "participation", "participation", "{\"message_id\":\"m\",\"event_id\":\"e-1\",\"is_participating\":false,\"device_settings\":"
		  "[{\"device_id\":\"b\",\"reserve_percentage\":30}]}", "home/1", 0, "/v1/site/home%2F1/event/e-1",
		  "{\"is_participating\":false,\"device_settings\":[{\"device_id\":\"b\",\"reserve_percentage\":30}]}", true },
		{ "out of a command", "participation", "{\"command_id\":\"c-1\",\"is_participating\":false}", "home", 0, "/v1/command/c-1",
		  "{\"device_status\":\"FAILED_FAULT\",\"device_status_reason\":\"opted out by the owner\"}", false },
	};
	char path[64];

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct flip_request q;
		struct errbuf err = { "" };
		const int r = flip_request_encode(ROWS[i].kind, ROWS[i].row, ROWS[i].site, &q, &err);

		if (r != ROWS[i].result || (r < 0 && (!err.text[0] || q.body)))
			fail_msg("%s: %d (%s)", ROWS[i].name, r, err.text);
		if (r < 0)
			continue;
		assert_string_equal(q.path, ROWS[i].path);
		assert_string_equal(q.body, ROWS[i].body);
		assert_int_equal(q.site_token, ROWS[i].site_token);
		cJSON_free(q.body);
	}
	assert_int_equal(flip_site_token_path("home 1", path, sizeof(path)), 0);
	assert_string_equal(path, "/v1/auth/site/home%201");
	assert_int_equal(flip_site_token_path("", path, sizeof(path)), -EINVAL);
	assert_int_equal(flip_site_token_path("0123456789012345678901234567890123456789012345678901234567890123", path, sizeof(path)),
			 -EINVAL);
}

static void test_answers(void **state)
{
	static const struct { const char *text, *id; } IDS[] = {
		{ "", NULL }, { "[]", NULL }, { "<html>", NULL }, { "{\"id\":5}", NULL }, { "{\"id\":\"\"}", NULL },
		{ "{\"detail\":\"no\"}", NULL }, { "{\"id\":\"c\"}", "c" }, { "{\"data\":{\"id\":\"c\"}}", "c" },
		{ "{\"a\":{\"b\":{\"id\":\"c\"}}}", NULL },
	};
	static const struct { const char *text, *words; } WORDS[] = {
		{ "", "" }, { "<html>", "" }, { "[]", "" }, { "5", "" }, { "{}", "" }, { "{\"detail\":{}}", "" }, { "{\"detail\":[]}", "" },
		{ "{\"detail\":\"nope\"}", "nope" }, { "\"plain\"", "plain" }, { "{\"message\":\"a\\nb\\u00e9\"}", "a?b??" },
		{ "{\"detail\":[{\"loc\":[\"body\",\"telemetry\",0],\"msg\":\"bad\"}]}", "body.telemetry.0: bad" },
		{ "{\"errors\":[{\"path\":\"x\",\"message\":\"y\"}],\"message\":\"z\"}", "x: y" },
		{ "{\"error\":\"invalid_token\",\"error_description\":\"expired\"}", "expired" },
		{ "{\"error\":{\"message\":\"deep\"}}", "deep" },
	};
	char id[FLIP_ID_MAX], words[32], one[1] = { 'x' };

	(void)state;
	for (size_t i = 0; i < sizeof(IDS) / sizeof(IDS[0]); i++) {
		assert_int_equal(flip_answer_id(IDS[i].text, strlen(IDS[i].text), id), IDS[i].id != NULL);
		if (IDS[i].id)
			assert_string_equal(id, IDS[i].id);
	}
	for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
		flip_error_words(WORDS[i].text, strlen(WORDS[i].text), words, sizeof(words));
		assert_string_equal(words, WORDS[i].words);
	}
	flip_error_words("{\"detail\":\"0123456789012345678901234567890123456789\"}", 53, words, sizeof(words));
	assert_int_equal(strlen(words), sizeof(words) - 1);
	flip_error_words("\"x\"", 3, one, sizeof(one));
	assert_int_equal(one[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),	  cmocka_unit_test(test_order_and_ids), cmocka_unit_test(test_large),
		cmocka_unit_test(test_site_tokens), cmocka_unit_test(test_requests),	  cmocka_unit_test(test_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
