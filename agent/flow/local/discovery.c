/* See discovery.h. */
#include "flow/local/discovery.h"

#include "core/discovery.h"
#include "flow/hub.h"
#include "flow/local/inbox.h"
#include "io/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ORIGIN "home-assistant"
#define SET_BYTES_MAX 256
#define SETTLE_MS 2000 /* a device that joins shows its values one after the other: one message, not ten */
#define SWEEP_MS 3000

struct discovery_link {
	struct hub *hub;
	char prefix[CONFIG_TEXT_MAX], site[DEVICE_ID_MAX]; /* names in use since the last connect; prefix "" = nothing to do */
	struct topic_root root;
	struct announced {
		char id[DEVICE_ID_MAX];
		uint64_t fields;      /* shown so far; what is only silent now keeps its place */
		uint64_t hash;        /* of what its message would say */
		int64_t due_ms;
		bool known;           /* announced since the last connect or birth */
	} device[DEVICE_MAX];
	int n;
	uint64_t site_hash, owner_hash; /* 0 = not announced */
	bool sweep_wanted;            /* look for announcements of devices that are gone */
	int64_t sweep_until_ms;       /* 0 = not looking */
	char text[DISCOVERY_TEXT_MAX];
};

static uint64_t hash_bytes(uint64_t h, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;

	while (n--)
		h = (h ^ *p++) * 1099511628211u;
	return h;
}

static uint64_t hash_text(uint64_t h, const char *text)
{
	return hash_bytes(h, text, strlen(text) + 1);
}

static uint64_t device_hash(const struct snap_device *d, uint64_t fields)
{
	const struct device_identity *i = &d->state.identity;
	uint64_t h = hash_bytes(14695981039346656037u, &fields, sizeof(fields));

	h = hash_bytes(h, &d->roles, sizeof(d->roles));
	h = hash_bytes(h, &d->state.kinds, sizeof(d->state.kinds));
	return hash_text(hash_text(hash_text(hash_text(h, i->manufacturer), i->model), i->version), i->serial);
}

static struct discovery_names names(const struct discovery_link *l)
{
	const struct hub *h = l->hub;
	const char *currency = h->cfg.tariff.currency[0] ? h->cfg.tariff.currency : h->import_prices->currency; /* nobody said: that of the prices */

	return (struct discovery_names){ &h->root, l->site, h->cfg.site.name, currency };
}

/* 0, or negative: tried again with the next tick. */
static int announce(struct discovery_link *l, const char *device, size_t len)
{
	char topic[MQTT_TOPIC_MAX];

	if (!discovery_topic(l->prefix, l->site, device, topic, sizeof(topic))[0] || len == 0) {
		log_error("discovery", "the message of %s does not fit", device ? device : "the site");
		return 0;
	}
	return mqtt_publish(l->hub->mqtt, topic, l->text, len, 1, true, NULL);
}

static void announce_device(struct discovery_link *l, int i, const struct snapshot *s)
{
	const struct snap_device *d = &s->dev[i];
	struct announced *k = &l->device[i];
	struct discovery_names n = names(l);
	uint64_t hash;

	k->fields |= discovery_fields(d);
	if (!k->fields)
		return; /* never seen: what an earlier run announced stays */
	hash = device_hash(d, k->fields);
	if (hash != k->hash) {
		k->hash = hash;
		k->due_ms = s->now_ms + SETTLE_MS;
		k->known = false;
	}
	if (k->known || s->now_ms < k->due_ms)
		return;
	k->known = announce(l, d->id, discovery_device_text(&n, d, k->fields, l->text, sizeof(l->text))) == 0;
}

static void announce_site(struct discovery_link *l, const struct snapshot *s)
{
	struct discovery_names n = names(l);
	uint32_t roles = 0;
	uint64_t hash;

	for (int i = 0; i < s->n_devices; i++)
		roles |= s->dev[i].roles;
	hash = hash_text(hash_text(hash_bytes(14695981039346656037u, &roles, sizeof(roles)), n.name), n.currency) | 1;
	if (hash != l->site_hash && announce(l, NULL, discovery_site_text(&n, roles, l->text, sizeof(l->text))) == 0)
		l->site_hash = hash;
}

