/* Orders -> the control registers of a battery: model 704 (a setpoint in watts) where the device has it, else 124 (two
 * percent limits and their switches). Writes are listed in the order the device must see them; the reversion time goes
 * first and the switch last when starting, the switch first when stopping.
 *
 * 124 knows limits only. A negative discharge limit is "charge at least", a negative charge limit "discharge at least";
 * we set both sides, or a battery ordered to charge 1 kW takes all the sun there is.
 *
 * A release puts back what found.c found, be that nothing. */
#include "drivers/sunspec/sunspec.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define STORCTL_CHARGE 1
#define STORCTL_DISCHARGE 2
#define STORCTL_OURS (STORCTL_CHARGE | STORCTL_DISCHARGE)
#define GRID_ALLOWED 1
#define MODE_WATTS 1

bool storage_by_704(const struct sunspec *s)
{
	const struct image *c = sunspec_image(s, SLOT_CONTROL);
	double v;

	return s->has[SLOT_DER_STORAGE] && image_get(c, "WSet", &v) && image_get(c, "WSetEna", &v);
}

bool storage_by_124(const struct sunspec *s)
{
	const struct image *storage = sunspec_image(s, SLOT_STORAGE);
	double v;

	return image_get(storage, "StorCtl_Mod", &v) && image_get(storage, "InWRte", &v) && image_get(storage, "OutWRte", &v) &&
	       image_get(storage, "WChaMax", &v) && v > 0;
}

static double step_704(const struct sunspec *s, const struct image *img)
{
	(void)s;
	return image_scale(img, "WSet");
}

static double step_124(const struct sunspec *s, const struct image *img)
{
	(void)s;
	return image_scale(img, "InWRte") / 100 * image_number(img, "WChaMax");
}

static struct inforce inforce_704(const struct sunspec *s, const struct image *img)
{
	double ena, mode = MODE_WATTS, set, pv;
	struct inforce f;

	if (!image_get(img, "WSetEna", &ena) || !image_get(img, "WSet", &set))
		return (struct inforce){ 0 };
	image_get(img, "WSetMod", &mode);
	if (mode != MODE_WATTS)
		set = storage_percent_w(s, image_number(img, "WSetPct"));
	/* The setpoint is the whole inverter's; what we allowed for the sun is not the battery's. */
	pv = sunspec_production(s, &pv) ? s->pv_w : 0;
	f = (struct inforce){ true, ena == 1, pv - set, pv - set, ena == 1 && storage_theirs(s) };
	f.active &= !f.theirs;
	return f;
}

static struct inforce inforce_124(const struct sunspec *s, const struct image *img)
{
	double bits, in, out, ref, charge_max, discharge_max;
	struct inforce f = { .known = true };

	if (!image_get(img, "StorCtl_Mod", &bits) || !image_get(img, "InWRte", &in) || !image_get(img, "OutWRte", &out) ||
	    !image_get(img, "WChaMax", &ref))
		return (struct inforce){ 0 };
	sunspec_ratings(s, &charge_max, &discharge_max);
	f.theirs = storage_theirs(s);
	f.active = !f.theirs && ((int)bits & STORCTL_OURS) != 0;
	f.hi_w = (int)bits & STORCTL_CHARGE ? in * ref / 100 : charge_max;
	f.lo_w = (int)bits & STORCTL_DISCHARGE ? -out * ref / 100 : -discharge_max;
	return f;
}

static int leave_704(struct sunspec *s, struct batch *b)
{
	const double *found = s->theirs.v;
	const bool on = found[FOUND_ON] == 1;
	int r = on ? 0 : control_add(s, b, "WSetEna", 0, false);

	r |= control_add_back(s, b, "WSetRvrt", found[FOUND_RVRT]);
	r |= control_add_back(s, b, "WSetEnaRvrt", found[FOUND_ENA_RVRT]);
	if (on) /* our time stays where nothing hangs on it, for the next order to be guarded at once */
		r |= control_add_back(s, b, "WSetRvrtTms", found[FOUND_TIMER]);
	r |= control_add_back(s, b, "WSet", found[FOUND_SET]);
	r |= control_add_back(s, b, "WSetMod", found[FOUND_MODE]);
	if (on)
		r |= control_add(s, b, "WSetEna", 1, false);
	return r ? -ENOTSUP : 0;
}

