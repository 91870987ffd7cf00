/* Runs shipped year scenarios and says what Hearth saved of what could have been saved, by the same code as `hearthctl simulate`.
 *
 * Usage: bench_simulate NAME...   of packaging/scenarios */
#include "io/zone.h"
#include "simulate/simulate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SHARE_LEAST 93.
#define SPEED_LEAST 20000.

static double seconds(void *context)
{
	struct timespec t;

	(void)context;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int scenario_read(const char *name, struct scenario *out)
{
	static char text[SCENARIO_TEXT_MAX];
	struct errbuf err = { "" };
	char path[512];
	size_t len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/packaging/scenarios/%s.json", HEARTH_SOURCE_DIR, name);
	f = fopen(path, "rb");
	if (!f) {
		perror(path);
		return -1;
	}
	len = fread(text, 1, sizeof(text), f);
	fclose(f);
	if (scenario_parse(text, len, out, &err) == 0)
		return 0;
	fprintf(stderr, "%s: %s\n", name, err.text);
	return -1;
}

static void tell(const struct scenario *s, const struct simulate_result *r)
{
	const struct simulate_row *h = &r->row[ROW_HEARTH], *best = &r->row[ROW_CLAIRVOYANT], *own = &r->row[ROW_SELF_USE];
	const double speed = s->days * 86400.0 / r->seconds;

	printf("figure: closed loop, %s: share of the clairvoyant saving | %.1f %% (%.0f of %.0f %s; time switch %.1f %%, self-use %.1f %%; the "
	       "day-ahead load forecast is off by %.0f %%) | >= %.0f %% | %s\n",
	       s->name, h->of_clairvoyant, h->saving, best->saving, s->currency, r->row[ROW_TIMER].of_clairvoyant, own->of_clairvoyant,
	       r->load_error_pct, SHARE_LEAST, h->of_clairvoyant >= SHARE_LEAST ? "met" : "missed");
	printf("figure: closed loop, %s: orders below the floor, and money over plain self-use | %d, %+.2f %s | 0, not less | %s\n", s->name,
	       h->floor_violations, own->total - h->total, s->currency, h->floor_violations == 0 && h->total <= own->total ? "met" : "missed");
	printf("figure: simulation, %s: speed | %.0fx real time (%.0f s; %d plans of %.2f ms, worst %.0f ms) | > %.0fx | %s\n", s->name, speed,
	       r->seconds, r->plans, r->plan_ms_mean, r->plan_ms_worst, SPEED_LEAST, speed > SPEED_LEAST ? "met" : "missed");
	fflush(stdout);
}

static int run(const char *name)
{
	static struct zone zone;
	const struct simulate_options o = { .zone = &zone, .seconds = seconds };
	struct simulate_result r;
	struct errbuf err = { "" };
	struct scenario s;
	struct truth t;
	int rc;

	if (scenario_read(name, &s) < 0)
		return 1;
	if (zone_load(s.timezone, &zone, &err) < 0 || truth_make(&s, &zone, &t, &err) < 0) {
		fprintf(stderr, "%s: %s\n", name, err.text);
		return 1;
	}
	rc = simulate_run(&s, &t, &o, &r, &err);
	if (rc == 0)
		tell(&s, &r);
	else
		fprintf(stderr, "%s: %s\n", name, err.text);
	simulate_result_deinit(&r);
	truth_deinit(&t);
	scenario_deinit(&s);
	return rc < 0;
}

int main(int argc, char **argv)
{
	int rc = 0;

	for (int i = 1; i < argc; i++)
		rc |= run(argv[i]);
	return argc < 2 ? 2 : rc;
}
