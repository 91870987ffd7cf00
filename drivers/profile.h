/* A device profile (schema hub-device-profile/1) as plain memory, made from its JSON once, at start. Pure: the JSON tree
 * lives only inside profile_parse. Optional keys we added to the schema are named in README.md. */
#ifndef HEARTH_DRIVERS_PROFILE_H
#define HEARTH_DRIVERS_PROFILE_H

#include "core/device.h"
#include "core/err.h"
#include "drivers/expr.h"
#include "drivers/modbus/plan.h"
#include "drivers/modbus/regs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROFILE_POINTS_MAX 96
#define PROFILE_COMMANDS_MAX 24
#define PROFILE_WRITES_MAX 64 /* of all commands together */
#define PROFILE_ITEMS_MAX 96  /* values of all writes together */
#define PROFILE_ARGS_MAX 4
#define PROFILE_MAP_MAX 16
#define PROFILE_NAME_MAX 40

#define PROFILE_BY_CABLE -2 /* map: charger.state is A or B, charger.connected says which */

/* Holds only while another point reads within a range; point < 0 = always. */
struct profile_when {
	int point;
	double min, max;
};

struct profile_point {
	char name[PROFILE_NAME_MAX];
	bool sunspec; /* names a model instead of an address: not for the profile driver */
	struct plan_point at;
	struct reg_format format;
	double sign;
	uint64_t mask; /* not 0: the value is whether any of these bits is set */
	bool readable, writable, unverified;
	enum field field; /* F_COUNT = none */
	int n_map;
	struct {
		uint32_t raw;
		int8_t number;
	} map[PROFILE_MAP_MAX]; /* enum members -> field_number */
	struct profile_when when;
};

/* number | argument | expression; then clamped. A clamp by a point has that point's index, else -1. */
struct profile_item {
	enum reg_type type;
	double number; /* when arg < 0 and expr is "" */
	int arg;
	double sign, scale;
	char expr[EXPR_TEXT_MAX];
	bool clamped;
	double clamp[2];
	int clamp_point[2];
};

struct profile_write {
	uint8_t fc;
	uint16_t address;
	enum reg_order order;
	int first, n; /* items */
};

struct profile_command {
	char name[PROFILE_NAME_MAX];
	char args[PROFILE_ARGS_MAX][PROFILE_NAME_MAX];
	int n_args;
	bool unverified, sunspec; /* sunspec: not for the profile driver */
	struct profile_when when;
	int first, n; /* writes */
};

enum watchdog_kind { WATCHDOG_NONE, WATCHDOG_DEVICE, WATCHDOG_REVERSION, WATCHDOG_VALIDITY, WATCHDOG_NOT_APPLICABLE };

struct profile {
	char id[PROFILE_NAME_MAX], name[128], vendor[33];
	uint32_t roles;
	int max_regs, max_hole, min_gap_ms, min_poll_ms, settle_ms;
	bool single_reads;
	enum watchdog_kind watchdog;
	int watchdog_timeout_s; /* 0 = the device says */
	struct {                /* key phase_switch: absent = not safe */
		bool safe, unverified;
		int dwell_s, pause_s; /* least time between two switches; at 0 A before the contactor moves, and after */
	} phase_switch;
	int n_points, n_commands, n_writes, n_items;
	struct profile_point point[PROFILE_POINTS_MAX];
	struct profile_command command[PROFILE_COMMANDS_MAX];
	struct profile_write write[PROFILE_WRITES_MAX];
	struct profile_item item[PROFILE_ITEMS_MAX];
};

/**
 * Checks and takes over a profile. On failure @err says where and why: "points[3].address: 70000 is outside 0..65535".
 * Returns 0, -EINVAL, -ERANGE or -E2BIG; *out is then void.
 */
int profile_parse(const char *json, size_t len, struct profile *out, struct errbuf *err);

/** Index of a point, -1 when there is none of this name. */
int profile_point_find(const struct profile *p, const char *name);

#endif
