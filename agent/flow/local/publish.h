/* State on MQTT: retained, QoS 0, only what changed, everything again when the broker comes back. */
#ifndef HEARTH_FLOW_LOCAL_PUBLISH_H
#define HEARTH_FLOW_LOCAL_PUBLISH_H

#include "core/encode.h"
#include "core/site_load.h"
#include "core/snapshot.h"
#include "core/topic.h"
#include "io/mqtt.h"

#define PUBLISH_TOPICS_MAX 64

struct publish {
	struct mqtt *mqtt;
	const struct topic_root *root;
	bool scalars;
	struct publish_device {
		bool known;                 /* published since the last connect */
		char id[DEVICE_ID_MAX];
		double last[F_COUNT];       /* as published; NAN = absent. Not float: counters grow beyond its 24 bits */
		double ac_power_w;
		uint32_t marks;             /* of what counts at once, see device_marks */
		char note[96];
	} device[DEVICE_MAX];
	int n_devices;
	struct { uint64_t topic, payload; } text[PUBLISH_TOPICS_MAX]; /* hashes, of the payload without "at" */
	int n_texts;
	int64_t site_ms;                    /* when R/site was last published */
	struct site_sums sums;
	struct site_load load;
	uint64_t site_hash, site_words;
	bool decision_told;                 /* since the last connect */
	int64_t decision_ms;
	uint64_t decision_orders, decision_words, decision_numbers; /* hashes: what is told at once, soon, now and then */
	double decision_w[DEVICE_MAX];
	enum { SWEEP_NONE, SWEEP_WANTED, SWEEP_RUNNING } sweep; /* looking for topics of devices that are gone */
	int64_t sweep_until_ms;
};

/** @p is zeroed or already in use (then everything is published again). Nothing is owned. */
void publish_init(struct publish *p, struct mqtt *mqtt, const struct topic_root *root, bool scalars);
void publish_deinit(struct publish *p);

/** Device @i of the snapshot, when a value moved beyond its dead band or a state changed. */
void publish_device(struct publish *p, int i, const struct snapshot *s);
/** R/decision: at once when an order changes (power: by 50 W), its words at most every 5 s, mere numbers every 30 s.
 *  R/site: at least every 60 s. */
void publish_decisions(struct publish *p, const struct snapshot *s, const struct decisions *d);
void publish_site(struct publish *p, const struct snapshot *s, const struct decisions *d);
/** Any other state topic below R; "at" is added to what is sent, @o is not changed. NULL clears. */
void publish_text(struct publish *p, const char *below, const cJSON *o, int64_t utc_ms);
/** The same of an object that is printed already (unformatted, without "at"): what is large is printed by its worker. */
void publish_raw(struct publish *p, const char *below, const char *json_object, int64_t utc_ms);
/** After (re)connecting, or when the devices changed: forgets what was sent, and looks for topics of devices that are gone
 *  (their retained messages come to publish_message). */
void publish_all_again(struct publish *p);
/** Clears every state topic this agent keeps below R: it is leaving this root for another. */
void publish_leave(struct publish *p);
/** A message that was no request: clears retained topics of unknown devices. */
void publish_message(struct publish *p, const struct mqtt_message *m);

#endif
