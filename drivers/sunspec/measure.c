/* Models -> device state. One table says which point fills which field; the rest is what takes two models or a choice.
 * SunSpec counts injection positive, the hub counts power into a device positive: hence the signs. */
#include "drivers/sunspec/sunspec.h"

#include <math.h>
#include <string.h>

struct row {
	enum sunspec_slot slot;
	const char *point;
	enum field field;
	double sign;
};

static const struct row ROWS[] = {
	{ SLOT_INVERTER, "W", F_INVERTER_POWER_W, -1 },
	{ SLOT_INVERTER, "TmpCab", F_INVERTER_TEMPERATURE_C, 1 },
	{ SLOT_STORAGE, "MinRsvPct", F_BATTERY_RESERVE_SOC_PCT, 1 },
	{ SLOT_BATTERY, "V", F_BATTERY_VOLTAGE_V, 1 },
	{ SLOT_METER, "W", F_METER_POWER_W, 1 },
	{ SLOT_METER, "WphA", F_METER_POWER_L1_W, 1 },
	{ SLOT_METER, "WphB", F_METER_POWER_L2_W, 1 },
	{ SLOT_METER, "WphC", F_METER_POWER_L3_W, 1 },
	{ SLOT_METER, "AphA", F_METER_CURRENT_L1_A, 1 },
	{ SLOT_METER, "AphB", F_METER_CURRENT_L2_A, 1 },
	{ SLOT_METER, "AphC", F_METER_CURRENT_L3_A, 1 },
	{ SLOT_METER, "PhVphA", F_METER_VOLTAGE_L1_V, 1 },
	{ SLOT_METER, "PhVphB", F_METER_VOLTAGE_L2_V, 1 },
	{ SLOT_METER, "PhVphC", F_METER_VOLTAGE_L3_V, 1 },
	{ SLOT_METER, "Hz", F_METER_FREQUENCY_HZ, 1 },
	{ SLOT_METER, "TotWhImp", F_METER_ENERGY_IMPORT_WH, 1 },
	{ SLOT_METER, "TotWhExp", F_METER_ENERGY_EXPORT_WH, 1 },
};

/* The first source that has a number wins. */
static const struct row FIRST_OF[] = {
	{ SLOT_DER_STORAGE, "SoC", F_BATTERY_SOC_PCT, 1 },   { SLOT_STORAGE, "ChaState", F_BATTERY_SOC_PCT, 1 },
	{ SLOT_BATTERY, "SoC", F_BATTERY_SOC_PCT, 1 },       { SLOT_DER_STORAGE, "WHRtg", F_BATTERY_CAPACITY_WH, 1 },
	{ SLOT_BATTERY, "WHRtg", F_BATTERY_CAPACITY_WH, 1 }, { SLOT_NAMEPLATE, "WHRtg", F_BATTERY_CAPACITY_WH, 1 },
	{ SLOT_DER_STORAGE, "SoH", F_BATTERY_SOH_PCT, 1 },   { SLOT_BATTERY, "SoH", F_BATTERY_SOH_PCT, 1 },
};

/* 101-113 St, from 1; 701 InvSt, from 0. */
static const int ST_103[] = { -1,
			      INVERTER_OFF,
			      INVERTER_SLEEPING,
			      INVERTER_STARTING,
			      INVERTER_RUNNING,
			      INVERTER_THROTTLED,
			      INVERTER_STANDBY,
			      INVERTER_FAULT,
			      INVERTER_STANDBY };
static const int ST_701[] = { INVERTER_OFF,       INVERTER_SLEEPING, INVERTER_STARTING, INVERTER_RUNNING,
			      INVERTER_THROTTLED, INVERTER_STANDBY,  INVERTER_FAULT,    INVERTER_STANDBY };
