/* See store.h. The loop's side, and the order of work on the thread. The writing connection belongs to the worker; what it does
 * is in store_write.c and store_read.c, opening and damage in store_file.c. */
#include "io/store.h"
#include "io/log.h"
#include "io/store_job.h"
#include "io/worker.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT_MAX (1024 * 1024)
#define CLOSE_MS 5000
#define DAY_S 86400

/* Promises go first: each waits for the disk, and somebody waits for each. */
enum lane { LANE_PROMISE, LANE_REST, LANES };

enum job_kind { JOB_WRITE, JOB_SWEEP, JOB_READ, JOB_COUNT };

/* One allocation: the changes and their texts follow. Owned by the queue, then by the worker, then by the reply. */
struct job {
	enum job_kind kind;
	enum lane lane;
	bool synced;
	int status;
	uint64_t ticket;
	void *context;
	store_done_fn done;
	store_rows_fn rows;
	store_summary_fn counted;
	struct store_query query;
	struct store_found found;
	struct store_summary summary;
	int n;
	struct store_change change[];
};

struct request {
	struct job *job;
};

struct reply {
	struct job *job; /* NULL: bytes only */
	int64_t bytes;
};

struct store {
	struct worker *worker;
	struct store_file file;
	struct store_writer writer;  /* the worker's */
	struct job *current;         /* the worker's: of LANE_REST, begun or about to */
	_Atomic int64_t deadline;    /* monotonic ms, set by store_close; 0 = none */
	/* the loop's */
	uint64_t last_ticket;
	int waiting, mixed;
	int failing;                 /* errno of the last failure, 0 = the last one went well */
	int64_t bytes_today, day;
};

