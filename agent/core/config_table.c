/* THE table of the configuration: every section and key with type, range, default and help. Parsing, printing, comparing
 * and the list of known names all come from here. */
#include "core/config_table.h"

#include <stdint.h>

#define S(m) offsetof(struct config_site, m)
#define M(m) offsetof(struct config_mqtt, m)
#define B(m) offsetof(struct config_bus, m)
#define D(m) offsetof(struct config_device, m)
#define F(m) offsetof(struct config_flip, m)
#define P(m) offsetof(struct config_flatpeak, m)
#define T(m) offsetof(struct config_tariff, m)

/*	  key, type, flags, offset, min, max, members, default, unit, change, help */
static const struct config_row SITE[] = {
	{ "id", CT_ID, CF_REQUIRED, S(id), 0, 0, NULL, NULL, "", CHANGE_MQTT | CHANGE_FLIP,
	  "name of this hub on MQTT, and Flip's site id unless [flip] site_id is set" },
	{ "name", CT_TEXT, 0, S(name), 0, 0, NULL, "", "", CHANGE_LIVE | CHANGE_MQTT, "for people" },
	{ "timezone", CT_ZONE, 0, S(timezone), 0, 0, NULL, "UTC", "", CHANGE_TARIFF,
	  "IANA name; tariff windows, days and hearthctl's times are local to it" },
	{ "clock", CT_SWITCH, 0, S(clock_trust), 0, 0, "auto|trust", "auto", "", CHANGE_LIVE,
	  "trust: act by the clock although nothing vouches for it" },
	{ "import_limit_w", CT_NUMBER, 0, S(import_limit_w), 0, 1e6, NULL, "0", "W", CHANGE_LIVE,
	  "most power from the grid; 0 = none" },
	{ "export_limit_w", CT_NUMBER, 0, S(export_limit_w), 0, 1e6, NULL, "0", "W", CHANGE_LIVE,
	  "most power into the grid; 0 = none" },
	{ "reserve_pct", CT_NUMBER, 0, S(reserve_pct), 0, 100, NULL, "20", "%", CHANGE_LIVE,
	  "the user's floor; a later change here outdoes one made at run time" },
	{ "fuse_a", CT_NUMBER, 0, S(fuse_a), 0, 1000, NULL, "0", "A", CHANGE_LIVE, "main fuse per phase; 0 = none" },
	{ "tick_ms", CT_INT, 0, S(tick_ms), 100, 10000, NULL, "1000", "ms", CHANGE_LIVE, "how often the policies run" },
	{ "grid_charging", CT_BOOL, 0, S(grid_charging), 0, 0, NULL, "yes", "", CHANGE_LIVE,
	  "may the plan charge the battery from the grid" },
	{ "battery_export", CT_BOOL, 0, S(battery_export), 0, 0, NULL, "yes", "", CHANGE_LIVE,
	  "may the plan sell from the battery" },
	{ "surplus_first", CT_SWITCH, 0, S(surplus_battery_first), 0, 0, "ev|battery", "battery", "", CHANGE_LIVE,
	  "who gets own surplus first" },
	{ "car_share", CT_CHOICE, 0, S(car_share), 0, 0, "priority|equal|departure", "priority", "", CHANGE_LIVE,
	  "which of several cars is served first when there is not enough for all" },
	{ "limit_heartbeat_s", CT_INT, 0, S(limit_heartbeat_s), 0, 86400, NULL, "0", "s", CHANGE_LIVE,
	  "silence after which failsafe limits hold (EEBUS LPC: 120); 0 = no heartbeats" },
	{ "limit_failsafe_import_w", CT_NUMBER, 0, S(limit_failsafe_import_w), 0, 1e6, NULL, "", "W", CHANGE_LIVE,
	  "most import while no limit is heard" },
	{ "limit_failsafe_export_w", CT_NUMBER, 0, S(limit_failsafe_export_w), 0, 1e6, NULL, "", "W", CHANGE_LIVE,
	  "most export while no limit is heard" },
	{ "first_name", CT_TEXT, CF_LATER, S(first_name), 0, 0, NULL, "", "", CHANGE_LIVE,
	  "owner's data for commissioning, all optional" },
	{ "last_name", CT_TEXT, CF_LATER, S(last_name), 0, 0, NULL, "", "", CHANGE_LIVE, "" },
	{ "email", CT_TEXT, CF_LATER, S(email), 0, 0, NULL, "", "", CHANGE_LIVE, "" },
	{ "street_address", CT_TEXT, CF_LATER, S(street_address), 0, 0, NULL, "", "", CHANGE_LIVE, "" },
	{ "street_address2", CT_TEXT, CF_LATER, S(street_address2), 0, 0, NULL, "", "", CHANGE_LIVE, "" },
	{ "city", CT_TEXT, CF_LATER, S(city), 0, 0, NULL, "", "", CHANGE_LIVE, "" },
	{ "state_code", CT_TEXT, CF_LATER, S(state_code), 0, 0, NULL, "", "", CHANGE_LIVE, "" },
	{ "zip_code", CT_TEXT, CF_LATER, S(zip_code), 0, 0, NULL, "", "", CHANGE_LIVE, "" },
	{ "latitude", CT_NUMBER, 0, S(latitude), -90, 90, NULL, "", "deg", CHANGE_LIVE, "for the PV forecast" },
	{ "longitude", CT_NUMBER, 0, S(longitude), -180, 180, NULL, "", "deg", CHANGE_LIVE, "" },
};

