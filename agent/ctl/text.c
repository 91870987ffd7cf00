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
#define GAP 2         /* blanks between columns */
#define WRAP_LEAST 24 /* characters the last column is wrapped to */
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

static const char *cell_of(const struct table *t, int row, int column)
{
	return row < 0 ? t->headers[column] : t->cells[row * t->columns + column];
}

/* A line a row: aligned, without blanks at its end. */
static void print_line(const struct table *t, const int *widths, int r)
{
	const bool bold = r < 0 && terminal_has_color();
	int last = t->columns - 1, at = 0;

	while (last > 0 && !cell_of(t, r, last)[0])
		last--;
	for (int c = 0; c <= last; c++) {
		const char *cell = cell_of(t, r, c);

		fputs(bold ? "\033[1m" : "", stdout);
		if (c < last) {
			terminal_put(cell);
			printf("%s%*s", bold ? "\033[0m" : "", widths[c] - terminal_columns(cell) + GAP, "");
			at += widths[c] + GAP;
		} else if (r < 0) {
			printf("%s%s\n", cell, bold ? "\033[0m" : "");
		} else {
			terminal_wrap(at, cell);
		}
	}
}

/* For a terminal that is too narrow: a line a cell, below the row's first. */
static void print_stacked(const struct table *t, int r)
{
	int widest = 0;

	for (int c = 1; c < t->columns; c++)
		widest = terminal_columns(t->headers[c]) > widest ? terminal_columns(t->headers[c]) : widest;
	terminal_wrap(0, cell_of(t, r, 0));
	for (int c = 1; c < t->columns; c++) {
		if (!cell_of(t, r, c)[0])
			continue;
		printf("  %-*s  ", widest, t->headers[c]);
		terminal_wrap(widest + 4, cell_of(t, r, c));
	}
}

static void print_fields(const struct table *t, int r)
{
	for (int c = 0; c < t->columns; c++)
		printf("%s%s", cell_of(t, r, c), c < t->columns - 1 ? "\t" : "\n");
}

void table_print(struct table *t)
{
	const bool people = terminal_is();
	int widths[COLUMNS_MAX] = { 0 }, left = people ? terminal_width() : 0;

	for (int c = 0; c < t->columns; c++)
		for (int r = -1; r < t->rows; r++)
			if (terminal_columns(cell_of(t, r, c)) > widths[c])
				widths[c] = terminal_columns(cell_of(t, r, c));
	for (int c = 0; c < t->columns - 1; c++)
		left -= widths[c] + GAP;
	for (int r = people ? -1 : 0; r < t->rows; r++) {
		if (!people)
			print_fields(t, r);
		else if (left >= WRAP_LEAST || left >= widths[t->columns - 1])
			print_line(t, widths, r);
		else if (r >= 0)
			print_stacked(t, r);
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
