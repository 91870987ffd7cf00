/* One value of the configuration, text to struct, by the row of the table. Messages end in what is allowed; they never
 * repeat a value that might hold a secret. The way back is in config_print.c. */
#include "core/config_table.h"

#include "core/nearest.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool config_member(const char *members, int i, char *out, size_t size)
{
	const char *p = members;

	while (i-- > 0) {
		p = strchr(p, '|');
		if (!p)
			return false;
		p++;
	}
	snprintf(out, size, "%.*s", (int)strcspn(p, "|"), p);
	return true;
}

static int member_find(const char *members, const char *text)
{
	char m[32];

	for (int i = 0; *text && config_member(members, i, m, sizeof(m)); i++)
		if (!strcmp(m, text))
			return i;
	return -1;
}

/* "a, b or c" for messages. */
static void member_list(const char *members, const char *before_last, char *out, size_t size)
{
	char m[32], next[32];
	size_t at = 0;

	out[0] = '\0';
	for (int i = 0; config_member(members, i, m, sizeof(m)); i++) {
		const bool last = !config_member(members, i + 1, next, sizeof(next));

		if (!m[0])
			continue;
		at += (size_t)snprintf(out + at, size - at, "%s%s", at == 0 ? "" : last ? before_last : ", ", m);
		if (at >= size)
			return;
	}
}

static int member_error(const struct config_row *row, const char *text, struct errbuf *err)
{
	struct nearest near;
	char m[32], list[160];

	nearest_start(&near, text);
	for (int i = 0; config_member(row->members, i, m, sizeof(m)); i++)
		if (row->type != CT_INT || fabs(strtod(text, NULL) - strtod(m, NULL)) <= 0.1 * strtod(m, NULL)) /* 20 is a letter from 30, and no slip */
			nearest_offer(&near, m);
	member_list(row->members, " or ", list, sizeof(list));
	if (near.best[0])
		return errbuf_set(err, -EINVAL, "unknown value '%.40s', did you mean %s? allowed: %s", text, near.best,
				  list);
	return errbuf_set(err, -EINVAL, "unknown value '%.40s', allowed: %s", text, list);
}

bool config_id_valid(const char *text)
{
	const size_t n = strlen(text);

	return n >= 1 && n < DEVICE_ID_MAX && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == n;
}

/* A decimal number and nothing else: strtod would take "0x10", "nan" and "inf" too. */
static int number_parse(const struct config_row *row, const char *text, double *out, struct errbuf *err)
{
	const char *unit = row->unit[0] ? " " : "";
	char *end;
	double v;

	if (!text[0])
		return errbuf_set(err, -EINVAL, "empty, allowed: %.10g..%.10g%s%s", row->min, row->max, unit, row->unit);
	v = strtod(text, &end);
	if (*end || strspn(text, "+-.0123456789eE") != strlen(text))
		return errbuf_set(err, -EINVAL, "'%.40s' is not a number, allowed: %.10g..%.10g%s%s%s", text, row->min, row->max,
				  unit, row->unit, strchr(text, '#') ? " (a comment behind a value starts with ' ;')" : "");
	if (!(v >= row->min && v <= row->max) && !(v == 0 && row->flags & CF_ZERO))
		return errbuf_set(err, -EINVAL, "%.40s is outside %s%.10g..%.10g%s%s", text, row->flags & CF_ZERO ? "0 or " : "",
				  row->min, row->max, unit, row->unit);
	*out = v;
	return 0;
}

static int int_set(const struct config_row *row, int *out, const char *text, struct errbuf *err)
{
	double v;

	if (number_parse(row, text, &v, err) < 0)
		return -EINVAL;
	if (v != floor(v))
		return errbuf_set(err, -EINVAL, "%.40s is not a whole number, allowed: %.10g..%.10g", text, row->min, row->max);
	if (row->members) {
		char plain[24];

		snprintf(plain, sizeof(plain), "%d", (int)v);
		if (member_find(row->members, plain) < 0)
			return member_error(row, plain, err);
	}
	*out = (int)v;
	return 0;
}

static int bool_set(bool *out, const char *text, struct errbuf *err)
{
	static const char *const NO[] = { "no", "false", "off" }, *const YES[] = { "yes", "true", "on" };

	for (size_t i = 0; i < 3; i++) {
		if (!strcmp(text, NO[i]) || !strcmp(text, YES[i])) {
			*out = !strcmp(text, YES[i]);
			return 0;
		}
	}
	return errbuf_set(err, -EINVAL, "'%.40s' is neither, allowed: yes or no", text);
}

static int roles_set(const struct config_row *row, uint32_t *out, const char *text, struct errbuf *err)
{
	uint32_t roles = 0;
	char word[40];

	for (const char *p = text + strspn(text, ", \t"); *p;) {
		const size_t n = strcspn(p, ", \t");
		int i;

		snprintf(word, sizeof(word), "%.*s", (int)(n < sizeof(word) ? n : sizeof(word) - 1), p);
		i = member_find(row->members, word);
		if (i < 0)
			return member_error(row, word, err);
		roles |= 1u << i;
		p += n;
		p += strspn(p, ", \t");
	}
	if (roles == 0)
		return errbuf_set(
			err, -EINVAL,
			"empty, allowed: battery, pv, grid, load, charger (leave the key out for the profile's own)");
	*out = roles;
	return 0;
}

