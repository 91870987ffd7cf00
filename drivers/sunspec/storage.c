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

enum sunspec_control storage_control(const struct sunspec *s)
{
	const struct image *c = sunspec_image(s, SLOT_CONTROL), *storage = sunspec_image(s, SLOT_STORAGE);
	double v;

	if (s->has[SLOT_DER_STORAGE] && image_get(c, "WSet", &v) && image_get(c, "WSetEna", &v))
		return CONTROL_704;
	if (image_get(storage, "StorCtl_Mod", &v) && image_get(storage, "InWRte", &v) && image_get(storage, "OutWRte", &v) &&
	    image_get(storage, "WChaMax", &v) && v > 0)
		return CONTROL_124;
	return CONTROL_NO_WAY;
}

static const struct image *control_image(const struct sunspec *s)
{
	return sunspec_image(s, s->control == CONTROL_704 ? SLOT_CONTROL : SLOT_STORAGE);
}

double storage_step_w(const struct sunspec *s)
{
	const struct image *img = control_image(s);
	double step = 0;

	if (s->control == CONTROL_704)
		step = image_scale(img, "WSet");
	else if (s->control == CONTROL_124)
		step = image_scale(img, "InWRte") / 100 * image_number(img, "WChaMax");
	return isfinite(step) ? step : 0;
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

struct inforce storage_inforce(const struct sunspec *s)
{
	const struct image *img = control_image(s);

	switch (s->control) {
	case CONTROL_NO_WAY:
		break;
	case CONTROL_704:
		return inforce_704(s, img);
	case CONTROL_124:
		return inforce_124(s, img);
	}
	return (struct inforce){ 0 };
}

/* The band an order asks for; a power order is a band without width. */
static void band_of(const struct order *o, double *lo, double *hi)
{
	bool band = o->kind == ORDER_BALANCE && o->native;

	*lo = band ? o->min_w : o->w;
	*hi = band ? o->max_w : o->w;
}

static bool near(double a, double b, double tolerance)
{
	return fabs(a - b) <= tolerance;
}

enum seen storage_seen(const struct sunspec *s, const struct inforce *now)
{
	double lo, hi, tolerance = storage_step_w(s) * 1.001 + 1;
	const struct inforce *b = &s->before;

	if (s->setpoint.sent.kind == ORDER_RELEASE) {
		if (!now->active)
			return SEEN_SAME;
	} else {
		band_of(&s->setpoint.sent, &lo, &hi);
		if (now->active && near(now->lo_w, lo, tolerance) && near(now->hi_w, hi, tolerance))
			return SEEN_SAME;
		/* A clamp keeps the direction and takes from the size. */
		if (now->active && lo == hi && near(now->lo_w, now->hi_w, tolerance) && fabs(now->hi_w) < fabs(hi) &&
		    now->hi_w * hi >= 0 && !(b->active && near(b->hi_w, now->hi_w, tolerance)))
			return SEEN_LESS;
	}
	if (b->known && b->active == now->active &&
	    (!b->active || (near(b->lo_w, now->lo_w, tolerance) && near(b->hi_w, now->hi_w, tolerance))))
		return SEEN_BEFORE;
	return SEEN_OTHER;
}

/* Adds one write; a point the device does not implement is left out when @optional. */
static int add(const struct sunspec *s, struct batch *b, const char *point, double value, bool optional)
{
	int r;

	if (b->n == BATCH_REQUESTS_MAX)
		return -ENOSPC;
	r = image_write(control_image(s), point, value, s->fc6, &b->r[b->n]);
	if (r == 0)
		b->n++;
	return r == -ENOENT && optional ? 0 : r;
}

/* Only when it reads otherwise now: settings that are right already are not written again. */
static int add_changed(const struct sunspec *s, struct batch *b, const char *point, double value)
{
	return image_number(control_image(s), point) == value ? 0 : add(s, b, point, value, true);
}

static int writes_704(struct sunspec *s, const struct order *o, struct batch *b)
{
	int r = 0;

	if (o->kind == ORDER_RELEASE)
		return add(s, b, "WSetEna", 0, false);
	s->pv_w = 0;
	sunspec_production(s, &s->pv_w);
	r |= add_changed(s, b, "WSetMod", MODE_WATTS);
	r |= add_changed(s, b, "WSetRvrt", 0);
	r |= add_changed(s, b, "WSetEnaRvrt", 0);
	r |= add(s, b, "WSetRvrtTms", SUNSPEC_REVERT_S, true);
	r |= add(s, b, "WSet", s->pv_w - o->w, false);
	r |= add(s, b, "WSetEna", 1, false);
	return r ? -ENOTSUP : 0;
}

static int stop_124(struct sunspec *s, struct batch *b, int bits)
{
	int r = add(s, b, "StorCtl_Mod", bits & ~STORCTL_OURS, false);

	r |= add(s, b, "OutWRte", 100, false);
	r |= add(s, b, "InWRte", 100, false);
	if (s->grid_charge_set)
		r |= add(s, b, "ChaGriSet", 0, true);
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
	band_of(o, &lo, &hi);
	in = fmin(fmax(100 * hi / ref, -100), 100);
	out = fmin(fmax(-100 * lo / ref, -100), 100);
	r |= add(s, b, "InOutWRte_RvrtTms", SUNSPEC_REVERT_S, true);
	r |= add_changed(s, b, "InOutWRte_WinTms", 0);
	r |= add_changed(s, b, "InOutWRte_RmpTms", 0);
	/* Widen the band before narrowing it, so that the two limits never cross. */
	up = in > image_number(img, "InWRte");
	r |= add(s, b, up ? "InWRte" : "OutWRte", up ? in : out, false);
	r |= add(s, b, up ? "OutWRte" : "InWRte", up ? out : in, false);
	if (lo > 0 && image_number(img, "ChaGriSet") == 0) {
		r |= add(s, b, "ChaGriSet", GRID_ALLOWED, true);
		s->grid_charge_set = true;
	}
	r |= add(s, b, "StorCtl_Mod", bits | STORCTL_OURS, false);
	return r ? -ENOTSUP : 0;
}

int storage_writes(struct sunspec *s, struct batch *batch)
{
	const struct order *o = &s->setpoint.order;
	int r = -ENOTSUP;

	batch->n = 0;
	switch (s->control) {
	case CONTROL_NO_WAY:
		break;
	case CONTROL_704:
		r = writes_704(s, o, batch);
		break;
	case CONTROL_124:
		r = writes_124(s, o, batch);
		break;
	}
	if (r < 0)
		batch->n = 0;
	return r < 0 ? r : batch->n;
}

static const char *timer_point(const struct sunspec *s)
{
	return s->control == CONTROL_704 ? "WSetRvrtTms" : "InOutWRte_RvrtTms";
}

bool storage_has_timer(const struct sunspec *s)
{
	double set;

	return s->control != CONTROL_NO_WAY && image_get(control_image(s), timer_point(s), &set);
}

int storage_prepare(struct sunspec *s, struct batch *batch)
{
	struct inforce now = storage_inforce(s);

	batch->n = 0;
	if (!now.known || now.active || !storage_has_timer(s) || image_number(control_image(s), timer_point(s)) == SUNSPEC_REVERT_S)
		return 0;
	return add(s, batch, timer_point(s), SUNSPEC_REVERT_S, false) == 0 ? batch->n : 0;
}

/* 704 shows the time that is left: it must stand where our last write put it. 124 only shows the time we set. */
void storage_check_timer(struct sunspec *s)
{
	const struct image *img = control_image(s);
	bool is_704 = s->control == CONTROL_704;
	double set, left, elapsed_s;

	/* Nothing commanded (yet, or any more): the time is there, or not. */
	if (img && (s->setpoint.written_ms == 0 || s->setpoint.sent.kind == ORDER_RELEASE)) {
		s->timer_ok = image_get(img, timer_point(s), &set) && set == SUNSPEC_REVERT_S;
		return;
	}
	if (!img || img->at_ms < s->setpoint.written_ms || s->setpoint.phase == SETPOINT_WRITING)
		return;
	s->timer_ok = image_get(img, timer_point(s), &set) && set == SUNSPEC_REVERT_S;
	if (!is_704 || !s->timer_ok || image_number(img, "WSetEna") != 1 || !image_get(img, "WSetRvrtRem", &left))
		return;
	elapsed_s = (double)(img->at_ms - s->setpoint.written_ms) / 1000;
	s->timer_ok = left > 0 && left <= SUNSPEC_REVERT_S && left >= SUNSPEC_REVERT_S - elapsed_s - 3;
}
