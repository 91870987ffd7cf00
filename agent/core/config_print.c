/* The effective configuration as text, and what differs between two. */
#include "core/config_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_EFFECT "no effect in this version"
#define LINE_MAX_BYTES 199 /* what config_parse takes */

static bool roles_text(const struct config_row *row, uint32_t roles, char *out, size_t size)
{
	char m[32];
	size_t at = 0;

	out[0] = '\0';
	for (int i = 0; config_member(row->members, i, m, sizeof(m)) && at < size; i++)
		if (roles & 1u << i)
			at += (size_t)snprintf(out + at, size - at, "%s%s", at ? ", " : "", m);
	return roles != 0;
}

/* The shortest text that reads back as the same number. */
static void number_text(double v, char *out, size_t size)
{
	for (int digits = 6; digits <= 17; digits++) {
		snprintf(out, size, "%.*g", digits, v);
		if (isnan(v) || strtod(out, NULL) == v)
			return;
	}
}

/* The same without an exponent, which tariff_parse does not take. */
static void price_text(double v, char *out, size_t size)
{
	for (int decimals = 0; decimals <= 30; decimals++) {
		snprintf(out, size, "%.*f", decimals, v);
		if (strtod(out, NULL) == v)
			return;
	}
}

static size_t windows_text(const struct tariff_windows *t, bool dense, char *out, size_t size)
{
	char price[48];
	size_t at = 0;

	for (int i = 0; i < t->n && at < size; i++) {
		price_text(t->w[i].price, price, sizeof(price));
		at += (size_t)snprintf(out + at, size - at, "%s%02d:%02d-%02d:%02d %s",
				       i == 0  ? ""
				       : dense ? ","
					       : ", ",
				       t->w[i].from_min / 60, t->w[i].from_min % 60, t->w[i].to_min / 60,
				       t->w[i].to_min % 60, dense && price[0] == '0' && price[1] == '.' ? price + 1 : price);
	}
	return at;
}

static bool tariff_text(const struct tariff_windows *t, char *out, size_t size)
{
	out[0] = '\0';
	if (t->n == 1)
		price_text(t->w[0].price, out, size);
	else if (windows_text(t, false, out, size) > 185) /* the line would become too long to be read back */
		windows_text(t, true, out, size);
	return t->n > 0;
}

bool config_value_text(const struct config_row *row, const void *base, char *out, size_t size)
{
	const void *in = (const char *)base + row->offset;
	const struct config_bus *bus = base;

	switch (row->type) {
	case CT_CHOICE:
		return config_member(row->members, *(const int *)in, out, size);
	case CT_SWITCH:
		return config_member(row->members, *(const bool *)in, out, size);
	case CT_BOOL:
		snprintf(out, size, "%s", *(const bool *)in ? "yes" : "no");
		return true;
	case CT_INT:
		snprintf(out, size, "%d", *(const int *)in);
		return true;
	case CT_NUMBER:
		number_text(*(const double *)in, out, size);
		return !isnan(*(const double *)in);
	case CT_ROLES:
		return roles_text(row, *(const uint32_t *)in, out, size);
	case CT_FORMAT:
		snprintf(out, size, "%d%c%d", bus->data_bits, bus->parity, bus->stop_bits);
		return true;
	case CT_TARIFF:
		return tariff_text(in, out, size);
	case CT_TEXT:
	case CT_ID:
	case CT_PROFILE:
	case CT_TOPIC:
	case CT_HOST:
	case CT_PATH:
	case CT_SECRET:
	case CT_URL:
	case CT_LISTEN:
	case CT_DATE:
	case CT_CURRENCY:
	case CT_ZONE:
	case CT_WORD:
		snprintf(out, size, "%s", (const char *)in);
		return true;
	}
	return false;
}

bool config_value_equal(const struct config_row *row, const void *a, const void *b)
{
	char ta[2048], tb[2048];
	const bool set_a = config_value_text(row, a, ta, sizeof(ta)), set_b = config_value_text(row, b, tb, sizeof(tb));

	return set_a == set_b && (!set_a || !strcmp(ta, tb));
}

int config_instances(const struct config *c, int section)
{
	return section == CS_BUS ? c->n_buses : section == CS_DEVICE ? c->n_devices : 1;
}

const char *config_instance_name(const struct config *c, int section, int i)
{
	return section == CS_BUS ? c->bus[i].name : section == CS_DEVICE ? c->device[i].id : "";
}

/* What a row of the wrong kind of bus holds is left over from a file that a later one overrode. */
bool config_row_means(const struct config *c, int section, int i, const struct config_row *row)
{
	return section != CS_BUS || !(row->flags & (c->bus[i].rtu ? CF_TCP : CF_RTU));
}

static bool row_later(const struct config_row *row, const char *value)
{
	return (row->flags & CF_LATER) || ((row->flags & CF_LATER_PUSHED) && !strcmp(value, "pushed"));
}

