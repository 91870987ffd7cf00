/* Tariffs of the mock FlatPeak: what a kilowatt-hour costs at an instant, cut into periods of one price. Deterministic, so
 * that a test can know the price. Pure; summer time by the European rule, not by the zone files the agent uses. */
#ifndef HEARTH_SIM_MOCK_TARIFF_H
#define HEARTH_SIM_MOCK_TARIFF_H

#include "core/err.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOCK_WINDOWS_MAX 48
#define MOCK_ELEMENTS_MAX 8192

struct mock_zone {
	const char *name;
	int offset_min; /* in winter */
	bool summer;    /* one hour more from the last Sunday of March to that of October, 01:00 UTC */
};

/** "UTC", "Europe/London", "Europe/Berlin"; NULL for others. */
const struct mock_zone *mock_zone_find(const char *name);
int mock_zone_offset_min(const struct mock_zone *z, int64_t utc_ms);

enum mock_tariff_kind { MOCK_TARIFF_NONE, MOCK_TARIFF_FLAT, MOCK_TARIFF_WINDOWS, MOCK_TARIFF_HALF_HOURLY };

struct mock_tariff {
	enum mock_tariff_kind kind;
	double flat;
	int n;
	struct {
		int from_min, to_min; /* local minute of the day; to may lie on the next day: then it is not above from */
		double value;
	} window[MOCK_WINDOWS_MAX];
};

/** A number, "half-hourly", [["HH:MM","HH:MM",value],...] (gaps: no price there) or null (no tariff). @out only on success.
 */
int mock_tariff_read(const cJSON *o, struct mock_tariff *out, struct errbuf *err);
cJSON *mock_tariff_json(const struct mock_tariff *t);

/**
 * The price of half hour @index (since 1970) when local time is @local_min: a curve over the day, cheap at night, dear in
 * the evening, negative from 12:00 to 14:30, and up to 0.01 more or less by the half hour.
 */
double mock_half_hourly(int64_t index, int local_min);

struct mock_element {
	int64_t from_ms, to_ms;
	double value;
};

/** Periods of one price in [from, to): at most MOCK_ELEMENTS_MAX; the rest is left out. @export  half-hourly only: 60 % of
 * it */
int mock_tariff_expand(const struct mock_tariff *t, const struct mock_zone *z, bool export, int64_t from_ms, int64_t to_ms,
		       struct mock_element *out);

#endif
