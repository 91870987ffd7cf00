/* A damaged database, and a start that is killed, or meets a full or read-only disk, at every single call that changes a file while
 * the new one is made (at some of them, and all of the last, where files change places; HEARTH_LONG=1: all): nothing that can be read is lost, and that there was damage is told until it is taken in. The calls of
 * this program and of SQLite come here first. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

#include "io/log.h"
#include "io/store.h"

#define ROWS 400      /* in the database */
#define LOG_ROWS 10   /* in its log only */
#define KILLED 42

static char dir[64], path[96];
static _Atomic int left; /* calls until it happens; 0 = never */
static int fault;        /* errno from then on; 0 = killed */
static _Atomic int *calls; /* of a start that is not disturbed; shared with the children */

/* True: the call fails. */
static bool cut(void)
{
	*calls += left == INT_MAX;
	if (left == 0 || left == INT_MAX || (left > 1 && --left))
		return false;
	if (!fault)
		_exit(KILLED);
	errno = fault;
	return true;
}

ssize_t pwrite64(int fd, const void *data, size_t n, off64_t at)
{
	return cut() ? -1 : syscall(SYS_pwrite64, fd, data, n, at);
}

ssize_t write(int fd, const void *data, size_t n)
{
	return fd > 2 && cut() ? -1 : syscall(SYS_write, fd, data, n);
}

