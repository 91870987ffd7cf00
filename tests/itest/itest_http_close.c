/* io/http at its end and at rest: it closes at once whatever hangs, a server, a name server or a full mailbox, and frees what was
 * under way; with nothing under way its thread does not wake up. */
#include "http_helper.h"

#include <dirent.h>
#include <dlfcn.h>
#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>

#define HANG_MS 20000
#define REST_MS 1500

static atomic_int resolving;
static int release_fd; /* readable: the name servers have come back */

/* libcurl's threads find this one before libc's: a name server that is a black hole, for names that end in ".hole". */
int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
		struct addrinfo **restrict out)
{
	int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
	struct pollfd released = { .fd = release_fd, .events = POLLIN };
	const size_t n = node ? strlen(node) : 0;

	if (n > 5 && strcmp(node + n - 5, ".hole") == 0) {
		atomic_fetch_add(&resolving, 1);
		poll(&released, 1, HANG_MS);
		atomic_fetch_sub(&resolving, 1);
		return EAI_AGAIN;
	}
	*(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
	return real(node, service, hints, out);
}

static atomic_int inputs;

static void input_free(void *input)
{
	atomic_fetch_sub(&inputs, 1);
	free(input);
}

static char *input_build(void *input)
{
	return strdup(input);
}

static struct http_request with_input(void)
{
	atomic_fetch_add(&inputs, 1);
	return (struct http_request){ .method = HTTP_POST, .build = input_build, .input = strdup("[]"), .free_input = input_free };
}

static void wait_resolving(int n)
{
	for (int i = 0; i < slow_ms(1000) && atomic_load(&resolving) != n; i++)
		run_ms(10);
	assert_int_equal(atomic_load(&resolving), n);
}

static void holes_end(void)
{
	eventfd_t n;

	assert_int_equal(eventfd_write(release_fd, 1), 0);
	wait_resolving(0);
	assert_int_equal(eventfd_read(release_fd, &n), 0);
}

static void test_hanging_server(void **state)
{
	static const char *const PATHS[] = { "hang", "drip", "endless" };
	static struct shot s[HTTP_UNDER_WAY_MAX];

	(void)state;
	for (size_t k = 0; k < 2 * sizeof(PATHS) / sizeof(PATHS[0]); k++) {
		const enum door door = k % 2 ? DOOR_GOOD : DOOR_PLAIN;
		int n;

		open_http(hostile.ca);
		memset(s, 0, sizeof(s));
		for (int i = 0; i < HTTP_UNDER_WAY_MAX; i++)
			assert_int_equal(shoot(&s[i], door, PATHS[k / 2], with_input()), 0);
		run_ms(k / 2 == 2 ? 5 : 300);
		n = http_under_way(http);
		printf("close with %d of '%s' under way: %.1f ms\n", n, PATHS[k / 2], close_http());
		assert_int_equal(atomic_load(&inputs), 0);
		assert_int_equal(atomic_load(&texts), 0);
		for (int i = 0; k / 2 < 2 && i < HTTP_UNDER_WAY_MAX; i++)
			assert_int_equal(s[i].done, 0);
	}
}

/* Not begun, half done, and done but not told: nothing is told any more, everything is freed. */
static void test_at_any_moment(void **state)
{
	static struct shot s[HTTP_UNDER_WAY_MAX];

	(void)state;
	for (int round = 0; round < 40; round++) {
		int told = 0;

		open_http(NULL);
		memset(s, 0, sizeof(s));
		for (int i = 0; i < HTTP_UNDER_WAY_MAX; i++)
			assert_int_equal(shoot(&s[i], DOOR_PLAIN, "echo", with_input()), 0);
		if (round % 2)
			nanosleep(&(struct timespec){ .tv_nsec = round * 1000000L }, NULL); /* the thread goes on, the loop stands */
		else
			run_ms(round);
		for (int i = 0; i < HTTP_UNDER_WAY_MAX; i++)
			told += s[i].done;
		close_http();
		for (int i = 0; i < HTTP_UNDER_WAY_MAX; i++) {
			told -= s[i].done;
			shot_deinit(&s[i]);
		}
		assert_int_equal(told, 0);
		assert_int_equal(atomic_load(&inputs), 0);
		assert_int_equal(atomic_load(&texts), 0);
	}
}

static void close_inside(struct shot *s)
{
	(void)s;
	http_close(http);
	http = NULL;
}

static void test_close_inside_done(void **state)
{
	struct shot first = { .then = close_inside }, second = { 0 };

	(void)state;
	open_http(NULL);
	assert_int_equal(shoot(&second, DOOR_PLAIN, "hang", with_input()), 0);
	assert_int_equal(shoot(&first, DOOR_PLAIN, "status/200", with_input()), 0);
	until(&first.done, 1, 5000);
	run_ms(50);
	assert_null(http);
	assert_int_equal(second.done, 0);
	assert_int_equal(atomic_load(&inputs), 0);
	shot_deinit(&first);
}

/* The resolver's own thread hangs on; neither the other requests, nor the time-out, nor the end wait for it. */
static void test_hanging_resolver(void **state)
{
	struct shot hung[3] = { 0 }, other;
	uint64_t start;

	(void)state;
	open_http(NULL);
	for (int i = 0; i < 3; i++)
		assert_int_equal(shoot(&hung[i], DOOR_PLAIN, "", (struct http_request){ .url = "http://black.hole/",
											.timeout_ms = i ? 0 : 400 }), 0);
	wait_resolving(3);
	start = uv_hrtime();
	until(&hung[0].done, 1, 3000);
	assert_int_equal(hung[0].a.error, -ETIMEDOUT);
	shoot_wait(&other, DOOR_PLAIN, "status/200", (struct http_request){ 0 });
	assert_int_equal(other.a.status, 200);
	assert_true(uv_hrtime() - start < (uint64_t)slow_ms(4000) * 1000000); /* connecting has 5 s */
	shot_deinit(&other);
	until(&hung[1].done, 1, 8000); /* connecting has 5 s of the 20 */
	assert_int_equal(hung[1].a.error, -ETIMEDOUT);
	assert_true(hung[1].a.elapsed_ms >= 4900 && hung[1].a.elapsed_ms < slow_ms(8000));
	until(&hung[2].done, 1, 3000);
	assert_int_equal(atomic_load(&resolving), 3);

	memset(hung, 0, sizeof(hung));
	assert_int_equal(shoot(&hung[0], DOOR_PLAIN, "", (struct http_request){ .url = "https://black.hole/" }), 0);
	wait_resolving(4);
	printf("close with a name being looked up: %.1f ms\n", close_http());
	assert_int_equal(hung[0].done, 0);
	holes_end();
}

/* Times the threads called "http" left the processor so far: ours, and those that libcurl starts from it. */
static long switches(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;
	long sum = -1;

	assert_non_null(dir);
	while ((e = readdir(dir))) {
		char path[300], line[128];
		bool ours = false;
		long n;
		FILE *f;

		snprintf(path, sizeof(path), "/proc/self/task/%s/status", e->d_name);
		f = e->d_name[0] == '.' ? NULL : fopen(path, "r");
		while (f && fgets(line, sizeof(line), f)) {
			if (strcmp(line, "Name:\thttp\n") == 0)
				ours = true;
			if (ours && (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1 ||
				     sscanf(line, "nonvoluntary_ctxt_switches: %ld", &n) == 1))
				sum = (sum < 0 ? 0 : sum) + n;
		}
		if (f)
			fclose(f);
	}
	closedir(dir);
	return sum;
}

static void assert_asleep(const char *when)
{
	long before;
	int rounds = 0;

	do { /* what is still to be done after the last answer */
		before = switches();
		run_ms(200);
	} while (switches() != before && rounds++ < 20);
	assert_true(before > 0);
	run_ms(REST_MS);
	printf("%s: %ld wake-ups in %d ms\n", when, switches() - before, REST_MS);
	assert_int_equal(switches() - before, 0);
}

static void test_rest(void **state)
{
	struct shot s;
	long before;

	(void)state;
	open_http(hostile.ca);
	assert_asleep("never used");
	before = switches();
	shoot_wait(&s, DOOR_GOOD, "status/200", (struct http_request){ 0 });
	shot_deinit(&s);
	printf("first request with TLS: %ld wake-ups\n", switches() - before);
	assert_asleep("with a connection kept");
	before = switches();
	shoot_wait(&s, DOOR_GOOD, "status/200", (struct http_request){ 0 });
	shot_deinit(&s);
	printf("a further request: %ld wake-ups\n", switches() - before);
	for (int i = 0; i < 10; i++) {
		shoot_wait(&s, DOOR_PLAIN, "nothing", (struct http_request){ 0 });
		shot_deinit(&s);
	}
	assert_asleep("after errors");
	shoot_wait(&s, DOOR_PLAIN, "", (struct http_request){ .url = "http://black.hole/", .timeout_ms = 300 });
	assert_int_equal(s.a.error, -ETIMEDOUT);
	assert_asleep("with a name still being looked up");
	holes_end();
	close_http();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hanging_server), cmocka_unit_test(test_at_any_moment), cmocka_unit_test(test_close_inside_done),
		cmocka_unit_test(test_hanging_resolver), cmocka_unit_test(test_rest), cmocka_unit_test(test_loop_free),
	};

	release_fd = eventfd(0, EFD_CLOEXEC);
	return cmocka_run_group_tests(tests, hostile_start, hostile_stop);
}
