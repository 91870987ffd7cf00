/* Keeps the tables of the backlog within their limits, a bounded step at a time: neighbours of one device become one point, so that
 * energy is kept as long as time is not; then the oldest go. And the way of a refused point, there and back. */
#include "flow/cloud/backlog_internal.h"

#include "io/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEP_MS 1000
#define STEP_ROWS 512        /* of one step of thinning */
#define MERGED_MAX_S 3600    /* what is merged does not get longer */
#define REFUSED_MAX 10000    /* rows */
#define UNREFUSE_ROWS 500    /* of one step back */
#define SAY_MS 3600000       /* the same refusal again in the log */

/* ---- refused points ---- */

void backlog_refused_op(struct store_op *op, const struct store_row *row, const char *reason, char text[REFUSED_TEXT_MAX])
{
	*op = (struct store_op){ .verb = STORE_PUT, .table = STORE_REFUSED, .at_ms = row->at_ms, .body = text };
	snprintf(op->kind, sizeof(op->kind), "%s", row->kind);
	snprintf(text, REFUSED_TEXT_MAX, "%.*s\n%s", TELEMETRY_PACKED_MAX - 1, row->body, reason);
}

void backlog_refused_say(struct backlog *b, int n, const char *device_id, const char *reason)
{
	char *text = b->stats.refused_reason;

	snprintf(text, sizeof(b->stats.refused_reason), "%.*s", REASON_MAX - 1, reason ? reason : "");
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
	if (b->said_any && !strcmp(text, b->said) && !(b->good_since && b->now_ms - b->said_ms >= SAY_MS)) {
		b->unsaid += n;
		return;
	}
	if (b->unsaid)
		log_warning("backlog", "telemetry refused: %lld more since for: %s", (long long)b->unsaid, b->said);
	log_warning("backlog", "telemetry refused, kept for outbox.retry: %d point%s, the first of %s: %s", n, n == 1 ? "" : "s",
		    device_id, text);
	snprintf(b->said, sizeof(b->said), "%s", text);
	b->said_ms = b->now_ms;
	b->said_any = true;
	b->good_since = false;
	b->unsaid = 0;
}

static void unrefused(void *context, uint64_t ticket, int status)
{
	struct backlog *b = context;

	(void)ticket;
	if (!backlog_job_done(b, status))
		return;
	b->unrefuse -= b->job_rows;
	b->stats.refused -= b->job_rows;
	b->stats.rows += b->job_rows;
	b->stats.bytes += b->job_bytes;
	backlog_work(b);
}

static void refused_read(void *context, const struct store_row *rows, int n)
{
	struct backlog *b = context;
	struct store_op *ops = n > 0 ? calloc((size_t)n + 1, sizeof(*ops)) : NULL;
	char (*text)[REFUSED_TEXT_MAX] = n > 0 ? malloc(sizeof(*text) * (size_t)n) : NULL;

	if (!backlog_job_done(b, n > 0 && (!ops || !text) ? -1 : n) || n == 0) {
		b->unrefuse = n == 0 ? 0 : b->unrefuse;
		b->stats.refused = n == 0 ? 0 : b->stats.refused;
		goto out;
	}
	b->job_rows = n;
	b->job_bytes = 0;
	for (int i = 0; i < n; i++) {
		int len = (int)strcspn(rows[i].body, "\n");

		snprintf(text[i], sizeof(text[i]), "%.*s", len, rows[i].body);
		ops[i] = (struct store_op){ .verb = STORE_PUT, .table = STORE_TELEMETRY, .at_ms = rows[i].at_ms, .body = text[i] };
		snprintf(ops[i].kind, sizeof(ops[i].kind), "%s", rows[i].kind);
		b->job_bytes += (int64_t)strlen(text[i]);
	}
	ops[n] = (struct store_op){ .verb = STORE_DELETE_RANGE, .table = STORE_REFUSED, .seq_from = rows[0].seq,
				    .seq_to = rows[n - 1].seq };
	backlog_submit(b, ops, n + 1, unrefused);
out:
	free(ops);
	free(text);
}

int64_t backlog_retry(struct backlog *b, int64_t now_ms)
{
	const int64_t waiting = b->stats.rows + b->n_queue + b->stats.refused;

	b->now_ms = now_ms;
	b->unrefuse = b->stats.refused;
	for (int i = 0; i < b->batch.n; i++) /* and those that are on their way there */
		b->unrefuse += b->batch.state == BATCH_SETTLING && b->batch.row[i].fate == FATE_REFUSED;
	b->due_ms = b->store_due_ms = b->append_due_ms = now_ms;
	backoff_reset(&b->back);
	backoff_reset(&b->refuse_back);
	backlog_work(b);
	return waiting;
}

