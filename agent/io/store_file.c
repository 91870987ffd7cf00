/* See store_file.h. */
#include "io/store_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define CHECK_ALWAYS_BYTES (4 * 1024 * 1024) /* the logs of larger files are checked after an unclean end only: it takes time */
#define SPARE_MAX_BYTES (1024 * 1024)
#define SPARE_MIN_BYTES (64 * 1024)
#define GONE "-" /* instead of where the damaged one stands: there is none */
#define LOST_MAX 65536                       /* log rows a power cut may take back; some minutes at the most */

enum check { CHECK_NOTHING, CHECK_KEYED, CHECK_ALL };

static const char *const TABLES[STORE_TABLES] = { "setting", "command", "event",     "seen",    "outbox",
						  "price",   "daily",   "telemetry", "refused", "history", "diary" };

/* MIGRATIONS[i] leads from user_version i to i + 1; never change one that was released. */
static const char *const MIGRATIONS[] = {
#define TABLE(name)                                                                                                       \
	"CREATE TABLE " name " (seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, at_ms INTEGER NOT NULL, " \
	"body TEXT NOT NULL);"
/* AUTOINCREMENT: a number is not given again when the last row is gone. No index: each would be written with each row. */
#define LOG(name)                                                                                                          \
	"CREATE TABLE " name " (seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, at_ms INTEGER NOT NULL, "           \
	"body TEXT NOT NULL); INSERT INTO sqlite_sequence (name, seq) VALUES ('" name "', 0);"
	TABLE("setting") TABLE("command") TABLE("event") TABLE("seen") TABLE("outbox"),
	TABLE("price") TABLE("daily") LOG("telemetry") LOG("refused") LOG("history")
	"CREATE TABLE gone (log TEXT NOT NULL, seq_from INTEGER NOT NULL, seq_to INTEGER NOT NULL);",
	LOG("diary"),
#undef TABLE
#undef LOG
};
#define VERSION ((int)(sizeof(MIGRATIONS) / sizeof(MIGRATIONS[0])))

const char *store_table_name(enum store_table table)
{
	return TABLES[table];
}

int store_errno(sqlite3 *db, int rc)
{
	int system = db ? sqlite3_system_errno(db) : 0;

	switch (rc & 0xff) {
	case SQLITE_OK:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EBADMSG;
	case SQLITE_TOOBIG:
		return -E2BIG;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return system ? -system : -EIO;
	default: /* not an enum; all others are faults of ours */
		return -EIO;
	}
}

int store_number(sqlite3 *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *statement = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

	if (!rc) {
		rc = sqlite3_step(statement);
		if (rc == SQLITE_ROW)
			*out = sqlite3_column_int64(statement, 0);
		rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
	}
	sqlite3_finalize(statement);
	return rc;
}

static int is_one(void *context, int columns, char **values, char **names)
{
	(void)names;
	*(bool *)context = columns == 1 && values[0] && !strcmp(values[0], "ok");
	return 0;
}

static int migrate(sqlite3 *db)
{
	int64_t version = 0;
	int rc = store_number(db, "PRAGMA user_version", &version);

	if (rc)
		return rc;
	if (version < 0 || version > VERSION)
		return SQLITE_MISMATCH;
	while (version < VERSION) {
		char set[64];

		snprintf(set, sizeof(set), "PRAGMA user_version = %d; COMMIT", (int)version + 1);
		rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
		if (!rc)
			rc = sqlite3_exec(db, MIGRATIONS[version], NULL, NULL, NULL);
		if (!rc)
			rc = sqlite3_exec(db, set, NULL, NULL, NULL);
		if (rc)
			return rc; /* closing rolls it back */
		version++;
	}
	return SQLITE_OK;
}

/* A database of the right version can still lack a table: somebody else's file, or a damaged schema. */
static int tables_present(sqlite3 *db)
{
	int64_t n;
	int rc = store_number(db, "SELECT seq_from, seq_to FROM gone WHERE log = '' LIMIT 1", &n);

	for (int i = 0; !rc && i < STORE_TABLES; i++) {
		char sql[128];

		snprintf(sql, sizeof(sql), "SELECT seq, kind, at_ms, body%s FROM %s LIMIT 1", i < STORE_LOGS_FROM ? ", key" : "",
			 TABLES[i]);
		rc = store_number(db, sql, &n);
	}
	return (rc & 0xff) == SQLITE_ERROR ? SQLITE_CORRUPT : rc;
}

