/* The database file of the store: opening, schema, damage. For io/store*.c only. */
#ifndef HEARTH_IO_STORE_FILE_H
#define HEARTH_IO_STORE_FILE_H

#include "io/store.h"

#include <sqlite3.h>

#define STORE_PATH_MAX 256

struct store_file {
	sqlite3 *db;
	int lock_fd;        /* one process at a time; the lock ends with the process */
	bool used;          /* there was a whole database here before: its lock file says so */
	int64_t page_size;
	char path[STORE_PATH_MAX];
	bool lost[STORE_TABLES]; /* rows of it may have been lost by damage found at this opening */
	int64_t rescued;         /* rows taken over from the damaged file */
};

/** 0 = open, 1 = open, but the old file was damaged and stands aside (told in @err); negative errno as store_open. */
int store_file_open(struct store_file *f, const char *path, struct errbuf *err);
/** Takes over into @f, which is new, what can still be read of the keyed tables of the file @damaged, and notes what could not and
 *  where that file will stand (@aside). An SQLite code; one transaction. Trouble that is no damage is an error: it may be over
 *  the next time. */
int store_rescue(struct store_file *f, const char *damaged, const char *aside);
/** Reads the note into f->lost, f->rescued and @aside ("" = there is none). An SQLite code. */
int store_note_read(struct store_file *f, char *aside, size_t size);
#define STORE_DAMAGE "damage" /* key of the note, in the settings */
/** Another connection, for reading while the worker may use f->db; sqlite3_close it in any case. An SQLite code. */
int store_file_reader(const struct store_file *f, sqlite3 **db);
/** Checkpoints and closes. */
void store_file_close(struct store_file *f);

const char *store_table_name(enum store_table table);

/** The first column of the first row; untouched when there is none. An SQLite code. */
int store_number(sqlite3 *db, const char *sql, int64_t *out);

/** Negative errno of an SQLite result. */
int store_errno(sqlite3 *db, int rc);

#endif
