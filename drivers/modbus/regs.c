/* See regs.h. Markers by SunSpec are listed in the Device Information Model, "not implemented" values. */
#include "drivers/modbus/regs.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <string.h>

#define TOLERANCE 1e-9 /* of the raw number: what decimal scales lose in binary is far smaller, a raw step far larger */

enum kind { KIND_UNSIGNED, KIND_SIGNED, KIND_BITS, KIND_FLOAT, KIND_TEXT };

static const struct {
	const char *name;
	int words;
	enum kind kind;
} TYPES[REG_TYPES] = {
	[REG_UINT16] = { "uint16", 1, KIND_UNSIGNED },   [REG_INT16] = { "int16", 1, KIND_SIGNED },
	[REG_ENUM16] = { "enum16", 1, KIND_UNSIGNED },   [REG_BITS16] = { "bits16", 1, KIND_BITS },
	[REG_UINT32] = { "uint32", 2, KIND_UNSIGNED },   [REG_INT32] = { "int32", 2, KIND_SIGNED },
	[REG_BITS32] = { "bits32", 2, KIND_BITS },       [REG_UINT64] = { "uint64", 4, KIND_UNSIGNED },
	[REG_INT64] = { "int64", 4, KIND_SIGNED },       [REG_FLOAT32] = { "float32", 2, KIND_FLOAT },
	[REG_FLOAT64] = { "float64", 4, KIND_FLOAT },    [REG_STRING] = { "string", 0, KIND_TEXT },
	[REG_CHAR16] = { "char16", 1, KIND_UNSIGNED },   [REG_COIL] = { "coil", 1, KIND_UNSIGNED },
};

int reg_type_find(const char *name)
{
	for (int i = 0; i < REG_TYPES; i++)
		if (name && !strcmp(TYPES[i].name, name))
			return i;
	return -EINVAL;
}

const char *reg_type_name(enum reg_type type)
{
	return TYPES[type].name;
}

int reg_words(enum reg_type type)
{
	return TYPES[type].words;
}

static uint64_t bits_join(const struct reg_format *f, const uint16_t *words)
{
	int n = TYPES[f->type].words;
	uint64_t bits = 0;

	for (int i = 0; i < n; i++)
		bits = bits << 16 | words[f->order == REG_BIG ? i : n - 1 - i];
	return bits;
}

static void bits_spread(const struct reg_format *f, uint64_t bits, uint16_t *words)
{
	int n = TYPES[f->type].words;

	for (int i = n - 1; i >= 0; i--, bits >>= 16)
		words[f->order == REG_BIG ? i : n - 1 - i] = (uint16_t)(bits & 0xffff);
}

/* True when these bits say "no such value". The top bit of a bit field makes all its other bits void. */
static bool bits_absent(const struct reg_format *f, uint64_t bits)
{
	int width = 16 * TYPES[f->type].words;
	uint64_t top = 1ULL << (width - 1);

	if ((f->has_nan && bits == f->nan) || (f->zero_absent && bits == 0))
		return true;
	if (!f->sunspec || f->type == REG_CHAR16 || f->type == REG_COIL)
		return false;
	switch (TYPES[f->type].kind) {
	case KIND_UNSIGNED:
		return bits == top + (top - 1);
	case KIND_SIGNED:
		return bits == top;
	case KIND_BITS:
		return (bits & top) != 0;
	case KIND_FLOAT:
	case KIND_TEXT:
		break;
	}
	return false;
}

static double signed_of(uint64_t bits, int width)
{
	uint64_t top = 1ULL << (width - 1);

	if (!(bits & top))
		return (double)bits;
	/* Two's complement by hand: ~bits + 1 within the width, so that no conversion is left to the compiler. */
	return -(double)((~bits & (top + (top - 1))) + 1);
}

static double float_of(const struct reg_format *f, uint64_t bits)
{
	double d;

	if (f->type == REG_FLOAT32) {
		uint32_t narrow = (uint32_t)bits;
		float single;

		memcpy(&single, &narrow, sizeof(single));
		return single == -FLT_MAX ? (double)NAN : (double)single;
	}
	memcpy(&d, &bits, sizeof(d));
	return d;
}

