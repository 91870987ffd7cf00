/* Worker threads: order of the lanes, latest wins, full queues, and every way of stopping. */
#include "io/loop.h"
#include "io/worker.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define GOT_MAX 20000

/* Message: what to do. Replies: one number each. */
enum verb { TELL, HOLD, REPEAT, SLEEP, SIGNALS };

struct message {
	enum verb verb;
	int number;
};

struct fixture {
	uv_loop_t loop;
	struct worker *w;
	struct worker_options o;
	sem_t begun, go;          /* HOLD: the thread says it began, and waits */
	int got[GOT_MAX], n;
	int want;                 /* the loop ends when so many came */
	int idles;                /* the thread's */
	bool stop_inside;         /* worker_stop from the reply callback */
	char name[16];
};

static void on_work(struct worker *w, void *context, const void *message)
{
	struct fixture *f = context;
	const struct message *m = message;
	int number = m->number;
	sigset_t mask;

	switch (m->verb) {
	case TELL:
		worker_reply(w, &number);
		break;
	case HOLD:
		sem_post(&f->begun);
		sem_wait(&f->go);
		worker_reply(w, &number);
		break;
	case REPEAT:
		for (int i = 0; i < number; i++)
			worker_reply(w, &i);
		break;
	case SLEEP:
		sem_post(&f->begun);
		worker_sleep(w, number);
		number = worker_stopping(w);
		worker_reply(w, &number);
		break;
	case SIGNALS:
		pthread_sigmask(SIG_SETMASK, NULL, &mask);
		number = sigismember(&mask, SIGTERM) && sigismember(&mask, SIGCHLD);
		pthread_getname_np(pthread_self(), f->name, sizeof(f->name));
		worker_reply(w, &number);
		break;
	}
}

static void on_idle(struct worker *w, void *context)
{
	struct fixture *f = context;
	int number = -1;

	if (f->idles++ < 3)
		worker_reply(w, &number);
}

static void on_reply(void *context, const void *reply)
{
	struct fixture *f = context;

	assert_in_range(f->n, 0, GOT_MAX - 1);
	memcpy(&f->got[f->n++], reply, sizeof(int));
	if (f->stop_inside) {
		struct message late = { TELL, 99 };

		f->stop_inside = false; /* the rest arrives from inside worker_stop */
		worker_stop(f->w, true);
		assert_int_equal(worker_post(f->w, 0, 0, &late, NULL, NULL), -EAGAIN);
		f->w = NULL;
	}
	if (f->n == f->want)
		uv_stop(&f->loop);
}

static void setup(struct fixture *f, int depth, int reply_depth)
{
	memset(f, 0, sizeof(*f));
	uv_loop_init(&f->loop);
	sem_init(&f->begun, 0, 0);
	sem_init(&f->go, 0, 0);
	f->o = (struct worker_options){ .name = "test-worker-with-a-long-name", .lanes = 2, .depth = depth,
					.message_size = sizeof(struct message), .reply_size = sizeof(int),
					.reply_depth = reply_depth, .work = on_work, .reply = on_reply, .context = f };
}

static void begin(struct fixture *f)
{
	assert_int_equal(worker_start(&f->w, &f->loop, &f->o, NULL), 0);
}

static void on_limit(uv_timer_t *timer)
{
	(void)timer;
	fail_msg("nothing more came within 10 s");
}

static void loop_until(struct fixture *f, int want)
{
	uv_timer_t limit;

	f->want = want;
	uv_timer_init(&f->loop, &limit);
	uv_timer_start(&limit, on_limit, 10000, 0);
	if (f->n < want)
		uv_run(&f->loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&limit, NULL);
	uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_int_equal(f->n, want);
}

static void teardown(struct fixture *f)
{
	worker_stop(f->w, false);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0); /* EBUSY: a handle was left open */
	sem_destroy(&f->begun);
	sem_destroy(&f->go);
}

static int post(struct fixture *f, int lane, uint64_t key, enum verb verb, int number)
{
	struct message m = { verb, number };

	return worker_post(f->w, lane, key, &m, NULL, NULL);
}

