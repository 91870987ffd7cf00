/* A loop with a ticking timer, the HTTP server of hostile_http.py and the client, for the tests of io/http. */
#ifndef HEARTH_TESTS_HTTP_HOSTILE_H
#define HEARTH_TESTS_HTTP_HOSTILE_H

#include "support/cm.h"

#include "io/http.h"
#include "itest/slow.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS 10
#define HELD_MAX_MS slow_ms(200)

enum door { DOOR_PLAIN, DOOR_GOOD, DOOR_EXPIRED, DOOR_OTHER_HOST, DOOR_STRANGER, DOOR_OLD_TLS, DOORS };

static struct {
	pid_t pid;
	int in;
	int port[DOORS];
	char dir[64], ca[96];
} hostile;

static uv_loop_t loop;
static struct http *http;
static uv_timer_t ticker;
static uint64_t last_tick_ns, last_idle_ns, last_waited_ns;
static double max_held_ms;

/* What passed since the last tick and was not spent waiting, for events or for a processor, is the callbacks'. Lateness itself
 * would also tell of a machine with too few processors. */
static inline void on_tick(uv_timer_t *timer)
{
	const uint64_t now = uv_hrtime(), idle = uv_metrics_idle_time(&loop);
	const uint64_t waited = processor_waited_ns();
	const double held_ms = ((double)(now - last_tick_ns) - (double)(idle - last_idle_ns) - (double)(waited - last_waited_ns)) / 1e6;

	(void)timer;
	if (held_ms > max_held_ms)
		max_held_ms = held_ms;
	last_tick_ns = now;
	last_idle_ns = idle;
	last_waited_ns = waited;
}

static inline void ticker_reset(void)
{
	last_tick_ns = uv_hrtime();
	last_idle_ns = uv_metrics_idle_time(&loop);
	last_waited_ns = processor_waited_ns();
	uv_update_time(&loop);
	uv_timer_start(&ticker, on_tick, TICK_MS, TICK_MS);
}

/* Runs the loop until *flag is at least @least. */
static inline void until(const int *flag, int least, int ms)
{
	const uint64_t end = uv_hrtime() + (uint64_t)slow_ms(ms) * 1000000;

	ticker_reset();
	while (*flag < least && uv_hrtime() < end)
		uv_run(&loop, UV_RUN_ONCE);
	if (*flag < least)
		fail_msg("waited %d ms for %d, have %d", ms, least, *flag);
}

static inline void run_ms(int ms)
{
	const uint64_t end = uv_hrtime() + (uint64_t)ms * 1000000;

	ticker_reset();
	while (uv_hrtime() < end)
		uv_run(&loop, UV_RUN_ONCE);
}

static inline int hostile_start(void **state)
{
	int in[2], out[2];
	char line[128] = "";
	FILE *f;

	(void)state;
	strcpy(hostile.dir, "/tmp/hostile-XXXXXX");
	if (!mkdtemp(hostile.dir) || pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
		return -1;
	snprintf(hostile.ca, sizeof(hostile.ca), "%s/ca.pem", hostile.dir);
	hostile.pid = fork();
	if (hostile.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], 0);
		dup2(out[1], 1);
		execl("/usr/bin/python3", "python3", "-W", "ignore", HEARTH_SOURCE_DIR "/tests/itest/hostile_http.py", hostile.dir,
		      (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	hostile.in = in[1];
	f = fdopen(out[0], "r");
	if (!f || !fgets(line, sizeof(line), f) ||
	    sscanf(line, "%d %d %d %d %d %d", &hostile.port[0], &hostile.port[1], &hostile.port[2], &hostile.port[3],
		   &hostile.port[4], &hostile.port[5]) != DOORS)
		return -1;
	fclose(f);
	uv_loop_init(&loop);
	uv_loop_configure(&loop, UV_METRICS_IDLE_TIME);
	uv_timer_init(&loop, &ticker);
	return 0;
}

static inline int hostile_stop(void **state)
{
	char command[96];
	int r;

	(void)state;
	http_close(http); /* of a test that failed */
	uv_close((uv_handle_t *)&ticker, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	r = uv_loop_close(&loop);
	close(hostile.in);
	waitpid(hostile.pid, NULL, 0);
	snprintf(command, sizeof(command), "rm -r %s", hostile.dir);
	printf("loop: held for at most %.1f ms between two ticks\n", max_held_ms);
	return system(command) ? -1 : r;
}

/* The loop was never held: the last test of a file. */
static inline void test_loop_free(void **state)
{
	(void)state;
	assert_true(max_held_ms > 0);
	if (max_held_ms >= HELD_MAX_MS)
		fail_msg("the loop was held for %.1f ms", max_held_ms);
}

static inline void open_http(const char *ca_file)
{
	const struct http_options o = { .ca_file = ca_file };
	struct errbuf err = { "" };

	if (http_open(&http, &loop, &o, &err) < 0)
		fail_msg("%s", err.text);
}

/* Closes in time, and lets the handles close. Returns how long it took. */
static inline double close_http(void)
{
	const uint64_t start = uv_hrtime();
	double ms;

	http_close(http);
	http = NULL;
	ms = (double)(uv_hrtime() - start) / 1e6;
	run_ms(20);
	if (ms >= slow_ms(2000)) /* what it must not wait for takes 20 s */
		fail_msg("http_close took %.0f ms", ms);
	return ms;
}

#endif