static const struct config_row MQTT[] = {
	{ "host", CT_HOST, CF_REQUIRED, M(host), 0, 0, NULL, "127.0.0.1", "", CHANGE_MQTT,
	  "broker; or the path of a Unix socket" },
	{ "port", CT_INT, 0, M(port), 1, 65535, NULL, "1883", "", CHANGE_MQTT, "" },
	{ "username", CT_TEXT, 0, M(username), 0, 0, NULL, "hearth", "", CHANGE_MQTT,
	  "password: credential mqtt-password, or password_file" },
	{ "root", CT_TOPIC, CF_REQUIRED, M(root), 0, 0, NULL, "hearth/1", "", CHANGE_MQTT, "first topic levels" },
	{ "discovery_prefix", CT_TOPIC, 0, M(discovery_prefix), 0, 0, NULL, "homeassistant", "", CHANGE_MQTT,
	  "empty = no Home Assistant discovery" },
	{ "scalars", CT_BOOL, 0, M(scalars), 0, 0, NULL, "no", "", CHANGE_MQTT, "every value on a topic of its own too" },
	{ "password_file", CT_SECRET, 0, M(password_file), 0, 0, NULL, "", "", CHANGE_MQTT, "mode 0600" },
	{ "ca_file", CT_PATH, 0, M(ca_file), 0, 0, NULL, "", "", CHANGE_MQTT, "turns TLS on" },
	{ "cert_file", CT_PATH, 0, M(cert_file), 0, 0, NULL, "", "", CHANGE_MQTT, "" },
	{ "key_file", CT_PATH, 0, M(key_file), 0, 0, NULL, "", "", CHANGE_MQTT, "" },
};

static const struct config_row BUS[] = {
	{ "type", CT_SWITCH, 0, B(rtu), 0, 0, "tcp|rtu", "tcp", "", CHANGE_PLANT,
	  "tcp: host, port; rtu: device, baud, format" },
	{ "host", CT_HOST, CF_TCP, B(host), 0, 0, NULL, "", "", CHANGE_PLANT, "" },
	{ "port", CT_INT, CF_TCP, B(port), 1, 65535, NULL, "502", "", CHANGE_PLANT, "" },
	{ "device", CT_PATH, CF_RTU, B(device), 0, 0, NULL, "", "", CHANGE_PLANT,
	  "serial line, best by its name in /dev/serial/by-id" },
	{ "baud", CT_INT, CF_RTU, B(baud), 1200, 115200, "1200|2400|4800|9600|19200|38400|57600|115200", "9600", "",
	  CHANGE_PLANT, "" },
	{ "format", CT_FORMAT, CF_RTU, 0, 0, 0, NULL, "8N1", "", CHANGE_PLANT, "data bits, parity, stop bits" },
	{ "timeout_ms", CT_INT, 0, B(timeout_ms), 50, 10000, NULL, "500", "ms", CHANGE_PLANT, "for one answer" },
};

