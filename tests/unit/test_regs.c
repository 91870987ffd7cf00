/* Words <-> numbers: ugly cases first. */
#include "drivers/modbus/regs.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define N(a) ((int)(sizeof(a) / sizeof((a)[0])))

static const struct {
	const char *name;
	struct reg_format f;
	int n;
	uint16_t w[4];
	int r;
	double v;
} DECODE[] = {
	{ "nothing read", { .type = REG_UINT16 }, 0, { 0 }, -EINVAL, 0 },
	{ "half a float", { .type = REG_FLOAT32 }, 1, { 0x3f80 }, -EINVAL, 0 },
	{ "a string is no number", { .type = REG_STRING }, 4, { 0 }, -EINVAL, 0 },
	{ "no such type", { .type = REG_TYPES }, 4, { 0 }, -EINVAL, 0 },
	{ "NaN", { .type = REG_FLOAT32 }, 2, { 0x7fc0, 0 }, REG_ABSENT, 0 },
	{ "signalling NaN, other payload", { .type = REG_FLOAT32 }, 2, { 0xffa0, 1 }, REG_ABSENT, 0 },
	{ "infinity", { .type = REG_FLOAT32 }, 2, { 0x7f80, 0 }, REG_ABSENT, 0 },
	{ "-FLT_MAX (SolarEdge)", { .type = REG_FLOAT32 }, 2, { 0xff7f, 0xffff }, REG_ABSENT, 0 },
	{ "NaN double", { .type = REG_FLOAT64 }, 4, { 0x7ff8, 0, 0, 0 }, REG_ABSENT, 0 },
	{ "scaled to infinity", { .type = REG_FLOAT64, .scale = 10 }, 4, { 0x7fef, 0xffff, 0xffff, 0xffff }, REG_ABSENT, 0 },
	{ "uint16 marker", { .type = REG_UINT16, .sunspec = true }, 1, { 0xffff }, REG_ABSENT, 0 },
	{ "uint16 without markers", { .type = REG_UINT16 }, 1, { 0xffff }, 0, 65535 },
	{ "uint16 below marker", { .type = REG_UINT16, .sunspec = true }, 1, { 0xfffe }, 0, 65534 },
	{ "int16 marker", { .type = REG_INT16, .sunspec = true }, 1, { 0x8000 }, REG_ABSENT, 0 },
	{ "int16 lowest", { .type = REG_INT16 }, 1, { 0x8000 }, 0, -32768 },
	{ "enum16 marker", { .type = REG_ENUM16, .sunspec = true }, 1, { 0xffff }, REG_ABSENT, 0 },
	{ "bits16 top bit", { .type = REG_BITS16, .sunspec = true }, 1, { 0x8001 }, REG_ABSENT, 0 },
	{ "bits16 top bit elsewhere", { .type = REG_BITS16 }, 1, { 0x8001 }, 0, 32769 },
	{ "uint32 marker", { .type = REG_UINT32, .sunspec = true }, 2, { 0xffff, 0xffff }, REG_ABSENT, 0 },
	{ "int32 marker", { .type = REG_INT32, .sunspec = true }, 2, { 0x8000, 0 }, REG_ABSENT, 0 },
	{ "int32 marker, little", { .type = REG_INT32, .order = REG_LITTLE, .sunspec = true }, 2, { 0, 0x8000 }, REG_ABSENT, 0 },
	{ "int32, the marker in the wrong order is a number", { .type = REG_INT32, .sunspec = true }, 2, { 0, 0x8000 }, 0, 32768 },
	{ "bits32 top bit", { .type = REG_BITS32, .sunspec = true }, 2, { 0x8000, 1 }, REG_ABSENT, 0 },
	{ "uint64 marker", { .type = REG_UINT64, .sunspec = true }, 4, { 0xffff, 0xffff, 0xffff, 0xffff }, REG_ABSENT, 0 },
	{ "int64 marker", { .type = REG_INT64, .sunspec = true }, 4, { 0x8000, 0, 0, 0 }, REG_ABSENT, 0 },
	{ "accumulator 0", { .type = REG_UINT32, .sunspec = true, .zero_absent = true }, 2, { 0, 0 }, REG_ABSENT, 0 },
	{ "marker of the profile", { .type = REG_UINT32, .has_nan = true, .nan = 0x80000000 }, 2, { 0x8000, 0 }, REG_ABSENT, 0 },
	{ "its own marker 0", { .type = REG_UINT16, .has_nan = true }, 1, { 0 }, REG_ABSENT, 0 },
	{ "zero is a number", { .type = REG_UINT16, .sunspec = true }, 1, { 0 }, 0, 0 },
	{ "coil", { .type = REG_COIL, .sunspec = true }, 1, { 1 }, 0, 1 },
	{ "char16", { .type = REG_CHAR16 }, 1, { 'A' }, 0, 65 },
	{ "int16 scaled", { .type = REG_INT16, .scale = 0.1 }, 1, { 0xfe3b }, 0, -45.3 },
	{ "int32 big", { .type = REG_INT32 }, 2, { 0xffff, 0xfb2e }, 0, -1234 },
	{ "int32 little", { .type = REG_INT32, .order = REG_LITTLE }, 2, { 0xfb2e, 0xffff }, 0, -1234 },
	{ "int64 lowest", { .type = REG_INT64 }, 4, { 0x8000, 0, 0, 0 }, 0, -9223372036854775808. },
	{ "uint64 little", { .type = REG_UINT64, .order = REG_LITTLE }, 4, { 4, 3, 2, 1 }, 0, 281483566841860. },
	{ "float big", { .type = REG_FLOAT32 }, 2, { 0xc49a, 0x5000 }, 0, -1234.5 },
	{ "float little", { .type = REG_FLOAT32, .order = REG_LITTLE }, 2, { 0x5000, 0xc49a }, 0, -1234.5 },
	{ "double", { .type = REG_FLOAT64, .scale = 2 }, 4, { 0xc093, 0x4a00, 0, 0 }, 0, -2469 },
	{ "more words than needed", { .type = REG_UINT16 }, 3, { 7, 8, 9 }, 0, 7 },
};

