/* Series of prices: joined, cut, merged, a week back over clock changes, and composed of several sources. */
#include "core/price.h"

#include "support/cm.h"
#include "support/seed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOUR 3600000LL
#define DAY (24 * HOUR)

/* BST from 29 March 2026 01:00 UTC to 25 October 01:00 UTC */
static const struct zone LONDON = { "Europe/London", 3, { { 1761440400, 0 }, { 1774746000, 3600 }, { 1792890000, 0 } } };
/* half an hour, on the other side of the world: until 4 April 2026 15:00 UTC +11:00, then +10:30 */
static const struct zone LORD_HOWE = { "Australia/Lord_Howe", 2, { { 1759591800, 39600 }, { 1775314800, 37800 } } };

static struct price_series a, b, out;

static int64_t at(const char *text)
{
	int64_t utc_ms;

	if (calendar_parse(text, &utc_ms) < 0)
		fail_msg("%s", text);
	return utc_ms;
}

/* "0-2=1 2-3=5": hours and values */
static void fill(struct price_series *p, const char *text)
{
	p->n = 0;
	while (*text) {
		int from, to, used;
		double v;

		if (sscanf(text, "%d-%d=%lf %n", &from, &to, &v, &used) != 3)
			fail_msg("%s", text);
		p->s[p->n++] = (struct price_segment){ from * HOUR, to * HOUR, v, 1 };
		text += used;
	}
}

static const char *words(const struct price_series *p)
{
	static char text[400];
	size_t n = 0;

	text[0] = '\0';
	for (int i = 0; i < p->n; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%lld-%lld=%g", i ? " " : "",
				      (long long)(p->s[i].from_utc_ms / HOUR), (long long)(p->s[i].to_utc_ms / HOUR), p->s[i].value);
	return text;
}

static const struct { const char *name, *older, *newer, *want; } MERGE[] = {
	{ "nothing", "", "", "" },
	{ "nothing new", "0-2=1", "", "0-2=1" },
	{ "nothing old", "", "0-2=1", "0-2=1" },
	{ "the same", "0-2=1 2-4=2", "0-2=1 2-4=2", "0-2=1 2-4=2" },
	{ "in the middle of one", "0-9=1", "3-5=2", "0-3=1 3-5=2 5-9=1" },
	{ "same value in the middle is no cut", "0-9=1", "3-5=1", "0-9=1" },
	{ "over several", "0-2=1 2-4=2 4-6=3", "1-5=9", "0-1=1 1-5=9 5-6=3" },
	{ "exactly one", "0-2=1 2-4=2 4-6=3", "2-4=9", "0-2=1 2-4=9 4-6=3" },
	{ "a gap of the newer keeps the older", "0-9=1", "0-2=2 6-9=3", "0-2=2 2-6=1 6-9=3" },
	{ "behind", "0-2=1", "4-6=2", "0-2=1 4-6=2" },
	{ "touching and alike: joined", "0-2=1", "2-6=1", "0-6=1" },
	{ "before", "4-6=2", "0-2=1", "0-2=1 4-6=2" },
	{ "two within one", "0-9=1", "1-2=2 3-4=3", "0-1=1 1-2=2 2-3=1 3-4=3 4-9=1" },
	{ "negative", "0-2=-1", "1-3=-2", "0-1=-1 1-3=-2" },
};

static void test_merge(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(MERGE) / sizeof(MERGE[0]); i++) {
		fill(&a, MERGE[i].older);
		fill(&b, MERGE[i].newer);
		snprintf(b.currency, sizeof(b.currency), "EUR");
		assert_int_equal(price_merge(&a, &b, &out), 0);
		if (strcmp(words(&out), MERGE[i].want) != 0)
			fail_msg("%s: %s", MERGE[i].name, words(&out));
		assert_string_equal(out.currency, "EUR");
	}
	/* confidence counts too: a forecast that came true is not the same */
	fill(&a, "0-2=1");
	fill(&b, "1-2=1");
	a.s[0].confidence = 0.8;
	price_merge(&a, &b, &out);
	assert_string_equal(words(&out), "0-1=1 1-2=1");
}

