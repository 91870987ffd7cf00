/* What the store asks of the disk, counted below SQLite: who is synced, how many bytes a batch of telemetry costs, how long
 * the log gets, and that a promise or the loop never waits for a large deletion or a stalled disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

#include "io/log.h"
#include "io/store.h"
#include "itest/slow.h"

#define MIB (1024 * 1024)

static uv_loop_t loop;
static char dir[64], path[96];
static struct store *store;

/* --- a layer below SQLite that counts: the system's own methods, but for two of them --- */

enum { FILE_DB, FILE_WAL, FILE_OTHER, FILES };

static sqlite3_vfs counting;
static sqlite3_io_methods methods[FILES];
static const sqlite3_io_methods *below[FILES];
static _Atomic int64_t syncs, written[FILES];
static _Atomic int sync_ms, sync_once_ms; /* a stalled disk: how long each sync takes, and the next one more */

static int kind_of(sqlite3_file *file)
{
	return (int)(file->pMethods - methods);
}

static int count_sync(sqlite3_file *file, int flags)
{
	const int ms = atomic_load(&sync_ms) + atomic_exchange(&sync_once_ms, 0);
	const struct timespec t = { ms / 1000, ms % 1000 * 1000000L };

	atomic_fetch_add(&syncs, 1);
	nanosleep(&t, NULL);
	return below[kind_of(file)]->xSync(file, flags);
}

static int count_write(sqlite3_file *file, const void *data, int n, sqlite3_int64 at)
{
	atomic_fetch_add(&written[kind_of(file)], n);
	return below[kind_of(file)]->xWrite(file, data, n, at);
}

static int count_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out)
{
	sqlite3_vfs *system = vfs->pAppData;
	int kind = flags & SQLITE_OPEN_MAIN_DB ? FILE_DB : flags & SQLITE_OPEN_WAL ? FILE_WAL : FILE_OTHER;
	int rc = system->xOpen(system, name, file, flags, out);

	if (!file->pMethods)
		return rc;
	if (!below[kind]) { /* not again: the worker may be using it */
		methods[kind] = *file->pMethods;
		methods[kind].iVersion = 2; /* no mapped reading and writing past us */
		methods[kind].xSync = count_sync;
		methods[kind].xWrite = count_write;
		below[kind] = file->pMethods;
	}
	file->pMethods = &methods[kind];
	return rc;
}

static int64_t bytes(void)
{
	return atomic_load(&written[FILE_DB]) + atomic_load(&written[FILE_WAL]) + atomic_load(&written[FILE_OTHER]);
}

/* --- helpers --- */

static double now_ms(void)
{
	return (double)uv_hrtime() / 1e6;
}

struct answer { int n, status; };

static void done(void *context, uint64_t ticket, int status)
{
	struct answer *a = context;

	(void)ticket;
	a->n++;
	a->status = status;
}

static void until(const int *n, int expected)
{
	const double end = now_ms() + 120000;

	while (*n < expected) {
		uv_run(&loop, UV_RUN_ONCE);
		assert_true(now_ms() < end);
	}
}

static void submit(const struct store_op *ops, int n)
{
	struct answer a = { 0 };

	assert_int_equal(store_submit(store, ops, n, done, &a, NULL), 0);
	until(&a.n, 1);
	assert_int_equal(a.status, 0);
}

static void on_summary(void *context, const struct store_summary *s, int status)
{
	assert_int_equal(status, 0);
	*(struct store_summary *)context = *s;
}

static struct store_summary summary(enum store_table table)
{
	struct store_summary s = { .rows = -1 };

	assert_int_equal(store_summarize(store, table, on_summary, &s), 0);
	while (s.rows < 0)
		uv_run(&loop, UV_RUN_ONCE);
	return s;
}

/* A batch as the backlog writes it: some 130 bytes a point. */
static const struct store_op *batch(enum store_table table, int n, int64_t at_ms)
{
	static struct store_op ops[STORE_OPS_MAX];
	static char body[STORE_OPS_MAX][160];

	for (int i = 0; i < n; i++) {
		snprintf(body[i], sizeof(body[i]), "%lld,300,%0110d", (long long)(1768478400 + at_ms + i), i * 7919);
		ops[i] = (struct store_op){ .verb = STORE_PUT, .table = table, .kind = "bat-0042-1", .at_ms = at_ms, .body = body[i] };
	}
	return ops;
}

static void fill(enum store_table table, int rows)
{
	for (int i = 0; i < rows; i += 1000)
		submit(batch(table, 1000, i / 1000), 1000);
}

static void settle(void) /* what comes behind the answers, like a checkpoint, is over */
{
	summary(STORE_SETTING);
	summary(STORE_SETTING);
}

