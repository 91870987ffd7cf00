/* Finding the SunSpec map of a unit and walking its chain of models, one small read at a time. It knows no bus: it says
 * what to read next and takes the answer. Pure. */
#ifndef HEARTH_DRIVERS_SUNSPEC_DISCOVERY_H
#define HEARTH_DRIVERS_SUNSPEC_DISCOVERY_H

#include "core/err.h"
#include "drivers/modbus/batch.h"

#include <stdbool.h>
#include <stdint.h>

#define DISCOVERY_MODELS_MAX 60 /* a longer chain is nonsense */

enum discovery_step {
	DISCOVERY_BASE = 0, /* looking for "SunS" */
	DISCOVERY_WALK,
	DISCOVERY_DONE,
	DISCOVERY_FAILED, /* the reason is in `why` */
};

struct discovery_model {
	uint16_t id, length; /* length: registers after the header */
	uint16_t address;    /* of the ID register */
};

/* Zeroed is valid: about to start. */
struct discovery {
	enum discovery_step step;
	int base;         /* which of the known bases */
	uint32_t pointer; /* next header */
	int n;
	struct discovery_model models[DISCOVERY_MODELS_MAX];
	struct errbuf why;
};

/** The next read (FC 3, two registers); false when done or failed. */
bool discovery_request(const struct discovery *d, struct modbus_request *out);

/**
 * The answer to it. @words is used only with REQUEST_OK. A silent device changes nothing: the same read comes again.
 */
void discovery_answer(struct discovery *d, enum request_status status, const uint16_t *words);

/** The @occurrence-th (from 0) model with this id; NULL. */
const struct discovery_model *discovery_find(const struct discovery *d, uint16_t id, int occurrence);

#endif
