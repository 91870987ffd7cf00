/* See changes.h. */
#include "flow/history/changes.h"

#include "policies/sentence.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DAY_MS 86400000LL
#define SIDE_MAX 96

struct step {
	struct changes *c;
	const struct snapshot *s;
	const struct decisions *d;
	change_fn row;
	void *context;
};

static int way_of(const struct order *o)
{
	if (o->kind == ORDER_POWER)
		return (o->w > 0) - (o->w < 0);
	return o->kind == ORDER_BALANCE ? (o->min_w < 0 ? 1 : 0) | (o->max_w > 0 ? 2 : 0) : 0;
}

static bool face_same(const struct change_face *a, const struct change_face *b)
{
	return a->rank == b->rank && a->code == b->code && a->order == b->order && a->way == b->way;
}

/* A band that opens or closes on one side is a smaller change than one that opens at all. */
static bool differs_greatly(const struct change_face *a, const struct change_face *b)
{
	if (a->rank != b->rank || a->order != b->order)
		return true;
	return a->order == ORDER_BALANCE ? !a->way != !b->way : a->way != b->way;
}

/* A car that is waited for takes turns with whatever else is said of it every few seconds. */
static struct change_face face_of(const struct change_slot *slot, const struct decision *d)
{
	struct change_face face = { d->rank, d->code, d->order.kind, way_of(&d->order) };

	if ((d->code == REASON_CAR_DWELL || d->code == REASON_CAR_RAMP) && slot->known && !differs_greatly(&slot->seen, &face))
		face.code = slot->seen.code;
	return face;
}

static const struct allowance { int burst; int64_t refill_ms; int day_max; } ALLOWANCES[CHANGE_SIZES] = {
	[CHANGE_SMALL] = { CHANGES_BURST, CHANGES_REFILL_MS, CHANGES_DAY_MAX },
	[CHANGE_GREAT] = { CHANGES_GREAT_BURST, CHANGES_GREAT_REFILL_MS, CHANGES_GREAT_DAY_MAX },
};

/* The allowance of one device (or the site), and that of the day; @keep rows are for others. */
static bool may_tell(struct step *t, struct change_slot *slot, enum change_size size, int keep)
{
	const struct allowance *a = &ALLOWANCES[size];
	int64_t now_ms = t->s->now_ms, refills = (now_ms - slot->rows_ms[size]) / a->refill_ms;

	if (slot->rows_ms[size] == 0 || refills >= a->burst) {
		slot->rows[size] = a->burst;
		slot->rows_ms[size] = now_ms;
	} else if (refills > 0) {
		slot->rows[size] = slot->rows[size] + (int)refills < a->burst ? slot->rows[size] + (int)refills : a->burst;
		slot->rows_ms[size] += refills * a->refill_ms;
	}
	if (now_ms - t->c->day_ms >= DAY_MS || t->c->day_ms == 0) {
		t->c->day_ms = now_ms;
		memset(t->c->day_rows, 0, sizeof(t->c->day_rows));
	}
	return slot->rows[size] > keep && t->c->day_rows[size] < a->day_max;
}

static void tell(struct step *t, struct change_slot *slot, struct change_row *row, enum change_size size)
{
	row->at_ms = t->s->now_ms;
	row->great = size == CHANGE_GREAT;
	row->skipped = slot->skipped;
	row->lost = slot->lost;
	slot->skipped = slot->lost = 0;
	slot->rows[size]--;
	t->c->day_rows[size]++;
	t->row(t->context, row);
}

/* What gets no row is counted where the next row of the same tells it. */
static void skip(struct step *t, struct change_slot *slot, enum change_size size)
{
	slot->skipped++;
	slot->lost += size == CHANGE_GREAT;
	if (t->c->day_rows[size] >= ALLOWANCES[size].day_max)
		t->c->dropped++;
}

static bool power_moved(const struct change_slot *slot, const struct order *o, int64_t now_ms)
{
	double by_w = fabs(o->w - slot->told_w);

	return o->kind == ORDER_POWER && now_ms - slot->told_ms >= CHANGES_POWER_MS && by_w >= CHANGES_POWER_W &&
	       by_w >= fabs(slot->told_w) / 10;
}

