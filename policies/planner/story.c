/* See story.h. First the runs of slots in which a device does the same, then the money: stored energy is a queue of lots, first
 * in first out, so that each kWh given out is known to have been taken in there and then. Last the sentences. */
#include "policies/planner/story.h"

#include "core/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define STILL_KW 1e-3
#define SHORT_H 0.25
#define SHORT_KWH 0.05
#define TINY_H 2.            /* how long a device may move next to nothing and still be said to do what it did before */
#define CAR_PAUSE_H 0.5      /* a car that stops for less is still charging */
#define EVENT_APART_H 100
#define DAY_MS 86400000LL
#define PLACE_MAX 24
#define AT_START (-1) /* of a lot: was there when the plan began */

enum does { DOES_REST, DOES_STORE, DOES_COVER, DOES_HOLD, DOES_LEAVE, DOES_CHARGE, DOES_SELL, DOES_EVENT_IN, DOES_EVENT_OUT, DOES_EVENT_REST, DOES_CAR, DOES_NOTHING };

static const enum story_action ACTIONS[] = {
	[DOES_REST] = STORY_SELF_USE, [DOES_STORE] = STORY_SELF_USE, [DOES_COVER] = STORY_SELF_USE, [DOES_HOLD] = STORY_HOLD,
	[DOES_LEAVE] = STORY_HOLD, [DOES_CHARGE] = STORY_CHARGE, [DOES_SELL] = STORY_SELL, [DOES_EVENT_IN] = STORY_CHARGE,
	[DOES_EVENT_OUT] = STORY_DISCHARGE, [DOES_EVENT_REST] = STORY_HOLD, [DOES_CAR] = STORY_CAR, [DOES_NOTHING] = STORY_HOLD,
};

/* A run of slots of one device, beside its block. */
struct run {
	enum does kind;
	int from, to;                  /* slots */
	bool pauses;                   /* of a car: not in each of them */
	double cost, wear, taken, spent;  /* money and stored kWh: of what was given out, what it had cost */
	int use, last_use;             /* the run most of it is given out in, and the last one; -1 = stays */
	double use_kwh, last_use_kwh;
	double start_gain;             /* of what was there at the start */
};

struct teller {
	const struct plan *p;
	const struct plan_instance *in;
	const struct zone *zone;
	struct story *story;
	int first;                     /* block of the device being told */
	struct run run[STORY_BLOCKS_MAX];
};

const char *story_action_word(enum story_action a)
{
	switch (a) {
	case STORY_SELF_USE:
		return "self_use";
	case STORY_HOLD:
		return "hold";
	case STORY_CHARGE:
		return "charge";
	case STORY_DISCHARGE:
		return "discharge";
	case STORY_SELL:
		return "sell";
	case STORY_CAR:
		return "car";
	}
	return "?";
}

static double grid_cost(const struct plan_instance *in, int t, double kw)
{
	return in->slot_h[t] * (kw > 0 ? in->import_price[t] : in->export_price[t]) * kw;
}

double story_slot_cost(const struct plan_instance *in, int t, double net_kw)
{
	double most = fmax(0, fmin(in->curtail_max_kw[t], in->pv_kw[t]));
	double least = fmin(most, fmax(0, -net_kw - in->export_max_kw[t]));
	double cost = grid_cost(in, t, net_kw + least);

	if (net_kw + least < 0) /* a price that asks for less sun: none of it to the grid, or none at all */
		cost = fmin(cost, grid_cost(in, t, fmin(0, net_kw + most)));
	if (in->import_price[t] < 0)
		cost = fmin(cost, grid_cost(in, t, fmax(net_kw + least, fmin(net_kw + most, in->import_max_kw[t]))));
	return cost;
}

/* ---- runs ---- */

/* House, sun, cars and the batteries before @b: each device is counted on top of those before it. */
static double net_before(const struct teller *w, int b, int t)
{
	double net = w->in->load_kw[t] - w->in->pv_kw[t];

	for (int e = 0; e < w->in->n_evs; e++)
		net += w->p->ev_kw[e][t];
	for (int i = 0; i < b; i++)
		net += w->p->battery_kw[i][t];
	return net;
}

