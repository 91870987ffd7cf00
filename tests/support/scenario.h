/* A scenario: a home, what happens to it and when, and limits on the outcome; as a struct and as a JSON file. The runner
 * plays it on a simulated clock through the real chain and checks, every tick, what must never happen. */
#ifndef HEARTH_TESTS_SCENARIO_H
#define HEARTH_TESTS_SCENARIO_H

#include "policies/chain.h"
#include "support/home.h"

#include <stdio.h>

enum act {
	ACT_LOAD, ACT_PV, ACT_PRICE, ACT_COMMAND, ACT_COMMAND_END, ACT_OVERRIDE, ACT_RESERVE, ACT_EXTERNAL, ACT_METER, ACT_SOC,
	ACT_OFFLINE, ACT_FAULT, ACT_DEAF, ACT_GRID, ACT_CLOCK, ACT_CLOCK_STEP, ACT_PAUSE, ACT_STOP, ACT_CAR, ACT_EV, ACT_GUIDE,
	ACT_METER_LIES, ACT_DEVICE_LIES, ACT_SOC_LIES, ACT_DELAY, ACT_SUN, ACT_HUB_DEAD, ACT_RESTART, ACT_COUNT
};

#define ACT_VALUES 10
struct scenario_step {
	int tick;
	enum act act;
	int device;
	double v[ACT_VALUES]; /* meaning: ACTIONS in scenario_json.c */
};

#define SCENARIO_STEPS 96
#define SCENARIO_LIMITS 48

/* "of" over ticks [from, to): how it is taken, and between what it must be. The words: scenario_measure.c. */
struct scenario_limit {
	char of[32], take[16];
	int device, from, to;
	double min, max, level;
	/* while it runs */
	double result, first, last, stretch;
	long count;
};

struct scenario {
	char name[160];
	uint64_t seed;
	int ticks, tick_ms;
	struct site_params site;
	struct home home;
	int n_steps, n_limits;
	struct scenario_step step[SCENARIO_STEPS];
	struct scenario_limit limit[SCENARIO_LIMITS];
};

struct scenario_result {
	int tick;          /* of the failure; -1 = none */
	char what[400];    /* "" = all is well */
	long doubted[DOUBT_COUNT]; /* ticks each doubt was named */
};

/** Plays it. @trace may be NULL; else one line a tick. The scenario itself is not changed but for its limits' results. */
void scenario_run(struct scenario *sc, FILE *trace, struct scenario_result *result);

/** The same kind of failure: the same words and signs, whatever the numbers. Else a shrink may drift to another story. */
bool scenario_same_failure(const char *a, const char *b);

int scenario_read(const char *path, struct scenario *sc, char *error, size_t size);
int scenario_write(const char *path, const struct scenario *sc);

/** One tick of a limit: adds what it is about. @tick_s of simulated time per tick. */
void scenario_measure(struct scenario_limit *l, const struct home *h, const struct decisions *d, double tick_s);
/** False when there is no such measure, or no such way to take it. */
bool scenario_measurable(const struct scenario_limit *l);

/** Puts one oddity (@which: 0, 1, ...) back to its default: 1 done, 0 it is already plain, -1 there are no more. */
int scenario_plainer(struct scenario *sc, int which);

/** A scenario with every default set. */
void scenario_init(struct scenario *sc);

#define INVARIANT_PHASES_DAY 10 /* switches in any 24 hours */

/* What must never happen, checked after every tick. Memory zeroed at the start. */
struct invariants {
	double charger_w[HOME_DEVICES], charger_per_a[HOME_DEVICES];
	int64_t charger_changed_ms[HOME_DEVICES], charger_zero_ms[HOME_DEVICES];
	struct invariant_switches {
		int seen, n;
		int64_t at_ms[INVARIANT_PHASES_DAY]; /* a ring */
	} switched[HOME_DEVICES];             /* contactors for another number of phases */
	/* since when without a break; 0 = it is not */
	int64_t over_ms[4][2];   /* a limit breached: site, L1-3; import, export */
	double began_w[4][2];    /* what could have been taken off then; what was, of devices that may sit on another phase */
	double tried_w[4][2];
	double due_w[4][2];      /* the limit for which that time runs */
	bool from_rest[4][2];    /* no order was on its way then */
	struct order told[HOME_DEVICES]; /* to which each was last moved, and when */
	int64_t moved_ms[HOME_DEVICES];
	double before_w[HOME_DEVICES]; /* what it was told to take until then */
	int64_t stands_ms[HOME_DEVICES]; /* since when a car that is told to charge does not draw; 0 = it draws, or may not */
	int64_t denied_ms[HOME_DEVICES]; /* a battery that cannot do what it is told: until its own readings have said so; 0 = it can */
	bool rests, seen;
	double least_w[2];       /* what the home did by itself at least since it was last a cause: into the house, out of it */
	int64_t beside_ms;       /* a native balancer beside a battery under order */
	int64_t fed_ms;          /* batteries that may not import take more than the sun leaves; so much it left at that time's begin */
	double fed_left_w;
	int64_t car_fed_ms;      /* batteries give more than the house needs while a car charges */
	double took_w[HOME_DEVICES], might_w[HOME_DEVICES]; /* what a battery was told to take, and might at most, before a trial held it */
	double taper_w;          /* what batteries nearly full took when it was last looked at */
	/* last time; 0 = never */
	int64_t begun_ms;        /* the hub was started again, */
	double begun_w[HOME_DEVICES]; /* when they took this */
	int64_t soc_lied_ms[HOME_DEVICES];
	int64_t lied_ms;         /* something lied, or was doubted */
	int64_t cause_ms;        /* there was a reason to hold back sun */
};

/** Empty when all is well; else what is wrong, with numbers. */
void invariants_check(struct invariants *m, const struct home *h, const struct snapshot *s, const struct chain *c,
		      const struct decisions *d, char *what, size_t size);

#endif