/* Rows of a log are not synced one by one, but their numbers may have been told to others. After a power cut, which looks
 * like any unclean end, numbers go on behind all that may have been lost. */
static int numbers_skip(sqlite3 *db)
{
	char sql[160];

	snprintf(sql, sizeof(sql), "UPDATE sqlite_sequence SET seq = seq + %d WHERE name IN ('%s', '%s', '%s', '%s')", LOST_MAX,
		 TABLES[STORE_TELEMETRY], TABLES[STORE_REFUSED], TABLES[STORE_HISTORY], TABLES[STORE_DIARY]);
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

/* @what: "1" = every page until the first error, or a table. */
static int pages_check(sqlite3 *db, const char *what)
{
	bool ok = true;
	char sql[64];
	int rc;

	snprintf(sql, sizeof(sql), "PRAGMA quick_check(%s)", what);
	rc = sqlite3_exec(db, sql, is_one, &ok, NULL);
	return !rc && !ok ? SQLITE_CORRUPT : rc;
}

static int set_up(struct store_file *f, bool unclean, enum check check)
{
	int rc = sqlite3_open_v2(f->path, &f->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc)
		return rc;
	sqlite3_extended_result_codes(f->db, 1);
	sqlite3_busy_timeout(f->db, 2000); /* somebody may look at the file with the sqlite3 tool */
	rc = sqlite3_exec(f->db,
			  "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;"
			  "PRAGMA journal_size_limit = 8388608; PRAGMA cache_size = -512; PRAGMA temp_store = MEMORY;"
			  "PRAGMA trusted_schema = OFF;"
			  /* Debian's default zeroes freed pages too: twice the writing for what is deleted by the page. */
			  "PRAGMA secure_delete = FAST",
			  NULL, NULL, NULL);
	if (!rc && check == CHECK_ALL)
		rc = pages_check(f->db, "1");
	if (!rc)
		rc = migrate(f->db);
	if (!rc)
		rc = tables_present(f->db);
	for (int t = 0; !rc && check == CHECK_KEYED && t < STORE_LOGS_FROM; t++) /* what a start cannot do without */
		rc = pages_check(f->db, TABLES[t]);
	if (!rc && unclean)
		rc = numbers_skip(f->db);
	if (!rc)
		rc = store_number(f->db, "PRAGMA page_size", &f->page_size);
	return rc;
}

static int failure(struct store_file *f, int rc, struct errbuf *err)
{
	int code = rc == SQLITE_MISMATCH ? -EPROTO : store_errno(f->db, rc);

	if (code == -EPROTO)
		errbuf_set(err, code, "store: %s was written by a newer version of Hearth", f->path);
	else
		errbuf_set(err, code, "store: %s: %s (%s)", f->path, strerror(-code),
			   f->db ? sqlite3_errmsg(f->db) : sqlite3_errstr(rc));
	sqlite3_close(f->db);
	f->db = NULL;
	return code;
}

static bool exists(const char *path, const char *suffix, off_t *size)
{
	char name[STORE_PATH_MAX + 16];
	struct stat st;

	snprintf(name, sizeof(name), "%s%s", path, suffix);
	if (stat(name, &st))
		return false;
	if (size)
		*size = st.st_size;
	return true;
}

/* An flock of a file beside it: the database's own locks are for the sqlite3 tool and come and go. Also creates the
 * database with mode 0600, which SQLite then gives to its log too. */
static int lock(struct store_file *f, struct errbuf *err)
{
	char name[STORE_PATH_MAX + 16];
	struct stat st;
	int fd;

	fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0600);
	if (fd < 0)
		return errbuf_set(err, -errno, "store: %s: %s", f->path, strerror(errno));
	close(fd);
	snprintf(name, sizeof(name), "%s.lock", f->path);
	f->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (f->lock_fd < 0)
		return errbuf_set(err, -errno, "store: %s: %s", name, strerror(errno));
	if (flock(f->lock_fd, LOCK_EX | LOCK_NB) == 0) {
		f->used = fstat(f->lock_fd, &st) == 0 && st.st_size > 0;
		return 0;
	}
	close(f->lock_fd);
	return errbuf_set(err, -EBUSY, "store: %s is in use by another process", f->path);
}

