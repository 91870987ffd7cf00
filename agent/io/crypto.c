/* See crypto.h. Every call into OpenSSL is here. Base64 is our own: OpenSSL's block decoder does not say how many
 * padding characters it ate and accepts white space, and a signature header must be read strictly. */
#include "io/crypto.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGEST_SIZE 32
#define KEY_SIZE_MAX 128     /* Standard Webhooks keys have 24..64 bytes */
#define HEADER_MAX 4096
#define ID_MAX 256
#define TIMESTAMP_MAX 64

static const char ALPHABET[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int letter_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

int crypto_base64_decode(const char *text, size_t len, uint8_t *out, size_t out_size)
{
	size_t pad = 0, size;

	if (len % 4 || len > (size_t)1 << 30)
		return -EINVAL;
	while (pad < 2 && len > pad && text[len - 1 - pad] == '=')
		pad++;
	size = len / 4 * 3 - pad;
	if (size > out_size)
		return -ENOSPC;
	for (size_t i = 0, o = 0; i < len; i += 4) {
		uint32_t bits = 0;

		for (size_t k = 0; k < 4; k++) {
			int v = i + k < len - pad ? letter_value(text[i + k]) : 0;

			if (v < 0)
				return -EINVAL;
			bits = bits << 6 | (uint32_t)v;
		}
		/* Bits behind the last byte must be zero, or one digest would have several spellings. */
		if (i + 4 == len && pad && (bits & (pad == 1 ? 0xffu : 0xffffu)))
			return -EINVAL;
		for (int shift = 16; shift >= 0 && o < size; shift -= 8)
			out[o++] = (uint8_t)(bits >> shift);
	}
	return (int)size;
}

int crypto_base64_encode(const uint8_t *data, size_t len, char *out, size_t out_size)
{
	size_t o = 0;

	if (len > (size_t)1 << 30 || (len + 2) / 3 * 4 + 1 > out_size)
		return -ENOSPC;
	for (size_t i = 0; i < len; i += 3) {
		uint32_t bits = (uint32_t)data[i] << 16;

		if (i + 1 < len)
			bits |= (uint32_t)data[i + 1] << 8;
		if (i + 2 < len)
			bits |= data[i + 2];
		out[o++] = ALPHABET[bits >> 18];
		out[o++] = ALPHABET[bits >> 12 & 63];
		out[o++] = i + 1 < len ? ALPHABET[bits >> 6 & 63] : '=';
		out[o++] = i + 2 < len ? ALPHABET[bits & 63] : '=';
	}
	out[o] = '\0';
	return (int)o;
}

void crypto_hmac_sha256(const uint8_t *key, size_t key_len, const void *data, size_t len, uint8_t out[32])
{
	unsigned int size = DIGEST_SIZE;

	/* A NULL key means "the key of before" to HMAC(). Failure is out of memory only; a digest made of random bytes
	 * then fits nothing, where zeroes could be guessed. */
	if (!HMAC(EVP_sha256(), key_len ? key : (const uint8_t *)"", (int)key_len, data, len, out, &size))
		crypto_random(out, DIGEST_SIZE);
}

bool crypto_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

void crypto_random(void *out, size_t len)
{
	/* Without randomness ids would collide and nonces repeat: no way to go on that is safe. */
	if (len > INT32_MAX || RAND_bytes(out, (int)len) != 1)
		abort();
}

void crypto_uuid(char out[37])
{
	uint8_t b[16];

	crypto_random(b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3], b[4],
		 b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

/* Headers are printable and of sane length; anything else is refused before it is hashed. */
static bool header_valid(const char *text, size_t max)
{
	size_t n = text ? strnlen(text, max + 1) : 0;

	if (n == 0 || n > max)
		return false;
	for (size_t i = 0; i < n; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			return false;
	return true;
}

static int key_decode(const char *key, uint8_t out[KEY_SIZE_MAX])
{
	int n;

	if (!key)
		return -EINVAL;
	if (!strncmp(key, "whsec_", 6))
		key += 6;
	n = crypto_base64_decode(key, strnlen(key, KEY_SIZE_MAX * 2), out, KEY_SIZE_MAX);
	return n == 0 ? -EINVAL : n;
}

/* HMAC of "<id>.<timestamp>.<body>" without joining the parts in memory first. */
static int webhook_digest(const char *key, const char *id, const char *timestamp, const void *body, size_t body_len,
			  uint8_t out[DIGEST_SIZE])
{
	OSSL_PARAM params[] = { OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char[]){ "SHA256" }, 0),
				OSSL_PARAM_construct_end() };
	uint8_t raw[KEY_SIZE_MAX];
	size_t size = 0;
	int key_len = key_decode(key, raw), ok;
	EVP_MAC *mac = NULL;
	EVP_MAC_CTX *ctx = NULL;

	if (key_len < 0)
		return -EINVAL;
	mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	ctx = mac ? EVP_MAC_CTX_new(mac) : NULL;
	ok = ctx && EVP_MAC_init(ctx, raw, (size_t)key_len, params) && EVP_MAC_update(ctx, (const uint8_t *)id, strlen(id)) &&
	     EVP_MAC_update(ctx, (const uint8_t *)".", 1) &&
	     EVP_MAC_update(ctx, (const uint8_t *)timestamp, strlen(timestamp)) &&
	     EVP_MAC_update(ctx, (const uint8_t *)".", 1) && (body_len == 0 || EVP_MAC_update(ctx, body, body_len)) &&
	     EVP_MAC_final(ctx, out, &size, DIGEST_SIZE) && size == DIGEST_SIZE;
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
	OPENSSL_cleanse(raw, sizeof(raw));
	return ok ? 0 : -ENOMEM;
}

/* One key against every "v1," of the header: 1 = match, 0 = well-formed but different, -EINVAL = no v1 signature. */
static int signatures_match(const char *header, const uint8_t digest[DIGEST_SIZE])
{
	int found = -EINVAL;

	while (*header) {
		size_t n = strcspn(header, " ");
		uint8_t theirs[DIGEST_SIZE];

		if (n > 3 && !strncmp(header, "v1,", 3) &&
		    crypto_base64_decode(header + 3, n - 3, theirs, sizeof(theirs)) == DIGEST_SIZE) {
			int same = crypto_equal(theirs, digest, DIGEST_SIZE);

			found = found > 0 || same ? 1 : 0;
		}
		header += n;
		header += strspn(header, " ");
	}
	return found;
}

enum webhook_verdict crypto_webhook_verify(const char *const *keys, int n_keys, const char *id, const char *timestamp,
					   const void *body, size_t body_len, const char *signature)
{
	enum webhook_verdict verdict = WEBHOOK_BAD_KEY;

	if (!header_valid(id, ID_MAX) || !header_valid(timestamp, TIMESTAMP_MAX) || !header_valid(signature, HEADER_MAX))
		return WEBHOOK_MALFORMED;
	for (int i = 0; i < n_keys; i++) {
		uint8_t digest[DIGEST_SIZE];
		int match;

		/* During rotation one key may be unreadable; the other still counts. */
		if (webhook_digest(keys[i], id, timestamp, body, body_len, digest) < 0)
			continue;
		match = signatures_match(signature, digest);
		if (match < 0)
			return WEBHOOK_MALFORMED;
		if (match)
			return WEBHOOK_OK;
		verdict = WEBHOOK_BAD_SIGNATURE;
	}
	return verdict;
}

int crypto_webhook_sign(const char *key, const char *id, const char *timestamp, const void *body, size_t body_len,
			char *out, size_t out_size)
{
	uint8_t digest[DIGEST_SIZE];

	if (!header_valid(id, ID_MAX) || !header_valid(timestamp, TIMESTAMP_MAX) || out_size < 4 ||
	    webhook_digest(key, id, timestamp, body, body_len, digest) < 0)
		return -EINVAL;
	memcpy(out, "v1,", 3);
	return crypto_base64_encode(digest, sizeof(digest), out + 3, out_size - 3) < 0 ? -EINVAL : 0;
}
