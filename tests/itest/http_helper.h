/* A loop with a ticking timer, the HTTP server of hostile_http.py, and requests whose answers are kept, for the tests of io/http. */
#ifndef HEARTH_TESTS_HTTP_HELPER_H
#define HEARTH_TESTS_HTTP_HELPER_H

#include "support/cm.h"

#include "io/http.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TICK_MS 10
#define HELD_MAX_MS 100

enum door { DOOR_PLAIN, DOOR_GOOD, DOOR_EXPIRED, DOOR_OTHER_HOST, DOOR_STRANGER, DOOR_OLD_TLS, DOORS };

static struct {
	pid_t pid;
	int in;
	int port[DOORS];
	char dir[64], ca[96];
} hostile;

static uv_loop_t loop;
static uv_timer_t ticker;
static uint64_t last_tick_ns, last_idle_ns;
static double max_held_ms;

/* What passed since the last tick and was not spent waiting for events is the callbacks'. Lateness itself would also tell of a
 * machine with too few processors. */
static inline void on_tick(uv_timer_t *timer)
{
	const uint64_t now = uv_hrtime(), idle = uv_metrics_idle_time(&loop);
	const double held_ms = (double)(now - last_tick_ns - (idle - last_idle_ns)) / 1e6;

	(void)timer;
	if (held_ms > max_held_ms)
		max_held_ms = held_ms;
	last_tick_ns = now;
	last_idle_ns = idle;
}

static inline void ticker_reset(void)
{
	last_tick_ns = uv_hrtime();
	last_idle_ns = uv_metrics_idle_time(&loop);
	uv_update_time(&loop);
	uv_timer_start(&ticker, on_tick, TICK_MS, TICK_MS);
}

/* Runs the loop until *flag is at least @least. */
static inline void until(const int *flag, int least, int ms)
{
	const uint64_t end = uv_hrtime() + (uint64_t)ms * 1000000;

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

	(void)state;
	uv_close((uv_handle_t *)&ticker, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	if (uv_loop_close(&loop) != 0)
		return -1;
	close(hostile.in);
	waitpid(hostile.pid, NULL, 0);
	snprintf(command, sizeof(command), "rm -r %s", hostile.dir);
	printf("loop: held for at most %.1f ms between two ticks\n", max_held_ms);
	return system(command);
}

/* The loop was never held: the last test of a file. */
static inline void test_loop_free(void **state)
{
	(void)state;
	assert_true(max_held_ms > 0);
	if (max_held_ms >= HELD_MAX_MS)
		fail_msg("the loop was held for %.1f ms", max_held_ms);
}

/* One request and what became of it. */
struct shot {
	struct http_answer a; /* result is NULL here, or the body as text, ours */
	int done;
	bool leave;           /* does not take the result */
	void (*then)(struct shot *s);
};

static atomic_int texts;      /* results that exist */
static atomic_int n_decoded;
static struct http *http;

static inline void *text_decode(const struct http_answer *a)
{
	char *copy = malloc(a->len + 1);

	atomic_fetch_add(&texts, 1);
	atomic_fetch_add(&n_decoded, 1);
	if (copy)
		memcpy(copy, a->body, a->len + 1); /* with the NUL that is promised */
	return copy;
}

static inline void text_drop(void *result)
{
	atomic_fetch_sub(&texts, 1);
	free(result);
}

static inline void shot_done(void *context, struct http_answer *a)
{
	struct shot *s = context;

	s->a = *a;
	s->done++;
	if (!s->leave)
		a->result = NULL;
	else
		s->a.result = NULL;
	assert_null(a->body);
	assert_true(!a->status != !a->error);
	if (s->then)
		s->then(s);
}

static inline void shot_deinit(struct shot *s)
{
	if (s->a.result)
		text_drop(s->a.result);
	memset(s, 0, sizeof(*s));
}

static inline void url_make(char *out, size_t size, enum door door, const char *path)
{
	snprintf(out, size, "http%s://127.0.0.1:%d/%s", door == DOOR_PLAIN ? "" : "s", hostile.port[door], path);
}

static inline int shoot(struct shot *s, enum door door, const char *path, struct http_request r)
{
	char url[256];

	url_make(url, sizeof(url), door, path);
	if (!r.url)
		r.url = url;
	r.decode = text_decode;
	r.drop = text_drop;
	r.done = shot_done;
	r.context = s;
	return http_send(http, &r);
}

static inline void shoot_wait(struct shot *s, enum door door, const char *path, struct http_request r)
{
	memset(s, 0, sizeof(*s));
	assert_int_equal(shoot(s, door, path, r), 0);
	until(&s->done, 1, 15000);
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
	if (ms >= 1000)
		fail_msg("http_close took %.0f ms", ms);
	return ms;
}

#endif
