/* forecast.set from anywhere: what is taken keeps to its ranges, ascends, is found again, and is written as it will be read. */
#include "policies/forecast/forecast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NOW 1768478400000LL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_list(const struct forecast_segment *s, int n, double min_w)
{
	if (n < 0 || n > FORECAST_PUSH_MAX)
		abort();
	for (int i = 0; i < n; i++) {
		if (!((double)s[i].w >= min_w) || !((double)s[i].w <= FORECAST_PUSH_W_MAX) || s[i].length_s <= 0)
			abort();
		if (s[i].from_utc_ms + s[i].length_s * 1000LL > NOW + FORECAST_PUSH_AHEAD_MS)
			abort();
		if (i && s[i].from_utc_ms < s[i - 1].from_utc_ms + s[i - 1].length_s * 1000LL)
			abort();
	}
}

/* Every segment is found at its first and last instant, while it is believed. */
static void check_found(const struct forecast_push *p)
{
	for (int i = 0; i < p->n_load; i++) {
		const int64_t from = p->load[i].from_utc_ms, to = from + p->load[i].length_s * 1000LL;
		double w = NAN;

		if (!forecast_push_load(p, NOW, from, &w) || w != (double)p->load[i].w || !forecast_push_load(p, NOW, to - 1, &w) ||
		    w != (double)p->load[i].w)
			abort();
	}
	for (int64_t at = NOW - 3600000; at < NOW + 86400000; at += 450000) {
		double w = 0;

		if (forecast_push_pv(p, NOW, at, &w) && !(w >= 0))
			abort();
		if (p->until_utc_ms && forecast_push_pv(p, p->until_utc_ms, at, &w))
			abort();
	}
}

static void check_kept(const struct forecast_push *p)
{
	static struct forecast_push again;
	AUTO_JSON *o = forecast_push_encode(p), *q = NULL;
	AUTO_TEXT *a = NULL, *b = NULL;

	if (forecast_push_parse(o, NOW, &again, NULL) < 0)
		abort();
	q = forecast_push_encode(&again);
	a = cJSON_PrintUnformatted(o);
	b = cJSON_PrintUnformatted(q);
	if (!a || !b || strcmp(a, b) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct forecast_push p;
	struct errbuf err = { "" };
	AUTO_JSON *o = json_parse((const char *)data, size, 65536, 16, NULL);

	if (!o)
		return 0;
	if (forecast_push_parse(o, NOW, &p, &err) < 0) {
		if (!err.text[0])
			abort();
		return 0;
	}
	check_list(p.load, p.n_load, -FORECAST_PUSH_W_MAX);
	check_list(p.pv, p.n_pv, 0);
	check_found(&p);
	check_kept(&p);
	return 0;
}
