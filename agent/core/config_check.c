/* The checks a single value cannot fail: references between sections, duplicates, roles, values against each other. Also
 * resolves what the rest of the program wants resolved: bus_index and roles. */
#include "core/config_table.h"

#include "core/nearest.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define PLAN_SLOTS 4032    /* as policies/planner takes them */
#define TOPIC_ROOT_MAX 100 /* leaves room for the levels behind it */

#define PROFILE_FOLDERS "$HEARTH_PROFILES, /etc/hearth/profiles, " HEARTH_DATADIR "/profiles" /* as io/conffile searches */

#define ROLES_SUNSPEC (ROLE_BATTERY | ROLE_PV | ROLE_GRID | ROLE_LOAD)
#define ROLES_METER (ROLE_GRID | ROLE_LOAD | ROLE_PV)

/* Where a key stands, else its section, else the first line of all. */
static struct config_origin origin(const struct config_parse *p, int section, int i, const char *key)
{
	const int instance = config_instance(section, i), row = config_row_index(section, key);

	if (row >= 0 && p->key_at[instance][row].line)
		return p->key_at[instance][row];
	if (p->section_at[instance].line)
		return p->section_at[instance];
	return (struct config_origin){ 0, 1 };
}

static bool key_written(const struct config_parse *p, int section, int i, const char *key)
{
	return p->key_at[config_instance(section, i)][config_row_index(section, key)].line != 0;
}

/* Written and good: its value may be used in a check. */
static bool key_good(const struct config_parse *p, int section, int i, const char *key)
{
	const int instance = config_instance(section, i), row = config_row_index(section, key);

	return p->key_at[instance][row].line != 0 && !p->key_bad[instance][row];
}

#define KEY_ERROR(p, section, i, name, key, ...) config_error(p, origin(p, section, i, key), section, name, key, __VA_ARGS__)

static void check_required(struct config_parse *p, int section, int i, const char *name)
{
	for (int k = 0; k < CONFIG_TABLE[section].n_rows; k++) {
		const struct config_row *row = &CONFIG_TABLE[section].rows[k];

		if (row->flags & CF_REQUIRED && !row->fallback && !p->key_at[config_instance(section, i)][k].line)
			KEY_ERROR(p, section, i, name, row->key, "missing, it must be written (%s)",
				  row->help[0] ? row->help : row->key);
	}
}

static bool same_file(const struct config_parse *p, int bus, const char *key)
{
	return origin(p, CS_BUS, bus, key).file == origin(p, CS_BUS, bus, "type").file;
}

static void check_bus(struct config_parse *p, int i)
{
	const struct config_section *table = &CONFIG_TABLE[CS_BUS];
	const struct config_bus *b = &p->c->bus[i];
	const char *needed = b->rtu ? "device" : "host";

	if (!key_written(p, CS_BUS, i, "type") || key_good(p, CS_BUS, i, "type")) {
		if (!(b->rtu ? b->device : b->host)[0] &&
		    !p->key_bad[config_instance(CS_BUS, i)][config_row_index(CS_BUS, needed)])
			KEY_ERROR(p, CS_BUS, i, b->name, needed, "missing, it must be written for type = %s",
				  b->rtu ? "rtu" : "tcp");
		/* a conf.d file that changes the type cannot take back the other file's keys */
		for (int k = 0; k < table->n_rows; k++)
			if (table->rows[k].flags & (b->rtu ? CF_TCP : CF_RTU) &&
			    key_written(p, CS_BUS, i, table->rows[k].key) && same_file(p, i, table->rows[k].key))
				KEY_ERROR(p, CS_BUS, i, b->name, table->rows[k].key,
					  "means nothing for type = %s, allowed: %s", b->rtu ? "rtu" : "tcp",
					  b->rtu ? "device, baud, format, timeout_ms" : "host, port, timeout_ms");
	}
	for (int k = 0; k < i; k++) {
		const struct config_bus *o = &p->c->bus[k];

		if (b->rtu != o->rtu)
			continue;
		if (b->rtu && b->device[0] && !strcmp(b->device, o->device))
			KEY_ERROR(p, CS_BUS, i, b->name, "device", "is the line of [bus %s] too, allowed: one bus a line",
				  o->name);
		if (!b->rtu && b->host[0] && !strcmp(b->host, o->host) && b->port == o->port)
			KEY_ERROR(p, CS_BUS, i, b->name, "host",
				  "is host and port of [bus %s] too, allowed: one bus a host and port", o->name);
	}
}

