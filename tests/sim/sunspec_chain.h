/* A chain of SunSpec models in memory: layouts with their not-implemented markers, typed setters by model and offset,
 * and the rules of reading and writing it. Offsets count from the model's ID register, as the model files do. Pure. */
#ifndef HEARTH_SIM_SUNSPEC_CHAIN_H
#define HEARTH_SIM_SUNSPEC_CHAIN_H

#include <stdbool.h>
#include <stdint.h>

#define CHAIN_WORDS_MAX 800
#define CHAIN_MODELS_MAX 16

/* One point a client may write; raw limits as the device checks them. */
struct chain_writable {
	uint16_t model, offset;
	uint8_t words; /* 1 or 2 */
	bool is_signed;
	int64_t min, max; /* raw */
	uint32_t touches; /* the device's own bits: which function this point belongs to */
};

struct sunspec_chain {
	uint16_t base;
	int n, n_models;
	uint16_t words[CHAIN_WORDS_MAX];
	int8_t write_row[CHAIN_WORDS_MAX]; /* row of the table below; -1 = read only, -2 = second word of the row before */
	struct {
		uint16_t id;
		int at; /* index of the ID register */
	} model[CHAIN_MODELS_MAX];
	const struct chain_writable *writable;
	int n_writable;
};

/** Starts a chain with "SunS" at PDU address @base. */
void chain_begin(struct sunspec_chain *c, uint16_t base);
/** Adds a known model with every point at its not-implemented marker; returns false for an unknown id or a full chain. */
bool chain_add(struct sunspec_chain *c, uint16_t id);
/** Adds a vendor model of @length registers that mean nothing to anyone. */
bool chain_add_vendor(struct sunspec_chain *c, uint16_t id, int length);
/** End marker; @rows become writable where their model is in the chain. */
void chain_end(struct sunspec_chain *c, const struct chain_writable *rows, int n);

bool chain_has(const struct sunspec_chain *c, uint16_t id);

/* Setters do nothing when the model is not in the chain; numbers are rounded and held inside the type. */
void chain_u16(struct sunspec_chain *c, uint16_t id, int offset, double v);
void chain_i16(struct sunspec_chain *c, uint16_t id, int offset, double v);
void chain_u32(struct sunspec_chain *c, uint16_t id, int offset, double v);
void chain_i32(struct sunspec_chain *c, uint16_t id, int offset, double v);
void chain_u64(struct sunspec_chain *c, uint16_t id, int offset, double v);
void chain_text(struct sunspec_chain *c, uint16_t id, int offset, int words, const char *text);

/** Raw values back; 0 when the model is not in the chain. */
uint16_t chain_get_u16(const struct sunspec_chain *c, uint16_t id, int offset);
int16_t chain_get_i16(const struct sunspec_chain *c, uint16_t id, int offset);
uint32_t chain_get_u32(const struct sunspec_chain *c, uint16_t id, int offset);
int32_t chain_get_i32(const struct sunspec_chain *c, uint16_t id, int offset);

/** FC 3 inside the chain; crossing its end is exception 2. */
int chain_read(const struct sunspec_chain *c, int fc, uint16_t address, int count, uint16_t *out);
/**
 * Checks and stores a write of whole writable points. @touched  OR of the rows' bits
 * Exception 2 for anything read only, not implemented or cut in half, 3 for a value outside its limits.
 */
int chain_write(struct sunspec_chain *c, uint16_t address, int count, const uint16_t *words, uint32_t *touched);

/** Header that every device starts with. */
void chain_common(struct sunspec_chain *c, const char *maker, const char *model, const char *serial);

#endif
