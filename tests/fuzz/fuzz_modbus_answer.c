/* Whatever a device answers: the input is what comes back to the drivers, status by status and word by word, in place of
 * the truth. First byte: which driver. Nothing may crash, nothing implausible may become usable, no number may be made up.
 */
#include "core/snapshot.h"
#include "drivers/registry.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STEPS 80

struct input {
	const uint8_t *at, *end;
};

static uint8_t byte(struct input *in)
{
	return in->at < in->end ? *in->at++ : 0;
}

static uint16_t word(struct input *in)
{
	uint8_t high = byte(in);

	return (uint16_t)(high << 8 | byte(in));
}

/* Statuses beyond the exceptions: what a bus reports. Unasked ids and short results happen, too. */
static void answer(struct input *in, const struct batch *b, struct batch_result *r, int64_t now_ms)
{
	static const enum request_status BUS[] = { REQUEST_TIMEOUT, REQUEST_BAD_ANSWER, REQUEST_NO_LINK, REQUEST_EXPIRED,
						   REQUEST_REPLACED };
	uint8_t how = byte(in);

	memset(r, 0, sizeof(*r));
	r->id = how == 250 ? b->id + 1 : b->id;
	r->n = how == 251 ? 0 : b->n;
	r->begun_ms = r->done_ms = now_ms;
	for (int i = 0; i < r->n; i++) {
		uint8_t s = byte(in);

		r->r[i] = b->r[i];
		r->status[i] = s >= 240 ? BUS[s % 5] : s >= 228 ? (enum request_status)(1 + s % 11) : REQUEST_OK;
		for (int k = 0; k < b->r[i].count && !request_is_write(&b->r[i]); k++)
			r->r[i].words[k] = word(in);
		if (r->status[i] == REQUEST_OK)
			continue;
		while (++i < r->n)
			r->status[i] = REQUEST_NOT_TRIED;
	}
}

static char *profile(const char *name, size_t *len)
{
	static char text[3][65536];
	static size_t size[3];
	char path[256];
	int i = name[0] == 'k' ? 0 : name[0] == 'e' ? 1 : 2;
	FILE *f;

	snprintf(path, sizeof(path), HEARTH_SOURCE_DIR "/drivers/profiles/%s.json", name);
	if (!size[i] && (f = fopen(path, "rb"))) {
		size[i] = fread(text[i], 1, sizeof(text[i]), f);
		fclose(f);
	}
	*len = size[i];
	return text[i];
}

static void check(const struct device_state *state)
{
	for (int f = 0; f < F_COUNT; f++)
		if (value_usable(&state->f[f]) &&
		    !(state->f[f].v >= field_info((enum field)f)->min && state->f[f].v <= field_info((enum field)f)->max))
			abort();
	if (!memchr(state->note, 0, sizeof(state->note)) ||
	    !memchr(state->identity.serial, 0, sizeof(state->identity.serial)))
		abort();
}

/* A driver's memory is plain: it is parsed once and copied for every input. */
static void *started(struct driver_options *o, const struct driver **d, struct device_state *state)
{
	static struct {
		const struct driver *d;
		void *self;
		struct device_state state;
	} ready[6];
	int i = (o->profile[0] == 'k' ? 0 : o->profile[0] == 'e' ? 1 : 2) + (o->invert ? 3 : 0);
	void *self;

	if (!ready[i].self) {
		o->profile_json = profile(o->profile, &o->profile_json_len);
		ready[i].d = driver_for_profile(o->profile, o->profile_json, o->profile_json_len);
		ready[i].self = ready[i].d ? calloc(1, ready[i].d->size) : NULL;
		if (!ready[i].self || ready[i].d->init(ready[i].self, o, &ready[i].state, NULL) < 0)
			abort();
	}
	*d = ready[i].d;
	*state = ready[i].state;
	self = malloc(ready[i].d->size);
	if (!self)
		abort();
	return memcpy(self, ready[i].self, ready[i].d->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const PROFILES[] = { "keba-p30-p40", "eastron-sdm630", "sunspec-storage" };
	static struct batch b;
	static struct batch_result r;
	struct input in = { data, data + size };
	uint8_t first = byte(&in);
	struct driver_options o = { .id = "f",
				    .profile = PROFILES[first % 3],
				    .unit = 1,
				    .capacity_wh = (double)NAN,
				    .charge_max_w = (double)NAN,
				    .discharge_max_w = (double)NAN,
				    .soh_pct = (double)NAN,
				    .failsafe_a = 6,
				    .invert = (first & 16) != 0 };
	struct device_state state = { 0 };
	const struct driver *d;
	int64_t now = 1000;
	void *self;

	self = started(&o, &d, &state);
	for (int i = 0; i < STEPS; i++) {
		struct order order = { .kind = (enum order_kind)(byte(&in) % 4), .w = (double)(int16_t)word(&in) };
		int64_t at;

		if (i % 4 == 3)
			d->aim(self, &order, now);
		at = d->plan(self, now, &b);
		if (b.n > 0) {
			answer(&in, &b, &r, now);
			d->feed(self, &r, now, &state);
			check(&state);
			if (r.n == 0 || r.id != b.id) { /* the bus answers each batch once: now the right one */
				r.id = b.id;
				r.n = b.n;
				for (int k = 0; k < b.n; k++)
					r.status[k] = k ? REQUEST_NOT_TRIED : REQUEST_TIMEOUT;
				d->feed(self, &r, now, &state);
			}
		}
		now = at > now ? at : now + 1;
	}
	if (d->deinit)
		d->deinit(self);
	free(self);
	return 0;
}