static int setup(void **state)
{
	struct errbuf err = { "" };

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/itest-store-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/hearth.db", dir);
	atomic_store(&sync_ms, 0);
	if (uv_loop_init(&loop) || store_open(&store, &loop, path, &err))
		fail_msg("%s", err.text);
	return 0;
}

static int teardown(void **state)
{
	char command[96];

	(void)state;
	store_close(store);
	store = NULL;
	uv_run(&loop, UV_RUN_DEFAULT);
	snprintf(command, sizeof(command), "rm -rf -- '%s'", dir);
	return system(command) | uv_loop_close(&loop);
}

/* --- tests --- */

#define PUT(table_) { .verb = STORE_PUT, .table = table_, .key = "k", .kind = "x", .at_ms = 5, .body = "b" }

static const struct { const char *name; int n, syncs; struct store_op ops[2]; } CLASSES[] = {
	{ "setting", 1, 1, { PUT(STORE_SETTING) } },
	{ "telemetry", 1, 0, { PUT(STORE_TELEMETRY) } },
	{ "command", 1, 1, { PUT(STORE_COMMAND) } },
	{ "history", 1, 0, { PUT(STORE_HISTORY) } },
	{ "refused", 1, 0, { PUT(STORE_REFUSED) } },
	{ "event", 1, 1, { PUT(STORE_EVENT) } },
	{ "price", 1, 0, { PUT(STORE_PRICE) } },
	{ "daily", 1, 0, { PUT(STORE_DAILY) } },
	{ "seen", 1, 1, { PUT(STORE_SEEN) } },
	{ "outbox", 1, 1, { PUT(STORE_OUTBOX) } },
	{ "two cheap ones", 2, 0, { PUT(STORE_TELEMETRY), PUT(STORE_DAILY) } },
	{ "promise last", 2, 1, { PUT(STORE_TELEMETRY), PUT(STORE_OUTBOX) } },
	{ "promise first", 2, 1, { PUT(STORE_COMMAND), PUT(STORE_PRICE) } },
	{ "range", 1, 0, { { .verb = STORE_DELETE_RANGE, .table = STORE_TELEMETRY, .seq_from = 1, .seq_to = 2 } } },
	{ "older", 1, 0, { { .verb = STORE_DELETE_OLDER, .table = STORE_HISTORY, .at_ms = 9 } } },
	{ "daily away", 1, 0, { { .verb = STORE_DELETE, .table = STORE_DAILY, .key = "k" } } },
	{ "seen away", 1, 1, { { .verb = STORE_DELETE_OLDER, .table = STORE_SEEN, .at_ms = 9 } } },
	{ "setting away", 1, 1, { { .verb = STORE_DELETE, .table = STORE_SETTING, .key = "k" } } },
};

/* A promise is synced before its answer, once; nothing else is. */
static void test_who_is_synced(void **state)
{
	const struct store_op first = { .verb = STORE_PUT, .table = STORE_SETTING, .key = "first" };

	(void)state;
	submit(&first, 1); /* the log's header is synced once */
	for (size_t i = 0; i < sizeof(CLASSES) / sizeof(CLASSES[0]); i++) {
		struct store_op ops[2] = { CLASSES[i].ops[0], CLASSES[i].ops[1] };
		int64_t before = atomic_load(&syncs);

		ops[0].body = ops[1].body = CLASSES[i].name; /* what changes nothing is not written at all */
		submit(ops, CLASSES[i].n);
		if (atomic_load(&syncs) - before != CLASSES[i].syncs)
			fail_msg("%s: %d syncs, not %d", CLASSES[i].name, (int)(atomic_load(&syncs) - before), CLASSES[i].syncs);
	}
}

static void test_log_stays_short(void **state)
{
	int64_t longest = 0, before = bytes();
	struct stat st;
	char wal[112];

	(void)state;
	snprintf(wal, sizeof(wal), "%s-wal", path);
	for (int i = 0; i < 6000; i++) {
		submit(batch(STORE_TELEMETRY, 2, i), 2);
		assert_int_equal(stat(wal, &st), 0);
		longest = st.st_size > longest ? st.st_size : longest;
	}
	print_message("6000 small transactions of telemetry: %.1f MiB written, the log at most %.1f MiB\n",
		      (double)(bytes() - before) / MIB, (double)longest / MIB);
	assert_true(longest < 6 * MIB);
}