/* R/owner: what the controls show. */
static void publish_owner(struct discovery_link *l, const struct snapshot *s)
{
	char topic[MQTT_TOPIC_MAX], text[DISCOVERY_OWNER_MAX];
	uint64_t hash;
	size_t n;

	if (discovery_owner_text(s, 0, text, sizeof(text)) == 0)
		return;
	hash = hash_text(14695981039346656037u, text) | 1;
	if (hash == l->owner_hash)
		return;
	n = discovery_owner_text(s, s->utc_ms, text, sizeof(text));
	topic_make(&l->hub->root, topic, sizeof(topic), "owner");
	if (n && mqtt_publish(l->hub->mqtt, topic, text, n, 0, true, NULL) == 0)
		l->owner_hash = hash;
}

static void announce_again(struct discovery_link *l)
{
	for (int i = 0; i < l->n; i++)
		l->device[i].known = false;
	l->site_hash = l->owner_hash = 0;
}

/* Other devices than before: their places begin anew, and topics nobody owns any more are looked for. */
static void devices_compare(struct discovery_link *l, const struct snapshot *s)
{
	bool changed = l->n != s->n_devices;

	for (int i = 0; i < s->n_devices; i++) {
		if (i < l->n && !strcmp(l->device[i].id, s->dev[i].id))
			continue;
		memset(&l->device[i], 0, sizeof(l->device[i]));
		memcpy(l->device[i].id, s->dev[i].id, sizeof(l->device[i].id));
		changed = true;
	}
	l->n = s->n_devices;
	if (changed)
		l->sweep_wanted = true;
}

static void sweep(struct discovery_link *l, int64_t now_ms)
{
	char filter[MQTT_TOPIC_MAX];

	snprintf(filter, sizeof(filter), "%s/device/+/config", l->prefix);
	if (l->sweep_wanted && mqtt_subscribe(l->hub->mqtt, filter, 0) == 0) {
		l->sweep_wanted = false;
		l->sweep_until_ms = now_ms + SWEEP_MS;
	} else if (l->sweep_until_ms && now_ms >= l->sweep_until_ms) {
		mqtt_unsubscribe(l->hub->mqtt, filter);
		l->sweep_until_ms = 0;
	}
}

void discovery_step(struct discovery_link *l, const struct snapshot *s)
{
	if (!l || !l->prefix[0] || !mqtt_is_connected(l->hub->mqtt))
		return;
	devices_compare(l, s);
	sweep(l, s->now_ms);
	publish_owner(l, s);
	announce_site(l, s);
	for (int i = 0; i < s->n_devices; i++)
		announce_device(l, i, s);
}

/* QoS 0: when the link closes right after, acknowledgements nobody reads would reset it before the broker has read the rest. */
static void clear(struct discovery_link *l, const char *topic)
{
	mqtt_publish(l->hub->mqtt, topic, NULL, 0, 0, true, NULL);
}

void discovery_leave(struct discovery_link *l)
{
	const struct config *next = &l->hub->cfg;
	struct topic_root root;
	char topic[MQTT_TOPIC_MAX];

	if (!l->prefix[0])
		return;
	topic_root_set(&root, next->mqtt.root, next->site.id);
	if (!next->mqtt.discovery_prefix[0] || strcmp(root.text, l->root.text) != 0)
		clear(l, topic_make(&l->root, topic, sizeof(topic), "owner"));
	if (!strcmp(l->prefix, next->mqtt.discovery_prefix) && !strcmp(l->site, next->site.id))
		return; /* announced once more, in place, with the next connect */
	clear(l, discovery_topic(l->prefix, l->site, NULL, topic, sizeof(topic)));
	for (int i = 0; i < l->n; i++)
		clear(l, discovery_topic(l->prefix, l->site, l->device[i].id, topic, sizeof(topic)));
}

