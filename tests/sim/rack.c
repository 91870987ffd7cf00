/* Rack of simulated Modbus units: see rack.h. */
#include "sim/rack.h"

#include <string.h>

static const char *const FAULT_NAMES[] = { "none", "silent", "exception", "garbage", "slow",
					   "drip", "close",  "freeze",    "bad_soc" };

enum fault_kind fault_kind_by_name(const char *name)
{
	for (int i = FAULT_SILENT; i <= FAULT_BAD_SOC; i++)
		if (strcmp(FAULT_NAMES[i], name) == 0)
			return (enum fault_kind)i;
	return FAULT_NONE;
}

const char *fault_kind_name(enum fault_kind k)
{
	return FAULT_NAMES[k];
}

struct rack_unit *rack_find(struct rack *r, int id)
{
	for (int i = 0; i < r->n; i++)
		if (r->unit[i].id == id)
			return &r->unit[i];
	return NULL;
}

bool rack_add(struct rack *r, uint8_t id, const struct unit_ops *ops, void *self)
{
	if (r->n == RACK_UNITS_MAX || rack_find(r, id))
		return false;
	r->unit[r->n++] = (struct rack_unit){ .id = id, .ops = ops, .self = self };
	return true;
}

void rack_fault_set(struct rack_unit *u, const struct fault *f)
{
	u->fault = *f;
	if (u->ops->bad_soc)
		u->ops->bad_soc(u->self, f->kind == FAULT_BAD_SOC, f->raw);
}

void rack_step(struct rack *r, struct house *h, double dt_s, int64_t now_ms)
{
	for (int i = 0; i < r->n; i++) {
		struct rack_unit *u = &r->unit[i];

		if (u->fault.kind != FAULT_NONE && u->fault.until_ms && now_ms >= u->fault.until_ms)
			rack_fault_set(u, &(struct fault){ .kind = FAULT_NONE });
		u->ops->step(u->self, h, dt_s, u->fault.kind == FAULT_FREEZE);
	}
}

static int be16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static int exception(uint8_t *out, int fc, int code)
{
	out[0] = (uint8_t)(fc | 0x80);
	out[1] = (uint8_t)code;
	return 2;
}

static int answer_read(const struct rack_unit *u, const uint8_t *pdu, int len, uint8_t *out)
{
	uint16_t words[125];
	int count, e;

	if (len != 5)
		return exception(out, pdu[0], MODBUS_BAD_VALUE);
	count = be16(pdu + 3);
	if (count < 1 || count > 125)
		return exception(out, pdu[0], MODBUS_BAD_VALUE);
	e = be16(pdu + 1) + count > 65536 ? MODBUS_BAD_ADDRESS
					  : u->ops->read(u->self, pdu[0], (uint16_t)be16(pdu + 1), count, words);
	if (e)
		return exception(out, pdu[0], e);
	out[0] = pdu[0];
	out[1] = (uint8_t)(2 * count);
	for (int i = 0; i < count; i++) {
		out[2 + 2 * i] = (uint8_t)(words[i] >> 8);
		out[3 + 2 * i] = (uint8_t)words[i];
	}
	return 2 + 2 * count;
}

/* Takes a write apart; false when its lengths contradict each other. */
static bool decode_write(const uint8_t *pdu, int len, struct write_note *w)
{
	const uint8_t *data = pdu + 3;

	if (len < 5)
		return false;
	w->fc = pdu[0];
	w->address = (uint16_t)be16(pdu + 1);
	w->count = 1;
	if (pdu[0] == 16) {
		w->count = be16(pdu + 3);
		if (w->count < 1 || w->count > PDU_WRITE_WORDS_MAX || len != 6 + 2 * w->count || pdu[5] != 2 * w->count)
			return false;
		data = pdu + 6;
	} else if (len != 5) {
		return false;
	}
	for (int i = 0; i < w->count; i++)
		w->words[i] = (uint16_t)be16(data + 2 * i);
	return w->address + w->count <= 65536;
}

/* @refuse  exception a fault wants, 0 = none. Refused writes are noted too: a test may ask what was tried. */
static int answer_write(struct rack *r, struct rack_unit *u, const struct rack_request *q, int refuse, uint8_t *out)
{
	struct write_note w = { .t_us = q->now_us, .unit = u->id };
	int e;

	if (!decode_write(q->pdu, q->len, &w))
		return exception(out, q->pdu[0], MODBUS_BAD_VALUE);
	e = refuse ? refuse : u->ops->write(u->self, w.fc, w.address, w.count, w.words);
	w.exception = (uint8_t)e;
	r->note[r->n_notes++ % RACK_NOTES_MAX] = w;
	if (e)
		return exception(out, q->pdu[0], e);
	memcpy(out, q->pdu, 5);
	return 5;
}

int rack_answer(struct rack *r, const struct rack_request *q, uint8_t *out, struct fault *fault)
{
	struct rack_unit *u = rack_find(r, q->unit);
	int fc = q->pdu[0];
	bool is_write = fc == 6 || fc == 16;
	int refuse = 0;

	*fault = (struct fault){ .kind = FAULT_NONE };
	if (!u || u->dead)
		return 0;
	u->requests++;
	if (u->fault.on == FAULT_ON_ALL || (u->fault.on == FAULT_ON_WRITE) == is_write)
		*fault = u->fault;
	if (fault->kind == FAULT_SILENT)
		return 0;
	if (fault->kind == FAULT_EXCEPTION)
		refuse = fault->code;
	if (is_write)
		return answer_write(r, u, q, refuse, out);
	if (refuse)
		return exception(out, fc, refuse);
	if (fc == 3 || fc == 4)
		return answer_read(u, q->pdu, q->len, out);
	return exception(out, fc, MODBUS_BAD_FUNCTION);
}
