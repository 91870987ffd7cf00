/* See work.h: what every step of the chain does to an order, and how it says so. */
#include "policies/response.h"
#include "policies/sentence.h"
#include "policies/work.h"

#include <stdarg.h>
#include <string.h>

void work_cut(struct work_device *d, enum rank rank, enum reason code, const char *why_fmt, ...)
{
	va_list ap;

	d->limited_by |= 1u << rank;
	d->cut_code = code;
	va_start(ap, why_fmt);
	sentence_print(d->cut, sizeof(d->cut), why_fmt, ap);
	va_end(ap);
	d->cut_name_n = (int)strlen(d->cut);
	d->patience = REASON_NONE;
}

void work_wait(struct work_device *d, enum reason code, const char *why_fmt, ...)
{
	va_list ap;

	d->patience = code;
	va_start(ap, why_fmt);
	sentence_print(d->wait, sizeof(d->wait), why_fmt, ap);
	va_end(ap);
}

double work_power(const struct work *w, int i)
{
	const struct work_device *d = &w->d[i];

	if (d->order.kind == ORDER_POWER || (d->order.kind == ORDER_BALANCE && !d->order.native))
		return d->charger ? d->order.w : response_effect_soon(&d->memory->response, d->order.w);
	if (d->order.kind != ORDER_BALANCE)
		return d->now_w;
	if (d->memory->native.stands)
		return double_clamp(d->now_w, d->order.min_w, d->order.max_w);
	return double_clamp(d->now_w - w->grid_w, d->order.min_w, d->order.max_w); /* by itself it holds 0 W, see posture.c */
}

/* An end of a band that cuts is somebody's: without a limit it is infinite. */
static void cut_by(struct work_device *d, const struct limit_wish *l)
{
	work_cut(d, l->rank, l->code, "%s", l->why);
}

void work_clamp(struct work_device *d)
{
	struct order *o = &d->order;

	if (o->kind == ORDER_BALANCE) {
		if (o->min_w < d->band.min_w)
			cut_by(d, d->band.min_by);
		if (o->max_w > d->band.max_w)
			cut_by(d, d->band.max_by);
		o->min_w = double_clamp(o->min_w, d->band.min_w, 0);
		o->max_w = double_clamp(o->max_w, 0, d->band.max_w);
		o->w = double_clamp(o->w, o->min_w, o->max_w);
	} else if (o->kind == ORDER_POWER) {
		if (o->w < d->power_band.min_w)
			cut_by(d, d->power_band.min_by);
		if (o->w > d->power_band.max_w)
			cut_by(d, d->power_band.max_by);
		o->w = double_clamp(o->w, d->power_band.min_w, d->power_band.max_w);
	}
}
