/* THE table of values: every name a device can report, with unit, plausible range, decimals and the
 * dead band below which a change is not worth a message. The vocabulary is consumption-positive:
 * power into a device is positive, out of it negative, grid import positive. */
#ifndef HEARTH_CORE_FIELD_H
#define HEARTH_CORE_FIELD_H

#include <stddef.h>

/* Bits: a device may be several things at once (a hybrid is battery, pv and inverter). */
enum kind {
	KIND_BATTERY = 1 << 0,
	KIND_PV = 1 << 1,
	KIND_METER = 1 << 2,
	KIND_CHARGER = 1 << 3,
	KIND_INVERTER = 1 << 4,
};
#define KIND_COUNT 5

/*  X(symbol, kind, "name", "unit", min, max, decimals, dead band)
 *  The full name is "<kind>.<name>", for example battery.soc_pct. Enums are carried as numbers. */
#define FIELD_LIST(X) \
	X(BATTERY_POWER_W, BATTERY, "power_w", "W", -1e6, 1e6, 0, 5) \
	X(BATTERY_POWER_AC_W, BATTERY, "power_ac_w", "W", -1e6, 1e6, 0, 5) \
	X(BATTERY_SOC_PCT, BATTERY, "soc_pct", "%", 0, 100, 1, 0.1) \
	X(BATTERY_SOH_PCT, BATTERY, "soh_pct", "%", 0, 110, 1, 0.1) \
	X(BATTERY_CAPACITY_WH, BATTERY, "capacity_wh", "Wh", 1, 1e7, 0, 1) \
	X(BATTERY_ENERGY_CHARGED_WH, BATTERY, "energy_charged_wh", "Wh", 0, 1e12, 0, 10) \
	X(BATTERY_ENERGY_DISCHARGED_WH, BATTERY, "energy_discharged_wh", "Wh", 0, 1e12, 0, 10) \
	X(BATTERY_VOLTAGE_V, BATTERY, "voltage_v", "V", 0, 2000, 1, 0.5) \
	X(BATTERY_CURRENT_A, BATTERY, "current_a", "A", -2000, 2000, 1, 0.2) \
	X(BATTERY_TEMPERATURE_C, BATTERY, "temperature_c", "degC", -60, 120, 1, 0.5) \
	X(BATTERY_STATE, BATTERY, "state", "enum", 0, 255, 0, 0.5) \
	X(BATTERY_CHARGE_MAX_W, BATTERY, "charge_max_w", "W", 0, 1e6, 0, 1) \
	X(BATTERY_DISCHARGE_MAX_W, BATTERY, "discharge_max_w", "W", 0, 1e6, 0, 1) \
	X(BATTERY_CHARGE_LIMIT_W, BATTERY, "charge_limit_w", "W", 0, 1e6, 0, 1) \
	X(BATTERY_DISCHARGE_LIMIT_W, BATTERY, "discharge_limit_w", "W", 0, 1e6, 0, 1) \
	X(BATTERY_RESERVE_SOC_PCT, BATTERY, "reserve_soc_pct", "%", 0, 100, 1, 0.1) \
	X(BATTERY_CONTROL, BATTERY, "control", "enum", 0, 255, 0, 0.5) \
	X(INVERTER_POWER_W, INVERTER, "power_w", "W", -1e6, 1e6, 0, 5) \
	X(INVERTER_STATE, INVERTER, "state", "enum", 0, 255, 0, 0.5) \
	X(INVERTER_GRID_ONLINE, INVERTER, "grid_online", "bool", 0, 1, 0, 0.5) \
	X(INVERTER_TEMPERATURE_C, INVERTER, "temperature_c", "degC", -60, 150, 1, 0.5) \
	X(PV_POWER_W, PV, "power_w", "W", -1e6, 1e3, 0, 5) \
	X(PV_ENERGY_WH, PV, "energy_wh", "Wh", 0, 1e12, 0, 10) \
	X(PV_POWER_MAX_W, PV, "power_max_w", "W", 0, 1e6, 0, 1) \
	X(PV_LIMIT_PCT, PV, "limit_pct", "%", 0, 100, 1, 0.1) \
	X(PV_STATE, PV, "state", "enum", 0, 255, 0, 0.5) \
	X(METER_POWER_W, METER, "power_w", "W", -1e6, 1e6, 0, 5) \
	X(METER_POWER_L1_W, METER, "power_l1_w", "W", -4e5, 4e5, 0, 5) \
	X(METER_POWER_L2_W, METER, "power_l2_w", "W", -4e5, 4e5, 0, 5) \
	X(METER_POWER_L3_W, METER, "power_l3_w", "W", -4e5, 4e5, 0, 5) \
	X(METER_CURRENT_L1_A, METER, "current_l1_a", "A", -2000, 2000, 1, 0.2) \
	X(METER_CURRENT_L2_A, METER, "current_l2_a", "A", -2000, 2000, 1, 0.2) \
	X(METER_CURRENT_L3_A, METER, "current_l3_a", "A", -2000, 2000, 1, 0.2) \
	X(METER_VOLTAGE_L1_V, METER, "voltage_l1_v", "V", 0, 1000, 1, 0.5) \
	X(METER_VOLTAGE_L2_V, METER, "voltage_l2_v", "V", 0, 1000, 1, 0.5) \
	X(METER_VOLTAGE_L3_V, METER, "voltage_l3_v", "V", 0, 1000, 1, 0.5) \
	X(METER_FREQUENCY_HZ, METER, "frequency_hz", "Hz", 40, 70, 2, 0.02) \
	X(METER_POWER_FACTOR, METER, "power_factor", "", -1, 1, 3, 0.02) \
	X(METER_ENERGY_IMPORT_WH, METER, "energy_import_wh", "Wh", 0, 1e12, 0, 10) \
	X(METER_ENERGY_EXPORT_WH, METER, "energy_export_wh", "Wh", 0, 1e12, 0, 10) \
	X(CHARGER_STATE, CHARGER, "state", "enum", 0, 255, 0, 0.5) \
	X(CHARGER_CONNECTED, CHARGER, "connected", "bool", 0, 1, 0, 0.5) \
	X(CHARGER_ENABLED, CHARGER, "enabled", "bool", 0, 1, 0, 0.5) \
	X(CHARGER_POWER_W, CHARGER, "power_w", "W", -1e5, 1e5, 0, 5) \
	X(CHARGER_CURRENT_L1_A, CHARGER, "current_l1_a", "A", -100, 100, 1, 0.1) \
	X(CHARGER_CURRENT_L2_A, CHARGER, "current_l2_a", "A", -100, 100, 1, 0.1) \
	X(CHARGER_CURRENT_L3_A, CHARGER, "current_l3_a", "A", -100, 100, 1, 0.1) \
	X(CHARGER_VOLTAGE_L1_V, CHARGER, "voltage_l1_v", "V", 0, 500, 1, 0.5) \
	X(CHARGER_VOLTAGE_L2_V, CHARGER, "voltage_l2_v", "V", 0, 500, 1, 0.5) \
	X(CHARGER_VOLTAGE_L3_V, CHARGER, "voltage_l3_v", "V", 0, 500, 1, 0.5) \
	X(CHARGER_CURRENT_LIMIT_A, CHARGER, "current_limit_a", "A", 0, 100, 1, 0.1) \
	X(CHARGER_CURRENT_MAX_A, CHARGER, "current_max_a", "A", 0, 100, 1, 0.1) \
	X(CHARGER_CURRENT_MIN_A, CHARGER, "current_min_a", "A", 0, 100, 1, 0.1) \
	X(CHARGER_PHASES, CHARGER, "phases", "", 0, 3, 0, 0.5) \
	X(CHARGER_ENERGY_SESSION_WH, CHARGER, "energy_session_wh", "Wh", 0, 1e9, 0, 10) \
	X(CHARGER_ENERGY_TOTAL_WH, CHARGER, "energy_total_wh", "Wh", 0, 1e12, 0, 10) \
	X(CHARGER_SESSION_TIME_S, CHARGER, "session_time_s", "s", 0, 1e9, 0, 1) \
	X(CHARGER_FAILSAFE_CURRENT_A, CHARGER, "failsafe_current_a", "A", 0, 100, 1, 0.1) \
	X(CHARGER_FAILSAFE_TIMEOUT_S, CHARGER, "failsafe_timeout_s", "s", 0, 1e6, 0, 0.5)

