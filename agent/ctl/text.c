/* Tables and numbers for people. */
#include "core/calendar.h"
#include "ctl/ctl.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COLUMNS_MAX 12
#define DAY_S 86400

struct table {
	const char *const *headers;
	int columns, rows, room;
	char **cells;
};

static char *slot(void)
{
	static char slots[16][96];
	static int next;

	next = (next + 1) % 16;
	return slots[next];
}

/* Characters as a terminal counts them: UTF-8 continuation bytes take no room. */
static int width(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += (*text & 0xC0) != 0x80;
	return n;
}

struct table *table_new(const char *const *headers, int columns)
{
	struct table *t = calloc(1, sizeof(*t));

	if (!t || columns > COLUMNS_MAX)
		abort();
	t->headers = headers;
	t->columns = columns;
	return t;
}

void table_row(struct table *t, ...)
{
	va_list ap;

	if ((t->rows + 1) * t->columns > t->room) {
		t->room = t->room ? t->room * 2 : 16 * t->columns;
		t->cells = realloc(t->cells, (size_t)t->room * sizeof(*t->cells));
		if (!t->cells)
			abort();
	}
	va_start(ap, t);
	for (int i = 0; i < t->columns; i++) {
		const char *cell = va_arg(ap, const char *);

		t->cells[t->rows * t->columns + i] = strdup(cell ? cell : "");
	}
	va_end(ap);
	t->rows++;
}

void table_free(struct table *t)
{
	for (int i = 0; i < t->rows * t->columns; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}

void table_print(struct table *t)
{
	bool people = isatty(STDOUT_FILENO);
	int widths[COLUMNS_MAX] = { 0 };

	for (int c = 0; c < t->columns; c++) {
		widths[c] = width(t->headers[c]);
		for (int r = 0; r < t->rows; r++)
			if (width(t->cells[r * t->columns + c]) > widths[c])
				widths[c] = width(t->cells[r * t->columns + c]);
	}
	for (int r = people ? -1 : 0; r < t->rows; r++) {
		int last = t->columns - 1; /* for people: the last that says something, so that no line ends in blanks */

		while (people && r >= 0 && last > 0 && !t->cells[r * t->columns + last][0])
			last--;
		for (int c = 0; c <= last; c++) {
			const char *cell = r < 0 ? t->headers[c] : t->cells[r * t->columns + c];

			if (people)
				printf("%s%s%s%*s", r < 0 ? "\033[1m" : "", cell, r < 0 ? "\033[0m" : "",
				       c == last ? 0 : widths[c] - width(cell) + 2, "");
			else
				fputs(cell, stdout);
			fputs(c == last ? "\n" : people ? "" : "\t", stdout);
		}
	}
	table_free(t);
}

const char *show(const cJSON *o, const char *key, int decimals, const char *unit)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
	char *out = slot();

	if (!cJSON_IsNumber(v))
		return show_word(o, key);
	snprintf(out, 96, "%.*f%s%s", decimals, v->valuedouble, unit[0] ? " " : "", unit);
	return out;
}

const char *show_word(const cJSON *o, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);
	char *out = slot();

	if (cJSON_IsString(v))
		snprintf(out, 96, "%s", v->valuestring);
	else if (cJSON_IsBool(v))
		snprintf(out, 96, "%s", cJSON_IsTrue(v) ? "yes" : "no");
	else if (cJSON_IsNumber(v))
		snprintf(out, 96, "%g", v->valuedouble);
	else
		snprintf(out, 96, "-");
	return out;
}

/* The local time of a member; false when there is none. */
static bool member_time(const cJSON *o, const char *key, int64_t *utc_ms)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);

	return cJSON_IsString(v) && calendar_parse(v->valuestring, utc_ms) == 0;
}

static const char *format(int64_t utc_ms, const char *today, const char *near, const char *far)
{
	time_t now = time(NULL), then = (time_t)(utc_ms / 1000);
	struct tm a, b;
	char *out = slot();

	localtime_r(&now, &a);
	localtime_r(&then, &b);
	if (a.tm_year != b.tm_year && (then < now - 6 * DAY_S || then > now + 6 * DAY_S))
		strftime(out, 96, "%a %d %b %Y %H:%M", &b);
	else if (a.tm_yday == b.tm_yday && a.tm_year == b.tm_year)
		strftime(out, 96, today, &b);
	else
		strftime(out, 96, then > now - DAY_S && then < now + 6 * DAY_S ? near : far, &b);
	return out;
}

const char *show_time(const cJSON *o, const char *key)
{
	int64_t utc_ms;

	return member_time(o, key, &utc_ms) ? format(utc_ms, "%H:%M:%S", "%a %d %b %H:%M", "%a %d %b %H:%M") : "-";
}

const char *show_day(const cJSON *o, const char *key)
{
	int64_t utc_ms;

	return member_time(o, key, &utc_ms) ? format(utc_ms, "%a %H:%M", "%a %H:%M", "%a %d %b %H:%M") : "-";
}

const char *show_instant(int64_t utc_ms)
{
	return format(utc_ms, "%H:%M", "%a %H:%M", "%a %d %b %H:%M");
}
