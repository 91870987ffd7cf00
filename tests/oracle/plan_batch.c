/* Solves many instances in one process: one instance a line on stdin, its plan as one line on stdout, in order. A line that
 * cannot be read answers {"error": ...}. What it calls is what `hearthctl plan solve` calls, with the same limit. */
#include "policies/planner/planner.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LIMIT_MS 1200.0

static double now_ms(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static bool too_late(void *begun_ms)
{
	return now_ms(CLOCK_MONOTONIC) - *(const double *)begun_ms > LIMIT_MS;
}

static cJSON *refused(const struct errbuf *err)
{
	cJSON *answer = cJSON_CreateObject();

	cJSON_AddStringToObject(answer, "error", err->text);
	return answer;
}

/* solve_ms is CPU time here: the tests run beside each other. */
static cJSON *answer_to(const char *line, size_t len)
{
	double begun_ms = now_ms(CLOCK_MONOTONIC), begun_cpu_ms = now_ms(CLOCK_PROCESS_CPUTIME_ID);
	struct errbuf err = { "" };
	struct plan_instance in;
	struct plan plan;
	cJSON *answer;

	if (instance_parse(line, len, &in, &err))
		return refused(&err);
	if (planner_solve(&in, too_late, &begun_ms, &plan, &err)) {
		instance_deinit(&in);
		return refused(&err);
	}
	plan.solve_ms = now_ms(CLOCK_PROCESS_CPUTIME_ID) - begun_cpu_ms;
	answer = plan_encode(&plan, &in, in.single);
	plan_deinit(&plan);
	instance_deinit(&in);
	return answer;
}

int main(void)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;

	while ((len = getline(&line, &room, stdin)) > 0) {
		cJSON *answer = answer_to(line, (size_t)len);
		char *text = answer ? cJSON_PrintUnformatted(answer) : NULL;

		if (!text)
			return 1;
		puts(text);
		fflush(stdout);
		cJSON_free(text);
		cJSON_Delete(answer);
	}
	free(line);
	return 0;
}
