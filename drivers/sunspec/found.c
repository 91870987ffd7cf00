/* What a battery's control registers held before us, by 704 or 124. What is in force and not ours bounds what we order and is
 * put back by a release, as it was found, the registers around it too; our next life is told.
 *
 * Whose it is: what bears our reversion time is ours. Where ours bears none (no timer, or one that lifts what must outlive us),
 * a battery that was being steered when we died is taken as left by us, unless it reads as found. What has a time of its own
 * counts until that is over. */
#include "drivers/sunspec/sunspec.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define STORCTL_BITS 3
#define MODE_WATTS 1
#define NO_NUMBER -1e12 /* a point that is not there, in what is kept */

static const struct found_points {
	int n;
	const char *name[FOUND_MAX];
} POINTS[] = {
	[CONTROL_704] = { 6, { "WSetEna", "WSetMod", "WSet", "WSetRvrtTms", "WSetRvrt", "WSetEnaRvrt" } },
	[CONTROL_124] = { 7, { "StorCtl_Mod", "OutWRte", "InWRte", "InOutWRte_RvrtTms", "InOutWRte_WinTms", "InOutWRte_RmpTms",
			       "ChaGriSet" } },
};

static bool read_found(const struct sunspec *s, struct found_storage *out)
{
	const struct image *img = control_image(s);

	*out = (struct found_storage){ .of = s->control, .at_ms = img->at_ms };
	for (int i = 0; i < POINTS[s->control].n; i++)
		out->v[i] = image_number(img, POINTS[s->control].name[i]);
	if (s->control == CONTROL_124 && isfinite(out->v[FOUND_ON]))
		out->v[FOUND_ON] = (int)out->v[FOUND_ON] & STORCTL_BITS;
	return isfinite(out->v[FOUND_ON]);
}

static bool is_on(const struct found_storage *f)
{
	return f->of != CONTROL_NO_WAY && f->v[FOUND_ON] != 0;
}

