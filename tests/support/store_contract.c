/* See store_contract.h. */
#include "support/seed.h"
#include "support/store_contract.h"

#include <errno.h>

static int contract_status[16], contract_n;

static void contract_done(void *context, uint64_t ticket, int status)
{
	(void)context;
	(void)ticket;
	contract_status[contract_n++ % 16] = status;
}

static void contract_submit(const struct store_op *ops, int n)
{
	contract_n = 0;
	assert_int_equal(store_submit(contract.store(), ops, n, contract_done, NULL, NULL), 0);
	contract.pump();
	assert_int_equal(contract_n, 1);
	assert_int_equal(contract_status[0], 0);
}

/* "seq/key/kind/at/body;" of what was read. */
struct contract_text { int n, calls; char text[4000]; };

static void contract_rows(void *context, const struct store_row *rows, int n)
{
	struct contract_text *t = context;
	size_t len = 0;

	t->calls++;
	t->n = n;
	t->text[0] = '\0';
	for (int i = 0; i < n && len < 3000; i++)
		len += (size_t)snprintf(t->text + len, sizeof(t->text) - len, "%lld/%s/%s/%lld/%.20s;", (long long)rows[i].seq,
					rows[i].key, rows[i].kind, (long long)rows[i].at_ms, rows[i].body);
}

static const char *contract_read(const struct store_query *q)
{
	static struct contract_text t;

	t.calls = 0;
	assert_int_equal(store_read(contract.store(), q, contract_rows, &t), 0);
	assert_int_equal(t.calls, 0); /* never from inside the call */
	contract.pump();
	assert_int_equal(t.calls, 1);
	assert_true(t.n >= 0);
	return t.text;
}

#define LOG_PUT(kind_, at_, body_) { .verb = STORE_PUT, .table = STORE_TELEMETRY, .kind = kind_, .at_ms = at_, .body = body_ }
#define LOG_RANGE(table_, from_, to_) { .verb = STORE_DELETE_RANGE, .table = table_, .seq_from = from_, .seq_to = to_ }

static const struct { const char *name; struct store_op op; } CONTRACT_REFUSED[] = {
	{ "delete by key in a log", { .verb = STORE_DELETE, .table = STORE_TELEMETRY, .key = "k" } },
	{ "range in a keyed table", LOG_RANGE(STORE_OUTBOX, 1, 2) },
	{ "range in a keyed table", LOG_RANGE(STORE_DAILY, 1, 2) },
	{ "range backwards", LOG_RANGE(STORE_TELEMETRY, 3, 2) },
	{ "no key", { .verb = STORE_PUT, .table = STORE_PRICE, .body = "x" } },
	{ "no key", { .verb = STORE_DELETE, .table = STORE_DAILY } },
	{ "no table", { .verb = STORE_PUT, .table = STORE_TABLES, .key = "x" } },
};

static const struct { const char *name; struct store_query q; } CONTRACT_NO_QUERY[] = {
	{ "no rows asked for", { .table = STORE_TELEMETRY } },
	{ "too many", { .table = STORE_TELEMETRY, .max_rows = STORE_READ_MAX + 1 } },
	{ "no table", { .table = STORE_TABLES, .max_rows = 1 } },
	{ "negative", { .table = STORE_TELEMETRY, .seq_from = -1, .max_rows = 1 } },
	{ "negative", { .table = STORE_TELEMETRY, .seq_to = -1, .max_rows = 1 } },
};

static void contract_counted(void *context, const struct store_summary *s, int status)
{
	assert_int_equal(status, 0);
	*(struct store_summary *)context = *s;
}

static struct store_summary contract_count(enum store_table table)
{
	struct store_summary s = { .rows = -1 };

	assert_int_equal(store_summarize(contract.store(), table, contract_counted, &s), 0);
	contract.pump();
	return s;
}

void contract_refused(void **state)
{
	struct store *s = contract.store();
	struct store_summary none;

	(void)state;
	for (size_t i = 0; i < sizeof(CONTRACT_REFUSED) / sizeof(CONTRACT_REFUSED[0]); i++)
		if (store_submit(s, &CONTRACT_REFUSED[i].op, 1, NULL, NULL, NULL) != -EINVAL)
			fail_msg("%s was accepted", CONTRACT_REFUSED[i].name);
	for (size_t i = 0; i < sizeof(CONTRACT_NO_QUERY) / sizeof(CONTRACT_NO_QUERY[0]); i++)
		if (store_read(s, &CONTRACT_NO_QUERY[i].q, contract_rows, NULL) != -EINVAL)
			fail_msg("%s was accepted", CONTRACT_NO_QUERY[i].name);
	assert_int_equal(store_summarize(s, STORE_TABLES, contract_counted, NULL), -EINVAL);
	none = contract_count(STORE_TELEMETRY);
	assert_int_equal(none.rows | none.bytes | none.seq_first | none.seq_last | none.oldest_at_ms, 0);
}

