/* A week without the cloud on a simulated clock, with the real store: two batteries, 2016 intervals, promises now and then. Then
 * the link is back, and the other side fails, forgets and answers late. One restart in the week, one in the middle of the drain.
 * In the end every point and every promise is there, the promises in their order, and nothing is owed.
 * HEARTH_SEED repeats a run. */
#include "flow/cloud/backlog.h"
#include "flow/cloud/outbox.h"
#include "io/log.h"
#include "support/seed.h"

#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define UTC 1768478400000LL
#define INTERVALS 2016
#define STEP_S 300
#define BATTERIES 2
#define PROMISES_MAX 256
#define MAIL_MAX 128
#define MEMORY_MAX (2 << 20)

static uv_loop_t loop;
static char path[96], folder[64];
static struct store *store;
static struct outbox *box;
static struct backlog *backlog;
static int64_t now = 5000;
static int batch_max;            /* 0 = as many as there may be; after the restart in mid-drain a few, so that much can go wrong */
static uint64_t rng, seed;

/* what the other side has */
static uint8_t points[BATTERIES][INTERVALS * 2];
static int n_points;
static char promised[PROMISES_MAX][OUTBOX_ID_MAX], first_sent[PROMISES_MAX][OUTBOX_ID_MAX];
static bool arrived[PROMISES_MAX];
static int n_promised, n_first_sent;
/* answers on their way */
static struct mail { int64_t at_ms; char id[BACKLOG_ID_MAX]; int status; bool telemetry; struct telemetry_answer a; } mail[MAIL_MAX];
static int n_mail;
static struct { long batches, promises, lost, failed, late; } seen;
static size_t memory_before, memory_high;

static uint32_t below(uint32_t n)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 33) % n;
}

static size_t memory(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

static void watch_memory(void)
{
	const size_t m = memory();

	memory_high = m > memory_high ? m : memory_high;
}

/* ---- the other side ---- */

static void post(const char *id, int status, bool telemetry, const struct telemetry_answer *a)
{
	struct mail *m = &mail[n_mail];
	const uint32_t dice = below(100);

	if (dice < 8 || n_mail == MAIL_MAX) { /* the answer is lost */
		seen.lost++;
		return;
	}
	*m = (struct mail){ .at_ms = now + (dice < 12 ? 100000 : below(3000)), .status = status, .telemetry = telemetry };
	seen.late += dice < 12;
	snprintf(m->id, sizeof(m->id), "%s", id);
	if (a)
		m->a = *a;
	n_mail++;
}

static void keep_point(const struct telemetry_point *p)
{
	const int64_t k = (p->start_utc_ms - UTC) / 1000 / STEP_S;
	const int d = p->device_id[0] - 'a';

	assert_in_range(k, 0, INTERVALS * 2 - 1);
	assert_in_range(d, 0, BATTERIES - 1);
	assert_int_equal((int)(p->charge_wh * 10 + 0.5), (k * 7 + d) % 4000);
	n_points += !points[d][k];
	points[d][k] = 1;
}

static int take_points(void *context, const struct backlog_batch *b)
{
	struct telemetry_answer a = { 0 };
	const uint32_t dice = below(100);

	(void)context;
	watch_memory();
	seen.batches++;
	if (dice < 5)
		return -EAGAIN;
	if (dice < 10)
		return 0; /* never came there */
	if (dice < 20) {
		seen.failed++;
		post(b->id, dice % 2 ? 500 : 429, true, NULL);
		return 0;
	}
	if (b->n > 25 && dice < 25) {
		post(b->id, 413, true, NULL);
		return 0;
	}
	a.n = dice < 40 ? (int)below((uint32_t)b->n + 1) : b->n; /* silent about the rest */
	for (int i = 0; i < a.n; i++) {
		if (dice >= 38 && dice < 40 && i % 3 == 0)
			continue;
		a.told[i / 8] |= (uint8_t)(1u << i % 8);
		keep_point(&b->points[i]);
	}
	post(b->id, 200, true, &a);
	return 0;
}

static int take_promise(void *context, const char *kind, const char *body)
{
	AUTO_JSON *o = cJSON_Parse(body);
	const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "message_id"));
	const uint32_t dice = below(100);
	int i = 0;

	(void)context;
	(void)kind;
	assert_non_null(id);
	if (dice < 5)
		return -EAGAIN;
	seen.promises++;
	while (i < n_first_sent && strcmp(first_sent[i], id) != 0)
		i++;
	if (i == n_first_sent)
		snprintf(first_sent[n_first_sent++], OUTBOX_ID_MAX, "%s", id);
	if (dice < 15)
		return 0;
	if (dice < 25) {
		seen.failed++;
		post(id, 503, false, NULL);
		return 0;
	}
	for (i = 0; i < n_promised; i++)
		if (!strcmp(promised[i], id))
			arrived[i] = true;
	post(id, 204, false, NULL);
	return 0;
}