enum field {
#define X(sym, ...) F_##sym,
	FIELD_LIST(X)
#undef X
	F_COUNT
};

struct field_info {
	enum kind kind;
	const char *name;      /* without the kind, as it stands in JSON: "soc_pct" */
	const char *unit;      /* "W", "%", "enum", "bool", ... */
	double min, max;       /* plausible range; outside it a reading is Q_BAD */
	int decimals;
	double dead_band;
};

/* battery.state, charger.state (IEC 61851-1), battery.control: numbers carried by the fields above. */
enum battery_state { BATTERY_OFF, BATTERY_IDLE, BATTERY_CHARGING, BATTERY_DISCHARGING, BATTERY_FULL, BATTERY_EMPTY, BATTERY_FAULT };
enum charger_state { CHARGER_A, CHARGER_B, CHARGER_C, CHARGER_D, CHARGER_E, CHARGER_F };
enum battery_control { CONTROL_AUTO, CONTROL_HOLD, CONTROL_HOLD_DISCHARGE, CONTROL_HOLD_CHARGE, CONTROL_POWER, CONTROL_FOREIGN };
/* inverter.state, pv.state: SunSpec operating states reduced to what control needs. */
enum inverter_state { INVERTER_OFF, INVERTER_SLEEPING, INVERTER_STARTING, INVERTER_RUNNING, INVERTER_THROTTLED, INVERTER_STANDBY, INVERTER_FAULT };

const struct field_info *field_info(enum field f);

/** Field by its full name ("battery.soc_pct"); F_COUNT when unknown. */
enum field field_by_name(const char *name);

/** "battery", "pv", "meter", "charger", "inverter". */
const char *kind_name(enum kind kind);

/** Word for an enum-valued field ("charging", "C"), or NULL when the field is a number or the member unknown. */
const char *field_word(enum field f, int number);

/** Number for a word of an enum-valued field, or -1. */
int field_number(enum field f, const char *word);

#endif
