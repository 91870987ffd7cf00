/* SunSpec chain in memory: see sunspec_chain.h. Layouts follow the public model files of the SunSpec Alliance. */
#include "sim/sunspec_chain.h"

#include "sim/unit.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* Points in order: u uint16, i int16, e enum16, b bitfield16, s sunssf, p pad (1 register); U uint32, I int32,
 * B bitfield32, a acc32 (2); Q uint64 (4). A number repeats; S with a number is one text of that many registers. */
static const struct {
	uint16_t id;
	const char *layout;
} LAYOUTS[] = {
	{ 1, "S16 S16 S8 S8 S16 up" },
	{ 103, "u4s u6s is us is is is as us us is i4s e2 B6" },
	{ 120, "e us us i4s us i4s us us us us p" },
	{ 123, "u2e u4e i u3e i3 u3 e2 s3" },
	{ 124, "u3b u5e i2 u3e s8" },
	{ 701, "e4 B2 i5u2 U Q4 i6 i5u2Q4 i5u2Q4 i5u2Q4 uB s10 S32" },
	{ 702, "u19 e2 B b u18 b s7" },
	{ 704, "e2U2 e2U2 eu2eU2 e2I2i2eU2 e3I2i2eU2 ueue s6 ueueueue" },
	{ 713, "u4 e s2" },
	{ 802, "u12 U e2 u3 e3 U B4 u10 i u2 i e i e2 s12" },
};

void chain_begin(struct sunspec_chain *c, uint16_t base)
{
	memset(c, 0, sizeof(*c));
	memset(c->write_row, -1, sizeof(c->write_row));
	c->base = base;
	c->words[c->n++] = 0x5375;
	c->words[c->n++] = 0x6E53;
}

static void put_words(struct sunspec_chain *c, int times, const uint16_t *marker, int words)
{
	for (int k = 0; k < times; k++)
		for (int w = 0; w < words && c->n < CHAIN_WORDS_MAX - 2; w++)
			c->words[c->n++] = marker[w];
}

static void fill_point(struct sunspec_chain *c, char type, int times)
{
	static const uint16_t ONES[4] = { 0xFFFF, 0xFFFF, 0xFFFF, 0xFFFF }, SIGN[2] = { 0x8000, 0 }, ZERO[2];

	if (type == 'S')
		put_words(c, times, ZERO, 1);
	else if (strchr("isp", type))
		put_words(c, times, SIGN, 1);
	else if (type == 'I')
		put_words(c, times, SIGN, 2);
	else if (type == 'a')
		put_words(c, times, ZERO, 2);
	else
		put_words(c, times, ONES, type == 'Q' ? 4 : strchr("UB", type) ? 2 : 1);
}

static int header(struct sunspec_chain *c, uint16_t id)
{
	int at = c->n;

	if (c->n_models == CHAIN_MODELS_MAX || c->n + 4 > CHAIN_WORDS_MAX)
		return -1;
	c->model[c->n_models].id = id;
	c->model[c->n_models++].at = at;
	c->words[at] = id;
	c->n += 2;
	return at;
}

bool chain_add(struct sunspec_chain *c, uint16_t id)
{
	const char *p = NULL;
	int at;

	for (size_t i = 0; i < sizeof(LAYOUTS) / sizeof(LAYOUTS[0]); i++)
		if (LAYOUTS[i].id == id)
			p = LAYOUTS[i].layout;
	at = p ? header(c, id) : -1;
	if (at < 0)
		return false;
	while (*p) {
		char type = *p++, *end;
		long times;

		if (type == ' ')
			continue;
		times = strtol(p, &end, 10);
		fill_point(c, type, end == p ? 1 : (int)times);
		p = end;
	}
	c->words[at + 1] = (uint16_t)(c->n - at - 2);
	return true;
}

bool chain_add_vendor(struct sunspec_chain *c, uint16_t id, int length)
{
	int at = header(c, id);

	if (at < 0 || c->n + length > CHAIN_WORDS_MAX - 2)
		return false;
	for (int i = 0; i < length; i++)
		c->words[c->n++] = (uint16_t)(0xA5A5 + i);
	c->words[at + 1] = (uint16_t)length;
	return true;
}

static int find(const struct sunspec_chain *c, uint16_t id)
{
	for (int i = 0; i < c->n_models; i++)
		if (c->model[i].id == id)
			return c->model[i].at;
	return -1;
}

void chain_end(struct sunspec_chain *c, const struct chain_writable *rows, int n)
{
	c->words[c->n++] = 0xFFFF;
	c->words[c->n++] = 0;
	c->writable = rows;
	c->n_writable = n;
	for (int i = 0; i < n; i++) {
		int at = find(c, rows[i].model);

		if (at < 0)
			continue;
		c->write_row[at + rows[i].offset] = (int8_t)i;
		if (rows[i].words == 2)
			c->write_row[at + rows[i].offset + 1] = -2;
	}
}

