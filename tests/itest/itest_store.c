/* kill -9 under load: a child submits rows and tells each acknowledged one; the parent kills it at a random moment and
 * looks into the file with SQLite itself. 30 rounds on one database, HEARTH_LONG=1: 1000. HEARTH_SEED repeats a run.
 * The same again with telemetry, which is not synced, and its deletions: a killed process loses nothing of those either. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

#include "io/log.h"
#include "io/store.h"
#include "support/seed.h"

#define IN_FLIGHT 8
#define KEPT 500 /* rows older than this are deleted again, as an outbox does */

static char dir[64], path[96];
static uint64_t random_state;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)(random_state >> 32) % n;
}

/* --- the child --- */

struct child {
	struct store *store;
	int64_t next;
	int in_flight;
};

static int first_free(void *context, const struct store_row *r)
{
	struct child *c = context;

	c->next = atoll(r->body) + 1;
	return 0;
}

struct pending {
	struct child *c;
	int64_t number;
};

/* The number goes to the parent only after the store says it is safe. */
static void child_done(void *context, uint64_t ticket, int status)
{
	struct pending *p = context;

	(void)ticket;
	if (status)
		_exit(3);
	if (write(STDOUT_FILENO, &p->number, sizeof(p->number)) != sizeof(p->number))
		_exit(4);
	p->c->in_flight--;
	free(p);
}

/* One transaction: a row, the counter that names it, and an old row away. All or nothing. */
static void child_submit(struct child *c)
{
	struct pending *p = malloc(sizeof(*p));
	struct store_op ops[3] = { { .verb = STORE_PUT, .table = STORE_OUTBOX, .kind = "telemetry" },
				   { .verb = STORE_PUT, .table = STORE_SETTING, .key = "last" },
				   { .verb = STORE_DELETE, .table = STORE_OUTBOX } };
	char body[3000], number[24];

	*p = (struct pending){ c, c->next++ };
	snprintf(ops[0].key, sizeof(ops[0].key), "m%lld", (long long)p->number);
	snprintf(ops[2].key, sizeof(ops[2].key), "m%lld", (long long)(p->number - KEPT));
	snprintf(number, sizeof(number), "%lld", (long long)p->number);
	memset(body, 'a' + (int)(p->number % 26), sizeof(body));
	body[p->number * 37 % (int64_t)sizeof(body)] = '\0'; /* many sizes, so that pages overflow and split */
	ops[0].body = body;
	ops[1].body = number;
	if (store_submit(c->store, ops, 3, child_done, p, NULL))
		_exit(5);
	c->in_flight++;
}

/* --- the child with telemetry: appends LOG_BATCH rows, deletes what is older than LOG_KEPT, and tells of both --- */

#define LOG_BATCH 100
#define LOG_KEPT 1000

static void child_tell(int64_t number)
{
	if (write(STDOUT_FILENO, &number, sizeof(number)) != sizeof(number))
		_exit(4);
}

static void logs_deleted(void *context, uint64_t ticket, int status)
{
	struct child *c = context;

	(void)ticket;
	if (status)
		_exit(3);
	child_tell(-(c->next - 1 - LOG_KEPT)); /* up to here they are gone */
	c->in_flight = 0;
}

static void logs_found(void *context, const struct store_row *rows, int n)
{
	struct store_op op = { .verb = STORE_DELETE_RANGE, .table = STORE_TELEMETRY };
	struct child *c = context;

	if (n < 0)
		_exit(6);
	if (n == 0) {
		c->in_flight = 0;
		return;
	}
	op.seq_from = rows[0].seq;
	op.seq_to = rows[n - 1].seq;
	if (store_submit(c->store, &op, 1, logs_deleted, c, NULL))
		_exit(5);
}

static void logs_appended(void *context, uint64_t ticket, int status)
{
	struct child *c = context;
	struct store_query q = { .table = STORE_TELEMETRY, .at_to_ms = c->next - LOG_KEPT, .max_rows = STORE_READ_MAX };

	(void)ticket;
	if (status)
		_exit(3);
	child_tell(c->next - 1);
	if (q.at_to_ms <= 1)
		c->in_flight = 0;
	else if (store_read(c->store, &q, logs_found, c))
		_exit(5);
}

