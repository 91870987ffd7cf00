/* A Modbus unit in memory: a register image that answers batches the way the bus would, with faults on demand, and a
 * runner that plays a driver against it on a simulated clock. For driver tests and for whoever needs a device. */
#ifndef HEARTH_TESTS_FAKE_UNIT_H
#define HEARTH_TESTS_FAKE_UNIT_H

#include "drivers/driver.h"

#include <stdbool.h>
#include <stdint.h>

#define FAKE_SEGMENTS_MAX 48
#define FAKE_WORDS_MAX 4096
#define FAKE_FAULTS_MAX 16
#define FAKE_WRITES_MAX 256

/* A fault that waits for its request. */
struct fake_fault {
	enum request_status status;
	uint8_t fc;  /* 0 = any */
	int address; /* first register of the request; -1 = any */
	int times;   /* -1 = for ever */
};

struct fake_write {
	uint8_t fc;
	uint16_t address, count;
	uint16_t words[8];
	int64_t at_ms;
};

struct fake_unit {
	uint8_t unit;
	int n_segments, n_words;
	struct {
		bool input;
		uint16_t address, count;
		uint16_t *words;
	} segment[FAKE_SEGMENTS_MAX];
	uint16_t words[FAKE_WORDS_MAX];

	bool silent;  /* times out */
	bool no_link; /* the bus has no connection */
	int delay_ms; /* each request takes this long */
	int n_faults;
	struct fake_fault fault[FAKE_FAULTS_MAX];

	/** After a write reached its register: how the device reacts. NULL = it just keeps the value. */
	void (*on_write)(struct fake_unit *u, uint16_t address, uint16_t count, int64_t now_ms);
	/** Before each batch: lets timers run. */
	void (*on_time)(struct fake_unit *u, int64_t now_ms);
	void *context;

	int reads, writes; /* requests answered or refused by the unit */
	int n_log;         /* may exceed FAKE_WRITES_MAX: the rest was counted only */
	struct fake_write log[FAKE_WRITES_MAX];
};

/** Defines registers (holding for FC 3/6/16, input for FC 4). Only what is defined can be read; the rest is exception 2. */
void fake_define(struct fake_unit *u, bool input, uint16_t address, const uint16_t *words, int n);
void fake_zero(struct fake_unit *u, bool input, uint16_t address, int n);
/** A holding register, or NULL when it is not defined. */
uint16_t *fake_reg(struct fake_unit *u, uint16_t address);
uint16_t *fake_input(struct fake_unit *u, uint16_t address);
void fake_set32(struct fake_unit *u, uint16_t address, uint32_t value);
void fake_input_float(struct fake_unit *u, uint16_t address, float value);
void fake_text(struct fake_unit *u, uint16_t address, const char *text, int n);
void fake_fault(struct fake_unit *u, enum request_status status, uint8_t fc, int address, int times);
void fake_faults_clear(struct fake_unit *u);

/** Answers a batch as the bus would: in order, stop at the first failure. */
void fake_answer(struct fake_unit *u, const struct batch *batch, int64_t now_ms, struct batch_result *out);

/** The last write to an address, NULL. */
const struct fake_write *fake_last_write(const struct fake_unit *u, uint16_t address);

/* A driver with its memory, its state and its clock. */
struct fake_run {
	const struct driver *driver;
	void *self;
	struct device_state state;
	struct fake_unit *unit;
	int64_t now_ms;
	int batches, commands; /* handed out by plan */
	struct batch last;
	struct errbuf err;
};

/** Returns what init returns. Frees nothing on failure but the memory. */
int fake_start(struct fake_run *run, const struct driver *driver, const struct driver_options *options,
	       struct fake_unit *unit);
/** Plays until @until_ms: asks plan, answers, feeds. Fails the test when the driver spins. */
void fake_until(struct fake_run *run, int64_t until_ms);
void fake_aim(struct fake_run *run, struct order order);
void fake_aim_power(struct fake_run *run, double w);
void fake_stop(struct fake_run *run);

/** Options with everything unset. */
struct driver_options fake_options(const char *profile, uint8_t unit);
/** Text of drivers/profiles/<name>.json; the caller frees it. Fails the test when there is none. */
char *fake_profile(const char *name, size_t *len);

#endif
