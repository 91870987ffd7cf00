/* A hub that was cut off and begins again on a full disk: everything promised is there, nothing more is, and when there is
 * room again the next promise is kept. On a small file system of its own (tmpfs), which only root may mount: skipped for
 * others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

#include "io/store.h"

#define ROWS 40
#define BODY 2000
#define STARTS 4

static char dir[64], path[96], filler[96], spare[128];

static void done(void *context, uint64_t ticket, int status)
{
	(void)ticket;
	*(int *)context = status;
}

/* What became of one promise: 0 or a negative errno. */
static int promise(struct store *s, uv_loop_t *loop, int number)
{
	struct store_op op = { .verb = STORE_PUT, .table = STORE_OUTBOX, .kind = "telemetry" };
	char body[BODY];
	int status = 1;

	memset(body, 'a', sizeof(body));
	body[sizeof(body) - 1] = '\0';
	op.body = body;
	snprintf(op.key, sizeof(op.key), "m%d", number);
	assert_int_equal(store_submit(s, &op, 1, done, &status, NULL), 0);
	while (status > 0)
		uv_run(loop, UV_RUN_ONCE);
	return status;
}

static int count(void *context, const struct store_row *r)
{
	assert_int_equal(strlen(r->body), BODY - 1);
	++*(int *)context;
	return 0;
}

/* Promises as many as there is room for, up to @most, and is cut off like a killed process. Exit code: how many were kept.
 */
static int cut_off(int first, int most)
{
	const pid_t pid = fork();
	int status;

	if (pid == 0) {
		struct errbuf err = { "" };
		struct store *s;
		uv_loop_t loop;
		int n = 0;

		if (uv_loop_init(&loop) || store_open(&s, &loop, path, &err))
			_exit(255);
		while (n < most && promise(s, &loop, first + n) == 0)
			n++;
		_exit(n);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) != 255);
	return WEXITSTATUS(status);
}

static void fill(void)
{
	static char block[4096];
	const int fd = open(filler, O_WRONLY | O_CREAT | O_APPEND, 0600);

	assert_true(fd >= 0);
	memset(block, 'x', sizeof(block)); /* before it is needed: no other memory is on this file system */
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/hearth-full-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/hearth.db", dir);
	snprintf(filler, sizeof(filler), "%s/filler", dir);
	snprintf(spare, sizeof(spare), "%s.spare", path);
	if (mount("tmpfs", dir, "tmpfs", MS_NOSUID | MS_NODEV, "size=4m") == 0)
		return 0;
	print_message("cannot mount a small file system: %s\n", strerror(errno));
	rmdir(dir);
	dir[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (!dir[0])
		return 0;
	umount2(dir, MNT_DETACH);
	rmdir(dir);
	return 0;
}

/* Reads what is there. Returns the number of rows, or what the opening ended with. */
static int opened(int *more)
{
	struct errbuf err = { "" };
	struct store *s;
	uv_loop_t loop;
	int rows = 0, rc;

	assert_int_equal(uv_loop_init(&loop), 0);
	rc = store_open(&s, &loop, path, &err);
	if (rc == 0) {
		assert_int_equal(store_load(s, STORE_OUTBOX, count, &rows, &err), 0);
		*more = promise(s, &loop, 1000000 + rows);
		store_close(s);
	}
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	return rc < 0 ? rc : rows;
}

static void test_starts_on_a_full_disk(void **state)
{
	int rows, more = 1;

	(void)state;
	if (!dir[0])
		skip();
	rows = cut_off(0, ROWS);
	assert_int_equal(rows, ROWS);
	for (int i = 1; i <= STARTS; i++) { /* cut off again and again, and each time others take all room there is */
		fill();
		rows += cut_off(i * ROWS, ROWS);
	}
	fill();
	assert_int_equal(opened(&more), rows);
	assert_true(more == 0 || more == -ENOSPC);
	assert_int_equal(unlink(filler), 0);
	assert_int_equal(opened(&more), rows + (more == 0));
	assert_int_equal(more, 0);
}

static void test_without_the_spare(void **state)
{
	int more;

	(void)state;
	if (!dir[0])
		skip();
	assert_int_equal(cut_off(0, ROWS), ROWS);
	assert_int_equal(unlink(spare), 0);
	fill();
	assert_int_equal(opened(&more), -ENOSPC);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_starts_on_a_full_disk, setup, teardown),
					    cmocka_unit_test_setup_teardown(test_without_the_spare, setup, teardown) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
