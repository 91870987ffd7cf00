/* A limit as text: the message that brings it, and the stored form, checked like anything else that was on a disk. */
#include "core/limit_input.h"

#include "core/calendar.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static const char *const KEYS[LIMIT_SIDES] = { [LIMIT_IMPORT] = "import_w", [LIMIT_EXPORT] = "export_w" };
static const char *const NAMES[LIMIT_SIDES] = { [LIMIT_IMPORT] = "import", [LIMIT_EXPORT] = "export" };

/* 1 present, 0 absent or null, negative: not a time. */
static int get_time(const cJSON *o, const char *key, int64_t *utc_ms, struct errbuf *err)
{
	char text[64];
	int r = json_get_text(o, key, text, sizeof(text), err);

	if (r > 0 && (calendar_parse(text, utc_ms) < 0 || *utc_ms <= 0))
		return errbuf_set(err, -EINVAL, "%s: '%s' is not a time such as 2026-01-15T18:00:00Z", key, text);
	return r;
}

static int check_keys(const cJSON *o, const char *const *known, const char *say, struct errbuf *err)
{
	const cJSON *item;
	unsigned seen = 0;

	cJSON_ArrayForEach(item, o) {
		size_t i = 0;

		while (known[i] && strcmp(item->string, known[i]) != 0)
			i++;
		if (!known[i])
			return errbuf_set(err, -EINVAL, "'%.40s' is not known%s", item->string, say);
		if (seen & 1u << i)
			return errbuf_set(err, -EINVAL, "%s stands there twice", known[i]);
		seen |= 1u << i;
	}
	return 0;
}

int limit_message_parse(const cJSON *args, struct limit_message *out, struct errbuf *err)
{
	static const char *const KNOWN[] = { "import_w", "export_w", "until", "duration_s", "transaction", NULL };
	struct limit_message m = { .w = { NAN, NAN } };
	int64_t seconds = 0;
	bool number = false;
	int r, d;

	if (!cJSON_IsObject(args))
		return errbuf_set(err, -EINVAL, "not an object");
	if ((r = check_keys(args, KNOWN, ": say import_w, export_w, until or duration_s", err)) < 0)
		return r;
	for (int i = 0; i < LIMIT_SIDES; i++) {
		if ((r = json_get_number(args, KEYS[i], 0, LIMIT_INPUT_MAX_W, &m.w[i], err)) < 0)
			return r;
		m.states[i] = cJSON_HasObjectItem(args, KEYS[i]);
		number |= r == 1;
	}
	if ((r = get_time(args, "until", &m.until_utc_ms, err)) < 0)
		return r;
	if ((d = json_get_int(args, "duration_s", 1, LIMIT_INPUT_MAX_S, &seconds, err)) < 0)
		return d;
	if (r && d)
		return errbuf_set(err, -EINVAL, "say either until or duration_s");
	if ((r || d) && !number && (m.states[LIMIT_IMPORT] || m.states[LIMIT_EXPORT]))
		return errbuf_set(err, -EINVAL, "null has no end: leave %s away", r ? "until" : "duration_s");
	if ((r || d) && !number)
		return errbuf_set(err, -EINVAL, "%s goes with a limit: say import_w or export_w too", r ? "until" : "duration_s");
	m.duration_ms = seconds * 1000;
	*out = m;
	return 0;
}

cJSON *limit_input_encode(const struct limit_input *in, int64_t now_ms)
{
	cJSON *j = cJSON_CreateObject();

	if (!j)
		return NULL;
	cJSON_AddStringToObject(j, "source", in->source);
	for (int i = 0; i < LIMIT_SIDES; i++) {
		const struct limit_side *s = &in->side[i];
		const struct limit_demand *d = &s->demand;
		cJSON *o;

		if (!d->stated && !s->unread)
			continue;
		o = cJSON_AddObjectToObject(j, NAMES[i]);
		json_add_number(o, "w", d->w, 3);
		json_add_time(o, "until", d->until_utc_ms ? d->until_utc_ms + s->ahead_ms : 0);
		if (d->unproven) /* nobody can tell how long it was off: then it begins anew */
			json_add_number(o, "left_ms", fmax(0, (double)(d->until_ms + s->ahead_ms - now_ms)), 0);
		if (strcmp(s->source, in->source) != 0)
			cJSON_AddStringToObject(o, "source", s->source);
		if (s->unread)
			cJSON_AddTrueToObject(o, "unread");
	}
	return j;
}