int rename(const char *from, const char *to)
{
	return cut() ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int unlink(const char *name)
{
	return cut() ? -1 : (int)syscall(SYS_unlinkat, AT_FDCWD, name, 0);
}

int ftruncate64(int fd, off64_t size)
{
	return cut() ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int fsync(int fd)
{
	return cut() ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return cut() ? -1 : (int)syscall(SYS_fdatasync, fd);
}

static void shell(const char *fmt)
{
	char command[400];

	snprintf(command, sizeof(command), "cd '%s' && %s", dir, fmt);
	if (system(command))
		fail_msg("%s", command);
}

/* Fills the page in which @text stands. */
static void page_break(const char *text)
{
	static char bytes[8 << 20];
	FILE *f = fopen(path, "r+b");
	size_t len;
	char *at;

	assert_non_null(f);
	len = fread(bytes, 1, sizeof(bytes), f);
	at = memmem(bytes, len, text, strlen(text));
	assert_non_null(at);
	at -= (at - bytes) % 4096;
	memset(at, 0xff, 4096);
	fseek(f, at - bytes, SEEK_SET);
	assert_int_equal(fwrite(at, 1, 4096, f), 4096);
	fclose(f);
}

static void put(struct store *s, enum store_table table, const char *key)
{
	struct store_op op = { .verb = STORE_PUT, .table = table, .at_ms = 1 };
	char body[200];

	snprintf(op.key, sizeof(op.key), "%s", key);
	snprintf(body, sizeof(body), "<%s> owed, and long enough that a page holds some tens of these rows, no more .......", key);
	op.body = body;
	while (store_submit(s, &op, 1, NULL, NULL, NULL) == -EAGAIN)
		uv_run(uv_default_loop(), UV_RUN_ONCE);
}

/* In a child, so that the log can be left behind: a database whose outbox is broken in two places, with more rows in its log. */
static void make(void)
{
	struct errbuf err = { "" };
	struct store *s;
	char key[32];
	int status;

	if (fork() == 0) {
		if (store_open(&s, uv_default_loop(), path, &err))
			_exit(1);
		put(s, STORE_SETTING, "limit");
		for (int i = 0; i < ROWS; i++) {
			snprintf(key, sizeof(key), "row %d.", i);
			put(s, STORE_OUTBOX, key);
		}
		store_close(s);
		_exit(0);
	}
	wait(&status);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	if (fork() == 0) {
		if (store_open(&s, uv_default_loop(), path, &err))
			_exit(1);
		for (int i = ROWS; i < ROWS + LOG_ROWS; i++) {
			snprintf(key, sizeof(key), "row %d.", i);
			put(s, STORE_OUTBOX, key);
		}
		for (int waiting = 1; waiting; store_stats(s, NULL, &waiting))
			uv_run(uv_default_loop(), UV_RUN_ONCE);
		_exit(0);
	}
	wait(&status);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	page_break("<row 100.>");
	page_break("<row 300.>");
	shell("mkdir before && cp hearth.db hearth.db-wal before/ && test -s hearth.db-wal");
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "%s/test-rescue-XXXXXX", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm"); /* nobody waits for a disk */
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/hearth.db", dir);
	make();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	shell("rm -rf \"$PWD\"");
	return 0;
}

struct found {
	bool row[ROWS + LOG_ROWS];
	int n;
};

static int find(void *context, const struct store_row *r)
{
	struct found *f = context;
	int i = -1;

	if (sscanf(r->key, "row %d.", &i) == 1 && i >= 0 && i < ROWS + LOG_ROWS && !f->row[i]) {
		f->row[i] = true;
		f->n++;
	}
	return 0;
}

static int count(void *context, const struct store_row *r)
{
	*(int *)context += !strcmp(r->key, "limit");
	return 0;
}

/* What the start finds that is not disturbed: all but what stood on two pages, the damage told, and one file aside. */
static void look(const char *name, int at)
{
	struct found f = { .n = 0 };
	struct errbuf err = { "" };
	struct store *s = NULL;
	int limits = 0, r = store_open(&s, uv_default_loop(), path, &err);

	if (r != 1)
		fail_msg("%s %d: opened with %d %s", name, at, r, err.text);
	assert_int_equal(store_load(s, STORE_OUTBOX, find, &f, &err), 0);
	assert_int_equal(store_load(s, STORE_SETTING, count, &limits, &err), 0);
	if (limits != 1 || !store_lost(s, STORE_OUTBOX) || store_lost(s, STORE_SETTING))
		fail_msg("%s %d: %d limits; %s", name, at, limits, err.text);
	if (f.n < ROWS + LOG_ROWS - 100 || !f.row[0] || !f.row[60] || !f.row[200] || !f.row[360] || !f.row[ROWS + LOG_ROWS - 1] || f.row[100])
		fail_msg("%s %d: %d rows", name, at, f.n);
	if (!strstr(err.text, "hearth.db.damaged-"))
		fail_msg("%s %d: %s", name, at, err.text);
	store_damage_known(s);
	store_close(s);
	assert_int_equal(store_open(&s, uv_default_loop(), path, &err), 0);
	store_close(s);
	shell("test \"$(ls | grep -c 'damaged-[0-9TZ-]*$')\" = 1 && test \"$(ls | grep -vc -e damaged -e spare)\" = 3"); /* before, the database, its lock */
}

static void again(void)
{
	shell("rm -f hearth.db* && cp before/* .");
}

/* The next call to be tried: each of the last, else each @nth. */
static int after(int at, int nth)
{
	return at + (getenv("HEARTH_LONG") || at >= *calls - 12 ? 1 : at + nth > *calls - 12 ? *calls - 12 - at : nth);
}

/* A start that is cut off at call @at. False: it came to its end. */
static bool cut_start(int at, int error)
{
	struct errbuf err = { "" };
	struct store *s = NULL;
	int status;

	if (fork() == 0) {
		left = at;
		fault = error;
		_exit(store_open(&s, uv_default_loop(), path, &err) < 0 ? 2 : left == 1 && error ? 3 : 0);
	}
	wait(&status);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status) != 0;
}

static void test_undisturbed(void **state)
{
	(void)state;
	assert_false(cut_start(INT_MAX, 0));
	assert_true(*calls > 20);
	look("came to its end, and told again", 0);
	again();
	look("undisturbed", 0);
}

static void test_killed(void **state)
{
	(void)state;
	for (int at = 1; again(), cut_start(at, 0); at = after(at, 5))
		look("killed at", at);
}

/* The start after it is cut off too; every pair in the end, where files change places, some before. */
static void test_killed_twice(void **state)
{
	int twice = 0;

	(void)state;
	for (int at = 1; at <= *calls; at = after(at, 29)) {
		for (int then = 1; again(), cut_start(at, 0) && cut_start(then, 0); then = at < *calls - 12 ? after(then, 41) : then + 1, twice++)
			look("killed twice at", at * 1000 + then);
		look("killed, and told again", at);
	}
	print_message("     %d calls; killed twice at %d pairs of them\n", *calls, twice);
}

/* From one call on all of them fail: that is said, and the next start finds all. */
static void test_faults(void **state)
{
	static const int FAULTS[] = { ENOSPC, EROFS, EIO };

	(void)state;
	for (size_t i = 0; i < sizeof(FAULTS) / sizeof(FAULTS[0]); i++)
		for (int at = 1 + (int)i; again(), cut_start(at, FAULTS[i]); at = after(at, 17))
			look(strerror(FAULTS[i]), at);
}

/* A database that is gone but for its log, and a new file that is broken in its turn. */
static void test_odd(void **state)
{
	struct errbuf err = { "" };
	struct store *s = NULL;

	(void)state;
	shell("echo nonsense > hearth.db-rescued");
	look("a new file that is none", 0);
	again();
	shell(": > hearth.db");
	assert_int_equal(store_open(&s, uv_default_loop(), path, &err), 1);
	assert_true(store_lost(s, STORE_OUTBOX) && store_lost(s, STORE_SETTING));
	store_close(s);
	shell("test -s hearth.db.damaged-*-wal");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_undisturbed, setup, teardown), cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed_twice, setup, teardown), cmocka_unit_test_setup_teardown(test_faults, setup, teardown),
		cmocka_unit_test_setup_teardown(test_odd, setup, teardown),
	};

	calls = mmap(NULL, sizeof(*calls), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (calls == MAP_FAILED)
		return 1;
	log_open("itest_store_rescue", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
