/* The verb why: what every device is told now and why, and what changed before, from the diary. */
#include "core/calendar.h"
#include "core/encode.h"
#include "flow/hub.h"
#include "flow/local/request.h"
#include "flow/local/verbs.h"
#include "io/loop.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROWS_DEFAULT 50
#define ANSWER_MAX (60 * 1024) /* of 64 KiB */

struct why {
	struct request *rq;
	cJSON *now;
};

/* An instant, or how long ago: "2026-01-15T12:00:00Z", "2h". 0 or -EINVAL. */
static int get_instant(const cJSON *args, const char *key, int64_t *utc_ms, struct errbuf *err)
{
	char text[CALENDAR_TEXT_MAX] = "";
	int64_t seconds;
	int r = json_get_text(args, key, text, sizeof(text), err);

	if (r <= 0 || calendar_parse(text, utc_ms) == 0)
		return r;
	if (calendar_parse_duration(text, &seconds) < 0)
		return errbuf_set(err, -EINVAL, "%s: '%s' is neither a time (2026-01-15T12:00:00Z) nor a duration (2h)", key, text);
	*utc_ms = loop_utc_ms() - seconds * 1000;
	return 0;
}

static int get_query(const cJSON *args, struct diary_query *q, struct errbuf *err)
{
	int64_t limit = ROWS_DEFAULT;
	int r;

	if ((r = json_get_text(args, "device", q->device, sizeof(q->device), err)) < 0 ||
	    (r = get_instant(args, "since", &q->since_utc_ms, err)) < 0 || (r = get_instant(args, "until", &q->until_utc_ms, err)) < 0 ||
	    (r = json_get_int(args, "limit", 0, DIARY_LIMIT_MAX, &limit, err)) < 0)
		return r;
	q->limit = (int)limit;
	return 0;
}

/* For how long: that is known also while nobody knows what time it is. */
static double age_s(const struct diary *y, int i)
{
	const int64_t age_ms = diary_age_ms(y, i);

	return age_ms < 0 ? NAN : (double)(age_ms / 1000);
}

/* The site as in R/site, and the devices asked for. NULL: there is no such device. */
static cJSON *encode_now(struct hub *h, const char *id)
{
	const struct snapshot *s = tick_snapshot(h->tick);
	const struct decisions *d = tick_decisions(h->tick);
	struct site_sums sums;
	cJSON *o, *list;

	site_load_sums(&h->publish.load, s, &sums);
	o = encode_site(s, d, &sums);
	list = cJSON_AddArrayToObject(o, "devices");
	for (int i = 0; i < d->n; i++) {
		cJSON *one;

		if (id[0] ? strcmp(id, s->dev[i].id) != 0 : !(s->dev[i].roles & (ROLE_BATTERY | ROLE_CHARGER | ROLE_PV)))
			continue;
		one = encode_decision(&s->dev[i], &d->d[i]);
		json_add_time(one, "since", diary_since_utc_ms(h->diary, i));
		json_add_number(one, "since_s", age_s(h->diary, i), 0);
		cJSON_AddItemToArray(list, one);
	}
	if (!id[0] || cJSON_GetArraySize(list) > 0)
		return o;
	cJSON_Delete(o);
	return NULL;
}

static void answer(struct why *w, cJSON *rows, bool truncated, int status)
{
	cJSON *o = w->now;

	cJSON_AddItemToObject(o, "history", rows);
	cJSON_AddBoolToObject(o, "truncated", truncated);
	if (status < 0)
		cJSON_AddStringToObject(o, "history_error", strerror(-status));
	request_ok(w->rq, o);
	free(w);
}

static void on_rows(void *context, cJSON *rows, bool truncated, int status)
{
	answer(context, rows, truncated, status);
}

/* What the present leaves of an answer. */
static size_t history_room(const cJSON *now)
{
	AUTO_TEXT *text = cJSON_PrintUnformatted(now);
	size_t n = text ? strlen(text) : 0;

	return n < ANSWER_MAX ? ANSWER_MAX - n : 0;
}

void verb_why(struct request *rq)
{
	struct diary_query q = { .limit = ROWS_DEFAULT };
	struct errbuf err = { "" };
	struct why *w;
	int r;

	if (get_query(rq->args, &q, &err) < 0) {
		request_error(rq, "bad_request", "%s", err.text);
		return;
	}
	w = calloc(1, sizeof(*w));
	if (!w) {
		request_error(rq, "busy", "no memory");
		return;
	}
	*w = (struct why){ rq, encode_now(rq->hub, q.device) };
	if (!w->now) {
		request_error(rq, "not_found", "there is no device '%s'", q.device);
		free(w);
		return;
	}
	if (q.limit == 0) {
		answer(w, cJSON_CreateArray(), false, 0);
		return;
	}
	q.text_max = history_room(w->now);
	r = diary_read(rq->hub->diary, &q, on_rows, w);
	if (r < 0)
		answer(w, cJSON_CreateArray(), false, r);
}
