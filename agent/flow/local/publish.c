/* See publish.h. */
#include "flow/local/publish.h"

#include "core/calendar.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SITE_MS 60000
#define WORDS_MS 5000
#define NUMBERS_MS 30000
#define DECISION_BAND_W 50.0
#define SWEEP_MS 3000
#define SITE_BAND_W 5.0
#define SITE_BAND_PCT 0.1

static uint64_t hash_text(const char *text)
{
	uint64_t h = 14695981039346656037u;

	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 1099511628211u;
	return h;
}

/* The sentence without its numbers. */
static uint64_t hash_words(const char *text)
{
	uint64_t h = 14695981039346656037u;

	for (; *text; text++)
		if (!strchr("0123456789.-", *text))
			h = (h ^ (unsigned char)*text) * 1099511628211u;
	return h;
}

void publish_init(struct publish *p, struct mqtt *mqtt, const struct topic_root *root, bool scalars)
{
	memset(p, 0, sizeof(*p));
	p->mqtt = mqtt;
	p->root = root;
	p->scalars = scalars;
}

void publish_deinit(struct publish *p)
{
	p->mqtt = NULL;
}

/* Adds "at" and sends; the tree stays as it was. */
static int send_json(struct publish *p, const char *below, const cJSON *o, int64_t utc_ms)
{
	char topic[MQTT_TOPIC_MAX];
	AUTO_JSON *dated = cJSON_CreateObject();
	AUTO_TEXT *text = NULL;
	const cJSON *member;

	json_add_time(dated, "at", utc_ms);
	cJSON_ArrayForEach(member, o)
		cJSON_AddItemReferenceToObject(dated, member->string, (cJSON *)member);
	text = cJSON_PrintUnformatted(dated);
	if (!text)
		return -1;
	return mqtt_publish(p->mqtt, topic_make(p->root, topic, sizeof(topic), "%s", below), text, strlen(text), 0, true, NULL);
}

static bool moved(double last, double now, double band)
{
	if (isnan(last) || isnan(now))
		return isnan(last) != isnan(now);
	return fabs(last - now) >= band;
}

static double number_of(const struct value *v)
{
	return value_usable(v) ? v->v : NAN;
}

/* Words rather than numbers: any change of them is told. The identity comes once, with discovery. */
static uint32_t device_marks(const struct device_state *d)
{
	return (uint32_t)d->availability | (uint32_t)d->verdict << 4 | (uint32_t)d->caps.guarded_by << 8 |
	       (uint32_t)(d->identity.model[0] != 0) << 12 | (uint32_t)(d->identity.serial[0] != 0) << 13 |
	       (d->kinds & 31) << 14 | (uint32_t)d->ac_power_w.q << 20;
}

static bool device_changed(const struct publish_device *k, const struct snap_device *d, uint32_t marks)
{
	if (!k->known || k->marks != marks || strcmp(k->note, d->state.note) != 0 ||
	    moved(k->ac_power_w, number_of(&d->state.ac_power_w), SITE_BAND_W))
		return true;
	for (int f = 0; f < F_COUNT; f++)
		if (moved(k->last[f], number_of(&d->state.f[f]), field_info((enum field)f)->dead_band))
			return true;
	return false;
}

/* R/device/<id>/<kind>/<field> of one value; unknown clears the topic. */
static void publish_scalar(struct publish *p, const struct snap_device *d, enum field f)
{
	const struct field_info *info = field_info(f);
	const struct value *v = &d->state.f[f];
	const char *word = value_usable(v) ? field_word(f, (int)v->v) : NULL;
	char topic[MQTT_TOPIC_MAX], text[40] = "";

	topic_make(p->root, topic, sizeof(topic), "device/%s/%s/%s", d->id, kind_name(info->kind), info->name);
	if (word)
		snprintf(text, sizeof(text), "%s", word);
	else if (value_usable(v))
		snprintf(text, sizeof(text), "%.*f", info->decimals, v->v);
	mqtt_publish(p->mqtt, topic, text[0] ? text : NULL, strlen(text), 0, true, NULL);
}

