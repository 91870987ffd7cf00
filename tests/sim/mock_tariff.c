/* Tariffs of the mock FlatPeak: see mock_tariff.h. */
#include "sim/mock_tariff.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MINUTE_MS 60000
#define DAY_MIN 1440
#define DAY_S 86400

static const struct mock_zone ZONES[] = {
	{ "UTC", 0, false },
	{ "Europe/London", 0, true },
	{ "Europe/Berlin", 60, true },
};

const struct mock_zone *mock_zone_find(const char *name)
{
	for (size_t i = 0; i < sizeof(ZONES) / sizeof(ZONES[0]); i++)
		if (strcmp(ZONES[i].name, name) == 0)
			return &ZONES[i];
	return NULL;
}

/* Days since 1970 of 1 March of @year: the start of the reckoning in which leap days come last. */
static int64_t march_first(int64_t year)
{
	return year * 365 + year / 4 - year / 100 + year / 400 - 719468;
}

/* The last Sunday on or before day @day (since 1970, which began on a Thursday). */
static int64_t sunday_before(int64_t day)
{
	return day - (day + 4) % 7;
}

int mock_zone_offset_min(const struct mock_zone *z, int64_t utc_ms)
{
	int64_t day = utc_ms / (DAY_S * 1000LL), year = 1970 + day / 366, second = utc_ms / 1000, from, to;

	if (!z->summer)
		return z->offset_min;
	while (march_first(year + 1) - 59 - ((year + 1) % 4 == 0 && ((year + 1) % 100 != 0 || (year + 1) % 400 == 0)) <= day)
		year++; /* 1 January of the next year has come */
	from = sunday_before(march_first(year) + 30) * DAY_S + 3600;
	to = sunday_before(march_first(year) + 244) * DAY_S + 3600; /* 31 October */
	return z->offset_min + (second >= from && second < to ? 60 : 0);
}

static int read_minute(const cJSON *o, int *out)
{
	int hour, minute, used = 0;

	if (!cJSON_IsString(o) || sscanf(o->valuestring, "%2d:%2d%n", &hour, &minute, &used) != 2 || o->valuestring[used] ||
	    hour < 0 || hour > 24 || minute < 0 || minute > 59 || hour * 60 + minute > DAY_MIN)
		return -EINVAL;
	*out = (hour * 60 + minute) % DAY_MIN;
	return 0;
}

static int window_at(const struct mock_tariff *t, int minute)
{
	for (int i = 0; i < t->n; i++) {
		int from = t->window[i].from_min, to = t->window[i].to_min;

		if (from < to ? minute >= from && minute < to : minute >= from || minute < to)
			return i;
	}
	return -1;
}

static int read_windows(const cJSON *o, struct mock_tariff *t, struct errbuf *err)
{
	const cJSON *row;
	int covered = 0, length = 0;

	t->kind = MOCK_TARIFF_WINDOWS;
	cJSON_ArrayForEach(row, o)
	{
		const cJSON *value = cJSON_GetArrayItem(row, 2);
		int from, to;

		if (t->n == MOCK_WINDOWS_MAX)
			return errbuf_set(err, -E2BIG, "a schedule has at most %d windows", MOCK_WINDOWS_MAX);
		if (cJSON_GetArraySize(row) != 3 || read_minute(cJSON_GetArrayItem(row, 0), &from) < 0 ||
		    read_minute(cJSON_GetArrayItem(row, 1), &to) < 0 || !cJSON_IsNumber(value))
			return errbuf_set(err, -EINVAL, "a window is [\"HH:MM\",\"HH:MM\",price]");
		t->window[t->n].from_min = from;
		t->window[t->n].to_min = to;
		t->window[t->n++].value = value->valuedouble;
		length += from < to ? to - from : to - from + DAY_MIN;
	}
	for (int minute = 0; minute < DAY_MIN; minute++)
		covered += window_at(t, minute) >= 0;
	if (t->n == 0 || covered != length)
		return errbuf_set(err, -EINVAL, t->n ? "windows overlap" : "a schedule has no window");
	return 0;
}

