/* Any bytes as configuration files (a record separator, 0x1e, starts the next): no crash, every error a line with a place,
 * and what is accepted prints as something that reads back as the same. */
#include "core/config.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t roles_of(void *context, const char *profile, char *nearest, size_t size)
{
	(void)context;
	snprintf(nearest, size, "%.3s", profile);
	return profile[0] == 'e'   ? ROLE_GRID | ROLE_LOAD | ROLE_PV
	       : profile[0] == 'k' ? ROLE_CHARGER
	       : profile[0] == 'x' ? 0
				   : ROLE_BATTERY;
}

static void round_trip(const struct config *c)
{
	static struct config again;
	static struct config_errors errors;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	struct config_file file = { "printed", NULL, 0 };

	if (!f)
		abort();
	config_print(c, f);
	fclose(f);
	file.text = text;
	file.len = len;
	if (config_parse(&file, 1, roles_of, NULL, &again, &errors) < 0 || config_compare(c, &again) != 0) {
		fprintf(stderr, "does not read back: %s\n%s\n", errors.n ? errors.text[0] : "differs", text);
		abort();
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config c;
	static struct config_errors errors;
	struct config_file files[3];
	const char *text = (const char *)data;
	int n = 0;

	while (n < 3) {
		const char *end = size ? memchr(text, 0x1e, size) : NULL;
		const size_t len = end && n < 2 ? (size_t)(end - text) : size;

		files[n++] = (struct config_file){ "f", text, len };
		if (!end || len == size)
			break;
		text += len + 1;
		size -= len + 1;
	}
	if (config_parse(files, n, roles_of, NULL, &c, &errors) == 0) {
		round_trip(&c);
		return 0;
	}
	if (errors.n <= 0)
		abort();
	for (int i = 0; i < errors.n && i < CONFIG_ERRORS_MAX; i++)
		if (strncmp(errors.text[i], "f:", 2) != 0 || strpbrk(errors.text[i], "\n\r"))
			abort();
	return 0;
}