void publish_device(struct publish *p, int i, const struct snapshot *s)
{
	const struct snap_device *d = &s->dev[i];
	struct publish_device *k = &p->device[i];
	uint32_t marks = device_marks(&d->state);
	char topic[MQTT_TOPIC_MAX], text[ENCODE_DEVICE_MAX];
	const char *available = d->state.availability == AVAIL_ONLINE ? "online" : "offline";
	bool first = !k->known || strcmp(k->id, d->id) != 0;
	size_t n;

	if (i >= p->n_devices)
		p->n_devices = i + 1;
	if (!device_changed(k, d, marks) && !first)
		return;
	if (first || (k->marks ^ marks) & 15) {
		topic_make(p->root, topic, sizeof(topic), "device/%s/availability", d->id);
		if (mqtt_publish(p->mqtt, topic, available, strlen(available), 0, true, NULL) < 0)
			return; /* tried again with the next tick */
	}
	n = encode_device_text(d, s->utc_ms, text, sizeof(text));
	topic_make(p->root, topic, sizeof(topic), "device/%s", d->id);
	memcpy(k->id, d->id, sizeof(k->id));
	if (n == 0 || mqtt_publish(p->mqtt, topic, text, n, 0, true, NULL) < 0)
		return;
	for (int f = 0; f < F_COUNT; f++) {
		const struct field_info *info = field_info((enum field)f);
		double now = number_of(&d->state.f[f]);
		bool news = first || moved(k->last[f], now, info->dead_band);

		if (p->scalars && news && (d->state.kinds & (uint32_t)info->kind))
			publish_scalar(p, d, (enum field)f);
		if (!p->scalars || news) /* else a slow drift would never reach the scalar's topic */
			k->last[f] = now;
	}
	k->ac_power_w = number_of(&d->state.ac_power_w);
	k->marks = marks;
	memcpy(k->note, d->state.note, sizeof(k->note));
	k->known = true;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	return (h ^ v) * 1099511628211u;
}

/* What must be told at once: whose order, and which kind. Power is compared apart, by a dead band. */
static uint64_t orders_hash(const struct decisions *d)
{
	uint64_t h = d->limit_unreachable_w > 0;

	for (int i = 0; i < d->n; i++)
		h = mix(mix(mix(h, (uint64_t)d->d[i].order.kind), (uint64_t)d->d[i].rank), (uint64_t)d->d[i].order.phases);
	return h;
}

/* What may wait a few seconds, so that two policies at the edge of a limit do not fill the broker's log. */
static uint64_t words_hash(const struct snapshot *s, const struct decisions *d)
{
	uint64_t h = 0;

	for (int i = 0; i < d->n; i++) {
		const struct decision *k = &d->d[i];

		h = mix(mix(mix(h, k->limited_by), (uint64_t)k->code), hash_words(k->why));
		h = mix(mix(h, (uint64_t)k->until_utc_ms), isnan(s->dev[i].applied_w) ? 1u : 0u);
	}
	return h;
}

/* Numbers in sentences and bands move with every reading: they are told now and then. */
static uint64_t numbers_hash(const struct snapshot *s, const struct decisions *d)
{
	uint64_t h = 0;

	for (int i = 0; i < d->n; i++) {
		const struct decision *k = &d->d[i];

		h = mix(mix(mix(h, hash_text(k->why)), (uint64_t)(int64_t)k->order.w), (uint64_t)k->patience);
		h = mix(h, isnan(s->dev[i].applied_w) ? 0 : (uint64_t)(int64_t)s->dev[i].applied_w);
	}
	return h;
}

static bool powers_moved(const struct publish *p, const struct decisions *d)
{
	for (int i = 0; i < d->n; i++)
		if (moved(p->decision_w[i], d->d[i].order.w, DECISION_BAND_W))
			return true;
	return false;
}

