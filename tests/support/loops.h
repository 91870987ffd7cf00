/* Closed loops on the grid meter, measured: a simulated home with delayed batteries and a meter, a day's worth of steps, ramps,
 * short loads and noise in a few minutes, and four ways to steer it: our chain, the best a causal controller can do, and two
 * plain ones to compare with. */
#ifndef HEARTH_TESTS_LOOPS_H
#define HEARTH_TESTS_LOOPS_H

#include "support/home.h"

#include <stdio.h>

enum loop_by {
	LOOP_CHAIN,
	LOOP_ORACLE,    /* knows the true load of every meter sample and answers it at once */
	LOOP_DEAD_BEAT, /* waits for the settle time, then one whole step */
	LOOP_PLAIN,     /* setpoint = own reading - grid, on every sample */
};

enum loop_task {
	TASK_SELF_USE,      /* hold the meter at 0 W */
	TASK_FOLLOW_LOAD,   /* an event: cover the load, never charge */
	TASK_ZERO_EXPORT,   /* self-use with an export limit of 0 W */
	TASK_IMPORT_LIMIT,  /* charge with LOOP_CHARGE_W, but import no more than LOOP_IMPORT_W */
};
#define LOOP_CHARGE_W 2500.0
#define LOOP_IMPORT_W 3000.0

struct loop_plant {
	enum loop_task task;
	int delay_ms, tau_ms, batteries;
	int meter_period_ms, meter_delay_ms;
	int poll_ms, tick_ms;
	double settle_factor;    /* what the driver says of its settle time, against the truth */
	double noise_w;
	double gain;             /* what a battery does / what it is told; 0 = 1 */
	double later;            /* from the fourth segment on its delay is that many times as long; 0 = 1 */
	int late_ms;             /* its readings are that old, and do not say so */
	double unlike;           /* each battery's delay against the one before; 0 = 1 */
	bool stranger;           /* one battery more that nobody can order and that holds the meter by itself */
	FILE *trace;             /* one line a tick, NULL = none */
};

struct loop_figures {
	double delay_ms;         /* device + its lag + meter delay + meter period: what everything is measured in */
	double settle;           /* worst step, in delays, until it stays near the target */
	double overshoot_pct;    /* worst, of the step */
	double signs_min;        /* changes of the error's sign a minute, in steady state */
	double leak_wh, lost_wh; /* imported, exported, while the batteries could have covered or taken it */
	double orders_min;       /* changes of orders a minute, in steady state */
	double max_ms;           /* the widest window known in the end */
	int swings;              /* samples with a swing named */
};

void loop_run(const struct loop_plant *p, enum loop_by by, struct loop_figures *out);

#endif