static void dropped(struct backlog *b, int status, int64_t *rows)
{
	if (!backlog_job_done(b, status))
		return;
	*rows -= b->job_rows;
	b->stats.dropped_total += b->job_rows;
	backlog_work(b);
}

static void refused_dropped(void *context, uint64_t ticket, int status)
{
	struct backlog *b = context;

	(void)ticket;
	dropped(b, status, &b->stats.refused);
}

static void surplus_read(void *context, const struct store_row *rows, int n)
{
	struct backlog *b = context;
	struct store_op op = { .verb = STORE_DELETE_RANGE, .table = STORE_REFUSED };

	if (!backlog_job_done(b, n) || n == 0)
		return;
	op.seq_from = rows[0].seq;
	op.seq_to = rows[n - 1].seq;
	b->job_rows = n;
	backlog_submit(b, &op, 1, refused_dropped);
}

/* ---- thinning ---- */

struct thinning {
	struct store_op op[STEP_ROWS * 3 / 2]; /* 2 rows go, 1 comes */
	char text[STEP_ROWS / 2][TELEMETRY_PACKED_MAX];
	bool gone[STEP_ROWS];
	int n_ops, merged;
	int64_t freed;
	int n_devices;
	struct { int i; struct telemetry_point p; } last[DEVICE_MAX]; /* i < 0: none that waits for a neighbour */
};

static void thinned(void *context, uint64_t ticket, int status)
{
	struct backlog *b = context;

	(void)ticket;
	if (!backlog_job_done(b, status)) {
		b->thin_seq = 0; /* it had moved on behind what is still there */
		return;
	}
	b->stats.rows -= b->job_rows;
	b->stats.bytes -= b->job_bytes;
	b->stats.thinned_total += b->job_rows;
	backlog_work(b);
}

static void thin_row(struct thinning *t, const struct store_row *rows, int i)
{
	const struct store_row *r = &rows[i];
	struct telemetry_point p, one;
	int d = 0, len;

	if (telemetry_unpack(r->kind, r->at_ms, r->body, &p) < 0)
		return;
	while (d < t->n_devices && strcmp(t->last[d].p.device_id, p.device_id) != 0)
		d++;
	if (d == DEVICE_MAX)
		return;
	if (d == t->n_devices)
		t->last[t->n_devices++].i = -1;
	if (t->last[d].i < 0 || (int64_t)t->last[d].p.duration_s + p.duration_s > MERGED_MAX_S ||
	    telemetry_merge(&t->last[d].p, &p, &one) < 0 ||
	    (len = telemetry_pack(&one, t->text[t->merged], sizeof(t->text[0]))) < 0) {
		t->last[d].i = i;
		t->last[d].p = p;
		return;
	}
	t->op[t->n_ops] = (struct store_op){ .verb = STORE_PUT, .table = STORE_TELEMETRY, .at_ms = one.start_utc_ms,
					     .body = t->text[t->merged] };
	snprintf(t->op[t->n_ops].kind, sizeof(t->op[0].kind), "%s", r->kind);
	t->n_ops++;
	t->merged++;
	t->freed += (int64_t)strlen(rows[t->last[d].i].body) + (int64_t)strlen(r->body) - len;
	t->gone[t->last[d].i] = t->gone[i] = true;
	t->last[d].i = -1;
}

static void thin_rows(struct backlog *b, struct thinning *t, const struct store_row *rows, int n)
{
	int first = n;

	for (int i = 0; i < n; i++)
		thin_row(t, rows, i);
	for (int i = 0; i < n; i++) {
		if (!t->gone[i])
			continue;
		if (i && t->gone[i - 1])
			t->op[t->n_ops - 1].seq_to = rows[i].seq; /* nothing lies between them */
		else
			t->op[t->n_ops++] = (struct store_op){ .verb = STORE_DELETE_RANGE, .table = STORE_TELEMETRY,
							       .seq_from = rows[i].seq, .seq_to = rows[i].seq };
	}
	for (int d = 0; d < t->n_devices; d++)
		if (t->last[d].i >= 0 && t->last[d].p.duration_s < MERGED_MAX_S && t->last[d].i < first)
			first = t->last[d].i;
	/* one left over may find its neighbour in the next step; but a step without any merging goes on */
	b->thin_seq = t->merged && first < n ? rows[first].seq - 1 : rows[n - 1].seq;
	if (!t->merged)
		return;
	b->job_rows = t->merged;
	b->job_bytes = t->freed;
	backlog_submit(b, t->op, t->n_ops, thinned);
}

