/* The limits of the backlog: what is thinned keeps its energy, what is dropped is counted, and refused points find their way back. */
#include "support/backlog_kit.h"

#define N 1000 /* intervals of a test */

struct total { double in_wh, out_wh, home_wh, solar_wh; int64_t seconds, merged; int rows, longest_s; };

/* What lies in the table of the points. */
static struct total on_disk(void)
{
	struct total t = { 0 };
	struct store_row r;

	for (int64_t seq = 0; fake_next(STORE_TELEMETRY, false, seq, &r); seq = r.seq) {
		struct telemetry_point p;

		assert_int_equal(telemetry_unpack(r.kind, r.at_ms, r.body, &p), 0);
		t.in_wh += p.charge_wh;
		t.out_wh += p.discharge_wh;
		t.home_wh += p.home_wh;
		t.solar_wh += p.solar_wh;
		t.seconds += p.duration_s;
		t.merged += p.merged;
		t.longest_s = p.duration_s > t.longest_s ? p.duration_s : t.longest_s;
		t.rows++;
	}
	return t;
}

static void assert_same_energy(const struct total *a, const struct total *b)
{
	assert_true(fabs(a->in_wh - b->in_wh) < 0.05 && fabs(a->out_wh - b->out_wh) < 0.05);
	assert_true(fabs(a->home_wh - b->home_wh) < 0.05 && fabs(a->solar_wh - b->solar_wh) < 0.05);
	assert_int_equal(a->seconds, b->seconds);
	assert_int_equal(a->merged, b->merged);
}

static void assert_counted(void)
{
	struct backlog_stats s = kit_stats();
	int64_t bytes = 0;
	struct store_row r;

	for (int64_t seq = 0; fake_next(STORE_TELEMETRY, false, seq, &r); seq = r.seq)
		bytes += (int64_t)strlen(r.body);
	assert_int_equal(s.rows, fake_count(STORE_TELEMETRY));
	assert_int_equal(s.bytes, bytes);
}

static void test_thinning_keeps_energy(void **state)
{
	static const int PARTS[] = { 4, 3, 2, 1 }; /* quarters of what there is */
	struct total before, after;
	int64_t bytes;

	(void)state;
	kit_fill(2, 0, N);
	before = on_disk();
	bytes = kit_stats().bytes;
	for (size_t i = 0; i < sizeof(PARTS) / sizeof(PARTS[0]); i++) {
		int seconds = 0;

		backlog_limit(log_, bytes * PARTS[i] / 4);
		while (kit_stats().bytes > bytes * PARTS[i] / 4 && seconds++ < 100) {
			const int64_t thinned = kit_stats().thinned_total;

			kit_step();
			assert_in_range(kit_stats().thinned_total - thinned, 0, 256); /* a bounded step */
		}
		after = on_disk();
		assert_true(kit_stats().bytes <= bytes * PARTS[i] / 4);
		assert_same_energy(&before, &after);
		assert_int_equal(kit_stats().thinned_total, before.rows - after.rows);
		assert_counted();
	}
	assert_int_equal(kit_stats().dropped_total, 0);
	assert_true(after.longest_s <= 3600);
	backlog_link(log_, true, now); /* Flip gets every second of it */
	kit_drain(10);
	for (int k = 0; k < N; k++)
		assert_true(has[0][k] == 1 && has[1][k] == 1);
}

static void test_oldest_first(void **state)
{
	struct store_row r;
	int64_t bytes;

	(void)state;
	kit_fill(2, 0, N);
	bytes = kit_stats().bytes;
	backlog_limit(log_, bytes - 1000);
	for (int i = 0; i < 3; i++)
		kit_step();
	assert_true(fake_next(STORE_TELEMETRY, false, 0, &r));
	assert_int_equal(r.at_ms, UTC + 256LL * STEP_S * 1000); /* 512 rows went into 256, and no more than one step was taken */
	assert_int_equal(fake_count(STORE_TELEMETRY), 2 * N - 256);
}

static void test_dropped_when_nothing_merges(void **state)
{
	struct total after;
	int64_t bytes, left;

	(void)state;
	kit_fill(2, 0, N);
	bytes = kit_stats().bytes;
	backlog_limit(log_, bytes / 40);
	for (int i = 0; i < 100; i++)
		kit_step();
	after = on_disk();
	left = kit_stats().rows;
	assert_true(kit_stats().bytes <= bytes / 40);
	assert_true(kit_stats().bytes > bytes / 60); /* no more than necessary */
	assert_true(after.longest_s > 2000 && after.longest_s <= 3600);
	assert_int_equal(kit_stats().dropped_total, 2 * N - left - kit_stats().thinned_total);
	assert_counted();
	for (int k = N; k < N + 100; k++) { /* and it stays within the limit while more comes */
		kit_add(2, k);
		kit_step();
		kit_step();
		assert_true(kit_stats().bytes <= bytes / 40 + 200);
	}
	assert_counted();
}

