/* What a policy is: a const struct, memory of a declared size, and two pure functions. A policy reads a frozen
 * snapshot and leaves wishes; it never sees a driver, a clock or a socket. */
#ifndef HEARTH_POLICIES_POLICY_H
#define HEARTH_POLICIES_POLICY_H

#include "core/decision.h"
#include "core/snapshot.h"

#include <stddef.h>

struct policy {
	const char *name;
	enum rank rank;
	size_t size;                                 /* bytes of memory, zeroed before init; at most POLICY_MEMORY_MAX */
	void (*init)(void *memory);
	void (*step)(void *memory, const struct snapshot *s, struct wishes *out);
};

#define POLICY_MEMORY_MAX 4096
#define POLICY_MAX 16

/** The explicit list, in order of rank; ends with NULL. */
extern const struct policy *const POLICIES[];

/** Adds a wish; counts overflow instead of failing. The sentence says the numbers. */
void wish_limit_device(struct wishes *w, int device, double min_w, double max_w, enum reason code, const char *why_fmt, ...)
	__attribute__((format(printf, 6, 7)));
/** As wish_limit_device, for ORDER_POWER only. */
void wish_limit_power(struct wishes *w, int device, double min_w, double max_w, enum reason code, const char *why_fmt, ...)
	__attribute__((format(printf, 6, 7)));
void wish_limit_point(struct wishes *w, enum point point, double min_w, double max_w, enum reason code, const char *why_fmt, ...)
	__attribute__((format(printf, 6, 7)));
void wish_order(struct wishes *w, int device, struct order order, int64_t until_utc_ms, enum reason code, const char *why_fmt, ...)
	__attribute__((format(printf, 6, 7)));
/** Names a sense or a device that is not believed, for people; the posture is the policy's own wish. */
void wish_doubt(struct wishes *w, int device, enum doubt_kind kind, const char *why_fmt, ...) __attribute__((format(printf, 4, 5)));
/** Gives the order added last another rank than its policy's (the car's `now` is the owner's word, not self-use). */
void wish_rank(struct wishes *w, enum rank rank);

static inline struct order order_release(void)
{
	return (struct order){ .kind = ORDER_RELEASE };
}

static inline struct order order_power(double w)
{
	return (struct order){ .kind = ORDER_POWER, .w = w };
}

static inline struct order order_balance(double grid_w, double min_w, double max_w)
{
	return (struct order){ .kind = ORDER_BALANCE, .grid_w = grid_w, .min_w = min_w, .max_w = max_w };
}

#endif
