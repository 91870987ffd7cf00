/* The SunSpec models a home hub uses, as tables, and the last words read of each. A number comes out only when the point
 * lies inside the model's length, is implemented, and so is its scale factor. Pure. */
#ifndef HEARTH_DRIVERS_SUNSPEC_MODEL_H
#define HEARTH_DRIVERS_SUNSPEC_MODEL_H

#include "drivers/modbus/batch.h"
#include "drivers/modbus/regs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One point; offsets count from the ID register. */
struct sunspec_point {
	const char *name;
	uint8_t offset;
	enum reg_type type;
	uint8_t sf;    /* offset of its scale factor, 0 = none */
	uint8_t words; /* strings only */
	bool counter;  /* acc16..acc64: 0 is "not accumulated" */
};

struct sunspec_model {
	uint16_t id;
	uint8_t span; /* registers to read from the ID register on; 0 = all of it (160) */
	const struct sunspec_point *points;
	int n;
};

/** NULL when the hub has no use for this model. */
const struct sunspec_model *sunspec_model_find(uint16_t id);
/** The table itself, for tests; @n gets its length. */
const struct sunspec_model *sunspec_models(int *n);
const struct sunspec_point *sunspec_point_find(const struct sunspec_model *model, const char *name);

/* A model of one device: where it stands in the chain and what was read last. */
struct image {
	const struct sunspec_model *model;
	uint16_t address; /* of the ID register */
	uint16_t length;  /* L: registers after the header */
	uint16_t count;   /* registers one read takes */
	int refused;      /* exceptions in a row */
	int64_t at_ms;    /* of the last good read; 0 = never */
	uint16_t words[REQUEST_WORDS_MAX];
};

/** Sets up an image at its place in the chain. */
void image_init(struct image *img, const struct sunspec_model *model, uint16_t address, uint16_t length);

/** True when what was read begins with this model's ID and length; false means the chain has moved. */
bool image_header_fits(const struct image *img, const uint16_t *words);

/**
 * A point as a number in engineering units. NULL image, point outside L, not implemented, its scale factor not
 * implemented or outside -10..10, never read: false and *out untouched.
 */
bool image_get(const struct image *img, const char *point, double *out);
/** NAN instead of false. */
double image_number(const struct image *img, const char *point);
/** A string point; false when empty. */
bool image_text(const struct image *img, const char *point, char *out, size_t size);

/** 10^SF of the point; NAN when its scale factor is not implemented; 1 without one. */
double image_scale(const struct image *img, const char *point);

/**
 * Fills a write of one point, rounding toward 0. The point must be implemented as last read.
 * @fc6  use function 6 where the point is a single register
 * Returns 0, or -ENOENT (not implemented), -ERANGE (does not fit).
 */
int image_write(const struct image *img, const char *point, double value, bool fc6, struct modbus_request *out);

/** Model 160: values of module @k (0-based). */
int image_modules(const struct image *img);
bool image_module_get(const struct image *img, int k, const char *point, double *out);
bool image_module_text(const struct image *img, int k, char *out, size_t size);

#endif
