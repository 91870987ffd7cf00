/* When the plant says that everything is released: not while a device that answers may still hold an order of an earlier life. The
 * buses and the drivers are played by this file. */
#include "flow/control/plant.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <stddef.h>
#include <cmocka.h>

static struct device_state next;
static int64_t slept_ms;
static int n_batches, to_send;
static bus_result_fn result_of;
static void *context_of;
static int64_t recalled_ms;
static int n_recalled, n_changed;
static int n_inited, n_ended, n_opened, n_bus_closed; /* lives of drivers and buses */
static int init_fails, open_fails;

static int fake_init(void *self, const struct driver_options *options, struct device_state *state, struct errbuf *err)
{
	(void)options;
	(void)err;
	*(int *)self = ++n_inited;
	*state = (struct device_state){ .availability = AVAIL_UNKNOWN };
	return init_fails == n_inited ? -EINVAL : 0;
}

static void fake_deinit(void *self)
{
	(void)self;
	n_ended++;
}

static void fake_aim(void *self, const struct order *order, int64_t now_ms)
{
	(void)self;
	(void)order;
	(void)now_ms;
}

static int64_t fake_plan(void *self, int64_t now_ms, struct batch *batch)
{
	(void)self;
	batch->n = to_send;
	to_send = 0;
	return now_ms + 1000;
}

int64_t loop_slept_ms(void)
{
	return slept_ms;
}

int64_t loop_now_ms(void)
{
	return (int64_t)(uv_hrtime() / 1000000);
}

static void fake_feed(void *self, const struct batch_result *result, int64_t now_ms, struct device_state *state)
{
	(void)self;
	(void)result;
	(void)now_ms;
	*state = next;
}

static int fake_worn(const void *self, int64_t at_ms[DRIVER_WORN_MAX])
{
	(void)self;
	at_ms[0] = 7;
	return 1;
}

static void fake_recall(void *self, const int64_t *at_ms, int n)
{
	(void)self;
	recalled_ms = at_ms[0];
	n_recalled += n;
}

static struct driver fake = { .name = "fake", .size = 8, .init = fake_init, .deinit = fake_deinit, .aim = fake_aim, .plan = fake_plan, .feed = fake_feed };

const struct driver *driver_for_profile(const char *profile, const char *json, size_t len)
{
	(void)profile;
	(void)json;
	(void)len;
	return &fake;
}

uint32_t driver_profile_roles(const char *json, size_t len)
{
	(void)json;
	(void)len;
	return 0;
}

char *conffile_profile(const char *name, size_t *len, struct errbuf *err)
{
	(void)name;
	(void)len;
	(void)err;
	return NULL;
}

int bus_open(struct bus **out, uv_loop_t *loop, const struct bus_options *options, bus_result_fn done, void *context, struct errbuf *err)
{
	(void)loop;
	(void)options;
	(void)err;
	result_of = done;
	context_of = context;
	if (++n_opened == open_fails)
		return -ENOMEM;
	*out = (struct bus *)(uintptr_t)n_opened; /* only its name counts */
	return 0;
}

int bus_submit(struct bus *bus, uint32_t device, const struct batch *batch)
{
	(void)bus;
	(void)device;
	(void)batch;
	n_batches++;
	return 0;
}

void bus_ask_close(struct bus *bus)
{
	(void)bus;
}

void bus_close(struct bus *bus)
{
	n_bus_closed += bus != NULL;
}

void bus_stats(const struct bus *bus, struct bus_stats *out)
{
	(void)bus;
	memset(out, 0, sizeof(*out));
}

static void on_changed(void *context, int device)
{
	(void)context;
	(void)device;
	n_changed++;
}

static struct plant *start(uint32_t roles)
{
	static struct config cfg;
	struct errbuf err = { "" };
	struct plant *p = NULL;

	memset(&cfg, 0, sizeof(cfg));
	cfg.n_devices = cfg.n_buses = 1;
	snprintf(cfg.device[0].id, sizeof(cfg.device[0].id), "it");
	snprintf(cfg.device[0].profile, sizeof(cfg.device[0].profile), "sunspec");
	cfg.device[0].roles = roles;
	assert_int_equal(plant_start(&p, uv_default_loop(), &cfg, on_changed, NULL, &err), 0);
	return p;
}