static void logs_append(struct child *c)
{
	struct store_op ops[LOG_BATCH], promise = { .verb = STORE_PUT, .table = STORE_SETTING, .key = "last" };
	char body[LOG_BATCH][160];

	for (int i = 0; i < LOG_BATCH; i++) {
		snprintf(body[i], sizeof(body[i]), "%0130lld", (long long)c->next);
		ops[i] = (struct store_op){ .verb = STORE_PUT, .table = STORE_TELEMETRY, .kind = "bat", .body = body[i],
					    .at_ms = c->next++ };
	}
	promise.body = body[0];
	if (store_submit(c->store, ops, LOG_BATCH, logs_appended, c, NULL) ||
	    (c->next % 7 == 0 && store_submit(c->store, &promise, 1, NULL, NULL, NULL)))
		_exit(5);
	c->in_flight = 1;
}

static int newest(void *context, const struct store_row *r)
{
	struct child *c = context;

	c->next = r->at_ms + 1;
	return 0;
}

static int child_logs_main(const char *file)
{
	struct child c = { .next = 1 };
	struct errbuf err = { "" };
	uv_loop_t loop;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_open("child", LOG_LEVEL_ERROR);
	uv_loop_init(&loop);
	if (store_open(&c.store, &loop, file, &err) != 0 || store_load(c.store, STORE_TELEMETRY, newest, &c, &err)) {
		fprintf(stderr, "child: %s\n", err.text);
		return 2;
	}
	for (;;) {
		if (!c.in_flight)
			logs_append(&c);
		uv_run(&loop, UV_RUN_ONCE);
	}
}

static int child_main(const char *file)
{
	struct child c = { .next = 1 };
	struct errbuf err = { "" };
	uv_loop_t loop;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	log_open("child", LOG_LEVEL_ERROR);
	uv_loop_init(&loop);
	if (store_open(&c.store, &loop, file, &err) != 0 || store_load(c.store, STORE_SETTING, first_free, &c, &err)) {
		fprintf(stderr, "child: %s\n", err.text);
		return 2;
	}
	for (;;) {
		while (c.in_flight < IN_FLIGHT)
			child_submit(&c);
		uv_run(&loop, UV_RUN_ONCE);
	}
}

/* --- the parent --- */

static int64_t query(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s = NULL;
	int64_t n;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL))
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	n = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : -1;
	sqlite3_finalize(s);
	return n;
}

static void check_file(int round, int64_t acknowledged)
{
	sqlite3 *db;
	sqlite3_stmt *s = NULL;
	int64_t last, rows, first;
	char sql[160];

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(s, 0), "ok");
	sqlite3_finalize(s);
	last = query(db, "SELECT body FROM setting WHERE key = 'last'");
	if (last < acknowledged)
		fail_msg("round %d: row %lld was acknowledged, the file ends at %lld", round, (long long)acknowledged,
			 (long long)last);
	/* Row and counter are one transaction: exactly the newest KEPT rows are there, whole. */
	first = last > KEPT ? last - KEPT + 1 : 1;
	snprintf(sql, sizeof(sql), "SELECT count(*) FROM outbox WHERE CAST(substr(key, 2) AS INTEGER) BETWEEN %lld AND %lld",
		 (long long)first, (long long)last);
	rows = query(db, sql);
	if (rows != last - first + 1 || query(db, "SELECT count(*) FROM outbox") != rows)
		fail_msg("round %d: %lld rows of %lld..%lld", round, (long long)rows, (long long)first, (long long)last);
	assert_int_equal(query(db, "SELECT count(*) FROM outbox WHERE length(body) != CAST(substr(key, 2) AS INTEGER) * 37 % 3000"),
			 0);
	sqlite3_close(db);
}

/* What the child told: the newest row that is safe, and up to where deletion is. */
struct told { int64_t newest, gone; };

