/* A bound on the sun: percent of the inverter's maximum by model 704, else 123. It is rounded down in production, for a
 * limit must not be exceeded, and carries our reversion time, so that a dead hub gives the sun back.
 *
 * These registers may belong to somebody else: an installer, a grid operator's box. What holds while nothing of ours does
 * is remembered, also for our next life; we only go below it, and leave exactly that behind. A limit found at start is taken
 * for one an earlier life of ours left when it bears our reversion time, or reads as what that life said it had written; any
 * other is somebody else's. */
#include "drivers/sunspec/sunspec.h"

#include "core/snapshot.h"

#include <errno.h>
#include <math.h>

#define SAME_PCT 0.001

/* The names of one model's points. */
struct names {
	const char *on, *pct, *timer;
};

static const struct names BY_704 = { "WMaxLimPctEna", "WMaxLimPct", "WMaxLimPctRvrtTms" };
static const struct names BY_123 = { "WMaxLim_Ena", "WMaxLimPct", "WMaxLimPct_RvrtTms" };

static const struct names *names_of(const struct sunspec *s)
{
	return s->control == CURTAIL_704 ? &BY_704 : &BY_123;
}

double curtail_reference_w(const struct sunspec *s)
{
	static const struct {
		enum sunspec_slot slot;
		const char *point;
	} SOURCES[2][2] = {
		{ { SLOT_CAPACITY, "WMax" }, { SLOT_CAPACITY, "WMaxRtg" } },  /* 704 */
		{ { SLOT_SETTINGS, "WMax" }, { SLOT_NAMEPLATE, "WRtg" } },    /* 123 */
	};
	bool is_123 = s->control == CURTAIL_123;
	double w;

	for (int i = 0; i < 2; i++)
		if (image_get(sunspec_image(s, SOURCES[is_123][i].slot), SOURCES[is_123][i].point, &w) && w > 0)
			return w;
	return 0;
}

/* A battery's inverter is bounded by its setpoint, never from two sides. */
static bool there(const struct sunspec *s, enum sunspec_slot slot, const struct names *n)
{
	const struct image *img = sunspec_image(s, slot);
	double v;

	return !(s->roles & ROLE_BATTERY) && image_get(img, n->on, &v) && image_get(img, n->pct, &v);
}

/* Without a reference percent mean nothing; it stands in slower models, so it may come later. */
bool curtail_by_704(const struct sunspec *s)
{
	double w;

	return there(s, SLOT_CONTROL, &BY_704) && (image_get(sunspec_image(s, SLOT_CAPACITY), "WMax", &w) ||
						   image_get(sunspec_image(s, SLOT_CAPACITY), "WMaxRtg", &w)) && w > 0;
}

bool curtail_by_123(const struct sunspec *s)
{
	double w;

	return there(s, SLOT_IMMEDIATE, &BY_123) && (image_get(sunspec_image(s, SLOT_SETTINGS), "WMax", &w) ||
						     image_get(sunspec_image(s, SLOT_NAMEPLATE), "WRtg", &w)) && w > 0;
}

/* What the limit registers say; false when they do not. */
static bool read_limit(const struct sunspec *s, const struct image *img, struct found_limit *out)
{
	const struct names *n = names_of(s);
	double on;

	if (!image_get(img, n->on, &on) || !image_get(img, n->pct, &out->pct))
		return false;
	out->on = on == 1;
	out->timer_s = image_number(img, n->timer);
	out->known = true;
	return true;
}

static double bound_pct(const struct sunspec *s, const struct order *o)
{
	double pct = fmin(fmax(-100 * o->w / curtail_reference_w(s), 0), 100);

	return s->found.on ? fmin(pct, s->found.pct) : pct;
}

double curtail_bound_w(const struct sunspec *s, const struct order *o)
{
	return -bound_pct(s, o) / 100 * curtail_reference_w(s);
}

/* Ours bears our time, unless it has none: there is no timer, or somebody else's limit must outlive ours (see writes_123). */
static bool bears_our_time(const struct sunspec *s, const struct found_limit *found)
{
	return !isnan(found->timer_s) && !(found->on && s->control == CURTAIL_123);
}

/* A limit that nobody of us is known to have set is not ours to lift. */
static bool left_by_us(const struct sunspec *s, const struct found_limit *now)
{
	const double step = image_scale(control_image(s), "WMaxLimPct") * 1.001;

	return now->on && (now->timer_s == SUNSPEC_REVERT_S || fabs(now->pct - s->kept.aimed_pct) <= step ||
			   fabs(now->pct - s->kept.held_pct) <= step);
}

/* What there was before that: as kept; else 704 says what it goes back to. */
static struct found_limit before_us(const struct sunspec *s)
{
	struct found_limit f = { .known = true, .on = false, .pct = 100, .timer_s = 0 };
	double pct;

	if (s->kept.found.known)
		return s->kept.found;
	if (s->control == CURTAIL_704 && image_number(control_image(s), "WMaxLimPctEnaRvrt") == 1 &&
	    image_get(control_image(s), "WMaxLimPctRvrt", &pct)) {
		f.on = true;
		f.pct = pct;
	}
	return f;
}

