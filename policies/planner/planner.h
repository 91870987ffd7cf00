/* The optimiser: exact dynamic programming over stored energy. Pure; memory from malloc, at most 1 MiB for a home.
 * The problem and both file formats are written in tests/data/plan/README.md and policies/planner/README.md. */
#ifndef HEARTH_POLICIES_PLANNER_H
#define HEARTH_POLICIES_PLANNER_H

#include "core/err.h"
#include "core/snapshot.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#define PLAN_SLOTS_MAX 4032
#define PLAN_BATTERIES_MAX 4
#define PLAN_EVS_MAX 4

struct plan_battery {
	char id[DEVICE_ID_MAX];
	double capacity_kwh, soc_kwh, charge_eff, discharge_eff, terminal_value, wear_cost;
	double *floor_kwh;                 /* slots + 1 */
	double *charge_max_kw, *discharge_max_kw; /* slots */
	double *fixed_kw;                  /* slots, NAN = free; NULL = all free */
	bool grid_charge, battery_export;
};

struct plan_ev {
	char id[DEVICE_ID_MAX];
	int arrive_slot, depart_slot;      /* [arrive, depart) */
	double energy_kwh, min_kw, max_kw;
};

struct plan_instance {
	char name[64];
	int64_t start_utc_ms;
	int slots;
	double *slot_h;                    /* length of each slot, hours */
	double *import_price, *export_price, *load_kw, *pv_kw, *import_max_kw, *export_max_kw, *curtail_max_kw;
	int n_batteries, n_evs;
	struct plan_battery battery[PLAN_BATTERIES_MAX];
	struct plan_ev ev[PLAN_EVS_MAX];
	bool single;                       /* written in the single form (battery/ev instead of batteries/evs) */
	bool battery_to_ev;
	double floor_price;                /* NAN = hard floor */
};

enum plan_status { PLAN_OPTIMAL, PLAN_FEASIBLE, PLAN_INFEASIBLE };

#define PLAN_VIOLATIONS_MAX 16
struct plan {
	enum plan_status status;
	int slots;
	int64_t start_utc_ms;
	double *slot_h;
	double *battery_kw[PLAN_BATTERIES_MAX], *ev_kw[PLAN_EVS_MAX], *curtail_kw, *soc_kwh[PLAN_BATTERIES_MAX];
	double *value[PLAN_BATTERIES_MAX]; /* slots + 1: marginal value of stored energy along the plan, per kWh */
	double cost, bound, solve_ms;      /* solve_ms filled by the caller */
	int n_violations;
	struct { char limit[40]; int slot; double by; } violation[PLAN_VIOLATIONS_MAX];
	char why[200];                     /* of INFEASIBLE: which limit cannot hold, and by how much */
	/* cost-to-go slopes, per slot boundary, of the first battery: what plan_follow uses */
	int *segments;                     /* slots + 1 counts */
	struct plan_slope { float upto_kwh, value; } (*slope)[GUIDE_SEGMENTS_MAX]; /* slots + 1 rows */
};

/** Parses and checks an instance (text from outside: <= 4 MiB, depth 16). 0 or negative with the reason (key, slot). */
int instance_parse(const char *text, size_t len, struct plan_instance *out, struct errbuf *err);
/** Allocates zeroed arrays for @slots; fields for batteries and cars are allocated by their counts. */
int instance_alloc(struct plan_instance *in, int slots, int n_batteries, int n_evs);
void instance_deinit(struct plan_instance *in);

/**
 * Solves. Always leaves a plan: PLAN_OPTIMAL only when proven, PLAN_INFEASIBLE with the least-violating plan found.
 * @expired  asked now and then; true ends the search with the best so far. NULL = never.
 * Returns 0, or -ENOMEM / -EINVAL with a reason.
 */
int planner_solve(const struct plan_instance *in, bool (*expired)(void *context), void *context, struct plan *out,
		  struct errbuf *err);
void plan_deinit(struct plan *p);

/** `ems-plan/1`. The caller owns the tree. @single writes battery_kw[]/ev_kw[] of the first of each. */
cJSON *plan_encode(const struct plan *p, const struct plan_instance *in, bool single);

/** Guidance of battery @b (or car @b when @ev) at an instant; valid = false outside the plan. */
void plan_guide_at(const struct plan *p, const struct plan_instance *in, bool ev, int b, int64_t utc_ms, struct plan_guide *out);

/** True cost of a schedule by the physics and rules of the format (used by tests and by planner_solve itself). */
double plan_cost(const struct plan_instance *in, const struct plan *p);

#endif