static void check_bus_of_device(struct config_parse *p, int i)
{
	struct config_device *d = &p->c->device[i];
	struct nearest near;

	d->bus_index = -1;
	if (!key_good(p, CS_DEVICE, i, "bus"))
		return;
	nearest_start(&near, d->bus);
	for (int k = 0; k < p->c->n_buses; k++) {
		if (!strcmp(p->c->bus[k].name, d->bus))
			d->bus_index = k;
		nearest_offer(&near, p->c->bus[k].name);
	}
	if (d->bus_index < 0 && !p->bus_refused)
		KEY_ERROR(p, CS_DEVICE, i, d->id, "bus", "there is no [bus %s]%s%s%s", d->bus,
			  near.best[0] ? ", did you mean " : "", near.best, near.best[0] ? "?" : "");
	if (d->bus_index < 0 || !key_good(p, CS_DEVICE, i, "unit") || !d->enabled)
		return;
	if (p->c->bus[d->bus_index].rtu && (d->unit < 1 || d->unit > 247))
		KEY_ERROR(p, CS_DEVICE, i, d->id, "unit", "%d is outside 1..247 on a serial line", d->unit);
	for (int k = 0; k < i; k++) {
		const struct config_device *o = &p->c->device[k];

		if (o->enabled && o->bus_index == d->bus_index && o->unit == d->unit && key_good(p, CS_DEVICE, k, "unit")) {
			KEY_ERROR(p, CS_DEVICE, i, d->id, "unit",
				  "%d on bus %s is [device %s] already, allowed: one device a unit", d->unit, d->bus, o->id);
			break;
		}
	}
}

/* Sets roles where none are written; returns false when it stays open what the device is (reported where it is wrong). */
static bool check_roles(struct config_parse *p, int i)
{
	struct config_device *d = &p->c->device[i];
	const bool written = key_good(p, CS_DEVICE, i, "roles");
	const struct config_row *row = &CONFIG_TABLE[CS_DEVICE].rows[config_row_index(CS_DEVICE, "roles")];
	char nearest[NEAREST_NAME_MAX] = "", list[64];
	uint32_t offered;

	if (key_written(p, CS_DEVICE, i, "roles") && !written)
		return false;
	if (!key_good(p, CS_DEVICE, i, "profile") || (!p->checks->profile_roles && strcmp(d->profile, "sunspec") != 0))
		return written;
	if (!strcmp(d->profile, "sunspec")) {
		offered = ROLES_SUNSPEC;
		if (!written)
			d->roles = ROLE_BATTERY;
	} else {
		offered = p->checks->profile_roles(p->checks->context, d->profile, nearest, sizeof(nearest));
		if (!offered) {
			KEY_ERROR(p, CS_DEVICE, i, d->id, "profile", "there is no usable profile '%.40s'%s%s%s (looked in " PROFILE_FOLDERS ")",
				  d->profile, nearest[0] ? ", did you mean " : "", nearest, nearest[0] ? "?" : "");
			return written;
		}
	}
	config_value_text(row, &(struct config_device){ .roles = offered }, list, sizeof(list));
	if (d->roles & ~offered) {
		KEY_ERROR(p, CS_DEVICE, i, d->id, "roles", "profile %.40s does not offer that, allowed: %s", d->profile,
			  list);
		d->roles &= offered; /* said once: do not take it for the grid as well */
		return true;
	}
	if (offered == ROLES_METER && (d->roles & (d->roles - 1) || !d->roles)) {
		KEY_ERROR(p, CS_DEVICE, i, d->id, "roles", "%s, allowed: one of grid, load, pv",
			  d->roles ? "a meter measures one thing" : "missing, a meter must be told what it measures here");
		return d->roles != 0;
	}
	if (!d->roles)
		d->roles = offered & ~(uint32_t)(ROLE_GRID | ROLE_LOAD | (offered & ROLE_BATTERY ? ROLE_PV : 0));
	return true;
}

