/* One order's life at a device, step by step: a row is an event and what must stand after it. */
#include "drivers/setpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>

enum what { AIM, RELEASE, WRITE, DONE, SEE };

struct step {
	int64_t now;
	enum what what;
	double w; /* AIM, SEE */
	int arg;  /* DONE: status; SEE: enum seen; WRITE: must a write be due */
	enum setpoint_phase phase;
	enum verdict verdict;
};

static void play(const char *name, const struct step *steps, int n)
{
	struct setpoint sp = { .settle_ms = 1000, .refresh_ms = 30000 };

	for (int i = 0; i < n; i++) {
		const struct step *s = &steps[i];
		struct order o = { .kind = s->what == RELEASE ? ORDER_RELEASE : ORDER_POWER, .w = s->w };

		switch (s->what) {
		case AIM:
		case RELEASE:
			setpoint_aim(&sp, &o, s->now);
			break;
		case WRITE:
			if (setpoint_due(&sp, s->now) != (s->arg != 0))
				fail_msg("%s, step %d: due is %d", name, i, !s->arg);
			if (s->arg)
				setpoint_sent(&sp);
			break;
		case DONE:
			setpoint_done(&sp, (enum request_status)s->arg, s->now);
			break;
		case SEE:
			setpoint_judge(&sp, (enum seen)s->arg, s->w, s->now);
			break;
		}
		if (sp.phase != s->phase || sp.verdict != s->verdict)
			fail_msg("%s, step %d: phase %d, verdict %d", name, i, (int)sp.phase, (int)sp.verdict);
	}
}

#define PLAY(name, ...)                                                                                                     \
	do {                                                                                                                \
		static const struct step STEPS[] = { __VA_ARGS__ };                                                         \
		play(name, STEPS, (int)(sizeof(STEPS) / sizeof(STEPS[0])));                                                 \
	} while (0)

