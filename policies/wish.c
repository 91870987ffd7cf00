/* Adding wishes: the sentence is formatted here, so a policy stays one line a wish. */
#include "policies/policy.h"
#include "policies/sentence.h"

#include <stdarg.h>

static void limit_add(struct wishes *w, struct limit_wish limit, const char *fmt, va_list ap)
{
	if (w->n_limits >= LIMITS_MAX) {
		w->overflow++;
		return;
	}
	sentence_print(limit.why, sizeof(limit.why), fmt, ap);
	w->limits[w->n_limits++] = limit;
}

void wish_limit_device(struct wishes *w, int device, double min_w, double max_w, enum reason code, const char *why_fmt, ...)
{
	struct limit_wish limit = { .device = device, .min_w = min_w, .max_w = max_w, .code = code };
	va_list ap;

	va_start(ap, why_fmt);
	limit_add(w, limit, why_fmt, ap);
	va_end(ap);
}

void wish_limit_power(struct wishes *w, int device, double min_w, double max_w, enum reason code, const char *why_fmt, ...)
{
	struct limit_wish limit = { .device = device, .min_w = min_w, .max_w = max_w, .code = code, .power_only = true };
	va_list ap;

	va_start(ap, why_fmt);
	limit_add(w, limit, why_fmt, ap);
	va_end(ap);
}

void wish_limit_point(struct wishes *w, enum point point, double min_w, double max_w, enum reason code, const char *why_fmt, ...)
{
	struct limit_wish limit = { .device = -1, .point = point, .min_w = min_w, .max_w = max_w, .code = code };
	va_list ap;

	va_start(ap, why_fmt);
	limit_add(w, limit, why_fmt, ap);
	va_end(ap);
}

void wish_order(struct wishes *w, int device, struct order order, int64_t until_utc_ms, enum reason code, const char *why_fmt, ...)
{
	struct order_wish *o;
	va_list ap;

	if (w->n_orders >= ORDERS_MAX) {
		w->overflow++;
		return;
	}
	o = &w->orders[w->n_orders++];
	o->device = device;
	o->order = order;
	o->rank = RANK_NONE;
	o->code = code;
	o->until_utc_ms = until_utc_ms;
	va_start(ap, why_fmt);
	sentence_print(o->why, sizeof(o->why), why_fmt, ap);
	va_end(ap);
}

void wish_rank(struct wishes *w, enum rank rank)
{
	if (w->n_orders > 0)
		w->orders[w->n_orders - 1].rank = rank;
}

void wish_doubt(struct wishes *w, int device, enum doubt_kind kind, const char *why_fmt, ...)
{
	va_list ap;

	if (w->n_doubts >= DOUBTS_MAX) {
		w->overflow++;
		return;
	}
	w->doubts[w->n_doubts].device = device;
	w->doubts[w->n_doubts].kind = kind;
	va_start(ap, why_fmt);
	sentence_print(w->doubts[w->n_doubts].why, sizeof(w->doubts[0].why), why_fmt, ap);
	va_end(ap);
	w->n_doubts++;
}
