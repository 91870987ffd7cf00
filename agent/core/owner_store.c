/* The stored form of what the owner set: one JSON object, checked on the way in like anything else that was on a disk. */
#include "core/owner.h"

#include "core/calendar.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

cJSON *owner_encode(const struct owner *o)
{
	cJSON *j = cJSON_CreateObject(), *list;

	if (!j)
		return NULL;
	json_add_number(j, "reserve_pct", o->reserve_pct, 3);
	json_add_number(j, "reserve_config_pct", o->reserve_config_pct, 9);
	if (o->reserve_unread)
		cJSON_AddTrueToObject(j, "reserve_unread");
	json_add_time(j, "pause_until", o->pause_until_utc_ms);
	list = cJSON_AddArrayToObject(j, "overrides");
	for (int i = 0; i < o->n_overrides; i++) {
		const struct owner_override *v = &o->override[i];
		cJSON *row = cJSON_CreateObject();

		cJSON_AddStringToObject(row, "device", v->device);
		cJSON_AddStringToObject(row, "mode", override_word(v->mode));
		json_add_number(row, "power_w", v->power_w, 3);
		json_add_time(row, "until", v->until_utc_ms);
		cJSON_AddItemToArray(list, row);
	}
	list = cJSON_AddArrayToObject(j, "evs");
	for (int i = 0; i < o->n_evs; i++) {
		const struct owner_ev *v = &o->ev[i];
		cJSON *row = cJSON_CreateObject();

		cJSON_AddStringToObject(row, "device", v->device);
		cJSON_AddStringToObject(row, "mode", ev_mode_word(v->mode));
		json_add_number(row, "energy_wh", v->energy_wh, 3);
		json_add_number(row, "taken_wh", isnan(v->energy_wh) ? NAN : v->taken_wh, 1);
		json_add_number(row, "soc_pct", v->soc_pct, 3);
		json_add_time(row, "ready_by", v->ready_by_utc_ms);
		cJSON_AddItemToArray(list, row);
	}
	return j;
}

/* 1 present, 0 absent, negative: not a time. */
static int get_time(const cJSON *o, const char *key, int64_t *utc_ms, struct errbuf *err)
{
	char text[64];
	int r = json_get_text(o, key, text, sizeof(text), err);

	if (r > 0 && (calendar_parse(text, utc_ms) < 0 || *utc_ms <= 0))
		return errbuf_set(err, -EINVAL, "%s: '%s' is not a time", key, text);
	return r;
}

static int get_device(const cJSON *row, char out[DEVICE_ID_MAX], struct errbuf *err)
{
	int r = json_get_text(row, "device", out, DEVICE_ID_MAX, err);

	return r == 0 || (r > 0 && !out[0]) ? errbuf_set(err, -EINVAL, "device: missing") : r;
}

/* Ranges are those of the setter, judged just before the end, so that an override that is over still reads back. */
static int override_decode(const cJSON *row, struct owner *o, struct errbuf *err)
{
	struct owner_override v = { .power_w = NAN };
	char word[24] = "";
	int r;

	if ((r = get_device(row, v.device, err)) < 0 || (r = json_get_text(row, "mode", word, sizeof(word), err)) < 0 ||
	    (r = json_get_number(row, "power_w", 0, 1e6, &v.power_w, err)) < 0 || (r = get_time(row, "until", &v.until_utc_ms, err)) < 0)
		return r;
	if (override_parse(word, &v.mode) < 0)
		return errbuf_set(err, -EINVAL, "mode: '%s' is no override", word);
	return owner_override_set(o, &v, v.until_utc_ms - 1, err);
}

/* The mode is what a car is kept off by: it holds without what belongs to it. */
static int ev_decode(const cJSON *row, struct owner *o, struct errbuf *err)
{
	struct owner_ev v = { .energy_wh = NAN, .soc_pct = NAN };
	char word[24] = "";
	int r;

	if ((r = get_device(row, v.device, err)) < 0 || (r = json_get_text(row, "mode", word, sizeof(word), err)) < 0)
		return r;
	if (ev_mode_parse(word, &v.mode) < 0)
		return errbuf_set(err, -EINVAL, "mode: '%s' is no mode of a charger", word);
	if ((r = json_get_number(row, "energy_wh", 0, 500000, &v.energy_wh, err)) >= 0 &&
	    (r = json_get_number(row, "taken_wh", 0, 1e6, &v.taken_wh, err)) >= 0 &&
	    (r = json_get_number(row, "soc_pct", 0, 100, &v.soc_pct, err)) >= 0 && (r = get_time(row, "ready_by", &v.ready_by_utc_ms, err)) >= 0)
		r = owner_ev_set(o, &v, v.ready_by_utc_ms - 1, err);
	if (r >= 0)
		return r;
	v.energy_wh = v.soc_pct = NAN;
	v.taken_wh = 0;
	v.ready_by_utc_ms = 0;
	owner_ev_set(o, &v, 0, NULL);
	return r;
}

