/* See setpoint.h. */
#include "drivers/setpoint.h"

#include <math.h>

#define SAME_W 0.5

bool order_same(const struct order *a, const struct order *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case ORDER_NONE:
	case ORDER_RELEASE:
		return true;
	case ORDER_POWER:
		return fabs(a->w - b->w) < SAME_W;
	case ORDER_BALANCE:
		if (a->native != b->native)
			return false;
		if (a->native)
			return fabs(a->min_w - b->min_w) < SAME_W && fabs(a->max_w - b->max_w) < SAME_W;
		return fabs(a->w - b->w) < SAME_W;
	}
	return false;
}

/* Taking power away is safety and never waits; RELEASE neither. */
static bool is_cut(const struct order *from, const struct order *to)
{
	if (to->kind == ORDER_RELEASE)
		return true;
	return fabs(to->w) < fabs(from->w) && (to->w == 0 || (to->w > 0) == (from->w > 0));
}

void setpoint_aim(struct setpoint *sp, const struct order *order, int64_t now_ms)
{
	bool cut = is_cut(&sp->order, order);

	if (order->kind == ORDER_NONE || order_same(order, &sp->order))
		return;
	sp->order = *order;
	if (sp->phase == SETPOINT_WRITING) /* setpoint_done sees that the order has changed */
		return;
	if (!sp->contested || cut)
		sp->not_before_ms = now_ms;
	sp->phase = SETPOINT_DUE;
	sp->refreshing = false;
}

static int64_t refresh_at(const struct setpoint *sp)
{
	bool running = sp->refresh_ms > 0 && sp->sent.kind != ORDER_RELEASE && sp->sent.kind != ORDER_NONE;

	if (!running || (sp->phase != SETPOINT_HELD && sp->phase != SETPOINT_SETTLING))
		return INT64_MAX;
	return sp->written_ms + sp->refresh_ms;
}

bool setpoint_due(const struct setpoint *sp, int64_t now_ms)
{
	return (sp->phase == SETPOINT_DUE && now_ms >= sp->not_before_ms) || now_ms >= refresh_at(sp);
}

void setpoint_sent(struct setpoint *sp)
{
	/* A balancing loop moves the power every second: each step is no new question. */
	bool loop = sp->sent.kind == ORDER_BALANCE && sp->order.kind == ORDER_BALANCE;

	sp->refreshing = sp->phase == SETPOINT_HELD && order_same(&sp->sent, &sp->order);
	sp->sent = sp->order;
	sp->phase = SETPOINT_WRITING;
	if (!sp->refreshing && !(loop && sp->verdict == VERDICT_APPLIED))
		sp->verdict = VERDICT_PENDING;
}

void setpoint_done(struct setpoint *sp, enum request_status status, int64_t now_ms)
{
	if (sp->phase != SETPOINT_WRITING)
		return;
	sp->not_before_ms = now_ms;
	if (status == REQUEST_OK) {
		sp->written_ms = now_ms;
		sp->settled_ms = now_ms + sp->settle_ms;
		sp->phase = SETPOINT_SETTLING;
	} else {
		sp->phase = SETPOINT_DUE;
		if (status != REQUEST_REPLACED && status != REQUEST_EXPIRED) {
			sp->verdict = VERDICT_REFUSED;
			sp->verdict_w = NAN;
			sp->not_before_ms += status <= REQUEST_EXCEPTION_LAST ? SETPOINT_REFUSED_MS : SETPOINT_RETRY_MS;
		}
	}
	if (!order_same(&sp->sent, &sp->order)) { /* aimed anew while the write was under way */
		sp->phase = SETPOINT_DUE;
		sp->not_before_ms = now_ms;
	}
}

bool setpoint_confirm_due(const struct setpoint *sp, int64_t now_ms)
{
	return sp->phase == SETPOINT_SETTLING && now_ms >= sp->settled_ms;
}

static void setpoint_contest(struct setpoint *sp, enum verdict verdict)
{
	sp->verdict = verdict;
	sp->phase = SETPOINT_DUE;
	sp->not_before_ms = sp->written_ms + SETPOINT_FOREIGN_MS;
	sp->contested = true;
	sp->unproven = 0;
}

/* The number that was proven is still expected; anything else was written by somebody. */
static void judge_held(struct setpoint *sp, enum seen seen, double w)
{
	if (seen == SEEN_LESS && sp->verdict == VERDICT_CLAMPED && fabs(w - sp->verdict_w) <= SAME_W)
		return;
	setpoint_contest(sp, VERDICT_FOREIGN);
}

static void judge_first(struct setpoint *sp, enum seen seen)
{
	switch (seen) {
	case SEEN_SAME:
		break;
	case SEEN_LESS:
		sp->verdict = VERDICT_CLAMPED;
		sp->unproven = 0;
		if (sp->phase == SETPOINT_SETTLING)
			sp->phase = SETPOINT_HELD;
		break;
	case SEEN_BEFORE:
		setpoint_contest(sp, VERDICT_IGNORED);
		break;
	case SEEN_OTHER:
		setpoint_contest(sp, VERDICT_FOREIGN);
		break;
	}
}

void setpoint_judge(struct setpoint *sp, enum seen seen, double w, int64_t read_ms)
{
	if (sp->phase == SETPOINT_IDLE || sp->phase == SETPOINT_WRITING || sp->sent.kind == ORDER_NONE ||
	    read_ms < sp->written_ms)
		return;
	if (seen == SEEN_SAME) { /* the registers read as written: proof enough, settled or not */
		sp->verdict = VERDICT_APPLIED;
		sp->contested = false;
		sp->unproven = 0;
		if (sp->phase == SETPOINT_SETTLING || (sp->phase == SETPOINT_DUE && order_same(&sp->sent, &sp->order)))
			sp->phase = SETPOINT_HELD;
	} else if (sp->phase == SETPOINT_HELD) {
		judge_held(sp, seen, w);
	} else if (sp->phase == SETPOINT_SETTLING && read_ms >= sp->settled_ms) {
		judge_first(sp, seen);
	} else {
		if (sp->contested || sp->verdict == VERDICT_REFUSED || ++sp->unproven < SETPOINT_UNPROVEN)
			return;
		judge_first(sp, seen);
	}
	sp->verdict_w = w;
}

int64_t setpoint_next(const struct setpoint *sp)
{
	int64_t refresh = refresh_at(sp), next = INT64_MAX;

	if (sp->phase == SETPOINT_DUE)
		next = sp->not_before_ms;
	else if (sp->phase == SETPOINT_SETTLING)
		next = sp->settled_ms;
	return refresh < next ? refresh : next;
}
