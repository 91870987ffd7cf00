/* Prices as people and programs read them on R/tariff: see price.h. */
#include "core/json_out.h"
#include "core/price.h"

#include <stdlib.h>

#define HEAD_BYTES 512   /* currency, zone and source with every character escaped */
#define SEGMENT_BYTES 160

char *price_print(const struct price_series *p)
{
	const size_t size = HEAD_BYTES + (size_t)p->n * SEGMENT_BYTES;
	char *text = malloc(size);
	struct json_out o;

	if (!text)
		return NULL;
	json_out_init(&o, text, size);
	json_out_object(&o, NULL);
	json_out_text(&o, "currency", p->currency);
	json_out_text(&o, "timezone", p->timezone);
	json_out_text(&o, "source", p->n ? p->source : "none");
	json_out_array(&o, "prices");
	for (int i = 0; i < p->n; i++) {
		json_out_object(&o, NULL);
		json_out_time(&o, "from", p->s[i].from_utc_ms);
		json_out_time(&o, "to", p->s[i].to_utc_ms);
		json_out_number(&o, "value", p->s[i].value, 6);
		json_out_number(&o, "confidence", p->s[i].confidence, 3);
		json_out_object_end(&o);
	}
	json_out_array_end(&o);
	json_out_object_end(&o);
	if (json_out_end(&o) > 0)
		return text;
	free(text);
	return NULL;
}
