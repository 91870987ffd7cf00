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
void wish_limit_device(struct wishes *w, int device, double min_w, double max_w, const char *why_fmt, ...)
	__attribute__((format(printf, 5, 6)));
void wish_limit_point(struct wishes *w, enum point point, double min_w, double max_w, const char *why_fmt, ...)
	__attribute__((format(printf, 5, 6)));
void wish_order(struct wishes *w, int device, struct order order, int64_t until_utc_ms, const char *why_fmt, ...)
	__attribute__((format(printf, 5, 6)));

#endif
