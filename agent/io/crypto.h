/* OpenSSL at one place: HMAC-SHA256, base64, constant-time compare, random. */
#ifndef HEARTH_IO_CRYPTO_H
#define HEARTH_IO_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Standard base64 with padding; returns decoded length or -EINVAL. @out_size bytes at most, else -ENOSPC. */
int crypto_base64_decode(const char *text, size_t len, uint8_t *out, size_t out_size);
/** Writes NUL-terminated base64; returns its length or -ENOSPC. */
int crypto_base64_encode(const uint8_t *data, size_t len, char *out, size_t out_size);
void crypto_hmac_sha256(const uint8_t *key, size_t key_len, const void *data, size_t len, uint8_t out[32]);
bool crypto_equal(const void *a, const void *b, size_t len);
void crypto_random(void *out, size_t len);
/** Random UUID version 4, 36 characters and NUL. */
void crypto_uuid(char out[37]);

/* Standard Webhooks verification of flip-api.md 14.5. */
enum webhook_verdict { WEBHOOK_OK, WEBHOOK_BAD_KEY, WEBHOOK_MALFORMED, WEBHOOK_BAD_SIGNATURE };
/**
 * @keys       signing keys ("whsec_..."), up to two during rotation; n_keys
 * @id, @timestamp, @signature  header values; the signature header may hold several "v1,..." separated by spaces
 * The age of the timestamp is the caller's to judge.
 */
enum webhook_verdict crypto_webhook_verify(const char *const *keys, int n_keys, const char *id, const char *timestamp,
					   const void *body, size_t body_len, const char *signature);
/** Signs as Flip would ("v1,<digest>"); for the simulator and tests. Returns 0 or -EINVAL. */
int crypto_webhook_sign(const char *key, const char *id, const char *timestamp, const void *body, size_t body_len,
			char *out, size_t out_size);

#endif
