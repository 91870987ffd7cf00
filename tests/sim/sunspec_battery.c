/* SunSpec battery: see sunspec_battery.h. Offsets are those of the model files, ID register at 0. */
#include "sim/sunspec_battery.h"

#include "simulate/house.h"

#include <math.h>
#include <string.h>

enum {
	TOUCH_ORDER = 1,
	TOUCH_SET = 2,
	TOUCH_LIMIT = 4,
	TOUCH_RATES = 8,
	TOUCH_RESERVE_124 = 16,
	TOUCH_RESERVE_802 = 32,
	TOUCH_SET_TIMER = 64,
	TOUCH_LIMIT_TIMER = 128,
	TOUCH_RATES_TIMER = 256
};

#define U32_MAX 0xFFFFFFFELL
#define WATT_MAX 1000000LL /* raw, 0.1 W */
#define ALARM_GRID 16      /* bit 4, GRID_DISCONNECT, the same in 103 and 701 */

static const struct chain_writable WRITABLE[] = {
	{ 124, 2, 1, false, 1, 65534, TOUCH_ORDER }, /* WChaMax */
	{ 124, 5, 1, false, 0, 3, TOUCH_RATES },     /* StorCtl_Mod */
	{ 124, 7, 1, false, 0, 10000, TOUCH_RESERVE_124 },
	{ 124, 12, 1, true, -10000, 10000, TOUCH_RATES }, /* OutWRte */
	{ 124, 13, 1, true, -10000, 10000, TOUCH_RATES }, /* InWRte */
	{ 124, 14, 1, false, 0, 3600, 0 },                /* WinTms: taken, not simulated */
	{ 124, 15, 1, false, 0, 65534, TOUCH_RATES_TIMER },
	{ 124, 16, 1, false, 0, 3600, 0 },            /* RmpTms: likewise */
	{ 124, 17, 1, false, 0, 1, TOUCH_ORDER },     /* ChaGriSet */
	{ 702, 26, 1, false, 0, 65534, TOUCH_ORDER }, /* WMax */
	{ 702, 34, 1, false, 0, 65534, TOUCH_ORDER }, /* WChaRteMax */
	{ 702, 35, 1, false, 0, 65534, TOUCH_ORDER }, /* WDisChaRteMax */
	{ 704, 14, 1, false, 0, 1, TOUCH_LIMIT },
	{ 704, 15, 1, false, 0, 1000, TOUCH_LIMIT },
	{ 704, 16, 1, false, 0, 1000, 0 },
	{ 704, 17, 1, false, 0, 1, 0 },
	{ 704, 18, 2, false, 0, U32_MAX, TOUCH_LIMIT_TIMER },
	{ 704, 22, 1, false, 0, 1, TOUCH_SET },
	{ 704, 23, 1, false, 0, 1, TOUCH_SET },
	{ 704, 24, 2, true, -WATT_MAX, WATT_MAX, TOUCH_SET },
	{ 704, 26, 2, true, -WATT_MAX, WATT_MAX, 0 },
	{ 704, 28, 1, true, -1000, 1000, TOUCH_SET },
	{ 704, 29, 1, true, -1000, 1000, 0 },
	{ 704, 30, 1, false, 0, 1, 0 },
	{ 704, 31, 2, false, 0, U32_MAX, TOUCH_SET_TIMER },
	{ 802, 9, 1, false, 0, 1000, 0 },
	{ 802, 10, 1, false, 0, 1000, TOUCH_RESERVE_802 },
	{ 802, 19, 1, false, 0, 65535, 0 },
	{ 802, 20, 1, false, 0, 1, 0 },
	{ 802, 50, 1, false, 1, 2, TOUCH_ORDER },
	{ 802, 51, 1, false, 1, 3, TOUCH_ORDER },
};
#define N_WRITABLE ((int)(sizeof(WRITABLE) / sizeof(WRITABLE[0])))

/* A timer that does not exist refuses to be written. */
static void refuse_timers(struct sunspec_chain *c)
{
	for (int i = 0; i < c->n; i++) {
		const struct chain_writable *w = c->write_row[i] >= 0 ? &WRITABLE[c->write_row[i]] : NULL;

		if (!w || !(w->touches & (TOUCH_SET_TIMER | TOUCH_LIMIT_TIMER | TOUCH_RATES_TIMER)))
			continue;
		c->write_row[i] = -1;
		if (w->words == 2)
			c->write_row[i + 1] = -1;
	}
}

/* Exponent that brings @v into a 16-bit register. */
static int scale_for(double v)
{
	int sf = 0;

	while (v / pow(10, sf) > 32000)
		sf++;
	return sf;
}

