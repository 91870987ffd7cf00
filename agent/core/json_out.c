/* See json_out.h. */
#include "core/json_out.h"

#include "core/calendar.h"
#include "core/json.h"

#include <math.h>
#include <string.h>

#define NUMBER_MAX 1e12

static void put(struct json_out *o, const char *text, size_t n)
{
	if (o->full || o->size - o->n <= n) { /* one byte stays for the end */
		o->full = true;
		return;
	}
	memcpy(o->text + o->n, text, n);
	o->n += n;
}

static void put_escaped(struct json_out *o, const char *text)
{
	static const char HEX[] = "0123456789abcdef";
	size_t len = strlen(text);
	bool utf8 = json_utf8(text, len);

	put(o, "\"", 1);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			put(o, (char[]){ '\\', (char)c }, 2);
		else if (c < 0x20)
			put(o, (char[]){ '\\', 'u', '0', '0', HEX[c >> 4], HEX[c & 15] }, 6);
		else
			put(o, c >= 0x80 && !utf8 ? "?" : text + i, 1);
	}
	put(o, "\"", 1);
}

static void begin(struct json_out *o, const char *key)
{
	if (o->comma)
		put(o, ",", 1);
	o->comma = true;
	if (!key)
		return;
	put_escaped(o, key);
	put(o, ":", 1);
}

void json_out_init(struct json_out *o, char *text, size_t size)
{
	*o = (struct json_out){ .text = text, .size = size };
}

void json_out_object(struct json_out *o, const char *key)
{
	begin(o, key);
	put(o, "{", 1);
	o->comma = false;
}

void json_out_object_end(struct json_out *o)
{
	put(o, "}", 1);
	o->comma = true;
}

void json_out_array(struct json_out *o, const char *key)
{
	begin(o, key);
	put(o, "[", 1);
	o->comma = false;
}

void json_out_array_end(struct json_out *o)
{
	put(o, "]", 1);
	o->comma = true;
}

void json_out_text(struct json_out *o, const char *key, const char *text)
{
	begin(o, key);
	put_escaped(o, text);
}

void json_out_bool(struct json_out *o, const char *key, bool value)
{
	begin(o, key);
	put(o, value ? "true" : "false", value ? 4 : 5);
}

void json_out_number(struct json_out *o, const char *key, double v, int decimals)
{
	static const int64_t SCALE[] = { 1, 10, 100, 1000, 10000, 100000, 1000000 };
	char digits[24];
	size_t at = sizeof(digits);
	uint64_t rest;
	int64_t n;

	if (!isfinite(v) || fabs(v) > NUMBER_MAX)
		return;
	decimals = decimals < 0 ? 0 : decimals > 6 ? 6 : decimals;
	n = llround(v * (double)SCALE[decimals]);
	while (decimals > 0 && n % 10 == 0) {
		n /= 10;
		decimals--;
	}
	rest = (uint64_t)(n < 0 ? -n : n);
	for (int i = 0; i <= decimals || rest; i++) {
		if (i == decimals && decimals > 0)
			digits[--at] = '.';
		digits[--at] = (char)('0' + rest % 10);
		rest /= 10;
	}
	if (n < 0)
		digits[--at] = '-';
	begin(o, key);
	put(o, digits + at, sizeof(digits) - at);
}

void json_out_time(struct json_out *o, const char *key, int64_t utc_ms)
{
	char text[CALENDAR_TEXT_MAX];

	if (!utc_ms)
		return;
	calendar_format(utc_ms, text);
	json_out_text(o, key, text);
}

size_t json_out_end(struct json_out *o)
{
	if (o->full || o->n >= o->size)
		return 0;
	o->text[o->n] = '\0';
	return o->n;
}
