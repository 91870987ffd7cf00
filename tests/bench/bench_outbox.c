/* What the disk pays for telemetry, and how fast what is owed leaves: the real store, outbox and backlog, and a sink in memory that
 * answers at once. Bytes are those of all write calls of this process (wchar of /proc/self/io), so also what the store does not
 * count itself. Prints "figure: what | measured: value | target: value | met or missed". TMPDIR names the disk. */
#include "flow/cloud/backlog.h"
#include "flow/cloud/outbox.h"
#include "io/log.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define UTC 1768478400000LL
#define BATCH TELEMETRY_BATCH_MAX
#define DRAIN_ROWS 100000
#define PROMISES 20000
#define WEEK 2016
#define DAY_INTERVALS 288
#define DAY_BATTERIES 16

static uv_loop_t loop;
static char folder[128], path[160];
static struct store *store;
static struct backlog *backlog;
static struct outbox *box;
static int64_t now_ms = 1000;

static double clock_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int64_t bytes_written(void)
{
	FILE *f = fopen("/proc/self/io", "re");
	char line[80];
	long long n = -1;

	while (f && n < 0 && fgets(line, sizeof(line), f))
		if (sscanf(line, "wchar: %lld", &n) != 1)
			n = -1;
	if (f)
		fclose(f);
	return n;
}

static void check(int r, const char *what)
{
	if (r == 0)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(-r));
	exit(1);
}

static void figure(const char *what, double measured, const char *format, double target, bool least)
{
	char m[64], t[64];

	snprintf(m, sizeof(m), format, measured);
	snprintf(t, sizeof(t), format, target);
	printf("figure: %s | measured: %s | target: %s %s | %s\n", what, m, least ? ">=" : "<=", t,
	       (least ? measured >= target : measured <= target) ? "met" : "missed");
}

static void forget_files(void)
{
	static const char *const END[] = { "", "-wal", "-shm", ".lock", ".spare" };
	char file[sizeof(path) + 8];

	for (size_t i = 0; i < sizeof(END) / sizeof(END[0]); i++) {
		snprintf(file, sizeof(file), "%s%s", path, END[i]);
		unlink(file);
	}
}

static void open_all(void)
{
	struct outbox_options o = { .store = NULL };
	struct backlog_options b = { .store = NULL };

	check(store_open(&store, &loop, path, NULL), "store");
	o.store = b.store = store;
	check(outbox_open(&box, &o, NULL), "outbox");
	check(backlog_open(&backlog, &b, NULL), "backlog");
}

static void close_all(void)
{
	store_close(store);
	outbox_close(box);
	backlog_close(backlog);
	uv_run(&loop, UV_RUN_DEFAULT);
	forget_files();
}

static void disk(void)
{
	int waiting;

	for (store_stats(store, NULL, &waiting); waiting > 0; store_stats(store, NULL, &waiting))
		uv_run(&loop, UV_RUN_ONCE);
}

/* A battery at work: numbers of the usual length. */
static struct telemetry_point point(int device, int k)
{
	struct telemetry_point p = { .start_utc_ms = UTC + k * 300000LL, .duration_s = 300, .online = true, .grid_online = true,
				     .charge_w = k % 2 ? 2000 + k % 900 : 0, .discharge_w = k % 2 ? 0 : 1500 + k % 700,
				     .charge_wh = 170.3 + k % 50, .discharge_wh = k % 3 ? 0 : 12.7, .stored_wh = 6000 + k % 5000,
				     .capacity_wh = 13500, .reserve_pct = 20, .soc_pct = 44.4, .soh_pct = 98.5, .home_wh = 31.7,
				     .home_w = 380 + k % 99, .solar_wh = 210.9, .solar_w = 2500 + k % 99, .merged = 1 };

	snprintf(p.device_id, sizeof(p.device_id), "bat-0042-%d", device + 1);
	return p;
}

/* One transaction of @n rows; returns the bytes of their packed lines, not of ids, times and numbers. */
static int64_t put_rows(int n, int k)
{
	static struct store_op op[BATCH];
	static char text[BATCH][TELEMETRY_PACKED_MAX];
	int64_t bytes = 0;

	for (int i = 0; i < n; i++) {
		struct telemetry_point p = point(i % 2, k + i / 2);

		bytes += telemetry_pack(&p, text[i], sizeof(text[i]));
		op[i] = (struct store_op){ .verb = STORE_PUT, .table = STORE_TELEMETRY, .at_ms = p.start_utc_ms, .body = text[i] };
		snprintf(op[i].kind, sizeof(op[i].kind), "%s", p.device_id);
	}
	check(store_submit(store, op, n, NULL, NULL, NULL), "submit");
	return bytes;
}

/* ---- the sink ---- */

static char waiting[BACKLOG_ID_MAX];
static int waiting_n, sent_batches;
static bool encode;
static size_t encoded;

