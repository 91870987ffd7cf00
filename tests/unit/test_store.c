/* The store on a real file: limits and damage first, then order, upserts and reopening. Crash safety is in itest_store. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

#include "io/log.h"
#include "io/store.h"

static char dir[64], path[96];
static uv_loop_t loop;

struct answers {
	int n, failed, last_status;
	uint64_t last_ticket;
	bool disorder;
};

static void done(void *context, uint64_t ticket, int status)
{
	struct answers *a = context;

	a->disorder |= ticket <= a->last_ticket;
	a->last_ticket = ticket;
	a->last_status = status;
	a->failed += status != 0;
	a->n++;
}

static void until_answered(const struct answers *a, int n)
{
	for (int i = 0; i < 20000 && a->n < n; i++) {
		uv_run(&loop, UV_RUN_NOWAIT);
		usleep(500);
	}
	assert_int_equal(a->n, n);
}

static struct store_op put(enum store_table table, const char *key, const char *kind, int64_t at_ms, const char *body)
{
	struct store_op op = { .verb = STORE_PUT, .table = table, .at_ms = at_ms, .body = body };

	snprintf(op.key, sizeof(op.key), "%s", key);
	snprintf(op.kind, sizeof(op.kind), "%s", kind);
	return op;
}

static struct store *opened(int expected)
{
	struct errbuf err = { "" };
	struct store *s = NULL;
	int rc = store_open(&s, &loop, path, &err);

	if (rc != expected)
		fail_msg("store_open: %d %s", rc, err.text);
	return s;
}

static void closed(struct store *s)
{
	store_close(s);
	uv_run(&loop, UV_RUN_DEFAULT);
}

static int collect(void *context, const struct store_row *r)
{
	char *text = context;
	size_t n = strlen(text);

	snprintf(text + n, 1000 - n, "%s/%s/%lld/%s;", r->key, r->kind, (long long)r->at_ms, r->body);
	return 0;
}

static const char *rows(struct store *s, enum store_table table)
{
	static char text[1000];
	struct errbuf err;

	text[0] = '\0';
	assert_int_equal(store_load(s, table, collect, text, &err), 0);
	return text;
}

static void submit_and_wait(struct store *s, const struct store_op *ops, int n)
{
	struct answers a = { 0 };

	assert_int_equal(store_submit(s, ops, n, done, &a, NULL), 0);
	until_answered(&a, 1);
	assert_int_equal(a.last_status, 0);
}

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-store-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/hearth.db", dir);
	return uv_loop_init(&loop);
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	uv_run(&loop, UV_RUN_NOWAIT); /* not DEFAULT: a failed test leaves its worker */
	snprintf(command, sizeof(command), "rm -rf -- '%s'", dir);
	return system(command) | uv_loop_close(&loop);
}

static void test_limits(void **state)
{
	static char body[1024 * 1024 + 1];
	struct store *s = opened(0);
	struct store_op many[STORE_OPS_MAX + 1], op = put(STORE_SETTING, "k", "", 1, "v");
	struct answers a = { 0 };
	uint64_t ticket = 0;
	int accepted = 0, rc;

	(void)state;
	for (int i = 0; i <= STORE_OPS_MAX; i++)
		many[i] = op;
	assert_int_equal(store_submit(s, many, 0, done, &a, NULL), -EINVAL);
	assert_int_equal(store_submit(s, many, -1, done, &a, NULL), -EINVAL);
	assert_int_equal(store_submit(s, many, STORE_OPS_MAX + 1, done, &a, NULL), -E2BIG);
	op.key[0] = '\0';
	assert_int_equal(store_submit(s, &op, 1, done, &a, NULL), -EINVAL);
	memset(op.key, 'k', sizeof(op.key));
	assert_int_equal(store_submit(s, &op, 1, done, &a, NULL), -EINVAL);
	op = put(STORE_SETTING, "k", "", 1, "v");
	memset(op.kind, 'k', sizeof(op.kind));
	assert_int_equal(store_submit(s, &op, 1, done, &a, NULL), -EINVAL);
	op = put((enum store_table)STORE_TABLES, "k", "", 1, "v");
	assert_int_equal(store_submit(s, &op, 1, done, &a, NULL), -EINVAL);
	op = put(STORE_SETTING, "k", "", 1, "v");
	op.verb = (enum store_verb)4;
	assert_int_equal(store_submit(s, &op, 1, done, &a, NULL), -EINVAL);
	memset(body, 'x', sizeof(body) - 1);
	op = put(STORE_SETTING, "k", "", 1, body);
	assert_int_equal(store_submit(s, &op, 1, done, &a, NULL), -E2BIG);
	assert_int_equal(a.n, 0);
	body[sizeof(body) - 2] = '\0';
	assert_int_equal(store_submit(s, &op, 1, done, &a, &ticket), 0);
	assert_int_not_equal(ticket, 0);
	until_answered(&a, 1);
	assert_int_equal(a.last_ticket, ticket);
	/* Without the loop running nothing is answered, so the mailbox fills; then it says so, and none is lost. */
	op = put(STORE_SETTING, "k", "", 1, "v");
	while ((rc = store_submit(s, many, STORE_OPS_MAX, done, &a, NULL)) == 0)
		accepted++;
	assert_int_equal(rc, -EAGAIN);
	assert_true(accepted >= STORE_WAITING_MAX);
	until_answered(&a, 1 + accepted);
	assert_false(a.disorder);
	assert_int_equal(a.failed, 0);
	closed(s);
	store_close(NULL);
}

