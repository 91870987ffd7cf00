/* The link of the bus: black holes, refusals, hang-ups, descriptors, and how long closing takes. */
#include "itest/bus_fixture.h"

#include <dirent.h>

static void test_close_is_bounded(void **state)
{
	struct fixture f;
	struct batch slow = batch_of(SILENT, 3, 0, 1), pause = batch_of(GOOD, 3, 0, 1);
	int64_t begun;

	(void)state;
	setup(&f);
	bus_submit(f.bus, 0, &slow);
	seen_await(&seen->n, 1);
	begun = loop_now_ms();
	bus_close(f.bus);
	assert_in_range(loop_now_ms() - begun, 0, TIMEOUT_MS + slow_ms(1000));
	f.bus = NULL;
	teardown(&f);

	setup(&f);
	pause.n = 2;
	pause.r[1] = pause.r[0];
	pause.r[1].gap_ms = 60000;
	bus_submit(f.bus, 0, &pause);
	seen_await(&seen->done, 1);
	usleep(200000); /* the answer is read */
	begun = loop_now_ms();
	bus_ask_close(f.bus);
	bus_close(f.bus);
	f.bus = NULL;
	assert_in_range(loop_now_ms() - begun, 0, slow_ms(2000)); /* it would be a minute */
	assert_int_equal(f.n, 1);
	assert_int_equal(f.got[0].status[0], REQUEST_OK);
	assert_int_equal(f.got[0].status[1], REQUEST_NOT_TRIED);
	teardown(&f);
}

/* A port whose accept queue is full drops what comes: as a host behind a firewall that says nothing. */
static void test_black_hole(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(in);
	int hole = socket(AF_INET, SOCK_STREAM, 0), fill[8];
	struct fixture f;
	const struct batch_result *r;

	(void)state;
	assert_int_equal(bind(hole, (struct sockaddr *)&in, size) | listen(hole, 0), 0);
	getsockname(hole, (struct sockaddr *)&in, &size);
	for (int i = 0; i < 8; i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		connect(fill[i], (struct sockaddr *)&in, size);
	}
	usleep(50000);
	setup_at(&f, "127.0.0.1", ntohs(in.sin_port));
	r = ask(&f, batch_of(GOOD, 6, 1, 1));
	assert_int_equal(r->status[0], REQUEST_NO_LINK);
	assert_int_equal(stats_of(&f).connects, 0);
	assert_int_equal(stats_of(&f).connect_failures, 1);
	assert_non_null(strstr(stats_of(&f).last_error, "timed out"));
	usleep(400000);
	r = ask(&f, batch_of(GOOD, 6, 1, 1)); /* after the back-off it is tried again, for 500 ms */
	assert_int_equal(r->status[0], REQUEST_NO_LINK);
	assert_true(stats_of(&f).connect_failures >= 2);
	teardown(&f);
	for (int i = 0; i < 8; i++)
		close(fill[i]);
	close(hole);
}

static void test_refused_is_told_at_once(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(in);
	int taken = socket(AF_INET, SOCK_STREAM, 0); /* bound, not listening: nobody else gets the port */
	struct fixture f;
	int64_t begun;

	(void)state;
	assert_int_equal(bind(taken, (struct sockaddr *)&in, size), 0);
	getsockname(taken, (struct sockaddr *)&in, &size);
	setup_at(&f, "127.0.0.1", ntohs(in.sin_port));
	begun = loop_now_ms();
	for (int i = 0; i < 40; i++)
		assert_int_equal(ask(&f, batch_of(GOOD, 3, 1, 1))->status[0], REQUEST_NO_LINK);
	assert_in_range(loop_now_ms() - begun, 0, slow_ms(3000)); /* 40 waits for a connection would be 20 s */
	assert_in_range(stats_of(&f).connect_failures, 1, 10); /* backed off, not once a batch */
	assert_non_null(strstr(stats_of(&f).last_error, "refused"));
	teardown(&f);

	setup_at(&f, "no-such-host.invalid", 502);
	assert_int_equal(ask(&f, batch_of(GOOD, 3, 1, 1))->status[0], REQUEST_NO_LINK);
	assert_non_null(strstr(stats_of(&f).last_error, "no-such-host.invalid"));
	teardown(&f);
	close(taken);
}

/* A server that takes the connection and hangs up at once is not called in a tight loop. */
static void test_hang_up_backs_off(void **state)
{
	struct fixture f;

	(void)state;
	setup(&f);
	for (int i = 0; i < 50; i++) {
		assert_int_not_equal(ask(&f, batch_of(HANGS_UP, 3, 1, 1))->status[0], REQUEST_OK);
		usleep(10000);
	}
	assert_in_range(seen->connections, 2, 10); /* 3 or 4 in half a second, one more in each time twice as long */
	teardown(&f);
}

static int fds_open(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void test_no_descriptor_is_lost(void **state)
{
	struct fixture f;
	int before = fds_open();

	(void)state;
	for (int i = 0; i < 5; i++) {
		setup(&f);
		ask(&f, batch_of(FALSE_TRANSACTION, 3, 1, 1));
		ask(&f, batch_of(HANGS_UP, 3, 1, 1));
		ask(&f, batch_of(GOOD, 3, 1, 1));
		teardown(&f);
	}
	assert_int_equal(fds_open(), before);
}

/* A descriptor that select() cannot hold is refused. */
static void test_many_descriptors(void **state)
{
	struct fixture f;
	int fd[1100], n = 0;

	(void)state;
	while (n < 1100 && (fd[n] = dup(0)) >= 0)
		n++;
	if (n == 1100) {
		setup(&f);
		assert_int_equal(ask(&f, batch_of(GOOD, 3, 1, 1))->status[0], REQUEST_NO_LINK);
		assert_non_null(strstr(stats_of(&f).last_error, "open files"));
		teardown(&f);
	}
	while (n)
		close(fd[--n]);
	if (fds_open() > 1000)
		fail();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_close_is_bounded),
		cmocka_unit_test(test_black_hole),
		cmocka_unit_test(test_refused_is_told_at_once),
		cmocka_unit_test(test_hang_up_backs_off),
		cmocka_unit_test(test_no_descriptor_is_lost),
		cmocka_unit_test(test_many_descriptors),
	};
	int r;

	if (server_start()) {
		perror("server");
		return 1;
	}
	r = cmocka_run_group_tests(tests, NULL, NULL);
	server_stop();
	return r;
}
