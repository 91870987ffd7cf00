/* See plan_solve.h. Reads at most 4 MiB, solves within 2 seconds. */
#include "ctl/plan_solve.h"

#include "core/json.h"
#include "core/json_place.h"
#include "core/nearest.h"
#include "ctl/ctl.h"
#include "policies/planner/planner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SOLVE_LIMIT_MS 1200. /* the search ends then: the longest instances need up to 0.6 s more for an answer, in 2 s in all */

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

/* What is wrong with the file. A file of far too many slots is refused by the reader of JSON, which knows nothing of slots. */
static void say_wrong(const char *path, const char *text, size_t len, const char *message)
{
	struct json_place p;
	char more[ERR_TEXT_MAX];

	if (json_place_find(text, len, "slots", &p) && strtod(p.token, NULL) > PLAN_SLOTS_MAX) {
		snprintf(more, sizeof(more), "slots: %s is outside 1..%d", p.token, PLAN_SLOTS_MAX);
		message = more;
	}
	ctl_bad_text(path, text, len, message);
}

/* What an object of an instance may have; hearth-instance(5) has the same keys. */
static const char *const ROOT_KEYS[] = { "format", "name", "start", "slots", "slot_s", "import_price", "export_price", "load_kw", "pv_kw", "curtail_max_kw",
					 "battery_to_ev", "floor_price", "grid", "battery", "batteries", "ev", "evs", NULL };
static const char *const GRID_KEYS[] = { "import_max_kw", "export_max_kw", NULL };
static const char *const BATTERY_KEYS[] = { "id", "capacity_kwh", "soc_kwh", "charge_eff", "discharge_eff", "terminal_value", "wear_cost", "floor_kwh",
					    "charge_max_kw", "discharge_max_kw", "fixed_kw", "grid_charge", "battery_export", NULL };
static const char *const EV_KEYS[] = { "id", "arrive_slot", "depart_slot", "energy_kwh", "min_kw", "max_kw", NULL };

/* Warns of keys that have no effect: one that is misspelled leaves a default in force that nobody wanted. */
static void say_unknown_of(const char *path, const char *where, const cJSON *object, const char *const *known)
{
	const cJSON *member;

	if (!cJSON_IsObject(object))
		return;
	cJSON_ArrayForEach(member, object) {
		struct nearest near;
		const char *const *k = known;

		while (*k && strcmp(*k, member->string) != 0)
			k++;
		if (*k && cJSON_GetObjectItemCaseSensitive(object, member->string) != member)
			fprintf(stderr, "hearthctl: warning: %s: %s%s is given twice, the first counts\n", path, where, member->string);
		if (*k)
			continue;
		nearest_start(&near, member->string);
		for (k = known; *k; k++)
			nearest_offer(&near, *k);
		fprintf(stderr, "hearthctl: warning: %s: %s%s is not known and has no effect%s%s%s\n", path, where, member->string,
			near.best[0] ? ", did you mean " : "", near.best, near.best[0] ? "?" : "");
	}
}

static void say_unknown(const char *path, const char *text, size_t len)
{
	static const struct {
		const char *one, *several;
		const char *const *known;
	} PARTS[] = { { "grid", NULL, GRID_KEYS }, { "battery", "batteries", BATTERY_KEYS }, { "ev", "evs", EV_KEYS } };
	struct errbuf err = { "" };
	AUTO_JSON *root = json_parse(text, len, PLAN_TEXT_MAX, 16, &err);
	char where[48];

	say_unknown_of(path, "", root, ROOT_KEYS);
	for (size_t i = 0; i < sizeof(PARTS) / sizeof(PARTS[0]); i++) {
		const cJSON *member;
		int n = 0;

		snprintf(where, sizeof(where), "%s.", PARTS[i].one);
		say_unknown_of(path, where, cJSON_GetObjectItemCaseSensitive(root, PARTS[i].one), PARTS[i].known);
		cJSON_ArrayForEach(member, cJSON_GetObjectItemCaseSensitive(root, PARTS[i].several)) {
			snprintf(where, sizeof(where), "%s[%d].", PARTS[i].several, n++);
			say_unknown_of(path, where, member, PARTS[i].known);
		}
	}
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
	text = ctl_read(argv[0], PLAN_TEXT_MAX, &len);
	if (!text)
		return 1;
	rc = instance_parse(text, len, &in, &err);
	if (rc)
		say_wrong(argv[0], text, len, err.text);
	else
		say_unknown(argv[0], text, len);
	free(text);
	if (rc)
		return 1;
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
