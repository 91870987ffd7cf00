/* Requests <-> the bytes of a Modbus PDU (function code and what follows; no unit, no checksum). Pure and whole: an answer
 * is accepted only if function, length and echo are what was asked for. Header only: the bus and the fuzz target share it. */
#ifndef HEARTH_DRIVERS_MODBUS_PDU_H
#define HEARTH_DRIVERS_MODBUS_PDU_H

#include "drivers/modbus/batch.h"

#define PDU_MAX 253
#define PDU_WRITE_WORDS_MAX 123 /* what fits in one PDU; reads may have 125 */

static inline uint16_t pdu_word(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline void pdu_put(uint8_t *at, unsigned int word)
{
	at[0] = (uint8_t)(word >> 8 & 0xff);
	at[1] = (uint8_t)(word & 0xff);
}

static inline bool pdu_is_coils(const struct modbus_request *r)
{
	return r->fc == 1 || r->fc == 2 || r->fc == 5 || r->fc == 15;
}

#define MBAP_LENGTH 7 /* transaction, protocol 0, length of the rest, unit: what stands before the PDU on TCP */

static inline void mbap_build(uint8_t *frame, uint16_t transaction, uint8_t unit, int pdu_len)
{
	pdu_put(frame, transaction);
	pdu_put(frame + 2, 0);
	pdu_put(frame + 4, (unsigned int)pdu_len + 1);
	frame[6] = unit;
}

/** True when the frame is whole and belongs to this transaction and unit. */
static inline bool mbap_matches(const uint8_t *frame, int len, uint16_t transaction, uint8_t unit)
{
	return len >= MBAP_LENGTH + 2 && pdu_word(frame) == transaction && pdu_word(frame + 2) == 0 &&
	       pdu_word(frame + 4) == len - 6 && frame[6] == unit;
}

/** True when the request can be sent at all. */
static inline bool pdu_valid(const struct modbus_request *r)
{
	int max = r->fc == 5 || r->fc == 6 ? 1 : r->fc == 16 ? PDU_WRITE_WORDS_MAX : REQUEST_WORDS_MAX;

	return ((r->fc >= 1 && r->fc <= 6) || r->fc == 15 || r->fc == 16) && r->count >= 1 && r->count <= max &&
	       r->address + r->count <= 65536;
}

/** Bytes of a valid request; returns their number, at most PDU_MAX. */
static inline int pdu_build(const struct modbus_request *r, uint8_t *out)
{
	int bytes = r->fc == 15 ? (r->count + 7) / 8 : 2 * r->count;

	out[0] = r->fc;
	pdu_put(out + 1, r->address);
	if (r->fc == 5 || r->fc == 6) {
		pdu_put(out + 3, r->fc == 6 ? r->words[0] : r->words[0] ? 0xff00 : 0);
		return 5;
	}
	pdu_put(out + 3, r->count);
	if (!request_is_write(r))
		return 5;
	out[5] = (uint8_t)bytes;
	for (int i = 0; i < bytes; i++)
		out[6 + i] = 0;
	for (int i = 0; i < r->count; i++) {
		if (r->fc == 16)
			pdu_put(out + 6 + 2 * i, r->words[i]);
		else if (r->words[i])
			out[6 + i / 8] = (uint8_t)(out[6 + i / 8] | 1 << i % 8);
	}
	return 6 + bytes;
}

/** Bytes the right answer to a valid request has. */
static inline int pdu_answer_length(const struct modbus_request *r)
{
	if (request_is_write(r))
		return 5;
	return 2 + (pdu_is_coils(r) ? (r->count + 7) / 8 : 2 * r->count);
}

/** Bytes an answer has by its own account, from its first two; 2..257. Of a function nobody asks for: the two. */
static inline int pdu_answer_whole(const uint8_t *pdu)
{
	if (pdu[0] == 5 || pdu[0] == 6 || pdu[0] == 15 || pdu[0] == 16)
		return 5;
	return 2 + (pdu[0] <= 4 ? pdu[1] : 0);
}

/** Checksum of a serial frame (Modbus over serial line 1.02, section 6.2.2); 0 when the frame's own, low byte first, is
 *  taken in and right. */
static inline uint16_t pdu_crc(const uint8_t *frame, int len)
{
	unsigned int crc = 0xffff;

	for (int i = 0; i < len; i++) {
		crc ^= frame[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 1 ? crc >> 1 ^ 0xa001 : crc >> 1;
	}
	return (uint16_t)crc;
}

/**
 * Judges an answer; reads are filled in only when the result is REQUEST_OK.
 *
 * Returns REQUEST_OK, an exception 1..11, or REQUEST_BAD_ANSWER (other codes are none of the specification's).
 */
static inline enum request_status pdu_answer(struct modbus_request *r, const uint8_t *pdu, int len)
{
	uint8_t echo[PDU_MAX];

	if (len == 2 && pdu[0] == (r->fc | 0x80) && pdu[1] >= REQUEST_EXCEPTION_FIRST && pdu[1] <= REQUEST_EXCEPTION_LAST)
		return (enum request_status)pdu[1];
	if (len != pdu_answer_length(r) || pdu[0] != r->fc)
		return REQUEST_BAD_ANSWER;
	if (request_is_write(r)) {
		/* The value of 5 and 6 is not compared: devices that clamp echo what they took, and the driver reads it back. */
		pdu_build(r, echo);
		for (int i = 1; i < (r->fc == 5 || r->fc == 6 ? 3 : 5); i++)
			if (pdu[i] != echo[i])
				return REQUEST_BAD_ANSWER;
		return REQUEST_OK;
	}
	if (pdu[1] != len - 2)
		return REQUEST_BAD_ANSWER;
	for (int i = 0; i < r->count; i++)
		r->words[i] = (uint16_t)(pdu_is_coils(r) ? pdu[2 + i / 8] >> i % 8 & 1 : pdu_word(pdu + 2 + 2 * i));
	return REQUEST_OK;
}

#endif
