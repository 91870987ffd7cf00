/* Reading `ems-instance/1`: every number is checked before it counts, and what is wrong is said with its key and slot.
 * What merely cannot be fulfilled (a deadline in the past, too much energy) is the solver's to name. */
#include "policies/planner/planner.h"

#include "core/calendar.h"
#include "core/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRICE_MAX 1e9
#define POWER_MAX 1e6
#define ENERGY_MAX 1e6

struct range {
	double min, max;
};

static const struct range PRICE = { -PRICE_MAX, PRICE_MAX }, POWER = { 0, POWER_MAX }, SIGNED = { -POWER_MAX, POWER_MAX },
			  ENERGY = { 0, ENERGY_MAX }, LENGTH_S = { 1, 86400 }, EFFICIENCY = { 0.05, 1 },
			  COST = { 0, PRICE_MAX };

static size_t room_of(int slots, int n_batteries)
{
	return 8 * (size_t)slots + (size_t)n_batteries * (4 * (size_t)slots + 1);
}

/* All arrays of the instance, one behind the other. */
static void arrays_place(struct plan_instance *in, double *at)
{
	size_t n = (size_t)in->slots;
	double **const arrays[] = { &in->slot_h, &in->import_price,  &in->export_price,  &in->load_kw,
				    &in->pv_kw,  &in->import_max_kw, &in->export_max_kw, &in->curtail_max_kw };

	in->memory = at;
	for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++, at += n)
		*arrays[i] = at;
	for (int b = 0; b < in->n_batteries; b++, at += 4 * n + 1) {
		struct plan_battery *x = &in->battery[b];

		x->floor_kwh = at;
		x->charge_max_kw = at + n + 1;
		x->discharge_max_kw = at + 2 * n + 1;
		x->fixed_kw = at + 3 * n + 1;
	}
}

int instance_alloc(struct plan_instance *in, int slots, int n_batteries, int n_evs)
{
	double *at;

	memset(in, 0, sizeof(*in));
	if (slots < 1 || slots > PLAN_SLOTS_MAX || n_batteries < 0 || n_batteries > PLAN_BATTERIES_MAX || n_evs < 0 ||
	    n_evs > PLAN_EVS_MAX)
		return -EINVAL;
	at = calloc(room_of(slots, n_batteries), sizeof(double));
	if (!at)
		return -ENOMEM;
	in->slots = slots;
	in->n_batteries = n_batteries;
	in->n_evs = n_evs;
	in->battery_to_ev = true;
	in->floor_price = NAN;
	arrays_place(in, at);
	for (int b = 0; b < n_batteries; b++) {
		for (int t = 0; t < slots; t++)
			in->battery[b].fixed_kw[t] = NAN;
		in->battery[b].grid_charge = in->battery[b].battery_export = true;
	}
	return 0;
}

void instance_deinit(struct plan_instance *in)
{
	free(in->memory);
	memset(in, 0, sizeof(*in));
}

int instance_copy(const struct plan_instance *in, struct plan_instance *out)
{
	struct plan_instance fresh;
	int rc = instance_alloc(&fresh, in->slots, in->n_batteries, in->n_evs);

	if (rc)
		return rc;
	memcpy(fresh.memory, in->memory, room_of(in->slots, in->n_batteries) * sizeof(double));
	*out = *in;
	arrays_place(out, fresh.memory);
	return 0;
}

/* A key of an object, for messages: "battery.soc_kwh", "batteries[2].soc_kwh", "slots". */
struct place {
	const cJSON *object;
	const char *name;
	struct errbuf *err;
};

static int fill_number(const cJSON *v, const struct place *at, const char *key, struct range r, double *out)
{
	if (!cJSON_IsNumber(v))
		return errbuf_set(at->err, -EINVAL, "%s%s: not a number", at->name, key);
	if (!(v->valuedouble >= r.min && v->valuedouble <= r.max))
		return errbuf_set(at->err, -ERANGE, "%s%s: %g is outside %g..%g", at->name, key, v->valuedouble, r.min,
				  r.max);
	*out = v->valuedouble;
	return 0;
}

/* A number, required unless @fallback is one. */
static int number(const struct place *at, const char *key, struct range r, double fallback, double *out)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(at->object, key);

	if (!v || cJSON_IsNull(v)) {
		if (isnan(fallback))
			return errbuf_set(at->err, -EINVAL, "%s%s: missing", at->name, key);
		*out = fallback;
		return 0;
	}
	return fill_number(v, at, key, r, out);
}

