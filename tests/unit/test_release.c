/* hearthd --release, with a plant that is played by this file: it ends when all is free, not before, and at its time. */
#include "release.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <stddef.h>
#include <cmocka.h>

#define DEVICES 2

/* When (ms after the start) a device answers for the first time, is free, and is silent again; 0 = never. */
struct life {
	uint32_t roles;
	int online, released, offline;
};

static const struct life *life;
static struct device_state states[DEVICES];
static struct config_device configs[DEVICES];
static int64_t at_ms;
static int aims[DEVICES];

int64_t loop_now_ms(void)
{
	return 1000000 + at_ms;
}

int plant_start(struct plant **out, uv_loop_t *loop, const struct config *cfg, plant_changed_fn changed, void *context, struct errbuf *err)
{
	(void)loop;
	(void)cfg;
	(void)err;
	changed(context, 0);
	*out = NULL;
	return 0;
}

int plant_count(const struct plant *p)
{
	(void)p;
	return DEVICES;
}

uint32_t plant_roles(const struct plant *p, int device)
{
	(void)p;
	return life[device].roles;
}

const struct config_device *plant_config(const struct plant *p, int device)
{
	(void)p;
	return &configs[device];
}

const struct device_state *plant_state(const struct plant *p, int device)
{
	const struct life *l = &life[device];
	struct device_state *s = &states[device];

	(void)p;
	s->availability = !l->online || at_ms < l->online ? AVAIL_UNKNOWN : l->offline && at_ms >= l->offline ? AVAIL_OFFLINE : AVAIL_ONLINE;
	s->released = l->released && at_ms >= l->released;
	return s;
}

void plant_aim(struct plant *p, int device, const struct order *order)
{
	(void)p;
	assert_int_equal(order->kind, ORDER_RELEASE);
	aims[device]++;
}

void plant_stop(struct plant *p)
{
	(void)p;
}

static void test_it_ends_when_all_is_free(void **state)
{
	static const struct { const char *name; struct life of[DEVICES]; int result; int64_t after_ms; } ROWS[] = {
		{ "a battery", { { ROLE_BATTERY, 500, 1000, 0 }, { ROLE_GRID, 0, 0, 0 } }, 0, 1000 },
		{ "the sun is found later than the battery is free", { { ROLE_BATTERY, 500, 1000, 0 }, { ROLE_PV, 2000, 3000, 0 } }, 0, 3000 },
		{ "the sun is asleep, and was never heard: at the end of the time that is no failure", { { ROLE_BATTERY, 500, 1000, 0 }, { ROLE_PV, 0, 0, 0 } }, 0, 8000 },
		{ "the sun goes to sleep with a bound", { { ROLE_BATTERY, 500, 1000, 0 }, { ROLE_PV, 200, 0, 2000 } }, 1, 8000 },
		{ "the sun goes to sleep without one", { { ROLE_BATTERY, 500, 3000, 0 }, { ROLE_PV, 200, 1000, 2000 } }, 0, 3000 },
		{ "a battery that is silent behind its release", { { ROLE_BATTERY, 500, 1000, 2000 }, { ROLE_PV, 200, 3000, 0 } }, 1, 8000 },
		{ "the sun does not let go", { { ROLE_BATTERY, 500, 1000, 0 }, { ROLE_PV, 200, 0, 0 } }, 1, 8000 },
		{ "a silent battery is a failure", { { ROLE_BATTERY, 0, 0, 0 }, { ROLE_PV, 200, 300, 0 } }, 1, 8000 },
		{ "so is one with the sun on its roof", { { ROLE_BATTERY | ROLE_PV, 100, 0, 200 }, { ROLE_CHARGER, 200, 300, 0 } }, 1, 8000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct release r = { .until_ms = loop_now_ms() + RELEASE_MS };
		uv_timer_t timer = { .data = &r, .loop = uv_default_loop() };

		life = ROWS[i].of;
		memset(aims, 0, sizeof(aims));
		at_ms = 0;
		r.until_ms = loop_now_ms() + RELEASE_MS;
		while (!r.done && loop_now_ms() <= r.until_ms) {
			on_look(&timer);
			at_ms += LOOK_MS;
		}
		at_ms -= LOOK_MS;
		if (r.done == (ROWS[i].result != 0) || at_ms != ROWS[i].after_ms)
			fail_msg("%s: %d after %lld ms", ROWS[i].name, r.done, (long long)at_ms);
		for (int k = 0; k < DEVICES; k++)
			assert_int_equal(aims[k], ROWS[i].of[k].roles != ROLE_GRID);
	}
}

/* The whole of it, on a loop: what could not be released is said, the sun's inverter too. */
static void test_what_is_said(void **state)
{
	static const struct life FREE[DEVICES] = { { ROLE_BATTERY, 1, 1, 0 }, { ROLE_PV, 1, 1, 0 } };
	static struct log_line lines[LOG_KEEP];
	int n, sun = 0;

	(void)state;
	uv_run(uv_default_loop(), UV_RUN_NOWAIT); /* it was told to stop above */
	life = FREE;
	at_ms = 10;
	memcpy(configs[0].id, "battery", 8);
	memcpy(configs[1].id, "sun", 4);
	assert_int_equal(release_run(NULL), 0);
	n = log_recent(lines, LOG_KEEP);
	for (int i = 0; i < n; i++)
		sun += strstr(lines[i].text, "device sun: under its own control") != NULL;
	assert_int_equal(sun, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_it_ends_when_all_is_free), cmocka_unit_test(test_what_is_said) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