/* ChaSt of 124 and 802; holding and testing are idle to us. */
static const int CHA_ST[] = { -1,           BATTERY_OFF,  BATTERY_EMPTY, BATTERY_DISCHARGING, BATTERY_CHARGING,
			      BATTERY_FULL, BATTERY_IDLE, BATTERY_IDLE };
#define COUNT(a) ((int)(sizeof(a) / sizeof((a)[0])))

#define IDLE_W 30 /* below this a battery without a state of its own counts as idle */

const struct image *sunspec_image(const struct sunspec *s, enum sunspec_slot slot)
{
	return s->has[slot] && s->image[slot].at_ms ? &s->image[slot] : NULL;
}

/* False when the device has no such number. A model that was not read again leaves its values to age. */
static bool put(const struct sunspec *s, struct device_state *state, const struct row *r, enum quality q)
{
	const struct image *img = sunspec_image(s, r->slot);
	enum field f = r->field;
	double v;

	bool known = image_get(img, r->point, &v);

	if (!img || !(state->kinds & field_info(f)->kind))
		return false;
	v = known ? v * r->sign : 0;
	if (s->o.invert && r->slot == SLOT_METER)
		f = point_inverted(f, &v);
	if (known)
		point_put(state, f, v, img->at_ms, q);
	else
		point_absent(state, f);
	return known;
}

static void put_enum(struct device_state *state, enum field f, double raw, const int *map, int n, int64_t at_ms)
{
	int i = raw >= 0 && raw < n ? (int)raw : -1;

	if (i < 0 || map[i] < 0)
		point_bad(state, f, at_ms);
	else
		point_put(state, f, map[i], at_ms, Q_GOOD);
}

/* Fronius names its battery inputs StCha and StDisCha; where the names are empty four modules mean the same. */
enum module { MODULE_STRING, MODULE_CHARGE, MODULE_DISCHARGE };

static enum module module_kind(const struct image *mppt, int k)
{
	char name[20], first[20];

	if (image_module_text(mppt, k, name, sizeof(name))) {
		if (strstr(name, "DisCha"))
			return MODULE_DISCHARGE;
		return strstr(name, "Cha") ? MODULE_CHARGE : MODULE_STRING;
	}
	if (image_modules(mppt) != 4 || image_module_text(mppt, 0, first, sizeof(first)))
		return MODULE_STRING;
	return k == 2 ? MODULE_CHARGE : k == 3 ? MODULE_DISCHARGE : MODULE_STRING;
}

/* Sum of one kind of modules; false when there are none or one of them has no number. */
static bool modules_w(const struct sunspec *s, enum module kind, double *w)
{
	const struct image *mppt = sunspec_image(s, SLOT_MPPT);
	double sum = 0, v;
	int found = 0;

	for (int k = 0; k < image_modules(mppt); k++) {
		if (module_kind(mppt, k) != kind)
			continue;
		if (!image_module_get(mppt, k, "DCW", &v))
			return false;
		sum += v;
		found++;
	}
	*w = sum;
	return found > 0;
}

bool sunspec_production(const struct sunspec *s, double *w)
{
	return modules_w(s, MODULE_STRING, w);
}

static double first_number(const struct sunspec *s, const struct row *rows, int n)
{
	for (int i = 0; i < n; i++) {
		double v;

		if (image_get(sunspec_image(s, rows[i].slot), rows[i].point, &v) && v > 0)
			return v;
	}
	return 0;
}