static void check_logs(int round, const struct told *told)
{
	const char *live = "NOT EXISTS (SELECT 1 FROM gone WHERE log = 'telemetry' AND seq BETWEEN seq_from AND seq_to)";
	int64_t last, first, rows, disorder;
	char sql[400];
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	snprintf(sql, sizeof(sql), "SELECT max(at_ms) FROM telemetry WHERE %s", live);
	last = query(db, sql);
	snprintf(sql, sizeof(sql), "SELECT min(at_ms) FROM telemetry WHERE %s", live);
	first = query(db, sql);
	snprintf(sql, sizeof(sql), "SELECT count(DISTINCT seq) FROM telemetry WHERE %s AND length(body) = 130 AND body + 0 = at_ms", live);
	rows = query(db, sql);
	disorder = query(db, "SELECT count(*) FROM telemetry a JOIN telemetry b ON b.at_ms = a.at_ms + 1 WHERE a.seq >= b.seq");
	sqlite3_close(db);
	if (last < told->newest || first <= told->gone || rows != last - first + 1 || last % LOG_BATCH || disorder)
		fail_msg("round %d: rows %lld..%lld (%lld) are there, %lld was safe, %lld gone, %lld out of order", round,
			 (long long)first, (long long)last, (long long)rows, (long long)told->newest, (long long)told->gone,
			 (long long)disorder);
}

static void round_run(const char *what, struct told *told, int *killed)
{
	int64_t number, newest = 0;
	struct pollfd first;
	int fds[2], status;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execl("/proc/self/exe", "itest_store", what, path, (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	/* Some die before or while opening, most under load: at a random moment after their first word. */
	first = (struct pollfd){ .fd = fds[0], .events = POLLIN };
	if (random_below(10) == 0)
		usleep(random_below(15000));
	else if (poll(&first, 1, 20000) == 1)
		usleep(random_below(100000));
	kill(pid, SIGKILL);
	while (read(fds[0], &number, sizeof(number)) == sizeof(number)) {
		newest = number > newest ? number : newest;
		told->gone = -number > told->gone ? -number : told->gone;
	}
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail_msg("the child ended by itself: %d", status);
	*killed += newest > 0;
	told->newest = newest > told->newest ? newest : told->newest;
}

static void seed_say(void)
{
	random_state = seed_of("HEARTH_SEED") * 2654435761u + 88172645463325252u;
}

static void test_kill(void **state)
{
	int rounds = getenv("HEARTH_LONG") ? 1000 : 30, under_load = 0;
	struct told told = { 0 };

	(void)state;
	seed_say();
	for (int i = 0; i < rounds; i++) {
		round_run("child", &told, &under_load);
		if (told.newest)
			check_file(i, told.newest);
	}
	print_message("%d rounds, %d of them killed under load, %lld rows acknowledged, none lost\n", rounds, under_load,
		      (long long)told.newest);
	assert_true(under_load > rounds / 2);
}

static void test_kill_logs(void **state)
{
	int rounds = getenv("HEARTH_LONG") ? 1000 : 30, under_load = 0;
	struct told told = { 0 };

	(void)state;
	seed_say();
	for (int i = 0; i < rounds; i++) {
		round_run("logs", &told, &under_load);
		if (told.newest)
			check_logs(i, &told);
	}
	print_message("%d rounds, %d of them killed under load, %lld log rows acknowledged, %lld deleted, none lost, none back\n",
		      rounds, under_load, (long long)told.newest, (long long)told.gone);
	assert_true(under_load > rounds / 2);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/itest-store-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/hearth.db", dir);
	return 0;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf -- '%s'", dir);
	return system(command);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_kill, setup, teardown),
					    cmocka_unit_test_setup_teardown(test_kill_logs, setup, teardown) };

	if (argc == 3 && !strcmp(argv[1], "child"))
		return child_main(argv[2]);
	if (argc == 3 && !strcmp(argv[1], "logs"))
		return child_logs_main(argv[2]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