static enum does kind_at_rest(const struct teller *w, int b, int t, double net)
{
	const struct plan_battery *x = &w->in->battery[b];
	double soc = w->p->soc_kwh[b][t];

	if (net > STILL_KW && x->discharge_max_kw[t] > STILL_KW && soc > x->floor_kwh[t + 1] + SHORT_KWH)
		return DOES_HOLD;
	if (net < -STILL_KW && x->charge_max_kw[t] > STILL_KW && soc < x->capacity_kwh - SHORT_KWH)
		return DOES_LEAVE;
	return DOES_REST;
}

static enum does battery_kind(const struct teller *w, int b, int t)
{
	double kw = w->p->battery_kw[b][t], net = net_before(w, b, t);

	if (!isnan(w->in->battery[b].fixed_kw[t]))
		return kw > STILL_KW ? DOES_EVENT_IN : kw < -STILL_KW ? DOES_EVENT_OUT : DOES_EVENT_REST;
	if (kw > STILL_KW)
		return kw <= -net + STILL_KW ? DOES_STORE : DOES_CHARGE;
	if (kw < -STILL_KW)
		return -kw <= net + STILL_KW ? DOES_COVER : DOES_SELL;
	return kind_at_rest(w, b, t, net);
}

static bool is_event(enum does k)
{
	return k == DOES_EVENT_IN || k == DOES_EVENT_OUT || k == DOES_EVENT_REST;
}

static enum does kind_of(const struct teller *w, bool car, int n, int t)
{
	if (!car)
		return battery_kind(w, n, t);
	return w->p->ev_kw[n][t] > STILL_KW ? DOES_CAR : DOES_NOTHING;
}

static int run_end(const struct teller *w, bool car, int n, int from)
{
	enum does kind = kind_of(w, car, n, from);
	int t = from + 1;

	while (t < w->in->slots && kind_of(w, car, n, t) == kind)
		t++;
	return t;
}

static double hours_of(const struct teller *w, int from, int to)
{
	double hours = 0;

	for (int t = from; t < to; t++)
		hours += w->in->slot_h[t];
	return hours;
}

/* Too little to be told apart from what came before. */
static bool is_small(const struct teller *w, int n, int from, int to, double short_h)
{
	double kwh = 0;

	for (int t = from; t < to; t++)
		kwh += fabs(w->p->battery_kw[n][t]) * w->in->slot_h[t];
	if (kwh > 0 && kwh < SHORT_KWH)
		short_h = fmax(short_h, TINY_H);
	return hours_of(w, from, to) < short_h && (kwh < SHORT_KWH || short_h > SHORT_H);
}

/* Does the run @from..@to belong to the one before it? Where runs are too many (@short_h has grown) more do, events last. */
static bool joins(const struct teller *w, bool car, int n, int from, int to, double short_h)
{
	const struct run *last = w->story->n > w->first ? &w->run[w->story->n - 1] : NULL;
	enum does kind = kind_of(w, car, n, from);

	if (!last || kind == DOES_NOTHING)
		return false;
	if (car)
		return hours_of(w, last->to, from) < fmax(short_h, CAR_PAUSE_H) - 1e-9;
	if (kind == last->kind)
		return true;
	if ((is_event(kind) || is_event(last->kind)) && short_h < EVENT_APART_H)
		return false;
	return is_small(w, n, from, to, short_h);
}

/* The runs of one device behind those there are; false: no room for them. */
static bool runs_make(struct teller *w, bool car, int n, double short_h, int room)
{
	struct story *s = w->story;

	s->n = w->first;
	for (int from = 0, to; from < w->in->slots; from = to) {
		enum does kind = kind_of(w, car, n, from);

		to = run_end(w, car, n, from);
		if (joins(w, car, n, from, to, short_h)) {
			w->run[s->n - 1].pauses |= car && w->run[s->n - 1].to < from;
			w->run[s->n - 1].to = to;
		} else if (kind != DOES_NOTHING) {
			if (s->n >= w->first + room)
				return false;
			w->run[s->n++] = (struct run){ .kind = kind, .from = from, .to = to, .use = -1, .last_use = -1 };
		}
	}
	return true;
}

