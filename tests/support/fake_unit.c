/* See fake_unit.h. */
#include "support/fake_unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPIN_MAX 100000

static void die(const char *what)
{
	fprintf(stderr, "fake_unit: %s\n", what);
	abort();
}

void fake_define(struct fake_unit *u, bool input, uint16_t address, const uint16_t *words, int n)
{
	uint16_t *to = u->words + u->n_words;

	if (u->n_segments == FAKE_SEGMENTS_MAX || u->n_words + n > FAKE_WORDS_MAX)
		die("image is full");
	if (words)
		memcpy(to, words, (size_t)n * sizeof(*words));
	else
		memset(to, 0, (size_t)n * sizeof(*to));
	u->segment[u->n_segments].input = input;
	u->segment[u->n_segments].address = address;
	u->segment[u->n_segments].count = (uint16_t)n;
	u->segment[u->n_segments++].words = to;
	u->n_words += n;
}

void fake_zero(struct fake_unit *u, bool input, uint16_t address, int n)
{
	fake_define(u, input, address, NULL, n);
}

static uint16_t *find(struct fake_unit *u, bool input, uint16_t address)
{
	for (int i = 0; i < u->n_segments; i++)
		if (u->segment[i].input == input && address >= u->segment[i].address &&
		    address - u->segment[i].address < u->segment[i].count)
			return u->segment[i].words + (address - u->segment[i].address);
	return NULL;
}

uint16_t *fake_reg(struct fake_unit *u, uint16_t address)
{
	return find(u, false, address);
}

uint16_t *fake_input(struct fake_unit *u, uint16_t address)
{
	return find(u, true, address);
}

static void set_pair(uint16_t *at, uint32_t value)
{
	if (!at)
		die("register is not defined");
	at[0] = (uint16_t)(value >> 16);
	at[1] = (uint16_t)(value & 0xffff);
}

void fake_set32(struct fake_unit *u, uint16_t address, uint32_t value)
{
	set_pair(fake_reg(u, address), value);
}

void fake_input_float(struct fake_unit *u, uint16_t address, float value)
{
	uint32_t bits;

	memcpy(&bits, &value, sizeof(bits));
	set_pair(fake_input(u, address), bits);
}

void fake_text(struct fake_unit *u, uint16_t address, const char *text, int n)
{
	size_t len = strlen(text);

	for (int i = 0; i < n; i++) {
		size_t at = 2 * (size_t)i;
		uint8_t high = at < len ? (uint8_t)text[at] : 0, low = at + 1 < len ? (uint8_t)text[at + 1] : 0;

		*fake_reg(u, (uint16_t)(address + i)) = (uint16_t)(high << 8 | low);
	}
}

void fake_fault(struct fake_unit *u, enum request_status status, uint8_t fc, int address, int times)
{
	if (u->n_faults == FAKE_FAULTS_MAX)
		die("too many faults");
	u->fault[u->n_faults++] = (struct fake_fault){ status, fc, address, times };
}

void fake_faults_clear(struct fake_unit *u)
{
	u->n_faults = 0;
}

static enum request_status fault_of(struct fake_unit *u, const struct modbus_request *r)
{
	for (int i = 0; i < u->n_faults; i++) {
		struct fake_fault *f = &u->fault[i];

		if (f->times == 0 || (f->fc && f->fc != r->fc) || (f->address >= 0 && f->address != r->address))
			continue;
		if (f->times > 0)
			f->times--;
		return f->status;
	}
	return REQUEST_OK;
}

static enum request_status perform(struct fake_unit *u, struct modbus_request *r, int64_t now_ms)
{
	enum request_status status = fault_of(u, r);

	if (status != REQUEST_OK)
		return status;
	for (int i = 0; i < r->count; i++)
		if (!find(u, r->fc == 4, (uint16_t)(r->address + i)))
			return (enum request_status)2; /* illegal data address */
	if (r->fc == 3 || r->fc == 4) {
		u->reads++;
		for (int i = 0; i < r->count; i++)
			r->words[i] = *find(u, r->fc == 4, (uint16_t)(r->address + i));
		return REQUEST_OK;
	}
	if (r->fc != 6 && r->fc != 16)
		return (enum request_status)1; /* illegal function */
	if (u->n_log < FAKE_WRITES_MAX) {
		struct fake_write *w = &u->log[u->n_log];

		*w = (struct fake_write){ .fc = r->fc, .address = r->address, .count = r->count, .at_ms = now_ms };
		memcpy(w->words, r->words, sizeof(w->words));
	}
	u->n_log++;
	u->writes++;
	for (int i = 0; i < r->count; i++)
		*find(u, false, (uint16_t)(r->address + i)) = r->words[i];
	if (u->on_write)
		u->on_write(u, r->address, r->count, now_ms);
	return REQUEST_OK;
}

