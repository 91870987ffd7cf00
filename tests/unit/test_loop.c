/* The measure of the loop's turns: blocked in every kind of callback, waiting is not counted, blame goes to the right mark. */
#include "io/loop.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define BLOCK_MS 20

struct fixture {
	uv_loop_t loop;
	uv_timer_t timer;
	uv_poll_t poll;
	uv_async_t async;
	int pipe[2];
	int done;      /* callbacks that ran */
	bool spin;     /* burn CPU instead of sleeping */
	void (*marks)(void);
};

static void spend(bool spin)
{
	uint64_t until = uv_hrtime() + (uint64_t)BLOCK_MS * 1000000;

	if (!spin)
		nanosleep(&(struct timespec){ .tv_nsec = BLOCK_MS * 1000000L }, NULL);
	while (uv_hrtime() < until)
		;
}

static void block(struct fixture *f)
{
	f->done++;
	if (f->marks)
		f->marks();
	else
		spend(f->spin);
}

static void on_timer(uv_timer_t *t)
{
	block(t->data);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	char byte;

	(void)status;
	(void)events;
	assert_int_equal(read(((struct fixture *)p->data)->pipe[0], &byte, 1), 1);
	block(p->data);
}

static void on_async(uv_async_t *a)
{
	block(a->data);
}

static void on_wake(uv_timer_t *t)
{
	(void)t;
}

static void on_mark(uv_timer_t *t)
{
	loop_mark("left on");
	((struct fixture *)t->data)->done++;
}

static struct fixture *fixture_make(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	assert_int_equal(uv_loop_init(&f->loop), 0);
	assert_int_equal(pipe(f->pipe), 0);
	uv_timer_init(&f->loop, &f->timer);
	uv_poll_init(&f->loop, &f->poll, f->pipe[0]);
	uv_async_init(&f->loop, &f->async, on_async);
	f->timer.data = f->poll.data = f->async.data = f;
	assert_int_equal(loop_watch_start(&f->loop), 0);
	return f;
}

static void fixture_free(struct fixture *f)
{
	loop_watch_stop();
	loop_watch_stop(); /* twice is fine */
	uv_close((uv_handle_t *)&f->timer, NULL);
	uv_close((uv_handle_t *)&f->poll, NULL);
	uv_close((uv_handle_t *)&f->async, NULL);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0); /* its handle is gone too */
	close(f->pipe[0]);
	close(f->pipe[1]);
	free(f);
}

static void run_until(struct fixture *f, int done)
{
	for (int i = 0; i < 10000 && f->done < done; i++)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_true(f->done >= done);
	uv_run(&f->loop, UV_RUN_NOWAIT); /* a timer's callback comes after the look at its turn */
}

static void start_timer(struct fixture *f)
{
	uv_timer_start(&f->timer, on_timer, 30, 0);
}

static void start_poll(struct fixture *f)
{
	uv_poll_start(&f->poll, UV_READABLE, on_poll);
	assert_int_equal(write(f->pipe[1], "x", 1), 1);
}

static void start_async(struct fixture *f)
{
	uv_async_send(&f->async);
}

static void test_blocked(void **context)
{
	static const struct {
		const char *name;
		void (*start)(struct fixture *f);
		bool spin;
	} ROWS[] = {
		{ "a timer that sleeps", start_timer, false }, { "a timer that works", start_timer, true },
		{ "a descriptor that sleeps", start_poll, false }, { "a descriptor that works", start_poll, true },
		{ "an async that sleeps", start_async, false }, { "an async that works", start_async, true },
	};

	(void)context;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct fixture *f = fixture_make();
		struct loop_busy b;
		bool fine;

		f->spin = ROWS[i].spin;
		ROWS[i].start(f);
		run_until(f, 1);
		loop_busy(&b);
		fine = b.longest_ms >= BLOCK_MS - 1 && b.longest_ms < 500 * BLOCK_MS && b.over >= 1 && b.turns >= 1 && b.longest_utc_ms &&
		       b.busy_ms >= b.longest_ms && b.recent_ms == b.longest_ms && !b.at[0];
		if (ROWS[i].spin) /* others may have had the processor for a part of it */
			fine = fine && b.longest_cpu_ms > 1 && b.longest_cpu_ms <= b.longest_ms + 1;
		else
			fine = fine && b.longest_cpu_ms < BLOCK_MS / 2.0;
		if (!fine)
			fail_msg("%s: %.1f ms, CPU %.1f ms, recent %.1f ms, %d over, %d turns", ROWS[i].name, b.longest_ms, b.longest_cpu_ms,
				 b.recent_ms, (int)b.over, (int)b.turns);
		fixture_free(f);
	}
}

