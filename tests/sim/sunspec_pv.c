/* SunSpec PV inverter: see sunspec_pv.h. */
#include "sim/sunspec_pv.h"

#include "simulate/house.h"

#include <math.h>
#include <string.h>

static const struct chain_writable WRITABLE_PV[] = {
	{ 123, 4, 1, false, 0, 1, 1 },                                       /* Conn */
	{ 123, 5, 1, false, 0, 1000, 1 },                                    /* WMaxLimPct */
	{ 123, 6, 1, false, 0, 3600, 0 }, { 123, 7, 1, false, 0, 65534, 1 }, /* RvrtTms */
	{ 123, 8, 1, false, 0, 3600, 0 }, { 123, 9, 1, false, 0, 1, 1 },     /* Ena */
};

void sunspec_pv_init(struct sunspec_pv *p, uint16_t base, double peak_w)
{
	static const uint16_t MODELS[] = { 1, 103, 120, 123 };
	struct sunspec_chain *c = &p->chain;

	memset(p, 0, sizeof(*p));
	p->peak_w = peak_w;
	chain_begin(c, base);
	for (int i = 0; i < 4; i++)
		chain_add(c, MODELS[i]);
	chain_end(c, WRITABLE_PV, (int)(sizeof(WRITABLE_PV) / sizeof(WRITABLE_PV[0])));
	chain_common(c, "Hearth", "Simulated PV", "SIM-PV-0001");
	chain_i16(c, 103, 6, -2);
	chain_i16(c, 103, 13, -1);
	chain_i16(c, 103, 15, 1);
	chain_i16(c, 103, 17, -2);
	chain_i16(c, 103, 26, 0);
	chain_i16(c, 103, 37, -1);
	chain_u16(c, 120, 2, 4);
	chain_u16(c, 120, 3, peak_w / 10);
	chain_i16(c, 120, 4, 1);
	chain_u16(c, 123, 4, 1);
	chain_u16(c, 123, 5, 1000);
	chain_u16(c, 123, 6, 0);
	chain_u16(c, 123, 7, 0);
	chain_u16(c, 123, 8, 0);
	chain_u16(c, 123, 9, 0);
	chain_i16(c, 123, 23, -1);
}

void sunspec_pv_limit(struct sunspec_pv *p, double pct)
{
	chain_u16(&p->chain, 123, 5, isnan(pct) ? 1000 : pct * 10);
	chain_u16(&p->chain, 123, 7, 0);
	chain_u16(&p->chain, 123, 9, !isnan(pct));
	p->left_s = 0;
}

static int pv_read(void *self, int fc, uint16_t address, int count, uint16_t *out)
{
	return chain_read(&((struct sunspec_pv *)self)->chain, fc, address, count, out);
}

static int pv_write(void *self, int fc, uint16_t address, int count, const uint16_t *words)
{
	struct sunspec_pv *p = self;
	uint32_t touched;
	int e = chain_write(&p->chain, address, count, words, &touched);

	(void)fc;
	if (!e && touched)
		p->left_s = chain_get_u16(&p->chain, 123, 9) == 1 ? chain_get_u16(&p->chain, 123, 7) : 0;
	return e;
}

static void pv_step(void *self, struct house *h, double dt_s, bool frozen)
{
	struct sunspec_pv *p = self;
	struct sunspec_chain *c = &p->chain;
	double amps = h->pv_w / 230;

	if (p->left_s > 0) {
		p->left_s -= dt_s;
		if (p->left_s <= 1e-9) {
			p->left_s = 0;
			chain_u16(c, 123, 9, 0);
			chain_u16(c, 123, 5, 1000);
		}
	}
	h->pv_limit_w = chain_get_u16(c, 123, 9) == 1 ? chain_get_u16(c, 123, 5) / 1e3 * p->peak_w : INFINITY;
	if (chain_get_u16(c, 123, 4) == 0)
		h->pv_limit_w = 0;
	if (frozen)
		return;
	chain_u16(c, 103, 2, amps * 100);
	chain_i16(c, 103, 14, h->pv_w / 10);
	chain_u16(c, 103, 16, h->hz * 100);
	chain_u32(c, 103, 24, h->pv_wh);
	chain_i16(c, 103, 33, 412);
	chain_u16(c, 103, 38, h->pv_w < 1 ? 2 : isinf(h->pv_limit_w) ? 4 : 5);
	chain_u32(c, 103, 40, h->grid_lost ? 16 : 0);
	chain_u32(c, 103, 42, 0);
	for (int i = 0; i < HOUSE_PHASES; i++) {
		chain_u16(c, 103, 3 + i, amps / 3 * 100);
		chain_u16(c, 103, 10 + i, (h->dark ? 0 : h->volt[i]) * 10);
	}
}

const struct unit_ops SUNSPEC_PV_OPS = { "sunspec-pv", pv_read, pv_write, pv_step, NULL };