void publish_decisions(struct publish *p, const struct snapshot *s, const struct decisions *d)
{
	uint64_t orders = orders_hash(d), words = words_hash(s, d), numbers = numbers_hash(s, d);
	int64_t age_ms = s->now_ms - p->decision_ms;
	AUTO_JSON *o = NULL;

	if (p->decision_told && orders == p->decision_orders && !powers_moved(p, d) &&
	    (words == p->decision_words || age_ms < WORDS_MS) && (numbers == p->decision_numbers || age_ms < NUMBERS_MS))
		return;
	o = encode_decisions(s, d);
	if (send_json(p, "decision", o, s->utc_ms) < 0)
		return;
	p->decision_told = true;
	p->decision_orders = orders;
	p->decision_words = words;
	p->decision_numbers = numbers;
	p->decision_ms = s->now_ms;
	for (int i = 0; i < d->n; i++)
		p->decision_w[i] = d->d[i].order.w;
}

static bool sums_moved(const struct site_sums *a, const struct site_sums *b)
{
	return moved(a->grid_w, b->grid_w, SITE_BAND_W) || moved(a->load_w, b->load_w, SITE_BAND_W) ||
	       moved(a->pv_w, b->pv_w, SITE_BAND_W) || moved(a->battery_w, b->battery_w, SITE_BAND_W) ||
	       moved(a->ev_w, b->ev_w, SITE_BAND_W) || moved(a->soc_pct, b->soc_pct, SITE_BAND_PCT);
}

/* For a few seconds we listen to the retained topics of devices, to clear those nobody owns any more. Not longer: our own
 * publishes come back too. */
static void sweep(struct publish *p, int64_t now_ms)
{
	char topic[MQTT_TOPIC_MAX];

	topic_make(p->root, topic, sizeof(topic), "device/#");
	if (p->sweep == SWEEP_WANTED && mqtt_subscribe(p->mqtt, topic, 0) == 0) {
		p->sweep = SWEEP_RUNNING;
		p->sweep_until_ms = now_ms + SWEEP_MS;
	} else if (p->sweep == SWEEP_RUNNING && now_ms >= p->sweep_until_ms) {
		mqtt_unsubscribe(p->mqtt, topic);
		p->sweep = SWEEP_NONE;
	}
}

/* Doubts are named at once; their numbers come along with the next. */
static uint64_t site_hash(const struct snapshot *s, const struct decisions *d)
{
	uint64_t h = mix(mix(hash_text(d->floor_source), (uint64_t)d->mode), d->limit_unreachable_w > 0);

	h = mix(h, encode_not_kept(s));
	for (int i = 0; i < d->n_doubts; i++)
		h = mix(h, (uint64_t)d->doubts[i].kind << 8 ^ (uint64_t)(d->doubts[i].device + 1));
	return mix(h, isnan(d->floor_pct) ? 0 : (uint64_t)(int64_t)(d->floor_pct * 10));
}

void publish_site(struct publish *p, const struct snapshot *s, const struct decisions *d)
{
	uint64_t hash = site_hash(s, d), words = mix(mix(hash_words(d->why), d->limited_by), (uint64_t)d->code);
	int64_t age_ms = s->now_ms - p->site_ms;
	struct site_sums sums;
	AUTO_JSON *o = NULL;

	sweep(p, s->now_ms);
	site_sums(s, &sums);
	site_load_step(&p->load, s, &sums);
	site_load_sums(&p->load, s, &sums);
	if (p->site_ms && hash == p->site_hash && !sums_moved(&p->sums, &sums) && (words == p->site_words || age_ms < WORDS_MS) &&
	    age_ms < SITE_MS - 1500)
		return;
	o = encode_site(s, d, &sums);
	if (send_json(p, "site", o, s->utc_ms) < 0)
		return;
	p->site_ms = s->now_ms;
	p->site_hash = hash;
	p->site_words = words;
	p->sums = sums;
}

/* The object @text with "at" before its members. NULL: no memory. */
static char *dated(const char *text, int64_t utc_ms)
{
	char at[CALENDAR_TEXT_MAX];
	size_t size = strlen(text) + sizeof(at) + 16;
	char *out = malloc(size);

	if (!out)
		return NULL;
	if (!utc_ms)
		return strcpy(out, text);
	calendar_format(utc_ms, at);
	snprintf(out, size, "{\"at\":\"%s\"%s%s", at, text[1] == '}' ? "" : ",", text + 1);
	return out;
}

