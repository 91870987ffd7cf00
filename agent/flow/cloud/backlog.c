/* See backlog.h. Points on their way to the disk, and what happens after what; the batch is in backlog_send.c, limits are kept by
 * backlog_room.c. */
#include "flow/cloud/backlog_internal.h"

#include "core/json.h"
#include "io/crypto.h"
#include "io/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BYTES_DEFAULT (64LL << 20)
#define SETTING "backlog"
#define STORE_FIRST_MS 1000
#define STORE_CAP_MS 60000

uint32_t backlog_dice(void)
{
	uint32_t r;

	crypto_random(&r, sizeof(r));
	return r;
}

bool backlog_job_done(struct backlog *b, int status)
{
	b->busy = false;
	if (status >= 0) {
		backoff_reset(&b->store_back);
		return true;
	}
	b->store_back.first_ms = STORE_FIRST_MS;
	b->store_back.cap_ms = STORE_CAP_MS;
	b->store_due_ms = b->now_ms + backoff_next(&b->store_back, backlog_dice());
	return false;
}

void backlog_submit(struct backlog *b, const struct store_op *ops, int n, store_done_fn done)
{
	int r = store_submit(b->store, ops, n, done, b, NULL);

	b->busy = r == 0;
	if (r < 0)
		backlog_job_done(b, r);
}

void backlog_read(struct backlog *b, const struct store_query *q, store_rows_fn done)
{
	int r = store_read(b->store, q, done, b);

	b->busy = r == 0;
	if (r < 0)
		backlog_job_done(b, r);
}

/* ---- the start: who we are, and what there is ---- */

static void id_written(void *context, uint64_t ticket, int status)
{
	struct backlog *b = context;

	(void)ticket;
	if (!backlog_job_done(b, status))
		return;
	b->stage = STAGE_POINTS;
	backlog_work(b);
}

static void write_id(struct backlog *b)
{
	struct store_op op = { .verb = STORE_PUT, .table = STORE_SETTING, .key = SETTING };
	char text[32];

	snprintf(text, sizeof(text), "{\"id\":\"%s\"}", b->id);
	op.body = text;
	backlog_submit(b, &op, 1, id_written);
}

static void points_counted(void *context, const struct store_summary *s, int status)
{
	struct backlog *b = context;

	if (!backlog_job_done(b, status))
		return;
	b->stats.rows = s->rows;
	b->stats.bytes = s->bytes;
	b->stats.oldest_utc_ms = s->rows ? s->oldest_at_ms : 0;
	b->stage = STAGE_REFUSED;
	backlog_work(b);
}

static void refused_counted(void *context, const struct store_summary *s, int status)
{
	struct backlog *b = context;

	if (!backlog_job_done(b, status))
		return;
	b->stats.refused = s->rows;
	b->stage = s->rows ? STAGE_REASON : STAGE_READY;
	backlog_work(b);
}

static void reason_read(void *context, const struct store_row *rows, int n)
{
	struct backlog *b = context;
	const char *line = n > 0 ? strchr(rows[0].body, '\n') : NULL;

	if (!backlog_job_done(b, n))
		return;
	if (line && !b->stats.refused_reason[0])
		snprintf(b->stats.refused_reason, sizeof(b->stats.refused_reason), "%.*s", REASON_MAX - 1, line + 1);
	b->stage = STAGE_READY;
	backlog_work(b);
}

/* A count replaces what is known: nothing may be appended while it runs. */
static void count(struct backlog *b)
{
	const struct store_query newest = { .table = STORE_REFUSED, .newest_first = true, .max_rows = 1 };
	int r = 0;

	switch (b->stage) {
	case STAGE_ID:
		write_id(b);
		return;
	case STAGE_POINTS:
		if (b->n_flight)
			return;
		r = store_summarize(b->store, STORE_TELEMETRY, points_counted, b);
		break;
	case STAGE_REFUSED:
		r = store_summarize(b->store, STORE_REFUSED, refused_counted, b);
		break;
	case STAGE_REASON:
		backlog_read(b, &newest, reason_read);
		return;
	case STAGE_READY:
		return;
	}
	b->busy = r == 0;
	if (r < 0)
		backlog_job_done(b, r);
}

/* ---- what comes in ---- */

static void queue_shift(struct backlog *b, int from, int n)
{
	memmove(&b->queue[from], &b->queue[from + n], sizeof(b->queue[0]) * (size_t)(b->n_queue - from - n));
	b->n_queue -= n;
}

static void appended(void *context, uint64_t ticket, int status)
{
	struct backlog *b = context;
	const int n = b->n_flight;

	(void)ticket;
	b->n_flight = 0;
	b->stats.store_failing = status < 0;
	if (status < 0) {
		b->append_back.first_ms = STORE_FIRST_MS;
		b->append_back.cap_ms = STORE_CAP_MS;
		b->append_due_ms = b->now_ms + backoff_next(&b->append_back, backlog_dice());
		return;
	}
	backoff_reset(&b->append_back);
	b->deaf = false;
	if (!b->stats.rows)
		b->stats.oldest_utc_ms = b->queue[0].start_utc_ms;
	b->stats.rows += n;
	b->stats.bytes += b->flight_bytes;
	b->fresh_utc_ms = b->queue[n - 1].start_utc_ms;
	b->fresh_n = 0;
	while (b->fresh_n < n && b->queue[n - 1 - b->fresh_n].start_utc_ms == b->fresh_utc_ms)
		b->fresh_n++;
	queue_shift(b, 0, n);
	backlog_work(b);
}

