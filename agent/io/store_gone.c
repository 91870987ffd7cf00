/* See store_job.h. Log rows that are gone but still lie in the file. Deleting rows one by one costs as much writing as they did
 * (each page goes through the log once more, though it is free); a table emptied at once costs next to nothing. Telemetry
 * comes and goes by the thousand and is mostly all gone at some time, so a range is noted first and cleaned up later. */
#include "io/store_job.h"

#include <stdio.h>

#define WAITING_NUMBERS 65536 /* noted and not cleaned up, of one log: some 10 MiB of the file */
#define WAITING_RANGES 64

/* Runs one statement about @table with at most two numbers. *out: what it returns, 0 = nothing. */
static int run(sqlite3 *db, const char *format, enum store_table table, const int64_t *number, int64_t *out)
{
	sqlite3_stmt *statement = NULL;
	char sql[256];
	int rc;

	*out = 0;
	snprintf(sql, sizeof(sql), format, store_table_name(table));
	rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
	for (int i = 0; !rc && i < sqlite3_bind_parameter_count(statement); i++)
		rc = sqlite3_bind_int64(statement, i + 1, number[i]);
	if (!rc)
		rc = sqlite3_step(statement);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* The first row not below @from (@down: the last not above), noted as gone or not. */
static int edge(sqlite3 *db, enum store_table table, bool down, int64_t from, int64_t *seq)
{
	const char *sql = down ? "SELECT max(seq) FROM %s WHERE seq <= ?1" : "SELECT min(seq) FROM %s WHERE seq >= ?1";

	return run(db, sql, table, &from, seq);
}

int store_next_seq(sqlite3 *db, enum store_table table, bool down, int64_t from, int64_t *seq)
{
	const char *end = down ? "SELECT seq_from FROM gone WHERE log = '%s' AND ?1 BETWEEN seq_from AND seq_to"
			       : "SELECT seq_to FROM gone WHERE log = '%s' AND ?1 BETWEEN seq_from AND seq_to";

	for (;;) {
		int64_t gone;
		int rc = edge(db, table, down, from, seq);

		if (rc || !*seq || !store_is_log(table))
			return rc;
		rc = run(db, end, table, seq, &gone);
		if (rc || !gone)
			return rc;
		from = down ? gone - 1 : gone + 1;
	}
}

int store_gone_clip(sqlite3 *db, enum store_table table, bool down, int64_t *first, int64_t *last)
{
	int64_t gone;
	int rc;

	if (!store_is_log(table))
		return SQLITE_OK;
	if (down)
		rc = run(db, "SELECT max(seq_to) FROM gone WHERE log = '%s' AND seq_to < ?1", table, last, &gone);
	else
		rc = run(db, "SELECT min(seq_from) FROM gone WHERE log = '%s' AND seq_from > ?1", table, first, &gone);
	if (down && gone && *first <= gone)
		*first = gone + 1;
	if (!down && gone && *last >= gone)
		*last = gone - 1;
	return rc;
}

int store_gone_add(sqlite3 *db, enum store_table table, int64_t from, int64_t to)
{
	int64_t range[2], beside[2], low, high, none;
	int rc;

	/* Only what exists: numbers above will be given to other rows. */
	if ((rc = edge(db, table, false, from, &range[0])) || (rc = edge(db, table, true, to, &range[1])) || !range[0] ||
	    range[0] > range[1])
		return rc;
	beside[0] = range[0] - 1;
	beside[1] = range[1] + 1;
	if ((rc = run(db, "SELECT min(seq_from) FROM gone WHERE log = '%s' AND seq_to >= ?1 AND seq_from <= ?2", table, beside,
		      &low)) ||
	    (rc = run(db, "SELECT max(seq_to) FROM gone WHERE log = '%s' AND seq_to >= ?1 AND seq_from <= ?2", table, beside,
		      &high)) ||
	    (rc = run(db, "DELETE FROM gone WHERE log = '%s' AND seq_to >= ?1 AND seq_from <= ?2", table, beside, &none)))
		return rc;
	range[0] = low && low < range[0] ? low : range[0];
	range[1] = high > range[1] ? high : range[1];
	return run(db, "INSERT INTO gone (log, seq_from, seq_to) VALUES ('%s', ?1, ?2)", table, range, &none);
}

/* One slice of the oldest range leaves the file. */
static int sweep(sqlite3 *db, enum store_table table)
{
	int64_t range[2], none;
	int rc;

	if ((rc = run(db, "SELECT min(seq_from) FROM gone WHERE log = '%s'", table, NULL, &range[0])) ||
	    (rc = run(db, "SELECT seq_to FROM gone WHERE log = '%s' AND seq_from = ?1", table, range, &range[1])))
		return rc;
	if (range[1] - range[0] >= STORE_SLICE)
		range[1] = range[0] + STORE_SLICE - 1;
	if ((rc = run(db, "DELETE FROM %s WHERE seq BETWEEN ?1 AND ?2", table, range, &none)) ||
	    (rc = run(db, "DELETE FROM gone WHERE log = '%s' AND seq_from = ?1 AND seq_to = ?2", table, range, &none)))
		return rc;
	range[1]++;
	return run(db, "UPDATE gone SET seq_from = ?2 WHERE log = '%s' AND seq_from = ?1", table, range, &none);
}

int store_gone_tidy(sqlite3 *db, enum store_table table, bool *changed)
{
	int64_t numbers, ranges, live, none;
	int rc;

	*changed = false;
	if ((rc = run(db, "SELECT sum(seq_to - seq_from + 1) FROM gone WHERE log = '%s'", table, NULL, &numbers)) ||
	    (rc = run(db, "SELECT count(*) FROM gone WHERE log = '%s'", table, NULL, &ranges)) || !ranges ||
	    (rc = store_next_seq(db, table, false, 1, &live)))
		return rc;
	*changed = numbers > WAITING_NUMBERS || ranges > WAITING_RANGES || !live;
	if (!*changed)
		return SQLITE_OK;
	if (live || numbers > WAITING_NUMBERS) /* a big table is emptied in slices: that reads all of it */
		return sweep(db, table);
	rc = run(db, "DELETE FROM %s", table, NULL, &none);
	return rc ? rc : run(db, "DELETE FROM gone WHERE log = '%s'", table, NULL, &none);
}
