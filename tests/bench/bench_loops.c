/* How calm and how quick the balance loop is, on plants of every delay, number of batteries and meter, with drivers that are wrong
 * about their settle time; against the best a causal controller can do and two plain loops, in the same run. Simulated time.
 *
 * Usage: bench_loops [-v [PLANT]]   -v: a row for each plant; PLANT: every second of that one too */
#include "support/loops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BYS = LOOP_PLAIN + 1, DELAYS = 6, PERIODS = 5, BATTERIES = 3, SETTLES = 3 };

static const int DELAY_MS[DELAYS] = { 500, 1000, 2000, 5000, 10000, 20000 }, PERIOD_MS[PERIODS] = { 200, 1000, 2000, 5000, 10000 };
static const double SETTLE[SETTLES] = { 0.5, 1, 2 };
static const char *const NAMES[BYS] = { "hearth", "best possible", "dead beat", "setpoint = power - grid" };

static struct loop_plant plant(size_t k)
{
	struct loop_plant p = { .delay_ms = DELAY_MS[k % DELAYS], .meter_period_ms = PERIOD_MS[k / DELAYS % PERIODS],
				.batteries = 1 + (int)(k / (DELAYS * PERIODS) % BATTERIES), .settle_factor = SETTLE[k / (DELAYS * PERIODS * BATTERIES)],
				.noise_w = k % 2 ? 30 : 8, .poll_ms = 1000, .tick_ms = 1000 };

	p.tau_ms = (int)fmax(100, p.delay_ms / 500 * 100);
	p.meter_delay_ms = k % 3 == 0 ? 0 : k % 3 == 1 ? 500 : 1500;
	return p;
}

/* leak_wh becomes a ratio here. */
static void worst(struct loop_figures *w, const struct loop_figures *f, double best_wh)
{
	w->settle = fmax(w->settle, f->settle);
	w->overshoot_pct = fmax(w->overshoot_pct, f->overshoot_pct);
	w->signs_min = fmax(w->signs_min, f->signs_min);
	w->orders_min = fmax(w->orders_min, f->orders_min);
	w->leak_wh = fmax(w->leak_wh, f->leak_wh / best_wh);
	w->swings += f->swings;
}

static void row(const char *name, const struct loop_figures *f)
{
	printf("%-44s settles in %5.2f delays, overshoot %5.1f %%, %4.1f signs/min, %4.1f orders/min, leak %6.2f\n", name, f->settle, f->overshoot_pct,
	       f->signs_min, f->orders_min, f->leak_wh);
}

static void figure(const char *what, double is, double target, const char *unit)
{
	printf("figure: %s | measured: %.2f%s | target: < %g%s | %s\n", what, is, unit, target, unit, is < target ? "met" : "missed");
}

int main(int argc, char **argv)
{
	bool verbose = argc > 1 && !strcmp(argv[1], "-v");
	struct loop_figures all[BYS], by_delay[DELAYS];
	char name[80];

	memset(all, 0, sizeof(all));
	memset(by_delay, 0, sizeof(by_delay));
	for (size_t k = 0; k < DELAYS * PERIODS * BATTERIES * SETTLES; k++) {
		struct loop_plant p = plant(k);
		struct loop_figures f[BYS], one;

		for (int by = 0; by < BYS; by++) {
			p.trace = by == LOOP_CHAIN && argc > 2 && k == strtoul(argv[2], NULL, 10) ? stdout : NULL;
			loop_run(&p, (enum loop_by)by, &f[by]);
		}
		for (int by = 0; by < BYS; by++)
			worst(&all[by], &f[by], f[LOOP_ORACLE].leak_wh);
		worst(&by_delay[k % DELAYS], &f[LOOP_CHAIN], f[LOOP_ORACLE].leak_wh);
		memset(&one, 0, sizeof(one));
		worst(&one, &f[LOOP_CHAIN], f[LOOP_ORACLE].leak_wh);
		snprintf(name, sizeof(name), "%3zu %4.1f s x%.1f, %d batteries, meter %4.1f + %.1f s, %2.0f W", k, p.delay_ms / 1000.0, p.settle_factor, p.batteries,
			 p.meter_period_ms / 1000.0, p.meter_delay_ms / 1000.0, p.noise_w);
		if (verbose)
			row(name, &one);
	}
	for (int k = 0; k < DELAYS; k++) {
		snprintf(name, sizeof(name), "device delay %4.1f s, worst of %d plants", DELAY_MS[k] / 1000.0, PERIODS * BATTERIES * SETTLES);
		row(name, &by_delay[k]);
	}
	for (int by = 0; by < BYS; by++)
		row(NAMES[by], &all[by]);
	figure("balance loop, 270 plants (0.5..20 s, 1..3 batteries, meter 0.2..10 s): slowest to settle, in delays", all[0].settle, 6, "");
	figure("... largest overshoot", all[0].overshoot_pct, 10, " %");
	figure("... sign changes a minute in steady state", all[0].signs_min, 1, "");
	figure("... energy imported against the best possible for the delay", all[0].leak_wh, 1.3, "x");
	printf("figure: ... the same of a dead beat loop: delays, overshoot, signs, energy | measured: %.1f, %.0f %%, %.0f, %.1fx | target:  | -\n",
	       all[LOOP_DEAD_BEAT].settle, all[LOOP_DEAD_BEAT].overshoot_pct, all[LOOP_DEAD_BEAT].signs_min, all[LOOP_DEAD_BEAT].leak_wh);
	printf("figure: ... of setpoint = power - grid | measured: %.1f, %.0f %%, %.0f, %.1fx | target:  | -\n", all[LOOP_PLAIN].settle,
	       all[LOOP_PLAIN].overshoot_pct, all[LOOP_PLAIN].signs_min, all[LOOP_PLAIN].leak_wh);
	return 0;
}
