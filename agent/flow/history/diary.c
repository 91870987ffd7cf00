/* See diary.h. Rows wait in memory with monotonic times, so that what happened before the clock was trusted gets its right time
 * once it is. */
#include "flow/history/diary.h"

#include "core/json_out.h"
#include "io/log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS 86400000LL
#define ROWS_MAX 64            /* that wait for the store, or for the clock; the oldest go first */
#define ROWS_SOON 24           /* a batch; fewer are stored after STORE_MS */
#define STORE_MS 300000
#define STEADY_MS 3600000      /* no row goes on the word of a clock that was just set */
#define STEP_MS 1000
#define PURGE_MS (6 * 3600000LL)
#define ROW_EXTRA 120          /* of a row's text besides its body */

struct diary {
	struct store *store;
	struct changes changes;
	int64_t now_ms, utc_ms;    /* of the last snapshot */
	bool clock_trusted;
	int64_t steady_since_ms, purge_due_ms; /* monotonic */
	int64_t waiting_since_ms;  /* the first row that waits */
	int callbacks;             /* the store owes */
	bool stopped;
	int n_rows, under_way;     /* the first are in a transaction */
	struct change_row *row;        /* ROWS_MAX */
	struct diary_stats stats;
};

/* A read under way. */
struct reading {
	struct diary *diary;
	struct diary_query q;
	diary_rows_fn done;
	void *context;
	cJSON *rows;
	size_t text;
	int64_t transactions;      /* the store had taken when it was asked */
	int n_under_way;           /* rows of a transaction it had in hand then, in case that fails */
	struct under_way { int64_t at_ms; struct change_row row; } under_way[];
};

int diary_start(struct diary **out, struct store *store, struct errbuf *err)
{
	struct diary *y = calloc(1, sizeof(*y));

	if (y)
		y->row = calloc(ROWS_MAX, sizeof(*y->row));
	if (!y || !y->row) {
		free(y);
		return errbuf_set(err, -ENOMEM, "no memory");
	}
	y->store = store;
	*out = y;
	return 0;
}

static void release(struct diary *y)
{
	if (!y->stopped || y->callbacks > 0)
		return;
	free(y->row);
	free(y);
}

size_t diary_body(const struct change_row *row, char *out, size_t size)
{
	struct json_out o;

	json_out_init(&o, out, size);
	json_out_object(&o, NULL);
	json_out_text(&o, "rank", rank_word(row->rank));
	json_out_text(&o, "code", reason_word(row->code));
	if (row->what == CHANGE_DECISION)
		json_out_text(&o, "order", order_word(row->order));
	json_out_number(&o, "w", row->w, 0);
	json_out_array(&o, "limited_by");
	for (int r = 1; r < RANK_COUNT; r++)
		if (row->limited_by & 1u << r)
			json_out_text(&o, NULL, rank_word((enum rank)r));
	json_out_array_end(&o);
	if (row->what == CHANGE_MODE)
		json_out_text(&o, "mode", rank_word(row->rank));
	if (row->what == CHANGE_DOUBT || row->what == CHANGE_DOUBT_OVER) {
		json_out_text(&o, "doubt", doubt_word(row->doubt));
		json_out_bool(&o, "over", row->what == CHANGE_DOUBT_OVER);
	}
	json_out_text(&o, "reason", row->why);
	if (row->skipped)
		json_out_number(&o, "skipped", row->skipped, 0);
	if (row->lost)
		json_out_number(&o, "lost", row->lost, 0);
	json_out_object_end(&o);
	return json_out_end(&o);
}

/* By the clock of now, also when it was wrong then. */
static int64_t row_utc_ms(const struct diary *y, const struct change_row *row)
{
	return y->utc_ms - (y->now_ms - row->at_ms);
}

static void on_failure(struct diary *y, int status)
{
	if (!y->stats.failing)
		log_warning("diary", "not stored (%s); the last %d rows are kept and tried again", strerror(-status), ROWS_MAX);
	y->stats.failing = true;
}

static void drop_first(struct diary *y, int n)
{
	y->n_rows -= n;
	memmove(&y->row[0], &y->row[n], sizeof(y->row[0]) * (size_t)y->n_rows);
}

static void on_stored(void *context, uint64_t ticket, int status)
{
	struct diary *y = context;

	(void)ticket;
	y->callbacks--;
	if (status < 0) {
		on_failure(y, status);
	} else {
		if (y->stats.failing)
			log_notice("diary", "stored again");
		y->stats.failing = false;
		y->stats.transactions++;
		y->stats.rows += y->under_way;
		drop_first(y, y->under_way);
	}
	y->under_way = 0;
	y->waiting_since_ms = y->now_ms;
	release(y);
}

