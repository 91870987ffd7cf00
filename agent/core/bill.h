/* What energy cost, and what it would have cost without the battery: one interval after the other, from what was measured and what
 * it cost then. What was not measured is left out and told, never guessed. Pure. */
#ifndef HEARTH_CORE_BILL_H
#define HEARTH_CORE_BILL_H

#include "core/price.h"

#include <stdbool.h>
#include <stdint.h>

/* One interval (five minutes, or a part of them) as it was. Energies in Wh, all >= 0. */
struct bill_interval {
	double duration_s;
	double measured_s, home_s, solar_s; /* how much of it is behind the grid's, the house's and the sun's energies */
	double import_wh, export_wh;        /* at the meter */
	double home_wh, solar_wh;           /* house with cars; what the sun's inverters gave */
	double import_price, export_price;  /* per kWh, NAN = unknown */
	double curtailed_s;                 /* the sun was held back by an order for so long */
	bool battery;                       /* the site has one; without it both bills are the same */
	double stored_wh;                   /* batteries hold so much more at its end than at its beginning; NAN = not known */
};

/* Sums of intervals. Zeroed is valid. Money in the currency of the prices. */
struct bill {
	double measured_s;                  /* seconds behind the sums; the share of the day is the caller's to tell */
	double curtailed_s;                 /* of those */
	double import_wh, export_wh;
	double paid;                        /* import x price - export x price. No wear: nobody bills it */
	double bare;                        /* the same without the battery: house and cars less the sun, netted in each interval, and what
					     * came and went at the meter within it (import and export both) coming and going there too.
					     * What an order held back of the sun stays lost there: curtailed_s says for how long */
	double stored_wh;                   /* held more at the end than at the beginning, as far as it is known */
	double price_s;                     /* import price x seconds */
	double unpriced_wh;                 /* exported, or without the battery exported, while no export price was known: paid nothing */
};

/**
 * Adds what was measured of one interval: only where grid, house and sun were measured together (to 1 s and 1 %), or the two bills
 * would be of different times, and only where the import price is known. A home without an export price is paid nothing for export.
 * Returns false, and changes nothing, when the interval does not count.
 */
bool bill_add(struct bill *b, const struct bill_interval *i);

void bill_sum(struct bill *to, const struct bill *more);

/** What stored_wh is worth: bought, or to be bought again, at the mean import price of the time. No losses. */
double bill_stored_value(const struct bill *b);

/** Mean price of @from .. @to (UTC, ms), by time. NAN when it is not known of all of it; a price borrowed from an earlier week
 *  (confidence PRICE_LAST_KNOWN_CONFIDENCE or less) is not known: a plan may use it, a bill may not. */
double bill_price(const struct price_series *p, int64_t from_utc_ms, int64_t to_utc_ms);

#endif
