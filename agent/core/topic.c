/* See topic.h. */
#include "core/topic.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void topic_root_set(struct topic_root *r, const char *root, const char *site)
{
	int n = snprintf(r->text, sizeof(r->text), "%s/%s", root, site);

	if (n < 0 || (size_t)n >= sizeof(r->text))
		r->text[0] = '\0';
}

const char *topic_make(const struct topic_root *r, char *out, size_t size, const char *fmt, ...)
{
	const size_t n = strlen(r->text);
	va_list ap;
	int m;

	if (size == 0)
		return "";
	out[0] = '\0';
	if (n == 0 || n + 2 > size)
		return out;
	memcpy(out, r->text, n);
	out[n] = '/';
	va_start(ap, fmt);
	m = vsnprintf(out + n + 1, size - n - 1, fmt, ap);
	va_end(ap);
	if (m < 0 || (size_t)m >= size - n - 1)
		out[0] = '\0';
	return out;
}

const char *topic_below(const struct topic_root *r, const char *topic)
{
	const size_t n = strlen(r->text);

	if (n == 0 || strncmp(topic, r->text, n) || topic[n] != '/')
		return NULL;
	return topic + n + 1;
}

/* Copies one topic level that ends at @end; false when it is empty or too long. */
static bool level_copy(const char *from, const char *end, char *out, size_t size)
{
	const size_t n = (size_t)(end - from);

	if (n == 0 || n >= size)
		return false;
	memcpy(out, from, n);
	out[n] = '\0';
	return true;
}

bool topic_request(const char *below, char *user, size_t user_size, char *verb, size_t verb_size)
{
	static const char AS[] = "as/", REQUEST[] = "request/";
	const char *rest = below;

	user[0] = '\0';
	if (!strncmp(rest, AS, sizeof(AS) - 1)) {
		const char *name = rest + sizeof(AS) - 1, *end = strchr(name, '/');

		if (!end || !level_copy(name, end, user, user_size))
			return false;
		rest = end + 1;
	}
	if (strncmp(rest, REQUEST, sizeof(REQUEST) - 1))
		return false;
	rest += sizeof(REQUEST) - 1;
	return !strchr(rest, '/') && level_copy(rest, rest + strlen(rest), verb, verb_size);
}
