/* See push.h. */
#include "policies/forecast/push.h"

#include "core/calendar.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* One list being read. */
struct list {
	const char *name;
	double min_w;
	int64_t latest_utc_ms; /* no segment ends later */
	struct forecast_segment *segment;
	int n;
};

static int time_of(const cJSON *o, const char *key, int64_t *utc_ms)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));

	return text ? calendar_parse(text, utc_ms) : -EINVAL;
}

static int segment_read(struct list *l, const cJSON *o, struct errbuf *err)
{
	const int64_t end = l->n ? l->segment[l->n - 1].from_utc_ms + l->segment[l->n - 1].length_s * 1000LL : INT64_MIN;
	const cJSON *w = cJSON_GetObjectItemCaseSensitive(o, "w");
	int64_t from, to;

	if (!cJSON_IsObject(o) || time_of(o, "from", &from) < 0 || time_of(o, "to", &to) < 0)
		return errbuf_set(err, -EINVAL, "%s[%d]: {from, to, w} with times like 2026-01-15T12:00:00Z is expected", l->name, l->n);
	if (!cJSON_IsNumber(w) || !(w->valuedouble >= l->min_w) || !(w->valuedouble <= FORECAST_PUSH_W_MAX))
		return errbuf_set(err, -EINVAL, "%s[%d].w: a number of W from %.0f to %.0f is expected", l->name, l->n, l->min_w,
				  FORECAST_PUSH_W_MAX);
	from = from / 1000 * 1000;
	to = to / 1000 * 1000;
	if (to <= from)
		return errbuf_set(err, -EINVAL, "%s[%d]: it ends before it begins", l->name, l->n);
	if (from < end)
		return errbuf_set(err, -EINVAL, "%s[%d]: it begins before the one before it ends", l->name, l->n);
	if (to > l->latest_utc_ms || from < l->latest_utc_ms - 2 * FORECAST_PUSH_AHEAD_MS)
		return errbuf_set(err, -EINVAL, "%s[%d]: it is more than 31 days from now", l->name, l->n);
	l->segment[l->n++] = (struct forecast_segment){ from, (int32_t)((to - from) / 1000), (float)w->valuedouble };
	return 0;
}

static int list_read(struct list *l, const cJSON *o, struct errbuf *err)
{
	const cJSON *a = cJSON_GetObjectItemCaseSensitive(o, l->name), *item;
	int r;

	if (!a || cJSON_IsNull(a))
		return 0;
	if (!cJSON_IsArray(a))
		return errbuf_set(err, -EINVAL, "%s: a list of {from, to, w} is expected", l->name);
	if (cJSON_GetArraySize(a) > FORECAST_PUSH_MAX)
		return errbuf_set(err, -EINVAL, "%s: %d entries, %d are allowed", l->name, cJSON_GetArraySize(a), FORECAST_PUSH_MAX);
	for (item = a->child; item; item = item->next)
		if ((r = segment_read(l, item, err)) < 0)
			return r;
	return 0;
}

static int until_read(const cJSON *o, int64_t now_utc_ms, int64_t *until_utc_ms, struct errbuf *err)
{
	const cJSON *until = cJSON_GetObjectItemCaseSensitive(o, "until");

	if (!until || cJSON_IsNull(until))
		return 0;
	if (time_of(o, "until", until_utc_ms) < 0)
		return errbuf_set(err, -EINVAL, "until: a time like 2026-01-15T12:00:00Z is expected");
	if (*until_utc_ms <= now_utc_ms)
		return errbuf_set(err, -EINVAL, "until: it is over already");
	return 0;
}

