/* A Modbus transaction as drivers describe it and the bus performs it: requests in order, nothing to that unit in
 * between, stop at the first failure, one expiry. Plain memory, copied by value. */
#ifndef HEARTH_DRIVERS_MODBUS_BATCH_H
#define HEARTH_DRIVERS_MODBUS_BATCH_H

#include <stdbool.h>
#include <stdint.h>

#define BATCH_REQUESTS_MAX 12
#define REQUEST_WORDS_MAX 125

struct modbus_request {
	uint8_t fc;                        /* 1-6, 15, 16 */
	uint16_t address;                  /* PDU address, 0-based */
	uint16_t count;                    /* registers or coils; 1 for 5 and 6 */
	uint16_t gap_ms;                   /* quiet time on the unit before this request */
	uint16_t words[REQUEST_WORDS_MAX]; /* writes: what to write; reads: filled by the bus; coils: 0 or 1 each */
};

/* Outcome of one request. Modbus exceptions keep their code 1..11. A batch that never began has the same status (no
 * link, expired, replaced) at all its requests; in a batch that began the first failure is followed by "not tried". */
enum request_status {
	REQUEST_OK = 0,
	REQUEST_EXCEPTION_FIRST = 1,  /* 1..11: the device's own words */
	REQUEST_EXCEPTION_LAST = 11,
	REQUEST_TIMEOUT = 32,         /* connected, no (whole) answer in time */
	REQUEST_BAD_ANSWER,           /* wrong unit, function, length, CRC or transaction id */
	REQUEST_NO_LINK,              /* not connected, or the unit was silent and rests; nothing was sent */
	REQUEST_EXPIRED,              /* too late; nothing was sent */
	REQUEST_NOT_TRIED,            /* an earlier request of the batch failed, or the bus is being closed */
	REQUEST_REPLACED,             /* a newer batch took its place before it began */
};

struct batch {
	uint32_t id;                       /* the driver's own number, comes back unchanged */
	uint8_t unit;
	bool command;                      /* goes in the command lane; a batch of reads only stays false */
	uint16_t timeout_ms;               /* for each answer, 20..10000; 0 = the bus's */
	int64_t expires_ms;                /* monotonic; not begun by then -> REQUEST_EXPIRED; 0 = never */
	int n;                             /* requests in use; 0 = nothing to do */
	struct modbus_request r[BATCH_REQUESTS_MAX];
};

struct batch_result {
	uint32_t id;
	uint8_t unit;
	bool command;
	int n;
	enum request_status status[BATCH_REQUESTS_MAX];
	struct modbus_request r[BATCH_REQUESTS_MAX]; /* as sent, reads filled where status is REQUEST_OK */
	int64_t begun_ms, done_ms;         /* monotonic */
};

static inline bool request_is_write(const struct modbus_request *r)
{
	return r->fc == 5 || r->fc == 6 || r->fc == 15 || r->fc == 16;
}

#endif
