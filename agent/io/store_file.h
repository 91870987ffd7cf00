/* The database file of the store: opening, schema, damage. For store.c only. */
#ifndef HEARTH_IO_STORE_FILE_H
#define HEARTH_IO_STORE_FILE_H

#include "io/store.h"

#include <sqlite3.h>

#define STORE_PATH_MAX 256

struct store_file {
	sqlite3 *db;
	int lock_fd;        /* one process at a time; the lock ends with the process */
	int page_size;
	char path[STORE_PATH_MAX];
};

/** 0 = open, 1 = open, but the old file was damaged and stands aside (told in @err); negative errno as store_open. */
int store_file_open(struct store_file *f, const char *path, struct errbuf *err);
/** Checkpoints and closes. */
void store_file_close(struct store_file *f);

const char *store_table_name(enum store_table table);

/** Negative errno of an SQLite result. */
int store_errno(sqlite3 *db, int rc);

#endif