static const struct config_row DEVICE[] = {
	{ "profile", CT_PROFILE, CF_REQUIRED, D(profile), 0, 0, NULL, NULL, "", CHANGE_PLANT,
	  "file in profiles/, or sunspec to discover" },
	{ "bus", CT_ID, CF_REQUIRED, D(bus), 0, 0, NULL, NULL, "", CHANGE_PLANT, "" },
	{ "unit", CT_INT, CF_REQUIRED, D(unit), 0, 255, NULL, NULL, "", CHANGE_PLANT, "Modbus unit id" },
	{ "flip_device_id", CT_TEXT, 0, D(flip_device_id), 0, 0, NULL, "", "", CHANGE_FLIP, "this device's name at Flip" },
	{ "capacity_wh", CT_NUMBER, 0, D(capacity_wh), 100, 1e6, NULL, "", "Wh", CHANGE_PLANT,
	  "overrides what the device says" },
	{ "charge_max_w", CT_NUMBER, 0, D(charge_max_w), 0, 1e6, NULL, "", "W", CHANGE_PLANT,
	  "overrides what the device says" },
	{ "discharge_max_w", CT_NUMBER, 0, D(discharge_max_w), 0, 1e6, NULL, "", "W", CHANGE_PLANT,
	  "overrides what the device says" },
	{ "soc_min_pct", CT_NUMBER, 0, D(soc_min_pct), 0, 100, NULL, "", "%", CHANGE_LIVE,
	  "hardware minimum, never undercut" },
	{ "soc_max_pct", CT_NUMBER, 0, D(soc_max_pct), 0, 100, NULL, "", "%", CHANGE_LIVE, "never charged above" },
	{ "soh_pct", CT_NUMBER, 0, D(soh_pct), 1, 110, NULL, "100", "%", CHANGE_PLANT,
	  "state of health when the device has none" },
	{ "manufacturer", CT_TEXT, CF_LATER, D(manufacturer), 0, 0, NULL, "", "", CHANGE_LIVE, "these four are for commissioning" },
	{ "product", CT_TEXT, CF_LATER, D(product), 0, 0, NULL, "", "", CHANGE_LIVE, "" },
	{ "serial", CT_TEXT, CF_LATER, D(serial), 0, 0, NULL, "", "", CHANGE_LIVE, "" },
	{ "install_date", CT_DATE, CF_LATER, D(install_date), 0, 0, NULL, "", "", CHANGE_LIVE, "" },
	{ "allow_unverified", CT_BOOL, 0, D(allow_unverified), 0, 0, NULL, "no", "", CHANGE_PLANT,
	  "use writes nobody has proven on this device" },
	{ "allow_unguarded", CT_BOOL, 0, D(allow_unguarded), 0, 0, NULL, "no", "", CHANGE_LIVE,
	  "grid charge and forced discharge without a verified timer in the device" },
	{ "invert", CT_BOOL, 0, D(invert), 0, 0, NULL, "no", "", CHANGE_PLANT, "meter wired the other way round" },
	{ "enabled", CT_BOOL, 0, D(enabled), 0, 0, NULL, "yes", "", CHANGE_PLANT, "" },
	{ "mirror_reserve", CT_BOOL, 0, D(mirror_reserve), 0, 0, NULL, "no", "", CHANGE_PLANT,
	  "batteries: write the floor to the device's own reserve too" },
	{ "roles", CT_ROLES, 0, D(roles), 0, 0, "battery|pv|grid|load|charger", NULL, "", CHANGE_PLANT,
	  "what it is here; exactly one grid per site" },
	{ "phases", CT_CHOICE, 0, D(phases), 0, 0, "auto|1||3", "auto", "", CHANGE_PLANT, "" },
	{ "timeout_ms", CT_INT, CF_ZERO, D(timeout_ms), 50, 10000, NULL, "0", "ms", CHANGE_PLANT, "0 = the bus's" },
	{ "poll_ms", CT_INT, CF_ZERO, D(poll_ms), 100, 60000, NULL, "0", "ms", CHANGE_PLANT, "0 = the profile's" },
	{ "priority", CT_INT, 0, D(priority), -100, 100, NULL, "0", "", CHANGE_LIVE, "larger is served first" },
	{ "failsafe_a", CT_NUMBER, CF_ZERO, D(failsafe_a), 6, 80, NULL, "6", "A", CHANGE_PLANT,
	  "chargers: what the car may take when the hub is gone; 0 = nothing" },
	{ "peak_w", CT_NUMBER, 0, D(peak_w), 0, 1e6, NULL, "", "W", CHANGE_LIVE, "PV: peak power of the panels" },
	{ "tilt_deg", CT_NUMBER, 0, D(tilt_deg), 0, 90, NULL, "", "deg", CHANGE_LIVE, "PV: 0 = flat" },
	{ "azimuth_deg", CT_NUMBER, 0, D(azimuth_deg), 0, 360, NULL, "", "deg", CHANGE_LIVE, "PV: 180 = south" },
};