int mock_tariff_read(const cJSON *o, struct mock_tariff *out, struct errbuf *err)
{
	struct mock_tariff t = { .kind = MOCK_TARIFF_NONE };

	if (cJSON_IsNumber(o) && isfinite(o->valuedouble)) {
		t.kind = MOCK_TARIFF_FLAT;
		t.flat = o->valuedouble;
	} else if (cJSON_IsString(o) && strcmp(o->valuestring, "half-hourly") == 0) {
		t.kind = MOCK_TARIFF_HALF_HOURLY;
	} else if (cJSON_IsArray(o)) {
		if (read_windows(o, &t, err) < 0)
			return -EINVAL;
	} else if (!cJSON_IsNull(o)) {
		return errbuf_set(err, -EINVAL, "a schedule is a number, \"half-hourly\", windows or null");
	}
	*out = t;
	return 0;
}

static void add_minute(cJSON *row, int minute)
{
	char text[16];

	snprintf(text, sizeof(text), "%02d:%02d", minute / 60, minute % 60);
	cJSON_AddItemToArray(row, cJSON_CreateString(text));
}

cJSON *mock_tariff_json(const struct mock_tariff *t)
{
	cJSON *o;

	switch (t->kind) {
	case MOCK_TARIFF_NONE:
		return cJSON_CreateNull();
	case MOCK_TARIFF_FLAT:
		return cJSON_CreateNumber(t->flat);
	case MOCK_TARIFF_HALF_HOURLY:
		return cJSON_CreateString("half-hourly");
	case MOCK_TARIFF_WINDOWS:
		break;
	}
	o = cJSON_CreateArray();
	for (int i = 0; i < t->n; i++) {
		cJSON *row = cJSON_CreateArray();

		add_minute(row, t->window[i].from_min);
		add_minute(row, t->window[i].to_min);
		cJSON_AddItemToArray(row, cJSON_CreateNumber(t->window[i].value));
		cJSON_AddItemToArray(o, row);
	}
	return o;
}

double mock_half_hourly(int64_t index, int local_min)
{
	static const double CURVE[24] = { /* by local hour, per kWh */
					  0.12,  0.11,  0.10, 0.10, 0.11, 0.14, 0.20, 0.26, 0.24, 0.18, 0.10, 0.04,
					  -0.03, -0.03, 0.02, 0.08, 0.22, 0.33, 0.35, 0.32, 0.26, 0.21, 0.17, 0.14
	};
	uint32_t h = (uint32_t)index * 2654435761u;
	double base = local_min / 30 == 28 ? -0.02 : CURVE[local_min / 60]; /* the half hour from 14:00 is negative too */

	return base + ((int)(h >> 16) % 21 - 10) * 0.001;
}

/* What holds at an instant: the number of the period it belongs to, -1 = no price. */
static int64_t period_at(const struct mock_tariff *t, const struct mock_zone *z, int64_t utc_ms, double *value)
{
	int64_t local_min = utc_ms / MINUTE_MS + mock_zone_offset_min(z, utc_ms);
	int minute = (int)(local_min % DAY_MIN), i;

	switch (t->kind) {
	case MOCK_TARIFF_NONE:
		return -1;
	case MOCK_TARIFF_FLAT:
		*value = t->flat;
		return 0;
	case MOCK_TARIFF_HALF_HOURLY:
		*value = mock_half_hourly(utc_ms / (30 * MINUTE_MS), minute);
		return utc_ms / (30 * MINUTE_MS);
	case MOCK_TARIFF_WINDOWS:
		break;
	}
	i = window_at(t, minute);
	*value = i < 0 ? 0 : t->window[i].value;
	return i;
}

int mock_tariff_expand(const struct mock_tariff *t, const struct mock_zone *z, bool export, int64_t from_ms, int64_t to_ms,
		       struct mock_element *out)
{
	int64_t before = -1;
	int n = 0;

	for (int64_t at = from_ms; at < to_ms;) {
		int64_t next = (at / MINUTE_MS + 1) * MINUTE_MS, period;
		double value = 0;

		if (next > to_ms)
			next = to_ms;
		period = period_at(t, z, at, &value);
		if (period >= 0 && period == before) {
			out[n - 1].to_ms = next;
		} else if (period >= 0) {
			if (n == MOCK_ELEMENTS_MAX)
				return n;
			if (export && t->kind == MOCK_TARIFF_HALF_HOURLY)
				value *= 0.6;
			out[n++] = (struct mock_element){ at, next, value };
		}
		before = period;
		at = next;
	}
	return n;
}