static bool some_lost(const struct store_file *f)
{
	bool lost = false;

	for (int t = 0; t < STORE_LOGS_FROM; t++)
		lost |= f->lost[t];
	return lost;
}

/* What is in the folder stays so over a power cut. */
static int folder_sync(const char *path)
{
	const char *slash = strrchr(path, '/');
	char name[STORE_PATH_MAX];
	int fd, r = 0;

	snprintf(name, sizeof(name), "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
	fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd))
		r = -errno;
	if (fd >= 0)
		close(fd);
	return r;
}

static int move(const char *path, const char *suffix, const char *to, const char *to_suffix)
{
	char from[STORE_PATH_MAX + 16], target[STORE_PATH_MAX + 80];

	snprintf(from, sizeof(from), "%s%s", path, suffix);
	snprintf(target, sizeof(target), "%s%s", to, to_suffix);
	return rename(from, target) && errno != ENOENT ? -errno : 0;
}

static void forget(const char *path, const char *suffix)
{
	static const char *const PARTS[] = { "", "-wal", "-shm", "-journal" };
	char name[STORE_PATH_MAX + 32];

	for (size_t i = 0; i < sizeof(PARTS) / sizeof(PARTS[0]); i++) {
		snprintf(name, sizeof(name), "%s%s%s", path, suffix, PARTS[i]);
		unlink(name);
	}
}

/* Where a damaged file will stand; its log goes with it. */
static void aside_name(const char *path, char *out, size_t size)
{
	char stamp[32];
	time_t now = time(NULL);
	struct tm tm;
	int n = 0;

	gmtime_r(&now, &tm);
	strftime(stamp, sizeof(stamp), "%Y%m%dT%H%M%SZ", &tm);
	do
		snprintf(out, size, n ? "%s.damaged-%s-%d" : "%s.damaged-%s", path, stamp, n);
	while (n++ < 100 && access(out, F_OK) == 0);
}

/* A whole new file waits: it takes the place of the damaged one, which moves aside, the log first. Cut off anywhere, the next start
 * goes on here; by then the lock has made an empty file where the old one was. */
