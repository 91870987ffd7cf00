/* Readings -> values, see profile_driver.h: signs, masks, words, sums, and nothing where the device has nothing. */
#include "drivers/profile_driver.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

bool profile_when(const struct profile_driver *d, const struct profile_when *when)
{
	const struct reading *r;

	if (when->point < 0)
		return true;
	r = &d->reading[when->point];
	return r->known && r->raw >= when->min && r->raw <= when->max;
}

void profile_take(struct profile_driver *d, const struct modbus_request *answer, int64_t at_ms)
{
	for (int i = 0; i < d->p.n_points; i++) {
		const struct profile_point *pt = &d->p.point[i];
		struct reading *r = &d->reading[i];
		const uint16_t *words = d->used[i] ? plan_words(answer, &pt->at) : NULL;

		if (!words)
			continue;
		r->seen = true;
		r->at_ms = at_ms;
		r->known = pt->format.type != REG_STRING && reg_decode(&pt->format, words, pt->at.count, &r->raw) == 0;
	}
}

/* One point's share of its field. PROFILE_BY_CABLE passes as it is. */
static int share(const struct profile_point *pt, const struct reading *r, double *out)
{
	if (pt->n_map > 0) {
		for (int i = 0; i < pt->n_map; i++) {
			if (pt->map[i].raw != r->raw)
				continue;
			*out = pt->map[i].number;
			return 0;
		}
		return -EINVAL;
	}
	if (pt->mask)
		*out = r->raw >= 0 && ((uint64_t)r->raw & pt->mask) != 0;
	else
		*out = r->raw * pt->sign;
	return 0;
}

static void put(const struct profile_driver *d, struct device_state *state, enum field f, double v, int64_t at_ms,
		enum quality q)
{
	if (d->o.invert)
		f = point_inverted(f, &v);
	if (f == F_CHARGER_STATE && v == PROFILE_BY_CABLE) {
		const struct value *cable = &state->f[F_CHARGER_CONNECTED];

		if (!value_usable(cable)) {
			point_bad(state, f, at_ms);
			return;
		}
		v = cable->v != 0 ? CHARGER_B : CHARGER_A;
	}
	point_put(state, f, v, at_ms, q);
}

/* Sum over all points of the field that hold now. One of them missing leaves the sum unknown. */
static void field_value(const struct profile_driver *d, struct device_state *state, enum field f)
{
	int64_t oldest = INT64_MAX;
	enum quality q = Q_GOOD;
	double sum = 0, v;
	int n = 0;

	for (int i = 0; i < d->p.n_points; i++) {
		const struct profile_point *pt = &d->p.point[i];
		const struct reading *r = &d->reading[i];
		enum field to = f;
		double none = 0;

		if (!d->used[i] || pt->field != f || !profile_when(d, &pt->when))
			continue;
		if (d->o.invert)
			to = point_inverted(f, &none);
		if (!r->seen)
			return;
		if (!r->known) {
			point_absent(state, to);
			return;
		}
		if (share(pt, r, &v)) {
			point_bad(state, to, r->at_ms);
			return;
		}
		sum += v;
		n++;
		oldest = r->at_ms < oldest ? r->at_ms : oldest;
		q = pt->unverified ? Q_UNVERIFIED : q;
	}
	if (n > 0)
		put(d, state, f, sum, oldest, q);
}

/* Identity by the names of the points; devices that give it as text are not read for it yet. */
static void identity(const struct profile_driver *d, struct device_state *state)
{
	static const char *const NAMES[] = { "serial", "firmware", "product" };
	char *to[] = { state->identity.serial, state->identity.version, state->identity.model };
	const size_t size[] = { sizeof(state->identity.serial), sizeof(state->identity.version),
				sizeof(state->identity.model) };

	for (int i = 0; i < 3; i++) {
		int point = profile_point_find(&d->p, NAMES[i]);

		if (point >= 0 && d->reading[point].known)
			snprintf(to[i], size[i], "%.0f", d->reading[point].raw);
	}
}

void profile_values(const struct profile_driver *d, struct device_state *state)
{
	bool done[F_COUNT] = { false };

	/* charger.state may ask for the cable: it comes last. */
	done[F_CHARGER_STATE] = true;
	for (int i = 0; i < d->p.n_points; i++) {
		enum field f = d->p.point[i].field;

		if (!d->used[i] || f == F_COUNT || done[f])
			continue;
		done[f] = true;
		field_value(d, state, f);
	}
	if (d->kinds & KIND_CHARGER)
		field_value(d, state, F_CHARGER_STATE);
	identity(d, state);
}
