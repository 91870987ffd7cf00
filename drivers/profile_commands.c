/* The commands of a profile: JSON -> struct profile_command, see profile.h. An expression or a clamp may name arguments of
 * its command and readable points, nothing else; points are never made of expressions, so there are no circles. */
#include "drivers/profile_reader.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct scope {
	const struct profile *p;
	const struct profile_command *c;
};

static int arg_find(const struct profile_command *c, const char *name)
{
	for (int i = 0; i < c->n_args; i++)
		if (!strcmp(c->args[i], name))
			return i;
	return -1;
}

/* Any number will do here: only the names and the grammar are checked. An odd one, so that differences are seldom 0. */
static bool scope_lookup(void *context, const char *name, double *out)
{
	const struct scope *s = context;
	int point = profile_point_find(s->p, name);

	*out = 1.37;
	return arg_find(s->c, name) >= 0 || (point >= 0 && s->p->point[point].readable);
}

static int parse_expr(struct parser *ps, const struct profile_command *c, const char *text)
{
	struct scope scope = { ps->p, c };
	double v;

	switch (expr_eval(text, scope_lookup, &scope, &v)) {
	case -EINVAL:
		return parser_refuse(ps, "expr", "'%s' is not an expression", text);
	case -ENOENT:
		return parser_refuse(ps, "expr", "'%s' names what is neither argument nor readable point", text);
	}
	return 0;
}

static int parse_clamp(struct parser *ps, const cJSON *o, struct profile_item *item)
{
	const cJSON *clamp = cJSON_GetObjectItemCaseSensitive(o, "clamp");

	item->clamp_point[0] = item->clamp_point[1] = -1;
	if (!clamp)
		return 0;
	if (!cJSON_IsArray(clamp) || cJSON_GetArraySize(clamp) != 2)
		return parser_refuse(ps, "clamp", "is not a list of two");
	item->clamped = true;
	for (int i = 0; i < 2; i++) {
		const cJSON *end = cJSON_GetArrayItem(clamp, i);
		const char *name = cJSON_GetStringValue(end);

		if (cJSON_IsNumber(end)) {
			item->clamp[i] = end->valuedouble;
			continue;
		}
		item->clamp_point[i] = name ? profile_point_find(ps->p, name) : -1;
		if (item->clamp_point[i] < 0 || !ps->p->point[item->clamp_point[i]].readable)
			return parser_refuse(ps, "clamp", "'%s' is neither number nor readable point", name ? name : "?");
	}
	return 0;
}

static int parse_value(struct parser *ps, const struct profile_command *c, const cJSON *v, struct profile_item *item)
{
	static const char *const KEYS[] = { "arg", "sign", "scale", "clamp", "expr", NULL };
	char arg[PROFILE_NAME_MAX] = "";

	item->arg = -1;
	item->sign = item->scale = 1;
	item->clamp_point[0] = item->clamp_point[1] = -1;
	if (cJSON_IsNumber(v)) {
		item->number = v->valuedouble;
		return isfinite(item->number) ? 0 : parser_refuse(ps, "value", "is not finite");
	}
	if (parser_keys(ps, v, KEYS) || parser_text(ps, v, "arg", false, arg, sizeof(arg)) ||
	    parser_number(ps, v, "sign", &item->sign) || parser_number(ps, v, "scale", &item->scale) ||
	    parser_text(ps, v, "expr", false, item->expr, sizeof(item->expr)))
		return -EINVAL;
	if (!*arg && !*item->expr)
		return parser_refuse(ps, "value", "is neither number, arg nor expr");
	if (item->scale == 0)
		return parser_refuse(ps, "value.scale", "is 0");
	item->arg = *arg ? arg_find(c, arg) : -1;
	if (*arg && item->arg < 0)
		return parser_refuse(ps, "value.arg", "'%s' is not among the args", arg);
	if (*item->expr && parse_expr(ps, c, item->expr))
		return -EINVAL;
	return parse_clamp(ps, v, item);
}

static int parse_item(struct parser *ps, const struct profile_command *c, const cJSON *o, struct profile_write *w)
{
	struct profile_item *item = &ps->p->item[ps->p->n_items];
	char type[16] = "";
	int t;

	if (ps->p->n_items == PROFILE_ITEMS_MAX)
		return parser_refuse(ps, "", "more than %d values in all commands", PROFILE_ITEMS_MAX);
	memset(item, 0, sizeof(*item));
	if (parser_text(ps, o, "type", true, type, sizeof(type)))
		return -EINVAL;
	t = reg_type_find(type);
	if (t < 0 || t == REG_STRING)
		return parser_refuse(ps, "type", "'%s' is unknown or cannot be written", type);
	item->type = (enum reg_type)t;
	if (parse_value(ps, c, cJSON_GetObjectItemCaseSensitive(o, "value"), item))
		return -EINVAL;
	ps->p->n_items++;
	w->n++;
	return 0;
}

