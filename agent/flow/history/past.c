/* See past.h. */
#include "flow/history/past.h"

#include "core/bill.h"
#include "flow/cloud/prices.h"

#include <math.h>
#include <stddef.h>

void past_series(struct prices *p, int64_t now_utc_ms, int64_t from_utc_ms, int64_t to_utc_ms, const struct price_series **import,
		 const struct price_series **export)
{
	static struct price_series both[2]; /* too large for the stack; one loop, one user at a time */

	*import = *export = NULL;
	if (!p)
		return;
	prices_compose(p, now_utc_ms, from_utc_ms, to_utc_ms, &both[0], &both[1]);
	*import = &both[0];
	*export = &both[1];
}

void past_prices(struct prices *p, int64_t now_utc_ms, int64_t from_utc_ms, int64_t to_utc_ms, double *import_price,
		 double *export_price)
{
	const struct price_series *import, *export;

	past_series(p, now_utc_ms, from_utc_ms, to_utc_ms, &import, &export);
	*import_price = import ? bill_price(import, from_utc_ms, to_utc_ms) : NAN;
	*export_price = export ? bill_price(export, from_utc_ms, to_utc_ms) : NAN;
}
