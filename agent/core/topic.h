/* MQTT topics below R = <mqtt.root>/<site.id>. */
#ifndef HEARTH_CORE_TOPIC_H
#define HEARTH_CORE_TOPIC_H

#include <stdbool.h>
#include <stddef.h>

struct topic_root { char text[128]; };

void topic_root_set(struct topic_root *r, const char *root, const char *site);
/** "<R>/<fmt...>"; returns out. Cut topics become "" (and are never published). */
const char *topic_make(const struct topic_root *r, char *out, size_t size, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/** The part of @topic behind "<R>/", or NULL. */
const char *topic_below(const struct topic_root *r, const char *topic);
/** Splits "request/<verb>" and "as/<user>/request/<verb>" (given without R). user is "" for the bare form.
 *  False when it is neither, or a name is empty, too long or holds another level. */
bool topic_request(const char *below, char *user, size_t user_size, char *verb, size_t verb_size);

#endif
