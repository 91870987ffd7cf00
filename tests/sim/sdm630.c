/* SDM630 register map: see sdm630.h. Import is positive, as the meter is drawn in its manual. */
#include "sim/sdm630.h"

#include "simulate/house.h"

#include <math.h>
#include <string.h>

static void put_float(uint16_t *out, double v)
{
	float f = (float)v;
	uint32_t raw;

	memcpy(&raw, &f, sizeof(raw));
	words_u32(out, raw);
}

void sdm630_init(struct sdm630 *m, double share)
{
	memset(m, 0, sizeof(*m));
	m->share = share;
	put_float(&m->words[70], 50);
}

static int meter_read(void *self, int fc, uint16_t address, int count, uint16_t *out)
{
	const struct sdm630 *m = self;

	if (fc != 4 && fc != 3)
		return MODBUS_BAD_FUNCTION;
	if (fc == 3 || address % 2 || count % 2 || count > 80) /* FC 3 holds its settings, none of them simulated */
		return MODBUS_BAD_ADDRESS;
	if (address + count <= SDM630_WORDS)
		memcpy(out, m->words + address, (size_t)count * sizeof(*out));
	else if (address == 342 && count == 2)
		memcpy(out, m->total, sizeof(m->total));
	else
		return MODBUS_BAD_ADDRESS;
	return MODBUS_OK;
}

static int meter_write(void *self, int fc, uint16_t address, int count, const uint16_t *words)
{
	(void)self, (void)address, (void)count, (void)words;
	return fc == 16 ? MODBUS_BAD_ADDRESS : MODBUS_BAD_FUNCTION;
}

static void meter_step(void *self, struct house *h, double dt_s, bool frozen)
{
	struct sdm630 *m = self;
	double sum_a = 0, w = h->grid_w * m->share, kwh_in = h->import_wh * m->share / 1000,
	       kwh_out = h->export_wh * m->share / 1000;

	(void)dt_s;
	if (frozen)
		return;
	for (int i = 0; i < HOUSE_PHASES; i++) {
		double volt = h->grid_lost ? 0 : h->volt[i], phase_w = h->phase_w[i] * m->share;
		double amps = volt > 0 ? fabs(phase_w) / volt : 0;

		put_float(&m->words[0 + 2 * i], volt);
		put_float(&m->words[6 + 2 * i], amps);
		put_float(&m->words[12 + 2 * i], phase_w);
		put_float(&m->words[18 + 2 * i], fabs(phase_w)); /* VA: the simulated home has no reactive power */
		put_float(&m->words[30 + 2 * i], phase_w < 0 ? -1 : 1);
		sum_a += amps;
	}
	put_float(&m->words[42], h->grid_lost ? 0 : (h->volt[0] + h->volt[1] + h->volt[2]) / 3);
	put_float(&m->words[46], sum_a / HOUSE_PHASES);
	put_float(&m->words[48], sum_a);
	put_float(&m->words[52], w);
	put_float(&m->words[56], fabs(w));
	put_float(&m->words[60], 0);
	put_float(&m->words[62], w < 0 ? -1 : 1);
	put_float(&m->words[70], h->grid_lost ? 0 : h->hz);
	put_float(&m->words[72], kwh_in);
	put_float(&m->words[74], kwh_out);
	put_float(m->total, kwh_in + kwh_out);
}

const struct unit_ops SDM630_OPS = { "sdm630", meter_read, meter_write, meter_step, NULL };