static const struct { struct store_query q; const char *rows; } CONTRACT_READS[] = {
	{ { .max_rows = 9 }, "1//a/30/one;2//b/10/two;3//a/20/;4//c/40/f\xc3\xbcnf;" },
	{ { .max_rows = 9, .newest_first = true }, "4//c/40/f\xc3\xbcnf;3//a/20/;2//b/10/two;1//a/30/one;" },
	{ { .max_rows = 2 }, "1//a/30/one;2//b/10/two;" },
	{ { .max_rows = 2, .newest_first = true }, "4//c/40/f\xc3\xbcnf;3//a/20/;" },
	{ { .max_rows = 9, .kind = "a" }, "1//a/30/one;3//a/20/;" },
	{ { .max_rows = 1, .kind = "a", .newest_first = true }, "3//a/20/;" },
	{ { .max_rows = 9, .kind = "z" }, "" },
	{ { .max_rows = 9, .seq_from = 2, .seq_to = 3 }, "2//b/10/two;3//a/20/;" },
	{ { .max_rows = 9, .seq_from = 2, .seq_to = 3, .newest_first = true }, "3//a/20/;2//b/10/two;" },
	{ { .max_rows = 9, .seq_from = 4 }, "4//c/40/f\xc3\xbcnf;" },
	{ { .max_rows = 9, .seq_from = 5 }, "" },
	{ { .max_rows = 9, .seq_from = 3, .seq_to = 2 }, "" },
	{ { .max_rows = 9, .at_from_ms = 20, .at_to_ms = 40 }, "1//a/30/one;3//a/20/;" },
	{ { .max_rows = 9, .at_to_ms = 20 }, "2//b/10/two;" },
	{ { .max_rows = 9, .at_from_ms = 40, .kind = "c" }, "4//c/40/f\xc3\xbcnf;" },
	{ { .max_rows = 9, .table = STORE_REFUSED }, "" },
	{ { .max_rows = 9, .table = STORE_OUTBOX }, "1/m1/x/5/b;2/m2/y/6/;" },
	{ { .max_rows = 1, .table = STORE_OUTBOX, .newest_first = true }, "2/m2/y/6/;" },
};

void contract_reads(void **state)
{
	const struct store_op ops[] = { LOG_PUT("a", 30, "one"), LOG_PUT("b", 10, "two"), LOG_PUT("a", 20, NULL),
					LOG_PUT("c", 40, "f\xc3\xbcnf") };
	const struct store_op promises[] = {
		{ .verb = STORE_PUT, .table = STORE_OUTBOX, .key = "m1", .kind = "x", .at_ms = 5, .body = "b" },
		{ .verb = STORE_PUT, .table = STORE_OUTBOX, .key = "m2", .kind = "y", .at_ms = 6 },
	};
	struct store_summary s;

	(void)state;
	contract_submit(ops, 4);
	contract_submit(promises, 2);
	for (int again = 0; again < 2; again++) {
		for (size_t i = 0; i < sizeof(CONTRACT_READS) / sizeof(CONTRACT_READS[0]); i++) {
			struct store_query q = CONTRACT_READS[i].q;
			const char *rows;

			q.table = q.table ? q.table : STORE_TELEMETRY;
			rows = contract_read(&q);
			if (strcmp(rows, CONTRACT_READS[i].rows))
				fail_msg("read %d: %s, not %s", (int)i, rows, CONTRACT_READS[i].rows);
		}
		s = contract_count(STORE_TELEMETRY);
		assert_int_equal(s.rows, 4);
		assert_int_equal(s.bytes, 3 + 3 + 5);
		assert_int_equal(s.seq_first, 1);
		assert_int_equal(s.seq_last, 4);
		assert_int_equal(s.oldest_at_ms, 10);
		contract.restart();
	}
}