/* Against the slow way, at random; half hours of twelve days. */
static void test_merge_random(void **state)
{
	const unsigned seed = (unsigned)seed_of("HEARTH_SEED");

	(void)state;
	srand(seed);
	for (int round = 0; round < 2000; round++) {
		struct price_series *const both[2] = { &a, &b };

		for (int k = 0; k < 2; k++) {
			both[k]->n = 0;
			for (int64_t t = rand() % 6; t < 60; t += rand() % 4) {
				const int64_t to = t + 1 + rand() % 5;

				both[k]->s[both[k]->n++] = (struct price_segment){ t, to, rand() % 3, 1 };
				t = to;
			}
		}
		assert_int_equal(price_merge(&a, &b, &out), 0);
		for (int i = 1; i < out.n; i++)
			assert_true(out.s[i].from_utc_ms >= out.s[i - 1].to_utc_ms && out.s[i].to_utc_ms > out.s[i].from_utc_ms);
		for (int64_t t = -1; t < 70; t++) {
			const double old = price_at(&a, t, NULL), new = price_at(&b, t, NULL), is = price_at(&out, t, NULL);
			const double must = isnan(new) ? old : new;

			if (!(is == must || (isnan(is) && isnan(must))))
				fail_msg("seed %u round %d t %d: %g, must be %g", seed, round, (int)t, is, must);
		}
	}
}

/* Full: the oldest go, what is new stays. */
static void test_merge_full(void **state)
{
	(void)state;
	for (a.n = 0; a.n < PRICE_SEGMENTS_MAX; a.n++)
		a.s[a.n] = (struct price_segment){ a.n * HOUR, (a.n + 1) * HOUR, a.n % 2, 1 };
	for (b.n = 0; b.n < 100; b.n++)
		b.s[b.n] = (struct price_segment){ (PRICE_SEGMENTS_MAX - 50 + b.n) * HOUR, (PRICE_SEGMENTS_MAX - 49 + b.n) * HOUR,
						   5 + b.n % 2, 1 };
	assert_int_equal(price_merge(&a, &b, &out), 50);
	assert_int_equal(out.n, PRICE_SEGMENTS_MAX);
	assert_int_equal(out.s[0].from_utc_ms, 50 * HOUR);
	assert_int_equal(out.s[out.n - 1].to_utc_ms, (PRICE_SEGMENTS_MAX + 50) * HOUR);
	for (int i = 1; i < out.n; i++)
		assert_int_equal(out.s[i].from_utc_ms, out.s[i - 1].to_utc_ms);
	assert_float_equal(price_at(&out, (PRICE_SEGMENTS_MAX - 50) * HOUR, NULL), 5, 0);
	assert_float_equal(price_at(&out, (PRICE_SEGMENTS_MAX - 51) * HOUR, NULL), ((PRICE_SEGMENTS_MAX - 51) % 2), 0);
}

static void test_push_and_cut(void **state)
{
	(void)state;
	out.n = 0;
	assert_int_equal(price_push(&out, &(struct price_segment){ 5, 5, 1, 1 }), -EINVAL);
	assert_int_equal(price_push(&out, &(struct price_segment){ 5, 9, 1, 1 }), 0);
	assert_int_equal(price_push(&out, &(struct price_segment){ 8, 12, 1, 1 }), -EINVAL);
	assert_int_equal(price_push(&out, &(struct price_segment){ 9, 12, 1, 1 }), 0);
	assert_int_equal(out.n, 1);
	assert_int_equal(price_push(&out, &(struct price_segment){ 12, 13, 1, 0.5 }), 0);
	assert_int_equal(price_push(&out, &(struct price_segment){ 14, 15, 1, 0.5 }), 0); /* a gap is no join */
	assert_int_equal(out.n, 3);
	while (out.n < PRICE_SEGMENTS_MAX)
		assert_int_equal(price_push(&out, &(struct price_segment){ out.n * 100, out.n * 100 + 1, 1, 1 }), 0);
	assert_int_equal(price_push(&out, &(struct price_segment){ 1000000, 1000001, 1, 1 }), -ENOSPC);

	fill(&a, "0-2=1 2-4=2 6-8=3");
	price_cut(&a, 1 * HOUR, 7 * HOUR);
	assert_string_equal(words(&a), "1-2=1 2-4=2 6-7=3");
	price_cut(&a, 2 * HOUR, 4 * HOUR);
	assert_string_equal(words(&a), "2-4=2");
	price_cut(&a, 4 * HOUR, 9 * HOUR);
	assert_int_equal(a.n, 0);
}

