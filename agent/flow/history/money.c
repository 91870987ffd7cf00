/* See money.h. */
#include "flow/history/money.h"

#include "flow/history/past.h"
#include "flow/history/savings.h"
#include "flow/hub.h"
#include "io/loop.h"

void money_prices(void *context, int64_t from_utc_ms, int64_t to_utc_ms, double *import_price, double *export_price)
{
	struct hub *h = context;

	past_prices(h->prices, loop_utc_ms(), from_utc_ms, to_utc_ms, import_price, export_price);
}

void money_ended(void *context, const struct interval_report *report, double import_price, double export_price)
{
	struct hub *h = context;

	savings_ended(h->savings, report, import_price, export_price, h->import_prices->currency);
}

void money_publish_again(struct hub *h)
{
	cJSON *o;

	if (!h->savings || !h->clock_trusted)
		return; /* which day is today? */
	o = savings_encode(h->savings, loop_utc_ms());
	publish_text(&h->publish, "savings", o, loop_utc_ms());
	cJSON_Delete(o);
}

void money_step(struct hub *h, const struct snapshot *s, const struct decisions *d)
{
	savings_observe(h->savings, s, d);
	if (s->clock_trusted && savings_due(h->savings, s->now_ms))
		money_publish_again(h);
}