void curtail_watch(struct sunspec *s)
{
	struct found_limit now;

	if (s->ours || !read_limit(s, control_image(s), &now))
		return;
	if (s->setpoint.sent.kind == ORDER_NONE && left_by_us(s, &now)) {
		now = before_us(s);
		s->ours = true;
	}
	s->found = now;
	s->kept = (struct kept_limit){ .aimed_pct = (double)NAN, .held_pct = (double)NAN };
}

/* Where our time marks what is ours the kept numbers stay the same: the disk is spared. */
int curtail_keep(const struct sunspec *s, double kept[DRIVER_KEPT_MAX])
{
	const bool bound = s->setpoint.order.kind == ORDER_POWER;
	struct kept_limit k = { s->found, bound ? bound_pct(s, &s->setpoint.order) : (double)NAN, s->held_pct };
	double *number[] = { &k.found.pct, &k.found.timer_s, &k.aimed_pct, &k.held_pct };

	if (!s->found.known)
		k = s->kept;
	else if (!s->ours && !bound)
		return 0;
	else if (bears_our_time(s, &s->found))
		k.aimed_pct = k.held_pct = (double)NAN;
	kept[0] = k.found.on;
	for (int i = 0; i < 4; i++)
		kept[i + 1] = isnan(*number[i]) ? -1 : *number[i];
	return k.found.known ? 5 : 0;
}

void curtail_remember(struct sunspec *s, const double *kept, int n)
{
	double number[4];

	if (n != 5)
		return;
	for (int i = 0; i < 4; i++)
		number[i] = kept[i + 1] >= 0 ? kept[i + 1] : (double)NAN;
	if (number[0] <= 100)
		s->kept = (struct kept_limit){ { true, kept[0] == 1, number[0], number[1] }, number[2], number[3] };
}

static struct inforce inforce(const struct sunspec *s, const struct image *img)
{
	bool free = !s->ours || s->setpoint.sent.kind == ORDER_RELEASE, theirs;
	struct found_limit now;
	double w;

	if (!read_limit(s, img, &now))
		return (struct inforce){ 0 };
	theirs = free && s->found.on && fabs(now.pct - s->found.pct) <= SAME_PCT;
	w = -now.pct / 100 * curtail_reference_w(s);
	return (struct inforce){ .known = true, .active = now.on && !theirs, .lo_w = w, .hi_w = w };
}

static double step_w(const struct sunspec *s, const struct image *img)
{
	return image_scale(img, "WMaxLimPct") / 100 * curtail_reference_w(s);
}

/* As it was found: the switch first when that was off. */
static int leave(struct sunspec *s, struct batch *b)
{
	const struct names *n = names_of(s);
	const struct found_limit *f = &s->found;
	int r = 0;

	if (!f->on)
		r |= control_add(s, b, n->on, 0, false);
	if (!isnan(f->timer_s))
		r |= control_add_back(s, b, n->timer, f->timer_s);
	r |= control_add(s, b, n->pct, f->pct, false);
	if (f->on)
		r |= control_add(s, b, n->on, 1, false);
	return r ? -ENOTSUP : 0;
}

static int writes_704(struct sunspec *s, const struct order *o, struct batch *b)
{
	int r = 0;

	if (o->kind == ORDER_RELEASE)
		return leave(s, b);
	s->ours = true;
	r |= control_add_changed(s, b, "WMaxLimPctRvrt", s->found.on ? s->found.pct : 100);
	r |= control_add_changed(s, b, "WMaxLimPctEnaRvrt", s->found.on);
	r |= control_add(s, b, "WMaxLimPctRvrtTms", SUNSPEC_REVERT_S, true);
	r |= control_add(s, b, "WMaxLimPct", bound_pct(s, o), false);
	r |= control_add(s, b, "WMaxLimPctEna", 1, false);
	return r ? -ENOTSUP : 0;
}

/* 123 goes back to no limit at all when its time is over. Where somebody else's holds, that would lift theirs: then the
 * time stays as they set it, and nobody guards ours. */
static int writes_123(struct sunspec *s, const struct order *o, struct batch *b)
{
	int r = 0;

	if (o->kind == ORDER_RELEASE)
		return leave(s, b);
	s->ours = true;
	r |= control_add_changed(s, b, "WMaxLimPct_WinTms", 0);
	r |= control_add_changed(s, b, "WMaxLimPct_RmpTms", 0);
	if (!s->found.on)
		r |= control_add(s, b, "WMaxLimPct_RvrtTms", SUNSPEC_REVERT_S, true);
	r |= control_add(s, b, "WMaxLimPct", bound_pct(s, o), false);
	r |= control_add(s, b, "WMaxLim_Ena", 1, false);
	return r ? -ENOTSUP : 0;
}

const struct sunspec_way CURTAIL_BY_704 = {
	.slot = SLOT_CONTROL,
	.curtails = true,
	.on = "WMaxLimPctEna",
	.timer = "WMaxLimPctRvrtTms",
	.left = "WMaxLimPctRvrtRem",
	.writes = writes_704,
	.inforce = inforce,
	.step_w = step_w,
};

const struct sunspec_way CURTAIL_BY_123 = {
	.slot = SLOT_IMMEDIATE,
	.curtails = true,
	.on = "WMaxLim_Ena",
	.timer = "WMaxLimPct_RvrtTms",
	.writes = writes_123,
	.inforce = inforce,
	.step_w = step_w,
};