static void points_dropped(void *context, uint64_t ticket, int status)
{
	struct backlog *b = context;

	(void)ticket;
	if (status >= 0)
		b->stats.bytes -= b->job_bytes;
	dropped(b, status, &b->stats.rows);
}

/* What may be thinned or dropped from @from_seq on: not what Flip may have. It would get the merged point beside one of the
 * two it was made of, and count energy twice. False when @q ends before a fresh batch. */
static bool room_query(const struct backlog *b, int64_t from_seq, struct store_query *q)
{
	const struct batch *t = &b->batch;

	*q = (struct store_query){ .table = STORE_TELEMETRY, .seq_from = from_seq, .max_rows = STEP_ROWS };
	if (q->seq_from <= b->owed_seq)
		q->seq_from = b->owed_seq + 1;
	if (!backlog_owed(t) || q->seq_from > t->row[t->n - 1].seq)
		return true;
	q->seq_to = t->row[0].seq - 1;
	if (q->seq_from <= q->seq_to)
		return false;
	q->seq_from = t->row[t->n - 1].seq + 1;
	q->seq_to = 0;
	return true;
}

/* Nothing can be merged any more. */
static void oldest_read(void *context, const struct store_row *rows, int n)
{
	struct backlog *b = context;
	struct store_op op = { .verb = STORE_DELETE_RANGE, .table = STORE_TELEMETRY };
	const int64_t over = b->stats.bytes - b->max_bytes;
	struct store_query behind;
	int k = 0;

	if (!backlog_job_done(b, n))
		return;
	if (n == 0 && b->thin_behind) {
		room_query(b, b->thin_behind + 1, &behind);
		b->thin_behind = 0;
		backlog_read(b, &behind, oldest_read);
		return;
	}
	b->job_bytes = 0;
	while (k < n && b->job_bytes < over)
		b->job_bytes += (int64_t)strlen(rows[k++].body);
	if (!k)
		return;
	if (!b->full)
		log_warning("backlog", "telemetry waits in %lld KiB, as many as [outbox] max_mib allows: the oldest goes",
			    (long long)b->stats.bytes / 1024);
	b->full = true;
	op.seq_from = rows[0].seq;
	op.seq_to = rows[k - 1].seq;
	b->job_rows = k;
	if (!b->owed_seq)
		b->stats.oldest_utc_ms = rows[k < n ? k : n - 1].at_ms;
	backlog_submit(b, &op, 1, points_dropped);
}

static void thin_read(void *context, const struct store_row *rows, int n)
{
	struct backlog *b = context;
	struct store_query oldest;
	struct thinning *t;

	if (!backlog_job_done(b, n))
		return;
	if (n == 0 && b->thin_behind) {
		b->thin_seq = b->thin_behind;
		return;
	}
	if (n == 0) {
		b->thin_behind = room_query(b, 1, &oldest) ? 0 : b->batch.row[b->batch.n - 1].seq;
		backlog_read(b, &oldest, oldest_read);
		return;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return; /* tried again with the next step */
	thin_rows(b, t, rows, n);
	free(t);
}

bool backlog_room(struct backlog *b)
{
	struct store_query q = { .table = STORE_REFUSED, .max_rows = UNREFUSE_ROWS }, thin;

	if (b->unrefuse > 0) {
		if (b->unrefuse < q.max_rows)
			q.max_rows = (int)b->unrefuse;
		backlog_read(b, &q, refused_read);
		return true;
	}
	if (b->stats.refused > REFUSED_MAX) {
		if (b->stats.refused - REFUSED_MAX < q.max_rows)
			q.max_rows = (int)(b->stats.refused - REFUSED_MAX);
		backlog_read(b, &q, surplus_read);
		return true;
	}
	if (b->stats.bytes < b->max_bytes / 4 * 3)
		b->full = false;
	if (b->stats.bytes <= b->max_bytes)
		return false;
	if (b->batch.state == BATCH_SENT || b->now_ms < b->thin_due_ms)
		return false;
	b->thin_due_ms = b->now_ms + STEP_MS;
	if (!b->batch.sent)
		backlog_forget_batch(b); /* read, and nobody else has it */
	if (!b->owed_seq)
		b->suspect_n = 0;
	if (b->thin_passed && !b->owed_seq)
		b->thin_seq = 0;
	b->thin_passed = b->owed_seq && (b->thin_passed || b->thin_seq < b->owed_seq);
	b->thin_behind = room_query(b, b->thin_seq + 1, &thin) ? 0 : b->batch.row[b->batch.n - 1].seq;
	backlog_read(b, &thin, thin_read);
	return true;
}
