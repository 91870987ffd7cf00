/* Home Assistant's device-based MQTT discovery as text, and the set messages that come back as verbs with arguments. Pure;
 * flow/discovery publishes and listens. Needs Home Assistant 2024.11 or later (the first with one message a device). */
#ifndef HEARTH_CORE_DISCOVERY_H
#define HEARTH_CORE_DISCOVERY_H

#include "core/err.h"
#include "core/json.h"
#include "core/snapshot.h"
#include "core/topic.h"

#define DISCOVERY_TEXT_MAX 32768      /* holds a device with every field there is */
#define DISCOVERY_OWNER_MAX 4096      /* holds DEVICE_MAX devices */
#define DISCOVERY_OVERRIDE_S 3600     /* an override from a select lasts this long */
#define DISCOVERY_PAUSE_S (7 * 86400) /* a switch stays on until it is switched off: the longest pause there is */

/* Of whom the messages speak; nothing is owned. */
struct discovery_names {
	const struct topic_root *root;
	const char *site;                 /* id */
	const char *name;                 /* for people; "" = none */
	const char *currency;             /* of what is saved; "" = not known */
};

/** Bits 1 << enum field: what the device has shown so far to have, of its kinds and usable now. */
uint64_t discovery_fields(const struct snap_device *d);

/** The message of one device with the given fields (those not of its kinds are left out). Returns the length, 0 when it
 *  does not fit (DISCOVERY_TEXT_MAX always does). */
size_t discovery_device_text(const struct discovery_names *n, const struct snap_device *d, uint64_t fields, char *out, size_t size);
/** The message of the site itself; @roles of all its devices together. */
size_t discovery_site_text(const struct discovery_names *n, uint32_t roles, char *out, size_t size);
/** R/owner: what the owner set, as the controls show it. @utc_ms 0 leaves "at" out. */
size_t discovery_owner_text(const struct snapshot *s, int64_t utc_ms, char *out, size_t size);

/** "<prefix>/device/hearth_<site>_<device>/config", without "_<device>" for the site itself (@device NULL). Returns @out,
 *  "" when it does not fit. */
const char *discovery_topic(const char *prefix, const char *site, const char *device, char *out, size_t size);
/** The device whose message belongs on @topic, into @device; false when it is not one of this site's devices' topics. */
bool discovery_topic_device(const char *prefix, const char *site, const char *topic, char device[DEVICE_ID_MAX]);

/**
 * The verb and its arguments for what came on R/set/<entity>.
 * Returns an object the caller owns and *verb (a constant), or NULL with the reason in @err. Whether there is such a device
 * and whether a number is in range is for the verb to say.
 */
cJSON *discovery_wish(const char *entity, const char *text, const char **verb, struct errbuf *err);

#endif