static void row_print(const struct config_row *row, const void *base, FILE *out)
{
	char value[2048], line[2200], note[200];
	const bool set = config_value_text(row, base, value, sizeof(value));
	int n;

	/* " ;" would begin a comment, and so cannot have been written with a space */
	n = snprintf(line, sizeof(line), "%s%s =%s%s", set ? "" : "; ", row->key,
		     set && value[0] && value[0] != ';' ? " " : "", set ? value : "");
	if (n > LINE_MAX_BYTES)
		n = snprintf(line, sizeof(line), "%s=%s", row->key, value);
	snprintf(note, sizeof(note), "%s%s%s%s%s", row->unit, row->unit[0] && row->help[0] ? ", " : "", row->help,
		 row_later(row, value) && (row->unit[0] || row->help[0]) ? "; " : "", row_later(row, value) ? NO_EFFECT : "");
	if (n > 0 && note[0] && (size_t)n + strlen(note) + 12 < LINE_MAX_BYTES)
		snprintf(line + n, sizeof(line) - (size_t)n, "%*s; %s", n < 32 ? 32 - n : 1, "", note);
	fputs(line, out);
	fputs("\n", out);
}

void config_print(const struct config *c, FILE *out)
{
	char head[160];

	for (int s = 0; s < CONFIG_SECTIONS; s++) {
		const struct config_section *table = &CONFIG_TABLE[s];

		for (int i = 0; i < config_instances(c, s); i++) {
			const char *name = config_instance_name(c, s, i);

			if (s == CS_TARIFF && !c->tariff.set)
				continue; /* its mere presence means something */
			snprintf(head, sizeof(head), "%s[%s%s%s]%*s; %s\n", s ? "\n" : "", table->name, name[0] ? " " : "",
				 name, 4, "", table->help);
			fputs(head, out);
			for (int k = 0; k < table->n_rows; k++)
				if (config_row_means(c, s, i, &table->rows[k]))
					row_print(&table->rows[k], config_base(c, s, i), out);
		}
	}
}

/* A long value is left out: the key says enough. */
static void sentence(const char *head, const char *key, const char *value, char out[CONFIG_UNUSED_TEXT])
{
	if (snprintf(out, CONFIG_UNUSED_TEXT, "%s %s = %s has " NO_EFFECT, head, key, value) >= CONFIG_UNUSED_TEXT)
		snprintf(out, CONFIG_UNUSED_TEXT, "%s %s has " NO_EFFECT, head, key);
}

/* Direct and queue mode are about devices Flip knows by name. */
static bool flip_without_devices(const struct config *c)
{
	for (int i = 0; i < c->n_devices; i++)
		if (c->device[i].enabled && c->device[i].flip_device_id[0])
			return false;
	return c->flip.mode != LINK_OFF;
}

/* Telemetry holds a reading for 15 s (core/interval.c). */
static int flip_notes(const struct config *c, char out[][CONFIG_UNUSED_TEXT], int max)
{
	int n = 0;

	if (max > 0 && flip_without_devices(c))
		snprintf(out[n++], CONFIG_UNUSED_TEXT, "[flip] no device has flip_device_id: no telemetry is sent and no command can arrive");
	for (int i = 0; i < c->n_devices && n < max; i++)
		if (c->flip.mode != LINK_OFF && c->device[i].flip_device_id[0] && c->device[i].poll_ms > 15000)
			snprintf(out[n++], CONFIG_UNUSED_TEXT, "[device %s] poll_ms above 15000: Flip is told it is offline", c->device[i].id);
	return n;
}

static int limit_notes(const struct config *c, char out[][CONFIG_UNUSED_TEXT], int max)
{
	const struct { const char *key; double w; } ROWS[] = { { "import", c->site.limit_failsafe_import_w }, { "export", c->site.limit_failsafe_export_w } };
	int n = 0;

	for (int i = 0; i < 2 && c->site.limit_heartbeat_s == 0; i++)
		if (!isnan(ROWS[i].w) && n < max)
			snprintf(out[n++], CONFIG_UNUSED_TEXT, "[site] limit_failsafe_%s_w has no effect without limit_heartbeat_s", ROWS[i].key);
	return n;
}

static int flatpeak_notes(const struct config_flatpeak *c, char out[][CONFIG_UNUSED_TEXT], int max)
{
	const bool account = c->account_id[0], location = c->location_id[0];

	if (c->mode != LINK_DIRECT || (account && location) || max < 1)
		return 0;
	snprintf(out[0], CONFIG_UNUSED_TEXT, "[flatpeak] mode = direct needs %s%s%s: no prices are asked for without", account ? "" : "account_id",
		 account || location ? "" : " and ", location ? "" : "location_id");
	return 1;
}

int config_unused(const struct config *c, char out[][CONFIG_UNUSED_TEXT], int max)
{
	char value[2048], head[64];
	int n = flip_notes(c, out, max);

	n += limit_notes(c, out + n, max - n);
	n += flatpeak_notes(&c->flatpeak, out + n, max - n);
	n += config_idle_keys(c, out + n, max - n);
	for (int s = 0; s < CONFIG_SECTIONS; s++) {
		const struct config_section *table = &CONFIG_TABLE[s];

		for (int i = 0; i < config_instances(c, s); i++) {
			snprintf(head, sizeof(head), table->named ? "[%s %s]" : "[%s]", table->name, config_instance_name(c, s, i));
			for (int k = 0; k < table->n_rows && n < max; k++) {
				const struct config_row *row = &table->rows[k];

				if (config_value_text(row, config_base(c, s, i), value, sizeof(value)) && row_later(row, value) &&
				    strcmp(value, row->fallback ? row->fallback : "") != 0)
					sentence(head, row->key, value, out[n++]);
			}
		}
	}
	return n;
}
