/* A forecast somebody else made, as forecast.set brings it: read, looked up, and kept as the JSON it came as. Pure. */
#ifndef HEARTH_POLICIES_FORECAST_PUSH_H
#define HEARTH_POLICIES_FORECAST_PUSH_H

#include "core/json.h"

#include <stdbool.h>
#include <stdint.h>

#define FORECAST_PUSH_MAX 672                 /* segments of each: a week of quarter hours */
#define FORECAST_PUSH_W_MAX 1e6
#define FORECAST_PUSH_AHEAD_MS (31 * 86400000LL)

struct forecast_segment {
	int64_t from_utc_ms;
	int32_t length_s;
	float w;
};

/* All zero: nothing was said. Segments ascend and do not overlap; gaps are left to the own forecast. */
struct forecast_push {
	int64_t until_utc_ms;                 /* believed until then; 0 = as far as it reaches */
	int n_load, n_pv;
	struct forecast_segment load[FORECAST_PUSH_MAX], pv[FORECAST_PUSH_MAX];
};

/**
 * Reads {load:[{from,to,w}], pv:[{from,to,w}], until?}: RFC 3339 times, load -1e6..1e6 W, pv 0..1e6 W, each list ascending and
 * without overlap, at most FORECAST_PUSH_MAX long, ends at most 31 days after @now_utc_ms. {} says nothing, and so clears.
 * 0, or -EINVAL with the place in @err; *out is touched only on success.
 */
int forecast_push_parse(const cJSON *o, int64_t now_utc_ms, struct forecast_push *out, struct errbuf *err);

/** The same as JSON, in whole seconds and tenths of W; the caller owns it, NULL without memory. Parses to the same again. */
cJSON *forecast_push_encode(const struct forecast_push *p);

/** What was said for @at_utc_ms, and is still believed at @now_utc_ms. False: nothing. */
bool forecast_push_load(const struct forecast_push *p, int64_t now_utc_ms, int64_t at_utc_ms, double *w);
bool forecast_push_pv(const struct forecast_push *p, int64_t now_utc_ms, int64_t at_utc_ms, double *w);

/** When the last segment ends, or it is believed no longer; 0 = nothing was said. */
int64_t forecast_push_end(const struct forecast_push *p);

#endif
