/* The optimiser: dynamic programming over stored energy. Pure; memory from malloc, at most 1 MiB for a home with one
 * battery. The problem, both file formats and the method are explained in policies/planner/README.md. */
#ifndef HEARTH_POLICIES_PLANNER_H
#define HEARTH_POLICIES_PLANNER_H

#include "core/err.h"
#include "core/snapshot.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#define PLAN_SLOTS_MAX 4032
#define PLAN_BATTERIES_MAX 4
#define PLAN_EVS_MAX 4
#define PLAN_TEXT_MAX (4u << 20)   /* bytes of an instance as text */
#define PLAN_NO_LIMIT_KW 1e6       /* a grid limit that is not there */

struct plan_battery {
	char id[DEVICE_ID_MAX];
	double capacity_kwh, soc_kwh, charge_eff, discharge_eff, terminal_value, wear_cost;
	double *floor_kwh;                 /* slots + 1; [0] is not a decision and not checked */
	double *charge_max_kw, *discharge_max_kw; /* slots */
	double *fixed_kw;                  /* slots, NAN = free */
	bool grid_charge, battery_export;
	bool orders_free;                  /* these two bind what the plan chooses, not the orders in fixed_kw (not in files) */
};

static inline bool plan_may_import(const struct plan_battery *x, int t)
{
	return x->grid_charge || (x->orders_free && !isnan(x->fixed_kw[t]));
}

static inline bool plan_may_export(const struct plan_battery *x, int t)
{
	return x->battery_export || (x->orders_free && !isnan(x->fixed_kw[t]));
}

struct plan_ev {
	char id[DEVICE_ID_MAX];
	int arrive_slot, depart_slot;      /* [arrive, depart) */
	double energy_kwh, min_kw, max_kw;
};

struct plan_instance {
	char name[128];
	int64_t start_utc_ms;              /* 0 = not said */
	int slots;
	double *slot_h;                    /* length of each slot, hours */
	double *import_price, *export_price, *load_kw, *pv_kw, *import_max_kw, *export_max_kw, *curtail_max_kw;
	int n_batteries, n_evs;
	struct plan_battery battery[PLAN_BATTERIES_MAX];
	struct plan_ev ev[PLAN_EVS_MAX];
	bool single;                       /* written in the single form (battery/ev instead of batteries/evs) */
	bool battery_to_ev;
	double floor_price;                /* per kWh short per hour; NAN = hard floor */
	double *memory;                    /* all arrays above */
};

enum plan_status { PLAN_OPTIMAL, PLAN_FEASIBLE, PLAN_INFEASIBLE };

#define PLAN_RULES "grid_charge, battery_export, battery_to_ev" /* named as one: which of them gives is a matter of taste */
#define PLAN_VIOLATIONS_MAX 16
#define PLAN_SOFTENED_MAX (3 + PLAN_BATTERIES_MAX * 2 + PLAN_EVS_MAX)
struct plan_violation {
	char limit[56];                    /* "grid.import_max_kw", "battery.floor_kwh", "<id>.energy_kwh" */
	int slot;                          /* the worst slot of a run of slots */
	double by;                         /* kW or kWh */
	bool soft;                         /* priced by floor_price: named, not infeasible */
};

struct plan_slope { float upto_kwh, value; };