static void check_grid(struct config_parse *p)
{
	int grid = -1, first = -1;
	bool known = true;

	for (int i = 0; i < p->c->n_devices; i++) {
		const struct config_device *d = &p->c->device[i];

		if (!d->enabled)
			continue;
		if (first < 0)
			first = i;
		known &= check_roles(p, i);
		if (!(d->roles & ROLE_GRID))
			continue;
		if (grid >= 0)
			KEY_ERROR(p, CS_DEVICE, i, d->id, "roles",
				  "grid is [device %s] already, allowed: exactly one grid a site", p->c->device[grid].id);
		else
			grid = i;
	}
	if (first >= 0 && grid < 0 && known)
		config_error(p, origin(p, CS_DEVICE, first, ""), CS_DEVICE, p->c->device[first].id, "",
			     "no device has the role grid, needed: `roles = grid` at the meter of the grid connection");
}

static void check_device(struct config_parse *p, int i)
{
	const struct config_device *d = &p->c->device[i];

	check_bus_of_device(p, i);
	if (!isnan(d->soc_min_pct) && !isnan(d->soc_max_pct) && d->soc_min_pct >= d->soc_max_pct)
		KEY_ERROR(p, CS_DEVICE, i, d->id, "soc_min_pct", "%g is not below soc_max_pct %g", d->soc_min_pct,
			  d->soc_max_pct);
	for (int k = 0; k < i && d->flip_device_id[0]; k++)
		if (!strcmp(p->c->device[k].flip_device_id, d->flip_device_id))
			KEY_ERROR(p, CS_DEVICE, i, d->id, "flip_device_id",
				  "is the one of [device %s] too, allowed: one name a device", p->c->device[k].id);
}

static void check_pair(struct config_parse *p, int section, const char *a, const char *a_text, const char *b,
		       const char *b_text)
{
	if (!a_text[0] != !b_text[0])
		KEY_ERROR(p, section, 0, "", a_text[0] ? a : b, "needs %s too", a_text[0] ? b : a);
}

/* Watching without a limit to fall back to would be silence that lifts one. */
static void check_limit(struct config_parse *p)
{
	const struct config_site *c = &p->c->site;

	if (c->limit_heartbeat_s > 0 && key_good(p, CS_SITE, 0, "limit_heartbeat_s") && isnan(c->limit_failsafe_import_w) &&
	    isnan(c->limit_failsafe_export_w) && !key_written(p, CS_SITE, 0, "limit_failsafe_import_w") &&
	    !key_written(p, CS_SITE, 0, "limit_failsafe_export_w"))
		KEY_ERROR(p, CS_SITE, 0, "", "limit_heartbeat_s",
			  "needs limit_failsafe_import_w or limit_failsafe_export_w: what holds when heartbeats fail");
}

static void check_outside(struct config_parse *p)
{
	static const int SECTIONS[] = { CS_MQTT, CS_FLIP, CS_FLATPEAK };
	char nearest[NEAREST_NAME_MAX] = "", reason[120];

	if (p->checks->zone_known && key_good(p, CS_SITE, 0, "timezone") &&
	    !p->checks->zone_known(p->checks->context, p->c->site.timezone, nearest, sizeof(nearest)))
		KEY_ERROR(p, CS_SITE, 0, "", "timezone", "'%.40s' is not a time zone of this system, %s%s%s",
			  p->c->site.timezone, nearest[0] ? "did you mean " : "allowed: IANA names as in Europe/London",
			  nearest, nearest[0] ? "?" : "");
	for (size_t s = 0; s < sizeof(SECTIONS) / sizeof(SECTIONS[0]); s++) {
		const struct config_section *table = &CONFIG_TABLE[SECTIONS[s]];

		for (int k = 0; k < table->n_rows; k++) {
			const struct config_row *row = &table->rows[k];
			const char *path = (const char *)config_base(p->c, SECTIONS[s], 0) + row->offset;
			bool (*good)(void *, const char *, char *, size_t) = row->type == CT_SECRET ? p->checks->secret_file :
				row->type == CT_PATH && !(row->flags & CF_LATER) ? p->checks->plain_file : NULL;

			if (good && path[0] && !good(p->checks->context, path, reason, sizeof(reason)))
				KEY_ERROR(p, SECTIONS[s], 0, "", table->rows[k].key, "%s", reason);
		}
	}
}