static void test_decode(void **state)
{
	(void)state;
	for (int i = 0; i < N(DECODE); i++) {
		double v = 12345;
		int r = reg_decode(&DECODE[i].f, DECODE[i].w, DECODE[i].n, &v);

		if (r != DECODE[i].r || (!r && fabs(v - DECODE[i].v) > 1e-9) || (r && v != 12345))
			fail_msg("%s: result %d, number %.17g", DECODE[i].name, r, v);
	}
}

static const struct {
	const char *name;
	struct reg_format f;
	double v;
	int r;
	uint16_t w[4];
} ENCODE[] = {
	{ "NaN", { .type = REG_INT16 }, NAN, -ERANGE, { 0 } },
	{ "infinity into a float", { .type = REG_FLOAT32 }, INFINITY, -ERANGE, { 0 } },
	{ "negative into unsigned", { .type = REG_UINT16 }, -1, -ERANGE, { 0 } },
	{ "above uint16", { .type = REG_UINT16 }, 65536, -ERANGE, { 0 } },
	{ "above int16", { .type = REG_INT16 }, 32768, -ERANGE, { 0 } },
	{ "below int16", { .type = REG_INT16 }, -32769, -ERANGE, { 0 } },
	{ "above int16 by the scale", { .type = REG_INT16, .scale = 0.1 }, 3277, -ERANGE, { 0 } },
	{ "above uint32", { .type = REG_UINT32 }, 4294967296., -ERANGE, { 0 } },
	{ "above int32", { .type = REG_INT32 }, 2147483648., -ERANGE, { 0 } },
	{ "above uint64", { .type = REG_UINT64 }, 18446744073709551616., -ERANGE, { 0 } },
	{ "above int64", { .type = REG_INT64 }, 9223372036854775808., -ERANGE, { 0 } },
	{ "above float32", { .type = REG_FLOAT32 }, 3.5e38, -ERANGE, { 0 } },
	{ "reads as absent: uint16", { .type = REG_UINT16, .sunspec = true }, 65535, -ERANGE, { 0 } },
	{ "reads as absent: int16", { .type = REG_INT16, .sunspec = true }, -32768, -ERANGE, { 0 } },
	{ "reads as absent: bits32", { .type = REG_BITS32, .sunspec = true }, 2147483648., -ERANGE, { 0 } },
	{ "reads as absent: by the profile", { .type = REG_UINT16, .has_nan = true, .nan = 100 }, 100, -ERANGE, { 0 } },
	{ "reads as absent: -FLT_MAX", { .type = REG_FLOAT32 }, -(double)FLT_MAX, -ERANGE, { 0 } },
	{ "coil 2", { .type = REG_COIL }, 2, -ERANGE, { 0 } },
	{ "string", { .type = REG_STRING }, 1, -EINVAL, { 0 } },
	{ "toward 0 from above", { .type = REG_INT16 }, 99.99, 0, { 99 } },
	{ "toward 0 from below", { .type = REG_INT16 }, -99.99, 0, { 0xff9d } },
	{ "a little below 0 into unsigned", { .type = REG_UINT16 }, -0.4, 0, { 0 } },
	{ "0.3 / 0.1 is 3", { .type = REG_UINT16, .scale = 0.1 }, 0.3, 0, { 3 } },
	{ "6 A in mA", { .type = REG_UINT16, .scale = 0.001 }, 6, 0, { 6000 } },
	{ "5 kW in 100 W", { .type = REG_INT16, .scale = 100 }, 5090, 0, { 50 } },
	{ "highest uint16", { .type = REG_UINT16 }, 65535.9, 0, { 0xffff } },
	{ "lowest int16", { .type = REG_INT16 }, -32768, 0, { 0x8000 } },
	{ "int32 big", { .type = REG_INT32 }, -1234, 0, { 0xffff, 0xfb2e } },
	{ "int32 little", { .type = REG_INT32, .order = REG_LITTLE }, -1234, 0, { 0xfb2e, 0xffff } },
	{ "int64 lowest", { .type = REG_INT64 }, -9223372036854775808., 0, { 0x8000, 0, 0, 0 } },
	{ "uint64 little", { .type = REG_UINT64, .order = REG_LITTLE }, 281483566841860., 0, { 4, 3, 2, 1 } },
	{ "float", { .type = REG_FLOAT32 }, -1234.5, 0, { 0xc49a, 0x5000 } },
	{ "float toward 0: 0.1 lies below its nearest single", { .type = REG_FLOAT32 }, 0.1, 0, { 0x3dcc, 0xcccc } },
	{ "double", { .type = REG_FLOAT64 }, -1234.5, 0, { 0xc093, 0x4a00, 0, 0 } },
	{ "0 into an accumulator", { .type = REG_UINT32, .zero_absent = true }, 0, 0, { 0, 0 } },
	{ "coil", { .type = REG_COIL }, 1, 0, { 1 } },
};

