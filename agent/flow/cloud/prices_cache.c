/* Prices on disk: a row a segment under "<location>/<direction>/<from>", written only where it differs from what is there, and a
 * row "<location>/<direction>/fetched" with the time of the last fetch. at_ms of a price is the end of its validity, so that
 * "older than 14 days" is one operation, whatever location it was. */
#include "flow/cloud/prices_internal.h"

#include "core/calendar.h"
#include "io/log.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 256      /* operations of one transaction */
#define BODY_MAX 96
#define FETCHED "fetched"
#define TIME_MAX_MS 7258118400000LL

void prices_series_copy(struct price_series *to, const struct price_series *from)
{
	memcpy(to->currency, from->currency, sizeof(to->currency));
	memcpy(to->timezone, from->timezone, sizeof(to->timezone));
	memcpy(to->source, from->source, sizeof(to->source));
	to->n = from->n;
	memcpy(to->s, from->s, sizeof(to->s[0]) * (size_t)from->n);
}

/* A row as read. Rows of an interrupted writing may overlap: then what was written last counts. */
struct cached { int64_t written_ms; struct price_segment s; };
struct loading {
	struct prices *p;
	struct cached *row[PRICES_SIDES];
	int n[PRICES_SIDES], bad;
	bool foreign[PRICES_SIDES]; /* of another account or server */
};

/* Stands for api_url and account_id on disk; a location's name alone could be another account's. */
static void word_account(const struct prices *p, char out[9])
{
	const char *const texts[] = { p->used.api_url, "\n", p->used.account_id };
	uint32_t h = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (const char *c = texts[i]; *c; c++)
			h = (h ^ (unsigned char)*c) * 16777619u;
	snprintf(out, 9, "%08x", (unsigned)h);
}

/* "1772323200000 0.2453 0.8 1772320000000": end, value, confidence, when it was written */
static bool read_body(const char *body, struct cached *c)
{
	char *end;

	c->s.to_utc_ms = strtoll(body, &end, 10);
	c->s.value = *end == ' ' ? strtod(end + 1, &end) : NAN;
	c->s.confidence = *end == ' ' ? strtod(end + 1, &end) : NAN;
	c->written_ms = *end == ' ' ? strtoll(end + 1, &end, 10) : -1;
	return *end == '\0' && c->written_ms >= 0 && fabs(c->s.value) <= PRICE_ABS_MAX && c->s.confidence >= 0 &&
	       c->s.confidence <= 1 && c->s.from_utc_ms > 0 && c->s.to_utc_ms > c->s.from_utc_ms && c->s.to_utc_ms <= TIME_MAX_MS;
}

/* The part of a key behind this side's name; NULL = another location's or direction's row. */
static const char *behind(const struct prices *p, int side, const char *key)
{
	char name[STORE_KEY_MAX];
	const size_t n = (size_t)snprintf(name, sizeof(name), "%.63s/%s/", p->used.location_id,
					  flatpeak_direction_name((enum flatpeak_direction)side));

	return strncmp(key, name, n) == 0 ? key + n : NULL;
}

static int load_row(void *context, const struct store_row *row)
{
	struct loading *l = context;

	for (int d = 0; d < PRICES_SIDES; d++) {
		struct prices_side *s = &l->p->side[d];
		const char *from = behind(l->p, d, row->key);
		struct cached c;

		if (!from)
			continue;
		if (!strcmp(from, FETCHED)) {
			char account[16] = "", ours[9];

			s->fetched_utc_ms = row->at_ms;
			if (sscanf(row->body, "%3s %47s %15s", s->known.currency, s->known.timezone, account) < 1 ||
			    s->known.currency[0] == '-')
				s->known.currency[0] = '\0';
			if (s->known.timezone[0] == '-')
				s->known.timezone[0] = '\0';
			word_account(l->p, ours);
			l->foreign[d] = account[0] && strcmp(account, ours) != 0;
		} else if (l->n[d] < PRICE_SEGMENTS_MAX && calendar_parse(from, &c.s.from_utc_ms) == 0 && read_body(row->body, &c)) {
			l->row[d][l->n[d]++] = c;
		} else {
			l->bad++;
		}
	}
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct cached *x = a, *y = b;

	return x->s.from_utc_ms < y->s.from_utc_ms ? -1 : x->s.from_utc_ms > y->s.from_utc_ms;
}

