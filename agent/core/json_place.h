/* Where in a JSON text something stands, for messages to people. Works on texts that json_parse refuses too. */
#ifndef HEARTH_CORE_JSON_PLACE_H
#define HEARTH_CORE_JSON_PLACE_H

#include <stdbool.h>
#include <stddef.h>

#define JSON_PATH_MAX 128
#define JSON_TOKEN_MAX 24

/* A place. Lines and columns begin at 1, columns are bytes. */
struct json_place {
	int line, column;
	char path[JSON_PATH_MAX];   /* "battery.soc_kwh", "import_price[17]"; "" = the value itself */
	char token[JSON_TOKEN_MAX]; /* the word or number that stands there: "NaN"; "" = something else */
};

/** What stands at @offset. An offset behind the end counts as the end. */
void json_place_at(const char *text, size_t len, size_t offset, struct json_place *out);

/**
 * Where the value of @path begins, or of the longest part of it that is there: what misses a key is the object it belongs into.
 * False when not even the first key is there (out untouched).
 */
bool json_place_find(const char *text, size_t len, const char *path, struct json_place *out);

#endif