/* A misspelt key would clear what was meant to be set. */
static int keys_check(const cJSON *o, struct errbuf *err)
{
	static const char *const KEYS[] = { "load", "pv", "until", "transaction" };
	const cJSON *item;

	if (!cJSON_IsObject(o))
		return errbuf_set(err, -EINVAL, "an object with load, pv, until is expected");
	for (item = o->child; item; item = item->next) {
		size_t i = 0;

		while (i < sizeof(KEYS) / sizeof(KEYS[0]) && strcmp(item->string, KEYS[i]) != 0)
			i++;
		if (i == sizeof(KEYS) / sizeof(KEYS[0]))
			return errbuf_set(err, -EINVAL, "'%.40s' is not known; load, pv and until are", item->string);
	}
	return 0;
}

int forecast_push_parse(const cJSON *o, int64_t now_utc_ms, struct forecast_push *out, struct errbuf *err)
{
	struct forecast_push p = { 0 };
	struct list load = { "load", -FORECAST_PUSH_W_MAX, now_utc_ms + FORECAST_PUSH_AHEAD_MS, p.load, 0 };
	struct list pv = { "pv", 0, now_utc_ms + FORECAST_PUSH_AHEAD_MS, p.pv, 0 };
	int r;

	if ((r = keys_check(o, err)) < 0 || (r = list_read(&load, o, err)) < 0 || (r = list_read(&pv, o, err)) < 0 ||
	    (r = until_read(o, now_utc_ms, &p.until_utc_ms, err)) < 0)
		return r;
	if (p.until_utc_ms && load.n + pv.n == 0)
		return errbuf_set(err, -EINVAL, "until without load or pv says nothing");
	p.n_load = load.n;
	p.n_pv = pv.n;
	*out = p;
	return 0;
}

static void list_add(cJSON *o, const char *name, const struct forecast_segment *s, int n)
{
	cJSON *a = n ? cJSON_AddArrayToObject(o, name) : NULL;

	for (int i = 0; i < n; i++) {
		cJSON *item = cJSON_CreateObject();

		json_add_time(item, "from", s[i].from_utc_ms);
		json_add_time(item, "to", s[i].from_utc_ms + s[i].length_s * 1000LL);
		json_add_number(item, "w", (double)s[i].w, 1);
		cJSON_AddItemToArray(a, item);
	}
}

cJSON *forecast_push_encode(const struct forecast_push *p)
{
	cJSON *o = cJSON_CreateObject();

	list_add(o, "load", p->load, p->n_load);
	list_add(o, "pv", p->pv, p->n_pv);
	json_add_time(o, "until", p->until_utc_ms);
	return o;
}

/* Halving: a plan asks for thousands of instants. */
static bool look_up(const struct forecast_segment *s, int n, int64_t at_utc_ms, double *w)
{
	int lo = 0, hi = n;

	while (lo < hi) { /* the first that begins after it */
		int mid = (lo + hi) / 2;

		if (s[mid].from_utc_ms <= at_utc_ms)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == 0 || at_utc_ms >= s[lo - 1].from_utc_ms + s[lo - 1].length_s * 1000LL)
		return false;
	*w = (double)s[lo - 1].w;
	return true;
}

static bool believed(const struct forecast_push *p, int64_t now_utc_ms)
{
	return !p->until_utc_ms || now_utc_ms < p->until_utc_ms;
}

bool forecast_push_load(const struct forecast_push *p, int64_t now_utc_ms, int64_t at_utc_ms, double *w)
{
	return believed(p, now_utc_ms) && look_up(p->load, p->n_load, at_utc_ms, w);
}

bool forecast_push_pv(const struct forecast_push *p, int64_t now_utc_ms, int64_t at_utc_ms, double *w)
{
	return believed(p, now_utc_ms) && look_up(p->pv, p->n_pv, at_utc_ms, w);
}

static int64_t end_of(const struct forecast_segment *s, int n)
{
	return n ? s[n - 1].from_utc_ms + s[n - 1].length_s * 1000LL : 0;
}

int64_t forecast_push_end(const struct forecast_push *p)
{
	const int64_t load = end_of(p->load, p->n_load), pv = end_of(p->pv, p->n_pv), end = load > pv ? load : pv;

	return p->until_utc_ms && p->until_utc_ms < end ? p->until_utc_ms : end;
}