static int by_written(const void *a, const void *b)
{
	const struct cached *x = a, *y = b;

	return x->written_ms < y->written_ms ? -1 : x->written_ms > y->written_ms ? 1 : by_time(a, b);
}

static void put_together(struct prices *p, int side, struct cached *rows, int n)
{
	struct prices_side *s = &p->side[side];
	struct price_series *one = &s->writing; /* free at this time */
	int i = 0;

	snprintf(s->known.source, sizeof(s->known.source), "flatpeak");
	qsort(rows, (size_t)n, sizeof(rows[0]), by_time);
	while (i < n && price_push(&s->known, &rows[i].s) == 0)
		i++;
	if (i < n) {
		s->known.n = 0;
		s->store_unsure = true;
		qsort(rows, (size_t)n, sizeof(rows[0]), by_written);
		prices_series_copy(one, &s->known);
		one->n = 1;
		for (i = 0; i < n; i++) {
			one->s[0] = rows[i].s;
			price_merge(&s->known, one, &p->scratch);
			prices_series_copy(&s->known, &p->scratch);
		}
	}
	prices_series_copy(&s->stored, &s->known);
	if (n == 0)
		s->fetched_utc_ms = 0;
}

void prices_cache_load(struct prices *p)
{
	struct loading l = { .p = p };
	struct errbuf err = { "" };
	int r = -ENOMEM;

	for (int d = 0; d < PRICES_SIDES; d++)
		l.row[d] = calloc(PRICE_SEGMENTS_MAX, sizeof(l.row[d][0]));
	if (l.row[0] && l.row[1])
		r = store_load(p->o.store, STORE_PRICE, load_row, &l, &err);
	if (r < 0)
		log_warning("prices", "the prices kept on disk are not used: %s", err.text[0] ? err.text : strerror(-r));
	else if (l.bad)
		log_warning("prices", "%d of the prices kept on disk are unreadable and not used", l.bad);
	for (int d = 0; d < PRICES_SIDES; d++) {
		if (r >= 0)
			put_together(p, d, l.row[d], l.n[d]);
		free(l.row[d]);
		if (!l.foreign[d])
			continue;
		log_info("prices", "the %s prices kept on disk are of another account or api_url: forgotten",
			 flatpeak_direction_name((enum flatpeak_direction)d));
		p->side[d].known.n = 0; /* "stored" still says what has to be deleted */
		p->side[d].fetched_utc_ms = 0;
	}
}

/* Operations gathered for one transaction. Text and numbers lie here until it is submitted. */
struct batch {
	struct prices *p;
	struct prices_side *side;
	const char *name;       /* of the direction */
	const char *location;
	int64_t utc_ms;
	int n;
	struct store_op op[BATCH];
	char body[BATCH][BODY_MAX];
};

static void written(void *context, uint64_t ticket, int status)
{
	const uint32_t serial = (uint32_t)(uintptr_t)context;

	(void)ticket;
	for (struct prices *p = prices_alive(NULL); p; p = prices_alive(p))
		for (int d = 0; d < PRICES_SIDES; d++) {
			struct prices_side *s = &p->side[d];
			int64_t now, utc;

			if (!s->write || s->write != serial)
				continue;
			s->write_failed |= status < 0;
			if (--s->writes_waiting > 0)
				return;
			s->write = 0;
			if (s->write_failed) {
				if (!s->store_unsure)
					log_warning("prices", "prices were not stored: %s", strerror(status < 0 ? -status : EIO));
				s->store_unsure = true;
			} else {
				prices_series_copy(&s->stored, &s->writing);
				s->store_unsure = false;
			}
			p->o.clock(p->o.context, &now, &utc);
			if (s->dirty && !s->write_failed)
				prices_cache_write(p, d, utc);
			return;
		}
}

static void flush(struct batch *b)
{
	int r;

	if (b->n == 0)
		return;
	r = store_submit(b->p->o.store, b->op, b->n, written, (void *)(uintptr_t)b->side->write, NULL);
	if (r == 0)
		b->side->writes_waiting++;
	else
		b->side->write_failed = true;
	b->n = 0;
}

/* The next free operation; its key ends in @last. */
static struct store_op *next(struct batch *b, enum store_verb verb, const char *last)
{
	struct store_op *op;

	if (b->n == BATCH)
		flush(b);
	op = &b->op[b->n];
	memset(op, 0, sizeof(*op));
	op->verb = verb;
	op->table = STORE_PRICE;
	snprintf(op->key, sizeof(op->key), "%.63s/%s/%.31s", b->location, b->name, last);
	snprintf(op->kind, sizeof(op->kind), "%s", b->name);
	op->body = b->body[b->n];
	b->body[b->n++][0] = '\0';
	return op;
}