bool chain_has(const struct sunspec_chain *c, uint16_t id)
{
	return find(c, id) >= 0;
}

static uint16_t *place(struct sunspec_chain *c, uint16_t id, int offset)
{
	int at = find(c, id);

	return at < 0 ? NULL : &c->words[at + offset];
}

static double hold(double v, double min, double max)
{
	v = round(v);
	return v < min ? min : v > max ? max : v;
}

void chain_u16(struct sunspec_chain *c, uint16_t id, int offset, double v)
{
	uint16_t *w = place(c, id, offset);

	if (w)
		*w = (uint16_t)hold(v, 0, 65534);
}

void chain_i16(struct sunspec_chain *c, uint16_t id, int offset, double v)
{
	uint16_t *w = place(c, id, offset);

	if (w)
		*w = (uint16_t)(int16_t)hold(v, -32767, 32767);
}

void chain_u32(struct sunspec_chain *c, uint16_t id, int offset, double v)
{
	uint16_t *w = place(c, id, offset);

	if (w)
		words_u32(w, (uint32_t)hold(v, 0, 4294967294.));
}

void chain_i32(struct sunspec_chain *c, uint16_t id, int offset, double v)
{
	uint16_t *w = place(c, id, offset);

	if (w)
		words_u32(w, (uint32_t)(int32_t)hold(v, -2147483647., 2147483647.));
}

void chain_u64(struct sunspec_chain *c, uint16_t id, int offset, double v)
{
	uint16_t *w = place(c, id, offset);
	uint64_t u = (uint64_t)hold(v, 0, 9e15);

	if (!w)
		return;
	words_u32(w, (uint32_t)(u >> 32));
	words_u32(w + 2, (uint32_t)u);
}

void chain_text(struct sunspec_chain *c, uint16_t id, int offset, int words, const char *text)
{
	uint16_t *w = place(c, id, offset);
	size_t len = strlen(text);

	for (size_t i = 0; w && i < (size_t)words; i++) {
		unsigned char high = 2 * i < len ? (unsigned char)text[2 * i] : 0;
		unsigned char low = 2 * i + 1 < len ? (unsigned char)text[2 * i + 1] : 0;

		w[i] = (uint16_t)(high << 8 | low);
	}
}

uint16_t chain_get_u16(const struct sunspec_chain *c, uint16_t id, int offset)
{
	int at = find(c, id);

	return at < 0 ? 0 : c->words[at + offset];
}

int16_t chain_get_i16(const struct sunspec_chain *c, uint16_t id, int offset)
{
	return (int16_t)chain_get_u16(c, id, offset);
}

uint32_t chain_get_u32(const struct sunspec_chain *c, uint16_t id, int offset)
{
	int at = find(c, id);

	return at < 0 ? 0 : words_get_u32(&c->words[at + offset]);
}

int32_t chain_get_i32(const struct sunspec_chain *c, uint16_t id, int offset)
{
	return (int32_t)chain_get_u32(c, id, offset);
}

int chain_read(const struct sunspec_chain *c, int fc, uint16_t address, int count, uint16_t *out)
{
	int first = address - c->base;

	if (fc != 3)
		return MODBUS_BAD_FUNCTION;
	if (first < 0 || first + count > c->n)
		return MODBUS_BAD_ADDRESS;
	memcpy(out, c->words + first, (size_t)count * sizeof(*out));
	return MODBUS_OK;
}

static int64_t raw_value(const struct chain_writable *w, const uint16_t *words)
{
	if (w->words == 1)
		return w->is_signed ? (int16_t)words[0] : words[0];
	return w->is_signed ? (int64_t)(int32_t)words_get_u32(words) : (int64_t)words_get_u32(words);
}

int chain_write(struct sunspec_chain *c, uint16_t address, int count, const uint16_t *words, uint32_t *touched)
{
	int first = address - c->base;
	int step;

	*touched = 0;
	if (first < 0 || first + count > c->n)
		return MODBUS_BAD_ADDRESS;
	for (int i = 0; i < count; i += step) {
		const struct chain_writable *row;
		int64_t v;

		if (c->write_row[first + i] < 0)
			return MODBUS_BAD_ADDRESS;
		row = &c->writable[c->write_row[first + i]];
		step = row->words;
		if (i + step > count) /* half a number */
			return MODBUS_BAD_ADDRESS;
		v = raw_value(row, words + i);
		if (v < row->min || v > row->max)
			return MODBUS_BAD_VALUE;
		*touched |= row->touches;
	}
	memcpy(c->words + first, words, (size_t)count * sizeof(*words));
	return MODBUS_OK;
}

void chain_common(struct sunspec_chain *c, const char *maker, const char *model, const char *serial)
{
	chain_text(c, 1, 2, 16, maker);
	chain_text(c, 1, 18, 16, model);
	chain_text(c, 1, 42, 8, "1.0");
	chain_text(c, 1, 50, 16, serial);
	chain_u16(c, 1, 66, 1);
}
