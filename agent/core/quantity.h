/* Numbers with a unit as people write them: "4.2kW", "20 kWh", "1h30m", "30%". One table for every verb of the command line;
 * what is not in it is refused with the list of what is. Pure. */
#ifndef HEARTH_CORE_QUANTITY_H
#define HEARTH_CORE_QUANTITY_H

#include "core/err.h"

#include <stddef.h>

enum quantity { QUANTITY_POWER, QUANTITY_ENERGY, QUANTITY_DURATION, QUANTITY_PERCENT };

#define QUANTITY_TEXT_MAX 32

/**
 * A decimal number, at least 0, with one of the units of @what behind it, or none: then it is W, Wh, s or %. Capitals do not
 * matter except where they would mean another unit ("MW" is a million watts, "mW" a thousandth of one: refused, and so is "M"
 * for minutes). A duration may have several parts, the larger first ("1h30m"), and is a whole number of seconds, 1 s to 3650 d.
 * No sign, no exponent, no hexadecimal, no infinity.
 *
 * @out  W, Wh, s or %; touched only on success
 *
 * 0 or -EINVAL, explained with the units there are.
 */
int quantity_parse(enum quantity what, const char *text, double *out, struct errbuf *err);

/** What quantity_parse takes, for messages and help: "a number with W, kW or MW (4200, 4200W, 4.2kW); without a unit it is W". */
const char *quantity_allowed(enum quantity what);

/** For people: "4200 W", "20 Wh", "20 kWh", "1 h 30 min", "30 %". Returns @out. */
const char *quantity_text(enum quantity what, double v, char out[QUANTITY_TEXT_MAX]);

#endif