static void test_rows(void **state)
{
	struct store *s = opened(0);
	struct store_op ops[5];
	struct stat st;
	int64_t bytes;
	int waiting;

	(void)state;
	assert_string_equal(rows(s, STORE_OUTBOX), "");
	ops[0] = put(STORE_OUTBOX, "m1", "command_status", 10, "{\"a\":1}");
	ops[1] = put(STORE_OUTBOX, "m2", "telemetry", 20, "zwei \xc3\xbc");
	ops[2] = put(STORE_OUTBOX, "m3", "participation", 30, NULL);
	ops[3] = put(STORE_SETTING, "m1", "", 5, "same key, other table");
	submit_and_wait(s, ops, 4);
	store_stats(s, &bytes, &waiting);
	assert_true(bytes >= 4096);
	assert_int_equal(waiting, 0);
	/* Putting again keeps the place in the order. */
	ops[0] = put(STORE_OUTBOX, "m1", "command_status", 11, "{\"a\":2}");
	ops[1] = (struct store_op){ .verb = STORE_DELETE, .table = STORE_OUTBOX, .key = "m2" };
	ops[2] = (struct store_op){ .verb = STORE_DELETE, .table = STORE_OUTBOX, .key = "never there" };
	submit_and_wait(s, ops, 3);
	ops[0] = put(STORE_SEEN, "w1", "", 100, "");
	ops[1] = put(STORE_SEEN, "w2", "", 200, "");
	ops[2] = put(STORE_SEEN, "w3", "", 300, "");
	ops[3] = put(STORE_SEEN, "w4", "", 301, "");
	ops[4] = (struct store_op){ .verb = STORE_DELETE_OLDER, .table = STORE_SEEN, .at_ms = 200, .ahead_ms = 300 };
	submit_and_wait(s, ops, 5);
	assert_int_equal(store_load(s, STORE_SEEN, collect, NULL, NULL), -EBUSY);
	closed(s);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);

	s = opened(0);
	assert_string_equal(rows(s, STORE_OUTBOX), "m1/command_status/11/{\"a\":2};m3/participation/30/;");
	assert_string_equal(rows(s, STORE_SETTING), "m1//5/same key, other table;");
	assert_string_equal(rows(s, STORE_SEEN), "w2//200/;w3//300/;");
	assert_string_equal(rows(s, STORE_COMMAND), "");
	closed(s);
}

static int stop_at_once(void *context, const struct store_row *r)
{
	(void)r;
	return ++*(int *)context == 1 ? 77 : 0;
}

static void test_load_stops(void **state)
{
	struct store *s = opened(0);
	struct store_op ops[2] = { put(STORE_EVENT, "a", "", 1, ""), put(STORE_EVENT, "b", "", 1, "") };
	int calls = 0;

	(void)state;
	submit_and_wait(s, ops, 2);
	closed(s);
	s = opened(0);
	assert_int_equal(store_load(s, STORE_EVENT, stop_at_once, &calls, NULL), 77);
	assert_int_equal(calls, 1);
	closed(s);
}

/* Closing commits what waits and calls back for all of it. */
static void test_close_drains(void **state)
{
	struct store *s = opened(0);
	struct answers a = { 0 };
	char key[16];

	(void)state;
	for (int i = 0; i < 50; i++) {
		struct store_op op;

		snprintf(key, sizeof(key), "k%d", i);
		op = put(STORE_COMMAND, key, "", i, "x");
		assert_int_equal(store_submit(s, &op, 1, done, &a, NULL), 0);
	}
	closed(s);
	assert_int_equal(a.n, 50);
	assert_int_equal(a.failed, 0);
	assert_false(a.disorder);
	s = opened(0);
	assert_int_equal(strncmp(rows(s, STORE_COMMAND), "k0//0/x;k1//1/x;", 16), 0);
	closed(s);
}

