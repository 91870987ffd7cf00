/* See truth.h. Memory, times of day, cars and events; load, sun and prices have files of their own. */
#include "simulate/truth.h"

#include "simulate/chance.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS 86400000LL

int truth_alloc(struct truth *t, int64_t from_utc_ms, int64_t start_utc_ms, int64_t end_utc_ms)
{
	size_t n = (size_t)((end_utc_ms - from_utc_ms) / TRUTH_MINUTE_MS + TRUTH_TAIL_DAYS * 1440);

	memset(t, 0, sizeof(*t));
	t->from_utc_ms = from_utc_ms;
	t->start_utc_ms = start_utc_ms;
	t->end_utc_ms = end_utc_ms;
	t->n = (int)n;
	t->load_w = calloc(n, sizeof(*t->load_w));
	t->pv_w = calloc(n, sizeof(*t->pv_w));
	t->import_price = calloc(n, sizeof(*t->import_price));
	t->export_price = calloc(n, sizeof(*t->export_price));
	if (t->load_w && t->pv_w && t->import_price && t->export_price)
		return 0;
	truth_deinit(t);
	return -ENOMEM;
}

void truth_deinit(struct truth *t)
{
	free(t->load_w);
	free(t->pv_w);
	free(t->import_price);
	free(t->export_price);
	free(t->session);
	free(t->before);
	free(t->event);
	memset(t, 0, sizeof(*t));
}

int truth_minute(const struct truth *t, int64_t utc_ms)
{
	int64_t minute = (utc_ms - t->from_utc_ms) / TRUTH_MINUTE_MS;

	return minute < 0 ? 0 : minute >= t->n ? t->n - 1 : (int)minute;
}

int truth_session_at(const struct truth *t, int64_t utc_ms)
{
	int lo = 0, hi = t->n_sessions; /* the first that has not ended */

	while (lo < hi) {
		int middle = (lo + hi) / 2;

		if (t->session[middle].to_utc_ms <= utc_ms)
			lo = middle + 1;
		else
			hi = middle;
	}
	return lo < t->n_sessions && t->session[lo].from_utc_ms <= utc_ms ? lo : -1;
}

const struct truth_event *truth_event_at(const struct truth *t, int64_t utc_ms)
{
	for (int i = 0; i < t->n_events && t->event[i].from_utc_ms <= utc_ms; i++)
		if (utc_ms < t->event[i].to_utc_ms)
			return &t->event[i];
	return NULL;
}

double truth_mean(const struct truth *t, const float *w, int64_t from_utc_ms, int64_t to_utc_ms)
{
	double sum = 0, ms = 0;

	for (int64_t at = from_utc_ms; at < to_utc_ms;) {
		int64_t next = (at / TRUTH_MINUTE_MS + 1) * TRUTH_MINUTE_MS;

		next = next < to_utc_ms ? next : to_utc_ms;
		sum += (double)w[truth_minute(t, at)] * (double)(next - at);
		ms += (double)(next - at);
		at = next;
	}
	return ms > 0 ? sum / ms : 0;
}

/* The local day behind the one that begins at @day_ms. */
static int64_t day_after(const struct zone *z, int64_t day_ms)
{
	return calendar_day_start(z, day_ms + DAY_MS + DAY_MS / 4);
}

static bool on_day(const struct zone *z, int64_t day_ms, uint32_t days)
{
	struct civil c;

	calendar_local(z, day_ms, &c);
	return days >> c.weekday & 1;
}

/* Sessions of the car within @from .. @to into @out, which has room for one a day; returns how many. */
static int park(const struct scenario *s, const struct zone *z, enum chance_purpose purpose, int64_t from_ms, int64_t to_ms, struct truth_session *out)
{
	const struct scenario_car *car = &s->car;
	struct chance chance = chance_make(s->seed, purpose);
	int n = 0;

	for (int64_t day = from_ms; car->days && day < to_ms; day = day_after(z, day)) {
		const double jitter = (2 * chance_unit(&chance) - 1) * car->jitter_min, share = 1 + 0.3 * (2 * chance_unit(&chance) - 1);
		struct truth_session *v = &out[n];

		if (!on_day(z, day, car->days))
			continue;
		v->from_utc_ms = calendar_next_minute(z, day, car->arrives_min);
		v->to_utc_ms = calendar_next_minute(z, v->from_utc_ms, car->leaves_min);
		v->from_utc_ms += (int64_t)jitter * TRUTH_MINUTE_MS;
		v->wh = car->kwh * 1e3 * (car->jitter_min ? share : 1);
		if (v->to_utc_ms > to_ms || v->to_utc_ms <= v->from_utc_ms || v->from_utc_ms < from_ms || (n && v[-1].to_utc_ms >= v->from_utc_ms))
			continue; /* the last one would end behind the end */
		n++;
	}
	return n;
}

