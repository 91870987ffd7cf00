/* Prints how calm and how quick the balance loop is on plants of every delay, number of batteries and meter, against the
 * best a causal controller can do, and two plain loops in the same run.
 *
 * Usage: bench_loops [-v] */
#include "support/loops.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const NAMES[] = { "hearth", "best possible", "dead beat", "plain" };

static void worst(struct loop_figures *w, const struct loop_figures *f, double leak)
{
	w->settle = fmax(w->settle, f->settle);
	w->overshoot_pct = fmax(w->overshoot_pct, f->overshoot_pct);
	w->signs_min = fmax(w->signs_min, f->signs_min);
	w->leak_wh = fmax(w->leak_wh, leak);
}

int main(int argc, char **argv)
{
	static const int DELAYS[] = { 500, 1000, 2000, 5000, 10000, 20000 }, PERIODS[] = { 200, 1000, 2000, 5000, 10000 };
	static const double SETTLE[] = { 0.5, 1, 2 };
	bool verbose = argc > 1 && !strcmp(argv[1], "-v");
	struct loop_figures all[4];
	int plants = 0;

	memset(all, 0, sizeof(all));
	for (size_t k = 0; k < 6 * 5 * 3 * 3; k++) {
		struct loop_plant p = { .delay_ms = DELAYS[k % 6], .meter_period_ms = PERIODS[k / 6 % 5], .batteries = 1 + (int)(k / 30 % 3),
					.settle_factor = SETTLE[k / 90], .noise_w = k % 2 ? 30 : 8, .poll_ms = 1000, .tick_ms = 1000 };
		struct loop_figures f[4];

		p.tau_ms = (int)fmax(100, p.delay_ms / 500 * 100);
		p.meter_delay_ms = k % 3 == 0 ? 0 : k % 3 == 1 ? 500 : 1500;
		if (argc > 2 && k == strtoul(argv[2], NULL, 10))
			p.trace = stdout;
		for (int by = 0; by < 4; by++, p.trace = NULL)
			loop_run(&p, (enum loop_by)by, &f[by]);
		for (int by = 0; by < 4; by++) {
			worst(&all[by], &f[by], f[by].leak_wh / f[LOOP_ORACLE].leak_wh);
		}
		plants++;
		if (verbose)
			printf("%2zu: %5.1f s x%g, %d batteries, meter %4.1f s + %3.1f s, noise %2.0f: settle %5.2f %5.2f %6.2f overshoot %5.1f %6.1f signs %4.1f %5.1f orders %5.1f leak %.2f %5.2f %5.2f lost %.2f window %.1f swing %d\n",
			       k, p.delay_ms / 1000.0, p.settle_factor, p.batteries, p.meter_period_ms / 1000.0, p.meter_delay_ms / 1000.0, p.noise_w,
			       f[0].settle, f[2].settle, f[3].settle, f[0].overshoot_pct, f[2].overshoot_pct, f[0].signs_min, f[2].signs_min, f[0].orders_min,
			       f[0].leak_wh / f[1].leak_wh, f[2].leak_wh / f[1].leak_wh, f[3].leak_wh / f[1].leak_wh, f[0].lost_wh / f[1].lost_wh, f[0].max_ms / 1000, f[0].swings);
	}
	for (int by = 0; by < 4; by++)
		printf("%-14s worst of %d plants: settles in %.2f delays, overshoot %.1f %%, %.1f sign changes a minute, leak %.2f of the best possible\n",
		       NAMES[by], plants, all[by].settle, all[by].overshoot_pct, all[by].signs_min, all[by].leak_wh);
	return 0;
}