/* No room: a status, nothing of the transaction is there, and it works again when there is room. */
static void test_no_room(void **state)
{
	static char body[400000];
	struct rlimit was, small;
	struct store *s = opened(0);
	struct answers a = { 0 };
	struct store_op ops[2] = { put(STORE_OUTBOX, "first", "", 1, "x"), put(STORE_OUTBOX, "big", "", 1, body) };

	(void)state;
	submit_and_wait(s, ops, 1);
	memset(body, 'x', sizeof(body) - 1);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &was);
	small = (struct rlimit){ .rlim_cur = 100000, .rlim_max = was.rlim_max };
	setrlimit(RLIMIT_FSIZE, &small);
	snprintf(ops[0].key, sizeof(ops[0].key), "with the big one");
	assert_int_equal(store_submit(s, ops, 2, done, &a, NULL), 0);
	until_answered(&a, 1);
	setrlimit(RLIMIT_FSIZE, &was);
	assert_true(a.last_status < 0);
	assert_int_not_equal(a.last_status, -ECANCELED);
	snprintf(ops[0].key, sizeof(ops[0].key), "after");
	submit_and_wait(s, ops, 1);
	closed(s);
	s = opened(0);
	assert_string_equal(rows(s, STORE_OUTBOX), "first//1/x;after//1/x;");
	closed(s);
}

