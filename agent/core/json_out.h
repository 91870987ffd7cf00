/* Writes JSON straight into a buffer, for state that is published every second: a tree of cJSON nodes costs about twenty
 * times as much. Allocates nothing. Text that does not fit is noticed at the end, not cut. */
#ifndef HEARTH_CORE_JSON_OUT_H
#define HEARTH_CORE_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_out {
	char *text;
	size_t size, n;
	bool comma;  /* the next item needs one before it */
	bool full;   /* something did not fit */
};

void json_out_init(struct json_out *o, char *text, size_t size);

/* @key NULL inside arrays and for the outermost value. */
void json_out_object(struct json_out *o, const char *key);
void json_out_object_end(struct json_out *o);
void json_out_array(struct json_out *o, const char *key);
void json_out_array_end(struct json_out *o);

/** Control characters are escaped; text that is not UTF-8 loses its bytes above 0x7f (each becomes '?'). */
void json_out_text(struct json_out *o, const char *key, const char *text);
void json_out_bool(struct json_out *o, const char *key, bool value);
/** Rounded to @decimals (0..6), without trailing zeros; nothing is written when it is NAN, infinite or above 1e12. */
void json_out_number(struct json_out *o, const char *key, double v, int decimals);
/** RFC 3339 UTC with ms; nothing is written for 0. */
void json_out_time(struct json_out *o, const char *key, int64_t utc_ms);

/** Ends the text with NUL. Returns its length, 0 when it did not fit. */
size_t json_out_end(struct json_out *o);

#endif