static void fill_124(struct sunspec_battery *b)
{
	struct sunspec_chain *c = &b->chain;
	int sf = scale_for(b->rating.charge_max_w);

	chain_u16(c, 124, 2, b->rating.charge_max_w / pow(10, sf));
	chain_u16(c, 124, 3, 100);
	chain_u16(c, 124, 4, 100);
	chain_u16(c, 124, 5, 0);
	chain_u16(c, 124, 7, b->rating.soc_min_pct * 100);
	chain_i16(c, 124, 12, 10000);
	chain_i16(c, 124, 13, 10000);
	chain_u16(c, 124, 14, 0);
	if (!b->o.no_reversion)
		chain_u16(c, 124, 15, 0);
	chain_u16(c, 124, 16, 0);
	chain_u16(c, 124, 17, 1);
	chain_i16(c, 124, 18, sf);
	chain_i16(c, 124, 19, 0);
	chain_i16(c, 124, 21, -2);
	chain_i16(c, 124, 22, -2);
	chain_i16(c, 124, 24, -1);
	chain_i16(c, 124, 25, -2);
}

static void fill_702_704(struct sunspec_battery *b)
{
	struct sunspec_chain *c = &b->chain;
	double most = fmax(b->rating.charge_max_w, b->rating.discharge_max_w);
	int sf = scale_for(most);

	for (int k = 0; k < 2; k++) { /* ratings, and the settings that start equal to them */
		chain_u16(c, 702, k ? 26 : 2, most / pow(10, sf));
		chain_u16(c, 702, k ? 34 : 10, b->rating.charge_max_w / pow(10, sf));
		chain_u16(c, 702, k ? 35 : 11, b->rating.discharge_max_w / pow(10, sf));
	}
	chain_u32(c, 702, 23, 3); /* CtrlModes: maximum power, fixed power */
	chain_i16(c, 702, 45, sf);
	chain_u16(c, 704, 14, 0);
	chain_u16(c, 704, 15, 1000);
	chain_u16(c, 704, 16, 1000);
	chain_u16(c, 704, 17, 0);
	chain_u16(c, 704, 22, 0);
	chain_u16(c, 704, 23, 0);
	chain_i32(c, 704, 24, 0);
	chain_i32(c, 704, 26, 0);
	chain_i16(c, 704, 28, 0);
	chain_i16(c, 704, 29, 0);
	chain_u16(c, 704, 30, 0);
	for (int offset = 18; offset <= 33 && !b->o.no_reversion; offset += offset == 20 ? 11 : 2)
		chain_u32(c, 704, offset, 0); /* 18, 20 and 31, 33 */
	chain_i16(c, 704, 54, -1);
	chain_i16(c, 704, 55, -1);
	chain_i16(c, 704, 56, -1);
}

static void fill_rest(struct sunspec_battery *b)
{
	struct sunspec_chain *c = &b->chain;
	const struct storage_options *r = &b->rating;
	double most = fmax(r->charge_max_w, r->discharge_max_w);
	int wh_sf = scale_for(r->capacity_wh), w_sf = scale_for(most);

	chain_u16(c, 120, 2, 82);                                            /* PV with storage: what vendors give */
	for (int offset = 3; offset <= 25; offset += offset == 3 ? 20 : 2) { /* WRtg, MaxChaRte, MaxDisChaRte */
		double w = offset == 3 ? most : offset == 23 ? r->charge_max_w : r->discharge_max_w;

		chain_u16(c, 120, offset, w / pow(10, w_sf));
		chain_i16(c, 120, offset + 1, w_sf);
	}
	chain_u16(c, 120, 19, r->capacity_wh / pow(10, wh_sf));
	chain_i16(c, 120, 20, wh_sf);
	chain_u16(c, 713, 2, r->capacity_wh / pow(10, wh_sf));
	chain_i16(c, 713, 7, wh_sf);
	chain_i16(c, 713, 8, -1);
	chain_u16(c, 802, 3, r->capacity_wh / pow(10, wh_sf));
	chain_i16(c, 802, 53, wh_sf);
	chain_u16(c, 802, 2, r->capacity_wh / 48 / pow(10, wh_sf)); /* Ah of a 48 V bank */
	chain_i16(c, 802, 52, wh_sf);
	chain_u16(c, 802, 4, r->charge_max_w / pow(10, w_sf));
	chain_u16(c, 802, 5, r->discharge_max_w / pow(10, w_sf));
	chain_i16(c, 802, 54, w_sf);
	chain_u16(c, 802, 7, 1000);
	chain_u16(c, 802, 8, r->soc_min_pct * 10);
	chain_u16(c, 802, 9, 1000);
	chain_u16(c, 802, 10, r->soc_min_pct * 10);
	chain_u16(c, 802, 17, 0);
	chain_u16(c, 802, 19, 0);
	chain_u16(c, 802, 20, 0);
	chain_u16(c, 802, 21, 4);
	for (int offset = 26; offset <= 32; offset += 2)
		chain_u32(c, 802, offset, 0);
	chain_u16(c, 802, 50, 1);
	chain_u16(c, 802, 51, 3);
	for (int offset = 56; offset <= 63; offset++)
		if (offset != 60) /* CellV_SF stays not implemented */
			chain_i16(c, 802, offset, offset == 57 || offset == 62 ? 0 : offset == 63 ? w_sf : -1);
	for (int offset = 113; offset <= 122; offset++) {
		static const int8_t SF[] = { -2, -1, -2, 0, 0, 0, 0, 0, 0, -1 };

		if (offset != 117 && offset != 119 && offset != 121)
			chain_i16(c, 701, offset, SF[offset - 113]);
	}
	chain_i16(c, 103, 6, -2);
	chain_i16(c, 103, 13, -1);
	chain_i16(c, 103, 17, -2);
	chain_i16(c, 103, 37, -1);
}

