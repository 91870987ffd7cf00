/* The block planner: what is merged, what never is, and how refusals are learnt. */
#include "drivers/modbus/plan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

static const struct {
	const char *name;
	struct plan_limits limits;
	struct plan_point points[8]; /* fc 0 ends */
	const char *reads;           /* "fc:address+count ...", or the negative result */
} ROWS[] = {
	{ "nothing", { 0 }, { { 0 } }, "" },
	{ "fc 5 reads nothing", { 0 }, { { 5, 0, 1 } }, "-22" },
	{ "count 0", { 0 }, { { 3, 0, 0 } }, "-22" },
	{ "count 126", { 0 }, { { 3, 0, 126 } }, "-22" },
	{ "beyond the end", { 0 }, { { 3, 65535, 2 } }, "-22" },
	{ "the last register", { 0 }, { { 3, 65535, 1 }, { 3, 65534, 1 } }, "3:65534+2" },
	{ "neighbours, any order", { 0 }, { { 3, 12, 2 }, { 3, 8, 2 }, { 3, 10, 2 } }, "3:8+6" },
	{ "doubles", { 0 }, { { 3, 8, 2 }, { 3, 8, 2 } }, "3:8+2" },
	{ "one inside another", { 0 }, { { 3, 9, 1 }, { 3, 8, 4 } }, "3:8+4" },
	{ "overlap", { 0 }, { { 3, 8, 2 }, { 3, 9, 2 } }, "3:8+3" },
	{ "same start, longest first", { 0 }, { { 3, 8, 1 }, { 3, 8, 4 }, { 3, 12, 1 } }, "3:8+5" },
	{ "a hole is not read", { 0 }, { { 3, 8, 1 }, { 3, 10, 1 } }, "3:8+1 3:10+1" },
	{ "unless allowed", { .hole = 1 }, { { 3, 8, 1 }, { 3, 10, 1 }, { 3, 13, 1 } }, "3:8+3 3:13+1" },
	{ "function codes never mix", { 0 }, { { 4, 8, 1 }, { 3, 9, 1 }, { 1, 8, 1 } }, "1:8+1 3:9+1 4:8+1" },
	{ "limit", { .max_regs = 4 }, { { 3, 0, 2 }, { 3, 2, 2 }, { 3, 4, 2 } }, "3:0+4 3:4+2" },
	{ "never torn at the limit", { .max_regs = 5 }, { { 3, 0, 2 }, { 3, 2, 2 }, { 3, 4, 2 } }, "3:0+4 3:4+2" },
	{ "longer than the limit: alone", { .max_regs = 4 }, { { 3, 0, 1 }, { 3, 1, 8 }, { 3, 9, 1 } }, "3:0+1 3:1+8 3:9+1" },
	{ "limit of the protocol", { .max_regs = 500 }, { { 3, 0, 100 }, { 3, 100, 25 }, { 3, 125, 1 } }, "3:0+125 3:125+1" },
	{ "one point a request", { .single_reads = true, .hole = 9 }, { { 3, 0, 2 }, { 3, 2, 2 }, { 3, 2, 2 } }, "3:0+2 3:2+2" },
};

static void reads_text(const struct plan_read *reads, int n, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	if (n < 0)
		snprintf(out, size, "%d", n);
	for (int i = 0; i < n; i++)
		used += (size_t)snprintf(out + used, size - used, "%s%d:%d+%d", i ? " " : "", reads[i].fc, reads[i].address,
					 reads[i].count);
}

static void test_rows(void **state)
{
	(void)state;
	for (int i = 0; i < N(ROWS); i++) {
		struct plan_read reads[8];
		char text[256];
		int n = 0;

		while (n < 8 && ROWS[i].points[n].fc)
			n++;
		reads_text(reads, plan_reads(ROWS[i].points, n, &ROWS[i].limits, NULL, reads, 8), text, sizeof(text));
		if (strcmp(text, ROWS[i].reads))
			fail_msg("%s: '%s', should be '%s'", ROWS[i].name, text, ROWS[i].reads);
	}
}

static void test_full(void **state)
{
	static struct plan_point many[PLAN_POINTS_MAX + 1];
	struct plan_limits limits = { 0 };
	struct plan_read reads[4];

	(void)state;
	for (int i = 0; i < N(many); i++)
		many[i] = (struct plan_point){ 3, (uint16_t)(2 * i), 1 };
	assert_int_equal(plan_reads(many, N(many), &limits, NULL, reads, 4), -E2BIG);
	assert_int_equal(plan_reads(many, 5, &limits, NULL, reads, 4), -ENOSPC);
	assert_int_equal(plan_reads(many, 4, &limits, NULL, reads, 4), 4);
}

static void plan_text(const struct plan_point *points, int n, const struct plan_limits *limits,
		      const struct plan_memory *memory, char *out, size_t size)
{
	struct plan_read reads[64];

	reads_text(reads, plan_reads(points, n, limits, memory, reads, 64), out, size);
}

