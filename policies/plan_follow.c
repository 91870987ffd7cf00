/* Rank 6: follows the plan's value of stored energy, not its kW. The price now is compared with what one more (or one
 * less) stored kWh is worth at the energy held now; ties go to self-use. Forecast errors then cost little: the plan's
 * kW are wrong at once, its values stay right for hours. */
#include "policies/policies.h"
#include "policies/view.h"

#include <math.h>
#include <stdio.h>

enum choice { CHOICE_BALANCE = 0, CHOICE_CHARGE, CHOICE_HOLD, CHOICE_COVER, CHOICE_STORE, CHOICE_SELL };

struct plan_memory {
	unsigned char choice[DEVICE_MAX];
};

#define MARGIN_SHARE 0.02 /* a new choice must be this much better than self-use, the one in force need not: no flapping at a step */
#define EXPORT_MAX 24
#define MARGIN_MIN 0.001  /* per kWh, for prices near 0 */

/* Value of the next kWh stored (up) and of the last one held (down), per kWh in the store. */
static void values_at(const struct plan_guide *g, double energy_wh, double *up, double *down)
{
	int i = 0;

	while (i < g->n_segments - 1 && energy_wh >= (double)g->upto_wh[i])
		i++;
	*up = (double)g->value_per_kwh[i];
	*down = *up;
	if (i > 0 && energy_wh - (double)g->upto_wh[i - 1] < 1)
		*down = (double)g->value_per_kwh[i - 1];
}

/* A price that is not known is never better: nothing is sold, and no sun left to the grid, on hope. */
static bool better(double gain, double price, bool in_force)
{
	return gain > (in_force ? 0 : double_max(MARGIN_MIN, MARGIN_SHARE * fabs(price)));
}

/* Buying and selling go on through a tie once begun: where a price lasts for hours, the plan waits until the time left is just
 * enough, and then each new plan would say something else. */
static bool trades(double gain, double price, bool in_force)
{
	double margin = double_max(MARGIN_MIN, MARGIN_SHARE * fabs(price));

	return gain > (in_force ? -margin : margin);
}

static enum choice choose(const struct snapshot *s, const struct snap_device *d, double energy_wh, enum choice before)
{
	const struct plan_guide *g = &d->guide;
	bool no_import = view_command(s, d) && d->command.grid_import == TRI_NO;
	double up, down, gain_in, cost_out;
	bool store, cover, buys, sells;

	values_at(g, energy_wh, &up, &down);
	gain_in = up * g->charge_eff;                         /* of one kWh taken in at the AC port */
	cost_out = down / g->discharge_eff + g->wear_per_kwh; /* of one kWh given out */
	buys = s->site.grid_charging && !no_import && trades(gain_in - s->import_price, s->import_price, before == CHOICE_CHARGE);
	sells = s->site.battery_export && trades(s->export_price - cost_out, s->export_price, before == CHOICE_SELL);
	if (buys && !(sells && g->planned_w < 0)) /* both pay where export is dearer than import: the order of it is the plan's */
		return CHOICE_CHARGE;
	if (sells)
		return CHOICE_SELL;
	store = !better(s->export_price - gain_in, s->export_price, before == CHOICE_HOLD || before == CHOICE_COVER);
	cover = !better(cost_out - s->import_price, s->import_price, before == CHOICE_HOLD || before == CHOICE_STORE);
	if (store && cover)
		return CHOICE_BALANCE;
	return store ? CHOICE_STORE : cover ? CHOICE_COVER : CHOICE_HOLD;
}

static bool usable(const struct snapshot *s, const struct snap_device *d)
{
	const struct plan_guide *g = &d->guide;

	return s->clock_trusted && g->valid && g->n_segments > 0 && g->n_segments <= GUIDE_SEGMENTS_MAX && g->charge_eff > 0 &&
	       g->discharge_eff > 0 && isfinite(g->wear_per_kwh) && isfinite(s->import_price) &&
	       (g->until_utc_ms == 0 || s->utc_ms < g->until_utc_ms);
}

/* Selling while a car charges would end in the car, past the rule that the house battery does not feed it. */
static bool car_in_the_way(const struct snapshot *s)
{
	if (s->site.battery_to_ev)
		return false;
	for (int i = 0; i < s->n_devices; i++)
		if (view_charger(&s->dev[i]) && view_car_charging(s, i))
			return true;
	return false;
}

/* What each choice orders: by power or by balance, and which of the ratings it may use. */
static const struct {
	const char *words;
	enum reason code;
	bool power;
	double out, in;
} CHOICES[] = {
	[CHOICE_BALANCE] = { "self-use", REASON_PLAN_SELF_USE, false, 1, 1 },
	[CHOICE_CHARGE] = { "charge from the grid", REASON_PLAN_CHARGE, true, 0, 1 },
	[CHOICE_HOLD] = { "hold", REASON_PLAN_HOLD, true, 0, 0 },
	[CHOICE_COVER] = { "cover the load, leave the sun to the grid", REASON_PLAN_COVER, false, 1, 0 },
	[CHOICE_STORE] = { "store the sun, keep what is stored", REASON_PLAN_STORE, false, 0, 1 },
	[CHOICE_SELL] = { "sell", REASON_PLAN_SELL, true, 1, 0 },
};

static struct order choice_order(enum choice choice, const struct snap_device *d)
{
	double in_w = CHOICES[choice].in * view_charge_max(d), out_w = CHOICES[choice].out * view_discharge_max(d);

	return CHOICES[choice].power ? order_power(in_w - out_w) : order_balance(0, -out_w, in_w);
}

static void plan_init(void *memory)
{
	(void)memory;
}

static void plan_step(void *memory, const struct snapshot *s, struct wishes *out)
{
	struct plan_memory *m = memory;

	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];
		double soc, up, down, capacity_wh = view_capacity_wh(d);
		char export[EXPORT_MAX];
		enum choice choice;

		if (!view_battery(d) || !view_steerable(d) || !usable(s, d) || !view_soc(s, i, &soc) || isnan(capacity_wh))
			continue;
		choice = choose(s, d, soc / 100 * capacity_wh, (enum choice)m->choice[i]);
		if (choice == CHOICE_SELL && car_in_the_way(s))
			choice = CHOICE_BALANCE;
		m->choice[i] = (unsigned char)choice;
		values_at(&d->guide, soc / 100 * capacity_wh, &up, &down);
		snprintf(export, sizeof(export), isfinite(s->export_price) ? "%.3f" : "unknown", s->export_price);
		wish_order(out, i, choice_order(choice, d), d->guide.until_utc_ms, CHOICES[choice].code,
			   "plan: %s; import %.3f, export %s, a stored kWh is worth %.3f", CHOICES[choice].words, s->import_price,
			   export, up);
	}
}

const struct policy POLICY_PLAN_FOLLOW = { "plan_follow", RANK_PLAN, sizeof(struct plan_memory), plan_init, plan_step };
