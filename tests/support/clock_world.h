/* The world of test_clock.c: true time, a hub whose clock is stepped, doubted and suspended, what its witnesses say, and what the
 * world remembers of every command. Honest witnesses know the true time; in some worlds they lie. */
#ifndef HEARTH_TESTS_CLOCK_WORLD_H
#define HEARTH_TESTS_CLOCK_WORLD_H

#include "cloud/book.h"
#include "core/clock_gate.h"
#include "support/cm.h"
#include "support/home.h"

#include <string.h>

#define T0 1793500000000LL /* 2026-11-01 */
#define SEC 1000LL
#define MIN (60 * SEC)
#define H (60 * MIN)
#define DAY (24 * H)
#define BATTERIES 2
#define COMMANDS 48
#define MAIL_LATE (20 * MIN) /* on the broker, at most: a clock behind is proven by such a mail to that much more */

struct answer { enum flip_device_status s; char reason[96]; };

/* What the world knows of one command. */
struct record {
	struct flip_command c;
	bool over;               /* ended, withdrawn, displaced, or its end was passed by a clock that could be trusted */
	bool ran, canceled;
	enum book_state state;   /* at the last look */
	bool asked;              /* by Flip since the last answer */
	struct answer last;
	enum flip_device_status at_flip;
	double moved_wh;         /* by the device while it was in force */
};

static struct world {
	int64_t t;               /* true time since T0, sleep included */
	int64_t err, slept;      /* hub's wall clock minus true time; suspended in all */
	bool kernel, disciplined; /* the kernel's flag; nobody has set the clock by hand since a server did */
	bool lies, configured;   /* this world's witnesses may lie; clock = trust */
	int64_t timesyncd_utc, woke_ms, offset;
	int calm, missed[BATTERIES]; /* ticks since the clock was doubted or moved; without the command that should run */
	int64_t act_at[4];       /* wall times near which the clock is meddled with, 0 = none */
	int n;
	struct record r[COMMANDS];
	/* the owner's override of each battery */
	struct { bool set, over; int64_t until_ms, until_utc; } override[BATTERIES];
	/* what intervals told */
	int64_t told_start, last_utc, last_ms;
	double told_wh, seen_wh, last_grid;
} w;

static struct home home;
static struct clock_gate gate;
static int64_t due_utc;   /* when the book changes by itself next; 1 = at once */
static uint64_t rng, seed;
static int sequence, tick;
static struct { long event, override, plan, steps, sleeps, distrusted, done, restarts; } seen;

static inline uint32_t below(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 33) % n;
}

static inline bool chance(uint32_t per_thousand)
{
	return below(1000) < per_thousand;
}

static inline int64_t any(int64_t lo, int64_t hi)
{
	return lo + (int64_t)(((uint64_t)below(1u << 30) << 30 | below(1u << 30)) % (uint64_t)(hi - lo));
}

#define CHECK(condition, ...) \
	do { \
		if (!(condition)) { \
			print_error("HEARTH_SEED=%llu, tick %d, %lld s, clock off by %lld ms: ", \
				    (unsigned long long)(seed + (uint64_t)sequence), tick, (long long)(w.t / SEC), (long long)w.err); \
			fail_msg(__VA_ARGS__); \
		} \
	} while (0)

static inline int64_t true_utc(void)
{
	return T0 + w.t;
}

static inline int64_t hub_utc(void)
{
	return T0 + w.t + w.err;
}

/* ---- the clock's adventures ---- */

static inline void step_by(int64_t ms)
{
	w.err += ms;
	if (!(w.lies && chance(500)))
		w.kernel = w.disciplined = false; /* as the kernel does when somebody sets its clock */
	seen.steps++;
}

/* A time server's word; an honest one has the time. */
static inline void discipline(void)
{
	if (!w.lies && w.err)
		w.err = any(-400, 400);
	w.kernel = chance(700);
	w.disciplined = true;
	if (!w.kernel || chance(300))
		w.timesyncd_utc = hub_utc();
}

static inline void sleep_for(int64_t ms)
{
	w.t += ms;
	w.slept += ms;
	home.now_ms += ms;
	home.utc_ms += ms;
	seen.sleeps++;
}

static inline void look(struct clock_look *l)
{
	*l = (struct clock_look){ home.now_ms, hub_utc(), w.slept, w.kernel, w.disciplined ? w.timesyncd_utc : 0, w.configured };
}

/* As hub_clock. */
static inline void look_now(struct clock_look *l)
{
	uint32_t news;

	look(l);
	news = clock_gate_look(&gate, l);
	if (news & CLOCK_SLEPT)
		w.woke_ms = home.now_ms;
	if (news)
		due_utc = 1;
}

static inline void hear(enum clock_source source)
{
	struct clock_look l;

	look_now(&l);
	clock_gate_word(&gate, source, true_utc() - any(0, source == CLOCK_MAIL ? MAIL_LATE : 2 * SEC), &l);
}

static inline void meddle(void)
{
	static const int64_t STEPS[] = { SEC, 2 * SEC, MIN, 10 * MIN, H, DAY, 14 * DAY, 365 * DAY };
	const int64_t step = STEPS[below(8)] * (chance(500) ? 1 : -1);

	switch (below(10)) {
	case 0:
	case 1:
		step_by(step);
		break;
	case 2: /* a leap second, and when it is taken back the odd one that is left out */
		w.err += w.err < 0 ? SEC : -SEC;
		break;
	case 3:
		step_by(-w.err); /* set right, by hand */
		break;
	case 4:
	case 5:
		discipline();
		break;
	case 6:
		w.kernel = false; /* the flag is lost, the clock is not */
		break;
	case 7:
		hear(chance(500) ? CLOCK_FLIP : CLOCK_MAIL);
		break;
	default:
		sleep_for(any(1, chance(300) ? 2 * DAY : chance(500) ? H : 30 * SEC));
		break;
	}
}

static inline void adventures(void)
{
	for (int i = 0; i < 4; i++)
		if (w.act_at[i] && hub_utc() >= w.act_at[i]) {
			w.act_at[i] = 0;
			meddle();
		}
	if (chance(6))
		meddle();
	if (chance(20) && w.err && chance(300))
		discipline();
	if (chance(15))
		hear(CLOCK_FLIP); /* the poll of each minute */
}

#endif