/* The bodies are the ops' own. */
static int ops_fill(struct diary *y, int from, struct store_op *op)
{
	char body[DIARY_BODY_MAX];
	int n = 0;

	for (int i = from; i < y->n_rows; i++, n++) {
		const struct change_row *row = &y->row[i];

		y->stats.bytes += (int64_t)diary_body(row, body, sizeof(body));
		op[n] = (struct store_op){ .verb = STORE_PUT, .table = STORE_DIARY, .at_ms = row_utc_ms(y, row), .body = strdup(body) };
		memcpy(op[n].kind, row->device, sizeof(row->device));
	}
	return n;
}

/* Submits what waits, unless a transaction is under way (@last: what is not in it). Without a trusted clock nobody could say
 * when it was. */
static void flush(struct diary *y, bool last)
{
	const int from = y->under_way;
	struct store_op *op;
	int n = 0, e = -ENOMEM;

	if (!y->clock_trusted || y->n_rows == from || (from && !last))
		return;
	op = calloc((size_t)(y->n_rows - from), sizeof(*op));
	if (op) {
		n = ops_fill(y, from, op);
		e = store_submit(y->store, op, n, last ? NULL : on_stored, y, NULL);
	}
	for (int i = 0; i < n; i++)
		free((char *)(uintptr_t)op[i].body);
	free(op);
	if (e < 0) {
		on_failure(y, e);
		y->waiting_since_ms = y->now_ms;
		return;
	}
	if (last)
		return;
	y->callbacks++;
	y->under_way = y->n_rows;
}

static void doubt_say(const struct change_row *row)
{
	const char *colon = row->device[0] ? ": " : "";

	if (row->what == CHANGE_DOUBT)
		log_warning("doubt", "%s%s%s (%s)", row->device, colon, row->why, doubt_word(row->doubt));
	else if (row->what == CHANGE_DOUBT_OVER)
		log_notice("doubt", "%s%s%s (%s)", row->device, colon, row->why, doubt_word(row->doubt));
}

/* Of the rows that wait: the oldest small change, else the oldest. */
static int dispensable(const struct diary *y)
{
	for (int i = y->under_way; i < y->n_rows; i++)
		if (!y->row[i].great)
			return i;
	return y->under_way;
}

/* The next row of the same says that it is gone. */
static void drop(struct diary *y, int gone)
{
	const struct change_row row = y->row[gone];
	int next = gone;

	y->n_rows--;
	memmove(&y->row[gone], &y->row[gone + 1], sizeof(y->row[0]) * (size_t)(y->n_rows - gone));
	while (next < y->n_rows && strcmp(y->row[next].device, row.device) != 0)
		next++;
	if (next == y->n_rows)
		return;
	y->row[next].skipped += row.skipped + 1;
	y->row[next].lost += row.lost + row.great;
}

static void on_row(void *context, const struct change_row *row)
{
	struct diary *y = context;

	doubt_say(row);
	if (y->n_rows == ROWS_MAX) {
		if (y->under_way == ROWS_MAX) { /* nothing can go: the store has them all in hand */
			y->stats.dropped++;
			return;
		}
		drop(y, dispensable(y));
		y->stats.dropped++;
	}
	if (y->n_rows == y->under_way)
		y->waiting_since_ms = y->now_ms;
	y->row[y->n_rows++] = *row;
}

static void purge_when_due(struct diary *y, const struct snapshot *s)
{
	const struct store_op old = { .verb = STORE_DELETE_OLDER, .table = STORE_DIARY, .at_ms = s->utc_ms - DIARY_DAYS * DAY_MS,
				      .ahead_ms = s->utc_ms + DAY_MS };
	const int64_t stepped_ms = (s->utc_ms - y->utc_ms) - (s->now_ms - y->now_ms);

	if (!s->clock_trusted || !y->clock_trusted || stepped_ms > STEP_MS || stepped_ms < -STEP_MS)
		y->steady_since_ms = s->now_ms;
	if (s->now_ms - y->steady_since_ms < STEADY_MS || s->now_ms < y->purge_due_ms)
		return;
	if (store_submit(y->store, &old, 1, NULL, NULL, NULL) == 0) /* alone: the store does it in slices */
		y->purge_due_ms = s->now_ms + PURGE_MS;
}

void diary_observe(struct diary *y, const struct snapshot *s, const struct decisions *d)
{
	if (!y)
		return;
	purge_when_due(y, s);
	y->now_ms = s->now_ms;
	y->utc_ms = s->utc_ms;
	y->clock_trusted = s->clock_trusted;
	changes_step(&y->changes, s, d, on_row, y);
	if ((y->n_rows - y->under_way >= ROWS_SOON && !y->stats.failing) || s->now_ms - y->waiting_since_ms >= STORE_MS)
		flush(y, false);
}

void diary_stop(struct diary *y)
{
	if (!y)
		return;
	flush(y, true);
	y->stopped = true;
	release(y);
}

