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
	ACT_COUNT
};

#define ACT_VALUES 7
struct scenario_step {
	int tick;
	enum act act;
	int device;
	double v[ACT_VALUES]; /* meaning: ACTIONS in scenario_json.c */
};

#define SCENARIO_STEPS 64
#define SCENARIO_LIMITS 32

/* "of" over ticks [from, to): how it is taken, and between what it must be. */
struct scenario_limit {
	char of[16], take[16];
	int device, from, to;
	double min, max;
	/* while it runs */
	double result, last;
	long count;
};

struct scenario {
	char name[96];
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
};

/** Plays it. @trace may be NULL; else one line a tick. The scenario itself is not changed but for its limits' results. */
void scenario_run(struct scenario *sc, FILE *trace, struct scenario_result *result);

int scenario_read(const char *path, struct scenario *sc, char *error, size_t size);
int scenario_write(const char *path, const struct scenario *sc);

/** A scenario with every default set. */
void scenario_init(struct scenario *sc);

/* What must never happen, checked after every tick. Memory zeroed at the start. */
struct invariants {
	double charger_w[HOME_DEVICES];
	int64_t charger_changed_ms[HOME_DEVICES], charger_zero_ms[HOME_DEVICES];
	int64_t over_ms[4][2];   /* a limit breached without break: site, L1-3; import, export */
	int64_t lost_since_ms;   /* the meter last read */
	int64_t fed_ms;          /* since when batteries that may not import take more than the sun leaves; 0 = they do not */
};

/** Empty when all is well; else what is wrong, with numbers. */
void invariants_check(struct invariants *m, const struct home *h, const struct snapshot *s, const struct chain *c,
		      const struct decisions *d, char *what, size_t size);

#endif