static int make_sessions(const struct scenario *s, const struct zone *z, struct truth *t)
{
	t->session = calloc((size_t)s->days + 2, sizeof(*t->session));
	t->before = calloc((size_t)s->learned_days + 2, sizeof(*t->before));
	if (!t->session || !t->before)
		return -ENOMEM;
	t->n_sessions = park(s, z, CHANCE_CAR, t->start_utc_ms, t->end_utc_ms, t->session);
	t->n_before = park(s, z, CHANCE_CAR_BEFORE, t->from_utc_ms, t->start_utc_ms, t->before);
	return 0;
}

static int event_order(const void *a, const void *b)
{
	const struct truth_event *x = a, *y = b;

	return (x->from_utc_ms > y->from_utc_ms) - (x->from_utc_ms < y->from_utc_ms);
}

static int make_events(const struct scenario *s, const struct zone *z, struct truth *t)
{
	t->event = calloc((size_t)(s->days + 2) * SCENARIO_EVENTS_MAX, sizeof(*t->event));
	if (!t->event)
		return -ENOMEM;
	for (int64_t day = t->start_utc_ms; s->n_events && s->n_batteries && day < t->end_utc_ms; day = day_after(z, day)) {
		for (int i = 0; i < s->n_events; i++) {
			const struct scenario_event *e = &s->event[i];
			struct truth_event *v = &t->event[t->n_events];

			if (!on_day(z, day, e->days))
				continue;
			v->from_utc_ms = calendar_next_minute(z, day, e->from_min);
			v->to_utc_ms = v->from_utc_ms + (int64_t)e->minutes * TRUTH_MINUTE_MS;
			v->known_utc_ms = v->from_utc_ms - (int64_t)(e->notice_h * 3.6e6);
			v->power_w = e->power_w;
			v->floor_pct = e->floor_pct;
			v->pay = e->pay;
			t->n_events += v->to_utc_ms <= t->end_utc_ms;
		}
	}
	qsort(t->event, (size_t)t->n_events, sizeof(*t->event), event_order);
	for (int i = 1; i < t->n_events; i++) /* one at a time: the later one waits */
		if (t->event[i].from_utc_ms < t->event[i - 1].to_utc_ms)
			t->event[i].from_utc_ms = t->event[i - 1].to_utc_ms;
	return 0;
}

/* Days since 1970 of a date: H. Hinnant, chrono-compatible low-level date algorithms. */
static int64_t days_of(int year, int month, int day)
{
	const int64_t y = month <= 2 ? year - 1 : year, era = y / 400, yoe = y - era * 400;
	const int64_t doy = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1, doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + doe - 719468;
}

int truth_make(const struct scenario *s, const struct zone *z, struct truth *out, struct errbuf *err)
{
	const int64_t noon = days_of(s->start_year, s->start_month, s->start_day) * DAY_MS + DAY_MS / 2;
	const int64_t start = calendar_day_start(z, noon - (int64_t)calendar_offset_s(z, noon) * 1000);
	const int64_t end = calendar_day_start(z, start + s->days * DAY_MS + DAY_MS / 2);
	int rc = truth_alloc(out, calendar_day_start(z, start - s->learned_days * DAY_MS + DAY_MS / 2), start, end);

	if (rc == 0)
		rc = make_sessions(s, z, out);
	if (rc == 0)
		rc = make_events(s, z, out);
	if (rc < 0) {
		truth_deinit(out);
		return errbuf_set(err, rc, "no memory for %d days", s->days);
	}
	truth_make_load(s, z, out);
	truth_make_sun(s, out);
	truth_make_prices(s, z, out);
	return 0;
}
