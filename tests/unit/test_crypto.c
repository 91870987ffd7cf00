/* Base64, HMAC and the signature check of Flip's webhooks, with the vector of the reference (flip-api.md 14.5). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>

#include "io/crypto.h"

#define KEY "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
#define OTHER_KEY "whsec_ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA="
#define ID "msg_demo_0001"
#define STAMP "1768478400"
#define BODY                                                                                                           \
	"{\"event_type\":\"command.created\",\"event_object\":{\"object_type\":\"command\",\"id\":\"11111111-2222-4333-"     \
	"8444-555555555555\"},\"timestamp\":\"2026-01-15T12:00:00.000Z\"}"
#define DIGEST "LHc8SgZdoFYV5rbje5+tfEa4gR3MHiPWmYO1EGY8qbY="
#define SIGNATURE "v1," DIGEST
#define LEGACY "v1,3M/JBA7gaSt7ziwncY0KHtL1yBeXJcZRPXB3OPCqfwU="
#define FALSE_SIGNATURE "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static void test_base64_decode(void **state)
{
	static const struct {
		const char *name, *text;
		size_t room;
		int result;
		const char *bytes;
	} ROWS[] = {
		{ "length not a multiple of four", "QUJ", 16, -EINVAL, "" },
		{ "only padding", "====", 16, -EINVAL, "" },
		{ "three pads", "Q===", 16, -EINVAL, "" },
		{ "pad in the middle", "QQ==QUJD", 16, -EINVAL, "" },
		{ "character behind a pad", "QU=D", 16, -EINVAL, "" },
		{ "URL alphabet", "__-_", 16, -EINVAL, "" },
		{ "space", "QU D", 16, -EINVAL, "" },
		{ "newline", "QUJ\n", 16, -EINVAL, "" },
		{ "high bit", "QUJ\xc3", 16, -EINVAL, "" },
		{ "bits behind the end", "QR==", 16, -EINVAL, "" },
		{ "bits behind the end, one pad", "QUF=", 16, -EINVAL, "" },
		{ "too little room", "QUJD", 2, -ENOSPC, "" },
		{ "room to the byte", "QUJD", 3, 3, "ABC" },
		{ "empty", "", 0, 0, "" },
		{ "one", "QQ==", 1, 1, "A" },
		{ "two", "QUI=", 2, 2, "AB" },
		{ "plus and slash", "+/+/", 3, 3, "\xfb\xff\xbf" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		uint8_t out[16] = { 0 };
		int n = crypto_base64_decode(ROWS[i].text, strlen(ROWS[i].text), out, ROWS[i].room);

		if (n != ROWS[i].result || (n > 0 && memcmp(out, ROWS[i].bytes, (size_t)n)))
			fail_msg("%s: got %d", ROWS[i].name, n);
	}
}

static void test_base64_round_trip(void **state)
{
	(void)state;
	for (size_t len = 0; len < 70; len++) {
		uint8_t data[70], back[70];
		char text[100];
		int n;

		crypto_random(data, len);
		n = crypto_base64_encode(data, len, text, sizeof(text));
		assert_int_equal(n, (len + 2) / 3 * 4);
		assert_int_equal(strlen(text), n);
		assert_int_equal(crypto_base64_decode(text, (size_t)n, back, len), len);
		assert_memory_equal(data, back, len);
		assert_int_equal(crypto_base64_encode(data, len, text, (size_t)n), -ENOSPC);
	}
}

static void test_hmac(void **state)
{
	/* RFC 4231, cases 1, 2 and 6 (key longer than a block) */
	static const uint8_t CASE1[] = { 0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53, 0x5c, 0xa8, 0xaf,
					 0xce, 0xaf, 0x0b, 0xf1, 0x2b, 0x88, 0x1d, 0xc2, 0x00, 0xc9, 0x83,
					 0x3d, 0xa7, 0x26, 0xe9, 0x37, 0x6c, 0x2e, 0x32, 0xcf, 0xf7 };
	static const uint8_t CASE2[] = { 0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
					 0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
					 0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43 };
	static const uint8_t CASE6[] = { 0x60, 0xe4, 0x31, 0x59, 0x1e, 0xe0, 0xb6, 0x7f, 0x0d, 0x8a, 0x26,
					 0xaa, 0xcb, 0xf5, 0xb7, 0x7f, 0x8e, 0x0b, 0xc6, 0x21, 0x37, 0x28,
					 0xc5, 0x14, 0x05, 0x46, 0x04, 0x0f, 0x0e, 0xe3, 0x7f, 0x54 };
	uint8_t key[131], out[32], out2[32];

	(void)state;
	memset(key, 0x0b, 20);
	crypto_hmac_sha256(key, 20, "Hi There", 8, out);
	assert_memory_equal(out, CASE1, 32);
	crypto_hmac_sha256((const uint8_t *)"Jefe", 4, "what do ya want for nothing?", 28, out);
	assert_memory_equal(out, CASE2, 32);
	memset(key, 0xaa, 131);
	crypto_hmac_sha256(key, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 54, out);
	assert_memory_equal(out, CASE6, 32);
	/* An empty key is a key, not "as before". */
	crypto_hmac_sha256(NULL, 0, "", 0, out);
	crypto_hmac_sha256(key, 131, "x", 1, out2);
	crypto_hmac_sha256(NULL, 0, "", 0, out2);
	assert_memory_equal(out, out2, 32);
}

