/* See links.h. */
#include "links.h"

#include "flow/clock.h"
#include "flow/local/discovery.h"
#include "flow/local/inbox.h"
#include "flow/round.h"
#include "io/conffile.h"
#include "io/log.h"
#include "io/loop.h"

#include <errno.h>
#include <string.h>

static void on_connected(void *context, bool session_present)
{
	struct links *l = context;

	(void)session_present;
	log_notice("mqtt", "connected to the broker");
	mqtt_publish(l->hub->mqtt, l->status_topic, "online", 6, 1, true, NULL);
	mqtt_subscribe(l->hub->mqtt, l->status_topic, 1);
	inbox_subscribe(l->hub->inbox);
	discovery_connected(l->hub->discovery);
	round_publish_again(l->hub);
}

static void on_disconnected(void *context, const char *reason)
{
	(void)context;
	log_warning("mqtt", "no broker: %s; control goes on, trying again", reason);
}

/* Another agent of this site that is still ending, or the broker for it, says offline after we said online: tools would believe it. */
static bool status_message(struct links *l, const struct mqtt_message *m)
{
	if (strcmp(m->topic, l->status_topic) != 0)
		return false;
	if (!l->left && m->len == 7 && !memcmp(m->payload, "offline", 7)) {
		log_warning("mqtt", "somebody else said offline for this site: saying online again");
		mqtt_publish(l->hub->mqtt, l->status_topic, "online", 6, 1, true, NULL);
	}
	return true;
}

static void on_message(void *context, const struct mqtt_message *m)
{
	struct links *l = context;

	if (!status_message(l, m) && !inbox_message(l->hub->inbox, m) && !discovery_message(l->hub->discovery, m))
		publish_message(&l->hub->publish, m);
}

static bool clocks(void *context, int64_t *now_ms, int64_t *utc_ms)
{
	struct hub *h = context;
	const bool trusted = hub_clock(h);

	*now_ms = h->clocks.now_ms;
	*utc_ms = h->clocks.utc_ms;
	return trusted;
}

static void vouch(void *context, int64_t sender_utc_ms)
{
	clock_word(context, CLOCK_FLATPEAK, sender_utc_ms);
}

static bool flip_paused(void *context)
{
	const struct hub *h = context;

	return owner_paused_at(&h->owner, loop_utc_ms(), loop_now_ms());
}

static void flip_clock_word(void *context, enum flip_clock_word word, int64_t flip_utc_ms)
{
	struct hub *h = context;

	(void)word; /* the gate judges by the times themselves */
	clock_word(h, h->cfg.flip.mode == LINK_DIRECT ? CLOCK_FLIP : CLOCK_MAIL, flip_utc_ms);
}

static void flip_changed(void *context)
{
	struct hub *h = context;

	h->flip_due_utc_ms = 1; /* the book moves before this tick thinks */
	tick_now(h->tick);
	hub_replan(h, "a command or an event");
}

static void flip_audit(void *context, const char *origin, const char *request, const char *result)
{
	hub_audit(context, origin, request, result);
}

static void prices_changed(void *context)
{
	struct hub *h = context;

	h->prices_due_ms = 0; /* composed after the next tick */
	tick_soon(h->tick);
}

static const char *or_null(const char *text)
{
	return text[0] ? text : NULL;
}

static struct mqtt_options broker_options(const struct links *l)
{
	const struct config_mqtt *c = &l->hub->cfg.mqtt;

	return (struct mqtt_options){
		.host = c->host, .port = c->port, .username = c->username, .password = or_null(l->secrets.mqtt_password),
		.ca_file = or_null(c->ca_file), .cert_file = or_null(c->cert_file), .key_file = or_null(c->key_file),
	};
}

int links_broker_start(struct links *l, struct errbuf *err)
{
	struct hub *h = l->hub;
	struct mqtt_options o = broker_options(l);
	struct mqtt_callbacks cb = { on_connected, on_disconnected, on_message, l };
	int r;

	o.clean_start = true;
	o.will_topic = l->status_topic;
	o.will_payload = "offline";
	l->left = false;
	r = mqtt_open(&h->mqtt, h->loop, &o, &cb, err);
	if (r == 0)
		publish_init(&h->publish, h->mqtt, &h->root, h->cfg.mqtt.scalars);
	return r;
}