static int format_set(struct config_bus *bus, const char *text, struct errbuf *err)
{
	if (strlen(text) != 3 || !strchr("78", text[0]) || !strchr("NEO", text[1]) || !strchr("12", text[2]))
		return errbuf_set(err, -EINVAL,
				  "'%.40s' is not a format, allowed: data bits 7 or 8, parity N E or O, stop bits 1 or 2, "
				  "as in 8N1",
				  text);
	bus->data_bits = text[0] - '0';
	bus->parity = text[1];
	bus->stop_bits = text[2] - '0';
	return 0;
}

static bool digits_in(const char *text, size_t n, int min, int max)
{
	int v = 0;

	if (n == 0 || n > 5)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		v = v * 10 + (text[i] - '0');
	}
	return v >= min && v <= max;
}

static bool host_valid(const char *host, size_t n)
{
	static const char NAME[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:";

	return n >= 1 && n < CONFIG_TEXT_MAX && strspn(host, NAME) >= n && host[0] != '-';
}

/* Four decimal numbers without leading zeros, as inet_pton() wants them; the first one is 127. */
static bool ipv4_is_loopback(const char *host, size_t n)
{
	size_t at = 0;

	for (int part = 0; part < 4; part++) {
		const size_t run = strspn(host + at, "0123456789"), digits = run < n - at ? run : n - at;

		if (digits > 3 || !digits_in(host + at, digits, part == 0 ? 127 : 0, part == 0 ? 127 : 255) ||
		    (digits > 1 && host[at] == '0'))
			return false;
		at += digits;
		if (part < 3 && (at >= n || host[at++] != '.'))
			return false;
	}
	return at == n;
}

static bool host_is_loopback(const char *host, size_t n)
{
	/* of a name only this one: "127.1" and "127.0.0.1." are names to some resolvers */
	return (n == 9 && !strncmp(host, "localhost", 9)) || ipv4_is_loopback(host, n) ||
	       (n == 3 && !strncmp(host, "::1", 3));
}

/* Splits "host:port" or "[v6]:port"; the port may be missing. False when it is neither. */
static bool authority_split(const char *text, size_t n, const char **host, size_t *host_n, const char **port, size_t *port_n)
{
	const char *end;

	*port = NULL;
	*port_n = 0;
	if (text[0] == '[') {
		end = memchr(text, ']', n);
		if (!end)
			return false;
		*host = text + 1;
		*host_n = (size_t)(end - text) - 1;
		end++;
	} else {
		end = memchr(text, ':', n);
		if (!end)
			end = text + n;
		*host = text;
		*host_n = (size_t)(end - text);
	}
	if (end < text + n) {
		if (*end != ':')
			return false;
		*port = end + 1;
		*port_n = (size_t)(text + n - *port);
		if (!digits_in(*port, *port_n, 1, 65535))
			return false;
	}
	return host_valid(*host, *host_n);
}

static int url_check(const char *text, struct errbuf *err)
{
	static const char HTTPS[] = "https://", HTTP[] = "http://";
	const bool secure = !strncmp(text, HTTPS, sizeof(HTTPS) - 1);
	const char *rest = text + (secure ? sizeof(HTTPS) : sizeof(HTTP)) - 1, *host, *port;
	size_t n, host_n, port_n;

	if (!secure && strncmp(text, HTTP, sizeof(HTTP) - 1))
		return errbuf_set(err, -EINVAL,
				  "not an address, allowed: https://HOST[:PORT][/PATH] (http:// for loopback only)");
	n = strcspn(rest, "/?#");
	if (memchr(rest, '@', n)) /* not repeated here: it may hold a password */
		return errbuf_set(err, -EINVAL, "holds a user name or password, allowed: https://HOST[:PORT][/PATH]");
	if (!authority_split(rest, n, &host, &host_n, &port, &port_n) || strpbrk(rest, " \t\"<>\\"))
		return errbuf_set(err, -EINVAL, "'%.60s' is not an address, allowed: https://HOST[:PORT][/PATH]", text);
	if (!secure && !host_is_loopback(host, host_n))
		return errbuf_set(err, -EINVAL, "'%.60s' is plain http, allowed: https:// (http:// for loopback only)",
				  text);
	return 0;
}

static bool date_valid(const char *text)
{
	char full[40];
	int64_t t;

	return strlen(text) == 10 && snprintf(full, sizeof(full), "%sT00:00:00Z", text) > 0 && calendar_parse(full, &t) == 0;
}

static bool topic_valid(const char *text)
{
	const size_t n = strlen(text);

	return !strpbrk(text, "+#$ ") && text[0] != '/' && text[n - 1] != '/' && !strstr(text, "//");
}

static int text_check(const struct config_row *row, const char *text, struct errbuf *err)
{
	static const char PROFILE[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	const char *host, *port;
	size_t host_n, port_n;

	switch (row->type) {
	case CT_PROFILE:
		if (strspn(text, PROFILE) != strlen(text) || text[0] == '.' || strlen(text) >= NEAREST_NAME_MAX)
			return errbuf_set(err, -EINVAL,
					  "'%.40s' is not a profile's name, allowed: the file name without folder and .json",
					  text);
		return 0;
	case CT_TOPIC:
		if (!topic_valid(text))
			return errbuf_set(err, -EINVAL,
					  "'%.40s' is not a topic, allowed: levels like hearth/1, without + # $ and spaces",
					  text);
		return 0;
	case CT_HOST:
		if (text[0] != '/' && !host_valid(text, strlen(text)))
			return errbuf_set(err, -EINVAL, "'%.40s' is not a host, allowed: a name or an address", text);
		return 0;
	case CT_PATH:
	case CT_SECRET:
		if (text[0] != '/')
			return errbuf_set(err, -EINVAL,
					  "'%.40s' is not an absolute path, allowed: a path that starts with /", text);
		return 0;
	case CT_URL:
		return url_check(text, err);
	case CT_LISTEN:
		if (!authority_split(text, strlen(text), &host, &host_n, &port, &port_n) || !port)
			return errbuf_set(err, -EINVAL,
					  "'%.40s' is not ADDR:PORT, allowed: as in 127.0.0.1:8443 or [::]:8443", text);
		return 0;
	case CT_DATE:
		if (!date_valid(text))
			return errbuf_set(err, -EINVAL, "'%.40s' is not a date, allowed: YYYY-MM-DD", text);
		return 0;
	case CT_CURRENCY:
		if (strlen(text) != 3 || strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != 3)
			return errbuf_set(err, -EINVAL, "'%.40s' is not a currency, allowed: three letters as in GBP", text);
		return 0;
	case CT_ZONE:
		if (strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_+-") != strlen(text) ||
		    strlen(text) >= sizeof(((struct zone *)NULL)->name))
			return errbuf_set(err, -EINVAL,
					  "'%.40s' is not a time zone, allowed: IANA names as in Europe/London", text);
		return 0;
	case CT_WORD:
		return member_find(row->members, text) >= 0 ? 0 : member_error(row, text, err);
	case CT_ID:
		if (!config_id_valid(text))
			return errbuf_set(err, -EINVAL, "'%.40s' is not an id, allowed: 1 to 32 of a-z 0-9 -", text);
		return 0;
	case CT_TEXT:
	case CT_CHOICE:
	case CT_SWITCH:
	case CT_BOOL:
	case CT_INT:
	case CT_NUMBER:
	case CT_ROLES:
	case CT_FORMAT:
	case CT_TARIFF:
		return 0;
	}
	return 0;
}

static int text_set(const struct config_row *row, char *out, const char *text, struct errbuf *err)
{
	const size_t n = strlen(text), size = row->type == CT_ID ? DEVICE_ID_MAX : CONFIG_TEXT_MAX;

	if (n == 0 && (row->flags & CF_REQUIRED || row->type == CT_ID || row->type == CT_WORD || row->type == CT_ZONE))
		return errbuf_set(err, -EINVAL, "empty, a value is needed");
	if (n >= CONFIG_TEXT_MAX)
		return errbuf_set(err, -EINVAL, "%zu bytes long, allowed: at most %d", n, CONFIG_TEXT_MAX - 1);
	if (n && text_check(row, text, err) < 0)
		return -EINVAL;
	snprintf(out, size, "%s", text);
	return 0;
}

int config_value_set(const struct config_row *row, void *base, const char *text, struct errbuf *err)
{
	void *out = (char *)base + row->offset;
	double number;
	int i;

	switch (row->type) {
	case CT_TEXT:
	case CT_ID:
	case CT_PROFILE:
	case CT_TOPIC:
	case CT_HOST:
	case CT_PATH:
	case CT_SECRET:
	case CT_URL:
	case CT_LISTEN:
	case CT_DATE:
	case CT_CURRENCY:
	case CT_ZONE:
	case CT_WORD:
		return text_set(row, out, text, err);
	case CT_CHOICE:
	case CT_SWITCH:
		i = member_find(row->members, text);
		if (i < 0)
			return member_error(row, text, err);
		if (row->type == CT_CHOICE)
			*(int *)out = i;
		else
			*(bool *)out = i == 1;
		return 0;
	case CT_BOOL:
		return bool_set(out, text, err);
	case CT_INT:
		return int_set(row, out, text, err);
	case CT_NUMBER:
		if (number_parse(row, text, &number, err) < 0)
			return -EINVAL;
		*(double *)out = number;
		return 0;
	case CT_ROLES:
		return roles_set(row, out, text, err);
	case CT_FORMAT:
		return format_set(base, text, err);
	case CT_TARIFF:
		return tariff_parse(text, out, err) < 0 ? -EINVAL : 0;
	}
	return -EINVAL;
}
