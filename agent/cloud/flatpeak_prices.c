/* FlatPeak's prices of three generations as one series. Only what makes sense gets in: an element with a bad time or value
 * is left out and counted, so that one slip of theirs does not cost a day of prices. */
#include "cloud/flatpeak.h"

#include "core/calendar.h"
#include "core/json.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* 2000-01-01 .. 2200-01-01: "for ever" is written as years 0001 and 9999 elsewhere in this API. */
#define TIME_MIN_MS 946684800000LL
#define TIME_MAX_MS 7258118400000LL

/* "2026-03-01T08:00:00Z" and what comes close: no zone (then UTC), "+0100", no seconds. */
static int parse_time(const char *text, int64_t *utc_ms)
{
	const size_t minutes = strlen("2026-03-01T08:00"), n = strlen(text);
	char copy[64];
	size_t k;

	if (calendar_parse(text, utc_ms) == 0)
		return 0;
	if (n < minutes || n > 40)
		return -EINVAL;
	k = (size_t)snprintf(copy, sizeof(copy), "%.16s%s%s", text, text[minutes] == ':' ? "" : ":00", text + minutes);
	if (!strpbrk(copy + minutes, "Zz+-"))
		snprintf(copy + k, sizeof(copy) - k, "Z");
	else if (k > 5 && strchr("+-", copy[k - 5]))
		snprintf(copy + k - 2, sizeof(copy) - k + 2, ":%.2s", text + n - 2);
	return calendar_parse(copy, utc_ms);
}

/* false: absent or not understood */
static bool get_time(const cJSON *o, const char *key, int64_t *utc_ms)
{
	const cJSON *m = cJSON_GetObjectItemCaseSensitive(o, key);
	int64_t t;

	if (!cJSON_IsString(m) || !m->valuestring || parse_time(m->valuestring, &t) < 0)
		return false;
	*utc_ms = t < TIME_MIN_MS ? TIME_MIN_MS : t > TIME_MAX_MS ? TIME_MAX_MS : t;
	return true;
}

static void drop(struct flatpeak_prices *p, int index, const char *why)
{
	if (p->dropped++ == 0)
		snprintf(p->first_dropped, sizeof(p->first_dropped), "element %d: %s", index, why);
}

/* NULL, or what is wrong with it. */
static const char *get_element(const cJSON *e, struct price_segment *out)
{
	static const char *const WHERE[][2] = { { "price", "value" }, { "tariff", "rate" }, { "tariff", "cost" } };
	const cJSON *group = NULL, *value = NULL, *confidence;

	if (!cJSON_IsObject(e))
		return "not an object";
	if (!get_time(e, "valid_from", &out->from_utc_ms) || !get_time(e, "valid_to", &out->to_utc_ms))
		return "valid_from or valid_to is not a time";
	if (out->to_utc_ms <= out->from_utc_ms)
		return "ends before it begins";
	for (size_t i = 0; !cJSON_IsNumber(value) && i < sizeof(WHERE) / sizeof(WHERE[0]); i++) {
		group = cJSON_GetObjectItemCaseSensitive(e, WHERE[i][0]);
		value = cJSON_GetObjectItemCaseSensitive(group, WHERE[i][1]);
	}
	if (!cJSON_IsNumber(value))
		return "no price";
	out->value = value->valuedouble;
	if (!(fabs(out->value) <= PRICE_ABS_MAX)) /* so that NaN fails too */
		return "a price above 1000 per kWh";
	confidence = cJSON_GetObjectItemCaseSensitive(group, "confidence");
	out->confidence = cJSON_IsNumber(confidence) ? confidence->valuedouble : 1.;
	out->confidence = !(out->confidence > 0.) ? 0. : out->confidence > 1. ? 1. : out->confidence;
	return NULL;
}

/* Puts it at its place by time; nearly always that is the end. Joining would hide where the supplier's periods are, so it is
 * left to those who store. */
static const char *insert(struct flatpeak_prices *p, const struct price_segment *s)
{
	struct price_series *o = &p->series;
	int low = 0, high = o->n;

	while (low < high) {
		const int mid = (low + high) / 2;

		if (o->s[mid].from_utc_ms <= s->from_utc_ms)
			low = mid + 1;
		else
			high = mid;
	}
	if ((low > 0 && o->s[low - 1].to_utc_ms > s->from_utc_ms) || (low < o->n && o->s[low].from_utc_ms < s->to_utc_ms))
		return "overlaps an earlier element";
	if (low == PRICE_SEGMENTS_MAX) {
		p->beyond++;
		return NULL;
	}
	if (o->n == PRICE_SEGMENTS_MAX) {
		o->n--; /* the latest one gives way */
		p->beyond++;
	}
	memmove(&o->s[low + 1], &o->s[low], sizeof(o->s[0]) * (size_t)(o->n - low));
	o->s[low] = *s;
	o->n++;
	return NULL;
}

/* A text that is of no use when it does not fit or is not there. */
static void get_text(const cJSON *o, const char *key, char *out, size_t size)
{
	if (json_get_text(o, key, out, size, NULL) <= 0)
		out[0] = '\0';
}

static void get_head(const cJSON *o, struct flatpeak_prices *out)
{
	char direction[16];

	snprintf(out->series.source, sizeof(out->series.source), "flatpeak");
	get_text(o, "currency_code", out->series.currency, sizeof(out->series.currency));
	get_text(o, "location_timezone", out->series.timezone, sizeof(out->series.timezone));
	get_text(o, "location_id", out->location_id, sizeof(out->location_id));
	(void)get_time(o, "next_update", &out->next_update_utc_ms);
	(void)get_time(o, "last_updated", &out->last_updated_utc_ms);
	get_text(o, "tariff_direction", direction, sizeof(direction));
	if (!direction[0])
		get_text(o, "direction", direction, sizeof(direction));
	out->direction = !strcmp(direction, "IMPORT")   ? FLATPEAK_IMPORT
			 : !strcmp(direction, "EXPORT") ? FLATPEAK_EXPORT
							: -1;
}

int flatpeak_prices_decode(const char *text, size_t len, struct flatpeak_prices *out, struct flatpeak_error *fault,
			   struct errbuf *err)
{
	AUTO_JSON *o = json_parse(text, len, FLATPEAK_BODY_MAX, FLATPEAK_DEPTH_MAX, err);
	const cJSON *object, *data, *e;
	bool failed;
	int index = 0;

	memset(out, 0, sizeof(*out));
	memset(fault, 0, sizeof(*fault));
	if (!o)
		return len > FLATPEAK_BODY_MAX ? -E2BIG : -EINVAL;
	object = cJSON_GetObjectItemCaseSensitive(o, "object");
	data = cJSON_GetObjectItemCaseSensitive(o, "data");
	failed = cJSON_IsString(object) && object->valuestring && !strcmp(object->valuestring, "error");
	if ((failed || !cJSON_IsArray(data)) && flatpeak_error_get(o, fault))
		return flatpeak_error_set(err, fault);
	if (!cJSON_IsObject(o) || !cJSON_IsArray(data))
		return errbuf_set(err, -EINVAL, "prices: no array \"data\"");
	get_head(o, out);
	cJSON_ArrayForEach(e, data)
	{
		struct price_segment s;
		const char *wrong = get_element(e, &s);

		if (!wrong)
			wrong = insert(out, &s);
		if (wrong)
			drop(out, index, wrong);
		index++;
	}
	return 0;
}