static void deliver(void)
{
	for (int i = 0; i < n_mail; i++) {
		struct mail m = mail[i];

		if (m.at_ms > now)
			continue;
		mail[i--] = mail[--n_mail];
		if (m.telemetry)
			backlog_answer(backlog, m.id, m.status, m.status == 200 ? &m.a : NULL, "not now", now);
		else
			outbox_ack(box, m.id, m.status, "not now", now);
	}
}

/* ---- this side ---- */

static void open_all(void)
{
	struct outbox_options o = { .store = NULL };
	struct backlog_options b = { .store = NULL };
	struct errbuf err = { "" };

	if (store_open(&store, &loop, path, &err) != 0)
		fail_msg("%s", err.text);
	o.store = b.store = store;
	assert_int_equal(outbox_open(&box, &o, &err), 0);
	assert_int_equal(backlog_open(&backlog, &b, &err), 0);
	outbox_sender(box, take_promise, NULL);
	backlog_sender(backlog, take_points, NULL, batch_max);
}

static void close_all(void)
{
	store_close(store);
	outbox_close(box);
	backlog_close(backlog);
	uv_run(&loop, UV_RUN_DEFAULT);
}

static void disk(void)
{
	int waiting;

	for (store_stats(store, NULL, &waiting); waiting > 0; store_stats(store, NULL, &waiting))
		uv_run(&loop, UV_RUN_ONCE);
}

static void step(void)
{
	deliver();
	outbox_step(box, now);
	backlog_step(backlog, now);
	disk();
}

struct promise { char id[OUTBOX_ID_MAX]; };

static void promise_done(void *context, uint64_t ticket, int status)
{
	struct promise *p = context;

	(void)ticket;
	assert_int_equal(status, 0);
	outbox_committed(box, p->id, status, now);
	free(p);
}

static void promise(void)
{
	struct promise *p = malloc(sizeof(*p));
	AUTO_JSON *body = cJSON_CreateObject();
	struct store_op op;

	cJSON_AddNumberToObject(body, "id", n_promised);
	cJSON_AddStringToObject(body, "device_status", "OK");
	assert_int_equal(outbox_add(box, OUTBOX_COMMAND_STATUS, body, UTC + now, &op, p->id), 0);
	snprintf(promised[n_promised++], OUTBOX_ID_MAX, "%s", p->id);
	assert_int_equal(store_submit(store, &op, 1, promise_done, p, NULL), 0);
}

static void interval(int k)
{
	struct telemetry_point p[BATTERIES];

	for (int d = 0; d < BATTERIES; d++)
		p[d] = (struct telemetry_point){ .device_id = { (char)('a' + d) }, .start_utc_ms = UTC + (int64_t)k * STEP_S * 1000,
						 .duration_s = STEP_S, .online = true, .grid_online = true, .charge_w = 1000,
						 .charge_wh = (k * 7 + d) % 4000 / 10.0, .stored_wh = 5000, .capacity_wh = 13500,
						 .reserve_pct = 20, .soc_pct = 37.5, .soh_pct = 98, .home_wh = 40, .home_w = 480,
						 .solar_wh = 120, .solar_w = 1440, .merged = 1 };
	backlog_add(backlog, p, BATTERIES, now);
	if (below(20) == 0 && n_promised < PROMISES_MAX)
		promise();
	step();
	watch_memory();
	now += STEP_S * 1000;
}

