/* Logs of the store on a real file: the contract, files of version 1, numbers after a power cut, rows noted as gone, and what
 * store_close does to reads under way. What it all costs is in itest_store_wear. */
#include "support/store_contract.h"

#include "io/log.h"

#include <errno.h>
#include <sqlite3.h>
#include <unistd.h>
#include <uv.h>

static char dir[64], path[96];
static uv_loop_t loop;
static struct store *s;

static void open_store(int expected)
{
	struct errbuf err = { "" };
	int rc = store_open(&s, &loop, path, &err);

	if (rc != expected)
		fail_msg("store_open: %d %s", rc, err.text);
}

static void close_store(void)
{
	store_close(s);
	s = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
}

static struct store *the_store(void)
{
	return s;
}

static void pump(void)
{
	int waiting = 1;

	while (waiting) {
		store_stats(s, NULL, &waiting);
		if (waiting)
			uv_run(&loop, UV_RUN_ONCE);
	}
}

static void restart(void)
{
	close_store();
	open_store(0);
}

const struct contract contract = { the_store, pump, restart };

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/test-store-XXXXXX");
	if (!mkdtemp(dir) || uv_loop_init(&loop))
		return -1;
	snprintf(path, sizeof(path), "%s/hearth.db", dir);
	open_store(0);
	return 0;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	close_store();
	snprintf(command, sizeof(command), "rm -rf -- '%s'", dir);
	return system(command) | uv_loop_close(&loop);
}

/* --- helpers --- */

static void sql(const char *text)
{
	char *error = NULL;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, &error))
		fail_msg("%s", error);
	sqlite3_close(db);
}

static int64_t sql_number(const char *text)
{
	sqlite3_stmt *statement = NULL;
	sqlite3 *db;
	int64_t n;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, text, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	n = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return n;
}

static void ok(void *context, uint64_t ticket, int status)
{
	(void)ticket;
	assert_int_equal(status, 0);
	++*(int *)context;
}

static void submit(const struct store_op *ops, int n)
{
	int answers = 0;

	assert_int_equal(store_submit(s, ops, n, ok, &answers, NULL), 0);
	pump();
	assert_int_equal(answers, 1);
}

static void append(enum store_table table, int n)
{
	static struct store_op ops[STORE_OPS_MAX];

	for (int i = 0; i < n; i++)
		ops[i] = (struct store_op){ .verb = STORE_PUT, .table = table, .kind = "d", .at_ms = i, .body = "body" };
	submit(ops, n);
}

static void delete_range(int64_t from, int64_t to)
{
	const struct store_op op = { .verb = STORE_DELETE_RANGE, .table = STORE_TELEMETRY, .seq_from = from, .seq_to = to };

	submit(&op, 1);
}

static void on_count(void *context, const struct store_summary *sum, int status)
{
	assert_int_equal(status, 0);
	*(struct store_summary *)context = *sum;
}

static struct store_summary count(enum store_table table)
{
	struct store_summary sum = { .rows = -1 };

	assert_int_equal(store_summarize(s, table, on_count, &sum), 0);
	pump();
	return sum;
}

static int count_loaded(void *context, const struct store_row *row)
{
	assert_string_equal(row->key, "");
	assert_string_equal(row->body, "body");
	++*(int *)context;
	return 0;
}

/* --- tests --- */

/* A file as version 1 made it: nothing is lost, the new tables are there, and the next start finds the newest version. */
static void test_version_1(void **state)
{
	static const char *const NAMES[] = { "setting", "command", "event", "seen", "outbox" };
	char text[512];
	int found = 0;

	(void)state;
	close_store();
	unlink(path);
	for (int i = 0; i < 5; i++) {
		snprintf(text, sizeof(text),
			 "PRAGMA journal_mode = WAL; CREATE TABLE %1$s (seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, kind TEXT NOT "
			 "NULL, at_ms INTEGER NOT NULL, body TEXT NOT NULL); INSERT INTO %1$s (key, kind, at_ms, body) VALUES ('%1$s "
			 "one', 'k', 7, 'old'), ('%1$s two', '', 8, ''); PRAGMA user_version = 1",
			 NAMES[i]);
		sql(text);
	}
	open_store(0);
	for (int i = 0; i < 5; i++)
		assert_int_equal(count((enum store_table)i).rows, 2);
	for (int i = STORE_PRICE; i < STORE_TABLES; i++)
		assert_int_equal(count((enum store_table)i).rows, 0);
	append(STORE_TELEMETRY, 3);
	restart();
	assert_int_equal(store_load(s, STORE_TELEMETRY, count_loaded, &found, NULL), 0);
	assert_int_equal(found, 3);
	assert_int_equal(sql_number("PRAGMA user_version"), 3);
	assert_int_equal(sql_number("SELECT count(*) FROM outbox WHERE key = 'outbox one' AND kind = 'k' AND at_ms = 7 AND body = 'old'"),
			 1);
}

