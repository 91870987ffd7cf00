/* A sun inverter and the SunSpec driver on it: what the tests of its bound have in common. */
#ifndef HEARTH_TESTS_SUN_KIT_H
#define HEARTH_TESTS_SUN_KIT_H

#include "core/snapshot.h"
#include "drivers/registry.h"
#include "support/fake_sun.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

struct rig {
	struct fake_sun s;
	struct fake_run run;
	int mark; /* writes seen so far */
};

static inline struct rig *rig_new(int what)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	fake_sun(&r->s, what);
	return r;
}

static inline void rig_start(struct rig *r, uint32_t roles)
{
	struct driver_options o = fake_options("sunspec", 1);

	o.roles = roles;
	assert_int_equal(fake_start(&r->run, &DRIVER_SUNSPEC, &o, &r->s.unit), 0);
	fake_until(&r->run, r->run.now_ms + 3000);
}

static inline void run(struct rig *r, int64_t ms)
{
	r->mark = r->s.unit.n_log;
	fake_until(&r->run, r->run.now_ms + ms);
}

static inline void rig_stop(struct rig *r)
{
	fake_stop(&r->run);
	free(r);
}

static inline uint16_t model_of(const struct rig *r)
{
	return r->s.control ? r->s.control : r->s.immediate;
}

static inline void release(struct rig *r)
{
	fake_aim(&r->run, (struct order){ .kind = ORDER_RELEASE });
	run(r, 3000);
}

static inline void bound(struct rig *r, double w)
{
	fake_aim_power(&r->run, w);
	run(r, 3000);
}

#endif
