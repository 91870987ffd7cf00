/* The whole configuration as one plain struct, made from the text of the files. Pure: files are read by io/conffile.
 * One table (config_table.c) says section, key, type, range, default and help of every key. */
#ifndef HEARTH_CORE_CONFIG_H
#define HEARTH_CORE_CONFIG_H

#include "core/device.h"
#include "core/price.h"
#include "core/snapshot.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define CONFIG_TEXT_MAX 128
#define CONFIG_BUS_MAX 16
#define CONFIG_ERRORS_MAX 64
#define CONFIG_UNUSED_TEXT 96 /* of one sentence */

typedef char config_text[CONFIG_TEXT_MAX];

struct config_site {
	config_text id, name, timezone;
	bool clock_trust;                       /* clock = trust */
	double import_limit_w, export_limit_w, reserve_pct, fuse_a;
	int tick_ms;
	bool grid_charging, battery_export, surplus_battery_first;
	int limit_heartbeat_s;                  /* 0 = the source of limits sends no heartbeats */
	double limit_failsafe_import_w, limit_failsafe_export_w; /* NAN = none */
	enum car_share car_share;
	config_text first_name, last_name, email, street_address, street_address2, city, state_code, zip_code;
	double latitude, longitude;             /* NAN = not set */
};

struct config_mqtt {
	config_text host, username, root, ca_file, cert_file, key_file, password_file, discovery_prefix;
	int port;
	bool scalars;
};

struct config_bus {
	char name[DEVICE_ID_MAX];
	bool rtu;
	config_text host, device;
	int port, baud, timeout_ms;
	char parity;                            /* 'N' 'E' 'O' */
	int data_bits, stop_bits;
};

struct config_device {
	char id[DEVICE_ID_MAX];
	config_text profile;
	char bus[DEVICE_ID_MAX];
	int bus_index;                          /* resolved */
	int unit;
	config_text flip_device_id;             /* "" = none */
	double capacity_wh, charge_max_w, discharge_max_w, soc_min_pct, soc_max_pct, soh_pct; /* NAN = not set */
	config_text manufacturer, product, serial, install_date;
	bool allow_unverified, allow_unguarded, invert, enabled, mirror_reserve;
	uint32_t roles;                         /* bits of enum role; 0 = whatever the profile offers */
	int phases;                             /* 0 = what the device says */
	int timeout_ms, poll_ms, priority;      /* 0 = default */
	double failsafe_a;                      /* 0 or >= 6, default 6 */
	double peak_w, tilt_deg, azimuth_deg;   /* NAN = not set */
};

enum link_mode { LINK_OFF, LINK_DIRECT, LINK_QUEUE, LINK_PUSHED };

struct config_flip {
	enum link_mode mode;                    /* off | direct | queue */
	config_text base_url, site_id, oauth_url, oauth_client_id, portal_url, token_file, ca_file, webhook_key_file;
	config_text webhook_listen, webhook_cert_file, webhook_key_file_tls;
	bool honour_user_floor, legacy_body_timestamp, ev_in_follow_load;
	int webhook_tolerance_s, max_endless_h;
};

struct config_flatpeak {
	enum link_mode mode;                    /* off | direct | pushed */
	config_text api_url, connect_api_url, return_url, callback_url, busbar_version, profile, account_id, location_id;
	config_text api_key_file, ca_file;
	double vat_multiplier;
};

struct config_tariff {
	bool set;                               /* section present */
	struct tariff_windows import, export;
	config_text currency, import_file, export_file;
	double standing_charge_per_day;
};

struct config_plan { int horizon_h, slot_s, demand_interval_min; double wear_cost, demand_target_w; bool battery_to_ev, ev_habit; };
struct config_outbox { int max_mib, telemetry_interval_s; };

struct config {
	struct config_site site;
	struct config_mqtt mqtt;
	int n_buses, n_devices;
	struct config_bus bus[CONFIG_BUS_MAX];
	struct config_device device[DEVICE_MAX];
	struct config_flip flip;
	struct config_flatpeak flatpeak;
	struct config_tariff tariff;
	struct config_plan plan;
	struct config_outbox outbox;
};

/* One file as read; text need not be NUL-terminated. */
struct config_file { const char *path; const char *text; size_t len; };

struct config_errors {
	int n;                                  /* may exceed CONFIG_ERRORS_MAX: the rest was counted only */
	char text[CONFIG_ERRORS_MAX][320];      /* "FILE:LINE: [section] key: what is wrong, what is allowed" */
};

/** What checks outside the files need: which roles a profile offers. Returns bits of enum role, 0 = no such profile. */
typedef uint32_t (*config_profile_roles_fn)(void *context, const char *profile, char *nearest, size_t nearest_size);

/* Everything a check needs from outside of the files; any of them may be NULL: not checked then. */
struct config_checks {
	void *context;
	config_profile_roles_fn profile_roles;
	/** True when the time zone is known; else *nearest is the most similar name, or "". */
	bool (*zone_known)(void *context, const char *zone, char *nearest, size_t nearest_size);
	/** True when a file with a secret may be used, else the reason ("mode is 0644, 0600 or stricter is allowed"). */
	bool (*secret_file)(void *context, const char *path, char *reason, size_t reason_size);
	/** The same for one that others may read too, as of certificates. */
	bool (*plain_file)(void *context, const char *path, char *reason, size_t reason_size);
};

/* Roles of a device without `roles`: all its profile offers but grid and load, and for a battery pv either. A pure meter
 * must be told what it is here. The profile "sunspec" offers everything but charger. config_parse writes the outcome to
 * config_device.roles, so that with a profile_roles check it is never 0. */

int config_parse_checked(const struct config_file *files, int n, const struct config_checks *checks, struct config *out,
			 struct config_errors *errors);

/**
 * Parses files in order (later win) into *out, which is touched only on success.
 * Returns 0, or -EINVAL with every error of every file in @errors.
 */
int config_parse(const struct config_file *files, int n, config_profile_roles_fn roles, void *context, struct config *out,
		 struct config_errors *errors);

/** What a reload must do, as bits; 0 = nothing changed. */
enum config_change { CHANGE_LIVE = 1, CHANGE_MQTT = 2, CHANGE_PLANT = 4, CHANGE_FLIP = 8, CHANGE_TARIFF = 16, CHANGE_FLATPEAK = 32 };
uint32_t config_compare(const struct config *a, const struct config *b);

/* Where each bus and device of a new configuration is in the old one when it may go on as it is; -1 = it is new, or must restart. */
struct config_kept {
	int bus[CONFIG_BUS_MAX], device[DEVICE_MAX];
};

/** @a in force, @b to come. A device restarts with its bus. */
void config_kept(const struct config *a, const struct config *b, struct config_kept *kept);

/**
 * A sentence for every key that is set to something else than its default and that nothing reads yet: "[flatpeak] mode =
 * pushed has no effect in this version"; for a key of another kind of device; and for a Flip link without devices. Returns how
 * many were written, at most @max.
 */
int config_unused(const struct config *c, char out[][CONFIG_UNUSED_TEXT], int max);

/** Writes the effective configuration as an INI file (secrets never are in it). For `config show`. */
void config_print(const struct config *c, FILE *out);

#endif