static struct backlog_stats points_owed(void)
{
	struct backlog_stats s;

	backlog_stats(backlog, &s);
	return s;
}

static int promises_owed(void)
{
	struct outbox_stats s;

	outbox_stats(box, UTC, &s);
	assert_int_equal(s.quarantined, 0);
	return s.rows;
}

static void restart(void)
{
	close_all();
	open_all();
	outbox_link(box, true, now);
	backlog_link(backlog, true, now);
}

/* Seconds until nothing is owed. A fast clock: what the link does to it, it does in any order. */
static int drain(void)
{
	bool restarted = false;
	int s = 0;

	outbox_link(box, true, now);
	backlog_link(backlog, true, now);
	for (; s < 86400; s++) {
		now += 1000;
		step();
		if (!restarted && n_points > BATTERIES * INTERVALS / 2) {
			restarted = true;
			batch_max = 40;
			restart();
			continue; /* what there is has not been counted yet */
		}
		if (below(100) == 0) {
			const bool up = below(2);

			outbox_link(box, up, now);
			backlog_link(backlog, up, now);
		}
		if (s % 40 == 39) {
			outbox_link(box, true, now);
			backlog_link(backlog, true, now);
		}
		if (s > 10 && !points_owed().rows && !promises_owed() && restarted)
			break;
	}
	assert_true(restarted);
	return s;
}

static void test_week(void **state)
{
	const int restart_at = 100 + (int)below(INTERVALS - 200);
	int seconds;

	(void)state;
	open_all();
	memory_before = memory_high = memory();
	for (int k = 0; k < INTERVALS; k++) {
		interval(k);
		if (k == restart_at) {
			close_all();
			open_all();
		}
	}
	assert_int_equal(seen.batches + seen.promises, 0);
	assert_int_equal(points_owed().rows, BATTERIES * INTERVALS);
	assert_int_equal(promises_owed(), n_promised);

	seconds = drain();
	print_message("%d s, %ld batches, %ld promises sent (%d made), %ld answers lost, %ld late, %ld refusals, %zu KiB more at most\n",
		      seconds, seen.batches, seen.promises, n_promised, seen.lost, seen.late, seen.failed,
		      (memory_high - memory_before) / 1024);
	for (int d = 0; d < BATTERIES; d++)
		for (int k = 0; k < INTERVALS; k++)
			if (!points[d][k])
				fail_msg("interval %d of battery %d never came", k, d);
	for (int i = 0; i < n_promised; i++) {
		assert_true(arrived[i]);
		assert_string_equal(first_sent[i], promised[i]);
	}
	assert_int_equal(n_first_sent, n_promised);
	assert_int_equal(points_owed().refused + points_owed().dropped_total + points_owed().thinned_total, 0);
	assert_true(memory_high - memory_before < MEMORY_MAX);
	assert_true(seen.batches < 200 + seconds / 2); /* no storm */

	restart(); /* and the disk says the same */
	for (int i = 0; i < 5; i++, now += 1000)
		step();
	assert_int_equal(points_owed().rows, 0);
	assert_int_equal(promises_owed(), 0);
	close_all();
}

static int setup(void **state)
{
	(void)state;
	seed = seed_of("HEARTH_SEED");
	rng = seed * 2654435761u + 88172645463325252u;
	log_open("week", LOG_LEVEL_ERROR);
	snprintf(folder, sizeof(folder), "/tmp/hearth-week-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/hearth.db", folder);
	return uv_loop_init(&loop);
}

static int teardown(void **state)
{
	static const char *const END[] = { "", "-wal", "-shm", ".lock", ".spare" };
	char file[sizeof(path) + 8];

	(void)state;
	for (size_t i = 0; i < sizeof(END) / sizeof(END[0]); i++) {
		snprintf(file, sizeof(file), "%s%s", path, END[i]);
		unlink(file);
	}
	rmdir(folder);
	return uv_loop_close(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(test_week, setup, teardown) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