int links_flip_start(struct links *l, struct errbuf *err)
{
	struct hub *h = l->hub;
	const struct config_flip *c = &h->cfg.flip;
	struct flip_link_options o = {
		.loop = h->loop, .mode = c->mode, .mqtt = broker_options(l), .site_id = h->cfg.site.id, .root = &h->root,
		.boot_id = h->boot_id, .n_keys = l->secrets.n_flip_keys, .legacy_body_timestamp = c->legacy_body_timestamp,
		.http = h->http, .base_url = c->base_url, .token = l->secrets.flip_token, .ca_file = or_null(c->ca_file),
		.flip_site_id = c->site_id[0] ? c->site_id : h->cfg.site.id,
		.store = h->store, .book = h->book, .outbox = h->outbox, .backlog = h->backlog,
		.cb = { .devices = round_book_devices, .clock = clocks, .paused = flip_paused, .clock_word = flip_clock_word,
			.changed = flip_changed, .command = round_publish_command, .event = round_publish_event,
			.gone = round_publish_gone, .audit = flip_audit, .context = h },
	};

	memcpy(o.keys, l->secrets.flip_keys, sizeof(o.keys));
	return flip_link_start(&h->flip, &o, err);
}

/* libcurl costs memory and start-up time: only who talks HTTPS pays. */
static int http_wanted(struct hub *h, struct errbuf *err)
{
	if (h->http || (h->cfg.flip.mode != LINK_DIRECT && h->cfg.flatpeak.mode != LINK_DIRECT))
		return 0;
	return http_open(&h->http, h->loop, NULL, err);
}

int links_clouds_start(struct links *l, struct errbuf *err)
{
	struct hub *h = l->hub;
	struct prices_options o = { .config = &h->cfg, .zone = &h->zone, .store = h->store, .api_key = l->secrets.flatpeak_key,
				    .clock = clocks, .changed = prices_changed, .vouch = vouch, .context = h };
	int r = http_wanted(h, err);

	if (r < 0)
		return r;
	o.http = h->http;
	return prices_start(&h->prices, &o, err);
}

/* What a link needs. The first member names it in messages as [section] key. */
struct need { const char *key, *credential, *file, *needed_for; };

/* One secret on one line: 1 = there, 0 = nowhere and not needed. */
static int one_line(const struct need *n, char *out, size_t size, struct errbuf *err)
{
	struct errbuf why = { "" };
	int r = conffile_secret(n->credential, n->file, out, size, &why);

	if (r < 0)
		return errbuf_set(err, r, "%s: %s", n->key, why.text);
	if (r == 0 && n->needed_for)
		return errbuf_set(err, -ENOKEY, "%s needs it: credential %s, or %s", n->needed_for, n->credential, n->key);
	if (r == 1 && out[strcspn(out, " \t\r\n")]) {
		explicit_bzero(out, size);
		return errbuf_set(err, -EINVAL, "%s: holds more than one word, allowed: the secret on one line", n->key);
	}
	return r;
}

static int flip_keys(const struct config_flip *c, struct secrets *s, struct errbuf *err)
{
	struct errbuf why = { "" };
	int r = conffile_secret("flip-webhook-key", c->webhook_key_file, s->flip_key_text, sizeof(s->flip_key_text), &why);

	if (r < 0)
		return errbuf_set(err, r, "[flip] webhook_key_file: %s", why.text);
	if (r == 0)
		return c->mode != LINK_QUEUE ? 0
					     : errbuf_set(err, -ENOKEY, "[flip] mode = queue needs the webhook signing key: credential "
									"flip-webhook-key, or webhook_key_file");
	s->n_flip_keys = flip_keys_split(s->flip_key_text, s->flip_keys);
	if (s->n_flip_keys < 0)
		return errbuf_set(err, -EINVAL, "[flip] webhook_key_file: one or two keys that begin with whsec_ are needed");
	return 0;
}

static int read_secrets(const struct config *c, struct secrets *s, struct errbuf *err)
{
	const struct need mqtt = { "[mqtt] password_file", "mqtt-password", c->mqtt.password_file, NULL };
	const struct need token = { "[flip] token_file", "flip-token", c->flip.token_file,
				    c->flip.mode == LINK_DIRECT ? "[flip] mode = direct" : NULL };
	const struct need key = { "[flatpeak] api_key_file", "flatpeak-api-key", c->flatpeak.api_key_file,
				  c->flatpeak.mode == LINK_DIRECT ? "[flatpeak] mode = direct" : NULL };
	int r;

	if ((r = one_line(&mqtt, s->mqtt_password, sizeof(s->mqtt_password), err)) < 0 || (r = flip_keys(&c->flip, s, err)) < 0 ||
	    (r = one_line(&token, s->flip_token, sizeof(s->flip_token), err)) < 0 ||
	    (r = one_line(&key, s->flatpeak_key, sizeof(s->flatpeak_key), err)) < 0)
		return r;
	if ((r = conffile_certificates("[flip] ca_file", c->flip.ca_file, err)) < 0)
		return r;
	return conffile_certificates("[flatpeak] ca_file", c->flatpeak.ca_file, err);
}