void sunspec_battery_init(struct sunspec_battery *b, const struct sunspec_battery_options *o,
			  const struct storage_options *rating)
{
	static const uint16_t BOTH[] = { 103, 120, 0, 124, 701, 702, 704, 713, 802 };
	struct sunspec_chain *c = &b->chain;

	memset(b, 0, sizeof(*b));
	b->o = *o;
	b->rating = *rating;
	chain_begin(c, o->base);
	chain_add(c, 1);
	for (int i = 0; i < (int)(sizeof(BOTH) / sizeof(BOTH[0])); i++) {
		bool seven = BOTH[i] / 100 == 7, old = BOTH[i] == 103 || BOTH[i] == 120 || BOTH[i] == 124;

		if (BOTH[i] == 0)
			chain_add_vendor(c, 64110, 12);
		else if (!(seven && o->models == BATTERY_124) && !(old && o->models == BATTERY_704))
			chain_add(c, BOTH[i]);
	}
	chain_end(c, WRITABLE, N_WRITABLE);
	if (o->no_reversion)
		refuse_timers(c);
	chain_common(c, "Hearth", "Simulated battery", "SIM-BAT-0001");
	fill_124(b);
	fill_702_704(b);
	fill_rest(b);
	b->order_due = true;
}

struct storage_order sunspec_battery_order(const struct sunspec_battery *b)
{
	const struct sunspec_chain *c = &b->chain;
	struct storage_order o = storage_auto(&b->rating);
	double w_max = fmax(b->rating.charge_max_w, b->rating.discharge_max_w);

	if (chain_has(c, 124)) {
		double ref_w = chain_get_u16(c, 124, 2) * pow(10, chain_get_i16(c, 124, 18));
		int mode = chain_get_u16(c, 124, 5);

		o.max_w = fmin(o.max_w, ref_w);
		if (mode & 1)
			o.max_w = fmin(o.max_w, chain_get_i16(c, 124, 13) / 1e4 * ref_w);
		if (mode & 2)
			o.min_w = fmax(o.min_w, -chain_get_i16(c, 124, 12) / 1e4 * ref_w);
		o.reserve_pct = chain_get_u16(c, 124, 7) / 100.;
		o.grid_charging = chain_get_u16(c, 124, 17) == 1;
	}
	if (chain_has(c, 702)) {
		double unit = pow(10, chain_get_i16(c, 702, 45));

		w_max = chain_get_u16(c, 702, 26) * unit;
		o.max_w = fmin(o.max_w, fmin(w_max, chain_get_u16(c, 702, 34) * unit));
		o.min_w = fmax(o.min_w, -fmin(w_max, chain_get_u16(c, 702, 35) * unit));
	}
	if (chain_get_u16(c, 704, 14) == 1)
		o.min_w = fmax(o.min_w, -chain_get_u16(c, 704, 15) / 1e3 * w_max);
	if (chain_get_u16(c, 704, 22) == 1) {
		bool watts = chain_get_u16(c, 704, 23) == 1;

		o.fixed = true; /* injection is positive in 704 */
		o.power_w = watts ? -chain_get_i32(c, 704, 24) / 10. : -chain_get_i16(c, 704, 28) / 1e3 * w_max;
	}
	if (chain_has(c, 802)) {
		o.reserve_pct = chain_get_u16(c, 802, 10) / 10.;
		o.off = chain_get_u16(c, 802, 50) == 2 || chain_get_u16(c, 802, 51) != 3;
	}
	return o;
}