static void test_verify(void **state)
{
	static const struct {
		const char *name, *key1, *key2, *id, *stamp, *signature;
		enum webhook_verdict verdict;
	} ROWS[] = {
		{ "no key", NULL, NULL, ID, STAMP, SIGNATURE, WEBHOOK_BAD_KEY },
		{ "empty key", "", NULL, ID, STAMP, SIGNATURE, WEBHOOK_BAD_KEY },
		{ "prefix only", "whsec_", NULL, ID, STAMP, SIGNATURE, WEBHOOK_BAD_KEY },
		{ "key is not base64", "whsec_abc!", NULL, ID, STAMP, SIGNATURE, WEBHOOK_BAD_KEY },
		{ "no id", KEY, NULL, NULL, STAMP, SIGNATURE, WEBHOOK_MALFORMED },
		{ "empty id", KEY, NULL, "", STAMP, SIGNATURE, WEBHOOK_MALFORMED },
		{ "control character in the id", KEY, NULL, "msg\n1", STAMP, SIGNATURE, WEBHOOK_MALFORMED },
		{ "no timestamp", KEY, NULL, ID, NULL, SIGNATURE, WEBHOOK_MALFORMED },
		{ "no signature", KEY, NULL, ID, STAMP, NULL, WEBHOOK_MALFORMED },
		{ "empty signature", KEY, NULL, ID, STAMP, "", WEBHOOK_MALFORMED },
		{ "version alone", KEY, NULL, ID, STAMP, "v1,", WEBHOOK_MALFORMED },
		{ "bad base64", KEY, NULL, ID, STAMP, "v1,LHc8SgZdoFYV5rbje5-tfEa4gR3MHiPWmYO1EGY8qbY=", WEBHOOK_MALFORMED },
		{ "cut digest", KEY, NULL, ID, STAMP, "v1,LHc8SgZdoFYV5rbje5+tfEa4gR3MHiPWmYO1EGY8", WEBHOOK_MALFORMED },
		{ "padding missing", KEY, NULL, ID, STAMP, "v1,LHc8SgZdoFYV5rbje5+tfEa4gR3MHiPWmYO1EGY8qbY", WEBHOOK_MALFORMED },
		{ "digest with another spelling", KEY, NULL, ID, STAMP, "v1,LHc8SgZdoFYV5rbje5+tfEa4gR3MHiPWmYO1EGY8qbZ=",
		  WEBHOOK_MALFORMED },
		{ "other version only", KEY, NULL, ID, STAMP, "v2," DIGEST, WEBHOOK_MALFORMED },
		{ "asymmetric version only", KEY, NULL, ID, STAMP, "v1a," DIGEST, WEBHOOK_MALFORMED },
		{ "forged", KEY, NULL, ID, STAMP, FALSE_SIGNATURE, WEBHOOK_BAD_SIGNATURE },
		{ "other id", KEY, NULL, "msg_demo_0002", STAMP, SIGNATURE, WEBHOOK_BAD_SIGNATURE },
		{ "other timestamp", KEY, NULL, ID, "1768478401", SIGNATURE, WEBHOOK_BAD_SIGNATURE },
		{ "other key", OTHER_KEY, NULL, ID, STAMP, SIGNATURE, WEBHOOK_BAD_SIGNATURE },
		{ "two other keys", OTHER_KEY, OTHER_KEY, ID, STAMP, SIGNATURE, WEBHOOK_BAD_SIGNATURE },
		{ "the vector", KEY, NULL, ID, STAMP, SIGNATURE, WEBHOOK_OK },
		{ "key without prefix", KEY + 6, NULL, ID, STAMP, SIGNATURE, WEBHOOK_OK },
		{ "legacy form", KEY, NULL, ID, "2026-01-15T12:00:00.000Z", LEGACY, WEBHOOK_OK },
		{ "legacy digest with the header's time", KEY, NULL, ID, STAMP, LEGACY, WEBHOOK_BAD_SIGNATURE },
		{ "rotation, new key second", OTHER_KEY, KEY, ID, STAMP, SIGNATURE, WEBHOOK_OK },
		{ "rotation, unreadable key first", "whsec_!", KEY, ID, STAMP, SIGNATURE, WEBHOOK_OK },
		{ "several signatures, last fits", KEY, NULL, ID, STAMP, FALSE_SIGNATURE " " SIGNATURE, WEBHOOK_OK },
		{ "several signatures, first fits", KEY, NULL, ID, STAMP, SIGNATURE " " FALSE_SIGNATURE, WEBHOOK_OK },
		{ "beside another version", KEY, NULL, ID, STAMP, "v1a,xyz  " SIGNATURE " ", WEBHOOK_OK },
		{ "beside rubbish", KEY, NULL, ID, STAMP, "v1,!!!! " SIGNATURE, WEBHOOK_OK },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const char *keys[2] = { ROWS[i].key1, ROWS[i].key2 };
		int n = (ROWS[i].key1 != NULL) + (ROWS[i].key2 != NULL);
		enum webhook_verdict v = crypto_webhook_verify(keys, n, ROWS[i].id, ROWS[i].stamp, BODY, strlen(BODY),
							       ROWS[i].signature);

		if (v != ROWS[i].verdict)
			fail_msg("%s: verdict %d, not %d", ROWS[i].name, v, ROWS[i].verdict);
	}
}