/* Rows are not synced one by one: after a power cut their numbers may be known to others and not to the file. */
static void test_numbers_after_power_cut(void **state)
{
	char command[400];

	(void)state;
	append(STORE_TELEMETRY, 5);
	restart();
	append(STORE_TELEMETRY, 1);
	assert_int_equal(count(STORE_TELEMETRY).seq_last, 6); /* a clean end */
	/* The files as they lay on the disk before the last five rows. */
	snprintf(command, sizeof(command), "mkdir '%s/cut' && cp '%s' '%s-wal' '%s/cut/'", dir, path, path, dir);
	assert_int_equal(system(command), 0);
	append(STORE_TELEMETRY, 5);
	assert_int_equal(count(STORE_TELEMETRY).seq_last, 11);
	close_store();
	snprintf(command, sizeof(command), "cp '%s'/cut/* '%s/'", dir, dir);
	assert_int_equal(system(command), 0);
	open_store(0);
	assert_int_equal(count(STORE_TELEMETRY).seq_last, 6);
	append(STORE_TELEMETRY, 1);
	assert_true(count(STORE_TELEMETRY).seq_last > 11);
	append(STORE_REFUSED, 1); /* never had a row: the same */
	assert_true(count(STORE_REFUSED).seq_first > 1);
}

/* Rows noted as gone are gone for everybody, also after a restart, and leave the file when all are. */
static void test_gone(void **state)
{
	struct store_summary sum;
	int found = 0;

	(void)state;
	for (int i = 0; i < 10; i++)
		append(STORE_TELEMETRY, 1000);
	delete_range(1001, 3000);
	delete_range(2500, 4000); /* overlaps */
	delete_range(4001, 4500); /* touches */
	delete_range(9901, INT64_MAX);
	delete_range(20000, 30000); /* nothing there, and no promise for what will be */
	assert_int_equal(sql_number("SELECT count(*) FROM gone"), 2);
	assert_int_equal(sql_number("SELECT count(*) FROM telemetry"), 10000);
	restart();
	assert_int_equal(store_load(s, STORE_TELEMETRY, count_loaded, &found, NULL), 0);
	assert_int_equal(found, 6400);
	append(STORE_TELEMETRY, 10);
	sum = count(STORE_TELEMETRY);
	assert_int_equal(sum.rows, 6410);
	assert_int_equal(sum.bytes, 6410 * 4);
	assert_int_equal(sum.seq_first, 1);
	assert_int_equal(sum.seq_last, 10010);
	delete_range(1, 10010);
	assert_int_equal(count(STORE_TELEMETRY).rows, 0);
	close_store(); /* so that tidying is over */
	assert_int_equal(sql_number("SELECT count(*) FROM gone"), 0);
	assert_int_equal(sql_number("SELECT count(*) FROM telemetry"), 0);
	open_store(0);
	append(STORE_TELEMETRY, 1);
	assert_int_equal(count(STORE_TELEMETRY).seq_first, 10011); /* a number is never given twice */
}

/* Many small holes are not noted for ever. */
static void test_many_holes(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++)
		append(STORE_TELEMETRY, 1000);
	for (int i = 0; i < 76; i++)
		delete_range(1 + i * 128, 65 + i * 128);
	assert_int_equal(count(STORE_TELEMETRY).rows, 10000 - 76 * 65);
	close_store();
	assert_int_equal(sql_number("SELECT count(*) FROM gone"), 64);
	open_store(0);
	assert_int_equal(count(STORE_TELEMETRY).rows, 10000 - 76 * 65);
}