/* Waiting for news is not being busy, however long, and with whatever comes while it waits. */
static void test_waiting(void **context)
{
	struct fixture *f = fixture_make();
	struct loop_busy b;

	(void)context;
	uv_timer_start(&f->timer, on_wake, 200, 200);
	for (int i = 0; i < 5; i++)
		uv_run(&f->loop, UV_RUN_ONCE);
	loop_busy(&b);
	assert_true(b.turns >= 5);
	assert_true(b.busy_ms < 500); /* 1000 were waited; the rest is what a busy machine takes */
	assert_true(b.longest_cpu_ms < 5);
	fixture_free(f);
}

static void mark_second(void)
{
	loop_mark("first");
	loop_mark("second");
	spend(true);
	loop_mark("third");
	loop_mark(NULL);
}

static void mark_long(void)
{
	char name[] = "abcdefghijklmnopqrstuvwxyz";

	loop_mark(name);
	memset(name, '!', sizeof(name)); /* it was copied */
	spend(true);
}

static void mark_short(void)
{
	loop_mark("short");
}

static void mark_nobody(void)
{
	loop_mark("first");
	loop_mark(NULL);
	spend(true);
}

static void mark_and_end(void)
{
	spend(true);
	loop_mark("late"); /* blamed for what follows only */
}

static void test_marks(void **context)
{
	static const struct {
		const char *name, *want;
		void (*marks)(void);
	} ROWS[] = {
		{ "time before a mark is not its own", "", mark_and_end },
		{ "time after the last mark is nobody's", "", mark_nobody },
		{ "the longest part", "second", mark_second }, { "a long name is cut", "abcdefghijklmnopqrstuvw", mark_long },
	};
	struct loop_busy b;

	(void)context;
	loop_mark("nobody measures");
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct fixture *f = fixture_make();

		loop_busy(&b);
		assert_true(b.turns == 0 && b.longest_ms == 0 && !b.at[0]); /* begins anew */
		f->marks = ROWS[i].marks;
		start_poll(f);
		run_until(f, 1);
		loop_busy(&b);
		if (strcmp(b.at, ROWS[i].want) != 0)
			fail_msg("%s: '%s'", ROWS[i].name, b.at);
		fixture_free(f);
	}
}

/* What is built before the loop runs holds nobody up. */
static void test_before(void **context)
{
	struct fixture *f = fixture_make();
	struct loop_busy b;

	(void)context;
	loop_mark("start");
	spend(true);
	uv_timer_start(&f->timer, on_timer, 0, 5); /* its time has come too: ours goes first */
	f->marks = mark_short;
	run_until(f, 1);
	loop_busy(&b);
	assert_true(b.turns >= 1 && b.longest_cpu_ms < BLOCK_MS / 2.0 && b.over_cpu == 0);
	fixture_free(f);
}

/* A mark does not outlive its turn: the next one is not blamed on it. */
static void test_mark_ends(void **context)
{
	struct fixture *f = fixture_make();
	struct loop_busy b;

	(void)context;
	uv_timer_start(&f->timer, on_mark, 1, 0);
	while (!f->done) /* never UV_RUN_ONCE: a timer that is due at once leaves nothing to wake up for */
		uv_run(&f->loop, UV_RUN_NOWAIT);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	start_poll(f);
	run_until(f, 2);
	loop_busy(&b);
	assert_true(b.longest_ms >= BLOCK_MS - 1);
	assert_string_equal(b.at, "");
	fixture_free(f);
}

/* Together longer than the longest turn so far, whatever that had to wait for; each of them shorter. */
static void mark_halves(void)
{
	uint64_t from = uv_hrtime(), half_ns;
	struct loop_busy b;

	loop_busy(&b);
	half_ns = (uint64_t)(b.longest_ms * 0.7e6);
	loop_mark("one half");
	while (uv_hrtime() < from + half_ns)
		;
	loop_mark("other half");
	while (uv_hrtime() < from + 2 * half_ns)
		;
}

/* Each turn is blamed by its own parts, also when a part of an earlier one took longer. */
static void test_own_parts(void **context)
{
	struct fixture *f = fixture_make();
	struct loop_busy b = { 0 };

	(void)context;
	f->spin = true;
	start_poll(f);
	run_until(f, 1);
	f->marks = mark_halves;
	for (int i = 2; i < 7 && !strstr(b.at, "half"); i++) { /* on a busy machine another turn may be the longest */
		assert_int_equal(write(f->pipe[1], "x", 1), 1);
		run_until(f, i);
		loop_busy(&b);
	}
	assert_non_null(strstr(b.at, "half"));
	fixture_free(f);
}

static void test_one_at_a_time(void **context)
{
	struct fixture *f = fixture_make();

	(void)context;
	assert_int_equal(loop_watch_start(&f->loop), -EBUSY);
	loop_watch_stop();
	assert_int_equal(loop_watch_start(&f->loop), -EBUSY); /* still closing */
	uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(loop_watch_start(&f->loop), 0);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_blocked), cmocka_unit_test(test_waiting), cmocka_unit_test(test_marks),
		cmocka_unit_test(test_before), cmocka_unit_test(test_mark_ends), cmocka_unit_test(test_own_parts),
		cmocka_unit_test(test_one_at_a_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
