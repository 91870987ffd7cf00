/* See http_head.h. Dates are turned into RFC 3339 and left to core/calendar, which knows how long a February is. */
#include "core/http_head.h"

#include "core/calendar.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define TEXT_MAX 40     /* "Wednesday, 09-Nov-94 08:49:37 GMT" is the longest */
#define CENTURY_PIVOT 70

static const char WEEKDAYS[7][10] = { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" };
static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

/* The parts of a date, found by one pattern a form: letters stand for a part, everything else for itself. */
struct parts {
	int day, month, year, hour, minute, second;
};

static bool take_number(const char **p, int digits, bool space_for_zero, int *out)
{
	*out = 0;
	for (int i = 0; i < digits; i++, (*p)++) {
		const bool blank = space_for_zero && i == 0 && **p == ' ';

		if (!blank && (**p < '0' || **p > '9'))
			return false;
		*out = *out * 10 + (blank ? 0 : **p - '0');
	}
	return true;
}

static bool take_month(const char **p, int *month)
{
	for (int i = 0; i < 12; i++)
		if (strncmp(*p, &MONTHS[i * 3], 3) == 0) {
			*month = i + 1;
			*p += 3;
			return true;
		}
	return false;
}

static bool take_weekday(const char **p, bool whole)
{
	for (int i = 0; i < 7; i++) {
		const size_t n = whole ? strlen(WEEKDAYS[i]) : 3;

		if (strncmp(*p, WEEKDAYS[i], n) == 0) {
			*p += n;
			return true;
		}
	}
	return false;
}

/* w = Sun, W = Sunday, d = 06, D = " 6" or "06", m = Nov, y = 94, Y = 1994, h, i, s = 08, 49, 37 */
static bool fits(const char *pattern, const char *p, struct parts *out)
{
	bool ok = true;

	for (; ok && *pattern; pattern++) {
		switch (*pattern) {
		case 'w':
		case 'W':
			ok = take_weekday(&p, *pattern == 'W');
			break;
		case 'd':
		case 'D':
			ok = take_number(&p, 2, *pattern == 'D', &out->day);
			break;
		case 'm':
			ok = take_month(&p, &out->month);
			break;
		case 'y':
			ok = take_number(&p, 2, false, &out->year);
			out->year += out->year < CENTURY_PIVOT ? 2000 : 1900;
			break;
		case 'Y':
			ok = take_number(&p, 4, false, &out->year);
			break;
		case 'h':
			ok = take_number(&p, 2, false, &out->hour);
			break;
		case 'i':
			ok = take_number(&p, 2, false, &out->minute);
			break;
		case 's':
			ok = take_number(&p, 2, false, &out->second);
			break;
		default:
			ok = *p == *pattern;
			p += ok;
		}
	}
	return ok && *p == '\0';
}

int http_date_parse(const char *text, size_t len, int64_t *utc_ms)
{
	static const char *const FORMS[] = {
		"w, d m Y h:i:s GMT", /* IMF-fixdate: the only one to write */
		"W, d-m-y h:i:s GMT", /* RFC 850 */
		"w m D h:i:s Y",      /* asctime() */
	};
	char copy[TEXT_MAX], rfc3339[CALENDAR_TEXT_MAX];

	if (len >= sizeof(copy) || memchr(text, '\0', len))
		return -EINVAL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	for (size_t i = 0; i < sizeof(FORMS) / sizeof(FORMS[0]); i++) {
		struct parts t = { 0 };

		if (!fits(FORMS[i], copy, &t))
			continue;
		/* the masks change nothing; they let the compiler see that the text fits */
		snprintf(rfc3339, sizeof(rfc3339), "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)t.year % 10000,
			 (unsigned)t.month % 100, (unsigned)t.day % 100, (unsigned)t.hour % 100, (unsigned)t.minute % 100,
			 (unsigned)t.second % 100);
		return calendar_parse(rfc3339, utc_ms);
	}
	return -EINVAL;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* "Name:" of any case; leaves the value without blanks around it. */
static bool is_header(const char *name, const char *line, size_t len, const char **value, size_t *value_len)
{
	const size_t n = strlen(name);

	if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
		return false;
	line += n + 1;
	len -= n + 1;
	while (len && is_blank(*line)) {
		line++;
		len--;
	}
	while (len && is_blank(line[len - 1]))
		len--;
	*value = line;
	*value_len = len;
	return true;
}

static void retry_after(struct http_head *head, const char *text, size_t len)
{
	int64_t ms = 0;
	size_t i = 0;

	if (head->retry_delay || head->retry_date)
		return;
	for (; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
		ms = ms * 10 + (int64_t)(text[i] - '0') * 1000;
		if (ms > HTTP_RETRY_MAX_MS)
			ms = HTTP_RETRY_MAX_MS;
	}
	if (len && i == len) {
		head->retry_delay = true;
		head->retry_delay_ms = ms;
	} else if (http_date_parse(text, len, &ms) == 0) {
		head->retry_date = true;
		head->retry_utc_ms = ms;
	}
}

void http_head_line(struct http_head *head, const char *line, size_t len)
{
	const char *value;
	size_t n;
	int64_t ms;

	if (len >= 5 && memcmp(line, "HTTP/", 5) == 0)
		memset(head, 0, sizeof(*head));
	else if (is_header("Retry-After", line, len, &value, &n))
		retry_after(head, value, n);
	else if (is_header("Date", line, len, &value, &n) && head->date_utc_ms == 0 && http_date_parse(value, n, &ms) == 0 &&
		 ms > 0)
		head->date_utc_ms = ms;
}

int64_t http_head_retry_after_ms(const struct http_head *head)
{
	int64_t ms;

	if (head->retry_delay)
		return head->retry_delay_ms;
	if (!head->retry_date || head->date_utc_ms == 0)
		return -1;
	ms = head->retry_utc_ms - head->date_utc_ms;
	return ms < 0 ? 0 : ms > HTTP_RETRY_MAX_MS ? HTTP_RETRY_MAX_MS : ms;
}
