/* How a batch goes out and comes back: read from the disk, handed over, answered point by point, settled on the disk. At most one
 * is under way. A whole batch Flip calls wrong is halved until the bad point is alone. */
#include "flow/cloud/backlog_internal.h"

#include "io/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWER_MS 90000
#define RETRY_FIRST_MS 5000
#define RETRY_CAP_MS 300000
#define HALVING_MS 1000      /* between two halvings */
#define REFUSE_CAP_MS 60000  /* between points refused one by one */
#define FLAP_MS 60000        /* a link that came up again sooner does not reset the back-off */

void backlog_forget_batch(struct backlog *b)
{
	free(b->batch.points);
	free(b->batch.row);
	b->batch = (struct batch){ .state = BATCH_NONE };
}

bool backlog_owed(const struct batch *t)
{
	return t->sent && (t->state == BATCH_SENT || t->state == BATCH_HELD);
}

/* Flip spoke of the batch: its rows may be thinned again, unless more of them went out in a larger one. */
static void answered(struct backlog *b)
{
	const struct batch *t = &b->batch;

	if (!t->fresh && t->row[t->n - 1].seq >= b->owed_seq)
		b->owed_seq = 0;
}

static int64_t wait_ms(struct backoff *back, int32_t first_ms, int32_t cap_ms)
{
	back->first_ms = first_ms;
	back->cap_ms = cap_ms;
	return backoff_next(back, backlog_dice());
}

/* The batch stays in memory and goes again, under its old id. */
static void again(struct backlog *b)
{
	b->batch.state = BATCH_HELD;
	b->stats.failed_total++;
	b->due_ms = b->now_ms + wait_ms(&b->back, RETRY_FIRST_MS, RETRY_CAP_MS);
}

void backlog_timeouts(struct backlog *b)
{
	if (b->batch.state == BATCH_SENT && b->now_ms >= b->batch.deadline_ms)
		again(b);
}

static void hand_over(struct backlog *b)
{
	const struct backlog_batch out = { .n = b->batch.n, .points = b->batch.points };
	struct backlog_batch batch = out;

	memcpy(batch.id, b->batch.id, sizeof(batch.id));
	b->batch.state = BATCH_SENT; /* before the call: whatever the sender does, it finds things in order */
	b->fresh_last = b->batch.fresh;
	b->batch.deadline_ms = b->now_ms + ANSWER_MS;
	if (b->send(b->context, &batch) < 0) {
		b->batch.state = BATCH_HELD;
		b->due_ms = b->now_ms + 1; /* not in this step again */
		return;
	}
	b->batch.sent = true;
	b->sent_ms = b->now_ms;
	if (!b->batch.fresh && b->batch.row[b->batch.n - 1].seq > b->owed_seq)
		b->owed_seq = b->batch.row[b->batch.n - 1].seq;
}

/* ---- reading ---- */

static void moved_away(void *context, uint64_t ticket, int status)
{
	struct backlog *b = context;

	(void)ticket;
	if (!backlog_job_done(b, status))
		return;
	b->stats.rows -= b->job_rows;
	b->stats.bytes -= b->job_bytes;
	b->stats.refused += b->job_rows;
	backlog_work(b);
}

/* A row that cannot be read (damaged, or another version's) must not stop those behind it. True when this one is such. */
static bool move_unreadable(struct backlog *b, const struct store_row *row)
{
	struct telemetry_point p;
	struct store_op ops[2] = { { .verb = STORE_DELETE_RANGE, .table = STORE_TELEMETRY, .seq_from = row->seq, .seq_to = row->seq } };
	char text[REFUSED_TEXT_MAX];

	if (telemetry_unpack(row->kind, row->at_ms, row->body, &p) == 0)
		return false;
	backlog_refused_op(&ops[1], row, "cannot be read", text);
	b->job_rows = 1;
	b->job_bytes = (int64_t)strlen(row->body);
	backlog_refused_say(b, 1, row->kind, "cannot be read");
	backlog_submit(b, ops, 2, moved_away);
	return true;
}