static const struct config_row FLIP[] = {
	{ "mode", CT_CHOICE, 0, F(mode), 0, 0, "off|direct|queue", "off", "", CHANGE_FLIP,
	  "direct: HTTPS to base_url; queue: MQTT from the operator's cloud" },
	{ "base_url", CT_URL, CF_REQUIRED, F(base_url), 0, 0, NULL, "https://api-sandbox.flip.energy", "", CHANGE_FLIP, "" },
	{ "site_id", CT_TEXT, 0, F(site_id), 0, 0, NULL, "", "", CHANGE_FLIP, "empty = [site] id" },
	{ "oauth_url", CT_URL, CF_LATER, F(oauth_url), 0, 0, NULL, "", "", CHANGE_FLIP, "" },
	{ "oauth_client_id", CT_TEXT, CF_LATER, F(oauth_client_id), 0, 0, NULL, "", "", CHANGE_FLIP,
	  "its secret: credential flip-oauth" },
	{ "portal_url", CT_URL, CF_LATER, F(portal_url), 0, 0, NULL, "", "", CHANGE_FLIP, "its secret: credential flip-portal" },
	{ "token_file", CT_SECRET, 0, F(token_file), 0, 0, NULL, "", "", CHANGE_FLIP,
	  "mode 0600; or credential flip-token" },
	{ "ca_file", CT_PATH, 0, F(ca_file), 0, 0, NULL, "", "", CHANGE_FLIP, "certificates (PEM) instead of the system's" },
	{ "webhook_key_file", CT_SECRET, 0, F(webhook_key_file), 0, 0, NULL, "", "", CHANGE_FLIP,
	  "mode 0600; or credential flip-webhook-key" },
	{ "webhook_listen", CT_LISTEN, CF_LATER, F(webhook_listen), 0, 0, NULL, "", "", CHANGE_FLIP, "ADDR:PORT; empty = off" },
	{ "webhook_cert_file", CT_PATH, CF_LATER, F(webhook_cert_file), 0, 0, NULL, "", "", CHANGE_FLIP, "" },
	{ "webhook_key_file_tls", CT_PATH, CF_LATER, F(webhook_key_file_tls), 0, 0, NULL, "", "", CHANGE_FLIP, "" },
	{ "webhook_tolerance_s", CT_INT, CF_LATER, F(webhook_tolerance_s), 1, 86400, NULL, "600", "s", CHANGE_FLIP,
	  "oldest envelope taken by the webhook" },
	{ "honour_user_floor", CT_BOOL, 0, F(honour_user_floor), 0, 0, NULL, "no", "", CHANGE_LIVE,
	  "commands never go below reserve_pct" },
	{ "legacy_body_timestamp", CT_BOOL, 0, F(legacy_body_timestamp), 0, 0, NULL, "no", "", CHANGE_FLIP, "" },
	{ "max_endless_h", CT_INT, 0, F(max_endless_h), 1, 168, NULL, "24", "h", CHANGE_FLIP,
	  "longest run of a command without an end" },
	{ "ev_in_follow_load", CT_BOOL, 0, F(ev_in_follow_load), 0, 0, NULL, "no", "", CHANGE_LIVE,
	  "count the car as load to follow" },
};

