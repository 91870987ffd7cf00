/* Time and quality of the planner on the shipped samples. Prints "figure, measured, target, met|missed"; the figures are
 * those of the table in tests/bench/README.md. HEARTH_BENCH_ROUNDS changes how often each sample is solved. */
#include "support/plan_check.h"

#include <malloc.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS_MAX 1000

static const struct {
	const char *file;
	double optimum, idle; /* tests/data/plan/README.md */
} SAMPLES[] = {
	{ "agile-winter-9.5-ev0-300", 4.674959, 6.807377 },    { "agile_neg-summer-13.5-ev0-300", -8.267232, -1.185975 },
	{ "flat-winter-13.5-ev0-300", 12.682772, 12.804047 },  { "tou-summer-13.5-ev0-300", -6.991902, -3.608042 },
	{ "bonus-winter-27-ev0-1800", 3.888576, 10.812545 },   { "agile_neg-summer-5-ev3-300", -3.900646, 4.399281 },
	{ "tou-winter-13.5-ev1-300", 9.973176, 21.271713 },    { "agile-winter-13.5-ev1-1800", 6.735488, 10.896703 },
	{ "bonus-summer-13.5-ev3-1800", -5.031251, 2.308941 }, { "flat-summer-5-ev1-1800", 4.805849, 5.869763 },
};

/* Worst over the samples of one kind: 576 slots without a car, with one. */
struct group {
	const char *name;
	double median_ms, gap;
};

/* Time of this process alone: the machine may be busy with other things, and a solve is one thread. */
static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(size_t i, int rounds, struct group *group)
{
	double ms[ROUNDS_MAX], gap = 0, bound_gap = 0, saving = SAMPLES[i].idle - SAMPLES[i].optimum;
	struct errbuf err = { "" };
	struct plan_instance in;
	char path[128];
	size_t len;
	char *text;

	snprintf(path, sizeof(path), "tests/data/plan/%s.json", SAMPLES[i].file);
	text = plan_check_read(path, &len);
	if (!text || instance_parse(text, len, &in, &err)) {
		printf("%s: cannot be read: %s\n", path, err.text);
		exit(1);
	}
	for (int k = 0; k < rounds; k++) {
		double start = now_ms();
		struct plan p;

		if (planner_solve(&in, NULL, NULL, &p, &err))
			exit(1);
		ms[k] = now_ms() - start;
		gap = (p.cost - SAMPLES[i].optimum) / saving;
		bound_gap = (p.cost - p.bound) / saving;
		plan_deinit(&p);
	}
	qsort(ms, (size_t)rounds, sizeof(ms[0]), ascending);
	printf("# %-32s %4d slots  median %7.3f ms  worst %7.3f ms  gap to optimum %8.1e  proven gap %8.1e of the saving\n",
	       SAMPLES[i].file, in.slots, ms[rounds / 2], ms[rounds - 1], gap, bound_gap);
	if (in.slots == 576) {
		group[in.n_evs].median_ms = fmax(group[in.n_evs].median_ms, ms[rounds / 2]);
		group[in.n_evs].gap = fmax(group[in.n_evs].gap, bound_gap);
	}
	instance_deinit(&in);
	free(text);
}

/* What the heap holds at most while one is solved, by giving the planner a counting pause: mallinfo before and inside. */
static size_t heap_high;

static bool heap_watch(void *base)
{
	size_t used = mallinfo2().uordblks + mallinfo2().hblkhd - *(const size_t *)base;

	heap_high = used > heap_high ? used : heap_high;
	return false;
}

static double heap_mib(void)
{
	struct plan_instance in;
	struct plan p;
	size_t len, base;
	char *text = plan_check_read("tests/data/plan/agile_neg-summer-5-ev3-300.json", &len);

	if (!text || instance_parse(text, len, &in, NULL))
		return NAN;
	base = mallinfo2().uordblks + mallinfo2().hblkhd;
	if (planner_solve(&in, heap_watch, &base, &p, NULL))
		return NAN;
	plan_deinit(&p);
	instance_deinit(&in);
	free(text);
	return (double)heap_high / 1048576;
}

static void figure(const char *name, double measured, const char *format, double target)
{
	char m[32], t[32];

	snprintf(m, sizeof(m), format, measured);
	snprintf(t, sizeof(t), format, target);
	printf("%s, %s, %s, %s\n", name, m, t, measured <= target ? "met" : "missed");
}

int main(void)
{
	const char *text = getenv("HEARTH_BENCH_ROUNDS");
	int rounds = text ? atoi(text) : 101;
	struct group group[2] = { { "battery", 0, 0 }, { "battery and car", 0, 0 } };

	rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
	for (size_t i = 0; i < sizeof(SAMPLES) / sizeof(SAMPLES[0]); i++)
		measure(i, rounds, group);
	figure("planner: battery 576 slots median of the slowest sample (ms)", group[0].median_ms, "%.3f", 1);
	figure("planner: battery 576 slots proven gap of the worst sample (of the saving)", group[0].gap, "%.1e", 1e-5);
	figure("planner: battery and car 576 slots median of the slowest sample (ms)", group[1].median_ms, "%.3f", 10);
	figure("planner: battery and car 576 slots proven gap of the worst sample (of the saving)", group[1].gap, "%.1e",
	       1e-4);
	figure("planner: memory of a solve with car 576 slots (MiB)", heap_mib(), "%.2f", 1);
	return 0;
}
