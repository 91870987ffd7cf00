/* Reading JSON that came from outside: size and depth limits before cJSON sees it, typed getters that explain. */
#ifndef HEARTH_CORE_JSON_H
#define HEARTH_CORE_JSON_H

#include "core/err.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline void json_free(cJSON **j)
{
	cJSON_Delete(*j);
}
#define AUTO_JSON __attribute__((cleanup(json_free))) cJSON

static inline void text_free(char **t)
{
	cJSON_free(*t);
}
#define AUTO_TEXT __attribute__((cleanup(text_free))) char

/* Most values of one text. A value costs a tree of 64 bytes and more, however short its text is: two megabytes of "0," would
 * become 64. Room for the largest that make sense: 4096 commands of 25 values (100,000), a plan's instance of 4032 slots with
 * 24 arrays (97,000). */
#define JSON_VALUES_MAX 160000

/**
 * Parses exactly one JSON value (trailing white space allowed), of at most JSON_VALUES_MAX values.
 * @max_len, @max_depth  limits; above them nothing is parsed
 * Returns NULL with a reason (with the offset) in @err. The caller owns the tree.
 */
cJSON *json_parse(const char *text, size_t len, size_t max_len, int max_depth, struct errbuf *err);

/** True when every byte belongs to a valid UTF-8 sequence. */
bool json_utf8(const char *text, size_t len);

/* Getters: 1 = present and set, 0 = absent or null (out untouched), -EINVAL/-ERANGE = wrong, explained with the key. */
int json_get_number(const cJSON *o, const char *key, double min, double max, double *out, struct errbuf *err);
int json_get_int(const cJSON *o, const char *key, int64_t min, int64_t max, int64_t *out, struct errbuf *err);
int json_get_bool(const cJSON *o, const char *key, bool *out, struct errbuf *err);
/** Copies into @out; text longer than size-1 is an error. */
int json_get_text(const cJSON *o, const char *key, char *out, size_t size, struct errbuf *err);

/** Number rounded to @decimals; nothing is added when it is NAN or infinite. */
void json_add_number(cJSON *o, const char *key, double v, int decimals);
/** RFC 3339 UTC with ms; nothing is added when utc_ms is 0. */
void json_add_time(cJSON *o, const char *key, int64_t utc_ms);

#endif