static int flag(const struct place *at, const char *key, bool *out)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(at->object, key);

	if (!v || cJSON_IsNull(v))
		return 0;
	if (!cJSON_IsBool(v))
		return errbuf_set(at->err, -EINVAL, "%s%s: not true or false", at->name, key);
	*out = cJSON_IsTrue(v);
	return 0;
}

enum array_rule { ARRAY_ONLY = 0, ARRAY_OR_NUMBER = 1, ARRAY_NULLS = 2, ARRAY_OPTIONAL = 4 };

/* @n numbers into @out. Absent with ARRAY_OPTIONAL leaves @out as it is. */
static int series(const struct place *at, const char *key, struct range r, unsigned rules, int n, double *out)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(at->object, key), *item;
	int i = 0, rc = 0;

	if (!v || cJSON_IsNull(v))
		return rules & ARRAY_OPTIONAL ? 0 : errbuf_set(at->err, -EINVAL, "%s%s: missing", at->name, key);
	if (cJSON_IsNumber(v) && rules & ARRAY_OR_NUMBER) {
		rc = fill_number(v, at, key, r, &out[0]);
		for (i = 1; i < n && !rc; i++)
			out[i] = out[0];
		return rc;
	}
	if (!cJSON_IsArray(v))
		return errbuf_set(at->err, -EINVAL, "%s%s: not %s", at->name, key,
				  rules & ARRAY_OR_NUMBER ? "a number or an array" : "an array");
	if (cJSON_GetArraySize(v) != n)
		return errbuf_set(at->err, -EINVAL, "%s%s: has %d values, must have %d", at->name, key,
				  cJSON_GetArraySize(v), n);
	cJSON_ArrayForEach(item, v)
	{
		char element[64];

		snprintf(element, sizeof(element), "%s[%d]", key, i);
		if (rules & ARRAY_NULLS && cJSON_IsNull(item))
			out[i] = NAN;
		else
			rc = fill_number(item, at, element, r, &out[i]);
		if (rc)
			return rc;
		i++;
	}
	return 0;
}

static int parse_id(const struct place *at, const char *prefix, int i, char id[DEVICE_ID_MAX])
{
	snprintf(id, DEVICE_ID_MAX, "%s-%d", prefix, i + 1);
	if (json_get_text(at->object, "id", id, DEVICE_ID_MAX, at->err) < 0)
		return errbuf_set(at->err, -EINVAL, "%sid: not a text of at most %d characters", at->name,
				  DEVICE_ID_MAX - 1);
	return 0;
}

static int parse_battery(const struct place *at, struct plan_instance *in, int i)
{
	struct plan_battery *b = &in->battery[i];
	int rc = parse_id(at, "battery", i, b->id);

	if (rc || (rc = number(at, "capacity_kwh", ENERGY, NAN, &b->capacity_kwh)) ||
	    (rc = number(at, "soc_kwh", ENERGY, NAN, &b->soc_kwh)) ||
	    (rc = number(at, "charge_eff", EFFICIENCY, NAN, &b->charge_eff)) ||
	    (rc = number(at, "discharge_eff", EFFICIENCY, NAN, &b->discharge_eff)) ||
	    (rc = number(at, "terminal_value", PRICE, 0, &b->terminal_value)) ||
	    (rc = number(at, "wear_cost", COST, 0, &b->wear_cost)) ||
	    (rc = series(at, "floor_kwh", ENERGY, ARRAY_OR_NUMBER, in->slots + 1, b->floor_kwh)) ||
	    (rc = series(at, "charge_max_kw", POWER, ARRAY_OR_NUMBER, in->slots, b->charge_max_kw)) ||
	    (rc = series(at, "discharge_max_kw", POWER, ARRAY_OR_NUMBER, in->slots, b->discharge_max_kw)) ||
	    (rc = series(at, "fixed_kw", SIGNED, ARRAY_NULLS | ARRAY_OPTIONAL, in->slots, b->fixed_kw)) ||
	    (rc = flag(at, "grid_charge", &b->grid_charge)) || (rc = flag(at, "battery_export", &b->battery_export)))
		return rc;
	if (b->soc_kwh > b->capacity_kwh)
		return errbuf_set(at->err, -ERANGE, "%ssoc_kwh: %g is above capacity_kwh %g", at->name, b->soc_kwh,
				  b->capacity_kwh);
	for (int t = 0; t <= in->slots; t++)
		if (b->floor_kwh[t] > b->capacity_kwh)
			return errbuf_set(at->err, -ERANGE, "%sfloor_kwh: %g (boundary %d) is above capacity_kwh %g",
					  at->name, b->floor_kwh[t], t, b->capacity_kwh);
	return 0;
}