int links_check(const struct config *c, struct errbuf *err)
{
	struct secrets s = { .n_flip_keys = 0 };
	int r = read_secrets(c, &s, err);

	explicit_bzero(&s, sizeof(s));
	return r < 0 ? r : 0;
}

int links_secrets(struct links *l, struct errbuf *err)
{
	struct secrets s = { .n_flip_keys = 0 };
	int r = read_secrets(&l->hub->cfg, &s, err);

	if (r >= 0) {
		l->secrets = s;
		for (int i = 0; i < s.n_flip_keys; i++) /* the copy's keys point into the copy */
			l->secrets.flip_keys[i] = l->secrets.flip_key_text + (s.flip_keys[i] - s.flip_key_text);
	}
	explicit_bzero(&s, sizeof(s));
	return r < 0 ? r : 0;
}

static bool same_keys(const struct secrets *a, const struct secrets *b)
{
	if (a->n_flip_keys != b->n_flip_keys)
		return false;
	for (int i = 0; i < a->n_flip_keys; i++)
		if (strcmp(a->flip_keys[i], b->flip_keys[i]) != 0)
			return false;
	return true;
}

int links_other_secrets(const struct links *l, const struct config *next, uint32_t *changes, struct errbuf *err)
{
	struct secrets s = { .n_flip_keys = 0 };
	int r = read_secrets(next, &s, err);

	*changes = 0;
	if (r >= 0) {
		*changes |= strcmp(s.mqtt_password, l->secrets.mqtt_password) ? CHANGE_MQTT : 0;
		*changes |= !same_keys(&s, &l->secrets) || strcmp(s.flip_token, l->secrets.flip_token) ? CHANGE_FLIP : 0;
		*changes |= strcmp(s.flatpeak_key, l->secrets.flatpeak_key) ? CHANGE_FLATPEAK : 0;
	}
	explicit_bzero(&s, sizeof(s));
	return r < 0 ? r : 0;
}

void links_offline(struct links *l)
{
	l->left = true;
	if (l->hub && l->hub->mqtt)
		/* at QoS 1 it would wait behind answers the broker has not acknowledged yet, and the goodbye does not wait for these */
		mqtt_publish(l->hub->mqtt, l->status_topic, "offline", 7, 0, true, NULL);
}

/* Another site id or root: what stands retained below the old one would stand there for ever. */
static void leave_root(struct links *l)
{
	struct hub *h = l->hub;
	struct topic_root root;

	links_offline(l);
	topic_root_set(&root, h->cfg.mqtt.root, h->cfg.site.id);
	if (!strcmp(root.text, h->root.text))
		return;
	publish_leave(&h->publish);
	for (int i = 0; i < h->book->n; i++)
		round_publish_gone(h, h->book->entry[i].c.id, false);
	for (int i = 0; i < h->book->n_events; i++)
		round_publish_gone(h, h->book->event[i].e.id, true);
}

static void broker_rebuild(struct links *l)
{
	struct hub *h = l->hub;
	struct errbuf err = { "" };

	discovery_leave(h->discovery);
	leave_root(l);
	mqtt_close(h->mqtt);
	h->mqtt = NULL;
	topic_root_set(&h->root, h->cfg.mqtt.root, h->cfg.site.id);
	topic_make(&h->root, l->status_topic, sizeof(l->status_topic), "status");
	if (links_broker_start(l, &err) < 0)
		log_error("mqtt", "%s", err.text);
}

/* True when the links may be built anew. */
static bool renew(struct links *l, uint32_t changes)
{
	struct errbuf err = { "" };

	if (!(changes & (CHANGE_MQTT | CHANGE_FLIP | CHANGE_FLATPEAK)))
		return false;
	if (links_secrets(l, &err) < 0) {
		log_error("config", "%s; links stay as they were", err.text);
		return false;
	}
	if (http_wanted(l->hub, &err) < 0)
		log_error("http", "%s", err.text);
	return true;
}

void links_rebuild(struct links *l, uint32_t changes)
{
	struct hub *h = l->hub;
	struct errbuf err = { "" };
	const bool renewed = renew(l, changes);

	prices_http(h->prices, h->http);
	prices_configure(h->prices, &h->cfg, &h->zone, l->secrets.flatpeak_key);
	if (!renewed || !(changes & (CHANGE_MQTT | CHANGE_FLIP)))
		return;
	flip_link_stop(h->flip);
	h->flip = NULL;
	if (changes & CHANGE_MQTT)
		broker_rebuild(l);
	if (links_flip_start(l, &err) < 0)
		log_error("flip", "%s", err.text);
}

void links_forget(struct links *l)
{
	explicit_bzero(&l->secrets, sizeof(l->secrets));
}
