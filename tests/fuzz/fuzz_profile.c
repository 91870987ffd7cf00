/* A profile file from a stranger: parsed, and if it is accepted, driven for a minute against a unit that answers noise. */
#include "drivers/registry.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static uint32_t noise;

static uint16_t next(void)
{
	noise = noise * 1664525u + 1013904223u;
	return (uint16_t)(noise >> 16);
}

static void answer(const struct batch *b, struct batch_result *r, int64_t now_ms)
{
	memset(r, 0, sizeof(*r));
	r->id = b->id;
	r->n = b->n;
	r->begun_ms = r->done_ms = now_ms;
	for (int i = 0; i < b->n; i++) {
		r->r[i] = b->r[i];
		if (b->r[i].count < 1 || b->r[i].count > REQUEST_WORDS_MAX)
			abort(); /* never to be sent */
		r->status[i] = next() % 8 ? REQUEST_OK : (enum request_status)(1 + next() % 3);
		for (int k = 0; k < b->r[i].count; k++)
			r->r[i].words[k] = next();
		if (r->status[i] == REQUEST_OK)
			continue;
		while (++i < b->n)
			r->status[i] = REQUEST_NOT_TRIED;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct batch b;
	static struct batch_result r;
	const struct driver *d = driver_for_profile("fuzz", (const char *)data, size);
	struct driver_options o = { .id = "f",
				    .profile = "fuzz",
				    .profile_json = (const char *)data,
				    .profile_json_len = size,
				    .unit = 1,
				    .capacity_wh = (double)NAN,
				    .charge_max_w = (double)NAN,
				    .discharge_max_w = (double)NAN,
				    .soh_pct = (double)NAN,
				    .failsafe_a = 6,
				    .allow_unverified = true };
	struct device_state state = { 0 };
	struct errbuf err = { "" };
	void *self;
	int64_t now = 1000;

	driver_profile_roles((const char *)data, size);
	if (!d)
		return 0;
	self = calloc(1, d->size);
	noise = (uint32_t)size;
	if (self && d->init(self, &o, &state, &err) == 0) {
		for (int i = 0; i < 60; i++) {
			struct order order = { .kind = (enum order_kind)(i / 10 % 4), .w = 500.0 * (i - 30), .phases = i % 4,
					       .reserve_pct = (float)(i % 30) };
			int64_t at;

			d->aim(self, &order, now);
			at = d->plan(self, now, &b);
			if (b.n > 0) {
				answer(&b, &r, now);
				d->feed(self, &r, now, &state);
			}
			now = at > now ? at : now + 1;
		}
		for (int f = 0; f < F_COUNT; f++)
			if (value_usable(&state.f[f]) && !(state.f[f].v >= field_info((enum field)f)->min &&
							   state.f[f].v <= field_info((enum field)f)->max))
				abort(); /* a number outside what is plausible must never be usable */
		if (d->deinit)
			d->deinit(self);
	} else if (self && !*err.text) {
		abort(); /* refused without a word */
	}
	free(self);
	return 0;
}