static void test_unlike_neighbours_are_left(void **state)
{
	int64_t bytes;

	(void)state;
	backlog_link(log_, false, now);
	for (int k = 0; k < 400; k++) { /* on and off in turns, with gaps, or an hour long */
		struct telemetry_point p = kit_point(0, k * (k % 3 + 2));

		p.online = k % 2;
		p.duration_s = k > 300 ? 3600 : STEP_S;
		telemetry_round(&p);
		backlog_add(log_, &p, 1, now);
		kit_disk();
	}
	bytes = kit_stats().bytes;
	backlog_limit(log_, bytes - 100);
	for (int i = 0; i < 10; i++)
		kit_step();
	assert_int_equal(kit_stats().thinned_total, 0);
	assert_in_range(kit_stats().dropped_total, 1, 30);
	assert_counted();
}

/* What Flip has in hands must be there when its answer comes. */
static void test_not_under_way(void **state)
{
	(void)state;
	kit_fill(2, 0, N);
	backlog_link(log_, true, now);
	kit_step();
	if (sends[0].n == 2) { /* the live interval */
		kit_save();
		kit_disk();
	}
	assert_int_equal(sends[n_sends - 1].n, 1000);
	backlog_limit(log_, 1000);
	for (int i = 0; i < 80; i++)
		kit_step();
	assert_int_equal(fake_count(STORE_TELEMETRY), 2 * N - 2);
	kit_save();
	kit_disk();
	assert_int_equal(kit_stats().sent_total, 1002);
	assert_counted();
}

/* Rows of one interval that are whole, of batteries a and b. */
static int whole(int k)
{
	struct store_row r;
	int n = 0;

	for (int64_t seq = 0; fake_next(STORE_TELEMETRY, false, seq, &r); seq = r.seq) {
		struct telemetry_point p;

		assert_int_equal(telemetry_unpack(r.kind, r.at_ms, r.body, &p), 0);
		n += p.start_utc_ms == UTC + (int64_t)k * STEP_S * 1000 && p.merged == 1;
	}
	return n;
}

/* What went out and was not answered Flip may have: it is not merged while the link is down or Flip deaf, also when a newer
 * interval took its place meanwhile. Others make room. */
static void test_not_what_flip_may_have(void **state)
{
	struct total before, after;

	for (int up = 0; up < 2; up++) {
		int newest = N - 1;
		int64_t limit;

		kit_teardown(state);
		kit_setup(state);
		memset(has, 0, sizeof(has));
		kit_fill(2, 0, N);
		kit_restart(0, 0); /* nothing is fresh after it */
		kit_step();
		assert_int_equal(sends[0].n, 1000); /* 0 .. 499 */
		backlog_link(log_, up, now);
		for (int i = 0; i < 91; i++)
			kit_step();
		if (up) {
			kit_add(2, ++newest);
			for (int i = 0; i < 302 && sends[n_sends - 1].n != 2; i++)
				kit_step();
			assert_int_equal(sends[n_sends - 1].first_utc_ms, UTC + (int64_t)newest * STEP_S * 1000);
			for (int i = 0; i < 91; i++)
				kit_step();
		}
		before = on_disk();
		limit = kit_stats().bytes * 3 / 4;
		backlog_limit(log_, limit);
		for (int i = 0; i < 700; i++)
			kit_step();
		after = on_disk();
		assert_same_energy(&before, &after);
		assert_true(kit_stats().thinned_total > 300 && kit_stats().bytes <= limit);
		assert_int_equal(whole(0) + whole(250) + whole(499), 6);
		assert_int_equal(whole(newest), up ? 2 : 0);
		assert_counted();
		backlog_limit(log_, 1000); /* far too little: the others are dropped before it is touched */
		for (int i = 0; i < 700; i++)
			kit_step();
		assert_int_equal(fake_count(STORE_TELEMETRY), up ? 1002 : 1000);
		assert_counted();
		backlog_limit(log_, 0);
		backlog_link(log_, true, now);
		for (int i = 0; i < 302 && kit_stats().rows; i++) {
			kit_step();
			while (open_batch) {
				assert_int_equal(kit_save(), 0);
				kit_disk();
			}
		}
		assert_true(has[0][0] == 1 && has[1][250] == 1 && has[0][499] == 1 && has[1][newest] == up);
		assert_int_equal(kit_stats().rows, 0);
	}
}