static const struct {
	const char *name;
	const struct zone *z;
	const char *now;
	int weeks;
	const char *then, *until; /* NULL = not looked at */
} WEEK[] = {
	{ "no zone", NULL, "2026-03-15T12:00:00Z", 1, "2026-03-08T12:00:00Z", NULL },
	{ "winter", &LONDON, "2026-02-15T12:00:00Z", 1, "2026-02-08T12:00:00Z", "2026-03-29T01:00:00Z" },
	{ "two weeks", &LONDON, "2026-02-15T12:00:00Z", 2, "2026-02-01T12:00:00Z", NULL },
	{ "noon of the day of the change", &LONDON, "2026-03-29T11:00:00Z", 1, "2026-03-22T12:00:00Z", NULL },
	{ "before it, that day", &LONDON, "2026-03-29T00:30:00Z", 1, "2026-03-22T00:30:00Z", "2026-03-29T01:00:00Z" },
	{ "a week after, noon", &LONDON, "2026-04-05T11:00:00Z", 1, "2026-03-29T11:00:00Z", NULL },
	{ "a week after, before the hour that was missing", &LONDON, "2026-04-04T23:30:00Z", 1, "2026-03-29T00:30:00Z",
	  "2026-04-05T00:00:00Z" },
	{ "a week after, the hour that was missing", &LONDON, "2026-04-05T00:30:00Z", 1, "2026-03-29T01:30:00Z",
	  "2026-04-05T01:00:00Z" },
	{ "a week after, the hour behind it", &LONDON, "2026-04-05T01:30:00Z", 1, "2026-03-29T01:30:00Z", NULL },
	{ "two weeks after", &LONDON, "2026-04-12T00:30:00Z", 2, "2026-03-29T01:30:00Z", NULL },
	{ "the hour that comes twice, first", &LONDON, "2026-10-25T00:30:00Z", 1, "2026-10-18T00:30:00Z", "2026-10-25T01:00:00Z" },
	{ "the hour that comes twice, again", &LONDON, "2026-10-25T01:30:00Z", 1, "2026-10-18T00:30:00Z", NULL },
	{ "a week after, the hour that came twice", &LONDON, "2026-11-01T01:30:00Z", 1, "2026-10-25T00:30:00Z",
	  "2026-11-01T02:00:00Z" },
	{ "a week after, the hour behind it", &LONDON, "2026-11-01T02:30:00Z", 1, "2026-10-25T02:30:00Z", NULL },
	{ "half an hour", &LORD_HOWE, "2026-04-11T03:00:00Z", 1, "2026-04-04T02:30:00Z", NULL },
	{ "half an hour, twice", &LORD_HOWE, "2026-04-11T15:15:00Z", 1, "2026-04-04T14:45:00Z", "2026-04-11T15:30:00Z" },
	{ "half an hour, behind", &LORD_HOWE, "2026-04-11T15:45:00Z", 1, "2026-04-04T15:45:00Z", NULL },
};