/* ---- money ---- */

struct lot { double kwh, cost; int run; };

struct queue {
	int n, head;
	struct lot lot[STORY_BLOCKS_MAX + 1];
};

static void queue_push(struct queue *q, double kwh, double cost, int run)
{
	struct lot *last;

	if (q->head == q->n) /* so that each run has one lot at most */
		q->head = q->n = 0;
	last = q->n > 0 ? &q->lot[q->n - 1] : NULL;
	if (last && last->run == run) {
		last->cost += cost;
		last->kwh += kwh;
	} else {
		q->lot[q->n++] = (struct lot){ kwh, cost, run };
	}
}

/* Where most of what run @from took in is given out. First in, first out: the runs that use it follow one another. */
static void use_note(struct run *from, int use, double kwh)
{
	from->last_use_kwh = from->last_use == use ? from->last_use_kwh + kwh : kwh;
	from->last_use = use;
	if (from->last_use_kwh > from->use_kwh) {
		from->use_kwh = from->last_use_kwh;
		from->use = use;
	}
}

/* @kwh stored leaves in run @r and earns @each; gains go to where it was taken in. */
static void give_out(struct teller *w, struct queue *q, int r, double kwh, double each, double end_value)
{
	struct run *run = &w->run[r];

	while (kwh > 1e-12 && q->head < q->n) {
		struct lot *l = &q->lot[q->head];
		double take = fmin(kwh, l->kwh), share = l->kwh > 0 ? take / l->kwh : 1;

		if (l->run == AT_START) {
			run->start_gain += take * (each - end_value);
			w->story->block[r].gain += take * (each - end_value);
		} else {
			w->story->block[l->run].gain += take * each;
			run->taken += take;
			run->spent += l->cost * share;
			use_note(&w->run[l->run], r, take);
		}
		l->cost -= l->cost * share;
		l->kwh -= take;
		kwh -= take;
		if (l->kwh <= 1e-12)
			q->head++;
	}
}

/* What moves in slot @t of battery @b: money of the slot against rest (more is worse), without wear. */
static double slot_money(const struct teller *w, int b, int t)
{
	double net = net_before(w, b, t);

	return story_slot_cost(w->in, t, net + w->p->battery_kw[b][t]) - story_slot_cost(w->in, t, net);
}

static double lowest(const double *soc_kwh, int slots)
{
	double low = soc_kwh[0];

	for (int t = 1; t <= slots; t++)
		low = fmin(low, soc_kwh[t]);
	return low;
}

static void battery_money(struct teller *w, int b)
{
	const struct plan_battery *x = &w->in->battery[b];
	const double *soc = w->p->soc_kwh[b];
	double end_value = x->terminal_value;
	struct queue q = { .n = 0 };

	queue_push(&q, soc[0] - lowest(soc, w->in->slots), 0, AT_START);
	for (int r = w->first; r < w->story->n; r++) {
		struct run *run = &w->run[r];
		struct story_block *k = &w->story->block[r];

		for (int t = run->from; t < run->to; t++) {
			double kw = w->p->battery_kw[b][t], kwh = fabs(kw) * w->in->slot_h[t], d = soc[t + 1] - soc[t];
			double money = slot_money(w, b, t), wear = kw < 0 ? kwh * x->wear_cost : 0;

			run->cost += money;
			k->kwh += kwh;
			if (d > 0) {
				queue_push(&q, d, money, r);
				k->gain -= money;
			} else if (d < 0) {
				give_out(w, &q, r, -d, (-money - wear) / -d, end_value);
			}
		}
	}
	for (; q.head < q.n; q.head++)
		if (q.lot[q.head].run != AT_START)
			w->story->block[q.lot[q.head].run].gain += q.lot[q.head].kwh * end_value;
}