/* Answered, though badly: then it is thinned as anything else. */
static void test_answered_is_thinned(void **state)
{
	int64_t bytes;

	(void)state;
	kit_fill(2, 0, N);
	kit_restart(0, 0);
	kit_step();
	bytes = kit_stats().bytes;
	backlog_limit(log_, bytes * 3 / 4);
	for (int i = 0; i < 120; i++)
		kit_step(); /* no answer: what is behind it is thinned */
	assert_int_equal(whole(0), 2);
	kit_answer(422, 0, NULL);
	backlog_link(log_, false, now);
	backlog_limit(log_, bytes / 3);
	for (int i = 0; i < 120; i++)
		kit_step();
	assert_int_equal(whole(0), 0);
	assert_true(kit_stats().bytes <= bytes / 3);
	assert_true(kit_stats().dropped_total == 0);
	assert_counted();
}

static void test_thinning_fails(void **state)
{
	struct total before, after;

	(void)state;
	kit_fill(2, 0, N);
	before = on_disk();
	backlog_limit(log_, kit_stats().bytes / 3);
	for (int i = 0; i < 300; i++) {
		now += 1000;
		backlog_step(log_, now);
		fake_commit(i % 3 ? -EIO : 0);
	}
	for (int i = 0; i < 200; i++)
		kit_step();
	after = on_disk();
	assert_same_energy(&before, &after);
	assert_counted();
	assert_true(kit_stats().bytes <= 80000 && kit_stats().dropped_total == 0);
}

static bool all(const struct telemetry_point *p)
{
	return p != NULL;
}

static void test_refused_are_kept_within_limits(void **state)
{
	int round = 0;

	(void)state;
	for (; round < 6; round++) {
		kit_fill(2, round * 1000, 1000);
		backlog_link(log_, true, now);
		do {
			kit_step();
			while (open_batch) {
				kit_answer(200, sends[n_sends - 1].n, all);
				kit_disk();
			}
		} while (kit_stats().rows);
		n_sends = 0;
	}
	kit_step();
	assert_int_equal(fake_count(STORE_REFUSED), 10000);
	assert_int_equal(kit_stats().refused, 10000);
	assert_int_equal(kit_stats().dropped_total, 2000);
	kit_restart(0, 0);
	kit_step();
	assert_int_equal(kit_stats().refused, 10000);
	assert_string_equal(kit_stats().refused_reason, "no such device");
	assert_int_equal(backlog_retry(log_, now), 10000);
	for (int i = 0; i < 20; i++) { /* refused again: they go round once, not for ever */
		kit_step();
		while (open_batch) {
			kit_answer(200, sends[n_sends - 1].n, all);
			kit_disk();
		}
	}
	assert_in_range(n_sends, 10, 21);
	assert_int_equal(kit_stats().refused, 10000);
	assert_int_equal(backlog_retry(log_, now), 10000);
	kit_drain(30);
	assert_int_equal(kit_stats().refused, 0);
	assert_int_equal(fake_count(STORE_REFUSED) + fake_count(STORE_TELEMETRY), 0);
	kit_drain(3);
	for (int k = 1000; k < 6000; k++)
		assert_true(has[0][k] == 1 && has[1][k] == 1);
}

/* Told to go again while the disk has not yet put it aside. */
static void test_retry_before_it_is_aside(void **state)
{
	(void)state;
	kit_fill(1, 0, 1);
	kit_restart(0, 8);
	kit_step();
	assert_true(open_batch && kit_answer(422, 0, NULL) == 0);
	assert_int_equal(kit_stats().refused, 0);
	assert_int_equal(backlog_retry(log_, now), 1);
	kit_drain(100);
	kit_check(1, 1);
	assert_true(kit_stats().refused == 0 && fake_count(STORE_REFUSED) == 0);
}

/* Rows of another version, or damaged: they stop nobody. */
static void test_unreadable(void **state)
{
	static const char *const BODY[] = { "", "9 300 1 3 0", "garbage", "1 300" };
	struct store_op op = { .verb = STORE_PUT, .table = STORE_TELEMETRY, .kind = "a", .at_ms = UTC };

	(void)state;
	kit_fill(1, 0, 3);
	for (size_t i = 0; i < sizeof(BODY) / sizeof(BODY[0]); i++) {
		op.body = BODY[i];
		store_submit(NULL, &op, 1, NULL, NULL, NULL);
		if (i == 1)
			kit_fill(1, 3, 2);
	}
	kit_disk();
	kit_restart(0, 0);
	kit_drain(10);
	kit_check(1, 5);
	assert_int_equal(kit_stats().refused, 4);
	assert_int_equal(kit_stats().sent_total, 5);
	assert_string_equal(kit_stats().refused_reason, "cannot be read");
	assert_counted();
}

#define T_(f) cmocka_unit_test_setup_teardown(f, kit_setup, kit_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T_(test_thinning_keeps_energy), T_(test_oldest_first), T_(test_dropped_when_nothing_merges),
		T_(test_unlike_neighbours_are_left), T_(test_not_under_way), T_(test_thinning_fails),
		T_(test_not_what_flip_may_have), T_(test_answered_is_thinned),
		T_(test_refused_are_kept_within_limits), T_(test_retry_before_it_is_aside), T_(test_unreadable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