static const struct config_row FLATPEAK[] = {
	{ "mode", CT_CHOICE, CF_LATER_PUSHED, P(mode), 0, 0, "off|direct||pushed", "off", "", CHANGE_FLATPEAK,
	  "pushed: prices arrive by prices.set, no key on the hub" },
	{ "api_url", CT_URL, CF_REQUIRED, P(api_url), 0, 0, NULL, "https://api.flatpeak.com", "", CHANGE_FLATPEAK, "" },
	{ "connect_api_url", CT_URL, CF_REQUIRED | CF_LATER, P(connect_api_url), 0, 0, NULL, "https://connect.flatpeak.com", "",
	  CHANGE_FLATPEAK, "" },
	{ "return_url", CT_TEXT, CF_LATER, P(return_url), 0, 0, NULL, "hub://connect", "", CHANGE_FLATPEAK,
	  "where a supplier login comes back" },
	{ "callback_url", CT_TEXT, CF_LATER, P(callback_url), 0, 0, NULL, "hub://done", "", CHANGE_FLATPEAK, "" },
	{ "busbar_version", CT_TEXT, 0, P(busbar_version), 0, 0, NULL, "", "", CHANGE_FLATPEAK, "" },
	{ "vat_multiplier", CT_NUMBER, 0, P(vat_multiplier), 0.5, 2, NULL, "1", "", CHANGE_FLATPEAK,
	  "for prices that come without VAT" },
	{ "profile", CT_WORD, 0, P(profile), 0, 0, "zero|anode|busbar", "anode", "", CHANGE_FLATPEAK, "" },
	{ "account_id", CT_TEXT, 0, P(account_id), 0, 0, NULL, "", "", CHANGE_FLATPEAK, "" },
	{ "location_id", CT_TEXT, 0, P(location_id), 0, 0, NULL, "", "", CHANGE_FLATPEAK,
	  "loc_...: the home at FlatPeak" },
	{ "api_key_file", CT_SECRET, 0, P(api_key_file), 0, 0, NULL, "", "", CHANGE_FLATPEAK,
	  "mode 0600; or credential flatpeak-api-key" },
	{ "ca_file", CT_PATH, 0, P(ca_file), 0, 0, NULL, "", "", CHANGE_FLATPEAK, "certificates (PEM) instead of the system's" },
};

static const struct config_row TARIFF[] = {
	{ "import", CT_TARIFF, 0, T(import), 0, 0, NULL, NULL, "per kWh", CHANGE_TARIFF,
	  "a price, or windows: 00:00-07:00 0.09, 07:00-00:00 0.28" },
	{ "export", CT_TARIFF, 0, T(export), 0, 0, NULL, NULL, "per kWh", CHANGE_TARIFF, "" },
	{ "currency", CT_CURRENCY, 0, T(currency), 0, 0, NULL, "", "", CHANGE_TARIFF, "three letters" },
	{ "standing_charge_per_day", CT_NUMBER, 0, T(standing_charge_per_day), 0, 1000, NULL, "0", "per day", CHANGE_TARIFF,
	  "part of the bill savings show" },
	{ "import_file", CT_PATH, CF_LATER, T(import_file), 0, 0, NULL, "", "", CHANGE_TARIFF,
	  "tariff elements as JSON, instead of import" },
	{ "export_file", CT_PATH, CF_LATER, T(export_file), 0, 0, NULL, "", "", CHANGE_TARIFF, "" },
};