static int fill(struct backlog *b, const struct store_row *rows, int n, bool fresh)
{
	struct batch *t = &b->batch;

	backlog_forget_batch(b);
	t->points = malloc(sizeof(t->points[0]) * (size_t)n);
	t->row = malloc(sizeof(t->row[0]) * (size_t)n);
	if (!t->points || !t->row) {
		backlog_forget_batch(b);
		return -ENOMEM;
	}
	for (int k = 0; k < n; k++) {
		const struct store_row *r = &rows[fresh ? n - 1 - k : k];

		if (fresh && r->at_ms != b->fresh_utc_ms)
			continue; /* something was put behind the interval meanwhile */
		if (telemetry_unpack(r->kind, r->at_ms, r->body, &t->points[t->n]) < 0) {
			if (k == 0 && !fresh)
				move_unreadable(b, r);
			break; /* what stands before it goes first; then it is the first */
		}
		t->row[t->n++] = (struct batch_row){ .seq = r->seq, .len = (int32_t)strlen(r->body) };
	}
	if (!t->n) {
		backlog_forget_batch(b);
		return -ENOENT;
	}
	t->fresh = fresh;
	t->state = BATCH_HELD;
	snprintf(t->id, sizeof(t->id), "tel-%s-%lld-%lld-%d", b->id, (long long)t->row[0].seq, (long long)t->row[t->n - 1].seq, t->n);
	return 0;
}

static void rows_read(struct backlog *b, const struct store_row *rows, int n, bool fresh)
{
	int r;

	if (!backlog_job_done(b, n))
		return;
	if (!n) {
		b->stats.rows = b->stats.bytes = b->stats.oldest_utc_ms = b->owed_seq = 0; /* the table knows better */
		return;
	}
	if (!fresh) {
		b->stats.oldest_utc_ms = rows[0].at_ms;
		if (rows[0].seq > b->owed_seq)
			b->owed_seq = 0;
	}
	r = fill(b, rows, n, fresh);
	if (r == -ENOMEM)
		b->due_ms = b->now_ms + RETRY_FIRST_MS;
	backlog_work(b);
}

static void oldest_read(void *context, const struct store_row *rows, int n)
{
	rows_read(context, rows, n, false);
}

static void newest_read(void *context, const struct store_row *rows, int n)
{
	rows_read(context, rows, n, true);
}

static int least(int a, int b)
{
	return a < b ? a : b;
}

static int batch_size(const struct backlog *b)
{
	int n = least(b->batch_max, least(b->limit, b->ceiling));

	if (b->suspect_n > 1)
		return least(n, b->suspect_n / 2);
	return b->suspect_n == 1 ? 1 : n;
}

void backlog_pump(struct backlog *b)
{
	struct store_query q = { .table = STORE_TELEMETRY, .max_rows = batch_size(b) };
	/* when all fits into one batch, there is nothing to put before it */
	const bool could = b->fresh_n > 0 && b->stats.rows > q.max_rows && b->fresh_n <= least(b->batch_max, b->ceiling);
	const bool fresh = could && !b->fresh_last; /* in turns: where a batch takes as long as an interval, the old ones starve */

	if (!b->up || !b->send || b->now_ms < b->due_ms || b->batch.state == BATCH_SENT)
		return;
	if (b->batch.state == BATCH_HELD && (!fresh || b->batch.fresh)) {
		hand_over(b);
		return;
	}
	if (!b->stats.rows)
		return;
	backlog_forget_batch(b);
	if (fresh) {
		q.newest_first = true;
		q.max_rows = b->fresh_n;
	}
	if (fresh || !could)
		b->fresh_n = 0;
	backlog_read(b, &q, fresh ? newest_read : oldest_read);
}

/* ---- settling ---- */

