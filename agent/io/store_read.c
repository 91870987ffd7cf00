/* See store_job.h. Reading and counting in slices. Statements are prepared for each slice: that costs some 20 us, a slice
 * milliseconds. On the worker. */
#include "io/store_job.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_ROOM (32 * 1024) /* to begin with */

static int prepare(sqlite3 *db, const char *format, enum store_table table, sqlite3_stmt **statement)
{
	char sql[256];

	snprintf(sql, sizeof(sql), format, store_table_name(table));
	return sqlite3_prepare_v2(db, sql, -1, statement, NULL);
}

static size_t rows_size(const struct store_query *q)
{
	return (size_t)q->max_rows * sizeof(struct store_row);
}

static int room_for(struct store_found *f, const struct store_query *q, size_t more)
{
	size_t need = rows_size(q) + f->text + more, size = f->size ? f->size : rows_size(q) + TEXT_ROOM;
	struct store_row *grown;

	while (size < need)
		size += size;
	if (size == f->size)
		return 0;
	grown = realloc(f->rows, size);
	if (!grown)
		return SQLITE_NOMEM;
	f->rows = grown;
	f->size = size;
	return SQLITE_OK;
}

/* The texts of a row lie one behind the other; where, is told when the block no longer moves. SQLITE_DONE: no more fits. */
static int take(struct store_found *f, const struct store_query *q, sqlite3_stmt *row)
{
	const char *text[3];
	size_t len[3], all = 0;
	int rc;

	for (int i = 0; i < 3; i++) {
		text[i] = (const char *)sqlite3_column_text(row, 2 + i);
		text[i] = text[i] ? text[i] : "";
		len[i] = strlen(text[i]) + 1;
		all += len[i];
	}
	if (f->n && f->text + all > STORE_READ_TEXT)
		return SQLITE_DONE;
	rc = room_for(f, q, all);
	if (rc)
		return rc;
	f->rows[f->n++] = (struct store_row){ .seq = sqlite3_column_int64(row, 0), .at_ms = sqlite3_column_int64(row, 1) };
	for (int i = 0; i < 3; i++) {
		memcpy((char *)f->rows + rows_size(q) + f->text, text[i], len[i]);
		f->text += len[i];
	}
	return f->n == q->max_rows ? SQLITE_DONE : SQLITE_ROW;
}

/* Now the block gets its size and every text its place. */
static int found_end(struct store_found *f, const struct store_query *q)
{
	size_t size = (size_t)f->n * sizeof(struct store_row);
	struct store_row *exact;
	char *at;

	if (!f->n)
		return 0;
	exact = malloc(size + f->text);
	if (!exact)
		return -ENOMEM;
	memcpy(exact, f->rows, size);
	memcpy((char *)exact + size, (char *)f->rows + rows_size(q), f->text);
	free(f->rows);
	f->rows = exact;
	f->size = size + f->text;
	at = (char *)exact + size;
	for (int i = 0; i < f->n; i++) {
		exact[i].key = at;
		exact[i].kind = at += strlen(at) + 1;
		exact[i].body = at += strlen(at) + 1;
		at += strlen(at) + 1;
	}
	return 0;
}

void store_found_deinit(struct store_found *f)
{
	free(f->rows);
	*f = (struct store_found){ 0 };
}

static int prepare_rows(sqlite3 *db, const struct store_query *q, sqlite3_stmt **statement)
{
	char format[256];
	int rc;

	snprintf(format, sizeof(format),
		 "SELECT seq, at_ms, %s, kind, body FROM %%s WHERE seq BETWEEN ?1 AND ?2 AND (?3 = 0 OR at_ms >= ?3) AND "
		 "(?4 = 0 OR at_ms < ?4) AND (?5 = '' OR kind = ?5) ORDER BY seq %s",
		 store_is_log(q->table) ? "''" : "key", q->newest_first ? "DESC" : "");
	rc = prepare(db, format, q->table, statement);
	if (!rc)
		rc = sqlite3_bind_int64(*statement, 3, q->at_from_ms);
	if (!rc)
		rc = sqlite3_bind_int64(*statement, 4, q->at_to_ms);
	if (!rc)
		rc = sqlite3_bind_text(*statement, 5, q->kind, -1, SQLITE_STATIC);
	return rc;
}