static void test_refused_at_holes(void **state)
{
	static const struct plan_point points[] = { { 3, 0, 2 }, { 3, 2, 2 }, { 3, 6, 2 }, { 3, 9, 1 } };
	struct plan_limits limits = { .hole = 4 };
	struct plan_memory memory = { 0 };
	char text[256];

	(void)state;
	plan_text(points, N(points), &limits, &memory, text, sizeof(text));
	assert_string_equal(text, "3:0+10");
	assert_int_equal(plan_refused(&memory, points, N(points), &(struct plan_read){ 3, 0, 10 }), PLAN_SPLIT);
	plan_text(points, N(points), &limits, &memory, text, sizeof(text));
	assert_string_equal(text, "3:0+4 3:6+2 3:9+1");
	/* Remembered for this function code only. */
	plan_text((struct plan_point[]){ { 4, 0, 4 }, { 4, 6, 4 } }, 2, &limits, &memory, text, sizeof(text));
	assert_string_equal(text, "4:0+10");
}

static void test_refused_in_the_middle(void **state)
{
	static const struct plan_point points[] = { { 3, 0, 2 }, { 3, 2, 2 }, { 3, 4, 4 }, { 3, 8, 1 } };
	struct plan_limits limits = { 0 };
	struct plan_memory memory = { 0 };
	char text[256];

	(void)state;
	assert_int_equal(plan_refused(&memory, points, N(points), &(struct plan_read){ 3, 0, 9 }), PLAN_SPLIT);
	plan_text(points, N(points), &limits, &memory, text, sizeof(text));
	assert_string_equal(text, "3:0+4 3:4+5");
	assert_int_equal(plan_refused(&memory, points, N(points), &(struct plan_read){ 3, 4, 5 }), PLAN_SPLIT);
	assert_int_equal(plan_refused(&memory, points, N(points), &(struct plan_read){ 3, 8, 1 }), PLAN_DEAD);
	plan_text(points, N(points), &limits, &memory, text, sizeof(text));
	assert_string_equal(text, "3:0+4 3:4+4");
}

static void test_refused_overlap(void **state)
{
	static const struct plan_point points[] = { { 3, 0, 2 }, { 3, 1, 2 } };
	struct plan_limits limits = { 0 };
	struct plan_memory memory = { 0 };
	char text[256];

	(void)state;
	assert_int_equal(plan_refused(&memory, points, N(points), &(struct plan_read){ 3, 0, 3 }), PLAN_SPLIT);
	plan_text(points, N(points), &limits, &memory, text, sizeof(text));
	assert_string_equal(text, "3:0+2 3:1+2");
	assert_int_equal(plan_refused(&memory, points, N(points), &(struct plan_read){ 3, 1, 2 }), PLAN_DEAD);
	plan_text(points, N(points), &limits, &memory, text, sizeof(text));
	assert_string_equal(text, "3:0+2");
}

/* A device that lacks some registers: the plan must soon cover every point it has, in few reads, and ask for no other. */
static void test_device_is_learnt(void **state)
{
	unsigned int seed = 7;

	(void)state;
	for (int round = 0; round < 300; round++) {
		struct plan_point points[100];
		bool missing[200] = { false };
		struct plan_memory memory = { 0 };
		struct plan_limits limits = { .hole = rand_r(&seed) % 3, .max_regs = 10 + rand_r(&seed) % 100 };
		int n = 0, polls = 0, bad = rand_r(&seed) % 4, refused = 1;

		for (int at = 0; at < 190 && n < 100;) {
			int count = 1 + rand_r(&seed) % 3;

			points[n++] = (struct plan_point){ 3, (uint16_t)at, (uint16_t)count };
			at += count + (rand_r(&seed) % 8 ? 0 : 1 + rand_r(&seed) % 2);
		}
		for (int i = 0; i < bad; i++)
			missing[rand_r(&seed) % 190] = true;
		for (; refused && polls < 40; polls++) {
			struct plan_read reads[100];
			bool covered[200] = { false };
			int n_reads = plan_reads(points, n, &limits, &memory, reads, 100);

			refused = 0;
			for (int i = 0; i < n_reads; i++) {
				bool gone = false;

				for (int a = reads[i].address; a < reads[i].address + reads[i].count; a++) {
					gone |= missing[a];
					covered[a] = true;
				}
				if (gone && ++refused)
					plan_refused(&memory, points, n, &reads[i]);
			}
			for (int i = 0; !refused && i < n; i++) {
				bool has = true;

				for (int a = points[i].address; a < points[i].address + points[i].count; a++)
					has &= !missing[a];
				if (has && !covered[points[i].address])
					fail_msg("seed 7 round %d: point %d was lost", round, i);
			}
			if (!refused && n_reads > 60)
				fail_msg("seed 7 round %d: %d reads for %d points", round, n_reads, n);
		}
		if (refused)
			fail_msg("seed 7 round %d: still refused after %d polls", round, polls);
	}
}

static void test_words(void **state)
{
	struct modbus_request r;

	(void)state;
	plan_request(&(struct plan_read){ 4, 100, 6 }, 20, &r);
	assert_int_equal(r.fc, 4);
	assert_int_equal(r.gap_ms, 20);
	assert_int_equal(r.count, 6);
	r.words[2] = 77;
	assert_int_equal(*plan_words(&r, &(struct plan_point){ 4, 102, 4 }), 77);
	assert_null(plan_words(&r, &(struct plan_point){ 4, 102, 5 }));
	assert_null(plan_words(&r, &(struct plan_point){ 4, 99, 2 }));
	assert_null(plan_words(&r, &(struct plan_point){ 3, 102, 4 }));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows), cmocka_unit_test(test_full), cmocka_unit_test(test_refused_at_holes),
		cmocka_unit_test(test_refused_in_the_middle), cmocka_unit_test(test_refused_overlap),
		cmocka_unit_test(test_device_is_learnt), cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
