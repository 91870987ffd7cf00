/* Time and memory of the planner: one instance a line on stdin, one line of JSON a line on stdout. planner.py, which starts it,
 * makes the figures. Each instance is solved again and again for HEARTH_BENCH_MS milliseconds (default 300), 5..1000 times. */
#include "policies/planner/planner.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS_MIN 5
#define ROUNDS_MAX 1000
#define LIMIT_MS 2000.0 /* as the agent and `hearthctl plan solve` have it */

/* Time of this process alone: the machine may be busy with other things, and a solve is one thread. */
static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static bool too_late(void *begun_ms)
{
	return now_ms() - *(const double *)begun_ms > LIMIT_MS;
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static size_t heap_used(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* What the heap holds at most while an instance is solved: the planner asks for the time now and then, and is counted. */
struct heap_watch {
	size_t before, most;
	double begun_ms;
};

static bool heap_look(void *context)
{
	struct heap_watch *w = context;
	size_t used = heap_used() - w->before;

	w->most = used > w->most ? used : w->most;
	return too_late(&w->begun_ms);
}

static void heap_measure(const struct plan_instance *in, struct heap_watch *w)
{
	struct plan p;

	*w = (struct heap_watch){ heap_used(), 0, now_ms() };
	if (planner_solve(in, heap_look, w, &p, NULL))
		exit(1);
	heap_look(w);
	plan_deinit(&p);
}

static int measure(const struct plan_instance *in, double span_ms)
{
	double ms[ROUNDS_MAX], spent = 0;
	struct heap_watch heap;
	int rounds = 0;

	heap_measure(in, &heap);
	while (rounds < ROUNDS_MIN || (rounds < ROUNDS_MAX && spent < span_ms)) {
		double begun_ms = now_ms();
		struct plan p;

		if (planner_solve(in, too_late, &begun_ms, &p, NULL))
			return 1;
		ms[rounds] = now_ms() - begun_ms;
		spent += ms[rounds++];
		plan_deinit(&p);
	}
	qsort(ms, (size_t)rounds, sizeof(ms[0]), ascending);
	printf("{\"name\": \"%s\", \"rounds\": %d, \"median_ms\": %.6f, \"worst_ms\": %.6f, \"heap_bytes\": %zu}\n", in->name, rounds,
	       ms[rounds / 2], ms[rounds - 1], heap.most);
	return 0;
}

int main(void)
{
	const char *text = getenv("HEARTH_BENCH_MS");
	double span_ms = text ? atof(text) : 300;
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	while ((len = getline(&line, &room, stdin)) > 0) {
		struct errbuf err = { "" };
		struct plan_instance in;

		if (instance_parse(line, (size_t)len, &in, &err)) {
			fprintf(stderr, "bench_plan: %s\n", err.text);
			return 1;
		}
		if (measure(&in, span_ms))
			return 1;
		fflush(stdout);
		instance_deinit(&in);
	}
	free(line);
	return 0;
}