static void stop(struct plant *p)
{
	plant_stop(p);
	uv_run(uv_default_loop(), UV_RUN_NOWAIT);
}

static void feed(enum request_status status, enum availability availability, bool released)
{
	struct batch_result r = { .n = 1, .done_ms = loop_now_ms() };

	r.status[0] = status;
	next = (struct device_state){ .availability = availability, .released = released };
	result_of(context_of, 0, &r);
}

static void test_released(void **state)
{
	static const struct { const char *name; uint32_t roles; enum request_status status; enum availability a; bool released, all; } ROWS[] = {
		{ "a battery under an order", ROLE_BATTERY, REQUEST_OK, AVAIL_ONLINE, false, false },
		{ "a battery read back released", ROLE_BATTERY, REQUEST_OK, AVAIL_ONLINE, true, true },
		{ "the sun, answering, still being discovered", ROLE_PV, REQUEST_OK, AVAIL_UNKNOWN, false, false },
		{ "the same, it says there is no such register: it answers", ROLE_PV, (enum request_status)2, AVAIL_UNKNOWN, false, false },
		{ "a charger, the same", ROLE_CHARGER, REQUEST_OK, AVAIL_UNKNOWN, false, false },
		{ "the sun that never answered", ROLE_PV, REQUEST_TIMEOUT, AVAIL_UNKNOWN, false, true },
		{ "a battery that fell silent", ROLE_BATTERY, REQUEST_OK, AVAIL_OFFLINE, false, true },
		{ "what cannot be driven", ROLE_BATTERY, REQUEST_OK, AVAIL_FAULT, false, true },
		{ "a meter", ROLE_GRID, REQUEST_OK, AVAIL_UNKNOWN, false, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct plant *p = start(ROWS[i].roles);

		assert_int_equal(plant_released(p, ~0u), ROWS[i].roles == ROLE_GRID); /* nobody was asked yet */
		feed(ROWS[i].status, ROWS[i].a, ROWS[i].released);
		if (plant_released(p, ~0u) != ROWS[i].all)
			fail_msg("%s", ROWS[i].name);
		stop(p);
	}
	assert_true(n_changed > 0);
}

/* Three devices on two buses. */
static void three(struct config *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	cfg->n_devices = 3;
	cfg->n_buses = 2;
	for (int i = 0; i < 3; i++) {
		snprintf(cfg->device[i].id, sizeof(cfg->device[i].id), "d%d", i);
		snprintf(cfg->device[i].profile, sizeof(cfg->device[i].profile), "sunspec");
		cfg->device[i].roles = ROLE_BATTERY;
		cfg->device[i].bus_index = i / 2;
	}
}

static int life(const struct plant *p, int i)
{
	return *(int *)p->dev[i].memory;
}

/* A reload: what is kept keeps its driver, its state and its answers, at whatever place it comes to stand. */
static void test_change(void **state)
{
	static struct config cfg, next_cfg;
	struct config_kept kept = { .bus = { 1, -1 }, .device = { 2, -1, 0 } };
	struct batch_result r = { .n = 1 };
	struct errbuf err = { "" };
	struct plant *p = NULL;

	(void)state;
	n_inited = n_ended = n_opened = n_bus_closed = 0;
	three(&cfg);
	assert_int_equal(plant_start(&p, uv_default_loop(), &cfg, on_changed, NULL, &err), 0);
	next = (struct device_state){ .availability = AVAIL_ONLINE };
	result_of(context_of, p->dev[2].key, &r);
	next_cfg = cfg;
	snprintf(next_cfg.device[0].id, sizeof(next_cfg.device[0].id), "d2");
	snprintf(next_cfg.device[2].id, sizeof(next_cfg.device[2].id), "d0");

	init_fails = n_inited + 1; /* nothing was changed then */
	assert_int_equal(plant_change(p, &next_cfg, &kept, &err), -EINVAL);
	init_fails = 0;
	assert_true(n_ended == 1 && n_bus_closed == 0 && plant_count(p) == 3);
	assert_true(life(p, 0) == 1 && life(p, 1) == 2 && life(p, 2) == 3);

	assert_int_equal(plant_change(p, &next_cfg, &kept, &err), 0);
	cfg = next_cfg;
	assert_true(life(p, 0) == 3 && life(p, 1) == 5 && life(p, 2) == 1);
	assert_true(n_ended == 2 && n_bus_closed == 1 && n_opened == 3);
	assert_true(p->bus[0] == (struct bus *)2 && p->bus[1] == (struct bus *)3 && !p->bus[2]);
	assert_string_equal(plant_config(p, 0)->id, "d2");
	assert_true(plant_state(p, 0)->availability == AVAIL_ONLINE && plant_state(p, 2)->availability == AVAIL_UNKNOWN);

	n_changed = 0; /* an answer to the one that is gone is nobody's; one that moved gets its own */
	result_of(context_of, 1, &r);
	assert_int_equal(n_changed, 0);
	result_of(context_of, 0, &r);
	assert_int_equal(n_changed, 1);
	assert_int_equal(plant_state(p, 2)->availability, AVAIL_ONLINE);

	assert_false(plant_released(p, 1u << 2)); /* asked only of those that are meant */
	assert_false(plant_released(p, 1u << 1)); /* begun anew, not asked yet */
	assert_true(plant_released(p, 0));

	kept = (struct config_kept){ .bus = { -1, 0 }, .device = { -1, 0, 1 } };
	open_fails = n_opened + 1;
	assert_int_equal(plant_change(p, &next_cfg, &kept, &err), -ENOTRECOVERABLE);
	open_fails = 0;
	stop(p);
	assert_int_equal(n_ended, n_inited);
}

static void test_worn(void **state)
{
	int64_t at_ms[DRIVER_WORN_MAX] = { 0 };
	struct plant *p = start(ROLE_BATTERY);

	(void)state;
	assert_false(plant_wears(p, 0));
	assert_int_equal(plant_worn(p, 0, at_ms), 0); /* most drivers have no such thing */
	plant_recall(p, 0, at_ms, 1);
	assert_int_equal(n_recalled, 0);
	fake.worn = fake_worn;
	fake.recall = fake_recall;
	assert_true(plant_wears(p, 0));
	assert_int_equal(plant_worn(p, 0, at_ms), 1);
	assert_int_equal(at_ms[0], 7);
	plant_recall(p, 0, at_ms, 1);
	assert_true(n_recalled == 1 && recalled_ms == 7);
	stop(p);
}

/* The machine slept on an order: what was due leaves only when the next tick has said whether it still holds. */
static void test_nothing_leaves_behind_a_sleep(void **state)
{
	static const struct order ORDER = { .kind = ORDER_POWER, .w = 1000 };
	static const struct { int64_t slept_ms; int before, after; } ROWS[] = { { 900, 1, 1 }, { 901, 0, 1 }, { 3600000, 0, 1 } };
	struct plant *p = start(ROLE_BATTERY);

	(void)state;
	slept_ms = 5000; /* once, before anything was ordered: there is nothing old to send */
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		plant_aim(p, 0, &ORDER);
		slept_ms += ROWS[i].slept_ms;
		n_batches = 0;
		to_send = 1;
		feed(REQUEST_OK, AVAIL_ONLINE, false); /* an answer, behind which the driver is asked for more */
		on_timer(&p->timer);
		assert_int_equal(n_batches, ROWS[i].before);
		plant_aim(p, 0, &ORDER);
		assert_int_equal(n_batches, ROWS[i].after);
	}
	stop(p);
	slept_ms = 0;
}

/* What was found in a device goes to its driver and comes from it; most drivers have no such thing. */
static int fake_keep(const void *self, double kept[DRIVER_KEPT_MAX])
{
	(void)self;
	kept[0] = 50;
	return 1;
}

static double remembered;

static void fake_remember(void *self, const double *kept, int n)
{
	(void)self;
	remembered = kept[n - 1];
}

static void test_kept(void **state)
{
	double kept[DRIVER_KEPT_MAX] = { 7 };
	struct plant *p = start(ROLE_PV);

	(void)state;
	assert_int_equal(plant_keep(p, 0, kept), 0);
	plant_remember(p, 0, kept, 1);
	assert_true(remembered == 0);
	fake.keep = fake_keep;
	fake.remember = fake_remember;
	plant_remember(p, 0, kept, 1);
	assert_true(remembered == 7 && plant_keep(p, 0, kept) == 1 && kept[0] == 50);
	stop(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_released), cmocka_unit_test(test_change), cmocka_unit_test(test_worn), cmocka_unit_test(test_nothing_leaves_behind_a_sleep),
					    cmocka_unit_test(test_kept) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