int config_idle_keys(const struct config *c, char out[][CONFIG_UNUSED_TEXT], int max)
{
	static const struct { const char *key; uint32_t roles; const char *of; } KEYS[] = {
		{ "mirror_reserve", ROLE_BATTERY, "batteries" }, { "capacity_wh", ROLE_BATTERY, "batteries" },
		{ "soc_min_pct", ROLE_BATTERY, "batteries" }, { "soc_max_pct", ROLE_BATTERY, "batteries" },
		{ "soh_pct", ROLE_BATTERY, "batteries" }, { "failsafe_a", ROLE_CHARGER, "chargers" }, { "peak_w", ROLE_PV, "PV" },
		{ "tilt_deg", ROLE_PV, "PV" }, { "azimuth_deg", ROLE_PV, "PV" },
	};
	char value[64];
	int n = 0;

	for (int i = 0; i < c->n_devices; i++) {
		const struct config_device *d = &c->device[i];

		for (size_t k = 0; k < sizeof(KEYS) / sizeof(KEYS[0]) && n < max; k++) {
			const struct config_row *row = &CONFIG_TABLE[CS_DEVICE].rows[config_row_index(CS_DEVICE, KEYS[k].key)];

			if (!d->enabled || !d->roles || d->roles & KEYS[k].roles || !config_value_text(row, d, value, sizeof(value)) ||
			    !strcmp(value, row->fallback))
				continue;
			snprintf(out[n++], CONFIG_UNUSED_TEXT, "[device %s] %s has no effect: it is for %s", d->id, KEYS[k].key, KEYS[k].of);
		}
	}
	return n;
}

void config_check(struct config_parse *p)
{
	const struct config *c = p->c;

	check_required(p, CS_SITE, 0, "");
	for (int i = 0; i < c->n_buses; i++) {
		check_required(p, CS_BUS, i, c->bus[i].name);
		check_bus(p, i);
	}
	for (int i = 0; i < c->n_devices; i++) {
		check_required(p, CS_DEVICE, i, c->device[i].id);
		check_device(p, i);
	}
	check_grid(p);
	check_pair(p, CS_MQTT, "cert_file", c->mqtt.cert_file, "key_file", c->mqtt.key_file);
	check_pair(p, CS_FLIP, "webhook_cert_file", c->flip.webhook_cert_file, "webhook_key_file_tls",
		   c->flip.webhook_key_file_tls);
	if (strlen(c->mqtt.root) + strlen(c->site.id) > TOPIC_ROOT_MAX)
		KEY_ERROR(p, CS_MQTT, 0, "", "root", "with the site's id %zu bytes long, allowed: at most %d",
			  strlen(c->mqtt.root) + strlen(c->site.id), TOPIC_ROOT_MAX);
	if ((c->tariff.import.n || c->tariff.export.n) && !c->tariff.currency[0] &&
	    !key_written(p, CS_TARIFF, 0, "currency"))
		KEY_ERROR(p, CS_TARIFF, 0, "", "currency", "missing, prices need it, allowed: three letters as in GBP");
	if (c->plan.slot_s > 0 && c->plan.horizon_h * 3600 / c->plan.slot_s > PLAN_SLOTS)
		KEY_ERROR(p, CS_PLAN, 0, "", key_written(p, CS_PLAN, 0, "horizon_h") ? "horizon_h" : "slot_s",
			  "%d h in slots of %d s are more than %d slots", c->plan.horizon_h, c->plan.slot_s, PLAN_SLOTS);
	check_limit(p);
	check_outside(p);
}
