/* The stored form of what the owner set: one JSON object, checked on the way in like anything else that was on a disk. */
#include "core/owner.h"

#include "core/calendar.h"

#include <errno.h>
#include <math.h>
#include <string.h>

cJSON *owner_encode(const struct owner *o)
{
	cJSON *j = cJSON_CreateObject(), *list;

	if (!j)
		return NULL;
	json_add_number(j, "reserve_pct", o->reserve_pct, 3);
	json_add_number(j, "reserve_config_pct", o->reserve_config_pct, 9);
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

static int ev_decode(const cJSON *row, struct owner *o, struct errbuf *err)
{
	struct owner_ev v = { .energy_wh = NAN, .soc_pct = NAN };
	char word[24] = "";
	int r;

	if ((r = get_device(row, v.device, err)) < 0 || (r = json_get_text(row, "mode", word, sizeof(word), err)) < 0 ||
	    (r = json_get_number(row, "energy_wh", 0, 500000, &v.energy_wh, err)) < 0 ||
	    (r = json_get_number(row, "soc_pct", 0, 100, &v.soc_pct, err)) < 0 ||
	    (r = get_time(row, "ready_by", &v.ready_by_utc_ms, err)) < 0)
		return r;
	if (ev_mode_parse(word, &v.mode) < 0)
		return errbuf_set(err, -EINVAL, "mode: '%s' is no mode of a charger", word);
	return owner_ev_set(o, &v, v.ready_by_utc_ms - 1, err);
}

static int list_decode(const cJSON *j, const char *key, int (*decode)(const cJSON *, struct owner *, struct errbuf *),
		       struct owner *o, struct errbuf *err)
{
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(j, key), *row;

	if (!list)
		return 0;
	if (!cJSON_IsArray(list))
		return errbuf_set(err, -EINVAL, "%s: not a list", key);
	cJSON_ArrayForEach(row, list) {
		int r = decode(row, o, err);

		if (r < 0)
			return r;
	}
	return 0;
}

int owner_decode(const cJSON *j, struct owner *out, struct errbuf *err)
{
	struct owner o;
	int r;

	owner_init(&o);
	if (!cJSON_IsObject(j))
		return errbuf_set(err, -EINVAL, "owner: not an object");
	if ((r = json_get_number(j, "reserve_pct", 0, 100, &o.reserve_pct, err)) < 0 ||
	    (r = json_get_number(j, "reserve_config_pct", 0, 100, &o.reserve_config_pct, err)) < 0 ||
	    (r = get_time(j, "pause_until", &o.pause_until_utc_ms, err)) < 0 ||
	    (r = list_decode(j, "overrides", override_decode, &o, err)) < 0 || (r = list_decode(j, "evs", ev_decode, &o, err)) < 0)
		return r;
	*out = o;
	return 0;
}