static void put(struct batch *b, const struct price_segment *s)
{
	char from[CALENDAR_TEXT_MAX];
	struct store_op *op;

	calendar_format(s->from_utc_ms, from);
	op = next(b, STORE_PUT, from);
	op->at_ms = s->to_utc_ms;
	snprintf(b->body[b->n - 1], BODY_MAX, "%lld %.9g %.3g %lld", (long long)s->to_utc_ms, s->value, s->confidence,
		 (long long)b->utc_ms);
}

/* As far as the disk can tell. */
static bool same(const struct price_segment *a, const struct price_segment *b)
{
	return a->to_utc_ms == b->to_utc_ms && fabs(a->value - b->value) <= 1e-6 && fabs(a->confidence - b->confidence) <= 5e-3;
}

/* What goes is deleted before what comes is put: cut off in between, the disk lacks prices but does not contradict itself. */
static void differences(struct batch *b)
{
	const struct price_series *old = &b->side->stored, *new = &b->side->known;
	char from[CALENDAR_TEXT_MAX];

	for (int i = 0, k = 0; i < old->n; i++) {
		while (k < new->n && new->s[k].from_utc_ms < old->s[i].from_utc_ms)
			k++;
		if (k < new->n && new->s[k].from_utc_ms == old->s[i].from_utc_ms)
			continue;
		calendar_format(old->s[i].from_utc_ms, from);
		next(b, STORE_DELETE, from);
	}
	for (int i = 0, k = 0; i < new->n; i++) {
		while (k < old->n && old->s[k].from_utc_ms < new->s[i].from_utc_ms)
			k++;
		if (!b->side->store_unsure && k < old->n && old->s[k].from_utc_ms == new->s[i].from_utc_ms &&
		    same(&old->s[k], &new->s[i]))
			continue;
		put(b, &new->s[i]);
	}
}

void prices_cache_write(struct prices *p, int side, int64_t utc_ms)
{
	struct prices_side *s = &p->side[side];
	struct batch *b;
	struct store_op *op;
	char account[9];

	s->dirty = s->write != 0;
	if (s->dirty)
		return; /* when those are through */
	b = malloc(sizeof(*b));
	if (!b)
		return; /* the next fetch writes it all */
	b->p = p;
	b->side = s;
	b->name = flatpeak_direction_name((enum flatpeak_direction)side);
	b->location = p->used.location_id;
	b->utc_ms = utc_ms;
	b->n = 0;
	s->write = prices_serial();
	s->writes_waiting = 0;
	s->write_failed = false;
	prices_series_copy(&s->writing, &s->known);
	differences(b);
	op = next(b, s->fetched_utc_ms ? STORE_PUT : STORE_DELETE, FETCHED);
	op->at_ms = s->fetched_utc_ms;
	word_account(p, account);
	snprintf(b->body[b->n - 1], BODY_MAX, "%s %s %s", s->known.currency[0] ? s->known.currency : "-",
		 s->known.timezone[0] ? s->known.timezone : "-", account);
	if (s->fetched_utc_ms) { /* just now, so the clock is trusted */
		op = next(b, STORE_DELETE_OLDER, "old");
		op->at_ms = utc_ms - PRICES_KEEP_MS;
	}
	flush(b);
	free(b);
	if (s->writes_waiting == 0) {
		s->write = 0;
		if (!s->store_unsure)
			log_warning("prices", "prices were not stored: the store is busy");
		s->store_unsure = true;
	}
}

void prices_cache_clear(struct prices *p, int side, int64_t utc_ms)
{
	struct prices_side *s = &p->side[side];

	if (!s->fetched_utc_ms && !s->known.n && !s->stored.n)
		return;
	p->scratch.n = 0;
	if (s->write)
		prices_series_copy(&p->scratch, &s->writing);
	s->known.n = 0;
	s->fetched_utc_ms = 0;
	s->write = 0; /* what is under way counts for nothing any more */
	prices_cache_write(p, side, utc_ms);
	s->write = 0;
	if (p->scratch.n) { /* but will be on disk, too */
		prices_series_copy(&s->stored, &p->scratch);
		prices_cache_write(p, side, utc_ms);
		s->write = 0;
	}
	s->stored.n = 0;
	s->store_unsure = true;
	s->was_fresh = false;
}