static int parse_ev(const struct place *at, struct plan_instance *in, int i)
{
	struct plan_ev *e = &in->ev[i];
	struct range slot = { 0, in->slots };
	double arrive, depart;
	int rc = parse_id(at, "ev", i, e->id);

	if (rc || (rc = number(at, "arrive_slot", slot, NAN, &arrive)) ||
	    (rc = number(at, "depart_slot", slot, NAN, &depart)) ||
	    (rc = number(at, "energy_kwh", ENERGY, NAN, &e->energy_kwh)) ||
	    (rc = number(at, "min_kw", POWER, 0, &e->min_kw)) || (rc = number(at, "max_kw", POWER, NAN, &e->max_kw)))
		return rc;
	e->arrive_slot = (int)arrive;
	e->depart_slot = (int)depart;
	if (arrive > floor(arrive) || depart > floor(depart))
		return errbuf_set(at->err, -EINVAL, "%sarrive_slot, depart_slot: must be whole numbers", at->name);
	if (e->min_kw > e->max_kw)
		return errbuf_set(at->err, -ERANGE, "%smin_kw: %g is above max_kw %g", at->name, e->min_kw, e->max_kw);
	return 0;
}

typedef int (*parse_fn)(const struct place *at, struct plan_instance *in, int i);

/* The members of batteries[] or evs[], or the one of the single form. */
static int parse_list(const cJSON *list, const cJSON *one, const char *name, struct plan_instance *in, parse_fn parse,
		      struct errbuf *err)
{
	const cJSON *item;
	char text[32];
	int i = 0;

	if (!list) {
		struct place at = { one, text, err };

		snprintf(text, sizeof(text), "%s.", name);
		return one ? parse(&at, in, 0) : 0;
	}
	cJSON_ArrayForEach(item, list)
	{
		struct place at = { item, text, err };
		int rc;

		snprintf(text, sizeof(text), "%s[%d].", name, i);
		if (!cJSON_IsObject(item))
			return errbuf_set(err, -EINVAL, "%s[%d]: not an object", name, i);
		rc = parse(&at, in, i++);
		if (rc)
			return rc;
	}
	return 0;
}

/* How many of a thing there are; *list and *one receive where they stand. Negative: wrong. */
static int count(const cJSON *root, const char *single, const char *plural, int max, const cJSON *found[2],
		 struct errbuf *err)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(root, plural),
		    *one = cJSON_GetObjectItemCaseSensitive(root, single);

	found[0] = found[1] = NULL;
	if (list && one && !cJSON_IsNull(one))
		return errbuf_set(err, -EINVAL, "%s and %s: only one of them may be given", single, plural);
	if (list) {
		if (!cJSON_IsArray(list))
			return errbuf_set(err, -EINVAL, "%s: not an array", plural);
		if (cJSON_GetArraySize(list) > max)
			return errbuf_set(err, -ERANGE, "%s: %d given, at most %d", plural, cJSON_GetArraySize(list), max);
		found[0] = list;
		return cJSON_GetArraySize(list);
	}
	if (!one || cJSON_IsNull(one))
		return 0;
	if (!cJSON_IsObject(one))
		return errbuf_set(err, -EINVAL, "%s: not an object", single);
	found[1] = one;
	return 1;
}

