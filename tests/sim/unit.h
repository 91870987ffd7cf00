/* What the Modbus server knows of a simulated device: a few functions over plain memory. Every register map
 * (sunspec_battery, sunspec_pv, keba, sdm630) is one of these. */
#ifndef HEARTH_SIM_UNIT_H
#define HEARTH_SIM_UNIT_H

#include <stdbool.h>
#include <stdint.h>

struct house;

/* Modbus exceptions the maps answer with. */
enum { MODBUS_OK = 0, MODBUS_BAD_FUNCTION = 1, MODBUS_BAD_ADDRESS = 2, MODBUS_BAD_VALUE = 3, MODBUS_FAILURE = 4 };

struct unit_ops {
	const char *kind;
	/** Registers into @out; returns MODBUS_OK or the exception the device would answer. */
	int (*read)(void *self, int fc, uint16_t address, int count, uint16_t *out);
	/** FC 6 and 16; all or nothing. */
	int (*write)(void *self, int fc, uint16_t address, int count, const uint16_t *words);
	/** Runs the device's own timers by @dt_s and shows the house in its registers, unless @frozen. */
	void (*step)(void *self, struct house *h, double dt_s, bool frozen);
	/** Makes the state of charge read as the raw word @raw; NULL when the device has none. */
	void (*bad_soc)(void *self, bool on, uint16_t raw);
};

static inline void words_u32(uint16_t *out, uint32_t v)
{
	out[0] = (uint16_t)(v >> 16);
	out[1] = (uint16_t)v;
}

static inline uint32_t words_get_u32(const uint16_t *w)
{
	return (uint32_t)w[0] << 16 | w[1];
}

#endif
