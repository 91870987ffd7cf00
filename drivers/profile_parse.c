/* JSON -> struct profile; see profile.h. Everything is refused with its path in the file: a profile that is half
 * understood would drive a device half right. Commands are in profile_commands.c. */
#include "drivers/profile.h"

#include "drivers/profile_reader.h"
#include "drivers/registry.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCHEMA "hub-device-profile/1"

/* ---- points ---- */

/* Word of a map -> number; IEC 61851 letters may carry the one condition we know ("A/B by cable"). */
static int map_number(enum field f, const char *word)
{
	char letter[2] = { word[0], '\0' };
	int n = field_number(f, word);

	if (n >= 0 || f != F_CHARGER_STATE)
		return n;
	if (!strncmp(word, "A/B", 3) || !strncmp(word, "B when", 6))
		return PROFILE_BY_CABLE;
	return word[1] == ' ' || word[1] == '/' ? field_number(f, letter) : -1;
}

/* A member is a number, or the one letter a char16 register holds. */
static long raw_of(const char *key, char **end)
{
	if (key[0] >= 'A' && key[0] <= 'Z' && !key[1]) {
		*end = (char *)key + 1;
		return key[0];
	}
	return *key ? strtol(key, end, 0) : (*end = (char *)key, -1);
}

static int parse_map(struct parser *ps, const cJSON *o, struct profile_point *pt)
{
	const char *key = cJSON_GetObjectItemCaseSensitive(o, "iec61851") ? "iec61851" : "enum";
	const cJSON *map = cJSON_GetObjectItemCaseSensitive(o, key), *values = cJSON_GetObjectItemCaseSensitive(o, "values"),
		    *c;
	bool words = pt->field != F_COUNT && !strcmp(field_info(pt->field)->unit, "enum");

	if (values) {
		map = values;
		key = "values";
	} else if (!words || !map) {
		return words ? parser_refuse(ps, "enum", "is missing: the field is a word") : 0;
	}
	cJSON_ArrayForEach(c, map)
	{
		const char *word = cJSON_GetStringValue(c);
		char *end;
		long raw = c->string ? raw_of(c->string, &end) : -1;
		int number = values ? (cJSON_IsNumber(c) ? (int)c->valuedouble : -1)
			     : word ? map_number(pt->field, word)
				    : -1;

		if (!c->string || *end || raw < 0 || number == -1 || number > INT8_MAX)
			return parser_refuse(ps, key, "member \"%s\": '%s' is no word of the field",
					     c->string ? c->string : "", word ? word : "?");
		if (pt->n_map == PROFILE_MAP_MAX)
			return parser_refuse(ps, key, "more than %d members", PROFILE_MAP_MAX);
		pt->map[pt->n_map].raw = (uint32_t)raw;
		pt->map[pt->n_map++].number = (int8_t)number;
	}
	return 0;
}

static int parse_meaning(struct parser *ps, const cJSON *o, struct profile_point *pt)
{
	char maps_to[64] = "", access[4] = "", confidence[4] = "";
	int64_t mask = 0;

	if (parser_text(ps, o, "maps_to", false, maps_to, sizeof(maps_to)) ||
	    parser_text(ps, o, "access", true, access, sizeof(access)) ||
	    parser_text(ps, o, "confidence", true, confidence, sizeof(confidence)) ||
	    parser_number(ps, o, "sign", &pt->sign))
		return -EINVAL;
	pt->readable = strchr(access, 'r') != NULL;
	pt->writable = strchr(access, 'w') != NULL;
	if (strspn(access, "rw") != strlen(access) || !*access)
		return parser_refuse(ps, "access", "'%s' is not r, w or rw", access);
	if (strlen(confidence) != 1 || !strchr("ABC", confidence[0]))
		return parser_refuse(ps, "confidence", "'%s' is not A, B or C", confidence);
	pt->unverified = confidence[0] == 'C';
	if (pt->sign != 1 && pt->sign != -1)
		return parser_refuse(ps, "sign", "%g is not 1 or -1", pt->sign);
	if (json_get_int(o, "mask", 1, UINT32_MAX, &mask, &ps->inner) < 0)
		return parser_inner(ps);
	pt->mask = (uint64_t)mask;
	pt->field = F_COUNT;
	if (*maps_to) {
		pt->field = field_by_name(maps_to);
		if (pt->field == F_COUNT)
			return parser_refuse(ps, "maps_to", "'%s' is not in the vocabulary", maps_to);
		if (!pt->readable)
			return parser_refuse(ps, "maps_to", "the point cannot be read");
	}
	return 0;
}