void discovery_connected(struct discovery_link *l)
{
	char topic[MQTT_TOPIC_MAX + 8];

	discovery_leave(l); /* once more: a link that closes may lose what was sent last */
	l->root = l->hub->root;
	snprintf(l->prefix, sizeof(l->prefix), "%s", l->hub->cfg.mqtt.discovery_prefix);
	snprintf(l->site, sizeof(l->site), "%.*s", DEVICE_ID_MAX - 1, l->hub->cfg.site.id);
	if (!l->prefix[0])
		return; /* switched off */
	mqtt_subscribe(l->hub->mqtt, topic_make(&l->hub->root, topic, sizeof(topic), "set/+"), 1);
	snprintf(topic, sizeof(topic), "%s/status", l->prefix);
	mqtt_subscribe(l->hub->mqtt, topic, 0);
	announce_again(l);
	l->sweep_wanted = true;
	l->sweep_until_ms = 0;
}

/* R/set/<entity> */
static void on_set(struct discovery_link *l, const char *below, const struct mqtt_message *m)
{
	struct hub *h = l->hub;
	struct errbuf err = { "" };
	char text[SET_BYTES_MAX + 1], result[ERR_TEXT_MAX + 16];
	const char *verb = NULL;
	cJSON *args;

	if (m->retained) {
		if (m->len == 0)
			return; /* our own clearing */
		mqtt_publish(h->mqtt, m->topic, NULL, 0, 1, true, NULL);
		hub_audit(h, ORIGIN, below, "refused: what is set must not be retained: it would be set again at every start");
		return;
	}
	if (m->expiry_s == 0) {
		hub_audit(h, ORIGIN, below, "expired: it was too old when it arrived");
		return;
	}
	if (m->len > SET_BYTES_MAX || memchr(m->payload, '\0', m->len)) {
		hub_audit(h, ORIGIN, below, "bad_request: the payload must be one plain word or number");
		return;
	}
	memcpy(text, m->payload, m->len);
	text[m->len] = '\0';
	args = discovery_wish(below + 4, text, &verb, &err);
	if (args) {
		inbox_submit(h->inbox, verb, args, USER_OWNER, ORIGIN);
		return;
	}
	snprintf(result, sizeof(result), "bad_request: %s", err.text);
	hub_audit(h, ORIGIN, below, result);
}

/* A retained announcement of a device of ours; one that is no longer there is taken back. */
static void on_announced(struct discovery_link *l, const struct mqtt_message *m)
{
	char device[DEVICE_ID_MAX];

	if (!l->sweep_until_ms || !m->retained || !m->len ||
	    !discovery_topic_device(l->prefix, l->site, m->topic, device))
		return;
	for (int i = 0; i < l->n; i++)
		if (!strcmp(l->device[i].id, device))
			return;
	log_notice("discovery", "device %s is gone: Home Assistant is told", device);
	mqtt_publish(l->hub->mqtt, m->topic, NULL, 0, 1, true, NULL);
}

bool discovery_message(struct discovery_link *l, const struct mqtt_message *m)
{
	const char *below = topic_below(&l->hub->root, m->topic);
	size_t n = strlen(l->prefix);

	if (!n)
		return false;
	if (below && !strncmp(below, "set/", 4)) {
		on_set(l, below, m);
		return true;
	}
	if (strncmp(m->topic, l->prefix, n) != 0 || m->topic[n] != '/')
		return false;
	if (strcmp(m->topic + n, "/status") != 0)
		on_announced(l, m);
	else if (m->len == 6 && !memcmp(m->payload, "online", 6))
		announce_again(l); /* Home Assistant has started */
	return true;
}

int discovery_start(struct discovery_link **out, struct hub *hub, struct errbuf *err)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return errbuf_set(err, -ENOMEM, "no memory for discovery");
	(*out)->hub = hub;
	return 0;
}

void discovery_stop(struct discovery_link *l)
{
	free(l);
}
