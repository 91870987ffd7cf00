/* See plan_solve.h. Reads at most 4 MiB, solves within 2 seconds. */
#include "ctl/plan_solve.h"

#include "core/json.h"
#include "policies/planner/planner.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SOLVE_LIMIT_MS 2000.

static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static bool past(void *deadline_ms)
{
	return now_ms() > *(const double *)deadline_ms;
}

/* The whole file, or NULL with the reason on stderr. One byte more than allowed is read, so that the parser refuses it. */
static char *read_all(const char *path, size_t *len)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	char *text = malloc(PLAN_TEXT_MAX + 1);

	*len = 0;
	if (f && text) {
		*len = fread(text, 1, PLAN_TEXT_MAX + 1, f);
		if (ferror(f)) {
			fprintf(stderr, "hearthctl: %s: %s\n", path, strerror(errno ? errno : EIO));
			free(text);
			text = NULL;
		}
	} else {
		fprintf(stderr, "hearthctl: %s: %s\n", path, f ? "no memory" : strerror(errno));
		free(text);
		text = NULL;
	}
	if (f && f != stdin)
		fclose(f);
	return text;
}

static int print_plan(const struct plan_instance *in, const struct plan *plan)
{
	AUTO_JSON *tree = plan_encode(plan, in, in->single);
	AUTO_TEXT *text = tree ? cJSON_PrintUnformatted(tree) : NULL;

	if (!text || puts(text) < 0 || fflush(stdout)) {
		fprintf(stderr, "hearthctl: cannot print the plan\n");
		return 1;
	}
	if (plan->status != PLAN_INFEASIBLE)
		return 0;
	fprintf(stderr, "hearthctl: infeasible: %s\n", plan->why);
	return 1;
}

int ctl_plan_solve(int argc, char **argv, bool json)
{
	struct plan_instance in;
	struct plan plan;
	struct errbuf err = { "" };
	double start, deadline;
	size_t len;
	char *text;
	int rc;

	(void)json; /* a plan is JSON either way */
	if (argc != 1 || (argv[0][0] == '-' && argv[0][1] != '\0')) {
		fprintf(stderr, "usage: hearthctl plan solve FILE|-\n");
		return 2;
	}
	text = read_all(argv[0], &len);
	if (!text)
		return 1;
	rc = instance_parse(text, len, &in, &err);
	free(text);
	if (rc) {
		fprintf(stderr, "hearthctl: %s: %s\n", argv[0], err.text);
		return 1;
	}
	start = now_ms();
	deadline = start + SOLVE_LIMIT_MS;
	rc = planner_solve(&in, past, &deadline, &plan, &err);
	if (rc) {
		fprintf(stderr, "hearthctl: %s: %s\n", argv[0], err.text);
		rc = 1;
	} else {
		plan.solve_ms = now_ms() - start;
		rc = print_plan(&in, &plan);
		plan_deinit(&plan);
	}
	instance_deinit(&in);
	return rc;
}