static void step_device(struct step *t, int i)
{
	const struct decision *d = &t->d->d[i];
	struct change_slot *slot = &t->c->device[i];
	struct change_face face;
	enum change_size size, seen_size;
	struct change_row row = { .what = CHANGE_DECISION, .rank = d->rank, .code = d->code, .order = d->order.kind, .w = NAN,
			      .limited_by = d->limited_by };
	bool news, same;

	if (!slot->known && d->rank == RANK_NONE && t->s->dev[i].state.availability == AVAIL_UNKNOWN)
		return; /* it was not found yet: that is how every start begins */
	if (strcmp(slot->id, t->s->dev[i].id) != 0)
		*slot = (struct change_slot){ 0 };
	memcpy(slot->id, t->s->dev[i].id, sizeof(slot->id));
	face = face_of(slot, d);
	news = !slot->known || !face_same(&slot->seen, &face);
	seen_size = !slot->known || differs_greatly(&slot->seen, &face) ? CHANGE_GREAT : CHANGE_SMALL;
	size = !slot->known || differs_greatly(&slot->told, &face) ? CHANGE_GREAT : CHANGE_SMALL;
	same = slot->known && face_same(&slot->told, &face);
	if (news) {
		slot->seen = face;
		slot->since_ms = t->s->now_ms;
	}
	/* there and back without a row, or it may have none */
	if ((same && !power_moved(slot, &d->order, t->s->now_ms)) || !may_tell(t, slot, size, same ? CHANGES_BURST / 2 : 0)) {
		if (news)
			skip(t, slot, seen_size);
		return;
	}
	slot->known = true;
	slot->told = face;
	slot->told_w = d->order.w;
	slot->told_ms = t->s->now_ms;
	if (d->order.kind == ORDER_POWER)
		row.w = d->order.w;
	memcpy(row.device, slot->id, sizeof(row.device));
	memcpy(row.why, d->why, sizeof(row.why));
	tell(t, slot, &row, size);
}

/* A row about the site. False when it may not have one now; @news counts it as skipped then. */
static bool site_row(struct step *t, enum change_site of, struct change_row *row, bool news)
{
	struct change_slot *slot = &t->c->site[of];

	row->w = NAN;
	if (!may_tell(t, slot, CHANGE_GREAT, 0)) {
		if (news)
			skip(t, slot, CHANGE_GREAT);
		return false;
	}
	tell(t, slot, row, CHANGE_GREAT);
	return true;
}

static void step_mode(struct step *t)
{
	struct change_row row = { .what = CHANGE_MODE, .rank = t->d->mode, .code = t->d->code, .limited_by = t->d->limited_by };
	struct changes *c = t->c;
	bool news;

	if (c->mode_told == RANK_NONE)
		c->mode_told = c->mode_seen = t->d->mode; /* the beginning is no change */
	news = c->mode_seen != t->d->mode;
	c->mode_seen = t->d->mode;
	if (c->mode_told == t->d->mode) {
		if (news)
			skip(t, &c->site[CHANGES_OF_MODE], CHANGE_GREAT);
		return;
	}
	snprintf(row.why, sizeof(row.why), "the site's mode is %s, it was %s", rank_word(t->d->mode), rank_word(c->mode_told));
	if (site_row(t, CHANGES_OF_MODE, &row, news))
		c->mode_told = t->d->mode;
}

static bool limit_same(double a_w, double b_w)
{
	return isnan(a_w) ? isnan(b_w) : fabs(a_w - b_w) < 1;
}

/* Of one side: nobody is heard, and it is limited for that. */
static bool failsafe_of(const struct external_limit *l, double w, bool heard)
{
	return l->failsafe && !heard && !isnan(w);
}

static bool limits_same(const struct external_limit *a, const struct external_limit *b)
{
	return limit_same(a->import_w, b->import_w) && limit_same(a->export_w, b->export_w) &&
	       failsafe_of(a, a->import_w, a->import_heard) == failsafe_of(b, b->import_w, b->import_heard) &&
	       failsafe_of(a, a->export_w, a->export_heard) == failsafe_of(b, b->export_w, b->export_heard);
}

/* "import 4200 W (failsafe, nobody is heard), until 19:00" */
static void side_words(const struct snapshot *s, const char *name, double w, int64_t until_utc_ms, bool failsafe, char out[SIDE_MAX])
{
	char until[SENTENCE_UNTIL_MAX];

	snprintf(out, SIDE_MAX, "%s %.0f W%s%s", name, w, failsafe ? " (failsafe, nobody is heard)" : "", sentence_until(s, until_utc_ms, until));
}