static int side_decode(const cJSON *o, int64_t now_ms, struct limit_side *out, struct errbuf *err)
{
	static const char *const KNOWN[] = { "w", "until", "left_ms", "source", "unread", NULL };
	struct limit_side s = *out;
	struct limit_demand d = { .w = NAN };
	int64_t left_ms = 0;
	int w, until, left, r;

	if (!cJSON_IsObject(o))
		return errbuf_set(err, -EINVAL, "not an object");
	if ((r = check_keys(o, KNOWN, "", err)) < 0)
		return r;
	if ((w = json_get_number(o, "w", 0, LIMIT_INPUT_MAX_W, &d.w, err)) < 0)
		return w;
	if ((until = get_time(o, "until", &d.until_utc_ms, err)) < 0)
		return until;
	if ((left = json_get_int(o, "left_ms", 0, LIMIT_INPUT_MAX_S * 1000 + LIMIT_INPUT_AHEAD_MS, &left_ms, err)) < 0)
		return left;
	if ((r = json_get_text(o, "source", s.source, sizeof(s.source), err)) < 0 || (r = json_get_bool(o, "unread", &s.unread, err)) < 0)
		return r;
	if ((until && !w) || (left && !until))
		return errbuf_set(err, -EINVAL, "an end without a limit");
	if (left) {
		d.by_duration = d.unproven = true;
		d.until_ms = now_ms + left_ms;
	}
	d.stated = w || !s.unread;
	s.demand = d;
	*out = s;
	return 0;
}

/* The sides, and who spoke; @broken: what is wrong makes a side unread instead of ending it. */
static int decode(const cJSON *j, int64_t now_ms, struct limit_input *in, bool broken, struct errbuf *err)
{
	static const char *const KNOWN[] = { "source", "import", "export", NULL };
	int r = cJSON_IsObject(j) ? check_keys(j, KNOWN, "", err) : errbuf_set(err, -EINVAL, "not an object");
	bool lost;

	if (r == 0 && !j->child) /* who spoke is always written */
		r = errbuf_set(err, -EINVAL, "there is nothing in it");
	lost = r < 0;
	if (r < 0 && !broken)
		return r;
	if ((r = json_get_text(j, "source", in->source, sizeof(in->source), err)) < 0 && !broken)
		return r;
	for (int i = 0; i < LIMIT_SIDES; i++) {
		const cJSON *o = cJSON_GetObjectItemCaseSensitive(j, NAMES[i]);
		struct limit_side *s = &in->side[i];

		s->unsure = true;
		s->unread = !o && lost;
		if (!o)
			continue;
		memcpy(s->source, in->source, sizeof(s->source));
		if ((r = side_decode(o, now_ms, s, err)) == 0)
			continue;
		if (!broken)
			return r;
		s->unread = true;
		s->demand.stated = json_get_number(o, "w", 0, LIMIT_INPUT_MAX_W, &s->demand.w, NULL) == 1;
	}
	return 0;
}

int limit_input_decode(const cJSON *j, int64_t now_ms, struct limit_input *out, struct errbuf *err)
{
	struct limit_input in;
	int r;

	limit_input_init(&in);
	if ((r = decode(j, now_ms, &in, false, err)) < 0)
		return r;
	*out = in;
	return 0;
}

void limit_input_salvage(const cJSON *j, int64_t now_ms, struct limit_input *out)
{
	limit_input_init(out);
	decode(j, now_ms, out, true, NULL);
}

bool limit_input_doubt(struct limit_input *in)
{
	bool any = false;

	for (int i = 0; i < LIMIT_SIDES; i++) {
		in->side[i].unread |= in->side[i].demand.stated;
		any |= in->side[i].unread;
	}
	return any;
}