void publish_raw(struct publish *p, const char *below, const char *json_object, int64_t utc_ms)
{
	char topic[MQTT_TOPIC_MAX];
	char *sent = NULL;
	uint64_t name = hash_text(below), payload = json_object ? hash_text(json_object) : 1;
	int i, rc;

	for (i = 0; i < p->n_texts && p->text[i].topic != name; i++)
		;
	if (i < p->n_texts && p->text[i].payload == payload)
		return;
	if (json_object) {
		sent = dated(json_object, utc_ms);
		if (!sent)
			return;
	}
	topic_make(p->root, topic, sizeof(topic), "%s", below);
	rc = mqtt_publish(p->mqtt, topic, sent, sent ? strlen(sent) : 0, 0, true, NULL);
	free(sent);
	if (rc < 0)
		return;
	if (i == PUBLISH_TOPICS_MAX)
		return; /* more topics than we can remember are sent every time rather than not at all */
	p->text[i].topic = name;
	p->text[i].payload = payload;
	if (i == p->n_texts)
		p->n_texts++;
}

void publish_text(struct publish *p, const char *below, const cJSON *o, int64_t utc_ms)
{
	AUTO_TEXT *text = o ? cJSON_PrintUnformatted(o) : NULL;

	if (o && !text)
		return; /* no memory: nothing is cleared for it */
	publish_raw(p, below, text, utc_ms);
}

void publish_leave(struct publish *p)
{
	static const char *const TOPICS[] = { "site", "decision", "agent", "plan", "outbox", "vpp", "tariff/import", "tariff/export", "limit", "demand", "forecast" };
	char topic[MQTT_TOPIC_MAX];

	for (size_t i = 0; i < sizeof(TOPICS) / sizeof(TOPICS[0]); i++)
		mqtt_publish(p->mqtt, topic_make(p->root, topic, sizeof(topic), "%s", TOPICS[i]), NULL, 0, 0, true, NULL);
	for (int i = 0; i < p->n_devices; i++) {
		mqtt_publish(p->mqtt, topic_make(p->root, topic, sizeof(topic), "device/%s", p->device[i].id), NULL, 0, 0, true, NULL);
		topic_make(p->root, topic, sizeof(topic), "device/%s/availability", p->device[i].id);
		mqtt_publish(p->mqtt, topic, NULL, 0, 0, true, NULL);
	}
}

void publish_all_again(struct publish *p)
{
	memset(p->device, 0, sizeof(p->device));
	p->n_texts = p->n_devices = 0;
	p->site_ms = 0;
	p->decision_told = false;
	p->sweep = SWEEP_WANTED;
}

/* What lies below the topic of a device that is known: its availability, or a scalar that is still published. */
static bool part_known(const struct publish *p, const struct publish_device *k, const char *part)
{
	char name[64];
	size_t n = strcspn(part, "/");
	enum field f;

	if (!strcmp(part, "availability"))
		return true;
	snprintf(name, sizeof(name), "%.*s.%s", (int)n, part, part[n] ? part + n + 1 : "");
	f = field_by_name(name);
	return p->scalars && f != F_COUNT && !isnan(k->last[f]);
}

void publish_message(struct publish *p, const struct mqtt_message *m)
{
	const char *below = topic_below(p->root, m->topic);
	size_t n;

	if (p->sweep != SWEEP_RUNNING || !m->retained || !m->len || !below || strncmp(below, "device/", 7) != 0)
		return;
	below += 7;
	n = strcspn(below, "/");
	for (int i = 0; i < p->n_devices; i++)
		if (strlen(p->device[i].id) == n && !strncmp(p->device[i].id, below, n) &&
		    (!below[n] || part_known(p, &p->device[i], below + n + 1)))
			return;
	mqtt_publish(p->mqtt, m->topic, NULL, 0, 0, true, NULL);
}