struct closing { int reads, counts, rows; };

static void on_rows_closing(void *context, const struct store_row *rows, int n)
{
	struct closing *c = context;

	(void)rows;
	c->reads++;
	c->rows = n;
}

static void on_count_closing(void *context, const struct store_summary *sum, int status)
{
	struct closing *c = context;

	c->counts++;
	assert_true(status == 0 ? sum != NULL : sum == NULL);
}

/* Every callback comes once, at the latest inside store_close; what was submitted before is committed. */
static void test_close(void **state)
{
	const struct store_query q = { .table = STORE_TELEMETRY, .max_rows = 100 };
	const struct store_op op = { .verb = STORE_PUT, .table = STORE_TELEMETRY, .body = "body" };
	struct closing c = { 0 };
	int answers = 0;

	(void)state;
	for (int i = 0; i < 60; i++) {
		assert_int_equal(store_submit(s, &op, 1, ok, &answers, NULL), 0);
		assert_int_equal(store_read(s, &q, on_rows_closing, &c), 0);
		assert_int_equal(store_summarize(s, STORE_TELEMETRY, on_count_closing, &c), 0);
	}
	store_close(s);
	s = NULL;
	assert_int_equal(answers, 60);
	assert_int_equal(c.reads, 60);
	assert_int_equal(c.counts, 60);
	assert_int_equal(c.rows, 60);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(c.reads + c.counts + answers, 180);
	assert_int_equal(sql_number("SELECT count(*) FROM telemetry"), 60);
	open_store(0);
}

static void on_order(void *context, uint64_t ticket, int status)
{
	int64_t *last = context;

	assert_int_equal(status, 0);
	assert_true((int64_t)ticket > *last);
	*last = (int64_t)ticket;
}

/* Promises among themselves keep their order, also with some that touch a log, and so does all the rest. */
static void test_order_of_answers(void **state)
{
	int64_t promises = 0, rest = 0;
	char body[16];

	(void)state;
	for (int i = 0; i < 200; i++) {
		struct store_op ops[2] = { { .verb = STORE_PUT, .table = STORE_SETTING, .key = "k", .body = body },
					   { .verb = STORE_PUT, .table = STORE_HISTORY, .body = body } };

		snprintf(body, sizeof(body), "%d", i);
		if (i % 3 == 0)
			assert_int_equal(store_submit(s, &ops[1], 1, on_order, &rest, NULL), 0);
		else
			assert_int_equal(store_submit(s, ops, i % 7 == 0 ? 2 : 1, on_order, &promises, NULL), 0);
	}
	pump();
	assert_true(promises > 0 && rest > 0);
	restart();
	assert_int_equal(sql_number("SELECT body FROM setting"), 199);
	assert_int_equal(sql_number("SELECT count(*) FROM history a JOIN history b ON a.seq < b.seq AND a.body + 0 >= b.body + 0"), 0);
}

/* store_load still works when a part that started earlier reads already, and not after the first transaction. */
static void test_load_beside_reads(void **state)
{
	struct store_summary sum = { .rows = -1 };
	int found = 0;

	(void)state;
	append(STORE_HISTORY, 1000);
	assert_int_equal(store_load(s, STORE_HISTORY, count_loaded, &found, NULL), -EBUSY);
	restart();
	assert_int_equal(store_summarize(s, STORE_HISTORY, on_count, &sum), 0);
	assert_int_equal(store_load(s, STORE_HISTORY, count_loaded, &found, NULL), 0);
	assert_int_equal(found, 1000);
	pump();
	assert_int_equal(sum.rows, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONTRACT_TESTS,
		CONTRACT_TEST(test_version_1),
		CONTRACT_TEST(test_numbers_after_power_cut),
		CONTRACT_TEST(test_gone),
		CONTRACT_TEST(test_many_holes),
		CONTRACT_TEST(test_close),
		CONTRACT_TEST(test_order_of_answers),
		CONTRACT_TEST(test_load_beside_reads),
	};

	log_open("test_store_logs", LOG_LEVEL_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