/* The next numbers to look at. Gaps are jumped over; keyed tables are small and are looked at as a whole. *first 0: none. */
static int window(sqlite3 *db, struct store_query *q, int64_t *first, int64_t *last)
{
	const int64_t low = q->seq_from > 1 ? q->seq_from : 1, high = q->seq_to ? q->seq_to : INT64_MAX;
	int64_t edge;
	int rc = store_next_seq(db, q->table, q->newest_first, q->newest_first ? high : low, &edge);

	*first = *last = 0;
	if (rc || !edge || edge < low || edge > high)
		return rc;
	*first = q->newest_first ? low : edge;
	*last = q->newest_first ? edge : high;
	if (store_is_log(q->table) && *last - *first >= STORE_SLICE) {
		if (q->newest_first)
			*first = *last - STORE_SLICE + 1;
		else
			*last = *first + STORE_SLICE - 1;
	}
	return store_gone_clip(db, q->table, q->newest_first, first, last);
}

int store_read_slice(sqlite3 *db, struct store_query *q, struct store_found *f, bool *over)
{
	const int64_t low = q->seq_from > 1 ? q->seq_from : 1, high = q->seq_to ? q->seq_to : INT64_MAX;
	sqlite3_stmt *statement = NULL;
	int64_t first, last;
	int rc = window(db, q, &first, &last);

	*over = true;
	if (!rc && !first)
		return found_end(f, q);
	if (!rc)
		rc = prepare_rows(db, q, &statement);
	if (!rc)
		rc = sqlite3_bind_int64(statement, 1, first);
	if (!rc)
		rc = sqlite3_bind_int64(statement, 2, last);
	*over = q->newest_first ? first == low : last == high;
	while (!rc && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
		rc = take(f, q, statement);
		*over = *over || rc == SQLITE_DONE;
		if (rc != SQLITE_ROW)
			break;
		rc = SQLITE_OK;
	}
	sqlite3_finalize(statement);
	if (rc && rc != SQLITE_DONE) {
		*over = true;
		return store_errno(db, rc);
	}
	if (q->newest_first)
		q->seq_to = first - 1;
	else
		q->seq_from = *over ? last : last + 1;
	return *over ? found_end(f, q) : 0;
}

int store_count_slice(sqlite3 *db, enum store_table table, int64_t *from, struct store_summary *s, bool *over)
{
	struct store_query q = { .table = table, .seq_from = *from };
	sqlite3_stmt *statement = NULL;
	int64_t first, last;
	int rc = window(db, &q, &first, &last);

	*over = true;
	if (rc || !first)
		return store_errno(db, rc);
	rc = prepare(db, "SELECT count(*), sum(length(CAST(body AS BLOB))), min(at_ms), max(seq) FROM %s WHERE seq BETWEEN ?1 AND ?2",
		     table, &statement);
	if (!rc)
		rc = sqlite3_bind_int64(statement, 1, first);
	if (!rc)
		rc = sqlite3_bind_int64(statement, 2, last);
	if (!rc && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
		int64_t oldest = sqlite3_column_int64(statement, 2);

		s->seq_first = s->rows ? s->seq_first : first;
		s->oldest_at_ms = s->rows && s->oldest_at_ms < oldest ? s->oldest_at_ms : oldest;
		s->rows += sqlite3_column_int64(statement, 0);
		s->bytes += sqlite3_column_int64(statement, 1);
		s->seq_last = sqlite3_column_int64(statement, 3);
		rc = SQLITE_OK;
	}
	sqlite3_finalize(statement);
	if (rc)
		return store_errno(db, rc);
	*over = last == INT64_MAX;
	*from = *over ? last : last + 1;
	return 0;
}