void sunspec_ratings(const struct sunspec *s, double *charge_max_w, double *discharge_max_w)
{
	static const struct row CHARGE[] = {
		{ SLOT_CAPACITY, "WChaRteMax", F_COUNT, 1 }, { SLOT_CAPACITY, "WChaRteMaxRtg", F_COUNT, 1 },
		{ SLOT_STORAGE, "WChaMax", F_COUNT, 1 },     { SLOT_NAMEPLATE, "MaxChaRte", F_COUNT, 1 },
		{ SLOT_BATTERY, "WChaRteMax", F_COUNT, 1 },  { SLOT_CAPACITY, "WMax", F_COUNT, 1 },
	};
	static const struct row DISCHARGE[] = {
		{ SLOT_CAPACITY, "WDisChaRteMax", F_COUNT, 1 }, { SLOT_CAPACITY, "WDisChaRteMaxRtg", F_COUNT, 1 },
		{ SLOT_NAMEPLATE, "MaxDisChaRte", F_COUNT, 1 }, { SLOT_STORAGE, "WChaMax", F_COUNT, 1 },
		{ SLOT_BATTERY, "WDisChaRteMax", F_COUNT, 1 },  { SLOT_CAPACITY, "WMax", F_COUNT, 1 },
	};

	*charge_max_w = isnan(s->o.charge_max_w) ? first_number(s, CHARGE, COUNT(CHARGE)) : s->o.charge_max_w;
	*discharge_max_w = isnan(s->o.discharge_max_w) ? first_number(s, DISCHARGE, COUNT(DISCHARGE)) : s->o.discharge_max_w;
}

/* AC port of the battery, then its DC side: modules of 160; what 802 says counts by vendor (C). */
static void battery_power(const struct sunspec *s, struct device_state *state)
{
	static const struct row W802 = { SLOT_BATTERY, "W", F_BATTERY_POWER_W, -1 };
	const struct image *inverter = sunspec_image(s, SLOT_INVERTER), *mppt = sunspec_image(s, SLOT_MPPT);
	double w, pv, charge, discharge;

	if (inverter && !image_get(inverter, "W", &w)) {
		point_absent(state, F_BATTERY_POWER_AC_W);
		point_absent(state, F_BATTERY_POWER_W);
	} else if (inverter) {
		if (!s->has[SLOT_MPPT])
			point_put(state, F_BATTERY_POWER_AC_W, -w, inverter->at_ms, Q_GOOD);
		else if (sunspec_production(s, &pv))
			point_put(state, F_BATTERY_POWER_AC_W, -w + pv, inverter->at_ms, Q_DERIVED);
		else
			point_absent(state, F_BATTERY_POWER_AC_W);
	}
	if (modules_w(s, MODULE_CHARGE, &charge) && modules_w(s, MODULE_DISCHARGE, &discharge))
		point_put(state, F_BATTERY_POWER_W, charge - discharge, mppt->at_ms, Q_GOOD);
	else if (!s->has[SLOT_MPPT] && image_get(inverter, "W", &w))
		point_put(state, F_BATTERY_POWER_W, -w, inverter->at_ms, Q_GOOD);
	else
		put(s, state, &W802, Q_UNVERIFIED);
}

static void battery_state(const struct sunspec *s, struct device_state *state)
{
	const struct value *w = &state->f[F_BATTERY_POWER_AC_W];
	const struct image *img = sunspec_image(s, SLOT_DER_STORAGE);
	double v;

	if (image_get(img, "Sta", &v) && v == 2) {
		point_put(state, F_BATTERY_STATE, BATTERY_FAULT, img->at_ms, Q_GOOD);
		return;
	}
	for (enum sunspec_slot slot = SLOT_STORAGE; slot <= SLOT_BATTERY; slot++) {
		img = sunspec_image(s, slot);
		if ((slot == SLOT_STORAGE || slot == SLOT_BATTERY) && image_get(img, "ChaSt", &v)) {
			put_enum(state, F_BATTERY_STATE, v, CHA_ST, COUNT(CHA_ST), img->at_ms);
			return;
		}
	}
	if (value_usable(w))
		point_put(state, F_BATTERY_STATE,
			  w->v > IDLE_W    ? BATTERY_CHARGING
			  : w->v < -IDLE_W ? BATTERY_DISCHARGING
					   : BATTERY_IDLE,
			  w->at_ms, Q_DERIVED);
}

