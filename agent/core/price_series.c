/* Series of prices: joined, cut, merged, and composed of several sources, instant by instant. See price.h. */
#include "core/price.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DAY_MS 86400000LL

static bool alike(const struct price_segment *a, const struct price_segment *b)
{
	return a->to_utc_ms == b->from_utc_ms && a->value == b->value && a->confidence == b->confidence;
}

int price_push(struct price_series *p, const struct price_segment *s)
{
	struct price_segment *last = p->n > 0 ? &p->s[p->n - 1] : NULL;

	if (s->to_utc_ms <= s->from_utc_ms || (last && s->from_utc_ms < last->to_utc_ms))
		return -EINVAL;
	if (last && alike(last, s)) {
		last->to_utc_ms = s->to_utc_ms;
		return 0;
	}
	if (p->n == PRICE_SEGMENTS_MAX)
		return -ENOSPC;
	p->s[p->n++] = *s;
	return 0;
}

/* Up to when the price of @utc_ms holds, or stays unknown; *i walks along. */
static int64_t step_end(const struct price_series *p, int64_t utc_ms, int *i, const struct price_segment **at)
{
	while (*i < p->n && p->s[*i].to_utc_ms <= utc_ms)
		(*i)++;
	*at = *i < p->n && p->s[*i].from_utc_ms <= utc_ms ? &p->s[*i] : NULL;
	if (*at)
		return (*at)->to_utc_ms;
	return *i < p->n ? p->s[*i].from_utc_ms : INT64_MAX;
}

bool price_same(const struct price_series *a, const struct price_series *b, int64_t from_utc_ms, int64_t to_utc_ms)
{
	int i = 0, j = 0;

	for (int64_t at = from_utc_ms; at < to_utc_ms;) {
		const struct price_segment *x, *y;
		const int64_t a_end = step_end(a, at, &i, &x), b_end = step_end(b, at, &j, &y);

		if ((x == NULL) != (y == NULL) || (x && x->value != y->value))
			return false;
		at = a_end < b_end ? a_end : b_end;
	}
	return true;
}

void price_cut(struct price_series *p, int64_t from_utc_ms, int64_t to_utc_ms)
{
	int n = 0;

	for (int i = 0; i < p->n; i++) {
		struct price_segment s = p->s[i];

		if (s.from_utc_ms < from_utc_ms)
			s.from_utc_ms = from_utc_ms;
		if (s.to_utc_ms > to_utc_ms)
			s.to_utc_ms = to_utc_ms;
		if (s.from_utc_ms < s.to_utc_ms)
			p->s[n++] = s;
	}
	p->n = n;
}

void price_doubt(struct price_series *p, int64_t from_utc_ms)
{
	int i = 0;

	while (i < p->n && p->s[i].to_utc_ms <= from_utc_ms)
		i++;
	if (i < p->n && p->s[i].from_utc_ms < from_utc_ms) {
		if (p->n < PRICE_SEGMENTS_MAX) { /* else the part behind is given up */
			memmove(&p->s[i + 1], &p->s[i], sizeof(p->s[0]) * (size_t)(p->n - i));
			p->n++;
			p->s[i + 1].from_utc_ms = from_utc_ms;
		}
		p->s[i++].to_utc_ms = from_utc_ms;
	}
	for (; i < p->n; i++)
		p->s[i].confidence = 0;
}

/* Where merged segments go: counted first, so that the second time the oldest can be left out. */
struct merged {
	struct price_segment last;
	int n, skip;
	struct price_series *out; /* NULL while counting */
};

static void merged_add(struct merged *m, int64_t from, int64_t to, const struct price_segment *s)
{
	const struct price_segment add = { from, to, s->value, s->confidence };

	if (to <= from)
		return;
	if (m->n > 0 && alike(&m->last, &add)) {
		m->last.to_utc_ms = to;
	} else {
		m->last = add;
		m->n++;
	}
	if (m->out && m->n > m->skip)
		m->out->s[m->n - 1 - m->skip] = m->last;
}

static void merge(const struct price_series *older, const struct price_series *newer, struct merged *m)
{
	int64_t done = INT64_MIN; /* up to there it is decided */
	int i = 0;

	for (int j = 0; j <= newer->n; j++) {
		const int64_t limit = j < newer->n ? newer->s[j].from_utc_ms : INT64_MAX;

		for (; i < older->n && older->s[i].from_utc_ms < limit; i++) {
			const struct price_segment *s = &older->s[i];
			const int64_t from = s->from_utc_ms > done ? s->from_utc_ms : done;

			merged_add(m, from, s->to_utc_ms < limit ? s->to_utc_ms : limit, s);
			if (s->to_utc_ms > limit)
				break; /* its rest may come out behind the newer one */
		}
		if (j < newer->n) {
			merged_add(m, limit, newer->s[j].to_utc_ms, &newer->s[j]);
			done = newer->s[j].to_utc_ms;
		}
	}
}