static void append(struct backlog *b)
{
	struct store_op ops[QUEUE_MAX];
	char text[QUEUE_MAX][TELEMETRY_PACKED_MAX];
	int n = 0, r;

	if (b->n_flight || !b->n_queue || b->now_ms < b->append_due_ms || (b->busy && b->stage == STAGE_POINTS))
		return;
	b->flight_bytes = 0;
	while (n < b->n_queue) {
		const struct telemetry_point *p = &b->queue[n];
		int len = telemetry_pack(p, text[n], sizeof(text[n]));

		if (len < 0) { /* cannot happen with numbers that were rounded */
			queue_shift(b, n, 1);
			b->stats.dropped_total++;
			continue;
		}
		ops[n] = (struct store_op){ .verb = STORE_PUT, .table = STORE_TELEMETRY, .at_ms = p->start_utc_ms, .body = text[n] };
		snprintf(ops[n].kind, sizeof(ops[n].kind), "%s", p->device_id);
		b->flight_bytes += len;
		n++;
	}
	if (!n)
		return;
	b->n_flight = n;
	r = store_submit(b->store, ops, n, appended, b, NULL);
	if (r < 0)
		appended(b, 0, r);
}

void backlog_add(struct backlog *b, const struct telemetry_point *points, int n, int64_t now_ms)
{
	int room;

	b->now_ms = now_ms;
	b->begun = true;
	for (int i = 0; i < n; i++) {
		room = QUEUE_MAX - b->n_queue;
		if (!room) {
			if (!b->deaf)
				log_warning("backlog", "the disk takes nothing: telemetry of the oldest intervals is lost");
			b->deaf = true;
			b->stats.dropped_total++;
			if (b->n_flight == QUEUE_MAX)
				continue;
			queue_shift(b, b->n_flight, 1); /* what is under way may be on disk already */
		}
		b->queue[b->n_queue++] = points[i];
	}
	backlog_work(b);
}

/* ---- the life of it ---- */

void backlog_work(struct backlog *b)
{
	if (!b->begun)
		return; /* others still load from the store */
	append(b);
	if (b->busy || b->now_ms < b->store_due_ms)
		return;
	if (b->stage != STAGE_READY)
		count(b);
	else if (!backlog_settle(b) && !backlog_room(b))
		backlog_pump(b);
}

void backlog_step(struct backlog *b, int64_t now_ms)
{
	b->now_ms = now_ms;
	b->begun = true;
	backlog_timeouts(b);
	backlog_work(b);
}

void backlog_limit(struct backlog *b, int64_t max_bytes)
{
	b->max_bytes = max_bytes > 0 ? max_bytes : MAX_BYTES_DEFAULT;
}

static int load_id(void *context, const struct store_row *row)
{
	struct backlog *b = context;
	AUTO_JSON *o = NULL;
	char id[sizeof(b->id)] = "";

	if (strcmp(row->key, SETTING) != 0)
		return 0;
	o = json_parse(row->body, strlen(row->body), 256, 2, NULL);
	if (json_get_text(o, "id", id, sizeof(id), NULL) == 1 && strspn(id, "0123456789abcdef") == sizeof(id) - 1) {
		memcpy(b->id, id, sizeof(id));
		b->stage = STAGE_POINTS;
	}
	return 1;
}

int backlog_open(struct backlog **out, const struct backlog_options *options, struct errbuf *err)
{
	struct backlog *b = calloc(1, sizeof(*b));
	int r;

	if (!b)
		return errbuf_set(err, -ENOMEM, "backlog: no memory");
	b->store = options->store;
	backlog_limit(b, options->max_bytes);
	backlog_sender(b, NULL, NULL, options->batch_max);
	snprintf(b->id, sizeof(b->id), "%08x", backlog_dice());
	r = store_load(b->store, STORE_SETTING, load_id, b, err);
	if (r < 0) {
		backlog_close(b);
		return r;
	}
	*out = b;
	return 0;
}

void backlog_close(struct backlog *b)
{
	if (!b)
		return;
	backlog_forget_batch(b);
	free(b);
}

void backlog_stats(const struct backlog *b, struct backlog_stats *out)
{
	*out = b ? b->stats : (struct backlog_stats){ 0 };
	if (!b)
		return;
	out->link_up = b->up;
	out->rows += b->n_queue;
	for (int i = 0; i < b->n_queue; i++)
		if (!out->oldest_utc_ms || b->queue[i].start_utc_ms < out->oldest_utc_ms)
			out->oldest_utc_ms = b->queue[i].start_utc_ms;
}