static void inverter_values(const struct sunspec *s, struct device_state *state)
{
	const struct image *img = sunspec_image(s, SLOT_INVERTER), *status = sunspec_image(s, SLOT_STATUS);
	enum field to = state->kinds & KIND_INVERTER ? F_INVERTER_STATE : F_PV_STATE;
	double v;

	if (!img)
		return;
	if (img->model->id != 701 && image_get(img, "St", &v))
		put_enum(state, to, v, ST_103, COUNT(ST_103), img->at_ms);
	else if (image_get(img, "InvSt", &v))
		put_enum(state, to, v, ST_701, COUNT(ST_701), img->at_ms);
	else if (image_get(img, "St", &v)) /* 701 without InvSt: off or on */
		point_put(state, to, v == 0 ? INVERTER_OFF : INVERTER_RUNNING, img->at_ms, Q_GOOD);
	if (!(state->kinds & KIND_INVERTER))
		return;
	if (image_get(img, "ConnSt", &v))
		point_put(state, F_INVERTER_GRID_ONLINE, v == 1, img->at_ms, Q_GOOD);
	else if (image_get(status, "ECPConn", &v))
		point_put(state, F_INVERTER_GRID_ONLINE, ((int)v & 1) != 0, status->at_ms, Q_GOOD);
}

static void pv_values(const struct sunspec *s, struct device_state *state)
{
	static const struct row RATING = { SLOT_NAMEPLATE, "WRtg", F_PV_POWER_MAX_W, 1 };
	const struct image *img = sunspec_image(s, SLOT_INVERTER), *mppt = sunspec_image(s, SLOT_MPPT);
	double v;

	put(s, state, &RATING, Q_GOOD);
	if (state->kinds & KIND_BATTERY) { /* a hybrid: the strings are what the sun gives */
		if (sunspec_production(s, &v))
			point_put(state, F_PV_POWER_W, -v, mppt->at_ms, Q_GOOD);
		return;
	}
	if (image_get(img, "W", &v))
		point_put(state, F_PV_POWER_W, -v, img->at_ms, Q_GOOD);
	if (image_get(img, "WH", &v) || image_get(img, "TotWhInj", &v))
		point_put(state, F_PV_ENERGY_WH, v, img->at_ms, Q_GOOD);
}

/* Model files give PF without a unit; devices send hundredths by SF or whole percent. */
static void meter_power_factor(const struct sunspec *s, struct device_state *state)
{
	const struct image *img = sunspec_image(s, SLOT_METER);
	double v;

	if (image_get(img, "PF", &v))
		point_put(state, F_METER_POWER_FACTOR, fabs(v) > 1 ? v / 100 : v, img->at_ms, Q_GOOD);
}

void sunspec_measure(const struct sunspec *s, struct device_state *state)
{
	const struct image *common = sunspec_image(s, SLOT_COMMON);
	bool done[F_COUNT] = { false };

	for (int i = 0; i < COUNT(ROWS); i++)
		put(s, state, &ROWS[i], Q_GOOD);
	for (int i = 0; i < COUNT(FIRST_OF); i++)
		if (!done[FIRST_OF[i].field])
			done[FIRST_OF[i].field] = put(s, state, &FIRST_OF[i], Q_GOOD);
	if (common) {
		image_text(common, "Mn", state->identity.manufacturer, sizeof(state->identity.manufacturer));
		image_text(common, "Md", state->identity.model, sizeof(state->identity.model));
		image_text(common, "Vr", state->identity.version, sizeof(state->identity.version));
		image_text(common, "SN", state->identity.serial, sizeof(state->identity.serial));
	}
	if (state->kinds & (KIND_INVERTER | KIND_PV))
		inverter_values(s, state);
	if (state->kinds & KIND_PV)
		pv_values(s, state);
	if (state->kinds & KIND_BATTERY) {
		battery_power(s, state);
		battery_state(s, state);
	}
	if (state->kinds & KIND_METER)
		meter_power_factor(s, state);
}