static int check_shape(struct parser *ps, const struct profile_write *w)
{
	int words = 0;

	for (int i = 0; i < w->n; i++)
		words += reg_words(ps->p->item[w->first + i].type);
	if (w->n == 0)
		return parser_refuse(ps, "block", "writes nothing");
	if (words > REQUEST_WORDS_MAX || w->address + words > 65536)
		return parser_refuse(ps, "address", "%d + %d registers do not fit", w->address, words);
	if ((w->fc == 5 || w->fc == 6) && words != 1)
		return parser_refuse(ps, "fc", "%d writes one register, not %d", w->fc, words);
	return 0;
}

static int parse_write(struct parser *ps, struct profile_command *c, const cJSON *o)
{
	static const char *const KEYS[] = {
		"fc", "address", "type", "word_order", "value", "block", "sunspec", "note", NULL
	};
	struct profile_write *w = &ps->p->write[ps->p->n_writes];
	const cJSON *block = cJSON_GetObjectItemCaseSensitive(o, "block"), *member;
	char order[8] = "big";
	int fc = 0, address = 0;

	if (ps->p->n_writes == PROFILE_WRITES_MAX)
		return parser_refuse(ps, "", "more than %d writes in all commands", PROFILE_WRITES_MAX);
	if (parser_keys(ps, o, KEYS))
		return -EINVAL;
	if (cJSON_GetObjectItemCaseSensitive(o, "sunspec")) {
		c->sunspec = true;
		return 0;
	}
	memset(w, 0, sizeof(*w));
	if (parser_int(ps, o, "fc", true, (int[]){ 5, 16 }, &fc) ||
	    parser_int(ps, o, "address", true, (int[]){ 0, 65535 }, &address) ||
	    parser_text(ps, o, "word_order", false, order, sizeof(order)))
		return -EINVAL;
	if (fc != 5 && fc != 6 && fc != 15 && fc != 16)
		return parser_refuse(ps, "fc", "%d cannot write", fc);
	w->fc = (uint8_t)fc;
	w->address = (uint16_t)address;
	w->order = strcmp(order, "little") ? REG_BIG : REG_LITTLE;
	w->first = ps->p->n_items;
	if (!block && parse_item(ps, c, o, w))
		return -EINVAL;
	cJSON_ArrayForEach(member, block)
	{
		if (parse_item(ps, c, member, w))
			return -EINVAL;
	}
	if (check_shape(ps, w))
		return -EINVAL;
	ps->p->n_writes++;
	c->n++;
	return 0;
}

static int parse_args(struct parser *ps, const cJSON *o, struct profile_command *c)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(o, "args"), *arg;

	if (!cJSON_IsArray(list))
		return parser_refuse(ps, "args", "is missing or no list");
	cJSON_ArrayForEach(arg, list)
	{
		const char *name = cJSON_GetStringValue(arg);

		if (!name || !*name || strlen(name) >= PROFILE_NAME_MAX || c->n_args == PROFILE_ARGS_MAX)
			return parser_refuse(ps, "args", "names up to %d arguments", PROFILE_ARGS_MAX);
		strcpy(c->args[c->n_args++], name); /* fits, see above */
	}
	return 0;
}

int parser_command(struct parser *ps, const cJSON *o)
{
	static const char *const KEYS[] = { "name", "args", "writes", "note", "src", "confidence", "when", NULL };
	struct profile_command *c = &ps->p->command[ps->p->n_commands];
	const cJSON *writes = cJSON_GetObjectItemCaseSensitive(o, "writes"), *w;
	char confidence[4] = "", path[sizeof(ps->path)];
	int i = 0;

	if (ps->p->n_commands == PROFILE_COMMANDS_MAX)
		return parser_refuse(ps, "", "more than %d commands", PROFILE_COMMANDS_MAX);
	memset(c, 0, sizeof(*c));
	c->first = ps->p->n_writes;
	if (parser_keys(ps, o, KEYS) || parser_text(ps, o, "name", true, c->name, sizeof(c->name)) || parse_args(ps, o, c) ||
	    parser_text(ps, o, "confidence", true, confidence, sizeof(confidence)) || parser_when(ps, o, &c->when))
		return -EINVAL;
	c->unverified = !strcmp(confidence, "C");
	if (!cJSON_IsArray(writes) || cJSON_GetArraySize(writes) == 0)
		return parser_refuse(ps, "writes", "is missing or empty");
	snprintf(path, sizeof(path), "%s", ps->path);
	cJSON_ArrayForEach(w, writes)
	{
		snprintf(ps->path, sizeof(ps->path), "%.64s.writes[%d]", path, i++);
		if (parse_write(ps, c, w))
			return -EINVAL;
	}
	snprintf(ps->path, sizeof(ps->path), "%s", path);
	ps->p->n_commands++;
	return 0;
}