static void hold(struct fixture *f)
{
	assert_int_equal(post(f, 1, 0, HOLD, 0), 0);
	sem_wait(&f->begun);
}

static void got(const struct fixture *f, const int *numbers, int n)
{
	assert_int_equal(f->n, n);
	for (int i = 0; i < n; i++)
		assert_int_equal(f->got[i], numbers[i]);
}

static void test_bad_options(void **state)
{
	struct fixture f;
	struct errbuf err = { "" };

	(void)state;
	setup(&f, 4, 4);
	f.o.lanes = WORKER_LANES_MAX + 1;
	assert_int_equal(worker_start(&f.w, &f.loop, &f.o, &err), -EINVAL);
	assert_non_null(strstr(err.text, "test-worker"));
	f.o.lanes = 1;
	f.o.reply = NULL;
	assert_int_equal(worker_start(&f.w, &f.loop, &f.o, &err), -EINVAL);
	worker_stop(NULL, true);
	worker_ask_stop(NULL, true);
	teardown(&f);
}

static void test_lane_order(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 4, 4);
	begin(&f);
	hold(&f);
	assert_int_equal(post(&f, 1, 0, TELL, 11), 0);
	assert_int_equal(post(&f, 1, 0, TELL, 12), 0);
	assert_int_equal(post(&f, 0, 0, TELL, 1), 0);
	assert_int_equal(post(&f, 0, 0, TELL, 2), 0);
	assert_int_equal(post(&f, 2, 0, TELL, 2), -EINVAL);
	assert_int_equal(worker_waiting(f.w, 0), 2);
	assert_int_equal(worker_waiting(f.w, 1), 2);
	sem_post(&f.go);
	loop_until(&f, 5);
	got(&f, (const int[]){ 0, 1, 2, 11, 12 }, 5);
	teardown(&f);
}

static void test_latest_wins(void **state)
{
	struct fixture f;
	struct message m = { TELL, 8 }, old = { TELL, 0 };
	bool was = true;

	(void)state;
	setup(&f, 2, 4);
	begin(&f);
	assert_int_equal(post(&f, 0, 7, HOLD, 0), 0); /* begun: can no longer be replaced */
	sem_wait(&f.begun);
	assert_int_equal(post(&f, 0, 7, TELL, 1), 0);
	assert_int_equal(post(&f, 0, 9, TELL, 2), 0);
	assert_int_equal(post(&f, 0, 0, TELL, 3), -EAGAIN); /* full */
	assert_int_equal(post(&f, 0, 8, TELL, 3), -EAGAIN);
	assert_int_equal(worker_post(f.w, 0, 7, &m, &old, &was), 0); /* keeps its place, and fits where nothing else does */
	assert_true(was);
	assert_int_equal(old.number, 1);
	m.number = 20;
	assert_int_equal(worker_post(f.w, 1, 7, &m, &old, &was), 0); /* another lane: another matter */
	assert_false(was);
	sem_post(&f.go);
	loop_until(&f, 4);
	got(&f, (const int[]){ 0, 8, 2, 20 }, 4);
	teardown(&f);
}

static void test_loop_is_behind(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 4, 2);
	begin(&f);
	assert_int_equal(post(&f, 0, 0, REPEAT, 1000), 0);
	loop_until(&f, 1000);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(f.got[i], i);
	teardown(&f);
}

static void test_stop_while_behind(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 4, 2);
	begin(&f);
	post(&f, 0, 0, REPEAT, 500);
	post(&f, 0, 0, TELL, 1000);
	while (worker_waiting(f.w, 0) > 1) /* until it has begun */
		usleep(1000);
	usleep(20000); /* the thread is stuck at a full queue by now; nothing here runs the loop */
	teardown(&f);
	assert_int_equal(f.n, 500); /* what was begun is told to the last reply, what waited is dropped */
}