static int64_t clock_ms(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* One slice of the job. True when it is over. */
static bool slice(struct store *s, struct job *job)
{
	int64_t deadline = atomic_load(&s->deadline);
	bool over = true;

	if (deadline && clock_ms(CLOCK_MONOTONIC) > deadline) {
		job->status = -ECANCELED;
		return true;
	}
	switch (job->kind) {
	case JOB_WRITE:
		job->status = store_write(&s->writer, job->change, job->n, job->synced);
		break;
	case JOB_SWEEP:
		job->status = store_sweep(&s->writer, job->change, &over);
		break;
	case JOB_READ:
		job->status = store_read_slice(s->file.db, &job->query, &job->found, &over);
		break;
	case JOB_COUNT:
		job->status = store_count_slice(s->file.db, job->query.table, &job->query.seq_from, &job->summary, &over);
		break;
	}
	return over;
}

static void tell_bytes(struct store *s, struct worker *w)
{
	struct reply reply = { .bytes = store_written(&s->writer) };

	if (reply.bytes)
		worker_reply(w, &reply);
}

static bool slice_and_answer(struct store *s, struct worker *w, struct job *job)
{
	bool over = slice(s, job);

	if (over) {
		struct reply reply = { .job = job, .bytes = store_written(&s->writer) };

		worker_reply(w, &reply);
	}
	store_checkpoint(&s->writer); /* behind the answer: nobody waits for it */
	tell_bytes(s, w);
	return over;
}

/* Not while closing: the next start goes on. */
static void tidy(struct store *s, struct worker *w)
{
	if (atomic_load(&s->deadline)) {
		s->writer.untidy = false;
		return;
	}
	store_tidy(&s->writer);
	store_checkpoint(&s->writer);
	tell_bytes(s, w);
}

/* Between two slices promises get their turn: this returns, with a job of LANE_REST unfinished, only while one waits, and
 * lane 0 is served first. So there is never a second unfinished one, and none is forgotten. Tidying lets everybody pass, but
 * does a slice for each job: more than one can add. */
static void work(struct worker *w, void *context, const void *message)
{
	const struct request *request = message;
	struct store *s = context;
	bool tidied = false;

	if (request->job->lane == LANE_REST)
		s->current = request->job;
	else
		slice_and_answer(s, w, request->job);
	while (!worker_waiting(w, LANE_PROMISE)) {
		if (s->current) {
			if (slice_and_answer(s, w, s->current))
				s->current = NULL;
		} else if (s->writer.untidy && !(tidied && worker_waiting(w, LANE_REST))) {
			tidy(s, w);
			tidied = true;
		} else {
			return;
		}
	}
}

/* Said when it begins, when it changes and when it is over, not with every row. */
static void failing_say(struct store *s, int status)
{
	if (-status == s->failing)
		return;
	if (status < 0)
		log_error("store", "%s cannot be written: %s; nothing is acknowledged until it can", s->file.path,
			  strerror(-status));
	else
		log_notice("store", "%s can be written again", s->file.path);
	s->failing = -status;
}

static void answer(struct store *s, struct job *job)
{
	switch (job->kind) {
	case JOB_WRITE:
	case JOB_SWEEP:
		if (job->status != -ECANCELED)
			failing_say(s, job->status);
		if (job->done)
			job->done(job->context, job->ticket, job->status);
		return;
	case JOB_READ:
		job->rows(job->context, job->found.rows, job->status ? job->status : job->found.n);
		return;
	case JOB_COUNT:
		job->counted(job->context, job->status ? NULL : &job->summary, job->status);
		return;
	}
}

static void replied(void *context, const void *message)
{
	const struct reply *reply = message;
	struct store *s = context;
	int64_t day = clock_ms(CLOCK_REALTIME) / 1000 / DAY_S;

	if (day != s->day)
		s->bytes_today = 0;
	s->day = day;
	s->bytes_today += reply->bytes;
	if (!reply->job)
		return;
	s->waiting--;
	if (reply->job->synced && reply->job->lane == LANE_REST)
		s->mixed--;
	answer(s, reply->job);
	store_found_deinit(&reply->job->found);
	free(reply->job);
}

int store_open(struct store **out, uv_loop_t *loop, const char *path, struct errbuf *err)
{
	struct worker_options o = { .name = "store",
				    .lanes = LANES,
				    .depth = STORE_WAITING_MAX,
				    .message_size = sizeof(struct request),
				    .reply_size = sizeof(struct reply),
				    .reply_depth = STORE_WAITING_MAX,
				    .work = work,
				    .reply = replied };
	struct store *s = calloc(1, sizeof(*s));
	int damaged, rc;

	if (!s)
		return errbuf_set(err, -ENOMEM, "store: out of memory");
	damaged = store_file_open(&s->file, path, err);
	if (damaged < 0) {
		free(s);
		return damaged;
	}
	store_writer_init(&s->writer, &s->file);
	o.context = s;
	rc = worker_start(&s->worker, loop, &o, err);
	if (rc < 0) {
		store_file_close(&s->file);
		free(s);
		return rc;
	}
	*out = s;
	return damaged;
}

bool store_lost(const struct store *s, enum store_table table)
{
	return s->file.lost[table];
}

static const char *text_of(sqlite3_stmt *statement, int column)
{
	const char *text = (const char *)sqlite3_column_text(statement, column);

	return text ? text : "";
}

int store_load(struct store *s, enum store_table table, int (*row)(void *context, const struct store_row *row), void *context,
	       struct errbuf *err)
{
	sqlite3_stmt *statement = NULL;
	sqlite3 *db = NULL;
	char sql[256];
	int rc, stop = 0;

	if (s->last_ticket)
		return errbuf_set(err, -EBUSY, "store: rows can only be read before the first transaction");
	snprintf(sql, sizeof(sql),
		 store_is_log(table) ? "SELECT seq, '', kind, body, at_ms FROM %1$s WHERE NOT EXISTS (SELECT 1 FROM gone WHERE "
				       "log = '%1$s' AND seq BETWEEN seq_from AND seq_to) ORDER BY seq"
				     : "SELECT seq, key, kind, body, at_ms FROM %1$s ORDER BY seq",
		 store_table_name(table));
	rc = store_file_reader(&s->file, &db);
	if (!rc)
		rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
	while (!rc && !stop && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
		struct store_row r = { .seq = sqlite3_column_int64(statement, 0),
				       .key = text_of(statement, 1),
				       .kind = text_of(statement, 2),
				       .body = text_of(statement, 3),
				       .at_ms = sqlite3_column_int64(statement, 4) };

		stop = row(context, &r);
		rc = SQLITE_OK;
	}
	if (rc && rc != SQLITE_DONE)
		stop = errbuf_set(err, store_errno(db, rc), "store: %s of %s: %s", store_table_name(table), s->file.path,
				  sqlite3_errmsg(db));
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return stop;
}

static bool op_valid(const struct store_op *op)
{
	if ((unsigned)op->verb >= STORE_VERBS || (unsigned)op->table >= STORE_TABLES)
		return false;
	if (!memchr(op->key, '\0', sizeof(op->key)) || !memchr(op->kind, '\0', sizeof(op->kind)))
		return false;
	switch (op->verb) {
	case STORE_PUT:
		return op->key[0] || store_is_log(op->table);
	case STORE_DELETE:
		return op->key[0] && !store_is_log(op->table);
	case STORE_DELETE_OLDER:
		return true;
	case STORE_DELETE_RANGE:
		return store_is_log(op->table) && op->seq_from <= op->seq_to;
	}
	return false;
}

static const char *text_put(char **at, const char *text)
{
	size_t len = strlen(text);
	char *copy = *at;

	if (!len)
		return "";
	memcpy(copy, text, len + 1);
	*at += len + 1;
	return copy;
}

static size_t text_size(const struct store_op *op)
{
	return strlen(op->key) + strlen(op->kind) + (op->body ? strlen(op->body) : 0) + 3;
}

static struct job *write_job(const struct store_op *ops, int n)
{
	size_t text = 0;
	struct job *job;
	bool rest = false;
	char *at;

	for (int i = 0; i < n; i++)
		text += text_size(&ops[i]);
	job = calloc(1, sizeof(*job) + (size_t)n * sizeof(job->change[0]) + text);
	if (!job)
		return NULL;
	at = (char *)&job->change[n];
	for (int i = 0; i < n; i++) {
		const struct store_op *op = &ops[i];
		const bool range = op->verb == STORE_DELETE_RANGE;

		job->change[i] = (struct store_change){ .verb = op->verb,
							.table = op->table,
							.at_ms = op->at_ms,
							.ahead_ms = op->ahead_ms ? op->ahead_ms : INT64_MAX,
							.seq_from = range && op->seq_from > 1 ? op->seq_from : 1,
							.seq_to = range ? op->seq_to : INT64_MAX,
							.key = text_put(&at, op->key),
							.kind = text_put(&at, op->kind),
							.body = text_put(&at, op->body ? op->body : "") };
		if (store_is_promise(op->table))
			job->synced = true;
		else
			rest = true;
	}
	job->n = n;
	job->lane = rest ? LANE_REST : LANE_PROMISE;
	if (n == 1 && store_is_log(ops[0].table) && ops[0].verb == STORE_DELETE_OLDER)
		job->kind = JOB_SWEEP;
	return job;
}

/* Takes the job, also when it fails. */
static int post(struct store *s, struct job *job)
{
	struct request request = { job };
	int rc;

	/* Promises keep their order: behind one that also touches a log they go its way. */
	if (s->mixed)
		job->lane = LANE_REST;
	rc = worker_post(s->worker, job->lane, 0, &request, NULL, NULL);
	if (rc) {
		free(job);
		return rc;
	}
	s->waiting++;
	if (job->synced && job->lane == LANE_REST)
		s->mixed++;
	return 0;
}

int store_submit(struct store *s, const struct store_op *ops, int n, store_done_fn done, void *context, uint64_t *ticket)
{
	struct job *job;
	size_t text = 0;
	int rc;

	if (n < 1)
		return -EINVAL;
	if (n > STORE_OPS_MAX)
		return -E2BIG;
	for (int i = 0; i < n; i++) {
		if (!op_valid(&ops[i]))
			return -EINVAL;
		text += ops[i].body ? strnlen(ops[i].body, TEXT_MAX + 1) + 1 : 0;
		if (text > TEXT_MAX)
			return -E2BIG;
	}
	job = write_job(ops, n);
	if (!job)
		return -ENOMEM;
	job->ticket = ++s->last_ticket;
	job->done = done;
	job->context = context;
	rc = post(s, job);
	if (!rc && ticket)
		*ticket = s->last_ticket;
	return rc;
}

void store_damage_known(struct store *s)
{
	const struct store_op op = { .verb = STORE_DELETE, .table = STORE_SETTING, .key = STORE_DAMAGE };

	store_submit(s, &op, 1, NULL, NULL, NULL); /* if it fails, the next start hears of it again */
}

static bool query_valid(const struct store_query *q)
{
	return (unsigned)q->table < STORE_TABLES && q->max_rows >= 1 && q->max_rows <= STORE_READ_MAX && q->seq_from >= 0 &&
	       q->seq_to >= 0 && memchr(q->kind, '\0', sizeof(q->kind));
}

int store_read(struct store *s, const struct store_query *q, store_rows_fn done, void *context)
{
	struct job *job;

	if (!done || !query_valid(q))
		return -EINVAL;
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	*job = (struct job){ .kind = JOB_READ, .lane = LANE_REST, .query = *q, .rows = done, .context = context };
	return post(s, job);
}

int store_summarize(struct store *s, enum store_table table, store_summary_fn done, void *context)
{
	struct job *job;

	if (!done || (unsigned)table >= STORE_TABLES)
		return -EINVAL;
	job = calloc(1, sizeof(*job));
	if (!job)
		return -ENOMEM;
	*job = (struct job){ .kind = JOB_COUNT, .lane = LANE_REST, .query.table = table, .counted = done, .context = context };
	return post(s, job);
}

void store_stats(const struct store *s, int64_t *bytes_written_today, int *waiting)
{
	if (bytes_written_today)
		*bytes_written_today = s->bytes_today;
	if (waiting)
		*waiting = s->waiting;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	atomic_store(&s->deadline, clock_ms(CLOCK_MONOTONIC) + CLOSE_MS);
	worker_stop(s->worker, true);
	store_writer_deinit(&s->writer);
	store_file_close(&s->file);
	free(s);
}
