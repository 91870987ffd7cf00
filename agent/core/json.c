/* See json.h. cJSON does the parsing; what it is too kind about is refused before it sees the text: depth, text that ends
 * early (Debian's 1.7.15 reads one byte past the end of '{"a":1,'), \u0000 (cuts strings), bytes that are not UTF-8. */
#include "core/json.h"

#include "core/calendar.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* Length of the UTF-8 sequence at p (left bytes there), 0 when it is none: overlong, surrogate, cut. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

	if (n == 0 || n > left)
		return 0;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

bool json_utf8(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;

	for (size_t i = 0, n; i < len; i += n) {
		n = utf8_length(p + i, len - i);
		if (n == 0)
			return false;
	}
	return true;
}

/* Walks one string from behind its opening quote; returns the offset behind the closing one, 0 on error. */
static size_t scan_string(const char *text, size_t len, size_t at, struct errbuf *err)
{
	const size_t start = at;

	while (at < len) {
		const size_t n = utf8_length((const unsigned char *)text + at, len - at);

		if (n == 0 || text[at] == '\0') {
			errbuf_set(err, 0, "JSON: byte 0x%02x at offset %zu is not UTF-8 text", (unsigned char)text[at], at);
			return 0;
		}
		if (text[at] == '"')
			return at + 1;
		if (text[at] == '\\') {
			if (len - at >= 6 && !memcmp(text + at, "\\u0000", 6)) {
				errbuf_set(err, 0, "JSON: \\u0000 at offset %zu is not allowed in text", at);
				return 0;
			}
			at++;
			if (at >= len)
				break;
		}
		at += text[at] == '\\' || text[at] == '"' ? 1 : n;
	}
	errbuf_set(err, 0, "JSON: the text that starts at offset %zu has no end", start);
	return 0;
}

/* Depth, balance, number of values and text encoding, before anything is allocated. */
static int scan(const char *text, size_t len, int max_depth, struct errbuf *err)
{
	int depth = 0, values = 1; /* never too few: one alone, one at each opening bracket, one behind each comma */

	for (size_t at = 0; at < len;) {
		switch (text[at]) {
		case '"':
			at = scan_string(text, len, at + 1, err);
			if (at == 0)
				return -EINVAL;
			continue;
		case '{':
		case '[':
			if (++depth > max_depth)
				return errbuf_set(err, -ERANGE, "JSON: nested deeper than %d at offset %zu", max_depth, at);
			values++;
			break;
		case ',':
			values++;
			break;
		case '}':
		case ']':
			if (--depth < 0)
				return errbuf_set(err, -EINVAL, "JSON: '%c' at offset %zu closes nothing", text[at], at);
			break;
		default:
			if ((unsigned char)text[at] >= 0x7f || text[at] == '\0')
				return errbuf_set(err, -EINVAL, "JSON: byte 0x%02x at offset %zu is outside of text",
						  (unsigned char)text[at], at);
		}
		if (values > JSON_VALUES_MAX)
			return errbuf_set(err, -ERANGE, "JSON: too many values at offset %zu, at most %d are allowed", at,
					  JSON_VALUES_MAX);
		at++;
	}
	if (depth > 0)
		return errbuf_set(err, -EINVAL, "JSON: ends early, %d bracket%s still open", depth, depth > 1 ? "s" : "");
	return 0;
}

cJSON *json_parse(const char *text, size_t len, size_t max_len, int max_depth, struct errbuf *err)
{
	const char *end = NULL;
	cJSON *tree;

	if (len > max_len) {
		errbuf_set(err, -EMSGSIZE, "JSON: %zu bytes, at most %zu are allowed", len, max_len);
		return NULL;
	}
	if (!text || len == 0) {
		errbuf_set(err, -EINVAL, "JSON: empty");
		return NULL;
	}
	if (scan(text, len, max_depth, err) < 0)
		return NULL;
	tree = cJSON_ParseWithLengthOpts(text, len, &end, 0);
	if (!tree) {
		errbuf_set(err, -EINVAL, "JSON: not understood at offset %zu", end ? (size_t)(end - text) : 0);
		return NULL;
	}
	for (; end < text + len; end++) {
		if (*end != ' ' && *end != '\t' && *end != '\r' && *end != '\n') {
			errbuf_set(err, -EINVAL, "JSON: more text behind the value, at offset %zu", (size_t)(end - text));
			cJSON_Delete(tree);
			return NULL;
		}
	}
	return tree;
}

