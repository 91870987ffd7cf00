/* hearthctl: files with JSON that people write: reading them, and saying where in them something is wrong. */
#include "core/json_place.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

char *ctl_read(const char *path, size_t max, size_t *len)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	char *text = f ? malloc(max + 1) : NULL;

	*len = 0;
	if (text) {
		errno = 0;
		*len = fread(text, 1, max + 1, f);
	}
	if (!text || ferror(f)) {
		fprintf(stderr, "hearthctl: %s: %s\n", path, strerror(f && !text ? ENOMEM : errno ? errno : EIO));
		free(text);
		text = NULL;
	}
	if (f && f != stdin)
		fclose(f);
	return text;
}

/* NaN, inf and Infinity, with a sign or without: what other programs write as numbers. */
static bool is_no_number(const char *token)
{
	token += token[0] == '-' || token[0] == '+';
	return !strcasecmp(token, "nan") || !strcasecmp(token, "inf") || !strcasecmp(token, "infinity");
}

/* What the reader of JSON said, with the offset it names turned into a line and a key. */
static void say_syntax(const char *path, const char *text, size_t len, const char *message)
{
	const char *offset = strstr(message, "at offset "), *early = strstr(message, "ends early");
	struct json_place p;

	if (!offset && !early) {
		fprintf(stderr, "hearthctl: %s: %s\n", path, message);
		return;
	}
	json_place_at(text, len, offset ? strtoul(offset + strlen("at offset "), NULL, 10) : len, &p);
	if (is_no_number(p.token))
		fprintf(stderr, "hearthctl: %s:%d:%d: %s%s%s is not a number in JSON\n", path, p.line, p.column, p.path, p.path[0] ? ": " : "", p.token);
	else
		fprintf(stderr, "hearthctl: %s:%d:%d: %s%s%s\n", path, p.line, p.column, p.path, p.path[0] ? ": " : "", message);
}

void ctl_bad_text(const char *path, const char *text, size_t len, const char *message)
{
	const size_t n = strspn(message, "abcdefghijklmnopqrstuvwxyz0123456789_.[]");
	char key[JSON_PATH_MAX] = "";
	struct json_place p;

	if (strncmp(message, "JSON:", 5) == 0) {
		say_syntax(path, text, len, message);
		return;
	}
	if (n && n < sizeof(key) && (message[n] == ':' || message[n] == ','))
		memcpy(key, message, n);
	if (json_place_find(text, len, key, &p))
		fprintf(stderr, "hearthctl: %s:%d: %s\n", path, p.line, message);
	else
		fprintf(stderr, "hearthctl: %s: %s\n", path, message);
}