/* Reads and counts see what was submitted before them, answered or not; answers keep the order. */
void contract_order(void **state)
{
	const struct store_op put = LOG_PUT("a", 1, "x"), away = LOG_RANGE(STORE_TELEMETRY, 1, 1);
	const struct store_op promise = { .verb = STORE_PUT, .table = STORE_SETTING, .key = "k", .body = "v" };
	const struct store_query q = { .table = STORE_TELEMETRY, .max_rows = 9 }, settings = { .table = STORE_SETTING, .max_rows = 9 };
	struct contract_text before = { 0 }, between = { 0 }, behind = { 0 }, set = { 0 };
	struct store_summary s = { .rows = -1 };
	struct store *store = contract.store();

	(void)state;
	contract_n = 0;
	assert_int_equal(store_read(store, &q, contract_rows, &before), 0);
	assert_int_equal(store_submit(store, &put, 1, contract_done, NULL, NULL), 0);
	assert_int_equal(store_submit(store, &put, 1, contract_done, NULL, NULL), 0);
	assert_int_equal(store_read(store, &q, contract_rows, &between), 0);
	assert_int_equal(store_submit(store, &away, 1, contract_done, NULL, NULL), 0);
	assert_int_equal(store_read(store, &q, contract_rows, &behind), 0);
	assert_int_equal(store_summarize(store, STORE_TELEMETRY, contract_counted, &s), 0);
	assert_int_equal(store_submit(store, &promise, 1, contract_done, NULL, NULL), 0);
	assert_int_equal(store_read(store, &settings, contract_rows, &set), 0);
	contract.pump();
	assert_int_equal(contract_n, 4);
	assert_string_equal(before.text, "");
	assert_string_equal(between.text, "1//a/1/x;2//a/1/x;");
	assert_string_equal(behind.text, "2//a/1/x;");
	assert_string_equal(set.text, "1/k//0/v;");
	assert_int_equal(s.rows, 1);
}

/* Long rows: a read ends before its texts pass the limit, but never without a row; the next goes on behind it. */
void contract_long_rows(void **state)
{
	char *body = malloc(1024 * 1024);
	const struct store_op op = { .verb = STORE_PUT, .table = STORE_HISTORY, .kind = "d", .body = body };
	struct store_query q = { .table = STORE_HISTORY, .max_rows = 100 };

	(void)state;
	for (int i = 0; i < 5; i++) {
		const int len = i < 3 ? 400000 : 1024 * 1024 - 64;

		memset(body, 'x', (size_t)len);
		body[len] = '\0';
		contract_submit(&op, 1);
	}
	free(body);
	assert_string_equal(contract_read(&q), "1//d/0/xxxxxxxxxxxxxxxxxxxx;2//d/0/xxxxxxxxxxxxxxxxxxxx;");
	q.seq_from = 3;
	assert_string_equal(contract_read(&q), "3//d/0/xxxxxxxxxxxxxxxxxxxx;");
	q.newest_first = true;
	assert_string_equal(contract_read(&q), "5//d/0/xxxxxxxxxxxxxxxxxxxx;");
}

void contract_all_waiting(void **state)
{
	static struct contract_text t[8 * STORE_WAITING_MAX];
	const struct store_query q = { .table = STORE_TELEMETRY, .max_rows = 1 };
	int n = 0, answered = 0, rc, waiting;

	(void)state;
	memset(t, 0, sizeof(t));
	while (n < 8 * STORE_WAITING_MAX && (rc = store_read(contract.store(), &q, contract_rows, &t[n])) == 0)
		n++;
	assert_int_equal(rc, -EAGAIN);
	assert_true(n >= STORE_WAITING_MAX);
	store_stats(contract.store(), NULL, &waiting);
	assert_int_equal(waiting, n);
	contract.pump();
	for (int i = 0; i < n; i++)
		answered += t[i].calls;
	assert_int_equal(answered, n);
	store_stats(contract.store(), NULL, &waiting);
	assert_int_equal(waiting, 0);
}

/* --- random operations beside a list that does the same --- */

#define CONTRACT_MODEL 60000

static struct { int64_t at_ms; char kind; bool gone; } contract_model[CONTRACT_MODEL + 1]; /* by seq */
static int contract_last;
static uint64_t contract_random;

static int contract_below(int n)
{
	contract_random ^= contract_random << 13;
	contract_random ^= contract_random >> 7;
	contract_random ^= contract_random << 17;
	return (int)((contract_random >> 32) % (uint64_t)n);
}

