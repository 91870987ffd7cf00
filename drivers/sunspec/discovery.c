/* See discovery.h. Bases and order of the search: SunSpec Device Information Model; 40001 is for maps that were written
 * one register late, it comes last. */
#include "drivers/sunspec/discovery.h"

#include <errno.h>
#include <string.h>

#define MARK_HIGH 0x5375 /* "Su" */
#define MARK_LOW 0x6e53  /* "nS" */
#define CHAIN_END 0xffff
#define EXCEPTION_ADDRESS 2
#define EXCEPTION_VALUE 3

static const uint16_t BASES[] = { 40000, 0, 50000, 40001 };
#define BASES_COUNT ((int)(sizeof(BASES) / sizeof(BASES[0])))

bool discovery_request(const struct discovery *d, struct modbus_request *out)
{
	if (d->step != DISCOVERY_BASE && d->step != DISCOVERY_WALK)
		return false;
	memset(out, 0, sizeof(*out));
	out->fc = 3;
	out->count = 2;
	out->address = d->step == DISCOVERY_BASE ? BASES[d->base] : (uint16_t)d->pointer;
	return true;
}

static void discovery_fail(struct discovery *d)
{
	d->step = DISCOVERY_FAILED;
}

static void base_answer(struct discovery *d, enum request_status status, const uint16_t *words)
{
	if (status == REQUEST_OK && words[0] == MARK_HIGH && words[1] == MARK_LOW) {
		d->step = DISCOVERY_WALK;
		d->pointer = (uint32_t)BASES[d->base] + 2;
		return;
	}
	if (++d->base < BASES_COUNT)
		return;
	errbuf_set(&d->why, -ENOENT, "no SunSpec map at 40000, 0, 50000 or 40001");
	discovery_fail(d);
}

static void header_answer(struct discovery *d, const uint16_t *words)
{
	uint16_t id = words[0], length = words[1];
	uint32_t next = d->pointer + 2 + length;

	if (id == CHAIN_END && d->n > 0) {
		d->step = DISCOVERY_DONE;
		return;
	}
	if (d->n == 0 && id != 1) {
		errbuf_set(&d->why, -EPROTO, "SunSpec chain begins with model %u, not 1", id);
		discovery_fail(d);
	} else if (length == 0) {
		errbuf_set(&d->why, -EPROTO, "SunSpec model %u at %u has length 0", id, d->pointer);
		discovery_fail(d);
	} else if (next > UINT16_MAX - 1) {
		errbuf_set(&d->why, -EPROTO, "SunSpec model %u at %u ends behind register 65535", id, d->pointer);
		discovery_fail(d);
	} else if (d->n == DISCOVERY_MODELS_MAX) {
		errbuf_set(&d->why, -EPROTO, "SunSpec chain has more than %d models", DISCOVERY_MODELS_MAX);
		discovery_fail(d);
	} else {
		d->models[d->n++] = (struct discovery_model){ .id = id, .length = length, .address = (uint16_t)d->pointer };
		d->pointer = next;
	}
}

void discovery_answer(struct discovery *d, enum request_status status, const uint16_t *words)
{
	bool answered = status == REQUEST_OK || status <= REQUEST_EXCEPTION_LAST;

	if (!answered)
		return;
	if (d->step == DISCOVERY_BASE) {
		base_answer(d, status, words);
	} else if (d->step == DISCOVERY_WALK && status == REQUEST_OK) {
		header_answer(d, words);
	} else if (d->step == DISCOVERY_WALK && (status == EXCEPTION_ADDRESS || status == EXCEPTION_VALUE)) {
		/* Some maps have no end mark: behind the last model there is simply nothing. */
		if (d->n > 1) {
			d->step = DISCOVERY_DONE;
			return;
		}
		errbuf_set(&d->why, -EPROTO, "SunSpec chain breaks off at %u (exception %d)", d->pointer, (int)status);
		discovery_fail(d);
	}
}

const struct discovery_model *discovery_find(const struct discovery *d, uint16_t id, int occurrence)
{
	for (int i = 0; i < d->n; i++)
		if (d->models[i].id == id && occurrence-- == 0)
			return &d->models[i];
	return NULL;
}