/* Batches come and go, as when the link is up, and then weeks of them at once, as after an outage. */
static void test_bytes_of_batches(void **state)
{
	const struct { int kept; double limit; } CASES[] = { { 1, 2.5 }, { 50, 2.5 } };

	(void)state;
	for (size_t c = 0; c < 2; c++) {
		int64_t before = bytes(), payload = 0, counted, counted_before;
		double ratio;

		store_stats(store, &counted_before, NULL);
		for (int i = 0, gone = 0; i < 100; i++) {
			const struct store_op *ops = batch(STORE_TELEMETRY, 1000, i);

			for (int k = 0; k < 1000; k++)
				payload += (int64_t)strlen(ops[k].body);
			submit(ops, 1000);
			if (i + 1 - gone < CASES[c].kept)
				continue;
			for (; gone <= i; gone++) {
				struct store_summary s = summary(STORE_TELEMETRY);
				struct store_op op = { .verb = STORE_DELETE_RANGE, .table = STORE_TELEMETRY,
						       .seq_from = s.seq_first, .seq_to = s.seq_first + 999 };

				submit(&op, 1);
				assert_int_equal(summary(STORE_TELEMETRY).rows, s.rows - 1000);
			}
		}
		settle();
		assert_int_equal(summary(STORE_TELEMETRY).rows, 0);
		store_stats(store, &counted, NULL);
		ratio = (double)(bytes() - before) / (double)payload;
		print_message("100 batches of 1000 rows, %d kept at a time: %.2f x their %.1f MiB (log %.1f, file %.1f MiB in all); "
			      "store_stats says %.2f x\n", CASES[c].kept, ratio, (double)payload / MIB,
			      (double)atomic_load(&written[FILE_WAL]) / MIB, (double)atomic_load(&written[FILE_DB]) / MIB,
			      (double)(counted - counted_before) / (double)payload);
		assert_true(ratio <= CASES[c].limit);
		assert_true(counted - counted_before >= bytes() - before - 4096); /* never less than it is */
	}
}

static int64_t rows_in_file(enum store_table table)
{
	const char *sql = table == STORE_HISTORY ? "SELECT count(*) FROM history" : "SELECT count(*) FROM telemetry";
	sqlite3_stmt *statement = NULL;
	sqlite3 *db = NULL;
	int64_t n = -1;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	n = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return n;
}

/* A promise after the other until the rows have left the file: the longest any of them waits. */
static double ping_until_gone(enum store_table table)
{
	struct store_op op = PUT(STORE_SETTING);
	double worst = 0;
	char body[16];

	for (int i = 0; rows_in_file(table) > 0; i++) {
		double sent = now_ms(), took;

		snprintf(body, sizeof(body), "%d", i);
		op.body = body;
		submit(&op, 1);
		took = now_ms() - sent;
		worst = took > worst ? took : worst;
	}
	return worst;
}

static void on_rows(void *context, const struct store_row *rows, int n)
{
	int *answer = context;

	(void)rows;
	*answer = n;
}

static const struct { const char *name; struct store_op op; } LARGE[] = {
	{ "DELETE_OLDER", { .verb = STORE_DELETE_OLDER, .table = STORE_HISTORY, .at_ms = INT64_MAX } },
	{ "DELETE_RANGE", { .verb = STORE_DELETE_RANGE, .table = STORE_HISTORY, .seq_to = INT64_MAX } },
};

static void test_large_deletion(void **state)
{
	const struct store_query q = { .table = STORE_HISTORY, .max_rows = STORE_READ_MAX };
	const struct store_op promise = PUT(STORE_COMMAND);
	const int rows = 300000;

	(void)state;
	for (size_t i = 0; i < sizeof(LARGE) / sizeof(LARGE[0]); i++) {
		struct answer a = { 0 };
		int found = -1;
		double began = now_ms(), worst;
		int64_t before;

		fill(STORE_HISTORY, rows);
		settle();
		print_message("%d rows appended in %.1f s; ", rows, (now_ms() - began) / 1e3);
		began = now_ms();
		before = bytes();
		assert_int_equal(summary(STORE_HISTORY).rows, rows);
		print_message("counted in %.0f ms; ", now_ms() - began);
		began = now_ms();
		assert_int_equal(store_submit(store, &LARGE[i].op, 1, done, &a, NULL), 0);
		assert_int_equal(store_read(store, &q, on_rows, &found), 0);
		submit(&promise, 1);
		if (LARGE[i].op.verb == STORE_DELETE_OLDER)
			assert_int_equal(a.n, 0); /* overtaken */
		worst = ping_until_gone(STORE_HISTORY);
		until(&a.n, 1);
		assert_int_equal(a.status, 0);
		print_message("%s of all in %.0f ms, %.1f MiB written; a promise waited at most %.1f ms\n", LARGE[i].name,
			      now_ms() - began, (double)(bytes() - before) / MIB, worst);
		while (found < 0)
			uv_run(&loop, UV_RUN_ONCE);
		assert_int_equal(found, 0); /* a read behind the deletion sees all of it */
		assert_true(worst < slow_ms(4000)); /* a loaded machine; else some 15 */
	}
}