/* From an instant on: unsure, in one piece or two. */
static void test_doubt(void **state)
{
	static struct price_series p;

	(void)state;
	price_doubt(&p, 0); /* nothing at all */
	assert_int_equal(p.n, 0);
	for (int from = 0; from <= 7; from++) {
		fill(&p, "1-3=1 4-6=2");
		price_doubt(&p, from * HOUR);
		assert_int_equal(p.n, from == 2 || from == 5 ? 3 : 2);
		for (int h = 0; h < 7; h++) {
			const bool known = (h >= 1 && h < 3) || (h >= 4 && h < 6);
			bool found = false;

			for (int i = 0; i < p.n; i++)
				if (p.s[i].from_utc_ms <= h * HOUR && p.s[i].to_utc_ms > h * HOUR) {
					assert_true(!found);
					found = true;
					assert_float_equal(p.s[i].value, h < 3 ? 1 : 2, 0);
					assert_float_equal(p.s[i].confidence, h < from ? 1 : 0, 0);
				}
			assert_int_equal(found, known);
		}
	}
	/* no room for two pieces: what is sure stays */
	for (p.n = 0; p.n < PRICE_SEGMENTS_MAX; p.n++)
		p.s[p.n] = (struct price_segment){ p.n * HOUR, (p.n + 1) * HOUR, p.n, 1 };
	price_doubt(&p, 2 * HOUR + HOUR / 2);
	assert_int_equal(p.n, PRICE_SEGMENTS_MAX);
	assert_int_equal(p.s[2].to_utc_ms, 2 * HOUR + HOUR / 2);
	assert_float_equal(p.s[2].confidence, 1, 0);
	assert_float_equal(p.s[3].confidence, 0, 0);
	assert_int_equal(p.s[3].from_utc_ms, 3 * HOUR);
}

/* The same prices, however cut into segments; elsewhere than asked for they may differ. */
static void test_same(void **state)
{
	static const struct { const char *name, *a, *b; int from, to; bool same; } ROWS[] = {
		{ "nothing", "", "", 0, 9, true },
		{ "alike", "1-3=1 4-6=2", "1-3=1 4-6=2", 0, 9, true },
		{ "cut otherwise", "1-4=1", "1-2=1 2-4=1", 0, 9, true },
		{ "another value", "1-3=1 4-6=2", "1-3=1 4-6=3", 0, 9, false },
		{ "another value, not asked for", "1-3=1 4-6=2", "1-3=1 4-6=3", 0, 4, true },
		{ "up to its last hour", "1-3=1 4-6=2", "1-3=1 4-6=3", 0, 5, false },
		{ "longer known", "1-3=1", "1-4=1", 0, 9, false },
		{ "longer known, not asked for", "1-3=1", "1-4=1", 0, 3, true },
		{ "known from when on", "1-3=1", "2-3=1", 0, 9, false },
		{ "known before", "0-3=1", "2-3=1", 2, 9, true },
		{ "a gap", "1-5=1", "1-3=1 4-5=1", 0, 9, false },
		{ "none of one", "", "1-3=1", 0, 9, false },
		{ "an empty span", "1-3=1", "1-3=2", 2, 2, true },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		fill(&a, ROWS[i].a);
		fill(&b, ROWS[i].b);
		if (price_same(&a, &b, ROWS[i].from * HOUR, ROWS[i].to * HOUR) != ROWS[i].same ||
		    price_same(&b, &a, ROWS[i].from * HOUR, ROWS[i].to * HOUR) != ROWS[i].same)
			fail_msg("%s", ROWS[i].name);
	}
}

static void test_week(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(WEEK) / sizeof(WEEK[0]); i++) {
		int64_t until = 0;
		const int64_t then = price_weeks_before(WEEK[i].z, at(WEEK[i].now), WEEK[i].weeks, &until);
		char is[CALENDAR_TEXT_MAX];

		calendar_format(then, is);
		if (then != at(WEEK[i].then))
			fail_msg("%s: %s", WEEK[i].name, is);
		calendar_format(until, is);
		if (until <= at(WEEK[i].now) || (WEEK[i].until && until != at(WEEK[i].until)))
			fail_msg("%s: until %s", WEEK[i].name, is);
	}
}

