/* The simulated devices behind one address: finds the unit of a request, answers it, keeps note of every write and of
 * the faults somebody asked for. Takes and gives Modbus PDUs; sockets are server.c's. Pure. */
#ifndef HEARTH_SIM_RACK_H
#define HEARTH_SIM_RACK_H

#include "sim/unit.h"

#define RACK_UNITS_MAX 120
#define RACK_NOTES_MAX 2048
#define PDU_MAX 253
#define PDU_WRITE_WORDS_MAX 123

enum fault_kind {
	FAULT_NONE,
	FAULT_SILENT,
	FAULT_EXCEPTION,
	FAULT_GARBAGE,
	FAULT_SLOW,
	FAULT_DRIP,
	FAULT_CLOSE,
	FAULT_FREEZE,
	FAULT_BAD_SOC
};
enum fault_on { FAULT_ON_ALL, FAULT_ON_READ, FAULT_ON_WRITE };

struct fault {
	enum fault_kind kind;
	enum fault_on on;
	int code;         /* exception to answer */
	int ms;           /* slow: delay; drip: pause between bytes */
	int variant;      /* garbage: which kind, -1 = all in turn */
	uint16_t raw;     /* bad_soc: the raw word */
	int64_t until_ms; /* monotonic; 0 = until cleared */
};

struct rack_unit {
	uint8_t id;
	const struct unit_ops *ops;
	void *self;
	bool dead; /* without supply: never answers */
	struct fault fault;
	uint64_t requests;
};

struct write_note {
	int64_t t_us; /* monotonic, when the request was read from the socket */
	uint8_t unit, fc, exception;
	uint16_t address;
	int count;
	uint16_t words[PDU_WRITE_WORDS_MAX];
};

struct rack {
	struct rack_unit unit[RACK_UNITS_MAX];
	int n;
	uint64_t n_notes; /* since the start; the last RACK_NOTES_MAX are kept */
	struct write_note note[RACK_NOTES_MAX];
};

/** False when the rack is full or the id taken. */
bool rack_add(struct rack *r, uint8_t id, const struct unit_ops *ops, void *self);
struct rack_unit *rack_find(struct rack *r, int id);

/** Sets or (FAULT_NONE) clears a unit's fault. */
void rack_fault_set(struct rack_unit *u, const struct fault *f);
/** "silent", "exception", ...; FAULT_NONE when unknown. */
enum fault_kind fault_kind_by_name(const char *name);
const char *fault_kind_name(enum fault_kind k);

/** Runs every unit's timers and shows the house in the registers; faults whose time is up end here. */
void rack_step(struct rack *r, struct house *h, double dt_s, int64_t now_ms);

struct rack_request {
	uint8_t unit;
	const uint8_t *pdu; /* function code first */
	int len;            /* at least 1 */
	int64_t now_us;
};

/**
 * Answers a request.
 *
 * @fault  out: what the server must do to the answer (silent, slow, drip, garbage, close), else FAULT_NONE
 * Returns the length of @out (PDU_MAX bytes), 0 = no answer: absent unit, dead or silent.
 */
int rack_answer(struct rack *r, const struct rack_request *q, uint8_t *out, struct fault *fault);

#endif