int reg_raw(const struct reg_format *f, const uint16_t *words, int n, uint64_t *out)
{
	uint64_t bits;

	if (f->type >= REG_TYPES || TYPES[f->type].kind == KIND_TEXT || n < TYPES[f->type].words)
		return -EINVAL;
	bits = bits_join(f, words);
	if (bits_absent(f, bits))
		return REG_ABSENT;
	if (TYPES[f->type].kind == KIND_FLOAT && !isfinite(float_of(f, bits)))
		return REG_ABSENT;
	*out = bits;
	return 0;
}

int reg_decode(const struct reg_format *f, const uint16_t *words, int n, double *out)
{
	uint64_t bits = 0;
	double number = 0;
	int r = reg_raw(f, words, n, &bits);

	if (r)
		return r;
	switch (TYPES[f->type].kind) {
	case KIND_UNSIGNED:
	case KIND_BITS:
		number = (double)bits;
		break;
	case KIND_SIGNED:
		number = signed_of(bits, 16 * TYPES[f->type].words);
		break;
	case KIND_FLOAT:
		number = float_of(f, bits);
		break;
	case KIND_TEXT:
		return -EINVAL;
	}
	if (f->scale != 0)
		number *= f->scale;
	if (!isfinite(number))
		return REG_ABSENT;
	*out = number;
	return 0;
}

double reg_toward_zero(double value)
{
	double near = round(value);

	return fabs(value - near) <= TOLERANCE * fmax(1, fabs(value)) ? near : trunc(value);
}

/* Nearest single toward 0, with the same tolerance as whole numbers. */
static int encode_float32(double raw, uint64_t *bits)
{
	uint32_t narrow;
	float single;

	if (fabs(raw) > (double)FLT_MAX)
		return -ERANGE;
	single = (float)raw;
	if (fabs((double)single) > fabs(raw) * (1 + TOLERANCE))
		single = nextafterf(single, 0);
	if (single == -FLT_MAX)
		return -ERANGE;
	memcpy(&narrow, &single, sizeof(narrow));
	*bits = narrow;
	return 0;
}

static int encode_integer(const struct reg_format *f, double raw, uint64_t *bits)
{
	int width = 16 * TYPES[f->type].words;
	double limit = ldexp(1, width);

	raw = reg_toward_zero(raw);
	if (f->type == REG_COIL)
		limit = 2;
	if (TYPES[f->type].kind == KIND_SIGNED) {
		limit /= 2;
		if (raw < -limit || raw >= limit)
			return -ERANGE;
	} else if (raw < 0 || raw >= limit) {
		return -ERANGE;
	}
	*bits = raw < 0 ? ~(uint64_t)-raw + 1 : (uint64_t)raw;
	return 0;
}

int reg_encode(const struct reg_format *f, double value, uint16_t *words, int n)
{
	uint64_t bits = 0, mask;
	double raw = f->scale != 0 ? value / f->scale : value;
	int r;

	if (f->type >= REG_TYPES || TYPES[f->type].kind == KIND_TEXT || n < TYPES[f->type].words)
		return -EINVAL;
	if (!isfinite(raw))
		return -ERANGE;
	if (f->type == REG_FLOAT64)
		memcpy(&bits, &raw, sizeof(bits));
	else if ((r = f->type == REG_FLOAT32 ? encode_float32(raw, &bits) : encode_integer(f, raw, &bits)))
		return r;
	mask = ~0ULL >> (64 - 16 * TYPES[f->type].words);
	bits &= mask;
	/* zero_absent is about counters, and 0 is a number one may write. */
	if (bits && bits_absent(f, bits))
		return -ERANGE;
	bits_spread(f, bits, words);
	return 0;
}

int reg_text(const uint16_t *words, int n, char *out, size_t size)
{
	size_t len = 0, kept = 0;

	for (int i = 0; i < 2 * n && size && len < size - 1; i++) {
		unsigned char c = (unsigned char)(i % 2 ? words[i / 2] & 0xff : words[i / 2] >> 8);

		if (!c)
			break;
		out[len++] = c >= 0x20 && c < 0x7f ? (char)c : '?';
		if (c != ' ')
			kept = len;
	}
	if (size)
		out[kept] = '\0';
	return (int)kept;
}