/* Every quarter hour of two years: the local time is the same, and the promise of @until is kept. */
static void test_week_against_clock(void **state)
{
	const struct zone *zones[] = { &LONDON, &LORD_HOWE };

	(void)state;
	for (int k = 0; k < 2; k++) {
		int64_t until = 0, distance = 0;

		for (int64_t u = at("2025-12-01T00:00:00Z"); u < at("2027-01-01T00:00:00Z"); u += 900000) {
			int64_t fresh;
			const int64_t then = price_weeks_before(zones[k], u, 1, &fresh);
			struct civil x, y;

			calendar_local(zones[k], u, &x);
			calendar_local(zones[k], then, &y);
			if (u < until && u - then != distance)
				fail_msg("zone %d, %lld: the distance changed before it was said", k, (long long)u);
			if (x.hour * 60 + x.minute != y.hour * 60 + y.minute &&
			    !(k == 0 && y.month == 3 && y.day == 29 && x.hour == 1 && y.hour == 2 && x.minute == y.minute))
				fail_msg("zone %d: %d-%d %d:%02d is not %d:%02d", k, x.month, x.day, x.hour, x.minute, y.hour, y.minute);
			until = fresh;
			distance = u - then;
		}
	}
}

static struct price_span span(const char *from, const char *to, const char *now)
{
	return (struct price_span){ at(from), at(to), at(now) };
}

static void test_compose(void **state)
{
	struct price_layer l[3] = { { &a, "flatpeak", 2, 0.2, 0 }, { &b, "tariff", 1, 0, 0 }, { &a, "last_known", 2, 0, 4 } };
	struct price_span s = { 0, 10 * HOUR, 0 };

	(void)state;
	price_compose(l, 0, NULL, &s, &out); /* no source at all */
	assert_int_equal(out.n, 0);
	assert_string_equal(out.source, "none");

	fill(&a, "2-4=1 5-6=2");
	fill(&b, "0-3=7 5-9=8");
	price_compose(l, 2, NULL, &s, &out);
	assert_string_equal(words(&out), "0-2=7 2-4=2 5-6=4 6-9=8");
	assert_string_equal(out.source, "tariff");
	s.now_utc_ms = 4 * HOUR + 1;
	price_compose(l, 2, NULL, &s, &out);
	assert_string_equal(out.source, "none");
	s.now_utc_ms = 5 * HOUR;
	price_compose(l, 2, NULL, &s, &out);
	assert_string_equal(out.source, "flatpeak");
	s = (struct price_span){ 3 * HOUR, 6 * HOUR - 1000, 0 };
	price_compose(l, 2, NULL, &s, &out);
	assert_int_equal(out.s[0].from_utc_ms, 3 * HOUR);
	assert_int_equal(out.s[out.n - 1].to_utc_ms, 6 * HOUR - 1000);
	assert_string_equal(out.source, "none"); /* now is outside */

	/* too unsure: as good as unknown */
	s = (struct price_span){ 0, 10 * HOUR, 0 };
	a.s[0].confidence = 0.19;
	a.s[1].confidence = 0.2;
	price_compose(l, 2, NULL, &s, &out);
	assert_string_equal(words(&out), "0-3=7 5-6=4 6-9=8");
	assert_float_equal(out.s[1].confidence, 0.2, 0);
	s = (struct price_span){ 5, 5, 5 };
	price_compose(l, 2, NULL, &s, &out);
	assert_int_equal(out.n, 0);
}

