/* A loop, a bus to the faulty server, and the results in the order they came. */
#ifndef HEARTH_TESTS_ITEST_BUS_FIXTURE_H
#define HEARTH_TESTS_ITEST_BUS_FIXTURE_H

#include "drivers/modbus/bus.h"
#include "itest/fault_server.h"
#include "itest/slow.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define TIMEOUT_MS slow_ms(200)
#define LIMIT_MS slow_ms(15000)

struct fixture {
	uv_loop_t loop;
	uv_timer_t limit;
	struct bus *bus;
	struct batch_result got[64];
	uint32_t device[64];
	int n, want;
	bool submit_inside; /* submits once more from the callback */
	bool close_inside;
};

static inline void on_limit(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("no result within %d s", LIMIT_MS / 1000);
}

static inline struct batch batch_of(uint8_t unit, uint8_t fc, uint16_t address, uint16_t count)
{
	struct batch b = { .id = address, .unit = unit, .command = fc > 4, .n = 1 };

	b.r[0] = (struct modbus_request){ .fc = fc, .address = address, .count = count };
	return b;
}

static inline void on_result(void *context, uint32_t device, const struct batch_result *result)
{
	struct fixture *f = context;

	assert_in_range(f->n, 0, 63);
	f->device[f->n] = device;
	f->got[f->n++] = *result;
	if (f->submit_inside) {
		struct batch b = batch_of(GOOD, 3, 999, 1);

		f->submit_inside = false;
		assert_int_equal(bus_submit(f->bus, 1, &b), 0);
	}
	if (f->close_inside) {
		bus_close(f->bus);
		f->bus = NULL;
	}
	if (f->n == f->want)
		uv_stop(&f->loop);
}

/* Waits, without the loop, until one of the server's counts has got there. */
static inline void seen_await(const int *count, int n)
{
	const int64_t end = loop_now_ms() + LIMIT_MS;

	while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < n) {
		assert_true(loop_now_ms() < end);
		usleep(1000);
	}
}

/* Begins to count anew, when the server has finished what was asked before. */
static inline void seen_reset(void)
{
	seen_await(&seen->done, __atomic_load_n(&seen->n, __ATOMIC_SEQ_CST));
	__atomic_store_n(&seen->n, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&seen->done, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&seen->connections, 0, __ATOMIC_SEQ_CST);
}

static inline void setup_at(struct fixture *f, const char *host, int at_port)
{
	struct bus_options o = { .name = "test", .type = BUS_TCP, .port = at_port, .timeout_ms = TIMEOUT_MS };
	struct errbuf err = { "" };

	memset(f, 0, sizeof(*f));
	snprintf(o.host, sizeof(o.host), "%s", host);
	uv_loop_init(&f->loop);
	uv_timer_init(&f->loop, &f->limit);
	uv_timer_start(&f->limit, on_limit, (uint64_t)LIMIT_MS, 0);
	seen_reset();
	if (bus_open(&f->bus, &f->loop, &o, on_result, f, &err))
		fail_msg("%s", err.text);
}

static inline void setup(struct fixture *f)
{
	setup_at(f, "127.0.0.1", port);
}

static inline void results_wait(struct fixture *f, int want)
{
	f->want = want;
	if (f->n < want)
		uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(f->n, want);
}

static inline void teardown(struct fixture *f)
{
	bus_close(f->bus);
	uv_close((uv_handle_t *)&f->limit, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
}

static inline const struct batch_result *ask(struct fixture *f, struct batch b)
{
	assert_int_equal(bus_submit(f->bus, 5, &b), 0);
	results_wait(f, f->n + 1);
	return &f->got[f->n - 1];
}

static inline struct bus_stats stats_of(struct fixture *f)
{
	struct bus_stats s;

	bus_stats(f->bus, &s);
	return s;
}

#endif