/* What a kWh would cost a car that charges as soon as it is there, after the cars before it. */
static double price_at_once(const struct teller *w, int e)
{
	const struct plan_instance *in = w->in;
	double due = 0, kwh = 0, cost = 0;

	for (int t = 0; t < in->slots; t++)
		due += w->p->ev_kw[e][t] * in->slot_h[t];
	for (int t = in->ev[e].arrive_slot; t < in->slots && kwh < due - 1e-9; t++) {
		double kw = fmin(in->ev[e].max_kw, (due - kwh) / in->slot_h[t]), net = in->load_kw[t] - in->pv_kw[t];

		for (int i = 0; i < e; i++)
			net += w->p->ev_kw[i][t];
		cost += story_slot_cost(in, t, net + kw) - story_slot_cost(in, t, net);
		kwh += kw * in->slot_h[t];
	}
	return kwh > 0 ? cost / kwh : 0;
}

static void car_money(struct teller *w, int e)
{
	double at_once = price_at_once(w, e);

	for (int r = w->first; r < w->story->n; r++) {
		struct run *run = &w->run[r];
		struct story_block *k = &w->story->block[r];

		for (int t = run->from; t < run->to; t++) {
			double kw = w->p->ev_kw[e][t], net = w->in->load_kw[t] - w->in->pv_kw[t];

			for (int i = 0; i < e; i++)
				net += w->p->ev_kw[i][t];
			run->cost += story_slot_cost(w->in, t, net + kw) - story_slot_cost(w->in, t, net);
			k->kwh += kw * w->in->slot_h[t];
		}
		k->gain = k->kwh * at_once - run->cost;
		run->spent = at_once;
	}
}

/* ---- words ---- */