int price_merge(const struct price_series *older, const struct price_series *newer, struct price_series *out)
{
	struct merged m = { 0 };

	merge(older, newer, &m);
	m = (struct merged){ .skip = m.n > PRICE_SEGMENTS_MAX ? m.n - PRICE_SEGMENTS_MAX : 0, .out = out };
	memcpy(out->currency, newer->currency, sizeof(out->currency));
	memcpy(out->timezone, newer->timezone, sizeof(out->timezone));
	memcpy(out->source, newer->source, sizeof(out->source));
	merge(older, newer, &m);
	out->n = m.n - m.skip;
	return m.skip;
}

int64_t price_weeks_before(const struct zone *z, int64_t utc_ms, int weeks, int64_t *until_utc_ms)
{
	const int64_t local = utc_ms + (int64_t)calendar_offset_s(z, utc_ms) * 1000 - weeks * 7 * DAY_MS;
	/* no zone is a day off, so the offsets a day before and after are those on both sides of a change, if there is one
	 */
	const int64_t before = (int64_t)calendar_offset_s(z, local - DAY_MS) * 1000;
	const int64_t after = (int64_t)calendar_offset_s(z, local + DAY_MS) * 1000;
	const int64_t change = calendar_next_change(z, local - DAY_MS);
	const int64_t here = calendar_next_change(z, utc_ms);
	int64_t then, end;

	then = local - before;
	end = change > then ? change : calendar_next_change(z, then);
	if (before != after && then >= change) {
		if (local - after >= change) {
			then = local - after;
			end = calendar_next_change(z, then);
		} else {
			end = then + (change + after - local); /* the hour that was missing */
		}
	}
	end = end == INT64_MAX ? INT64_MAX : utc_ms + (end - then);
	*until_utc_ms = end < here ? end : here;
	return then;
}

/* The segment that holds at an instant, NULL when none does; @until: when that changes. */
static const struct price_segment *look(const struct price_layer *l, int64_t utc_ms, int64_t *until)
{
	const struct price_series *p = l->series;
	int low = 0, high = p->n;

	while (low < high) {
		const int mid = (low + high) / 2;

		if (p->s[mid].to_utc_ms <= utc_ms)
			low = mid + 1;
		else
			high = mid;
	}
	*until = INT64_MAX;
	if (low == p->n)
		return NULL;
	if (p->s[low].from_utc_ms > utc_ms) {
		*until = p->s[low].from_utc_ms;
		return NULL;
	}
	*until = p->s[low].to_utc_ms;
	return p->s[low].confidence >= l->confidence_min ? &p->s[low] : NULL;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* The same for a layer that may look weeks back. */
static bool layer_at(const struct price_layer *l, const struct zone *z, int64_t at, struct price_segment *out,
		     int64_t *until)
{
	const struct price_segment *s;

	if (l->weeks_back == 0) {
		s = look(l, at, until);
		if (s)
			*out = *s;
		return s != NULL;
	}
	*until = INT64_MAX;
	for (int week = 1; week <= l->weeks_back; week++) {
		int64_t same, then, end;

		then = price_weeks_before(z, at, week, &same);
		s = look(l, then, &end);
		*until = earlier(*until, earlier(same, end == INT64_MAX ? end : at + (end - then)));
		if (s) {
			*out = *s;
			out->confidence = PRICE_LAST_KNOWN_CONFIDENCE;
			return true;
		}
	}
	return false;
}

void price_compose(const struct price_layer *layers, int n, const struct zone *z, const struct price_span *span,
		   struct price_series *out)
{
	out->n = 0;
	snprintf(out->source, sizeof(out->source), "none");
	for (int64_t at = span->from_utc_ms; at < span->to_utc_ms;) {
		int64_t end = span->to_utc_ms, until;
		struct price_segment s;
		int i = 0;

		for (; i < n; i++) {
			const bool found = layer_at(&layers[i], z, at, &s, &until);

			end = earlier(end, until);
			if (found)
				break;
		}
		if (i < n) {
			s.from_utc_ms = at;
			s.to_utc_ms = end;
			s.value *= layers[i].times;
			if (price_push(out, &s) < 0)
				return; /* full: what is behind stays unknown */
			if (at <= span->now_utc_ms && span->now_utc_ms < end)
				snprintf(out->source, sizeof(out->source), "%s", layers[i].source);
		}
		at = end;
	}
}
