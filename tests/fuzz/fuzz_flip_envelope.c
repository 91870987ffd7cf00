/* A webhook body from outside, decoded and put to a book twice; the book must survive its own stored form. */
#include "cloud/book.h"

#include <stdlib.h>
#include <string.h>

#define NOW 1768500000000LL

static void round_trip(const struct book_entry *e)
{
	AUTO_JSON *o = book_entry_encode(e);
	struct book_entry back;

	if (book_entry_decode(o, &back, NULL) < 0 || strcmp(back.c.id, e->c.id) != 0 || back.state != e->state ||
	    back.ack != e->ack || back.c.starts_utc_ms != e->c.starts_utc_ms || back.c.ends_utc_ms != e->c.ends_utc_ms)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct book book;
	struct book_device device = { .flip_device_id = "bat-0042-1", .battery = true, .reachable = true, .charge_max_w = 5000,
				      .discharge_max_w = 5000 };
	const struct book_scene scene = { .devices = &device, .n_devices = 1, .addressed = true, .utc_ms = NOW };
	struct flip_envelope e;
	char text[64];

	flip_envelope_timestamp((const char *)data, size, text, sizeof(text));
	if (flip_envelope_decode((const char *)data, size, &e, NULL) < 0)
		return 0;
	book_init(&book, 24);
	if (e.object == FLIP_EVENT) {
		book_offer_event(&book, &e.event, NOW);
		if (book.n_events == 1) {
			AUTO_JSON *o = book_event_encode(&book.event[0]);
			struct book_event back;

			if (book_event_decode(o, &back, NULL) < 0)
				abort();
		}
	}
	if (e.object != FLIP_COMMAND)
		return 0;
	for (int i = 0; i < 2; i++) {
		struct command_view v;

		book_offer(&book, &e.command, e.event_type, &scene);
		book_step(&book, &device, 1, NOW + i * 1000);
		book_view(&book, book_in_force(&book, 0, NOW), &v);
		if (v.active && (e.command.refusal[0] || NOW < e.command.starts_utc_ms))
			abort(); /* what cannot be done, or not yet, is never in force */
		for (int k = 0; k < book.n; k++)
			round_trip(&book.entry[k]);
	}
	return 0;
}
