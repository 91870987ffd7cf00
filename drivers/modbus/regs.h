/* Words <-> numbers. Bytes inside a register are always high byte first; the order of the words is the device's. Floats
 * are decoded here, not by libmodbus. "Not implemented" is an answer of its own and never a number. Pure. */
#ifndef HEARTH_DRIVERS_MODBUS_REGS_H
#define HEARTH_DRIVERS_MODBUS_REGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reg_type {
	REG_UINT16, REG_INT16, REG_ENUM16, REG_BITS16,
	REG_UINT32, REG_INT32, REG_BITS32,
	REG_UINT64, REG_INT64,
	REG_FLOAT32, REG_FLOAT64,
	REG_STRING,  /* two characters a register, high byte first; see reg_text */
	REG_CHAR16,  /* one ASCII character in the low byte; a number here */
	REG_COIL,    /* one word, 0 or 1 */
	REG_TYPES,
};

enum reg_order { REG_BIG, REG_LITTLE }; /* which word comes first: the high or the low one */

/* How a number lies in its registers. A zeroed format is a plain uint16 with scale 1. */
struct reg_format {
	enum reg_type type;
	enum reg_order order;
	double scale;       /* number = raw * scale; 0 means 1 */
	bool sunspec;       /* SunSpec's "not implemented" marker of the type means absent */
	bool zero_absent;   /* raw 0 means absent: SunSpec acc16, acc32, acc64 */
	bool has_nan;       /* the profile names a marker of its own */
	uint64_t nan;       /* ... these raw bits, e.g. 0x80000000 */
};

/** The type by its name in a profile ("float32"); -EINVAL when unknown. */
int reg_type_find(const char *name);
const char *reg_type_name(enum reg_type type);

/** Registers a number of this type takes; 0 for strings, whose length the point says. */
int reg_words(enum reg_type type);

#define REG_ABSENT 1 /* result of a decode: the device has no such value */

/**
 * Words to a number.
 *
 * @words, @n  what was read; n must be at least reg_words(type)
 * @out        raw * scale; touched only when 0 is returned; always finite
 *
 * Returns 0, REG_ABSENT (marker, NaN, infinity, -FLT_MAX as SolarEdge sends it) or -EINVAL (too short, a string).
 * 64-bit integers above 2^53 lose their last bits; reg_raw keeps them.
 */
int reg_decode(const struct reg_format *f, const uint16_t *words, int n, double *out);

/** The raw bits of an integer or bit field, unscaled (no sign extension). Results as for reg_decode. */
int reg_raw(const struct reg_format *f, const uint16_t *words, int n, uint64_t *out);

/**
 * A number to words, value / scale rounded toward 0; what is within a billionth of a whole number counts as that number
 * (0.3 / 0.1 is 3). For raw forms with an offset cut the number itself first (reg_toward_zero).
 *
 * @words  gets reg_words(type) words; touched only on success
 *
 * Returns 0; -ERANGE when it does not fit, is not finite, or would read as "not implemented"; -EINVAL for a string,
 * or when @n is smaller than reg_words(type).
 */
int reg_encode(const struct reg_format *f, double value, uint16_t *words, int n);

/** Whole number toward 0 with reg_encode's tolerance. */
double reg_toward_zero(double value);

/**
 * A string: up to its first NUL, trailing spaces cut, bytes outside printable ASCII as '?'.
 * Returns its length (cut at size - 1), or REG_TEXT_ABSENT when it is empty (all zero or spaces). Always NUL-terminated.
 */
#define REG_TEXT_ABSENT 0
int reg_text(const uint16_t *words, int n, char *out, size_t size);

#endif