static void test_lives(void **state)
{
	(void)state;
	PLAY("refused by exception", { 0, AIM, 500, 0, SETPOINT_DUE, VERDICT_NONE },
	     { 0, WRITE, 0, 1, SETPOINT_WRITING, VERDICT_PENDING }, { 10, DONE, 0, 2, SETPOINT_DUE, VERDICT_REFUSED },
	     { 9000, WRITE, 0, 0, SETPOINT_DUE, VERDICT_REFUSED },
	     { 10010, WRITE, 0, 1, SETPOINT_WRITING, VERDICT_PENDING });
	PLAY("expired goes out again at once", { 0, AIM, 500, 0, SETPOINT_DUE, VERDICT_NONE },
	     { 0, WRITE, 0, 1, SETPOINT_WRITING, VERDICT_PENDING },
	     { 10, DONE, 0, REQUEST_EXPIRED, SETPOINT_DUE, VERDICT_PENDING },
	     { 10, WRITE, 0, 1, SETPOINT_WRITING, VERDICT_PENDING });
	PLAY("aimed anew while writing", { 0, AIM, 500, 0, SETPOINT_DUE, VERDICT_NONE },
	     { 0, WRITE, 0, 1, SETPOINT_WRITING, VERDICT_PENDING }, { 5, AIM, 700, 0, SETPOINT_WRITING, VERDICT_PENDING },
	     { 10, DONE, 0, REQUEST_OK, SETPOINT_DUE, VERDICT_PENDING },
	     { 10, WRITE, 0, 1, SETPOINT_WRITING, VERDICT_PENDING });
	PLAY("an early look that disagrees is not the verdict", { 0, AIM, 500, 0, SETPOINT_DUE, VERDICT_NONE },
	     { 0, WRITE, 0, 1, SETPOINT_WRITING, VERDICT_PENDING },
	     { 10, DONE, 0, REQUEST_OK, SETPOINT_SETTLING, VERDICT_PENDING },
	     { 500, SEE, 0, SEEN_BEFORE, SETPOINT_SETTLING, VERDICT_PENDING },
	     { 1010, SEE, 0, SEEN_BEFORE, SETPOINT_DUE, VERDICT_IGNORED },
	     { 20000, WRITE, 0, 0, SETPOINT_DUE, VERDICT_IGNORED },
	     { 30010, WRITE, 0, 1, SETPOINT_WRITING, VERDICT_PENDING });
	PLAY("an early look that agrees is", { 0, AIM, 500, 0, SETPOINT_DUE, VERDICT_NONE },
	     { 0, WRITE, 0, 1, SETPOINT_WRITING, VERDICT_PENDING },
	     { 10, DONE, 0, REQUEST_OK, SETPOINT_SETTLING, VERDICT_PENDING },
	     { 500, SEE, 500, SEEN_SAME, SETPOINT_HELD, VERDICT_APPLIED });
	PLAY("clamped stays clamped, and is foreign when it moves", { 0, AIM, 500, 0, SETPOINT_DUE, VERDICT_NONE },
	     { 0, WRITE, 0, 1, SETPOINT_WRITING, VERDICT_PENDING },
	     { 10, DONE, 0, REQUEST_OK, SETPOINT_SETTLING, VERDICT_PENDING },
	     { 1010, SEE, 300, SEEN_LESS, SETPOINT_HELD, VERDICT_CLAMPED },
	     { 2000, SEE, 300, SEEN_LESS, SETPOINT_HELD, VERDICT_CLAMPED },
	     { 3000, SEE, 200, SEEN_LESS, SETPOINT_DUE, VERDICT_FOREIGN });
	PLAY("the timer is fed at half, the verdict stays", { 0, AIM, 500, 0, SETPOINT_DUE, VERDICT_NONE },
	     { 0, WRITE, 0, 1, SETPOINT_WRITING, VERDICT_PENDING },
	     { 0, DONE, 0, REQUEST_OK, SETPOINT_SETTLING, VERDICT_PENDING },
	     { 1000, SEE, 500, SEEN_SAME, SETPOINT_HELD, VERDICT_APPLIED },
	     { 29999, WRITE, 0, 0, SETPOINT_HELD, VERDICT_APPLIED },
	     { 30000, WRITE, 0, 1, SETPOINT_WRITING, VERDICT_APPLIED });
	PLAY("a foreign hand that goes away", { 0, AIM, 500, 0, SETPOINT_DUE, VERDICT_NONE },
	     { 0, WRITE, 0, 1, SETPOINT_WRITING, VERDICT_PENDING },
	     { 0, DONE, 0, REQUEST_OK, SETPOINT_SETTLING, VERDICT_PENDING },
	     { 1000, SEE, 500, SEEN_SAME, SETPOINT_HELD, VERDICT_APPLIED },
	     { 2000, SEE, 9, SEEN_OTHER, SETPOINT_DUE, VERDICT_FOREIGN },
	     { 3000, SEE, 500, SEEN_SAME, SETPOINT_HELD, VERDICT_APPLIED });
	PLAY("contested: more power waits, less and release do not", { 0, AIM, 500, 0, SETPOINT_DUE, VERDICT_NONE },
	     { 0, WRITE, 0, 1, SETPOINT_WRITING, VERDICT_PENDING },
	     { 0, DONE, 0, REQUEST_OK, SETPOINT_SETTLING, VERDICT_PENDING },
	     { 1000, SEE, 9, SEEN_OTHER, SETPOINT_DUE, VERDICT_FOREIGN },
	     { 1500, AIM, 900, 0, SETPOINT_DUE, VERDICT_FOREIGN }, { 1500, WRITE, 0, 0, SETPOINT_DUE, VERDICT_FOREIGN },
	     { 1600, AIM, 100, 0, SETPOINT_DUE, VERDICT_FOREIGN }, { 1600, WRITE, 0, 1, SETPOINT_WRITING, VERDICT_PENDING });
	PLAY("release is not fed", { 0, RELEASE, 0, 0, SETPOINT_DUE, VERDICT_NONE },
	     { 0, WRITE, 0, 1, SETPOINT_WRITING, VERDICT_PENDING },
	     { 0, DONE, 0, REQUEST_OK, SETPOINT_SETTLING, VERDICT_PENDING },
	     { 1000, SEE, NAN, SEEN_SAME, SETPOINT_HELD, VERDICT_APPLIED },
	     { 90000, WRITE, 0, 0, SETPOINT_HELD, VERDICT_APPLIED });
}

static void test_same_order(void **state)
{
	struct order power = { .kind = ORDER_POWER, .w = 100 }, nearly = { .kind = ORDER_POWER, .w = 100.4 };
	struct order loop = { .kind = ORDER_BALANCE, .w = 100, .min_w = -5, .max_w = 5 }, wide = loop, native;

	(void)state;
	wide.max_w = 500;
	assert_true(order_same(&power, &nearly));
	assert_false(order_same(&power, &loop));
	assert_true(order_same(&loop, &wide)); /* our loop's band is not the device's matter */
	native = loop;
	native.native = wide.native = true;
	assert_false(order_same(&native, &wide));
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_lives), cmocka_unit_test(test_same_order) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
