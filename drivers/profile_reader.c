/* See profile_reader.h. */
#include "drivers/profile_reader.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int parser_refuse(struct parser *ps, const char *key, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return errbuf_set(ps->err, -EINVAL, "%s%s%s: %s", ps->path, *ps->path && *key ? "." : "", key, text);
}

int parser_inner(struct parser *ps)
{
	return errbuf_set(ps->err, -EINVAL, "%s%s%s", ps->path, *ps->path ? ": " : "", ps->inner.text);
}

int parser_int(struct parser *ps, const cJSON *o, const char *key, bool need, int range[2], int *out)
{
	int64_t v;
	int r = json_get_int(o, key, range[0], range[1], &v, &ps->inner);

	if (r < 0)
		return parser_inner(ps);
	if (r == 0)
		return need ? parser_refuse(ps, key, "is missing") : 0;
	*out = (int)v;
	return 0;
}

int parser_number(struct parser *ps, const cJSON *o, const char *key, double *out)
{
	return json_get_number(o, key, -1e12, 1e12, out, &ps->inner) < 0 ? parser_inner(ps) : 0;
}

int parser_text(struct parser *ps, const cJSON *o, const char *key, bool need, char *out, size_t size)
{
	int r = json_get_text(o, key, out, size, &ps->inner);

	if (r < 0)
		return parser_inner(ps);
	return r == 0 && need ? parser_refuse(ps, key, "is missing") : 0;
}

int parser_keys(struct parser *ps, const cJSON *o, const char *const *known)
{
	const cJSON *c;

	if (!cJSON_IsObject(o))
		return parser_refuse(ps, "", "is not an object");
	cJSON_ArrayForEach(c, o)
	{
		int i = 0;

		while (known[i] && strcmp(known[i], c->string))
			i++;
		if (!known[i])
			return parser_refuse(ps, c->string, "unknown key");
	}
	return 0;
}

int profile_point_find(const struct profile *p, const char *name)
{
	for (int i = 0; i < p->n_points; i++)
		if (!strcmp(p->point[i].name, name))
			return i;
	return -1;
}

int parser_when(struct parser *ps, const cJSON *o, struct profile_when *when)
{
	static const char *const KEYS[] = { "point", "min", "max", NULL };
	const cJSON *w = cJSON_GetObjectItemCaseSensitive(o, "when");
	char name[PROFILE_NAME_MAX];

	*when = (struct profile_when){ -1, -INFINITY, INFINITY };
	if (!w)
		return 0;
	if (parser_keys(ps, w, KEYS) || parser_text(ps, w, "point", true, name, sizeof(name)) ||
	    parser_number(ps, w, "min", &when->min) || parser_number(ps, w, "max", &when->max))
		return -EINVAL;
	when->point = profile_point_find(ps->p, name);
	if (when->point < 0)
		return parser_refuse(ps, "when.point", "no point '%s' before this one", name);
	/* Conditions do not chain: that is what keeps them free of circles. */
	if (ps->p->point[when->point].when.point >= 0 || !ps->p->point[when->point].readable)
		return parser_refuse(ps, "when.point", "'%s' is conditional itself or cannot be read", name);
	return 0;
}

int parser_list(struct parser *ps, const cJSON *root, const char *key, int (*parse)(struct parser *, const cJSON *))
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, key), *o;
	int i = 0;

	snprintf(ps->path, sizeof(ps->path), "%s", key);
	if (!cJSON_IsArray(list))
		return parser_refuse(ps, "", "is missing or no list");
	cJSON_ArrayForEach(o, list)
	{
		snprintf(ps->path, sizeof(ps->path), "%s[%d]", key, i++);
		if (parse(ps, o))
			return -EINVAL;
	}
	return 0;
}