/* "last known": only where nothing else is, of the latest week that knows, over both clock changes. */
static void test_compose_weeks(void **state)
{
	const struct price_layer l[2] = { { &a, "flatpeak", 1, 0.2, 0 }, { &a, "last_known", 1, 0, 4 } };
	struct price_span s = span("2026-03-29T00:00:00Z", "2026-03-29T23:00:00Z", "2026-03-29T12:00:00Z");

	(void)state;
	/* local 16:00-19:00 is dear on the 22nd; the 29th is in summer time */
	a.n = 3;
	a.s[0] = (struct price_segment){ at("2026-03-22T00:00:00Z"), at("2026-03-22T16:00:00Z"), 0.1, 1 };
	a.s[1] = (struct price_segment){ at("2026-03-22T16:00:00Z"), at("2026-03-22T19:00:00Z"), 0.4, 1 };
	a.s[2] = (struct price_segment){ at("2026-03-22T19:00:00Z"), at("2026-03-23T00:00:00Z"), 0.1, 1 };
	price_compose(l, 2, &LONDON, &s, &out);
	assert_int_equal(out.n, 3);
	assert_int_equal(out.s[0].from_utc_ms, s.from_utc_ms);
	assert_int_equal(out.s[1].from_utc_ms, at("2026-03-29T15:00:00Z"));
	assert_int_equal(out.s[1].to_utc_ms, at("2026-03-29T18:00:00Z"));
	assert_float_equal(out.s[1].value, 0.4, 0);
	assert_float_equal(out.s[1].confidence, 0.2, 0);
	assert_int_equal(out.s[2].to_utc_ms, s.to_utc_ms);
	assert_string_equal(out.source, "last_known");

	/* three weeks of silence, then a month: the pattern goes on, and then is unknown */
	s = span("2026-04-12T00:00:00Z", "2026-04-13T00:00:00Z", "2026-04-12T12:00:00Z");
	price_compose(l, 2, &LONDON, &s, &out);
	assert_float_equal(price_at(&out, at("2026-04-12T15:30:00Z"), NULL), 0.4, 0);
	s = span("2026-04-26T00:00:00Z", "2026-04-27T00:00:00Z", "2026-04-26T12:00:00Z");
	price_compose(l, 2, &LONDON, &s, &out);
	assert_int_equal(out.n, 0);

	/* the later week wins over the earlier one, from and to the minute it knows */
	a.s[a.n++] = (struct price_segment){ at("2026-03-29T10:00:00Z"), at("2026-03-29T11:00:00Z"), 0.9, 1 };
	s = span("2026-04-05T00:00:00Z", "2026-04-05T23:00:00Z", "2026-04-05T10:30:00Z");
	price_compose(l, 2, &LONDON, &s, &out);
	assert_float_equal(price_at(&out, at("2026-04-05T09:59:59Z"), NULL), 0.1, 0); /* of two weeks before */
	assert_float_equal(price_at(&out, at("2026-04-05T10:00:00Z"), NULL), 0.9, 0);
	assert_float_equal(price_at(&out, at("2026-04-05T10:59:59Z"), NULL), 0.9, 0);
	assert_float_equal(price_at(&out, at("2026-04-05T11:00:00Z"), NULL), 0.1, 0);
	assert_float_equal(price_at(&out, at("2026-04-05T16:30:00Z"), NULL), 0.4, 0);
}

/* What the worst costs: as many segments as there may be, all from four weeks back. Printed, not judged. */
static void test_compose_cost(void **state)
{
	const struct price_layer l[2] = { { &b, "flatpeak", 1, 0.2, 0 }, { &a, "last_known", 1, 0, 4 } };
	struct price_span s = { 28 * DAY, 28 * DAY + PRICE_SEGMENTS_MAX * 300000LL, 28 * DAY };
	struct timespec t0, t1;

	(void)state;
	b.n = 0;
	for (a.n = 0; a.n < PRICE_SEGMENTS_MAX; a.n++)
		a.s[a.n] = (struct price_segment){ a.n * 300000LL, (a.n + 1) * 300000LL, a.n % 7, 1 };
	clock_gettime(CLOCK_MONOTONIC, &t0);
	for (int i = 0; i < 10; i++)
		price_compose(l, 2, &LONDON, &s, &out);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	print_message("compose: %.0f us\n",
		      ((double)(t1.tv_sec - t0.tv_sec) * 1e9 + (double)(t1.tv_nsec - t0.tv_nsec)) / 10e3);
	assert_int_equal(out.n, PRICE_SEGMENTS_MAX); /* all of them, four weeks later */
	assert_float_equal(out.s[100].value, (100 % 7), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_merge),	     cmocka_unit_test(test_merge_random),	cmocka_unit_test(test_merge_full),
		cmocka_unit_test(test_push_and_cut), cmocka_unit_test(test_doubt), cmocka_unit_test(test_same), cmocka_unit_test(test_week),		cmocka_unit_test(test_week_against_clock),
		cmocka_unit_test(test_compose),	     cmocka_unit_test(test_compose_weeks), cmocka_unit_test(test_compose_cost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