/* What could not be read: the first of it in words. */
struct dropped { struct errbuf *err; int n; };

static void drop(struct dropped *d, const char *what, const struct errbuf *why)
{
	if (d->n++ == 0)
		errbuf_set(d->err, -EINVAL, "%s%s", what, why->text);
}

static void list_decode(const cJSON *j, const char *key, int (*decode)(const cJSON *, struct owner *, struct errbuf *),
			struct owner *o, struct dropped *d)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(j, key), *row;
	struct errbuf why = { "" };
	char what[32];
	int n = 0;

	snprintf(what, sizeof(what), "%s: ", key);
	if (!cJSON_IsArray(list)) {
		errbuf_set(&why, -EINVAL, list ? "not a list" : "missing");
		drop(d, what, &why);
		return;
	}
	cJSON_ArrayForEach(row, list) {
		n++;
		snprintf(what, sizeof(what), "%s[%d].", key, n);
		if (decode(row, o, &why) < 0)
			drop(d, what, &why);
	}
}

/* One is always written with what the configuration said then. */
static void reserve_decode(const cJSON *j, struct owner *o, struct dropped *d)
{
	struct errbuf why = { "" };
	const bool whole = cJSON_HasObjectItem(j, "overrides") || cJSON_HasObjectItem(j, "evs");
	const int pct = json_get_number(j, "reserve_pct", 0, 100, &o->reserve_pct, &why);
	int cfg;

	if (pct < 0)
		drop(d, "", &why);
	if ((cfg = json_get_number(j, "reserve_config_pct", 0, 100, &o->reserve_config_pct, &why)) < 0)
		drop(d, "", &why);
	if (json_get_bool(j, "reserve_unread", &o->reserve_unread, &why) < 0)
		drop(d, "", &why);
	if (pct > 0) {
		o->reserve_unread = false;
	} else if (!o->reserve_unread && (pct < 0 || cfg || !whole)) {
		errbuf_set(&why, -EINVAL, "reserve_pct: missing");
		if (pct == 0)
			drop(d, "", &why);
		o->reserve_unread = true;
	}
}

int owner_decode(const cJSON *j, struct owner *out, struct errbuf *err)
{
	struct dropped d = { .err = err };
	struct errbuf why = { "" };

	owner_init(out);
	if (!cJSON_IsObject(j)) {
		out->reserve_unread = true;
		return errbuf_set(err, -EINVAL, "not an object");
	}
	reserve_decode(j, out, &d);
	if (get_time(j, "pause_until", &out->pause_until_utc_ms, &why) < 0) {
		out->pause_until_utc_ms = 0;
		drop(&d, "", &why);
	}
	list_decode(j, "overrides", override_decode, out, &d);
	list_decode(j, "evs", ev_decode, out, &d);
	return d.n ? -EINVAL : 0;
}

int owner_read(const char *text, struct owner *out, struct errbuf *err)
{
	static const char KEY[] = "{\"reserve_pct\":"; /* the first of all that is written; without one the row begins otherwise */
	static const char *const NONE[] = { "{\"pause_until\":", "{\"overrides\":" };
	AUTO_JSON *j = json_parse(text, strlen(text), 65536, 16, err);
	char *end = NULL;
	double pct;

	if (j)
		return owner_decode(j, out, err);
	owner_init(out);
	pct = strncmp(text, KEY, sizeof(KEY) - 1) ? NAN : strtod(text + sizeof(KEY) - 1, &end);
	if (end && *end == ',' && pct >= 0 && pct <= 100) /* a number that is cut off is another one */
		out->reserve_pct = pct;
	else
		out->reserve_unread = strncmp(text, NONE[0], strlen(NONE[0])) != 0 && strncmp(text, NONE[1], strlen(NONE[1])) != 0;
	return -EINVAL;
}