struct plan {
	enum plan_status status;
	int slots;
	double *battery_kw[PLAN_BATTERIES_MAX], *ev_kw[PLAN_EVS_MAX], *curtail_kw;
	double *soc_kwh[PLAN_BATTERIES_MAX]; /* slots + 1 */
	double *value[PLAN_BATTERIES_MAX]; /* slots + 1: marginal value of stored energy along the plan, per kWh */
	double ev_value[PLAN_EVS_MAX];     /* what a kWh in the car was worth in the optimum, per kWh; NAN = not known */
	double cost, bound;                /* bound NAN when infeasible: there is no optimum to bound */
	double solve_ms;                   /* filled by the caller: there is no clock here */
	int n_violations;
	struct plan_violation violation[PLAN_VIOLATIONS_MAX];
	char why[200];                     /* of INFEASIBLE or softened: which limit cannot hold, and by how much */
	int n_softened;                    /* limits the plan was made without, named as violations are */
	char softened[PLAN_SOFTENED_MAX][56];
	/* cost-to-go slopes per slot boundary: slope[b][slope_first[b][t]] up to slope_first[b][t + 1] */
	int *slope_first[PLAN_BATTERIES_MAX]; /* slots + 2 */
	struct plan_slope *slope[PLAN_BATTERIES_MAX];
	double *memory;                    /* all double arrays above */
};

/** Parses and checks an instance (text from outside: <= 4 MiB, depth 16). 0 or negative with the reason (key, slot).
 *  @out is zeroed on failure. */
int instance_parse(const char *text, size_t len, struct plan_instance *out, struct errbuf *err);
/** Allocates arrays for @slots, zeroed; no fixed powers, no floor price, all permissions given. -EINVAL: counts. */
int instance_alloc(struct plan_instance *in, int slots, int n_batteries, int n_evs);
void instance_deinit(struct plan_instance *in);
/** A copy with arrays of its own. 0 or -ENOMEM. */
int instance_copy(const struct plan_instance *in, struct plan_instance *out);

/**
 * Solves. Always leaves a plan: PLAN_OPTIMAL only when proven, PLAN_INFEASIBLE with the least-violating plan found.
 * @expired  asked now and then; true ends the search with the best so far. NULL = never.
 * Returns 0, or -ENOMEM / -EINVAL with a reason.
 */
int planner_solve(const struct plan_instance *in, bool (*expired)(void *context), void *context, struct plan *out,
		  struct errbuf *err);
/**
 * As planner_solve, but an infeasible instance is solved again with each limit that cannot hold moved just so far that
 * it can. The plan then is PLAN_FEASIBLE of the softened problem (cost, bound and values are that problem's), softened[]
 * names the limits, violation[] and why say what the plan breaks of @in. Still PLAN_INFEASIBLE: nothing more could be moved.
 */
int planner_solve_soft(const struct plan_instance *in, bool (*expired)(void *context), void *context, struct plan *out,
		       struct errbuf *err);
void plan_deinit(struct plan *p);

/** `ems-plan/1`. The caller owns the tree. @single writes battery_kw[]/ev_kw[] of the first of each. NULL: no memory. */
cJSON *plan_encode(const struct plan *p, const struct plan_instance *in, bool single);
/** "optimal", "feasible", "infeasible". */
const char *plan_status_word(enum plan_status s);

/** Guidance of battery @b (or car @b when @ev) at an instant; valid = false outside the plan. Allocates nothing. */
void plan_guide_at(const struct plan *p, const struct plan_instance *in, bool ev, int b, int64_t utc_ms, struct plan_guide *out);

/** True cost of a schedule by the physics and rules of the format; also fills soc_kwh[] and curtail_kw[]. Limits are
 *  not checked here (plan_judge does). */
double plan_cost(const struct plan_instance *in, struct plan *p);
/** Names every limit the schedule breaks. Sets violation[], n_violations, why; returns the number of hard ones. */
int plan_judge(const struct plan_instance *in, struct plan *p);
/** What grid_charge, battery_export and battery_to_ev miss in slot @t, kW; 0 = they hold. */
double plan_rules_missed(const struct plan_instance *in, const struct plan *p, int t);
/** True when the order of battery @b in slot @t is not followed, though neither floor nor capacity ends it. */
bool plan_order_missed(const struct plan_instance *in, const struct plan *p, int b, int t);
/** "battery.fixed_kw", or with the device's id where there may be more than one: @kind is for the single form. */
void plan_limit_name(const struct plan_instance *in, const char *kind, const char *id, const char *key, char out[56]);

#endif
