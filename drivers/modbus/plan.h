/* Points -> few block reads, and a memory of where a device refused a block. Pure: no allocation, fixed maxima. */
#ifndef HEARTH_DRIVERS_MODBUS_PLAN_H
#define HEARTH_DRIVERS_MODBUS_PLAN_H

#include "drivers/modbus/batch.h"

#include <stdbool.h>
#include <stdint.h>

#define PLAN_POINTS_MAX 256
#define PLAN_CUTS_MAX 32
#define PLAN_DEAD_MAX 32

/* What has to be read; fc 1-4, count 1..125 registers (coils for 1 and 2). Any order, overlaps and doubles allowed. */
struct plan_point {
	uint8_t fc;
	uint16_t address, count;
};

struct plan_limits {
	int max_regs;      /* registers in one read; 0 or above 125: 125. A longer point is read alone, whole */
	int hole;          /* unnamed registers a block may run over; 0 = none */
	bool single_reads; /* the profile's block_reads is false: one point a request */
};

struct plan_read {
	uint8_t fc;
	uint16_t address, count;
};

/* What the device taught us. Zeroed is valid and means nothing yet. Clear it (memset) when the device was discovered
 * anew, and now and then (hourly), since a device may refuse while it starts. */
struct plan_memory {
	int n_cuts, n_dead;
	bool single_reads; /* cuts did not suffice: every point alone */
	struct plan_read cut[PLAN_CUTS_MAX];   /* no read covers both address - 1 and address */
	struct plan_read dead[PLAN_DEAD_MAX];  /* refused when read alone: left out */
};

/**
 * The reads that cover all points that are not dead, in order of fc and address; no point is ever torn.
 *
 * @memory  may be NULL
 * @max     room in @out
 *
 * Returns how many; -EINVAL (a bad point), -E2BIG (more than PLAN_POINTS_MAX points), -ENOSPC (@out too small).
 */
int plan_reads(const struct plan_point *points, int n, const struct plan_limits *limits, const struct plan_memory *memory,
	       struct plan_read *out, int max);

enum plan_lesson {
	PLAN_SPLIT,    /* plan again: the block will come in parts */
	PLAN_DEAD,     /* the read was a single point: it is left out from now on */
	PLAN_FULL,     /* nothing could be remembered */
};

/**
 * A read was answered by exception 2 or 3: remembers a cut at its holes, else in its middle, else the point as dead.
 * Call once per refused read; all points that were planned together belong in @points.
 */
enum plan_lesson plan_refused(struct plan_memory *memory, const struct plan_point *points, int n,
			      const struct plan_read *read);

/** Fills a request for the bus. */
void plan_request(const struct plan_read *read, uint16_t gap_ms, struct modbus_request *out);

/** The words of a point inside an answered read, or NULL when it is not in there whole. */
const uint16_t *plan_words(const struct modbus_request *answer, const struct plan_point *point);

#endif