static void test_stop_and_drain(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 8, 2);
	begin(&f);
	hold(&f);
	for (int i = 1; i <= 8; i++)
		assert_int_equal(post(&f, 0, 0, TELL, i), 0);
	worker_ask_stop(f.w, true);
	assert_int_equal(post(&f, 0, 0, TELL, 9), -EAGAIN);
	sem_post(&f.go);
	worker_stop(f.w, true);
	f.w = NULL;
	got(&f, (const int[]){ 0, 1, 2, 3, 4, 5, 6, 7, 8 }, 9);
	teardown(&f);
}

static void test_stop_wakes_sleep(void **state)
{
	struct fixture f;
	int64_t begun = loop_now_ms();

	(void)state;
	setup(&f, 4, 4);
	begin(&f);
	post(&f, 0, 0, SLEEP, 60000);
	sem_wait(&f.begun);
	worker_stop(f.w, false);
	f.w = NULL;
	assert_in_range(loop_now_ms() - begun, 0, 5000);
	got(&f, (const int[]){ 1 }, 1);
	teardown(&f);
}

static void test_stop_inside_reply(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 4, 4);
	f.stop_inside = true;
	begin(&f);
	post(&f, 0, 0, REPEAT, 3);
	f.want = 3;
	uv_run(&f.loop, UV_RUN_DEFAULT); /* ends because the worker's handle closes */
	got(&f, (const int[]){ 0, 1, 2 }, 3);
	teardown(&f);
}

static void test_echo(void **state)
{
	struct fixture f;
	int number = 5;

	(void)state;
	setup(&f, 2, 3);
	begin(&f);
	hold(&f);
	for (int i = 0; i < 5; i++) /* 3 for the thread, and room for 2 beyond */
		assert_int_equal(worker_echo(f.w, &number), 0);
	assert_int_equal(worker_echo(f.w, &number), -EAGAIN);
	assert_int_equal(f.n, 0); /* never from inside */
	sem_post(&f.go);
	loop_until(&f, 6);
	got(&f, (const int[]){ 5, 5, 5, 5, 5, 0 }, 6);
	teardown(&f);
}

static void test_idle(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 2, 3);
	f.o.idle = on_idle;
	f.o.idle_ms = 5;
	begin(&f);
	loop_until(&f, 3);
	got(&f, (const int[]){ -1, -1, -1 }, 3);
	teardown(&f);
}

static void test_thread(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f, 2, 3);
	begin(&f);
	post(&f, 0, 0, SIGNALS, 0);
	loop_until(&f, 1);
	got(&f, (const int[]){ 1 }, 1);
	teardown(&f);
	assert_string_equal(f.name, "test-worker-wit");
}

/* Posting, replacing, reading and stopping from the loop while the thread is busy: what came must be in order. */
static void test_crowd(void **state)
{
	struct fixture f;

	(void)state;
	for (int round = 0; round < 20; round++) {
		int posted = 0;

		setup(&f, 8, 4);
		begin(&f);
		while (posted < 500) {
			if (!post(&f, posted % 2, posted % 3 ? 0 : 77, TELL, posted + 1))
				posted++;
			else
				uv_run(&f.loop, UV_RUN_NOWAIT);
		}
		worker_stop(f.w, round % 2);
		f.w = NULL;
		for (int lane = 0; lane < 2; lane++)
			for (int i = 0, last = 0; i < f.n; i++)
				if ((f.got[i] - 1) % 2 == lane && (f.got[i] - 1) % 3) {
					assert_true(f.got[i] > last);
					last = f.got[i];
				}
		teardown(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad_options), cmocka_unit_test(test_lane_order), cmocka_unit_test(test_latest_wins),
		cmocka_unit_test(test_loop_is_behind), cmocka_unit_test(test_stop_while_behind),
		cmocka_unit_test(test_stop_and_drain), cmocka_unit_test(test_stop_wakes_sleep),
		cmocka_unit_test(test_stop_inside_reply), cmocka_unit_test(test_echo), cmocka_unit_test(test_idle),
		cmocka_unit_test(test_thread), cmocka_unit_test(test_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