/* "17:00" on the day the plan begins, else "Mon 07:00". */
static const char *place_in_time(const struct teller *w, int64_t utc_ms, char text[PLACE_MAX])
{
	static const char *const DAYS[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const struct zone UTC = { .name = "UTC" };
	const struct zone *z = w->zone ? w->zone : &UTC;
	struct civil now, then;

	calendar_local(z, w->in->start_utc_ms, &now);
	calendar_local(z, utc_ms, &then);
	if (utc_ms - w->in->start_utc_ms >= 6 * DAY_MS)
		snprintf(text, PLACE_MAX, "%04d-%02d-%02d %02d:%02d", then.year, then.month, then.day, then.hour, then.minute);
	else if (then.day == now.day)
		snprintf(text, PLACE_MAX, "%02d:%02d", then.hour, then.minute);
	else
		snprintf(text, PLACE_MAX, "%s %02d:%02d", DAYS[then.weekday % 7], then.hour, then.minute);
	return text;
}

/* As it is printed: less than half a cent is nothing, whatever its sign. */
static double cents(double price)
{
	return fabs(price) < 0.005 ? 0 : price;
}

/* "sells at 0.38 at 17:00": what becomes of what run @r took in. */
static void use_words(const struct teller *w, int b, int r, char out[STORY_WHY_MAX])
{
	const struct run *run = &w->run[r];
	const struct story_block *use = run->use >= 0 ? &w->story->block[run->use] : NULL;
	char at[PLACE_MAX];

	if (!use)
		snprintf(out, STORY_WHY_MAX, "kept to the end, worth %.2f a kWh there", cents(w->in->battery[b].terminal_value));
	else if (is_event(w->run[run->use].kind))
		snprintf(out, STORY_WHY_MAX, "for the Flip event at %s", place_in_time(w, use->from_utc_ms, at));
	else if (w->run[run->use].kind == DOES_SELL)
		snprintf(out, STORY_WHY_MAX, "sells at %.2f at %s", cents(use->price), place_in_time(w, use->from_utc_ms, at));
	else
		snprintf(out, STORY_WHY_MAX, "covers the house at %s instead of %.2f", place_in_time(w, use->from_utc_ms, at), cents(use->price));
}

static void gain_words(double gain, const char *of, char out[48])
{
	out[0] = '\0';
	if (fabs(gain) >= 0.005)
		snprintf(out, 48, ", %s%s %.2f", gain > 0 ? "gain" : "cost", of, fabs(gain));
}

/* The next run that gives something out. */
static int next_use(const struct teller *w, int r)
{
	for (int i = r + 1; i < w->story->n; i++)
		if (w->run[i].kind == DOES_COVER || w->run[i].kind == DOES_SELL || w->run[i].kind == DOES_EVENT_OUT)
			return i;
	return -1;
}

static void hold_words(const struct teller *w, int r, struct story_block *k)
{
	int use = next_use(w, r);
	const struct story_block *u = use >= 0 ? &w->story->block[use] : NULL;
	char at[PLACE_MAX];

	if (!u)
		snprintf(k->why, sizeof(k->why), "holds %.1f kWh: later worth more than %.2f now", k->kwh, cents(k->price));
	else if (w->run[use].kind == DOES_EVENT_OUT)
		snprintf(k->why, sizeof(k->why), "holds %.1f kWh for the Flip event at %s", k->kwh, place_in_time(w, u->from_utc_ms, at));
	else
		snprintf(k->why, sizeof(k->why), "holds %.1f kWh for %s at %.2f", k->kwh, place_in_time(w, u->from_utc_ms, at), cents(u->price));
}

/* What is kept meanwhile is worth a word only where there is something. */
static void leave_words(struct story_block *k)
{
	char kept[32] = "";

	if (k->kwh >= SHORT_KWH)
		snprintf(kept, sizeof(kept), ", holds %.1f kWh", k->kwh);
	if (cents(k->price) < 0)
		snprintf(k->why, sizeof(k->why), "gives the sun away, which costs %.2f a kWh, to have room when that costs more%s", -cents(k->price), kept);
	else
		snprintf(k->why, sizeof(k->why), "sells the sun at %.2f instead of storing it%s", cents(k->price), kept);
}

static void out_words(const struct teller *w, int r, struct story_block *k)
{
	const struct run *run = &w->run[r];
	char gain[48], paid[48] = "";

	gain_words(run->start_gain, "", gain);
	if (run->taken > SHORT_KWH)
		snprintf(paid, sizeof(paid), ", taken in at %.2f", cents(run->spent / run->taken));
	if (run->kind == DOES_SELL)
		snprintf(k->why, sizeof(k->why), "sells %.1f kWh at %.2f%s%s", k->kwh, cents(k->price), paid, gain);
	else
		snprintf(k->why, sizeof(k->why), "covers the house at %.2f instead of importing%s%s", cents(k->price), paid, gain);
}

static void event_words(const struct teller *w, int r, struct story_block *k)
{
	static const char *const WHAT[] = { [DOES_EVENT_IN] = "charges", [DOES_EVENT_OUT] = "discharges" };
	char at[PLACE_MAX];

	place_in_time(w, k->to_utc_ms, at);
	if (w->run[r].kind == DOES_EVENT_REST)
		snprintf(k->why, sizeof(k->why), "Flip event until %s: rests", at);
	else
		snprintf(k->why, sizeof(k->why), "Flip event until %s: %s %.1f kWh", at, WHAT[w->run[r].kind], k->kwh);
}

static void words(const struct teller *w, int n, int r)
{
	struct story_block *k = &w->story->block[r];
	char use[STORY_WHY_MAX], gain[48];
	bool for_event = w->run[r].use >= 0 && is_event(w->run[w->run[r].use].kind);

	gain_words(k->gain, for_event && k->gain < 0 ? " without what the event pays" : "", gain);
	switch (w->run[r].kind) {
	case DOES_CHARGE:
		use_words(w, n, r, use);
		snprintf(k->why, sizeof(k->why), "charge %.1f kWh at %.2f, %.80s%s", k->kwh, cents(k->price), use, gain);
		break;
	case DOES_STORE:
		use_words(w, n, r, use);
		snprintf(k->why, sizeof(k->why), "stores %.1f kWh of sun at %.2f, %.80s%s", k->kwh, cents(k->price), use, gain);
		break;
	case DOES_COVER:
	case DOES_SELL:
		out_words(w, r, k);
		break;
	case DOES_HOLD:
		hold_words(w, r, k);
		break;
	case DOES_LEAVE:
		leave_words(k);
		break;
	case DOES_EVENT_IN:
	case DOES_EVENT_OUT:
	case DOES_EVENT_REST:
		event_words(w, r, k);
		break;
	case DOES_CAR:
		snprintf(k->why, sizeof(k->why), "charges the car with %.1f kWh at %.2f%s, at once would be %.2f%s", k->kwh, cents(k->price),
			 w->run[r].pauses ? ", with pauses" : "", cents(w->run[r].spent), gain);
		break;
	case DOES_REST:
	case DOES_NOTHING:
		snprintf(k->why, sizeof(k->why), "nothing to store and nothing to give");
		break;
	}
}

/* ---- blocks ---- */

static bool takes_in(enum does k)
{
	return k == DOES_CHARGE || k == DOES_STORE || k == DOES_EVENT_IN || k == DOES_CAR;
}

/* Of a hold: what is kept, and what the house pays meanwhile; where the sun is left over, what the grid pays for it. */
static void hold_fill(const struct teller *w, int b, const struct run *run, struct story_block *k)
{
	const double *price = run->kind == DOES_LEAVE ? w->in->export_price : w->in->import_price;
	double sum = 0;

	for (int t = run->from; t < run->to; t++)
		sum += w->in->slot_h[t] * price[t];
	k->kwh = fmax(0, w->p->soc_kwh[b][run->to] - lowest(w->p->soc_kwh[b], w->in->slots));
	k->price = sum / hours_of(w, run->from, run->to);
}

static void device_tell(struct teller *w, bool car, int n, const int64_t *at, int room)
{
	struct story *s = w->story;
	double short_h = SHORT_H;

	while (!runs_make(w, car, n, short_h, room))
		short_h *= 2;
	for (int r = w->first; r < s->n; r++) {
		struct story_block *k = &s->block[r];

		memset(k, 0, sizeof(*k));
		memcpy(k->device, car ? w->in->ev[n].id : w->in->battery[n].id, sizeof(k->device));
		k->action = ACTIONS[w->run[r].kind];
		k->from_utc_ms = at[w->run[r].from];
		k->to_utc_ms = at[w->run[r].to];
	}
	if (car)
		car_money(w, n);
	else
		battery_money(w, n);
	for (int r = w->first; r < s->n; r++) {
		struct story_block *k = &s->block[r];

		k->price = k->kwh > 1e-9 ? (takes_in(w->run[r].kind) ? 1 : -1) * w->run[r].cost / k->kwh + 0.0 : 0;
		if (k->action == STORY_HOLD)
			hold_fill(w, n, &w->run[r], k);
	}
	for (int r = w->first; r < s->n; r++)
		words(w, n, r);
	w->first = s->n;
}

void story_tell(const struct plan *p, const struct plan_instance *in, const struct zone *z, struct story *out)
{
	struct teller w = { .p = p, .in = in, .zone = z, .story = out };
	int devices = in->n_batteries + in->n_evs, room = devices > 0 ? STORY_BLOCKS_MAX / devices : 0;
	int64_t at[PLAN_SLOTS_MAX + 1];
	double ms = 0;

	out->n = 0;
	for (int t = 0; t <= in->slots; t++) {
		at[t] = in->start_utc_ms + (int64_t)llround(ms);
		ms += t < in->slots ? in->slot_h[t] * 3600e3 : 0;
	}
	for (int b = 0; b < in->n_batteries; b++)
		device_tell(&w, false, b, at, room);
	for (int e = 0; e < in->n_evs; e++)
		device_tell(&w, true, e, at, room);
}

cJSON *story_encode(const struct story *s)
{
	cJSON *list = cJSON_CreateArray();

	for (int i = 0; list && i < s->n; i++) {
		const struct story_block *k = &s->block[i];
		cJSON *o = cJSON_CreateObject();

		json_add_time(o, "from", k->from_utc_ms);
		json_add_time(o, "to", k->to_utc_ms);
		cJSON_AddStringToObject(o, "device", k->device);
		cJSON_AddStringToObject(o, "action", story_action_word(k->action));
		json_add_number(o, "kwh", k->kwh, 3);
		json_add_number(o, "price", k->price, 4);
		cJSON_AddStringToObject(o, "why", k->why);
		json_add_number(o, "gain", k->gain, 4);
		cJSON_AddItemToArray(list, o);
	}
	return list;
}