/* What it goes back to when we are dead: what was found for ever; what has a time of its own has said that itself. */
static int writes_704(struct sunspec *s, const struct order *o, struct batch *b)
{
	const double *found = s->theirs.v;
	const bool on = found[FOUND_ON] == 1, timed = on && found[FOUND_TIMER] > 0;
	double lo, hi;
	int r = 0;

	if (o->kind == ORDER_RELEASE)
		return leave_704(s, b);
	s->ours = true;
	s->pv_w = 0;
	sunspec_production(s, &s->pv_w);
	control_band(s, o, &lo, &hi);
	r |= control_add_changed(s, b, "WSetMod", MODE_WATTS);
	if (!timed) {
		r |= control_add_changed(s, b, "WSetRvrt", on ? found[FOUND_SET] : 0);
		r |= control_add_changed(s, b, "WSetEnaRvrt", on);
	}
	if (storage_bears_time(s))
		r |= control_add(s, b, "WSetRvrtTms", SUNSPEC_REVERT_S, true);
	r |= control_add(s, b, "WSet", s->pv_w - hi, false);
	r |= control_add(s, b, "WSetEna", 1, false);
	return r ? -ENOTSUP : 0;
}

/* Widen the band before narrowing it, so that the two limits never cross. */
static int rates_124(struct sunspec *s, struct batch *b, double in, double out)
{
	bool up = in > image_number(control_image(s), "InWRte");
	int r = control_add(s, b, up ? "InWRte" : "OutWRte", up ? in : out, false);

	return r | control_add(s, b, up ? "OutWRte" : "InWRte", up ? out : in, false);
}

static int leave_124(struct sunspec *s, struct batch *b, int bits)
{
	const double *found = s->theirs.v;
	const bool on = found[FOUND_ON] != 0;
	int r = on ? 0 : control_add(s, b, "StorCtl_Mod", bits & ~STORCTL_OURS, false);

	if (on) {
		r |= control_add_back(s, b, "InOutWRte_RvrtTms", found[FOUND_TIMER]);
		r |= rates_124(s, b, found[FOUND_IN], found[FOUND_OUT]);
		r |= control_add(s, b, "StorCtl_Mod", (bits & ~STORCTL_OURS) | (int)found[FOUND_ON], false);
	} else { /* our time stays where nothing hangs on it, for the next order to be guarded at once */
		r |= control_add(s, b, "OutWRte", found[FOUND_OUT], false);
		r |= control_add(s, b, "InWRte", found[FOUND_IN], false);
	}
	r |= control_add_back(s, b, "ChaGriSet", found[FOUND_GRID]);
	r |= control_add_back(s, b, "InOutWRte_WinTms", found[FOUND_WINDOW]);
	r |= control_add_back(s, b, "InOutWRte_RmpTms", found[FOUND_RAMP]);
	return r ? -ENOTSUP : 0;
}

static int writes_124(struct sunspec *s, const struct order *o, struct batch *b)
{
	const struct image *img = control_image(s);
	double ref = image_number(img, "WChaMax"), lo, hi, in, out;
	int bits = (int)image_number(img, "StorCtl_Mod"), r = 0;

	if (o->kind == ORDER_RELEASE)
		return leave_124(s, b, bits);
	s->ours = true;
	control_band(s, o, &lo, &hi);
	in = fmin(fmax(100 * hi / ref, -100), 100);
	out = fmin(fmax(-100 * lo / ref, -100), 100);
	if (storage_bears_time(s))
		r |= control_add(s, b, "InOutWRte_RvrtTms", SUNSPEC_REVERT_S, true);
	r |= control_add_changed(s, b, "InOutWRte_WinTms", 0);
	r |= control_add_changed(s, b, "InOutWRte_RmpTms", 0);
	r |= rates_124(s, b, in, out);
	if (lo > 0 && image_number(img, "ChaGriSet") == 0)
		r |= control_add(s, b, "ChaGriSet", GRID_ALLOWED, true);
	r |= control_add(s, b, "StorCtl_Mod", bits | STORCTL_OURS, false);
	return r ? -ENOTSUP : 0;
}

const struct sunspec_way STORAGE_BY_704 = {
	.slot = SLOT_CONTROL,
	.on = "WSetEna",
	.timer = "WSetRvrtTms",
	.left = "WSetRvrtRem",
	.writes = writes_704,
	.inforce = inforce_704,
	.step_w = step_704,
};

const struct sunspec_way STORAGE_BY_124 = {
	.slot = SLOT_STORAGE,
	.on = "StorCtl_Mod",
	.timer = "InOutWRte_RvrtTms",
	.writes = writes_124,
	.inforce = inforce_124,
	.step_w = step_124,
};