static int battery_read(void *self, int fc, uint16_t address, int count, uint16_t *out)
{
	return chain_read(&((struct sunspec_battery *)self)->chain, fc, address, count, out);
}

/* True in the step in which the timer runs out. */
static bool run_down(double *left_s, double dt_s)
{
	if (*left_s <= 0)
		return false;
	*left_s -= dt_s;
	if (*left_s > 1e-9)
		return false;
	*left_s = 0;
	return true;
}

static void run_timers(struct sunspec_battery *b, double dt_s)
{
	struct sunspec_chain *c = &b->chain;

	if (run_down(&b->set_left_s, dt_s)) {
		chain_i32(c, 704, 24, chain_get_i32(c, 704, 26));
		chain_i16(c, 704, 28, chain_get_i16(c, 704, 29));
		chain_u16(c, 704, 22, chain_get_u16(c, 704, 30));
		b->order_due = true;
	}
	if (run_down(&b->limit_left_s, dt_s)) {
		chain_u16(c, 704, 15, chain_get_u16(c, 704, 16));
		chain_u16(c, 704, 14, chain_get_u16(c, 704, 17));
		b->order_due = true;
	}
	if (run_down(&b->rates_left_s, dt_s)) {
		chain_u16(c, 124, 5, 0);
		chain_i16(c, 124, 12, 10000);
		chain_i16(c, 124, 13, 10000);
		b->order_due = true;
	}
	if (!b->o.no_reversion) {
		chain_u32(c, 704, 20, ceil(b->limit_left_s));
		chain_u32(c, 704, 33, ceil(b->set_left_s));
	}
}

static int battery_write(void *self, int fc, uint16_t address, int count, const uint16_t *words)
{
	struct sunspec_battery *b = self;
	struct sunspec_chain *c = &b->chain;
	uint32_t touched;
	int e = chain_write(c, address, count, words, &touched);

	(void)fc;
	if (e)
		return e;
	/* Any write to a function starts its timer anew: this is how a controller keeps its order alive. */
	if (touched & (TOUCH_SET | TOUCH_SET_TIMER))
		b->set_left_s = chain_get_u16(c, 704, 22) == 1 && !b->o.no_reversion ? chain_get_u32(c, 704, 31) : 0;
	if (touched & (TOUCH_LIMIT | TOUCH_LIMIT_TIMER))
		b->limit_left_s = chain_get_u16(c, 704, 14) == 1 && !b->o.no_reversion ? chain_get_u32(c, 704, 18) : 0;
	if (touched & (TOUCH_RATES | TOUCH_RATES_TIMER))
		b->rates_left_s = chain_get_u16(c, 124, 5) && !b->o.no_reversion ? chain_get_u16(c, 124, 15) : 0;
	/* One reserve behind two registers. */
	if (touched & TOUCH_RESERVE_124)
		chain_u16(c, 802, 10, chain_get_u16(c, 124, 7) / 10.);
	if (touched & TOUCH_RESERVE_802)
		chain_u16(c, 124, 7, chain_get_u16(c, 802, 10) * 10);
	run_timers(b, 0); /* the remainders show at once */
	b->order_due = true;
	return MODBUS_OK;
}

void sunspec_battery_reserve(struct sunspec_battery *b, double pct)
{
	chain_u16(&b->chain, 124, 7, pct * 100);
	chain_u16(&b->chain, 802, 10, pct * 10);
	b->order_due = true;
}

static int charge_status(const struct house *h)
{
	const struct storage *s = &h->battery;

	if (s->order.off)
		return 1;
	if (s->power_w > 5)
		return 4;
	if (s->power_w < -5)
		return 3;
	if (storage_soc_pct(s) >= 99.9)
		return 5;
	return storage_soc_pct(s) <= s->o.soc_min_pct + 0.1 ? 2 : 6;
}

