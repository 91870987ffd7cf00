/* Targets of HTTP requests: see mock.h. */
#include "sim/mock.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* Unescapes @len bytes; '+' is a space in queries only. */
static int unescape(const char *text, size_t len, bool query, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '%') {
			if (len - i < 3 || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
				return -EINVAL;
			c = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
			i += 2;
		} else if (query && c == '+') {
			c = ' ';
		}
		if (c == '\0' || n + 1 >= size)
			return -EINVAL;
		out[n++] = c;
	}
	out[n] = '\0';
	return 0;
}

int url_parse(const char *target, struct url *out)
{
	const char *at = target, *end = target + strcspn(target, "?");

	out->n = 0;
	out->query = *end ? end + 1 : "";
	if (*at != '/')
		return -EINVAL;
	while (at < end) {
		size_t len = strcspn(++at, "/?");

		if (out->n == URL_SEGMENTS_MAX || unescape(at, len, false, out->segment[out->n], URL_TEXT_MAX) < 0)
			return -EINVAL;
		out->n++;
		at += len;
	}
	return 0;
}

int url_query(const struct url *u, const char *key, char *out, size_t size)
{
	size_t key_len = strlen(key);

	for (const char *at = u->query; *at;) {
		size_t len = strcspn(at, "&");

		if (len > key_len && strncmp(at, key, key_len) == 0 && at[key_len] == '=')
			return unescape(at + key_len + 1, len - key_len - 1, true, out, size) < 0 ? -EINVAL : 1;
		at += len + (at[len] == '&');
	}
	return 0;
}

int url_query_int(const struct url *u, const char *key, int min, int *out)
{
	char text[16], *end;
	int found = url_query(u, key, text, sizeof(text));
	long v;

	if (found <= 0)
		return found;
	v = strtol(text, &end, 10);
	if (end == text || *end || v < min || v > INT_MAX)
		return -EINVAL;
	*out = (int)v;
	return 0;
}

bool url_is(const struct url *u, const char *pattern)
{
	for (int i = 0; i < u->n; i++) {
		size_t len = strcspn(++pattern, "/");
		bool any = pattern[0] == '{';

		if (any ? !u->segment[i][0] : strlen(u->segment[i]) != len || strncmp(u->segment[i], pattern, len) != 0)
			return false;
		pattern += len;
		if (!*pattern)
			return i + 1 == u->n;
	}
	return false;
}
