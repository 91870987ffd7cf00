/* The links to the outside: broker, Flip, HTTPS, FlatPeak. Their secrets, their options, what they tell the hub. For app.c, which
 * says when they are built, rebuilt and stopped. */
#ifndef HEARTH_LINKS_H
#define HEARTH_LINKS_H

#include "flow/hub.h"

struct links {
	struct hub *hub;
	char status_topic[MQTT_TOPIC_MAX];
	bool left;                /* our goodbye is said: nobody brings R/status back any more */
	struct secrets {
		char mqtt_password[256], flip_key_text[600], flip_token[2048], flatpeak_key[256];
		const char *flip_keys[FLIP_KEYS_MAX]; /* into flip_key_text */
		int n_flip_keys;
	} secrets;
};

/** Reads every secret the configuration asks for. Refused loudly when its file is too open or one that is needed is missing;
 *  then the old ones stay. */
int links_secrets(struct links *l, struct errbuf *err);

/** May the secrets and certificates @c names be used? 0; -ENOKEY: one that its mode needs is nowhere; other negatives: it cannot be
 *  used. For --check, which sees no credentials outside of the service. */
int links_check(const struct config *c, struct errbuf *err);
/** The same for a reload; *changes receives which links have another secret than the one in use, as bits of enum config_change:
 *  a renewed token counts although no line of the configuration changed. */
int links_other_secrets(const struct links *l, const struct config *next, uint32_t *changes, struct errbuf *err);

/** HTTPS and FlatPeak's prices; before the store's first transaction. */
int links_clouds_start(struct links *l, struct errbuf *err);
int links_broker_start(struct links *l, struct errbuf *err);
/** Says goodbye; the connection stays until it is closed. */
void links_offline(struct links *l);
int links_flip_start(struct links *l, struct errbuf *err);

/** After a reload: restarts what @changes touch. The configuration is in force already. */
void links_rebuild(struct links *l, uint32_t changes);

/** Wipes the secrets. */
void links_forget(struct links *l);

#endif
