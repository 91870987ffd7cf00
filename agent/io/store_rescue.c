/* What can still be read of the keyed tables (settings, commands, what is owed, sums) of a damaged database, and the note that says
 * what can not. Logs stay where they are: they are large, and nobody waits for them. */
#include "io/store_file.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SKIP_MAX 16384 /* numbers tried one by one behind a broken page: a page has some tens of rows */
#define NAME_SIZE (STORE_PATH_MAX + 64)

/* Damage may have any shape: only what one of us could have written is taken. */
#define SANE                                                                                                                \
	"typeof(key) = 'text' AND typeof(kind) = 'text' AND typeof(at_ms) = 'integer' AND typeof(body) = 'text' AND "       \
	"length(CAST(key AS BLOB)) BETWEEN 1 AND 127 AND length(CAST(kind AS BLOB)) < 64 AND instr(key, char(0)) = 0"

/* Trouble that is none of the file's: it may be over the next time. */
static bool passing(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_NOMEM:
	case SQLITE_CANTOPEN:
	case SQLITE_PROTOCOL:
		return true;
	default: /* not an enum */
		return rc == SQLITE_IOERR_NOMEM;
	}
}

/* One walk; *last becomes the number of the last row. SQLITE_OK at its end, else what ended it. @trouble: of the new file. */
static int walk(sqlite3_stmt *from, sqlite3_stmt *to, int64_t *last, bool *sane, struct store_file *f, int *trouble)
{
	int rc;

	while ((rc = sqlite3_step(from)) == SQLITE_ROW) {
		if (sqlite3_column_int64(from, 0) > *last)
			*last = sqlite3_column_int64(from, 0);
		*sane &= sqlite3_column_int(from, 5) == 1;
		if (sqlite3_column_int(from, 5) != 1)
			continue;
		for (int i = 0; i < 5; i++)
			sqlite3_bind_value(to, i + 1, sqlite3_column_value(from, i));
		rc = sqlite3_step(to);
		sqlite3_reset(to);
		if (rc != SQLITE_DONE)
			return *trouble = rc;
		f->rescued += sqlite3_changes(f->db);
	}
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* A broken page ends a walk: it goes on behind it, where that can be found. True when the whole table was read. */
static bool walk_on(sqlite3_stmt *from, sqlite3_stmt *to, struct store_file *f, int *trouble)
{
	int64_t next = 1, last;
	bool whole = true;
	int rc = SQLITE_OK;

	for (int skipped = 0; skipped < SKIP_MAX && next < INT64_MAX; skipped++) {
		last = next - 1;
		sqlite3_reset(from);
		sqlite3_bind_int64(from, 1, next);
		rc = walk(from, to, &last, &whole, f, trouble);
		if (!rc || *trouble || passing(rc))
			break;
		whole = false;
		if (last >= next)
			skipped = 0;
		next = (last >= next ? last : next) + 1;
	}
	if (passing(rc))
		*trouble = rc;
	return whole && !*trouble;
}

/* True when the whole table was read; from the end as well if not. @trouble: an SQLite code that is none of the damage. */
static bool table_rescue(sqlite3 *old, struct store_file *f, const char *table, int *trouble)
{
	sqlite3_stmt *from = NULL, *to = NULL;
	int64_t last = 0;
	bool whole = false, sane = true;
	char sql[640];
	int rc;

	snprintf(sql, sizeof(sql), "INSERT OR IGNORE INTO %s (seq, key, kind, at_ms, body) VALUES (?, ?, ?, ?, ?)", table);
	*trouble = sqlite3_prepare_v2(f->db, sql, -1, &to, NULL);
	for (int back = 0; back < 2 && !whole && !*trouble; back++) {
		snprintf(sql, sizeof(sql), "SELECT seq, key, kind, at_ms, body, " SANE " FROM %s NOT INDEXED%s", table,
			 back ? " ORDER BY seq DESC" : " WHERE seq >= ? ORDER BY seq");
		rc = sqlite3_prepare_v2(old, sql, -1, &from, NULL);
		if (!rc && !back)
			whole = walk_on(from, to, f, trouble);
		else if (!rc)
			rc = walk(from, to, &last, &sane, f, trouble);
		if (!*trouble && passing(rc))
			*trouble = rc;
		sqlite3_finalize(from);
		from = NULL;
	}
	sqlite3_finalize(to);
	return whole;
}

/* Numbers of logs were told to others, together with a setting that is kept: they go on behind all that ever were. */
static int numbers_ahead(sqlite3 *db)
{
	return sqlite3_exec(db, "UPDATE sqlite_sequence SET seq = MAX(seq, CAST(strftime('%s', 'now') AS INTEGER))", NULL, NULL, NULL);
}

/* The note of the damage, read by each start until those who must know have it on disk: what may be lost, rows, where the old one is. */
static int note_write(struct store_file *f, const char *aside)
{
	sqlite3_stmt *statement = NULL;
	unsigned lost = 0;
	char body[NAME_SIZE + 32];
	int rc;

	for (int t = 0; t < STORE_TABLES; t++)
		lost |= (unsigned)f->lost[t] << t;
	snprintf(body, sizeof(body), "%u %lld %s", lost, (long long)f->rescued, aside);
	rc = sqlite3_prepare_v2(f->db, "INSERT OR REPLACE INTO setting (key, kind, at_ms, body) VALUES ('" STORE_DAMAGE "', '', 0, ?)", -1, &statement, NULL);
	if (!rc)
		rc = sqlite3_bind_text(statement, 1, body, -1, SQLITE_STATIC);
	if (!rc)
		rc = sqlite3_step(statement) == SQLITE_DONE ? SQLITE_OK : sqlite3_errcode(f->db);
	sqlite3_finalize(statement);
	return rc;
}

int store_note_read(struct store_file *f, char *aside, size_t size)
{
	sqlite3_stmt *statement = NULL;
	unsigned lost = 0;
	long long rescued = 0;
	int at = 0, rc;

	aside[0] = '\0';
	rc = sqlite3_prepare_v2(f->db, "SELECT body FROM setting WHERE key = '" STORE_DAMAGE "'", -1, &statement, NULL);
	if (!rc && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
		const char *text = (const char *)sqlite3_column_text(statement, 0);

		if (!text || sscanf(text, "%u %lld %n", &lost, &rescued, &at) < 2 || !at) { /* a note all the same: then nothing is sure */
			lost = ~0u;
			text = "?", at = 0;
		}
		snprintf(aside, size, "%s", text + at);
		f->rescued = rescued;
		for (int t = 0; t < STORE_TABLES; t++)
			f->lost[t] = lost >> t & 1;
	}
	sqlite3_finalize(statement);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* All of it in one transaction. @f is the new file. */
static int tables_rescue(sqlite3 *old, struct store_file *f, const char *aside)
{
	bool before[STORE_TABLES];
	char text[NAME_SIZE];
	int64_t rescued;
	int rc = sqlite3_exec(f->db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	memset(f->lost, true, sizeof(f->lost));
	f->rescued = 0;
	for (int t = 0; !rc && old && t < STORE_LOGS_FROM; t++)
		f->lost[t] = !table_rescue(old, f, store_table_name((enum store_table)t), &rc);
	if (!rc)
		rc = numbers_ahead(f->db);
	memcpy(before, f->lost, sizeof(before));
	rescued = f->rescued;
	memset(f->lost, false, sizeof(f->lost));
	if (!rc)
		rc = store_note_read(f, text, sizeof(text)); /* of a damage before this one that nobody has taken in yet */
	if (text[0])
		rescued--;
	for (int t = 0; t < STORE_TABLES; t++)
		f->lost[t] |= before[t];
	f->rescued = rescued;
	if (!rc)
		rc = note_write(f, aside);
	return rc ? rc : sqlite3_exec(f->db, "COMMIT", NULL, NULL, NULL); /* closing rolls back */
}

int store_rescue(struct store_file *f, const char *damaged, const char *aside)
{
	sqlite3 *old = NULL;
	struct stat st;
	int rc = SQLITE_OK;

	/* Nothing but a log: opening it would delete that. */
	if (stat(damaged, &st) == 0 && st.st_size > 0)
		rc = sqlite3_open_v2(damaged, &old, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
	if (!rc && old) {
		sqlite3_busy_timeout(old, 2000);
		sqlite3_extended_result_codes(old, 1);
		sqlite3_exec(old, "PRAGMA cell_size_check = ON; PRAGMA trusted_schema = OFF", NULL, NULL, NULL);
	}
	if (!rc)
		rc = tables_rescue(old, f, aside);
	sqlite3_close(old);
	return rc;
}