/* Adds one row. False when it does not fit any more. */
static bool row_add(struct reading *r, int64_t at_ms, const char *device, const char *body)
{
	cJSON *o, *parsed, *member;

	r->text += strlen(body) + ROW_EXTRA;
	if (r->text > r->q.text_max || cJSON_GetArraySize(r->rows) >= r->q.limit)
		return false;
	parsed = json_parse(body, strlen(body), DIARY_BODY_MAX, 4, NULL);
	if (!cJSON_IsObject(parsed)) { /* damaged on disk */
		cJSON_Delete(parsed);
		return true;
	}
	o = cJSON_CreateObject();
	json_add_time(o, "at", at_ms);
	cJSON_AddStringToObject(o, "device", device);
	while ((member = parsed->child)) {
		char name[32];

		snprintf(name, sizeof(name), "%s", member->string);
		cJSON_AddItemToObject(o, name, cJSON_DetachItemViaPointer(parsed, member));
	}
	cJSON_Delete(parsed);
	cJSON_AddItemToArray(r->rows, o);
	return true;
}

/* A row from memory, if it is asked for. False when it does not fit any more. */
static bool row_show(struct reading *r, int64_t at_ms, const struct change_row *row)
{
	char body[DIARY_BODY_MAX];

	if ((r->q.device[0] && strcmp(r->q.device, row->device) != 0) || (r->q.since_utc_ms && at_ms < r->q.since_utc_ms) ||
	    (r->q.until_utc_ms && at_ms >= r->q.until_utc_ms))
		return true;
	diary_body(row, body, sizeof(body));
	return row_add(r, at_ms, row->device, body);
}

/* What the store does not have yet, newest first. */
static bool rows_waiting(struct reading *r)
{
	const struct diary *y = r->diary;

	for (int i = y->n_rows - 1; i >= y->under_way; i--)
		if (!row_show(r, row_utc_ms(y, &y->row[i]), &y->row[i]))
			return false;
	return true;
}

/* The transaction that was under way failed: the store's answer lacks its rows. */
static bool rows_failed(struct reading *r)
{
	if (r->diary->stats.transactions > r->transactions)
		return true;
	for (int i = r->n_under_way - 1; i >= 0; i--)
		if (!row_show(r, r->under_way[i].at_ms, &r->under_way[i].row))
			return false;
	return true;
}

static void on_read(void *context, const struct store_row *rows, int n)
{
	struct reading *r = context;
	struct diary *y = r->diary;
	bool all = rows_failed(r);

	for (int i = 0; all && i < n; i++)
		all = row_add(r, rows[i].at_ms, rows[i].kind, rows[i].body);
	r->done(r->context, r->rows, !all, n < 0 ? n : 0);
	free(r);
	y->callbacks--;
	release(y);
}

int diary_read(struct diary *y, const struct diary_query *q, diary_rows_fn done, void *context)
{
	struct store_query read = { .table = STORE_DIARY, .at_from_ms = q->since_utc_ms, .at_to_ms = q->until_utc_ms,
				    .newest_first = true, .max_rows = q->limit + 1 };
	struct reading *r;
	int e;

	if (!y->stats.failing) /* else one try in a while is enough, and memory has them all */
		flush(y, false);
	r = calloc(1, sizeof(*r) + sizeof(r->under_way[0]) * (size_t)y->under_way);
	if (!r)
		return -ENOMEM;
	*r = (struct reading){ .diary = y, .q = *q, .done = done, .context = context, .rows = cJSON_CreateArray(),
			       .transactions = y->stats.transactions, .n_under_way = y->under_way };
	for (int i = 0; i < y->under_way; i++)
		r->under_way[i] = (struct under_way){ row_utc_ms(y, &y->row[i]), y->row[i] };
	memcpy(read.kind, q->device, sizeof(q->device));
	if (!rows_waiting(r)) {
		done(context, r->rows, true, 0);
		free(r);
		return 0;
	}
	e = store_read(y->store, &read, on_read, r);
	if (e < 0) {
		cJSON_Delete(r->rows);
		free(r);
		return e;
	}
	y->callbacks++;
	return 0;
}

int64_t diary_age_ms(const struct diary *y, int i)
{
	return !y || y->changes.device[i].since_ms == 0 ? -1 : y->now_ms - y->changes.device[i].since_ms;
}

int64_t diary_since_utc_ms(const struct diary *y, int i)
{
	const int64_t age_ms = diary_age_ms(y, i);

	return age_ms < 0 || !y->clock_trusted ? 0 : y->utc_ms - age_ms;
}

int diary_doubts(const struct diary *y, char text[DOUBTS_MAX][DIARY_DOUBT_TEXT])
{
	if (!y)
		return 0;
	for (int i = 0; i < y->changes.n_doubts; i++) {
		const struct change_doubt *k = &y->changes.doubt[i];

		snprintf(text[i], DIARY_DOUBT_TEXT, "%s%s%s (%s)", k->device, k->device[0] ? ": " : "", k->why, doubt_word(k->kind));
	}
	return y->changes.n_doubts;
}

void diary_stats(const struct diary *y, struct diary_stats *out)
{
	*out = y->stats;
	out->dropped += y->changes.dropped;
}