static void limit_words(const struct snapshot *s, char *out, size_t size)
{
	const struct external_limit *l = &s->external;
	const bool import_failsafe = failsafe_of(l, l->import_w, l->import_heard), export_failsafe = failsafe_of(l, l->export_w, l->export_heard);
	const bool all = (isnan(l->import_w) || import_failsafe) && (isnan(l->export_w) || export_failsafe);
	char import[SIDE_MAX] = "", export[SIDE_MAX] = "";

	if (!isnan(l->import_w))
		side_words(s, "import", l->import_w, l->import_until_utc_ms, import_failsafe && !all, import);
	if (!isnan(l->export_w))
		side_words(s, "export", l->export_w, l->export_until_utc_ms, export_failsafe && !all, export);
	snprintf(out, size, "%s: %s%s%s%s", import_failsafe || export_failsafe ? all ? "nobody is heard, failsafe limits" : "limits"
		 : "limits from outside", import, import[0] && export[0] ? ", " : "", export, import[0] || export[0] ? "" : "none");
}

static enum reason limit_code(const struct external_limit *l)
{
	if (failsafe_of(l, l->import_w, l->import_heard) || failsafe_of(l, l->export_w, l->export_heard))
		return REASON_LIMIT_FAILSAFE;
	return isnan(l->import_w) && !isnan(l->export_w) ? REASON_OUTSIDE_EXPORT : REASON_OUTSIDE_IMPORT;
}

static void step_limit(struct step *t)
{
	const struct external_limit *l = &t->s->external;
	struct change_row row = { .what = CHANGE_LIMIT, .rank = RANK_LIMIT };
	struct changes *c = t->c;
	bool news;

	if (!c->limit_known)
		c->limit_told = c->limit_seen = (struct external_limit){ .import_w = NAN, .export_w = NAN };
	c->limit_known = true;
	news = !limits_same(&c->limit_seen, l);
	c->limit_seen = *l;
	if (limits_same(&c->limit_told, l)) {
		if (news)
			skip(t, &c->site[CHANGES_OF_LIMIT], CHANGE_GREAT);
		return;
	}
	row.code = limit_code(l);
	limit_words(t->s, row.why, sizeof(row.why));
	if (site_row(t, CHANGES_OF_LIMIT, &row, news))
		c->limit_told = *l;
}

static void doubt_row(struct step *t, const struct change_doubt *k, bool over)
{
	struct change_row row = { .what = over ? CHANGE_DOUBT_OVER : CHANGE_DOUBT, .rank = RANK_GUARD, .code = REASON_DOUBT, .doubt = k->kind };
	const int64_t lasted_s = (k->seen_ms - k->since_ms) / 1000;

	memcpy(row.device, k->device, sizeof(row.device));
	if (over)
		snprintf(row.why, sizeof(row.why), "believed again after %lld s: %s", (long long)lasted_s, k->why);
	else
		snprintf(row.why, sizeof(row.why), "%s", k->why);
	site_row(t, CHANGES_OF_DOUBT, &row, true);
}

static struct change_doubt *doubt_find(struct changes *c, const char *device, enum doubt_kind kind)
{
	for (int i = 0; i < c->n_doubts; i++)
		if (c->doubt[i].kind == kind && !strcmp(c->doubt[i].device, device))
			return &c->doubt[i];
	return NULL;
}

static void step_doubts(struct step *t)
{
	struct changes *c = t->c;

	for (int i = 0; i < t->d->n_doubts; i++) {
		const struct doubt *now = &t->d->doubts[i];
		const char *device = now->device >= 0 && now->device < t->s->n_devices ? t->s->dev[now->device].id : "";
		struct change_doubt *k = doubt_find(c, device, now->kind);

		if (!k && c->n_doubts == DOUBTS_MAX)
			continue; /* some that were here a moment ago; it gets its place when they are gone */
		if (!k) {
			k = &c->doubt[c->n_doubts++];
			*k = (struct change_doubt){ .kind = now->kind, .since_ms = t->s->now_ms };
			snprintf(k->device, sizeof(k->device), "%s", device);
			snprintf(k->why, sizeof(k->why), "%s", now->why);
			doubt_row(t, k, false);
		}
		k->seen_ms = t->s->now_ms;
	}
	for (int i = c->n_doubts - 1; i >= 0; i--) {
		if (t->s->now_ms - c->doubt[i].seen_ms < CHANGES_DOUBT_AWAY_MS)
			continue;
		doubt_row(t, &c->doubt[i], true);
		c->doubt[i] = c->doubt[--c->n_doubts];
	}
}

void changes_step(struct changes *c, const struct snapshot *s, const struct decisions *d, change_fn row, void *context)
{
	struct step t = { c, s, d, row, context };

	step_limit(&t);
	step_doubts(&t);
	step_mode(&t);
	for (int i = 0; i < d->n; i++)
		if (s->dev[i].roles & (ROLE_BATTERY | ROLE_CHARGER | ROLE_PV))
			step_device(&t, i);
}