static void settled(void *context, uint64_t ticket, int status)
{
	struct backlog *b = context;
	struct batch *t = &b->batch;
	int stay = 0, refused = 0;

	(void)ticket;
	if (!backlog_job_done(b, status))
		return; /* tried again; the batch is not sent meanwhile */
	for (int i = 0; i < t->n; i++) {
		stay += t->row[i].fate == FATE_STAYS;
		refused += t->row[i].fate == FATE_REFUSED;
		if (t->row[i].fate != FATE_STAYS)
			b->stats.bytes -= t->row[i].len;
	}
	b->stats.rows -= t->n - stay;
	b->stats.refused += refused;
	b->stats.sent_total += t->n - stay - refused;
	if (b->stats.rows <= 0)
		b->stats.rows = b->stats.bytes = b->stats.oldest_utc_ms = 0;
	else if (!t->fresh && !stay)
		b->stats.oldest_utc_ms = t->points[t->n - 1].start_utc_ms; /* exactly after the next read */
	backlog_forget_batch(b);
	backlog_work(b);
}

static int settle_ops(struct backlog *b, struct store_op *ops, char (*text)[REFUSED_TEXT_MAX])
{
	const struct batch *t = &b->batch;
	char packed[TELEMETRY_PACKED_MAX];
	int n = 0, n_text = 0;

	for (int i = 0; i < t->n; i++) {
		const bool run = i && t->row[i - 1].fate != FATE_STAYS;

		if (t->row[i].fate == FATE_STAYS)
			continue;
		if (run) /* nothing lies between two rows of a batch */
			ops[n - 1].seq_to = t->row[i].seq;
		else
			ops[n++] = (struct store_op){ .verb = STORE_DELETE_RANGE, .table = STORE_TELEMETRY,
						      .seq_from = t->row[i].seq, .seq_to = t->row[i].seq };
	}
	for (int i = 0; i < t->n; i++) {
		const struct telemetry_point *p = &t->points[i];
		const struct store_row row = { .kind = p->device_id, .at_ms = p->start_utc_ms, .body = packed };

		if (t->row[i].fate != FATE_REFUSED || telemetry_pack(p, packed, sizeof(packed)) < 0)
			continue;
		backlog_refused_op(&ops[n++], &row, b->stats.refused_reason, text[n_text++]);
	}
	return n;
}

bool backlog_settle(struct backlog *b)
{
	char (*text)[REFUSED_TEXT_MAX];
	struct store_op *ops;
	int refused = 0;

	if (b->batch.state != BATCH_SETTLING)
		return false;
	for (int i = 0; i < b->batch.n; i++)
		refused += b->batch.row[i].fate == FATE_REFUSED;
	/* runs of rows that leave, and one operation for each refused row: never more than rows and one */
	ops = malloc(sizeof(*ops) * (size_t)(b->batch.n + 1));
	text = malloc(sizeof(*text) * (size_t)(refused + 1));
	if (ops && text)
		backlog_submit(b, ops, settle_ops(b, ops, text), settled);
	else
		backlog_job_done(b, -ENOMEM);
	free(ops);
	free(text);
	return true;
}

/* ---- answers ---- */

static bool good(int status)
{
	return status >= 200 && status < 300;
}

/* Something left: the next batch may follow at once, unless points were passed over in silence. */
static void taken(struct backlog *b, int stay)
{
	b->batch.state = BATCH_SETTLING;
	backoff_reset(&b->back);
	b->due_ms = b->now_ms;
	if (!b->batch.fresh) { /* a fresh one says nothing about the old ones */
		backoff_reset(&b->refuse_back);
		b->alone = 0;
		b->limit = least(b->limit * 2, b->batch_max);
		b->suspect_n = b->suspect_n > b->batch.n ? b->suspect_n - b->batch.n : 0;
	}
	if (!stay)
		return;
	b->stats.failed_total++;
	b->suspect_n = 0;
	b->due_ms = b->now_ms + wait_ms(&b->back, RETRY_FIRST_MS, RETRY_CAP_MS);
}

