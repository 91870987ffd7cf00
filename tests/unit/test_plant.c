/* When the plant says that everything is released: not while a device that answers may still hold an order of an earlier life. The
 * buses and the drivers are played by this file. */
#include "flow/control/plant.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <stddef.h>
#include <cmocka.h>

static struct device_state next;
static bus_result_fn result_of;
static void *context_of;
static int64_t recalled_ms;
static int n_recalled, n_changed;

static int fake_init(void *self, const struct driver_options *options, struct device_state *state, struct errbuf *err)
{
	(void)self;
	(void)options;
	(void)err;
	*state = (struct device_state){ .availability = AVAIL_UNKNOWN };
	return 0;
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
	batch->n = 0;
	return now_ms + 1000;
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

static struct driver fake = { .name = "fake", .size = 8, .init = fake_init, .aim = fake_aim, .plan = fake_plan, .feed = fake_feed };

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
	*out = NULL;
	result_of = done;
	context_of = context;
	return 0;
}

int bus_submit(struct bus *bus, uint32_t device, const struct batch *batch)
{
	(void)bus;
	(void)device;
	(void)batch;
	return 0;
}

void bus_ask_close(struct bus *bus)
{
	(void)bus;
}

void bus_close(struct bus *bus)
{
	(void)bus;
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

		assert_true(plant_released(p)); /* nobody answered yet */
		feed(ROWS[i].status, ROWS[i].a, ROWS[i].released);
		if (plant_released(p) != ROWS[i].all)
			fail_msg("%s", ROWS[i].name);
		stop(p);
	}
	assert_true(n_changed > 0);
}

static void test_worn(void **state)
{
	int64_t at_ms[DRIVER_WORN_MAX] = { 0 };
	struct plant *p = start(ROLE_BATTERY);

	(void)state;
	assert_int_equal(plant_worn(p, 0, at_ms), 0); /* most drivers have no such thing */
	plant_recall(p, 0, at_ms, 1);
	assert_int_equal(n_recalled, 0);
	fake.worn = fake_worn;
	fake.recall = fake_recall;
	assert_int_equal(plant_worn(p, 0, at_ms), 1);
	assert_int_equal(at_ms[0], 7);
	plant_recall(p, 0, at_ms, 1);
	assert_true(n_recalled == 1 && recalled_ms == 7);
	stop(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_released), cmocka_unit_test(test_worn) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
