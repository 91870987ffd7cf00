/* See habit.h. */
#include "policies/forecast/habit.h"

#include "core/when.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS 86400000LL
#define MINUTE_MS 60000LL
#define MINUTES_A_DAY 1440
#define NEAR_MIN 180
#define STEP_MIN 10
#define STEP_WH 500.
#define TENTH 0.1

/* A session as it looked on the wall. */
struct face {
	int weekday, minute; /* 0 = Sunday; local, of its beginning */
	int64_t day_ms;      /* the local midnight before it, read as if it were UTC */
};

/* What one session alike says. */
struct word { double leaves_ms /* after the local midnight */, wh; };

bool habit_add(struct habit *h, const struct habit_session *s)
{
	const int64_t ms = s->unplugged_utc_ms - s->plugged_utc_ms, oldest_ms = s->unplugged_utc_ms - HABIT_DAYS * DAY_MS;
	int gone = 0;

	if (ms < HABIT_SHORT_MS || ms > HABIT_LONG_MS || !(s->energy_wh >= 0 && s->energy_wh <= HABIT_ENERGY_MAX_WH))
		return false;
	while (gone < h->n && h->s[gone].unplugged_utc_ms < oldest_ms)
		gone++;
	if (h->n - gone == HABIT_SESSIONS_MAX)
		gone++;
	h->n -= gone;
	memmove(&h->s[0], &h->s[gone], sizeof(h->s[0]) * (size_t)h->n);
	h->s[h->n++] = *s;
	return true;
}

static int64_t local_ms(const struct zone *z, int64_t utc_ms)
{
	return utc_ms + calendar_offset_s(z, utc_ms) * 1000LL;
}

static struct face face_of(const struct zone *z, int64_t plugged_utc_ms)
{
	struct civil c;

	calendar_local(z, plugged_utc_ms, &c);
	return (struct face){ c.weekday, c.hour * 60 + c.minute, local_ms(z, plugged_utc_ms) / DAY_MS * DAY_MS };
}

/* The next morning is one of a weekend. */
static bool before_weekend(const struct face *f)
{
	const int day = (f->weekday + (f->minute >= MINUTES_A_DAY / 2)) % 7;

	return day == 0 || day == 6;
}

enum alike { ALIKE_WEEKDAY, ALIKE_KIND, ALIKE_TIME, ALIKE_LEVELS };

static bool alike(const struct face *a, const struct face *b, enum alike level)
{
	const int apart = abs(a->minute - b->minute);

	if (apart > NEAR_MIN && apart < MINUTES_A_DAY - NEAR_MIN)
		return false;
	return level == ALIKE_TIME || (level == ALIKE_WEEKDAY ? a->weekday == b->weekday : before_weekend(a) == before_weekend(b));
}

/* The sessions alike that had not ended by now. */
static int gather(const struct habit *h, const struct zone *z, const struct habit_car *car, enum alike level,
		  struct word out[HABIT_SESSIONS_MAX])
{
	const struct face now = face_of(z, car->plugged_utc_ms);
	const double spent_ms = (double)(local_ms(z, car->utc_ms) - now.day_ms);
	int n = 0;

	for (int i = 0; i < h->n; i++) {
		const struct habit_session *s = &h->s[i];
		const struct face f = face_of(z, s->plugged_utc_ms);
		const struct word w = { (double)(local_ms(z, s->unplugged_utc_ms) - f.day_ms), s->energy_wh };

		if (w.leaves_ms > spent_ms && s->unplugged_utc_ms >= car->utc_ms - HABIT_DAYS * DAY_MS && alike(&now, &f, level))
			out[n++] = w;
	}
	return n;
}

static int by_leaving(const void *a, const void *b)
{
	const double x = ((const struct word *)a)->leaves_ms, y = ((const struct word *)b)->leaves_ms;

	return (x > y) - (x < y);
}

static int by_energy(const void *a, const void *b)
{
	const double x = ((const struct word *)a)->wh, y = ((const struct word *)b)->wh;

	return (x > y) - (x < y);
}

bool habit_guess(const struct habit *h, const struct zone *z, const struct habit_car *car, struct habit_guess *out)
{
	struct word w[HABIT_SESSIONS_MAX];
	struct habit_guess g = { .sessions = 0 };
	struct when when = { .kind = WHEN_LOCAL };

	for (int level = ALIKE_WEEKDAY; level < ALIKE_LEVELS && g.sessions < HABIT_ENOUGH; level++)
		g.sessions = gather(h, z, car, (enum alike)level, w);
	if (g.sessions < HABIT_ENOUGH)
		return false;
	qsort(w, (size_t)g.sessions, sizeof(w[0]), by_leaving);
	when.ms = face_of(z, car->plugged_utc_ms).day_ms + (int64_t)w[(int)((g.sessions - 1) * TENTH)].leaves_ms;
	when.ms = when.ms / (STEP_MIN * MINUTE_MS) * (STEP_MIN * MINUTE_MS);
	g.ready_by_utc_ms = when_utc_ms(&when, z, car->utc_ms);
	qsort(w, (size_t)g.sessions, sizeof(w[0]), by_energy);
	g.session_wh = ceil(w[(int)ceil((g.sessions - 1) * (1 - TENTH))].wh / STEP_WH) * STEP_WH;
	g.energy_wh = ceil((g.session_wh - car->taken_wh) / STEP_WH) * STEP_WH;
	if (g.energy_wh <= 0 || g.ready_by_utc_ms <= car->utc_ms)
		return false;
	*out = g;
	return true;
}

const char *habit_words(const struct habit_guess *g, const struct zone *z, char out[HABIT_TEXT_MAX])
{
	struct civil c;

	calendar_local(z, g->ready_by_utc_ms, &c);
	snprintf(out, HABIT_TEXT_MAX, "by habit: leaves %02d:%02d, needs %.3g kWh; of %d sessions", c.hour, c.minute, g->session_wh / 1000,
		 g->sessions);
	return out;
}
