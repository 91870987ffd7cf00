/* See fake_sunspec.h. */
#include "support/fake_sunspec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fake_sunspec: %s\n", what);
	abort();
}

void chain_begin(struct fake_chain *c, struct fake_unit *u, uint16_t base, uint16_t common_length)
{
	static const uint16_t MARK[] = { 0x5375, 0x6e53 };
	uint16_t common;

	c->unit = u;
	c->next = (uint16_t)(base + 2);
	fake_define(u, false, base, MARK, 2);
	common = chain_model(c, 1, common_length);
	fake_text(u, (uint16_t)(common + 2), "Acme", 16);
	fake_text(u, (uint16_t)(common + 18), "Store 5", 16);
	fake_text(u, (uint16_t)(common + 42), "1.2", 8);
	fake_text(u, (uint16_t)(common + 50), "A-0042", 16);
}

/* "Not implemented" by type; registers no table names become 0x8000, which is what unused scale factors hold. */
static void fill(struct fake_unit *u, uint16_t at, const struct sunspec_model *m, uint16_t length)
{
	for (int i = 2; i < length + 2; i++)
		*fake_reg(u, (uint16_t)(at + i)) = 0x8000;
	for (int i = 0; i < m->n; i++) {
		const struct sunspec_point *p = &m->points[i];
		int words = p->type == REG_STRING ? p->words : reg_words(p->type);
		bool is_signed = p->type == REG_INT16 || p->type == REG_INT32;

		for (int k = 0; k < words && p->offset + k < length + 2; k++)
			*fake_reg(u, (uint16_t)(at + p->offset + k)) = p->type == REG_STRING || p->counter ? 0
								       : is_signed              ? (k == 0 ? 0x8000 : 0)
								       : p->type == REG_FLOAT32 ? (k == 0 ? 0x7fc0 : 0)
												: 0xffff;
	}
}

uint16_t chain_model(struct fake_chain *c, uint16_t id, uint16_t length)
{
	const struct sunspec_model *m = sunspec_model_find(id);
	uint16_t at = c->next;

	fake_zero(c->unit, false, at, length + 2);
	*fake_reg(c->unit, at) = id;
	*fake_reg(c->unit, (uint16_t)(at + 1)) = length;
	if (m)
		fill(c->unit, at, m, length);
	c->next = (uint16_t)(at + length + 2);
	return at;
}

void chain_end(struct fake_chain *c)
{
	static const uint16_t END[] = { 0xffff, 0 };

	fake_define(c->unit, false, c->next, END, 2);
}

static const struct sunspec_point *point_at(struct fake_unit *u, uint16_t address, const char *point)
{
	const struct sunspec_model *m = sunspec_model_find(*fake_reg(u, address));
	const struct sunspec_point *p = m ? sunspec_point_find(m, point) : NULL;

	need(p != NULL, point);
	return p;
}

void model_set(struct fake_unit *u, uint16_t address, const char *point, int64_t raw)
{
	const struct sunspec_point *p = point_at(u, address, point);
	int words = reg_words(p->type);

	for (int k = words - 1; k >= 0; k--, raw >>= 16)
		*fake_reg(u, (uint16_t)(address + p->offset + k)) = (uint16_t)(raw & 0xffff);
}

void model_set_float(struct fake_unit *u, uint16_t address, const char *point, float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	model_set(u, address, point, bits);
}

int64_t model_get(struct fake_unit *u, uint16_t address, const char *point)
{
	const struct sunspec_point *p = point_at(u, address, point);
	int words = reg_words(p->type);
	uint64_t raw = 0;

	for (int k = 0; k < words; k++)
		raw = raw << 16 | *fake_reg(u, (uint16_t)(address + p->offset + k));
	if (p->type == REG_INT16)
		return (int16_t)raw;
	return p->type == REG_INT32 ? (int32_t)raw : (int64_t)raw;
}

void model_sf(struct fake_unit *u, uint16_t address, const char *point, int sf)
{
	*fake_reg(u, (uint16_t)(address + point_at(u, address, point)->sf)) = (uint16_t)(int16_t)sf;
}

/* The device lives: timers run down to automatic, the power follows the setpoint. */
static void storage_time(struct fake_unit *u, int64_t now_ms)
{
	struct fake_storage *s = u->context;

	if (s->revert_at_ms && now_ms >= s->revert_at_ms) {
		s->revert_at_ms = 0;
		if (s->control) {
			model_set(u, s->control, "WSetEna", model_get(u, s->control, "WSetEnaRvrt"));
			model_set(u, s->control, "WSet", model_get(u, s->control, "WSetRvrt"));
		}
		if (s->basic) {
			model_set(u, s->basic, "StorCtl_Mod", 0);
			model_set(u, s->basic, "OutWRte", 10000);
			model_set(u, s->basic, "InWRte", 10000);
		}
	}
	if (s->control && model_get(u, s->control, "WSetRvrtRem") != 0xffffffff)
		model_set(u, s->control, "WSetRvrtRem", s->revert_at_ms ? (s->revert_at_ms - now_ms) / 1000 : 0);
	if (s->control && model_get(u, s->control, "WSetEna") == 1)
		s->w = -(double)model_get(u, s->control, "WSet");
	else if (s->basic && (model_get(u, s->basic, "StorCtl_Mod") & 3) == 3)
		s->w = (double)model_get(u, s->basic, "InWRte") / 10000 * 5000;
	else
		s->w = 0;
	model_set(u, s->inverter, "W", (int64_t)(-s->w));
}