static int swap(const char *path)
{
	struct store_file whole = { .db = NULL };
	char aside[STORE_PATH_MAX + 64];
	off_t size = 0;
	int r;

	if (!exists(path, "-rescued", NULL))
		return 0;
	snprintf(whole.path, sizeof(whole.path), "%.*s-rescued", STORE_PATH_MAX - 16, path);
	r = sqlite3_open_v2(whole.path, &whole.db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (!r)
		r = store_note_read(&whole, aside, sizeof(aside));
	sqlite3_close(whole.db);
	exists(path, "", &size);
	if ((r || !aside[0]) && (size || exists(path, "-wal", NULL))) { /* it was damaged in its turn: the old one is still here */
		forget(path, "-rescued");
		return 0;
	}
	if (!r && aside[0] && strcmp(aside, GONE) != 0 && ((r = move(path, "-wal", aside, "-wal")) < 0 || (size && (r = move(path, "", aside, "")) < 0)))
		return r;
	forget(path, "-shm");
	r = move(path, "-rescued", path, "");
	return r < 0 ? r : folder_sync(path);
}

/* The damaged file stays as it is until the new one is whole and on disk: whatever cuts this off, the next start does it again.
 * 0, or negative with the reason. */
static int rebuild(const char *path, bool gone, struct errbuf *err)
{
	struct store_file new = { .db = NULL };
	char aside[STORE_PATH_MAX + 48], name[STORE_PATH_MAX + 16];
	int rc, r;

	if (gone)
		snprintf(aside, sizeof(aside), GONE);
	else
		aside_name(path, aside, sizeof(aside));
	snprintf(new.path, sizeof(new.path), "%.*s-new", STORE_PATH_MAX - 16, path);
	close(open(new.path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
	rc = set_up(&new, false, CHECK_NOTHING);
	if (!rc)
		rc = store_rescue(&new, path, aside);
	if (!rc)
		rc = sqlite3_wal_checkpoint_v2(new.db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	if (rc) {
		r = store_errno(new.db, rc);
		sqlite3_close(new.db);
		forget(path, "-new");
	} else {
		sqlite3_close(new.db);
		snprintf(name, sizeof(name), "%s-rescued", path);
		r = move(path, "-new", name, "");
		if (!r)
			r = folder_sync(path);
		if (!r)
			r = swap(path);
	}
	return r < 0 ? errbuf_set(err, r, "store: %s is damaged, and no new one can take its place: %s", path, strerror(-r)) : 0;
}

/* The file is locked. An SQLite code, or a negative errno with the reason. */
static int open_or_rebuild(struct store_file *f, struct errbuf *err)
{
	off_t size = 0, log = 0;
	bool unclean, gone;
	int rc = swap(f->path);

	if (rc < 0)
		return errbuf_set(err, rc, "store: the new database cannot take the place of %s: %s", f->path, strerror(-rc));
	forget(f->path, "-new");
	unclean = exists(f->path, "-wal", &log); /* a clean close removes the log */
	exists(f->path, "", &size);
	gone = !size && !log && f->used;
	if (gone || (!size && log)) /* an empty file is no damage where there never was another, but has no log */
		rc = SQLITE_CORRUPT;
	else
		rc = set_up(f, unclean, unclean || size <= CHECK_ALWAYS_BYTES ? CHECK_ALL : CHECK_KEYED);
	if ((rc & 0xff) != SQLITE_CORRUPT && (rc & 0xff) != SQLITE_NOTADB)
		return rc;
	sqlite3_close(f->db);
	f->db = NULL;
	rc = rebuild(f->path, gone, err);
	return rc < 0 ? rc : set_up(f, false, CHECK_NOTHING);
}

/* Room that is kept for the next start: what an unclean end left cannot be opened without some, and the hub must begin on a full
 * disk too. As much of it as there is; none is no fault. */
static void spare_keep(const char *path)
{
	char name[STORE_PATH_MAX + 16];
	off_t size = 0, bytes = SPARE_MAX_BYTES;
	int fd;

	exists(path, ".spare", &size);
	if (size >= bytes)
		return;
	snprintf(name, sizeof(name), "%s.spare", path);
	fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return;
	while (bytes >= SPARE_MIN_BYTES && bytes > size && posix_fallocate(fd, 0, bytes) != 0)
		bytes /= 2;
	close(fd);
}

static bool spare_free(const char *path)
{
	char name[STORE_PATH_MAX + 16];
	off_t size = 0;

	snprintf(name, sizeof(name), "%s.spare", path);
	return exists(path, ".spare", &size) && size > 0 && unlink(name) == 0;
}

int store_file_open(struct store_file *f, const char *path, struct errbuf *err)
{
	char aside[STORE_PATH_MAX + 64];
	int rc;

	memset(f, 0, sizeof(*f));
	if (strlen(path) >= sizeof(f->path) - 16)
		return errbuf_set(err, -ENAMETOOLONG, "store: the path is too long");
	snprintf(f->path, sizeof(f->path), "%s", path);
	rc = lock(f, err);
	if (rc)
		return rc;
	rc = open_or_rebuild(f, err);
	if ((rc < 0 ? rc : store_errno(f->db, rc)) == -ENOSPC && spare_free(f->path)) {
		sqlite3_close(f->db);
		f->db = NULL;
		rc = open_or_rebuild(f, err);
	}
	if (!rc)
		rc = store_note_read(f, aside, sizeof(aside));
	if (rc) {
		rc = rc < 0 ? rc : failure(f, rc, err);
		close(f->lock_fd);
		return rc;
	}
	if (!f->used)
		f->used = write(f->lock_fd, "\n", 1) == 1;
	spare_keep(f->path);
	if (!aside[0])
		return 0;
	if (!strcmp(aside, GONE))
		return errbuf_set(err, 1, "store: the database was gone or empty, though there had been one: what it held of settings, commands and "
				  "promises is lost");
	return errbuf_set(err, 1, "store: the database was damaged and stands aside as %s; the new one begins with the %lld row%s of settings, "
			  "commands and promises that could be read%s", strrchr(aside, '/') ? strrchr(aside, '/') + 1 : aside,
			  (long long)f->rescued, f->rescued == 1 ? "" : "s", some_lost(f) ? "; others may be lost" : "");
}

int store_file_reader(const struct store_file *f, sqlite3 **db)
{
	int rc = sqlite3_open_v2(f->path, db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);

	return rc ? rc : sqlite3_busy_timeout(*db, 2000);
}

void store_file_close(struct store_file *f)
{
	if (!f->db)
		return;
	sqlite3_close(f->db); /* the last connection checkpoints and removes the log */
	close(f->lock_fd);
	f->db = NULL;
}