static const struct config_row PLAN[] = {
	{ "horizon_h", CT_INT, 0, offsetof(struct config_plan, horizon_h), 1, 336, NULL, "48", "h", CHANGE_LIVE, "" },
	{ "slot_s", CT_INT, 0, offsetof(struct config_plan, slot_s), 60, 3600, "60|300|600|900|1800|3600", "300", "s",
	  CHANGE_LIVE, "" },
	{ "wear_cost", CT_NUMBER, 0, offsetof(struct config_plan, wear_cost), 0, 10, NULL, "0", "per kWh", CHANGE_LIVE,
	  "for every kWh discharged" },
	{ "battery_to_ev", CT_BOOL, 0, offsetof(struct config_plan, battery_to_ev), 0, 0, NULL, "no", "", CHANGE_LIVE,
	  "may the house battery feed the car" },
	{ "ev_habit", CT_BOOL, 0, offsetof(struct config_plan, ev_habit), 0, 0, NULL, "no", "", CHANGE_LIVE,
	  "learn when cars leave and what they need" },
	{ "demand_target_w", CT_NUMBER, 0, offsetof(struct config_plan, demand_target_w), 0, 1e6, NULL, "0", "W",
	  CHANGE_LIVE, "average import of an interval to stay below, or the month's peak; 0 = none" },
	{ "demand_interval_min", CT_INT, 0, offsetof(struct config_plan, demand_interval_min), 15, 60, "15|30|60", "15", "min",
	  CHANGE_LIVE, "what the supplier averages over" },
};

static const struct config_row OUTBOX[] = {
	{ "max_mib", CT_INT, 0, offsetof(struct config_outbox, max_mib), 1, 4096, NULL, "64", "MiB", CHANGE_LIVE,
	  "above it the oldest telemetry is thinned; promises never go" },
	{ "telemetry_interval_s", CT_INT, 0, offsetof(struct config_outbox, telemetry_interval_s), 1, 300, NULL, "300", "s",
	  CHANGE_LIVE, "aligned to the clock" },
};

#define SECTION(name, named, member, size, rows, help)                                                                      \
	{                                                                                                                   \
		name, named, offsetof(struct config, member), size, rows, (int)(sizeof(rows) / sizeof((rows)[0])), help     \
	}
_Static_assert(sizeof(DEVICE) / sizeof(DEVICE[0]) <= CONFIG_ROWS_MAX, "CONFIG_ROWS_MAX");
_Static_assert(sizeof(SITE) / sizeof(SITE[0]) <= CONFIG_ROWS_MAX, "CONFIG_ROWS_MAX");
_Static_assert(sizeof(enum link_mode) == sizeof(int) && sizeof(enum car_share) == sizeof(int), "CT_CHOICE writes an int");

const struct config_section CONFIG_TABLE[CONFIG_SECTIONS] = {
	[CS_SITE] = SECTION("site", false, site, 0, SITE, "the home"),
	[CS_MQTT] = SECTION("mqtt", false, mqtt, 0, MQTT, "the broker"),
	[CS_BUS] = SECTION("bus", true, bus, sizeof(struct config_bus), BUS, "one Modbus line or host:port"),
	[CS_DEVICE] = SECTION("device", true, device, sizeof(struct config_device), DEVICE, "the name is the id on MQTT"),
	[CS_FLIP] = SECTION("flip", false, flip, 0, FLIP, "the flexibility platform"),
	[CS_FLATPEAK] = SECTION("flatpeak", false, flatpeak, 0, FLATPEAK, "prices from the supplier"),
	[CS_TARIFF] = SECTION("tariff", false, tariff, 0, TARIFF, "used when FlatPeak has nothing"),
	[CS_PLAN] = SECTION("plan", false, plan, 0, PLAN, "the optimiser"),
	[CS_OUTBOX] = SECTION("outbox", false, outbox, 0, OUTBOX, "what waits for the cloud"),
};

void *config_base(const struct config *c, int section, int i)
{
	return (char *)(uintptr_t)c + CONFIG_TABLE[section].offset + CONFIG_TABLE[section].size * (size_t)i;
}