static void file_write(const char *name, const void *data, size_t len)
{
	FILE *f = fopen(name, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	fclose(f);
}

static int damaged_files(void)
{
	char command[160], text[16] = "";
	FILE *p;

	snprintf(command, sizeof(command), "ls '%s' | grep -c 'hearth.db.damaged-[0-9TZ-]*$'", dir);
	p = popen(command, "r");
	assert_non_null(p);
	assert_non_null(fgets(text, sizeof(text), p));
	pclose(p);
	return atoi(text);
}

static void sql(const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static int count(void *context, const struct store_row *r)
{
	(void)r;
	++*(int *)context;
	return 0;
}

static int row_count(struct store *s, enum store_table table)
{
	struct errbuf err;
	int n = 0;

	assert_int_equal(store_load(s, table, count, &n, &err), 0);
	return n;
}

/* The page in which @text stands is filled with @with. */
static void page_break(const char *text, int with)
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
	memset(at, with, 4096);
	fseek(f, at - bytes, SEEK_SET);
	assert_int_equal(fwrite(at, 1, 4096, f), 4096);
	fclose(f);
}

/* Emptied, or deleted alone: there was one, so what it held is lost, and that is said. Not where there never was one, nor behind a start
 * that was cut off while it made the first, nor with all that belongs to it deleted. */
static void test_gone(void **state)
{
	struct store_op op = put(STORE_SETTING, "k", "", 1, "v");
	struct errbuf err = { "" };
	struct store *s = NULL;
	char command[200];

	(void)state;
	file_write(path, "", 0);
	snprintf(command, sizeof(command), "%s.lock", path);
	file_write(command, "", 0);
	for (int i = 0; i < 3; i++) {
		s = opened(0);
		submit_and_wait(s, &op, 1);
		closed(s);
		assert_int_equal(i == 1 ? unlink(path) : truncate(path, 0), 0);
		snprintf(command, sizeof(command), "%s-wal", path);
		if (i == 2)
			file_write(command, "", 0);
		assert_int_equal(store_open(&s, &loop, path, &err), 1);
		assert_non_null(strstr(err.text, "was gone or empty"));
		assert_true(store_lost(s, STORE_SETTING) && store_lost(s, STORE_OUTBOX) && damaged_files() == 0);
		closed(s);
		s = opened(1); /* again, until it is known */
		store_damage_known(s);
		closed(s);
	}
	snprintf(command, sizeof(command), "rm '%s'*", path);
	assert_int_equal(system(command), 0);
	closed(opened(0));
}

/* A file that is no database, one with a broken page, one of a stranger: moved aside with all its bytes, and said; what can be
 * read of its keyed tables is taken over. */
static void test_damaged(void **state)
{
	static char bytes[40000];
	struct store_op op = put(STORE_SETTING, "k", "", 1, "v");
	struct errbuf err = { "" };
	struct store *s = NULL;
	int n;
	FILE *f;

	(void)state;
	memset(bytes, 'j', sizeof(bytes));
	file_write(path, bytes, sizeof(bytes));
	assert_int_equal(store_open(&s, &loop, path, &err), 1);
	assert_non_null(strstr(err.text, ".damaged-"));
	assert_int_equal(damaged_files(), 1);
	assert_non_null(strstr(err.text, "0 rows"));
	assert_true(store_lost(s, STORE_SETTING));
	for (int i = 0; i < 100; i++) {
		snprintf(op.key, sizeof(op.key), "key %d", i);
		op.body = "a body long enough to fill some pages of the file, so that one in the middle can be broken ....";
		submit_and_wait(s, &op, 1);
	}
	closed(s);
	s = opened(1); /* and again, until those who must know say that they do */
	assert_non_null(strstr(err.text, "0 rows"));
	assert_true(store_lost(s, STORE_SETTING));
	store_damage_known(s);
	closed(s);
	closed(opened(0));
	f = fopen(path, "r+b"); /* a page of the table */
	assert_non_null(f);
	fseek(f, 4096 * 2, SEEK_SET);
	assert_int_equal(fwrite(bytes, 1, 8192, f), 8192);
	fclose(f);
	s = opened(1);
	assert_int_equal(damaged_files(), 2); /* the settings' index and the root of the commands */
	assert_int_equal(row_count(s, STORE_SETTING), 101); /* and the note */
	assert_true(!store_lost(s, STORE_SETTING) && store_lost(s, STORE_COMMAND) && !store_lost(s, STORE_OUTBOX));
	store_damage_known(s);
	closed(s);
	page_break("key 50a body", 0xff);
	s = opened(1);
	assert_int_equal(damaged_files(), 3);
	n = row_count(s, STORE_SETTING); /* those on both sides of it */
	assert_true(store_lost(s, STORE_SETTING) && n > 30 && n < 100);
	assert_non_null(strstr(rows(s, STORE_SETTING), "key 0//1/"));
	closed(s);
	sql("DROP TABLE seen; UPDATE setting SET kind = x'00', at_ms = 'soon' WHERE key = 'key 99'");
	s = opened(1);
	assert_true(store_lost(s, STORE_SEEN) && store_lost(s, STORE_SETTING)); /* one row is none of ours */
	assert_int_equal(row_count(s, STORE_SETTING), n - 1);
	closed(s);
	assert_int_equal(damaged_files(), 4);
	file_write(path, "", 0); /* nothing to put aside */
	closed(opened(1));
	assert_int_equal(damaged_files(), 4);
}

/* Of a large file that was closed well only the keyed tables are looked through; numbers of logs go on behind those it had. */
static void test_damaged_large(void **state)
{
	struct store_op op = put(STORE_HISTORY, "", "battery", 1, "old");
	struct store *s = opened(0);

	(void)state;
	submit_and_wait(s, &op, 1);
	op = put(STORE_OUTBOX, "owed", "telemetry", 1, "still");
	submit_and_wait(s, &op, 1);
	closed(s);
	sql("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 6000)"
	    "INSERT INTO diary (kind, at_ms, body) SELECT '', i, hex(zeroblob(400)) FROM n;"
	    "INSERT INTO setting (key, kind, at_ms, body) VALUES ('a', '', 1, 'broken page')");
	page_break("broken page", 0xff);
	s = opened(1);
	assert_true(store_lost(s, STORE_SETTING) && !store_lost(s, STORE_OUTBOX));
	assert_string_equal(rows(s, STORE_OUTBOX), "owed/telemetry/1/still;");
	op = put(STORE_HISTORY, "", "battery", 2, "new");
	submit_and_wait(s, &op, 1);
	store_damage_known(s);
	closed(s);
	s = opened(0);
	assert_int_equal(row_count(s, STORE_HISTORY), 1);
	closed(s);
	sql("CREATE TABLE ahead (n CHECK (n > 1700000000)); INSERT INTO ahead SELECT seq FROM history");
}

/* Trouble that is no damage leaves the file where it is. */
static void test_refused(void **state)
{
	struct errbuf err = { "" };
	struct store *s = NULL, *second = NULL;
	char kept[96];

	(void)state;
	snprintf(kept, sizeof(kept), "%s", path);
	snprintf(path, sizeof(path), "%s/no/such/folder.db", dir);
	assert_int_equal(store_open(&s, &loop, path, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/no/such/"));
	assert_int_equal(store_open(&s, &loop, dir, &err), -EISDIR);
	snprintf(path, sizeof(path), "/proc/version");
	assert_true(store_open(&s, &loop, path, &err) < 0);
	snprintf(path, sizeof(path), "%s", kept);
	s = opened(0);
	assert_int_equal(store_open(&second, &loop, path, &err), -EBUSY);
	closed(s);
	sql("PRAGMA user_version = 999");
	assert_int_equal(store_open(&s, &loop, path, &err), -EPROTO);
	assert_non_null(strstr(err.text, "newer"));
	assert_int_equal(access(path, F_OK), 0);
}

/* A migration cut off in the middle leaves version 0 and no table; the next start does it again. */
static void test_migration_again(void **state)
{
	(void)state;
	sql("PRAGMA journal_mode = WAL; PRAGMA user_version = 0");
	closed(opened(0));
	closed(opened(0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(test_load_stops, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_drains, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_large, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_migration_again, setup, teardown),
	};

	log_open("test_store", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