static void test_encode(void **state)
{
	(void)state;
	for (int i = 0; i < N(ENCODE); i++) {
		uint16_t w[4] = { 0xaaaa, 0xaaaa, 0xaaaa, 0xaaaa };
		int words = ENCODE[i].f.type < REG_TYPES ? reg_words(ENCODE[i].f.type) : 0;
		int r = reg_encode(&ENCODE[i].f, ENCODE[i].v, w, 4);

		if (r != ENCODE[i].r || (!r && memcmp(w, ENCODE[i].w, sizeof(w[0]) * (size_t)words)) || (r && w[0] != 0xaaaa))
			fail_msg("%s: result %d, words %04x %04x %04x %04x", ENCODE[i].name, r, w[0], w[1], w[2], w[3]);
		if (words < 4 && w[words] != 0xaaaa)
			fail_msg("%s: wrote beyond its words", ENCODE[i].name);
	}
	assert_int_equal(reg_encode(&(struct reg_format){ .type = REG_INT32 }, 1, (uint16_t[]){ 0 }, 1), -EINVAL);
}

/* What was written reads back at most one raw step nearer to 0, never farther. */
static void test_there_and_back(void **state)
{
	static const double SCALES[] = { 0, 0.001, 0.1, 0.4, 1, 10, 60, 100, 1. / 360 };
	unsigned int seed = 20261121;

	(void)state;
	for (int k = 0; k < 200000; k++) {
		struct reg_format f = { .type = (enum reg_type)(rand_r(&seed) % REG_TYPES), .order = (enum reg_order)(k & 1),
					.scale = SCALES[rand_r(&seed) % N(SCALES)], .sunspec = rand_r(&seed) % 2 };
		double step = f.scale != 0 ? f.scale : 1, back = 0;
		double v = (rand_r(&seed) % 2000001 - 1000000) / (double)(1 + rand_r(&seed) % 1000);
		uint16_t w[4];

		if (reg_encode(&f, v, w, 4))
			continue;
		assert_int_equal(reg_decode(&f, w, 4, &back), 0);
		if (fabs(back) > fabs(v) * (1 + 2e-9) + 2e-9 * step || fabs(v - back) > step + 1e-6 * fabs(v) || back * v < 0)
			fail_msg("seed 20261121 round %d: %s scale %g: %.17g came back as %.17g", k, reg_type_name(f.type),
				 step, v, back);
	}
}

