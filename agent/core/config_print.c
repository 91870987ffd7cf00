/* The effective configuration as text, and what differs between two. */
#include "core/config_table.h"

#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 199 /* what config_parse takes */

static int instances(const struct config *c, int section)
{
	return section == CS_BUS ? c->n_buses : section == CS_DEVICE ? c->n_devices : 1;
}

static const char *name_of(const struct config *c, int section, int i)
{
	return section == CS_BUS ? c->bus[i].name : section == CS_DEVICE ? c->device[i].id : "";
}

/* A serial line has no port and a host no baud: left over at most from a file that a later one overrode. */
static bool row_means(const struct config *c, int section, int i, const struct config_row *row)
{
	return section != CS_BUS || !(row->flags & (c->bus[i].rtu ? CF_TCP : CF_RTU));
}

static void row_print(const struct config_row *row, const void *base, FILE *out)
{
	char value[2048], line[2200], note[200];
	const bool set = config_value_text(row, base, value, sizeof(value));
	int n;

	/* " ;" would begin a comment, and so cannot have been written with a space */
	n = snprintf(line, sizeof(line), "%s%s =%s%s", set ? "" : "; ", row->key, set && value[0] && value[0] != ';' ? " " : "",
		     set ? value : "");
	if (n > LINE_MAX_BYTES)
		n = snprintf(line, sizeof(line), "%s=%s", row->key, value);
	snprintf(note, sizeof(note), "%s%s%s", row->unit, row->unit[0] && row->help[0] ? ", " : "", row->help);
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

		for (int i = 0; i < instances(c, s); i++) {
			const char *name = name_of(c, s, i);

			if (s == CS_TARIFF && !c->tariff.set)
				continue; /* its mere presence means something */
			snprintf(head, sizeof(head), "%s[%s%s%s]%*s; %s\n", s ? "\n" : "", table->name, name[0] ? " " : "", name, 4, "",
				 table->help);
			fputs(head, out);
			for (int k = 0; k < table->n_rows; k++)
				if (row_means(c, s, i, &table->rows[k]))
					row_print(&table->rows[k], config_base(c, s, i), out);
		}
	}
}

uint32_t config_compare(const struct config *a, const struct config *b)
{
	uint32_t change = a->tariff.set != b->tariff.set ? CHANGE_TARIFF : 0;

	for (int s = 0; s < CONFIG_SECTIONS; s++) {
		const struct config_section *table = &CONFIG_TABLE[s];

		if (instances(a, s) != instances(b, s)) {
			change |= CHANGE_PLANT | (s == CS_DEVICE ? CHANGE_FLIP : 0);
			continue;
		}
		for (int i = 0; i < instances(a, s); i++) {
			if (strcmp(name_of(a, s, i), name_of(b, s, i)) != 0)
				change |= CHANGE_PLANT | (s == CS_DEVICE ? CHANGE_FLIP : 0);
			for (int k = 0; k < table->n_rows; k++)
				if (row_means(a, s, i, &table->rows[k]) &&
				    !config_value_equal(&table->rows[k], config_base(a, s, i), config_base(b, s, i)))
					change |= table->rows[k].change;
		}
	}
	return change;
}