/* The member when it is there and not null. */
static const cJSON *member(const cJSON *o, const char *key)
{
	const cJSON *m = cJSON_GetObjectItemCaseSensitive(o, key);

	return m && !cJSON_IsNull(m) ? m : NULL;
}

/* Units are part of the name. */
static const char *unit_of(const char *key)
{
	static const char *const UNITS[][2] = { { "_w", " W" }, { "_wh", " Wh" }, { "_s", " s" }, { "_pct", " %" } };
	const size_t n = strlen(key);

	for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++)
		if (n > strlen(UNITS[i][0]) && !strcmp(key + n - strlen(UNITS[i][0]), UNITS[i][0]))
			return UNITS[i][1];
	return "";
}

int json_get_number(const cJSON *o, const char *key, double min, double max, double *out, struct errbuf *err)
{
	const cJSON *m = member(o, key);

	if (!m)
		return 0;
	if (!cJSON_IsNumber(m))
		return errbuf_set(err, -EINVAL, "%s: not a number", key);
	/* written so that NaN and 1e999 (infinite) fail too */
	if (!(m->valuedouble >= min && m->valuedouble <= max) || !isfinite(m->valuedouble))
		return errbuf_set(err, -ERANGE, "%s: %.10g%s is outside %.10g..%.10g%s", key, m->valuedouble, unit_of(key), min, max, unit_of(key));
	*out = m->valuedouble;
	return 1;
}

int json_get_int(const cJSON *o, const char *key, int64_t min, int64_t max, int64_t *out, struct errbuf *err)
{
	double v;
	int r;

	r = json_get_number(o, key, -9007199254740992., 9007199254740992., &v, err);
	if (r <= 0)
		return r;
	if (v != floor(v))
		return errbuf_set(err, -EINVAL, "%s: %g is not a whole number", key, v);
	if ((int64_t)v < min || (int64_t)v > max)
		return errbuf_set(err, -ERANGE, "%s: %lld%s is outside %lld..%lld%s", key, (long long)v, unit_of(key), (long long)min,
				  (long long)max, unit_of(key));
	*out = (int64_t)v;
	return 1;
}

int json_get_bool(const cJSON *o, const char *key, bool *out, struct errbuf *err)
{
	const cJSON *m = member(o, key);

	if (!m)
		return 0;
	if (!cJSON_IsBool(m))
		return errbuf_set(err, -EINVAL, "%s: neither true nor false", key);
	*out = cJSON_IsTrue(m);
	return 1;
}

int json_get_text(const cJSON *o, const char *key, char *out, size_t size, struct errbuf *err)
{
	const cJSON *m = member(o, key);
	size_t n;

	if (!m)
		return 0;
	if (!cJSON_IsString(m) || !m->valuestring)
		return errbuf_set(err, -EINVAL, "%s: not a text", key);
	n = strlen(m->valuestring);
	if (n >= size)
		return errbuf_set(err, -ERANGE, "%s: %zu bytes, at most %zu are allowed", key, n, size - 1);
	memcpy(out, m->valuestring, n + 1);
	return 1;
}

void json_add_number(cJSON *o, const char *key, double v, int decimals)
{
	const double scale = pow(10, decimals);
	double rounded;

	if (!isfinite(v))
		return;
	rounded = round(v * scale) / scale;
	if (!isfinite(rounded))
		rounded = v;                           /* v * scale overflowed: far beyond any decimals */
	cJSON_AddNumberToObject(o, key, rounded + 0.); /* + 0. turns -0 into 0 */
}

void json_add_time(cJSON *o, const char *key, int64_t utc_ms)
{
	char text[CALENDAR_TEXT_MAX];

	if (utc_ms == 0)
		return;
	calendar_format(utc_ms, text);
	cJSON_AddStringToObject(o, key, text);
}
