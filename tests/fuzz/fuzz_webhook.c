/* crypto_webhook_verify and base64 with anything: headers and body are the lines of the input. What is signed by us must
 * verify, whatever it says; nothing else may, but for a forger who can break HMAC. */
#include "io/crypto.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define FIELD_MAX 5000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes one line off the input as a string of its own size, so that reading beyond it is seen. */
static char *line(const uint8_t **data, size_t *size)
{
	const uint8_t *end = memchr(*data, '\n', *size);
	size_t n = end ? (size_t)(end - *data) : *size;
	char *text = malloc(n + 1);

	if (!text)
		abort();
	memcpy(text, *data, n);
	text[n] = '\0';
	*data += end ? n + 1 : n;
	*size -= end ? n + 1 : n;
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char KEY[] = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
	char *key, *id, *stamp, *signature, mine[64];
	const char *keys[2];
	uint8_t raw[FIELD_MAX];
	int n;

	if (size == 0)
		return 0;
	key = line(&data, &size);
	id = line(&data, &size);
	stamp = line(&data, &size);
	signature = line(&data, &size);
	keys[0] = key;
	keys[1] = KEY;
	(void)crypto_webhook_verify(keys, 2, id, stamp, data, size, signature);
	(void)crypto_webhook_verify(keys, 1, id, stamp, data, size, signature);
	if (crypto_webhook_sign(key, id, stamp, data, size, mine, sizeof(mine)) == 0) {
		if (crypto_webhook_verify(keys, 2, id, stamp, data, size, mine) != WEBHOOK_OK)
			abort();
		mine[10] = mine[10] == 'A' ? 'B' : 'A';
		if (crypto_webhook_verify(keys, 1, id, stamp, data, size, mine) == WEBHOOK_OK)
			abort();
	}
	/* What decodes must encode to the same text again. */
	n = crypto_base64_decode(signature, strlen(signature), raw, sizeof(raw));
	if (n >= 0) {
		char *text = malloc((size_t)n * 2 + 8);

		if (!text || crypto_base64_encode(raw, (size_t)n, text, (size_t)n * 2 + 8) < 0 || strcmp(text, signature) != 0)
			abort();
		free(text);
	}
	free(key);
	free(id);
	free(stamp);
	free(signature);
	return 0;
}