static void show_ac(struct sunspec_chain *c, const struct house *h)
{
	double w = -h->battery.power_w, amps = fabs(w) / 230; /* SunSpec counts what is injected */
	int w_sf = scale_for(fmax(h->battery.o.charge_max_w, h->battery.o.discharge_max_w)) > 0 ? 1
		   : fabs(w) < 3000                                                             ? -1
												: 0;
	bool off = h->battery.order.off;

	chain_u16(c, 103, 2, amps * 100);
	chain_i16(c, 103, 15, w_sf); /* changes with the power, as some inverters do: never keep it from an older read */
	chain_i16(c, 103, 14, w / pow(10, w_sf));
	chain_u16(c, 103, 16, h->hz * 100);
	chain_u32(c, 103, 24, h->battery.discharged_wh);
	chain_i16(c, 103, 26, 0);
	chain_i16(c, 103, 33, 315);
	chain_u16(c, 103, 38, off ? 8 : 4);
	chain_u32(c, 103, 40, h->grid_lost ? ALARM_GRID : 0);
	chain_u32(c, 103, 42, 0);
	chain_u16(c, 701, 2, 2);
	chain_u16(c, 701, 3, 1);
	chain_u16(c, 701, 4, off ? 7 : 3);
	chain_u16(c, 701, 5, h->grid_lost ? 0 : 1);
	chain_u32(c, 701, 6, h->grid_lost ? ALARM_GRID : 0);
	chain_u32(c, 701, 8, h->grid_lost ? 2 : 1); /* grid forming or following */
	chain_i16(c, 701, 10, w / (w_sf > 0 ? 10 : 1));
	chain_i16(c, 701, 116, w_sf > 0 ? 1 : 0);
	chain_i16(c, 701, 14, amps * 100);
	chain_u32(c, 701, 17, h->hz * 100);
	chain_u64(c, 701, 19, h->battery.discharged_wh);
	chain_u64(c, 701, 23, h->battery.charged_wh);
	chain_i16(c, 701, 36, 315);
	for (int i = 0; i < HOUSE_PHASES; i++) {
		double volt = h->dark ? 0 : h->volt[i];

		chain_u16(c, 103, 3 + i, amps / 3 * 100);
		chain_u16(c, 103, 10 + i, volt * 10);
		chain_i16(c, 701, 41 + 23 * i, w / 3 / (w_sf > 0 ? 10 : 1));
		chain_i16(c, 701, 45 + 23 * i, amps / 3 * 100);
		chain_u16(c, 701, 47 + 23 * i, volt * 10);
	}
}

static void show_store(struct sunspec_battery *b, const struct house *h)
{
	struct sunspec_chain *c = &b->chain;
	const struct storage *s = &h->battery;
	double soc = storage_soc_pct(s), volt = 46 + soc * 0.08, dc_w = storage_dc_w(s);
	double wh_unit = pow(10, chain_get_i16(c, 713, 7));

	chain_u16(c, 124, 8, soc * 100);
	chain_u16(c, 124, 10, volt * 10);
	chain_u16(c, 124, 11, charge_status(h));
	chain_u16(c, 713, 3, s->energy_wh / wh_unit);
	chain_u16(c, 713, 4, soc * 10);
	chain_u16(c, 713, 5, 990);
	chain_u16(c, 713, 6, 0);
	chain_u16(c, 802, 11, soc * 10);
	chain_u16(c, 802, 12, 100 - soc);
	chain_u16(c, 802, 13, 990);
	chain_u16(c, 802, 16, charge_status(h));
	chain_u16(c, 802, 18, fmod(b->heartbeat_s, 65536));
	chain_u16(c, 802, 22, s->order.off ? 1 : 3);
	chain_u16(c, 802, 34, volt * 10);
	chain_i16(c, 802, 44, -dc_w / volt * 10);
	chain_i16(c, 802, 47, -dc_w / pow(10, chain_get_i16(c, 802, 63))); /* discharge positive, as Kostal does */
	if (b->soc_faked) {
		uint16_t raw = b->soc_raw;

		for (int i = 0; i < c->n_models; i++) {
			int offset = c->model[i].id == 124 ? 8 : c->model[i].id == 713 ? 4 : c->model[i].id == 802 ? 11 : 0;

			if (offset)
				c->words[c->model[i].at + offset] = raw;
		}
	}
}

static void battery_step(void *self, struct house *h, double dt_s, bool frozen)
{
	struct sunspec_battery *b = self;

	b->heartbeat_s += dt_s;
	run_timers(b, dt_s);
	if (b->order_due) {
		struct storage_order o = sunspec_battery_order(b);

		storage_aim(&h->battery, &o);
		b->order_due = false;
	}
	if (frozen)
		return;
	show_ac(&b->chain, h);
	show_store(b, h);
}

static void battery_bad_soc(void *self, bool on, uint16_t raw)
{
	struct sunspec_battery *b = self;

	b->soc_faked = on;
	b->soc_raw = raw;
}

const struct unit_ops SUNSPEC_BATTERY_OPS = { "sunspec-battery", battery_read, battery_write, battery_step,
					      battery_bad_soc };
