/* The header of an HTTP answer with anything: lines of the input are header lines. What is understood stays within its limits,
 * and libc, which has its own opinion of what a date is, agrees on every date that is taken. */
#include "core/http_head.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void date_agrees(const char *text, size_t len)
{
	static const char *const FORMS[] = { "%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y" };
	char copy[64];
	int64_t ms = -1;

	if (http_date_parse(text, len, &ms) < 0) {
		if (ms != -1)
			abort(); /* touched only on success */
		return;
	}
	if (len >= sizeof(copy))
		abort();
	memcpy(copy, text, len);
	copy[len] = '\0';
	for (size_t i = 0; i < sizeof(FORMS) / sizeof(FORMS[0]); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(copy, FORMS[i], &tm);

		if (!end || *end)
			continue;
		if (i == 1) /* libc turns the century at 69 */
			tm.tm_year = tm.tm_year % 100 + (tm.tm_year % 100 < 70 ? 100 : 0);
		if ((int64_t)timegm(&tm) * 1000 == ms)
			return;
	}
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_head head = { 0 };

	while (size) {
		const uint8_t *end = memchr(data, '\n', size);
		const size_t n = end ? (size_t)(end - data) + 1 : size;
		char *line = malloc(n); /* of its own size, without a NUL: reading beyond it is seen */
		int64_t ms;

		if (!line)
			abort();
		memcpy(line, data, n);
		http_head_line(&head, line, n);
		ms = http_head_retry_after_ms(&head);
		if (ms < -1 || ms > HTTP_RETRY_MAX_MS || head.date_utc_ms < 0)
			abort();
		for (size_t i = 0; i < n; i++)
			if (line[i] == ' ' || line[i] == ':')
				date_agrees(line + i + 1, end ? n - i - 2 : n - i - 1);
		free(line);
		data += n;
		size -= n;
	}
	return 0;
}