static int parse_nan(struct parser *ps, const cJSON *o, struct profile_point *pt)
{
	const cJSON *nan = cJSON_GetObjectItemCaseSensitive(o, "nan");
	const char *text = cJSON_GetStringValue(nan);
	char *end;

	if (!nan || cJSON_IsNull(nan) || (text && (!strncmp(text, "NaN", 3) || !*text)))
		return 0;
	pt->format.has_nan = true;
	if (cJSON_IsNumber(nan) && nan->valuedouble >= 0 && nan->valuedouble < 1e19) {
		pt->format.nan = (uint64_t)nan->valuedouble;
		return 0;
	}
	if (!text)
		return parser_refuse(ps, "nan", "is not a number or a hexadecimal text");
	errno = 0;
	pt->format.nan = strtoull(text, &end, 0);
	return *end || errno ? parser_refuse(ps, "nan", "'%s' is not a number", text) : 0;
}

static int parse_place(struct parser *ps, const cJSON *o, struct profile_point *pt)
{
	char type[16] = "", order[8] = "big";
	int fc = 0, address = 0, count = 0, t, words;

	if (parser_int(ps, o, "fc", true, (int[]){ 1, 16 }, &fc) ||
	    parser_int(ps, o, "address", true, (int[]){ 0, 65535 }, &address) ||
	    parser_int(ps, o, "count", true, (int[]){ 1, REQUEST_WORDS_MAX }, &count) ||
	    parser_text(ps, o, "type", true, type, sizeof(type)) ||
	    parser_text(ps, o, "word_order", false, order, sizeof(order)))
		return -EINVAL;
	t = reg_type_find(type);
	if (t < 0)
		return parser_refuse(ps, "type", "'%s' is unknown", type);
	words = reg_words((enum reg_type)t);
	if (words && words != count)
		return parser_refuse(ps, "count", "%d registers, but %s takes %d", count, type, words);
	if (address + count > 65536)
		return parser_refuse(ps, "address", "%d + %d registers end behind 65535", address, count);
	if (pt->readable ? !(fc >= 1 && fc <= 4) : !(fc == 5 || fc == 6 || fc == 15 || fc == 16))
		return parser_refuse(ps, "fc", "%d cannot %s", fc, pt->readable ? "read" : "write");
	if ((t == REG_COIL) != (fc == 1 || fc == 2 || fc == 5 || fc == 15))
		return parser_refuse(ps, "type", "%s with function code %d", type, fc);
	if (strcmp(order, "big") && strcmp(order, "little"))
		return parser_refuse(ps, "word_order", "'%s' is not big or little", order);
	pt->at = (struct plan_point){ (uint8_t)fc, (uint16_t)address, (uint16_t)count };
	pt->format.type = (enum reg_type)t;
	pt->format.order = strcmp(order, "big") ? REG_LITTLE : REG_BIG;
	pt->format.scale = 1;
	if (parser_number(ps, o, "scale", &pt->format.scale))
		return -EINVAL;
	if (pt->format.scale == 0)
		return parser_refuse(ps, "scale", "is 0");
	if (pt->field != F_COUNT && t == REG_STRING)
		return parser_refuse(ps, "maps_to", "a string is no number");
	return parse_nan(ps, o, pt);
}

