/* See calendar.h. Days are counted by the proleptic Gregorian calendar, in integers; libc's time functions are not used
 * because they know one zone a process and look at the environment. */
#include "core/calendar.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define DAY_S 86400
#define MS 1000

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Days since 1970-01-01; the year is made to start in March, so that the leap day is its last. */
static int64_t days_from_civil(int64_t year, int month, int day)
{
	const int64_t y = month <= 2 ? year - 1 : year;
	const int64_t era = floor_div(y, 400), yoe = y - era * 400;
	const int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil_from_seconds(int64_t seconds, struct civil *out)
{
	const int64_t days = floor_div(seconds, DAY_S), left = seconds - days * DAY_S;
	const int64_t z = days + 719468, era = floor_div(z, 146097), doe = z - era * 146097;
	const int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	const int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	out->day = (int)(doy - (153 * mp + 2) / 5 + 1);
	out->month = (int)(mp < 10 ? mp + 3 : mp - 9);
	out->year = (int)(yoe + era * 400 + (out->month <= 2));
	out->hour = (int)(left / 3600);
	out->minute = (int)(left % 3600 / 60);
	out->second = (int)(left % 60);
	out->weekday = (int)(days - floor_div(days + 4, 7) * 7 + 4);
}

static int month_days(int year, int month)
{
	static const int DAYS[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return DAYS[month - 1] + (month == 2 && leap);
}

/* Reads exactly @digits digits; moves *p on. */
static bool take_digits(const char **p, int digits, int *out)
{
	*out = 0;
	for (int i = 0; i < digits; i++, (*p)++) {
		if (**p < '0' || **p > '9')
			return false;
		*out = *out * 10 + (**p - '0');
	}
	return true;
}

static bool take(const char **p, const char *one_of)
{
	if (**p == '\0' || !strchr(one_of, **p))
		return false;
	(*p)++;
	return true;
}

static bool take_fraction(const char **p, int *ms)
{
	int scale = 100, digits = 0;

	*ms = 0;
	if (**p != '.')
		return true;
	for ((*p)++; **p >= '0' && **p <= '9'; (*p)++, digits++, scale /= 10)
		*ms += (**p - '0') * scale;
	return digits >= 1 && digits <= 9;
}

static bool take_offset(const char **p, int *seconds)
{
	int sign, hours, minutes;

	*seconds = 0;
	if (take(p, "Zz"))
		return true;
	sign = **p == '-' ? -1 : 1;
	if (!take(p, "+-") || !take_digits(p, 2, &hours) || !take(p, ":") || !take_digits(p, 2, &minutes))
		return false;
	if (hours > 23 || minutes > 59)
		return false;
	*seconds = sign * (hours * 3600 + minutes * 60);
	return true;
}

int calendar_parse(const char *text, int64_t *utc_ms)
{
	int year, month, day, hour, minute, second, ms, offset;
	const char *p = text;

	if (!text || !take_digits(&p, 4, &year) || !take(&p, "-") || !take_digits(&p, 2, &month) || !take(&p, "-") ||
	    !take_digits(&p, 2, &day) || !take(&p, "Tt "))
		return -EINVAL;
	if (!take_digits(&p, 2, &hour) || !take(&p, ":") || !take_digits(&p, 2, &minute) || !take(&p, ":") ||
	    !take_digits(&p, 2, &second) || !take_fraction(&p, &ms) || !take_offset(&p, &offset) || *p != '\0')
		return -EINVAL;
	/* 60 is a leap second: it is the first second of the next minute for a clock that has none */
	if (month < 1 || month > 12 || day < 1 || day > month_days(year, month) || hour > 23 || minute > 59 || second > 60)
		return -EINVAL;
	*utc_ms = (days_from_civil(year, month, day) * DAY_S + hour * 3600 + minute * 60 + second - offset) * MS + ms;
	return 0;
}

void calendar_format(int64_t utc_ms, char out[CALENDAR_TEXT_MAX])
{
	const int64_t first = -62167219200000, last = 253402300799999; /* years 0000 .. 9999 */
	struct civil c;

	if (utc_ms < first)
		utc_ms = first;
	if (utc_ms > last)
		utc_ms = last;
	civil_from_seconds(floor_div(utc_ms, MS), &c);
	/* the masks change nothing; they let the compiler see that the text fits */
	snprintf(out, CALENDAR_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)c.year % 10000,
		 (unsigned)c.month % 100, (unsigned)c.day % 100, (unsigned)c.hour % 100, (unsigned)c.minute % 100,
		 (unsigned)c.second % 100, (unsigned)(utc_ms - floor_div(utc_ms, MS) * MS) % 1000);
}

int calendar_parse_duration(const char *text, int64_t *seconds)
{
	static const struct {
		char letter;
		int64_t s;
	} UNITS[] = { { 'd', DAY_S }, { 'h', 3600 }, { 'm', 60 }, { 's', 1 } };
	const int64_t max = (int64_t)3650 * DAY_S;
	int64_t total = 0;
	size_t unit = 0; /* units fall: 1h30m, not 30m1h */
	const char *p = text;

	if (!text || *p == '\0')
		return -EINVAL;
	while (*p) {
		int64_t n = 0;
		int digits = 0;

		for (; *p >= '0' && *p <= '9' && digits < 10; p++, digits++)
			n = n * 10 + (*p - '0');
		if (digits == 0)
			return -EINVAL;
		if (*p == '\0' && total == 0 && unit == 0) { /* a bare number is seconds */
			total = n;
			break;
		}
		while (unit < 4 && UNITS[unit].letter != *p)
			unit++;
		if (unit == 4)
			return -EINVAL;
		total += n * UNITS[unit++].s;
		p++;
	}
	if (total < 1 || total > max)
		return -EINVAL;
	*seconds = total;
	return 0;
}

/* Index of the entry in force at @utc_s; the first holds before its own start too. -1 = no table, UTC. */
static int zone_index(const struct zone *z, int64_t utc_s)
{
	int low = 0, high;

	if (!z || z->n <= 0)
		return -1;
	for (high = z->n - 1; low < high;) {
		const int mid = (low + high + 1) / 2;

		if (z->t[mid].from_utc_s <= utc_s)
			low = mid;
		else
			high = mid - 1;
	}
	return low;
}

static int32_t zone_offset(const struct zone *z, int i)
{
	return i < 0 ? 0 : z->t[i].offset_s;
}

/* Start of the entry behind i, INT64_MAX when i is the last. */
static int64_t zone_end(const struct zone *z, int i)
{
	return i < 0 || i + 1 >= z->n ? INT64_MAX : z->t[i + 1].from_utc_s;
}

int32_t calendar_offset_s(const struct zone *z, int64_t utc_ms)
{
	return zone_offset(z, zone_index(z, floor_div(utc_ms, MS)));
}

int64_t calendar_next_change(const struct zone *z, int64_t utc_ms)
{
	const int64_t utc_s = floor_div(utc_ms, MS);
	int64_t end;

	/* before the table starts, its first offset holds already: that start changes nothing */
	end = zone_end(z, zone_index(z, utc_s));
	return end == INT64_MAX ? INT64_MAX : end * MS;
}

void calendar_local(const struct zone *z, int64_t utc_ms, struct civil *out)
{
	const int64_t utc_s = floor_div(utc_ms, MS);

	civil_from_seconds(utc_s + zone_offset(z, zone_index(z, utc_s)), out);
}

/* Whether the jump at the start of entry i skips the local time of day @tod_s. */
static bool jump_skips(const struct zone *z, int i, int64_t tod_s)
{
	int64_t before, after, at;

	if (i <= 0 || z->t[i].offset_s <= z->t[i - 1].offset_s)
		return false;
	before = z->t[i].from_utc_s + z->t[i - 1].offset_s;
	after = z->t[i].from_utc_s + z->t[i].offset_s;
	at = floor_div(before, DAY_S) * DAY_S + tod_s;
	if (at < before)
		at += DAY_S;
	return at < after;
}

int64_t calendar_next_minute(const struct zone *z, int64_t utc_ms, int minute_of_day)
{
	const int64_t tod_s = (int64_t)minute_of_day * 60;
	int64_t from = -floor_div(-utc_ms, MS); /* rounded up */
	int i = zone_index(z, from);

	if (i > 0 && z->t[i].from_utc_s == from && jump_skips(z, i, tod_s))
		return from * MS;
	for (;;) {
		const int32_t offset = zone_offset(z, i);
		const int64_t end = zone_end(z, i);
		int64_t at = floor_div(from + offset, DAY_S) * DAY_S + tod_s - offset;

		if (at < from)
			at += DAY_S;
		if (at < end)
			return at * MS;
		if (jump_skips(z, i + 1, tod_s))
			return end * MS;
		from = end;
		i++;
	}
}

int64_t calendar_day_start(const struct zone *z, int64_t utc_ms)
{
	const int64_t utc_s = floor_div(utc_ms, MS);
	int i = zone_index(z, utc_s);
	const int64_t day = floor_div(utc_s + zone_offset(z, i), DAY_S);

	/* A clock set back over midnight shows the same day twice: go on to the entry in which it began. */
	while (i > 0 && floor_div(z->t[i].from_utc_s - 1 + z->t[i - 1].offset_s, DAY_S) >= day)
		i--;
	if (i > 0 && day * DAY_S - zone_offset(z, i) < z->t[i].from_utc_s)
		return z->t[i].from_utc_s * MS; /* midnight is missing */
	return (day * DAY_S - zone_offset(z, i)) * MS;
}