static void test_text(void **state)
{
	static const struct {
		uint16_t w[4];
		int n, size;
		const char *text;
	} ROWS[] = {
		{ { 0, 0, 0, 0 }, 4, 16, "" },
		{ { 0x2020, 0x2020 }, 2, 16, "" },
		{ { 0x4142, 0x4300 }, 2, 16, "ABC" },
		{ { 0x4142, 0x4320 }, 2, 16, "ABC" },
		{ { 0x4142, 0x2043 }, 2, 16, "AB C" },
		{ { 0x4142, 0x4344 }, 2, 16, "ABCD" },
		{ { 0x4142, 0x4344 }, 2, 3, "AB" },
		{ { 0x4142, 0x4344 }, 2, 1, "" },
		{ { 0x41ff, 0x0a42 }, 2, 16, "A??B" },
		{ { 0x4100, 0x4242 }, 2, 16, "A" },
	};

	(void)state;
	for (int i = 0; i < N(ROWS); i++) {
		char out[16] = "xxxxxxxxxxxxxxx";
		int len = reg_text(ROWS[i].w, ROWS[i].n, out, (size_t)ROWS[i].size);

		assert_string_equal(out, ROWS[i].text);
		assert_int_equal(len, (int)strlen(ROWS[i].text));
	}
}

static void test_names(void **state)
{
	(void)state;
	for (int i = 0; i < REG_TYPES; i++)
		assert_int_equal(reg_type_find(reg_type_name((enum reg_type)i)), i);
	assert_int_equal(reg_type_find("float"), -EINVAL);
	assert_int_equal(reg_type_find(""), -EINVAL);
	assert_int_equal(reg_type_find(NULL), -EINVAL);
}

static void test_raw(void **state)
{
	uint64_t bits = 1;
	const uint16_t w[4] = { 0xffff, 0xfb2e, 1, 0xffff };

	(void)state;
	assert_int_equal(reg_raw(&(struct reg_format){ .type = REG_INT32 }, w, 2, &bits), 0);
	assert_int_equal(bits, 0xfffffb2e);
	assert_int_equal(reg_raw(&(struct reg_format){ .type = REG_UINT64 }, w, 4, &bits), 0);
	assert_true(bits == 0xfffffb2e0001ffffULL);
	assert_int_equal(reg_raw(&(struct reg_format){ .type = REG_UINT16, .sunspec = true }, w, 1, &bits), REG_ABSENT);
	assert_int_equal(reg_raw(&(struct reg_format){ .type = REG_UINT32 }, w, 1, &bits), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode), cmocka_unit_test(test_encode), cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_text),   cmocka_unit_test(test_names),  cmocka_unit_test(test_raw),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