/* What others took of the processor is not this thread's. */
static double own_ms(void)
{
	return now_ms() - (double)processor_waited_ns() / 1e6;
}

/* Every sync takes a second: the calls return at once and the loop turns. */
static void on_timer(uv_timer_t *timer)
{
	double *last = timer->data, now = own_ms();

	last[1] = now - last[0] > last[1] ? now - last[0] : last[1];
	last[0] = now;
}

static void test_stalled_disk(void **state)
{
	const struct store_op promise = PUT(STORE_OUTBOX), telemetry = PUT(STORE_TELEMETRY);
	const struct store_query q = { .table = STORE_TELEMETRY, .max_rows = 100 };
	double turn[2] = { 0 }, began, calling, calls;
	struct answer a = { 0 };
	struct store_summary s = { .rows = -1 };
	uv_timer_t timer;
	int found = -1;

	(void)state;
	submit(&telemetry, 1);
	atomic_store(&sync_ms, 1000);
	uv_timer_init(&loop, &timer);
	timer.data = turn;
	turn[0] = calling = own_ms();
	began = now_ms();
	uv_timer_start(&timer, on_timer, 5, 5);
	assert_int_equal(store_submit(store, &promise, 1, done, &a, NULL), 0);
	assert_int_equal(store_submit(store, &telemetry, 1, done, &a, NULL), 0);
	assert_int_equal(store_read(store, &q, on_rows, &found), 0);
	assert_int_equal(store_summarize(store, STORE_TELEMETRY, on_summary, &s), 0);
	calls = own_ms() - calling;
	until(&a.n, 2);
	while (found < 0 || s.rows < 0)
		uv_run(&loop, UV_RUN_ONCE);
	assert_true(now_ms() - began >= 1000);
	assert_int_equal(found, 2);
	assert_int_equal(s.rows, 2);
	print_message("a sync of 1 s: four calls took %.2f ms, the loop's longest turn %.1f ms\n", calls, turn[1]);
	assert_true(calls < 500);
	assert_true(turn[1] < 500);
	atomic_store(&sync_ms, 0);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&loop, UV_RUN_NOWAIT);
}

struct last_words { int reads, n, counts, status; };

static void on_last_rows(void *context, const struct store_row *rows, int n)
{
	struct last_words *w = context;

	(void)rows;
	w->reads++;
	w->n = n;
}

static void on_last_count(void *context, const struct store_summary *s, int status)
{
	struct last_words *w = context;

	w->counts += s == NULL;
	w->status = status;
}

/* The disk stands still while closing: what has begun is finished, everybody else is told once that it was not done. */
static void test_close_with_stalled_disk(void **state)
{
	const struct store_op promise = PUT(STORE_OUTBOX), telemetry = PUT(STORE_TELEMETRY);
	const struct store_query q = { .table = STORE_TELEMETRY, .max_rows = 100 };
	struct answer first = { 0 }, second = { 0 };
	struct last_words w = { 0 };
	double began;

	(void)state;
	submit(&CLASSES[0].ops[0], 1);
	atomic_store(&sync_once_ms, 5300);
	began = now_ms();
	assert_int_equal(store_submit(store, &promise, 1, done, &first, NULL), 0);
	assert_int_equal(store_submit(store, &telemetry, 1, done, &second, NULL), 0);
	assert_int_equal(store_read(store, &q, on_last_rows, &w), 0);
	assert_int_equal(store_summarize(store, STORE_TELEMETRY, on_last_count, &w), 0);
	while (atomic_load(&sync_once_ms)) /* it has begun */
		usleep(1000);
	store_close(store);
	store = NULL;
	assert_true(now_ms() - began > 5300);
	assert_int_equal(first.n, 1);
	assert_int_equal(first.status, 0);
	assert_int_equal(second.n, 1);
	assert_int_equal(second.status, -ECANCELED);
	assert_int_equal(w.reads, 1);
	assert_int_equal(w.n, -ECANCELED);
	assert_int_equal(w.counts, 1);
	assert_int_equal(w.status, -ECANCELED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_who_is_synced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_log_stays_short, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bytes_of_batches, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_deletion, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stalled_disk, setup, teardown),
		cmocka_unit_test_setup_teardown(test_close_with_stalled_disk, setup, teardown),
	};
	sqlite3_vfs *system = sqlite3_vfs_find(NULL);

	log_open("itest_store_wear", LOG_LEVEL_ERROR);
	counting = *system;
	counting.zName = "counting";
	counting.pAppData = system;
	counting.xOpen = count_open;
	sqlite3_vfs_register(&counting, 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
