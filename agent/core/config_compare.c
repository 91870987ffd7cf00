/* What a reload must do, and what of the plant may go on as it is. */
#include "core/config_table.h"

#include <string.h>

uint32_t config_compare(const struct config *a, const struct config *b)
{
	uint32_t change = a->tariff.set != b->tariff.set ? CHANGE_TARIFF : 0;

	for (int s = 0; s < CONFIG_SECTIONS; s++) {
		const struct config_section *table = &CONFIG_TABLE[s];

		if (config_instances(a, s) != config_instances(b, s)) {
			change |= CHANGE_PLANT | (s == CS_DEVICE ? CHANGE_FLIP : 0);
			continue;
		}
		for (int i = 0; i < config_instances(a, s); i++) {
			if (strcmp(config_instance_name(a, s, i), config_instance_name(b, s, i)) != 0)
				change |= CHANGE_PLANT | (s == CS_DEVICE ? CHANGE_FLIP : 0);
			for (int k = 0; k < table->n_rows; k++)
				if (config_row_means(a, s, i, &table->rows[k]) &&
				    !config_value_equal(&table->rows[k], config_base(a, s, i), config_base(b, s, i)))
					change |= table->rows[k].change;
		}
	}
	return change;
}

static bool row_asks_restart(const struct config_row *row)
{
	return row->change & CHANGE_PLANT;
}

/* Where @b's is found in @a by its name, with the same value of every key that a driver or a bus takes at its start; else -1. */
static int same(const struct config *a, const struct config *b, int section, int i)
{
	const struct config_section *table = &CONFIG_TABLE[section];
	int k = 0;

	while (k < config_instances(a, section) && strcmp(config_instance_name(a, section, k), config_instance_name(b, section, i)) != 0)
		k++;
	if (k == config_instances(a, section))
		return -1;
	for (int n = 0; n < table->n_rows; n++)
		if (row_asks_restart(&table->rows[n]) && config_row_means(b, section, i, &table->rows[n]) &&
		    !config_value_equal(&table->rows[n], config_base(a, section, k), config_base(b, section, i)))
			return -1;
	return k;
}

void config_kept(const struct config *a, const struct config *b, struct config_kept *kept)
{
	for (int i = 0; i < b->n_buses; i++)
		kept->bus[i] = same(a, b, CS_BUS, i);
	for (int i = 0; i < b->n_devices; i++)
		kept->device[i] = kept->bus[b->device[i].bus_index] < 0 ? -1 : same(a, b, CS_DEVICE, i);
}