static int parse_series(const cJSON *root, struct plan_instance *in, struct errbuf *err)
{
	struct place at = { root, "", err }, grid = { cJSON_GetObjectItemCaseSensitive(root, "grid"), "grid.", err };
	int n = in->slots, rc;

	for (int t = 0; t < n; t++)
		in->import_max_kw[t] = in->export_max_kw[t] = in->curtail_max_kw[t] = PLAN_NO_LIMIT_KW;
	if (grid.object && !cJSON_IsNull(grid.object) && !cJSON_IsObject(grid.object))
		return errbuf_set(err, -EINVAL, "grid: not an object");
	if ((rc = series(&at, "slot_s", LENGTH_S, ARRAY_OR_NUMBER, n, in->slot_h)) ||
	    (rc = series(&at, "import_price", PRICE, ARRAY_ONLY, n, in->import_price)) ||
	    (rc = series(&at, "export_price", PRICE, ARRAY_ONLY, n, in->export_price)) ||
	    (rc = series(&at, "load_kw", POWER, ARRAY_ONLY, n, in->load_kw)) ||
	    (rc = series(&at, "pv_kw", POWER, ARRAY_ONLY, n, in->pv_kw)) ||
	    (rc = series(&at, "curtail_max_kw", POWER, ARRAY_OR_NUMBER | ARRAY_OPTIONAL, n, in->curtail_max_kw)) ||
	    (rc = series(&grid, "import_max_kw", POWER, ARRAY_OR_NUMBER | ARRAY_OPTIONAL, n, in->import_max_kw)) ||
	    (rc = series(&grid, "export_max_kw", POWER, ARRAY_OR_NUMBER | ARRAY_OPTIONAL, n, in->export_max_kw)) ||
	    (rc = flag(&at, "battery_to_ev", &in->battery_to_ev)))
		return rc;
	for (int t = 0; t < n; t++) {
		in->slot_h[t] /= 3600;
		in->curtail_max_kw[t] = fmin(in->curtail_max_kw[t], in->pv_kw[t]);
	}
	rc = number(&at, "floor_price", COST, -1, &in->floor_price);
	if (in->floor_price < 0)
		in->floor_price = NAN;
	return rc;
}

static int parse_head(const cJSON *root, struct plan_instance *in, struct errbuf *err)
{
	char format[32] = "", start[CALENDAR_TEXT_MAX * 2] = "";
	struct range slots = { 1, PLAN_SLOTS_MAX };
	struct place at = { root, "", err };
	double n;
	int rc;

	if (!cJSON_IsObject(root))
		return errbuf_set(err, -EINVAL, "an instance is a JSON object");
	if (json_get_text(root, "format", format, sizeof(format), err) < 0 || strcmp(format, "ems-instance/1") != 0)
		return errbuf_set(err, -EINVAL, "format: must be \"ems-instance/1\"");
	if ((rc = number(&at, "slots", slots, NAN, &n)))
		return rc;
	if (n > floor(n))
		return errbuf_set(err, -EINVAL, "slots: %g is not a whole number", n);
	rc = json_get_text(root, "start", start, sizeof(start), err);
	if (rc < 0 || (rc > 0 && calendar_parse(start, &in->start_utc_ms)))
		return errbuf_set(err, -EINVAL, "start: not a time like 2026-01-15T00:00:00Z");
	if (json_get_text(root, "name", in->name, sizeof(in->name), err) < 0)
		return errbuf_set(err, -EINVAL, "name: not a text of at most %zu characters", sizeof(in->name) - 1);
	in->slots = (int)n;
	return 0;
}

int instance_parse(const char *text, size_t len, struct plan_instance *out, struct errbuf *err)
{
	AUTO_JSON *root = json_parse(text, len, PLAN_TEXT_MAX, 16, err);
	const cJSON *battery[2], *ev[2];
	struct plan_instance head = { 0 };
	int n_batteries, n_evs, rc;

	memset(out, 0, sizeof(*out));
	if (!root)
		return -EINVAL;
	rc = parse_head(root, &head, err);
	if (rc)
		return rc;
	n_batteries = count(root, "battery", "batteries", PLAN_BATTERIES_MAX, battery, err);
	n_evs = n_batteries < 0 ? 0 : count(root, "ev", "evs", PLAN_EVS_MAX, ev, err);
	if (n_batteries < 0 || n_evs < 0)
		return n_batteries < 0 ? n_batteries : n_evs;
	rc = instance_alloc(out, head.slots, n_batteries, n_evs);
	if (rc)
		return errbuf_set(err, rc, "no memory for %d slots", head.slots);
	memcpy(out->name, head.name, sizeof(out->name));
	out->start_utc_ms = head.start_utc_ms;
	out->single = !battery[0] && !ev[0];
	if ((rc = parse_series(root, out, err)) ||
	    (rc = parse_list(battery[0], battery[1], battery[0] ? "batteries" : "battery", out, parse_battery, err)) ||
	    (rc = parse_list(ev[0], ev[1], ev[0] ? "evs" : "ev", out, parse_ev, err)))
		instance_deinit(out);
	return rc;
}