static int take_batch(void *context, const struct backlog_batch *b)
{
	(void)context;
	if (encode) {
		char *text = telemetry_encode(b->points, b->n, b->id);

		encoded += text ? strlen(text) : 0;
		free(text);
	}
	memcpy(waiting, b->id, sizeof(waiting));
	waiting_n = b->n;
	sent_batches++;
	return 0;
}

static void answer_batch(void)
{
	struct telemetry_answer a = { .n = waiting_n };

	if (!waiting_n)
		return;
	memset(a.told, 0xff, sizeof(a.told));
	waiting_n = 0;
	check(backlog_answer(backlog, waiting, 200, &a, NULL, now_ms), "answer");
}

static int64_t points_owed(void)
{
	struct backlog_stats s;

	backlog_stats(backlog, &s);
	return s.rows;
}

/* Seconds until all points are away. */
static double drain(void)
{
	double begun;

	backlog_sender(backlog, take_batch, NULL, 0);
	for (int i = 0; i < 6; i++) { /* counts what there is */
		backlog_step(backlog, now_ms += 1000);
		disk();
	}
	begun = clock_s();
	backlog_link(backlog, true, now_ms);
	while (points_owed() > 0) {
		answer_batch();
		uv_run(&loop, UV_RUN_ONCE);
	}
	return clock_s() - begun;
}

/* ---- the figures ---- */

static void newest(void *context, const struct store_row *rows, int n)
{
	check(n == 1 ? 0 : -ENOENT, "the newest row");
	*(int64_t *)context = rows[0].seq;
}

/* The store notes deleted rows and takes them out of the file when all are gone, or when too many are noted. So the price depends
 * on whether the table is ever empty: @left batches always stay in it. */
static void wear(int batches, int left, const char *what)
{
	const struct store_query last = { .table = STORE_TELEMETRY, .newest_first = true, .max_rows = 1 };
	int64_t payload = 0, before, seq = 0;

	open_all();
	before = bytes_written();
	for (int i = 0; i < batches; i++) {
		struct store_op gone = { .verb = STORE_DELETE_RANGE, .table = STORE_TELEMETRY };

		payload += put_rows(BATCH, i * BATCH / 2);
		check(store_read(store, &last, newest, &seq), "read");
		disk();
		gone.seq_to = seq - (int64_t)left * BATCH;
		gone.seq_from = gone.seq_to - BATCH + 1;
		if (i >= left)
			check(store_submit(store, &gone, 1, NULL, NULL, NULL), "submit");
		disk();
	}
	close_all(); /* the last cleaning up and checkpoint count too */
	figure(what, (double)(bytes_written() - before) / (double)payload, "%.2fx", 2.5, false);
}

/* As the store has it. Seconds with closing the file. */
#define PRAGMAS "PRAGMA synchronous = NORMAL; PRAGMA cache_size = -512; PRAGMA secure_delete = FAST"

static double drain_bare(void)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *read = NULL, *gone = NULL;
	int64_t first, last, n = 1, sum = 0;
	double begun;

	if (sqlite3_open(path, &db) || sqlite3_exec(db, PRAGMAS, NULL, NULL, NULL) ||
	    sqlite3_prepare_v2(db, "SELECT seq, kind, at_ms, body FROM telemetry ORDER BY seq LIMIT 1000", -1, &read, NULL) ||
	    sqlite3_prepare_v2(db, "DELETE FROM telemetry WHERE seq BETWEEN ?1 AND ?2", -1, &gone, NULL)) {
		fprintf(stderr, "bare: %s\n", sqlite3_errmsg(db));
		exit(1);
	}
	begun = clock_s();
	while (n > 0) {
		for (n = first = last = 0; sqlite3_step(read) == SQLITE_ROW; n++) {
			struct telemetry_point p;

			last = sqlite3_column_int64(read, 0);
			first = first ? first : last;
			telemetry_unpack((const char *)sqlite3_column_text(read, 1), sqlite3_column_int64(read, 2),
					 (const char *)sqlite3_column_text(read, 3), &p);
			sum += p.duration_s;
		}
		sqlite3_reset(read);
		sqlite3_bind_int64(gone, 1, first);
		sqlite3_bind_int64(gone, 2, last);
		if (n && sqlite3_step(gone) != SQLITE_DONE)
			exit(1);
		sqlite3_reset(gone);
	}
	sqlite3_finalize(read);
	sqlite3_finalize(gone);
	sqlite3_close(db);
	begun = clock_s() - begun;
	if (sum != DRAIN_ROWS * 300LL) {
		fprintf(stderr, "bare: not the same rows\n");
		exit(1);
	}
	return begun;
}

static void fill(int rows)
{
	open_all();
	for (int k = 0; k < rows; k += BATCH) {
		put_rows(rows - k < BATCH ? rows - k : BATCH, k / 2);
		disk();
	}
}