static void accepted(struct backlog *b, const struct telemetry_answer *answer, const char *reason)
{
	struct batch *t = &b->batch;
	int stay = 0, refused = 0, first = 0;

	for (int i = t->n - 1; i >= 0; i--) {
		t->row[i].fate = FATE_STAYS;
		if (telemetry_saved(answer, i)) {
			t->row[i].fate = FATE_SAVED;
		} else if (telemetry_failed(answer, i)) {
			t->row[i].fate = FATE_REFUSED;
			refused++;
			first = i;
		} else {
			stay++;
		}
	}
	if (stay == t->n) {
		again(b);
		return;
	}
	answered(b);
	b->good_since |= !refused;
	if (refused)
		backlog_refused_say(b, refused, t->points[first].device_id, answer->reason[0] ? answer->reason : reason);
	taken(b, stay);
}

/* The whole batch is called wrong: smaller ones find out which point it is. */
static void wrong(struct backlog *b, int status, const char *reason)
{
	struct batch *t = &b->batch;
	char why[REASON_MAX];

	answered(b);
	b->stats.failed_total++;
	b->due_ms = b->now_ms + HALVING_MS / 2 + backlog_dice() % (HALVING_MS / 2);
	if (t->n > 1) {
		if (status == 413) /* most likely it is the size and nothing else */
			b->ceiling = t->n / 2;
		else if (!t->fresh)
			b->suspect_n = t->n;
		/* a fresh one is met again, and halved, among the oldest */
		backlog_forget_batch(b);
		return;
	}
	snprintf(why, sizeof(why), "%d%s%.*s", status, reason && reason[0] ? ": " : "", REASON_MAX - 10, reason ? reason : "");
	t->row[0].fate = FATE_REFUSED;
	t->state = BATCH_SETTLING;
	backlog_refused_say(b, 1, t->points[0].device_id, why);
	b->suspect_n = 0;
	b->ceiling = b->batch_max;
	/* the second one in a row: perhaps all are called wrong, then halving thousands for each costs ten times as much */
	if (++b->alone > 1)
		b->limit = 1;
	b->due_ms = b->now_ms + wait_ms(&b->refuse_back, HALVING_MS, REFUSE_CAP_MS);
}

int backlog_answer(struct backlog *b, const char *id, int status, const struct telemetry_answer *answer, const char *reason,
		   int64_t now_ms)
{
	const struct batch *t = &b->batch;

	b->now_ms = now_ms;
	if ((t->state != BATCH_SENT && !(t->state == BATCH_HELD && t->sent)) || strcmp(t->id, id) != 0)
		return -ENOENT;
	if (good(status) && answer)
		accepted(b, answer, reason);
	else if (status == 400 || status == 413 || status == 422)
		wrong(b, status, reason);
	else if (t->state == BATCH_SENT)
		again(b);
	backlog_work(b);
	return 0;
}

/* ---- the link ---- */

void backlog_link(struct backlog *b, bool up, int64_t now_ms)
{
	b->now_ms = now_ms;
	b->up = up;
	if (!up)
		return;
	if (b->batch.state == BATCH_SENT) {
		b->stats.failed_total++;
		b->batch.state = BATCH_HELD;
	}
	b->due_ms = now_ms;
	b->ceiling = b->batch_max;
	if (b->batch.sent && now_ms - b->sent_ms < FLAP_MS)
		b->due_ms = b->sent_ms + wait_ms(&b->back, RETRY_FIRST_MS, RETRY_CAP_MS);
	else
		backoff_reset(&b->back);
	backlog_work(b);
}

void backlog_sender(struct backlog *b, backlog_send_fn send, void *context, int batch_max)
{
	b->send = send;
	b->context = context;
	b->batch_max = batch_max < 1 || batch_max > TELEMETRY_BATCH_MAX ? TELEMETRY_BATCH_MAX : batch_max;
	b->limit = b->ceiling = b->batch_max;
	b->suspect_n = b->alone = 0;
	if (b->batch.state == BATCH_SENT)
		b->batch.state = BATCH_HELD;
	if (b->batch.state == BATCH_HELD && b->batch.n > b->batch_max)
		backlog_forget_batch(b);
}