static bool same(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

static bool same_all(const struct found_storage *a, const struct found_storage *b)
{
	for (int i = 0; i < POINTS[a->of].n; i++)
		if (!same(a->v[i], b->v[i]))
			return false;
	return true;
}

double storage_percent_w(const struct sunspec *s, double pct)
{
	const struct image *capacity = sunspec_image(s, SLOT_CAPACITY);
	double max;

	return image_get(capacity, "WMax", &max) || image_get(capacity, "WMaxRtg", &max) ? pct * max / 100 : (double)NAN;
}

double storage_found_w(const struct sunspec *s)
{
	const double *v = s->theirs.v;

	return v[FOUND_MODE] == 0 ? storage_percent_w(s, image_number(control_image(s), "WSetPct")) : v[FOUND_SET];
}

/* What has no time of its own must outlive ours. 124 goes back to no limit at all, 704 to a number of watts. */
bool storage_bears_time(const struct sunspec *s)
{
	const struct found_storage *f = &s->theirs;

	if (f->of == CONTROL_NO_WAY || isnan(f->v[FOUND_TIMER]))
		return false;
	return !is_on(f) || f->v[FOUND_TIMER] > 0 || (f->of == CONTROL_704 && f->v[FOUND_MODE] != 0);
}

static bool left_by_us(const struct sunspec *s, const struct found_storage *now)
{
	if (is_on(now) && now->v[FOUND_TIMER] == SUNSPEC_REVERT_S)
		return true;
	return s->kept_theirs.of == s->control && !same_all(now, &s->kept_theirs) && !(is_on(now) && s->kept_marked);
}

/* As kept; else 704 says what it goes back to. */
static struct found_storage before_us(const struct sunspec *s, const struct found_storage *now)
{
	struct found_storage f = s->kept_theirs.of == s->control ? s->kept_theirs : *now;

	f.at_ms = now->at_ms;
	if (s->kept_theirs.of == s->control) {
		if (is_on(&f) && !is_on(now)) { /* not our doing: what was in force is gone, what stands around it is not */
			f.v[FOUND_ON] = 0;
			if (f.of == CONTROL_124)
				memcpy(&f.v[FOUND_OUT], &now->v[FOUND_OUT], 2 * sizeof(f.v[0]));
		}
		return f;
	}
	f.v[FOUND_ON] = 0;
	if (s->control == CONTROL_124) {
		f.v[FOUND_OUT] = f.v[FOUND_IN] = 100;
	} else if (f.v[FOUND_ENA_RVRT] == 1 && isfinite(f.v[FOUND_RVRT])) {
		f.v[FOUND_ON] = 1;
		f.v[FOUND_SET] = f.v[FOUND_RVRT];
		f.v[FOUND_TIMER] = 0;
	}
	return f;
}

/* It would be over by now, had we not come. */
static void run_out(struct found_storage *f, int64_t at_ms)
{
	if (!is_on(f) || !(f->v[FOUND_TIMER] > 0) || (double)(at_ms - f->at_ms) < f->v[FOUND_TIMER] * 1000)
		return;
	if (f->of == CONTROL_124) {
		f->v[FOUND_ON] = 0;
		f->v[FOUND_OUT] = f->v[FOUND_IN] = 100;
	} else {
		f->v[FOUND_ON] = f->v[FOUND_ENA_RVRT] == 1 && isfinite(f->v[FOUND_RVRT]);
		f->v[FOUND_SET] = is_on(f) ? f->v[FOUND_RVRT] : f->v[FOUND_SET];
		f->v[FOUND_MODE] = is_on(f) ? MODE_WATTS : f->v[FOUND_MODE];
	}
}

void storage_watch(struct sunspec *s)
{
	struct found_storage now;

	if (!read_found(s, &now))
		return;
	if (s->theirs.of != s->control) { /* the first look at it */
		s->ours = left_by_us(s, &now);
		s->theirs = s->ours ? before_us(s, &now) : now;
		s->kept_theirs.of = CONTROL_NO_WAY;
	} else if (s->ours) {
		run_out(&s->theirs, now.at_ms);
	} else {
		s->theirs = now;
	}
}

bool storage_theirs(const struct sunspec *s)
{
	const bool free = !s->ours || s->setpoint.sent.kind == ORDER_RELEASE;
	struct found_storage now;

	if (!free || s->theirs.of != s->control || !is_on(&s->theirs) || !read_found(s, &now))
		return false;
	for (int i = FOUND_ON; i < FOUND_TIMER; i++)
		if (!same(now.v[i], s->theirs.v[i]))
			return false;
	return true;
}

void storage_bounds(const struct sunspec *s, double *charge_w, double *discharge_w)
{
	const struct image *basic = sunspec_image(s, SLOT_STORAGE), *der = sunspec_image(s, SLOT_CONTROL);
	const bool by_124 = s->control == CONTROL_124;
	const double ref = image_number(basic, "WChaMax"), *v = s->theirs.v;
	const double bits = by_124 ? v[FOUND_ON] : image_number(basic, "StorCtl_Mod");
	const double out = by_124 ? v[FOUND_OUT] : image_number(basic, "OutWRte"), in = by_124 ? v[FOUND_IN] : image_number(basic, "InWRte");
	double w;

	*charge_w = *discharge_w = (double)INFINITY;
	if (isfinite(bits) && isfinite(ref) && !(by_124 && s->theirs.of != CONTROL_124)) {
		/* A negative one commands the other direction: 0 is what it leaves of its own. */
		if ((int)bits & 1 && isfinite(in))
			*charge_w = fmax(in * ref / 100, 0);
		if ((int)bits & 2 && isfinite(out))
			*discharge_w = fmax(out * ref / 100, 0);
	}
	w = image_number(der, "WMaxLimPctEna") == 1 ? storage_percent_w(s, image_number(der, "WMaxLimPct")) : (double)NAN;
	if (isfinite(w))
		*discharge_w = fmin(*discharge_w, w);
}

void storage_note(const struct sunspec *s, char *note, size_t size)
{
	const struct found_storage *f = &s->theirs;
	double charge, discharge, w;

	storage_bounds(s, &charge, &discharge);
	if (f->of == CONTROL_704 && is_on(f)) {
		w = storage_found_w(s);
		if (isfinite(w))
			snprintf(note, size, "a setpoint of %.0f W was in force before us", -w);
		else
			snprintf(note, size, "a setpoint in percent was in force before us");
	} else if (isfinite(charge) && isfinite(discharge)) {
		snprintf(note, size, "limits that are not ours hold: charge %.0f W, discharge %.0f W", charge, discharge);
	} else if (isfinite(charge) || isfinite(discharge)) {
		snprintf(note, size, "a limit that is not ours holds: %scharge %.0f W", isfinite(charge) ? "" : "dis", fmin(charge, discharge));
	}
}

/* The same numbers as long as we steer: the disk is spared. */
int storage_keep(const struct sunspec *s, double kept[DRIVER_KEPT_MAX])
{
	const bool steers = s->setpoint.order.kind != ORDER_NONE && s->setpoint.order.kind != ORDER_RELEASE;
	const bool seen = s->theirs.of != CONTROL_NO_WAY;
	const struct found_storage *f = seen ? &s->theirs : &s->kept_theirs;
	const int n = POINTS[f->of].n;

	if (f->of == CONTROL_NO_WAY || (seen && !s->ours && !steers))
		return 0;
	for (int i = 0; i < n; i++)
		kept[i] = isfinite(f->v[i]) ? f->v[i] : NO_NUMBER;
	kept[n] = seen ? s->timer_ok && storage_bears_time(s) : s->kept_marked;
	return n + 1;
}

/* Nonsense is no knowledge: what could not be written back would never be released. */
static bool makes_sense(enum sunspec_control of, const double *v)
{
	if (of == CONTROL_704)
		return v[FOUND_ON] == 0 || v[FOUND_ON] == 1;
	return v[FOUND_ON] >= 0 && v[FOUND_ON] <= STORCTL_BITS && fabs(v[FOUND_OUT]) <= 100 && fabs(v[FOUND_IN]) <= 100;
}

void storage_remember(struct sunspec *s, const double *kept, int n)
{
	for (int c = CONTROL_704; c <= CONTROL_124; c++) {
		if (n != POINTS[c].n + 1 || !makes_sense((enum sunspec_control)c, kept))
			continue;
		s->kept_theirs.of = (enum sunspec_control)c;
		for (int i = 0; i < n - 1; i++)
			s->kept_theirs.v[i] = kept[i] == NO_NUMBER ? (double)NAN : kept[i];
		s->kept_marked = kept[n - 1] == 1;
	}
}
