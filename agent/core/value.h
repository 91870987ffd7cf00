/* One measured or derived number with its time and its quality. Unknown is absent, never 0. */
#ifndef HEARTH_CORE_VALUE_H
#define HEARTH_CORE_VALUE_H

#include <stdbool.h>
#include <stdint.h>

/* Ordered: a larger quality is a better one; Q_UNVERIFIED and above may be used for control. */
enum quality {
	Q_ABSENT = 0,  /* never known, or "not implemented" at the device */
	Q_BAD,         /* read, but implausible, NaN, out of range or frozen; v holds the last good number */
	Q_STALE,       /* was good, too old now; v holds the last good number */
	Q_UNVERIFIED,  /* read by a point nobody has proven (confidence C) */
	Q_DERIVED,     /* computed from other values */
	Q_GOOD,
};

struct value {
	double v;          /* unit by the field, see core/field.h */
	int64_t at_ms;     /* monotonic time of the reading */
	enum quality q;
};

static inline bool value_usable(const struct value *v)
{
	return v->q >= Q_UNVERIFIED;
}

/** True, and *out set, when the value is usable and at most @max_age_ms old at @now_ms. */
static inline bool value_get(const struct value *v, int64_t now_ms, int64_t max_age_ms, double *out)
{
	if (!value_usable(v) || now_ms - v->at_ms > max_age_ms)
		return false;
	*out = v->v;
	return true;
}

static inline void value_set(struct value *v, double number, int64_t at_ms, enum quality q)
{
	v->v = number;
	v->at_ms = at_ms;
	v->q = q;
}

#endif
