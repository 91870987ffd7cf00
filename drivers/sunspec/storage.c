/* Orders -> the control registers of a battery: model 704 (a setpoint in watts) where the device has it, else 124 (two
 * percent limits and their switches). Writes are listed in the order the device must see them; the reversion time goes
 * first and the switch last when starting, the switch first when stopping.
 *
 * 124 knows limits only. A negative discharge limit is "charge at least", a negative charge limit "discharge at least";
 * we set both sides, or a battery ordered to charge 1 kW takes all the sun there is. */
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

	if (!image_get(img, "WSetEna", &ena) || !image_get(img, "WSet", &set))
		return (struct inforce){ 0 };
	image_get(img, "WSetMod", &mode);
	if (mode != MODE_WATTS)
		return (struct inforce){ true, ena == 1, (double)NAN, (double)NAN };
	/* The setpoint is the whole inverter's; what we allowed for the sun is not the battery's. */
	pv = sunspec_production(s, &pv) ? s->pv_w : 0;
	return (struct inforce){ true, ena == 1, pv - set, pv - set };
}

static struct inforce inforce_124(const struct sunspec *s, const struct image *img)
{
	double bits, in, out, ref, charge_max, discharge_max;
	struct inforce f = { .known = true };

	if (!image_get(img, "StorCtl_Mod", &bits) || !image_get(img, "InWRte", &in) || !image_get(img, "OutWRte", &out) ||
	    !image_get(img, "WChaMax", &ref))
		return (struct inforce){ 0 };
	sunspec_ratings(s, &charge_max, &discharge_max);
	f.active = ((int)bits & STORCTL_OURS) != 0;
	f.hi_w = (int)bits & STORCTL_CHARGE ? in * ref / 100 : charge_max;
	f.lo_w = (int)bits & STORCTL_DISCHARGE ? -out * ref / 100 : -discharge_max;
	return f;
}

static int writes_704(struct sunspec *s, const struct order *o, struct batch *b)
{
	int r = 0;

	if (o->kind == ORDER_RELEASE)
		return control_add(s, b, "WSetEna", 0, false);
	s->pv_w = 0;
	sunspec_production(s, &s->pv_w);
	r |= control_add_changed(s, b, "WSetMod", MODE_WATTS);
	r |= control_add_changed(s, b, "WSetRvrt", 0);
	r |= control_add_changed(s, b, "WSetEnaRvrt", 0);
	r |= control_add(s, b, "WSetRvrtTms", SUNSPEC_REVERT_S, true);
	r |= control_add(s, b, "WSet", s->pv_w - o->w, false);
	r |= control_add(s, b, "WSetEna", 1, false);
	return r ? -ENOTSUP : 0;
}

static int stop_124(struct sunspec *s, struct batch *b, int bits)
{
	int r = control_add(s, b, "StorCtl_Mod", bits & ~STORCTL_OURS, false);

	r |= control_add(s, b, "OutWRte", 100, false);
	r |= control_add(s, b, "InWRte", 100, false);
	if (s->grid_charge_set)
		r |= control_add(s, b, "ChaGriSet", 0, true);
	return r ? -ENOTSUP : 0;
}

static int writes_124(struct sunspec *s, const struct order *o, struct batch *b)
{
	const struct image *img = control_image(s);
	double ref = image_number(img, "WChaMax"), lo, hi, in, out;
	int bits = (int)image_number(img, "StorCtl_Mod"), r = 0;
	bool up;

	if (o->kind == ORDER_RELEASE)
		return stop_124(s, b, bits);
	control_band(s, o, &lo, &hi);
	in = fmin(fmax(100 * hi / ref, -100), 100);
	out = fmin(fmax(-100 * lo / ref, -100), 100);
	r |= control_add(s, b, "InOutWRte_RvrtTms", SUNSPEC_REVERT_S, true);
	r |= control_add_changed(s, b, "InOutWRte_WinTms", 0);
	r |= control_add_changed(s, b, "InOutWRte_RmpTms", 0);
	/* Widen the band before narrowing it, so that the two limits never cross. */
	up = in > image_number(img, "InWRte");
	r |= control_add(s, b, up ? "InWRte" : "OutWRte", up ? in : out, false);
	r |= control_add(s, b, up ? "OutWRte" : "InWRte", up ? out : in, false);
	if (lo > 0 && image_number(img, "ChaGriSet") == 0) {
		r |= control_add(s, b, "ChaGriSet", GRID_ALLOWED, true);
		s->grid_charge_set = true;
	}
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