static void speed(void)
{
	double mine, whole, bare;
	char what[160];

	fill(DRAIN_ROWS);
	mine = drain();
	whole = clock_s();
	close_all();
	whole = mine + clock_s() - whole; /* what was only noted as deleted is cleaned up */
	fill(DRAIN_ROWS);
	store_close(store);
	outbox_close(box);
	backlog_close(backlog);
	bare = drain_bare();
	forget_files();
	figure("outbox: points drained to a local sink in batches of 1000 (rows/s)", DRAIN_ROWS / mine, "%.0f", 20000, true);
	snprintf(what, sizeof(what), "... with closing the file, against bare SQLite reading, unpacking, deleting the same (%.0f rows/s)",
		 DRAIN_ROWS / bare);
	printf("figure: %s | measured: %.2fx (%.0f rows/s) | target: - | -\n", what, bare / whole, DRAIN_ROWS / whole);
}

static void week(void)
{
	double s;

	fill(2 * WEEK);
	encode = true;
	sent_batches = 0;
	s = drain();
	encode = false;
	close_all();
	figure("outbox: a week of two batteries (4032 points) read, encoded, answered, deleted (s)", s, "%.3f", 2, false);
	printf("# %d batches, %.1f MB of JSON\n", sent_batches, (double)encoded / 1e6);
}

static void steady_day(void)
{
	int64_t before;

	open_all();
	backlog_sender(backlog, take_batch, NULL, 0);
	backlog_link(backlog, true, now_ms);
	for (int i = 0; i < 6; i++) {
		backlog_step(backlog, now_ms += 1000);
		disk();
	}
	before = bytes_written();
	for (int k = 0; k < DAY_INTERVALS; k++) {
		struct telemetry_point p[DAY_BATTERIES];

		for (int i = 0; i < DAY_BATTERIES; i++)
			p[i] = point(i, k);
		backlog_add(backlog, p, DAY_BATTERIES, now_ms);
		disk();
		answer_batch();
		disk();
		now_ms += 300000;
	}
	check(points_owed() == 0 ? 0 : -EBUSY, "steady day");
	close_all();
	figure("outbox: written in a day of 16 batteries, 288 intervals each stored, sent, deleted (MiB)",
	       (double)(bytes_written() - before) / 1048576, "%.1f", 20, false);
}

/* ---- promises: each deletion is on disk and synced ---- */

static char taken[64][OUTBOX_ID_MAX];
static int n_taken;

static int take_promise(void *context, const char *kind, const char *body)
{
	(void)context;
	(void)kind;
	if (n_taken == 64)
		return -EAGAIN;
	snprintf(taken[n_taken++], OUTBOX_ID_MAX, "%.36s", strstr(body, "message_id") + 13);
	return 0;
}

static void promises_put(void)
{
	static struct store_op op[STORE_SOME];
	static char id[STORE_SOME][OUTBOX_ID_MAX];
	AUTO_JSON *body = cJSON_Parse("{\"id\":\"0123\",\"device_status\":\"OK\",\"device_status_reason\":\"\"}");

	for (int i = 0; i < PROMISES; i += STORE_SOME) {
		const int n = PROMISES - i < STORE_SOME ? PROMISES - i : STORE_SOME;

		for (int k = 0; k < n; k++)
			check(outbox_add(box, OUTBOX_COMMAND_STATUS, body, UTC, &op[k], id[k]), "outbox_add");
		check(store_submit(store, op, n, NULL, NULL, NULL), "submit");
		disk();
		for (int k = 0; k < n; k++)
			outbox_committed(box, id[k], 0, now_ms);
	}
}

static void promises(void)
{
	struct outbox_stats s;
	double begun;

	open_all();
	outbox_sender(box, take_promise, NULL);
	promises_put();
	begun = clock_s();
	outbox_link(box, true, now_ms);
	while (n_taken > 0) {
		char id[OUTBOX_ID_MAX];

		memcpy(id, taken[--n_taken], sizeof(id));
		check(outbox_ack(box, id, 204, NULL, now_ms), "ack");
		uv_run(&loop, UV_RUN_NOWAIT);
	}
	begun = clock_s() - begun;
	outbox_stats(box, UTC, &s);
	check(s.rows == 0 ? 0 : -EBUSY, "promises");
	disk();
	close_all();
	figure("outbox: promises drained to a local sink, each deletion synced (rows/s)", PROMISES / begun, "%.0f", 20000, true);
}

int main(void)
{
	const char *tmp = getenv("TMPDIR");

	log_open("bench_outbox", LOG_LEVEL_ERROR);
	snprintf(folder, sizeof(folder), "%.90s/hearth-bench-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(folder) || uv_loop_init(&loop))
		return 1;
	snprintf(path, sizeof(path), "%s/hearth.db", folder);
	wear(300, 0, "outbox: bytes written per byte of payload, batches of 1000 points added and deleted, emptied each time");
	wear(300, 2, "... with 2000 points that always wait, so that rows leave the file one by one");
	speed();
	week();
	steady_day();
	promises();
	rmdir(folder);
	return uv_loop_close(&loop) ? 1 : 0;
}
