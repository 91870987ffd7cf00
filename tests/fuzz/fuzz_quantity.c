/* Any text as a number with a unit or as a time: no crash; what is understood is finite, not negative, and begins with a digit; what is
 * refused says what is allowed; what is understood as a duration is understood the same from the words it is shown in. */
#include "core/quantity.h"
#include "core/when.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct zone ZONE = { "A/B", 2, { { 1577836800, 3600 }, { 1774746000, 7200 } } };
	static const enum quantity ALL[] = { QUANTITY_POWER, QUANTITY_ENERGY, QUANTITY_DURATION, QUANTITY_PERCENT };
	char text[200], shown[QUANTITY_TEXT_MAX];
	struct when w;

	if (size >= sizeof(text))
		size = sizeof(text) - 1;
	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t i = 0; i < sizeof(ALL) / sizeof(ALL[0]); i++) {
		struct errbuf err = { "" };
		double v = -1, again = -1;

		if (quantity_parse(ALL[i], text, &v, &err) < 0) {
			if (v != -1 || !strstr(err.text, "allowed: "))
				abort();
			continue;
		}
		if (!isfinite(v) || v < 0 || text[0] < '0' || text[0] > '9')
			abort();
		quantity_text(ALL[i], v, shown);
		if (ALL[i] == QUANTITY_DURATION && (quantity_parse(ALL[i], shown, &again, NULL) < 0 || again != v))
			abort();
	}
	if (when_parse(text, &w) == 0 && when_utc_ms(&w, &ZONE, 1774700000000) <= 1774700000000 && w.kind == WHEN_MINUTE)
		abort();
	return 0;
}
