/* See reason.h. */
#include "core/reason.h"

static const char *const REASONS[REASON_COUNT] = {
	[REASON_NONE] = "none", [REASON_RATING] = "rating", [REASON_STOPPING] = "stopping", [REASON_ISLAND] = "island",
	[REASON_PAUSED] = "paused", [REASON_FAULT] = "fault", [REASON_SOC_UNKNOWN] = "soc_unknown", [REASON_FULL] = "full",
	[REASON_HARDWARE_MINIMUM] = "hardware_minimum", [REASON_METER_LOST] = "meter_lost", [REASON_DOUBT] = "doubt",
	[REASON_UNGUARDED] = "unguarded", [REASON_CANNOT] = "cannot", [REASON_LAST_CHECK] = "last_check",
	[REASON_IMPORT_LIMIT] = "import_limit", [REASON_EXPORT_LIMIT] = "export_limit", [REASON_OUTSIDE_IMPORT] = "outside_import",
	[REASON_OUTSIDE_EXPORT] = "outside_export", [REASON_LIMIT_FAILSAFE] = "limit_failsafe", [REASON_FUSE] = "fuse",
	[REASON_DEMAND] = "demand", [REASON_SUPPORT] = "support", [REASON_FLOOR] = "floor", [REASON_FLOOR_RESUME] = "floor_resume",
	[REASON_FLOOR_NEAR] = "floor_near", [REASON_EVENT] = "event", [REASON_EVENT_PAUSES_CAR] = "event_pauses_car",
	[REASON_OWNER] = "owner", [REASON_CAR_NOW] = "car_now", [REASON_CAR_OFF] = "car_off", [REASON_PLAN_CHARGE] = "plan_charge",
	[REASON_PLAN_SELL] = "plan_sell", [REASON_PLAN_HOLD] = "plan_hold", [REASON_PLAN_STORE] = "plan_store",
	[REASON_PLAN_COVER] = "plan_cover", [REASON_PLAN_SELF_USE] = "plan_self_use", [REASON_CAR_PLAN] = "car_plan",
	[REASON_CAR_DEADLINE] = "car_deadline", [REASON_NEGATIVE_PRICE] = "negative_price", [REASON_SELF_USE] = "self_use",
	[REASON_CAR_ABSENT] = "car_absent", [REASON_CAR_DONE] = "car_done", [REASON_CAR_PLUGGED] = "car_plugged",
	[REASON_CAR_SOLAR] = "car_solar", [REASON_PV_FREE] = "pv_free", [REASON_CAR_DWELL] = "car_dwell", [REASON_CAR_RAMP] = "car_ramp",
	[REASON_PHASE_DWELL] = "phase_dwell", [REASON_SWING] = "swing", [REASON_NO_ORDER] = "no_order",
};

static const char *const DOUBTS[DOUBT_COUNT] = {
	[DOUBT_METER_INVERTED] = "meter_inverted", [DOUBT_METER_SCALE] = "meter_scale", [DOUBT_METER_FROZEN] = "meter_frozen",
	[DOUBT_METER_JUMPS] = "meter_jumps", [DOUBT_PHASES_SWAPPED] = "phases_swapped", [DOUBT_SOC_FROZEN] = "soc_frozen",
	[DOUBT_SOC_JUMPS] = "soc_jumps", [DOUBT_DEVICE_IGNORES] = "device_ignores", [DOUBT_DEVICE_CLAMPS] = "device_clamps",
	[DOUBT_DEVICE_LATE] = "device_late", [DOUBT_CAR_OVERDRAWS] = "car_overdraws", [DOUBT_SWING] = "swing",
	[DOUBT_SOC_SLOW] = "soc_slow",
};

const char *reason_word(enum reason r)
{
	return REASONS[r];
}

const char *doubt_word(enum doubt_kind k)
{
	return DOUBTS[k];
}
