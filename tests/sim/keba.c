/* KEBA register map: see keba.h. Rules as in the reference: one value a request, reads 32-bit, writes 16-bit. */
#include "sim/keba.h"

#include "simulate/house.h"

#include <string.h>

#define FAILSAFE_MAX_S 600

static void show(struct keba *k, uint16_t address, double value)
{
	uint32_t raw = value <= 0 ? 0 : (uint32_t)(value + 0.5);

	for (int i = 0; i < k->n_values; i++)
		if (k->values[i].address == address) {
			k->values[i].value = raw;
			return;
		}
	if (k->n_values < KEBA_VALUES_MAX) {
		k->values[k->n_values].address = address;
		k->values[k->n_values++].value = raw;
	}
}

int keba_offer_ma(const struct keba *k)
{
	int ma = k->phase_fault ? 0 : k->failed_safe ? k->failsafe_ma : k->enabled ? k->set_ma : 0;

	if (ma > KEBA_HARDWARE_MA)
		ma = KEBA_HARDWARE_MA;
	return ma < 6000 ? 0 : ma;
}

static void show_settings(struct keba *k)
{
	show(k, 1100, keba_offer_ma(k));
	show(k, 1550, k->phase_source);
	show(k, 1552, k->p40 ? (k->three_phase ? 3 : 1) : k->three_phase);
	show(k, 1600, k->failsafe_ma);
	show(k, 1602, k->failsafe_s);
}

void keba_init(struct keba *k, bool p40)
{
	memset(k, 0, sizeof(*k));
	k->p40 = p40;
	k->enabled = true;
	k->set_ma = KEBA_HARDWARE_MA;
	k->three_phase = k->three_closed = true;
	show(k, 1000, 1);
	show(k, 1004, 1);
	show(k, 1006, 0);
	show(k, 1008, 0);
	show(k, 1010, 0);
	show(k, 1012, 0);
	show(k, 1014, 21500042);
	show(k, 1016, p40 ? 4011121 : 326021); /* with a meter and RFID */
	show(k, 1018, p40 ? 10201 : 0x030A2A);
	show(k, 1020, 0);
	show(k, 1036, 0);
	show(k, 1040, 230);
	show(k, 1042, 230);
	show(k, 1044, 230);
	show(k, 1110, KEBA_HARDWARE_MA);
	show(k, 1500, 0);
	show(k, 1502, 0);
	show_settings(k);
}

static int keba_read(void *self, int fc, uint16_t address, int count, uint16_t *out)
{
	const struct keba *k = self;

	if (fc != 3)
		return MODBUS_BAD_FUNCTION;
	if (count != 2)
		return MODBUS_BAD_ADDRESS;
	for (int i = 0; i < k->n_values; i++)
		if (k->values[i].address == address) {
			words_u32(out, k->values[i].value);
			return MODBUS_OK;
		}
	return MODBUS_BAD_ADDRESS;
}

static bool is_current(uint16_t ma, bool zero_too)
{
	return (ma == 0 && zero_too) || (ma >= 6000 && ma <= 63000);
}

void keba_service(struct keba *k, int phase_source, bool contactor, bool phase_fault)
{
	k->phase_source = (uint16_t)phase_source;
	k->no_contactor = !contactor;
	k->phase_fault = phase_fault;
	show_settings(k);
}

/* Contacts that open under current weld or burn: the box goes out of order, as a careful one would. */
static void phases_set(struct keba *k, bool three)
{
	if (three == k->three_phase)
		return;
	k->three_phase = three;
	if (k->no_contactor)
		return;
	k->three_closed = three;
	k->phase_switches++;
	if (!k->drawing)
		return;
	k->switched_hot++;
	k->phase_fault = true;
}

static int keba_set(struct keba *k, uint16_t address, uint16_t v)
{
	switch (address) {
	case 5004:
		if (!is_current(v, k->p40))
			return MODBUS_BAD_VALUE;
		k->set_ma = v;
		return MODBUS_OK;
	case 5010:
		k->session_limit_wh = v * 10u;
		return MODBUS_OK;
	case 5012:
		return v == 0 ? MODBUS_OK : MODBUS_BAD_VALUE;
	case 5014:
		if (k->p40)
			return MODBUS_BAD_ADDRESS;
		if (v > 1)
			return MODBUS_BAD_VALUE;
		k->enabled = v == 1;
		return MODBUS_OK;
	case 5016:
		if (!is_current(v, true))
			return MODBUS_BAD_VALUE;
		k->failsafe_ma = v;
		return MODBUS_OK;
	case 5018:
		if (v > FAILSAFE_MAX_S)
			return MODBUS_BAD_VALUE;
		k->failsafe_s = v;
		return MODBUS_OK;
	case 5020:
		if (v > 1)
			return MODBUS_BAD_VALUE;
		k->persisted = v == 1;
		return MODBUS_OK;
	case 5050:
		if (v > 4)
			return MODBUS_BAD_VALUE;
		k->phase_source = v;
		return MODBUS_OK;
	case 5052:
		if (v > 1)
			return MODBUS_BAD_VALUE;
		if (k->phase_source != 3) /* Modbus is not the one who switches phases */
			return MODBUS_FAILURE;
		phases_set(k, v == 1);
		return MODBUS_OK;
	default:
		return MODBUS_BAD_ADDRESS;
	}
}

static int keba_write(void *self, int fc, uint16_t address, int count, const uint16_t *words)
{
	struct keba *k = self;
	int e;

	if (fc != 6 || count != 1)
		return MODBUS_BAD_FUNCTION;
	e = keba_set(k, address, words[0]);
	if (e)
		return e;
	k->failed_safe = false;
	k->failsafe_left_s = k->failsafe_s;
	show_settings(k);
	return MODBUS_OK;
}

static int state_of(const struct keba *k, const struct car *c)
{
	if (k->phase_fault)
		return 4;
	if (!c->plugged)
		return 1;
	if (keba_offer_ma(k) == 0)
		return 5;
	return c->power_w > 0 ? 3 : 2;
}

static void keba_step(void *self, struct house *h, double dt_s, bool frozen)
{
	struct keba *k = self;
	struct car *c = &h->car;
	bool spent = k->session_limit_wh && c->session_wh >= k->session_limit_wh;

	if (k->failsafe_s && !k->failed_safe) {
		k->failsafe_left_s -= dt_s;
		if (k->failsafe_left_s <= 1e-9) {
			k->failsafe_left_s = 0;
			k->failed_safe = true;
			show_settings(k);
		}
	}
	car_offer(c, spent ? 0 : keba_offer_ma(k) / 1000., k->three_closed ? 3 : 1);
	k->drawing = c->power_w > 0;
	if (frozen)
		return;
	show(k, 1000, state_of(k, c));
	show(k, 1004, c->plugged ? 7 : 1);
	for (int i = 0; i < HOUSE_PHASES; i++) {
		show(k, (uint16_t)(1008 + 2 * i), i < c->phases ? c->current_a * 1000 : 0);
		show(k, (uint16_t)(1040 + 2 * i), h->dark ? 0 : h->volt[i]);
	}
	show(k, 1020, c->power_w * 1000);
	show(k, 1036, c->total_wh * 10);
	show(k, 1502, c->session_wh * 10);
}

const struct unit_ops KEBA_OPS = { "keba", keba_read, keba_write, keba_step, NULL };
