/* SunSpec chains for fake_unit: models laid out one behind the other, every point "not implemented" until it is set, and
 * a storage inverter whose reversion timers really run down. */
#ifndef HEARTH_TESTS_FAKE_SUNSPEC_H
#define HEARTH_TESTS_FAKE_SUNSPEC_H

#include "drivers/sunspec/model.h"
#include "support/fake_unit.h"

struct fake_chain {
	struct fake_unit *unit;
	uint16_t next;
};

/** Begins a chain ("SunS") at @base, and model 1 of length 66 or 65. */
void chain_begin(struct fake_chain *c, struct fake_unit *u, uint16_t base, uint16_t common_length);
/** Adds a model; returns the address of its ID register. Unknown ids get zeros. */
uint16_t chain_model(struct fake_chain *c, uint16_t id, uint16_t length);
void chain_end(struct fake_chain *c);

/** Sets the raw number of a point of the model at @address (its id is read there). */
void model_set(struct fake_unit *u, uint16_t address, const char *point, int64_t raw);
void model_set_float(struct fake_unit *u, uint16_t address, const char *point, float value);
int64_t model_get(struct fake_unit *u, uint16_t address, const char *point);
/** Sets the scale factor the point uses. */
void model_sf(struct fake_unit *u, uint16_t address, const char *point, int sf);

/* What chain a storage gets. */
enum { STORAGE_704 = 1, STORAGE_124 = 2, STORAGE_103 = 4, STORAGE_TIMER = 8, STORAGE_MPPT = 16 };

struct fake_storage {
	struct fake_unit unit;
	uint16_t common, inverter, nameplate, basic, mppt, capacity, control, der;
	int64_t revert_at_ms; /* 0 = not running */
	double w;             /* consumption positive: what the last accepted setpoint makes it do */
};

/** 5 kW, 10 kWh, SoC 57.3 %, automatic. */
void fake_storage(struct fake_storage *s, int what);

#endif