/* Any changed bit of the body breaks the signature; so does a cut or a longer body. */
static void test_verify_body(void **state)
{
	const char *keys[] = { KEY };
	char body[] = BODY "x";
	size_t len = strlen(BODY);

	(void)state;
	assert_int_equal(crypto_webhook_verify(keys, 1, ID, STAMP, body, len, SIGNATURE), WEBHOOK_OK);
	assert_int_equal(crypto_webhook_verify(keys, 1, ID, STAMP, body, len - 1, SIGNATURE), WEBHOOK_BAD_SIGNATURE);
	assert_int_equal(crypto_webhook_verify(keys, 1, ID, STAMP, body, len + 1, SIGNATURE), WEBHOOK_BAD_SIGNATURE);
	assert_int_equal(crypto_webhook_verify(keys, 1, ID, STAMP, NULL, 0, SIGNATURE), WEBHOOK_BAD_SIGNATURE);
	for (size_t i = 0; i < len * 8; i++) {
		body[i / 8] ^= (char)(1 << i % 8);
		assert_int_equal(crypto_webhook_verify(keys, 1, ID, STAMP, body, len, SIGNATURE), WEBHOOK_BAD_SIGNATURE);
		body[i / 8] ^= (char)(1 << i % 8);
	}
}

/* Every single changed character of the digest is refused: the comparison looks at all of it. */
static void test_verify_digest(void **state)
{
	const char *keys[] = { KEY };
	char signature[] = SIGNATURE;

	(void)state;
	for (size_t i = 3; i < strlen(signature) - 1; i++) {
		char was = signature[i];

		signature[i] = was == 'A' ? 'Q' : 'A';
		assert_int_not_equal(crypto_webhook_verify(keys, 1, ID, STAMP, BODY, strlen(BODY), signature), WEBHOOK_OK);
		signature[i] = was;
	}
}

static void test_sign(void **state)
{
	const char *keys[] = { KEY };
	char out[64], small[40];

	(void)state;
	assert_int_equal(crypto_webhook_sign(KEY, ID, STAMP, BODY, strlen(BODY), out, sizeof(out)), 0);
	assert_string_equal(out, SIGNATURE);
	assert_int_equal(crypto_webhook_sign(KEY, ID, STAMP, NULL, 0, out, sizeof(out)), 0);
	assert_int_equal(crypto_webhook_verify(keys, 1, ID, STAMP, NULL, 0, out), WEBHOOK_OK);
	assert_int_equal(crypto_webhook_sign("whsec_?", ID, STAMP, BODY, strlen(BODY), out, sizeof(out)), -EINVAL);
	assert_int_equal(crypto_webhook_sign(KEY, "", STAMP, BODY, strlen(BODY), out, sizeof(out)), -EINVAL);
	assert_int_equal(crypto_webhook_sign(KEY, ID, STAMP, BODY, strlen(BODY), small, sizeof(small)), -EINVAL);
}

static void test_uuid(void **state)
{
	char a[37], b[37];

	(void)state;
	crypto_uuid(a);
	crypto_uuid(b);
	assert_int_equal(strlen(a), 36);
	assert_string_not_equal(a, b);
	assert_int_equal(a[14], '4');
	assert_non_null(strchr("89ab", a[19]));
	assert_true(a[8] == '-' && a[13] == '-' && a[18] == '-' && a[23] == '-');
	assert_true(crypto_equal("abc", "abc", 3));
	assert_false(crypto_equal("abc", "abd", 3));
	assert_true(crypto_equal("", "x", 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64_decode), cmocka_unit_test(test_base64_round_trip),
		cmocka_unit_test(test_hmac),	      cmocka_unit_test(test_verify),
		cmocka_unit_test(test_verify_body),   cmocka_unit_test(test_verify_digest),
		cmocka_unit_test(test_sign),	      cmocka_unit_test(test_uuid),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