void fake_answer(struct fake_unit *u, const struct batch *batch, int64_t now_ms, struct batch_result *out)
{
	bool failed = false;

	memset(out, 0, sizeof(*out));
	out->id = batch->id;
	out->command = batch->command;
	out->n = batch->n;
	out->begun_ms = now_ms;
	out->done_ms = now_ms;
	if (u->on_time)
		u->on_time(u, now_ms);
	for (int i = 0; i < batch->n; i++) {
		out->r[i] = batch->r[i];
		if (failed) {
			out->status[i] = REQUEST_NOT_TRIED;
			continue;
		}
		out->status[i] = u->no_link                            ? REQUEST_NO_LINK
				 : u->silent || batch->unit != u->unit ? REQUEST_TIMEOUT
								       : perform(u, &out->r[i], out->done_ms);
		out->done_ms += u->delay_ms;
		failed = out->status[i] != REQUEST_OK;
	}
}

const struct fake_write *fake_last_write(const struct fake_unit *u, uint16_t address)
{
	int n = u->n_log < FAKE_WRITES_MAX ? u->n_log : FAKE_WRITES_MAX;

	for (int i = n - 1; i >= 0; i--)
		if (u->log[i].address == address)
			return &u->log[i];
	return NULL;
}

int fake_start(struct fake_run *run, const struct driver *driver, const struct driver_options *options,
	       struct fake_unit *unit)
{
	int r;

	memset(run, 0, sizeof(*run));
	run->driver = driver;
	run->unit = unit;
	run->now_ms = 1000000; /* far from 0, which means never */
	run->self = calloc(1, driver->size);
	if (!run->self)
		die("out of memory");
	r = driver->init(run->self, options, &run->state, &run->err);
	if (r < 0)
		fake_stop(run);
	return r;
}

void fake_until(struct fake_run *run, int64_t until_ms)
{
	static struct batch_result result;
	int64_t next;

	for (int spins = 0; spins < SPIN_MAX; spins++) {
		next = run->driver->plan(run->self, run->now_ms, &run->last);
		if (run->last.n == 0) {
			if (next > until_ms) {
				run->now_ms = until_ms;
				return;
			}
			if (next <= run->now_ms)
				die("plan asks for a time that is past");
			run->now_ms = next;
			continue;
		}
		run->batches++;
		run->commands += run->last.command;
		fake_answer(run->unit, &run->last, run->now_ms, &result);
		run->now_ms = result.done_ms;
		run->driver->feed(run->self, &result, run->now_ms, &run->state);
	}
	die("the driver spins");
}

void fake_aim(struct fake_run *run, struct order order)
{
	run->driver->aim(run->self, &order, run->now_ms);
}

void fake_aim_power(struct fake_run *run, double w)
{
	fake_aim(run, (struct order){ .kind = ORDER_POWER, .w = w });
}

void fake_stop(struct fake_run *run)
{
	if (run->self && run->driver->deinit)
		run->driver->deinit(run->self);
	free(run->self);
	run->self = NULL;
}

struct driver_options fake_options(const char *profile, uint8_t unit)
{
	return (struct driver_options){
		.id = "test",
		.profile = profile,
		.unit = unit,
		.capacity_wh = (double)NAN,
		.charge_max_w = (double)NAN,
		.discharge_max_w = (double)NAN,
		.soh_pct = (double)NAN,
		.failsafe_a = 6,
	};
}

char *fake_profile(const char *name, size_t *len)
{
	char path[512];
	char *text;
	FILE *f;
	long size;

	snprintf(path, sizeof(path), HEARTH_SOURCE_DIR "/drivers/profiles/%s.json", name);
	f = fopen(path, "rb");
	if (!f || fseek(f, 0, SEEK_END) || (size = ftell(f)) < 0)
		die(path);
	rewind(f);
	text = malloc((size_t)size + 1);
	if (!text || fread(text, 1, (size_t)size, f) != (size_t)size)
		die(path);
	text[size] = '\0';
	*len = (size_t)size;
	fclose(f);
	return text;
}