static void storage_write(struct fake_unit *u, uint16_t address, uint16_t count, int64_t now_ms)
{
	struct fake_storage *s = u->context;

	int64_t timer_s = 0; /* 0 = for ever */

	(void)address;
	(void)count;
	if (s->control && model_get(u, s->control, "WSetEna") == 1 && model_get(u, s->control, "WSetRvrtTms") != 0xffffffff)
		timer_s = model_get(u, s->control, "WSetRvrtTms");
	else if (s->basic && (model_get(u, s->basic, "StorCtl_Mod") & 3) &&
		 model_get(u, s->basic, "InOutWRte_RvrtTms") != 0xffff)
		timer_s = model_get(u, s->basic, "InOutWRte_RvrtTms");
	s->revert_at_ms = timer_s > 0 ? now_ms + 1000 * timer_s : 0;
	storage_time(u, now_ms);
}

static void storage_704(struct fake_storage *s, struct fake_chain *c, bool timer)
{
	struct fake_unit *u = &s->unit;

	s->capacity = chain_model(c, 702, 50);
	model_sf(u, s->capacity, "WMax", 0);
	model_set(u, s->capacity, "WChaRteMax", 5000);
	model_set(u, s->capacity, "WDisChaRteMax", 4600);
	s->control = chain_model(c, 704, 65);
	model_sf(u, s->control, "WSet", 0);
	model_sf(u, s->control, "WSetPct", -2);
	model_set(u, s->control, "WSetEna", 0);
	model_set(u, s->control, "WSetMod", 0);
	model_set(u, s->control, "WSet", 0);
	model_set(u, s->control, "WSetRvrt", 100);
	model_set(u, s->control, "WSetEnaRvrt", 1);
	if (timer) {
		model_set(u, s->control, "WSetRvrtTms", 0);
		model_set(u, s->control, "WSetRvrtRem", 0);
	}
	s->der = chain_model(c, 713, 7);
	model_sf(u, s->der, "WHRtg", 0);
	model_sf(u, s->der, "SoC", -1);
	model_set(u, s->der, "WHRtg", 10000);
	model_set(u, s->der, "SoC", 573);
	model_set(u, s->der, "SoH", 990);
	model_set(u, s->der, "Sta", 0);
}

static void storage_124(struct fake_storage *s, struct fake_chain *c, bool timer)
{
	struct fake_unit *u = &s->unit;

	s->basic = chain_model(c, 124, 24);
	model_sf(u, s->basic, "WChaMax", 0);
	model_sf(u, s->basic, "MinRsvPct", -2);
	model_sf(u, s->basic, "ChaState", -2);
	model_sf(u, s->basic, "InWRte", -2);
	model_set(u, s->basic, "WChaMax", 5000);
	model_set(u, s->basic, "StorCtl_Mod", 0);
	model_set(u, s->basic, "MinRsvPct", 700);
	model_set(u, s->basic, "ChaState", 5730);
	model_set(u, s->basic, "ChaSt", 6);
	model_set(u, s->basic, "OutWRte", 10000);
	model_set(u, s->basic, "InWRte", 10000);
	model_set(u, s->basic, "ChaGriSet", 0);
	if (timer)
		model_set(u, s->basic, "InOutWRte_RvrtTms", 0);
}

void fake_storage(struct fake_storage *s, int what)
{
	struct fake_unit *u = &s->unit;
	struct fake_chain c;

	memset(s, 0, sizeof(*s));
	u->unit = 1;
	chain_begin(&c, u, 40000, 66);
	s->common = 40002;
	s->inverter = what & STORAGE_103 ? chain_model(&c, 103, 50) : chain_model(&c, 701, 153);
	model_sf(u, s->inverter, "W", 0);
	model_set(u, s->inverter, "W", 0);
	model_set(u, s->inverter, "St", what & STORAGE_103 ? 4 : 1);
	if (!(what & STORAGE_103)) {
		model_set(u, s->inverter, "InvSt", 3);
		model_set(u, s->inverter, "ConnSt", 1);
	}
	s->nameplate = chain_model(&c, 120, 26);
	model_sf(u, s->nameplate, "WRtg", 0);
	model_set(u, s->nameplate, "WRtg", 5000);
	chain_model(&c, 64123, 5); /* a vendor's own model */
	if (what & STORAGE_124)
		storage_124(s, &c, what & STORAGE_TIMER);
	if (what & STORAGE_MPPT) {
		s->mppt = chain_model(&c, 160, 8 + 20 * 2);
		model_sf(u, s->mppt, "DCW", 0);
		model_set(u, s->mppt, "N", 2);
		*fake_reg(u, (uint16_t)(s->mppt + 21)) = 1500;
		*fake_reg(u, (uint16_t)(s->mppt + 41)) = 500;
	}
	if (what & STORAGE_704)
		storage_704(s, &c, what & STORAGE_TIMER);
	chain_end(&c);
	u->context = s;
	u->on_time = storage_time;
	u->on_write = storage_write;
}