static void contract_random_ops(void)
{
	static struct store_op ops[STORE_OPS_MAX];
	static char body[STORE_OPS_MAX][16];
	int n = 0, what = contract_below(10), from = 1 + contract_below(contract_last + 10), width = contract_below(3) ? 600 : 60;

	if (what == 0) /* a few old ones */
		ops[n++] = (struct store_op){ .verb = STORE_DELETE_OLDER, .table = STORE_TELEMETRY,
					      .at_ms = contract_last + contract_below(300) - 4000,
					      .ahead_ms = contract_below(2) ? contract_last + 100 : 0 };
	if (what >= 1 && what <= 4)
		ops[n++] = (struct store_op)LOG_RANGE(STORE_TELEMETRY, from, from + contract_below(width));
	if (what == 5 && contract_below(8) == 0)
		ops[n++] = (struct store_op)LOG_RANGE(STORE_TELEMETRY, 0, INT64_MAX);
	for (int i = 0; i < n; i++)
		for (int s = 1; s <= contract_last; s++)
			if (ops[i].verb == STORE_DELETE_OLDER ? contract_model[s].at_ms < ops[i].at_ms ||
									(ops[i].ahead_ms && contract_model[s].at_ms > ops[i].ahead_ms)
							      : s >= ops[i].seq_from && s <= ops[i].seq_to)
				contract_model[s].gone = true;
	for (int i = what < 4 ? contract_below(2) : 1 + contract_below(400); i > 0; i--) {
		int s = ++contract_last;

		contract_model[s].at_ms = s + contract_below(600) - 300;
		contract_model[s].kind = (char)('a' + contract_below(3));
		contract_model[s].gone = false;
		snprintf(body[n], sizeof(body[0]), "%d", s);
		ops[n] = (struct store_op)LOG_PUT("", contract_model[s].at_ms, body[n]);
		ops[n++].kind[0] = contract_model[s].kind;
	}
	if (n)
		contract_submit(ops, n);
}

struct contract_check { struct store_query q; bool answered; };

static void contract_check_rows(void *context, const struct store_row *rows, int n)
{
	struct contract_check *c = context;
	const struct store_query *q = &c->q;
	int found = 0;

	c->answered = true;
	for (int i = 1; i <= contract_last && found < q->max_rows; i++) {
		int s = q->newest_first ? contract_last + 1 - i : i;

		if (contract_model[s].gone || s < q->seq_from || (q->seq_to && s > q->seq_to) ||
		    (q->at_from_ms && contract_model[s].at_ms < q->at_from_ms) ||
		    (q->at_to_ms && contract_model[s].at_ms >= q->at_to_ms) || (q->kind[0] && q->kind[0] != contract_model[s].kind))
			continue;
		if (found >= n || rows[found].seq != s || atoi(rows[found].body) != s)
			fail_msg("row %d of %d is %d, not %d", found, n, found < n ? (int)rows[found].seq : 0, s);
		found++;
	}
	assert_int_equal(n, found);
}

static void contract_random_check(void)
{
	struct contract_check c = { .q = { .table = STORE_TELEMETRY, .max_rows = 1 + contract_below(STORE_READ_MAX),
					   .newest_first = contract_below(2) } };
	int64_t rows = 0;

	if (contract_below(2))
		c.q.seq_from = contract_below(contract_last + 10);
	if (contract_below(3) == 0)
		c.q.seq_to = contract_below(contract_last + 10);
	if (contract_below(4) == 0)
		c.q.at_from_ms = contract_below(contract_last + 10);
	if (contract_below(4) == 0)
		c.q.at_to_ms = contract_below(contract_last + 10);
	if (contract_below(3) == 0)
		c.q.kind[0] = (char)('a' + contract_below(4));
	assert_int_equal(store_read(contract.store(), &c.q, contract_check_rows, &c), 0);
	contract.pump();
	assert_true(c.answered);
	for (int s = 1; s <= contract_last; s++)
		rows += !contract_model[s].gone;
	assert_int_equal(contract_count(STORE_TELEMETRY).rows, rows);
}

/* HEARTH_SEED repeats a run. */
void contract_random_walk(void **state)
{
	(void)state;
	contract_random = seed_of("HEARTH_SEED") * 2654435761u + 88172645463325252u;
	contract_last = 0;
	for (int i = 0; i < 300; i++) {
		contract_random_ops();
		contract_random_check();
		if (contract_below(40) == 0)
			contract.restart();
	}
}