/* Two points of one function code may be the same registers or apart, never torn into each other. */
static int check_overlap(struct parser *ps, const struct profile_point *pt)
{
	for (int i = 0; i < ps->p->n_points; i++) {
		const struct profile_point *o = &ps->p->point[i];
		bool same = o->at.address == pt->at.address && o->at.count == pt->at.count;
		bool apart = o->at.address + o->at.count <= pt->at.address || pt->at.address + pt->at.count <= o->at.address;

		if (o->sunspec || o->at.fc != pt->at.fc)
			continue;
		if (!same && !apart)
			return parser_refuse(ps, "address", "%d overlaps '%s'", pt->at.address, o->name);
		if (same && pt->field != F_COUNT && o->field == pt->field && o->when.point == pt->when.point &&
		    o->when.min == pt->when.min)
			return parser_refuse(ps, "maps_to", "counted twice, see '%s'", o->name);
	}
	return 0;
}

static int parse_point(struct parser *ps, const cJSON *o)
{
	static const char *const KEYS[] = { "name",    "fc",       "address", "count", "type",    "word_order",
					    "scale",   "unit",     "access",  "sign",  "maps_to", "enum",
					    "bits",    "iec61851", "nan",     "note",  "src",     "confidence",
					    "sunspec", "mask",     "values",  "when",  NULL };
	struct profile_point *pt = &ps->p->point[ps->p->n_points];
	const cJSON *sunspec = cJSON_GetObjectItemCaseSensitive(o, "sunspec");
	int64_t model;

	if (ps->p->n_points == PROFILE_POINTS_MAX)
		return parser_refuse(ps, "", "more than %d points", PROFILE_POINTS_MAX);
	memset(pt, 0, sizeof(*pt));
	pt->sign = 1;
	if (parser_keys(ps, o, KEYS) || parser_text(ps, o, "name", true, pt->name, sizeof(pt->name)))
		return -EINVAL;
	if (profile_point_find(ps->p, pt->name) >= 0)
		return parser_refuse(ps, "name", "'%s' is there twice", pt->name);
	if (parse_meaning(ps, o, pt) || parser_when(ps, o, &pt->when))
		return -EINVAL;
	if (sunspec) {
		pt->sunspec = true;
		if (json_get_int(sunspec, "model", 1, 65535, &model, &ps->inner) != 1)
			return parser_refuse(ps, "sunspec.model", "is missing or no model number");
		if (!cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(sunspec, "point")))
			return parser_refuse(ps, "sunspec.point", "is missing");
	} else if (parse_place(ps, o, pt) || parse_map(ps, o, pt) || check_overlap(ps, pt)) {
		return -EINVAL;
	}
	ps->p->n_points++;
	return 0;
}

/* ---- transport, watchdog, the whole ---- */

static int parse_transport(struct parser *ps, const cJSON *root)
{
	const cJSON *o = cJSON_GetObjectItemCaseSensitive(root, "transport");
	struct profile *p = ps->p;
	bool blocks = true;

	snprintf(ps->path, sizeof(ps->path), "transport");
	if (!cJSON_IsObject(o))
		return parser_refuse(ps, "", "is missing");
	p->max_regs = REQUEST_WORDS_MAX;
	p->settle_ms = 1000;
	if (parser_int(ps, o, "max_regs_per_read", false, (int[]){ 1, REQUEST_WORDS_MAX }, &p->max_regs) ||
	    parser_int(ps, o, "max_hole", false, (int[]){ 0, REQUEST_WORDS_MAX }, &p->max_hole) ||
	    parser_int(ps, o, "min_gap_ms", false, (int[]){ 0, 10000 }, &p->min_gap_ms) ||
	    parser_int(ps, o, "min_poll_ms", false, (int[]){ 0, 3600000 }, &p->min_poll_ms) ||
	    parser_int(ps, o, "settle_ms", false, (int[]){ 0, 60000 }, &p->settle_ms))
		return -EINVAL;
	if (json_get_bool(o, "block_reads", &blocks, &ps->inner) < 0)
		return parser_inner(ps);
	p->single_reads = !blocks;
	return 0;
}

static int parse_watchdog(struct parser *ps, const cJSON *root)
{
	static const char *const WORDS[] = { "none", "device_timeout", "device_reversion", "setpoint_validity",
					     "not_applicable" };
	const cJSON *o = cJSON_GetObjectItemCaseSensitive(root, "watchdog");
	char kind[32];

	snprintf(ps->path, sizeof(ps->path), "watchdog");
	if (!cJSON_IsObject(o))
		return parser_refuse(ps, "", "is missing");
	if (parser_text(ps, o, "kind", true, kind, sizeof(kind)) ||
	    parser_int(ps, o, "timeout_s", false, (int[]){ 1, 86400 }, &ps->p->watchdog_timeout_s))
		return -EINVAL;
	for (int i = 0; i < (int)(sizeof(WORDS) / sizeof(WORDS[0])); i++) {
		if (strcmp(WORDS[i], kind))
			continue;
		ps->p->watchdog = (enum watchdog_kind)i;
		return 0;
	}
	return parser_refuse(ps, "kind", "'%s' is unknown", kind);
}

static bool has_command(const struct profile *p, const char *name)
{
	for (int i = 0; i < p->n_commands; i++)
		if (!strcmp(p->command[i].name, name))
			return true;
	return false;
}

/* Whether a charger may change between one and three phases while a car is plugged in, and how patiently. */
static int parse_phase_switch(struct parser *ps, const cJSON *root)
{
	static const char *const KEYS[] = { "safe", "dwell_s", "pause_s", "note", "src", "confidence", NULL };
	const cJSON *o = cJSON_GetObjectItemCaseSensitive(root, "phase_switch");
	struct profile *p = ps->p;
	char confidence[4] = "";

	snprintf(ps->path, sizeof(ps->path), "phase_switch");
	if (!o)
		return 0;
	if (parser_keys(ps, o, KEYS) || parser_int(ps, o, "dwell_s", true, (int[]){ 10, 86400 }, &p->phase_switch.dwell_s) ||
	    parser_int(ps, o, "pause_s", true, (int[]){ 1, 600 }, &p->phase_switch.pause_s) ||
	    parser_text(ps, o, "confidence", true, confidence, sizeof(confidence)))
		return -EINVAL;
	if (json_get_bool(o, "safe", &p->phase_switch.safe, &ps->inner) < 1)
		return parser_refuse(ps, "safe", "is missing or not true or false");
	if (strlen(confidence) != 1 || !strchr("ABC", confidence[0]))
		return parser_refuse(ps, "confidence", "'%s' is not A, B or C", confidence);
	if (p->phase_switch.safe && !has_command(p, "set_phases"))
		return parser_refuse(ps, "safe", "there is no command set_phases");
	p->phase_switch.unverified = confidence[0] == 'C';
	return 0;
}

static int parse_head(struct parser *ps, const cJSON *root, const char *json, size_t len)
{
	char schema[40], kind[16];
	struct profile *p = ps->p;

	ps->path[0] = '\0';
	if (parser_text(ps, root, "schema", true, schema, sizeof(schema)))
		return -EINVAL;
	if (strcmp(schema, SCHEMA))
		return parser_refuse(ps, "schema", "'%s' is not " SCHEMA, schema);
	if (parser_text(ps, root, "id", true, p->id, sizeof(p->id)) ||
	    parser_text(ps, root, "name", true, p->name, sizeof(p->name)) ||
	    parser_text(ps, root, "vendor", true, p->vendor, sizeof(p->vendor)) ||
	    parser_text(ps, root, "kind", true, kind, sizeof(kind)))
		return -EINVAL;
	p->roles = driver_profile_roles(json, len);
	return p->roles ? 0 : parser_refuse(ps, "kind", "'%s' is unknown", kind);
}

int profile_parse(const char *json, size_t len, struct profile *out, struct errbuf *err)
{
	AUTO_JSON *root = json_parse(json, len, PROFILE_JSON_MAX, PROFILE_DEPTH_MAX, err);
	struct parser ps = { .p = out, .err = err };

	memset(out, 0, sizeof(*out));
	if (!root)
		return -EINVAL;
	if (parse_head(&ps, root, json, len) || parse_transport(&ps, root) ||
	    parser_list(&ps, root, "points", parse_point) || parser_list(&ps, root, "commands", parser_command) ||
	    parse_phase_switch(&ps, root) || parse_watchdog(&ps, root))
		return -EINVAL;
	return 0;
}
