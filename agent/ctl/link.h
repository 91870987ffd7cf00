/* A short-lived, synchronous MQTT 5 client for the command line: find the site, ask, wait for the answer, watch topics.
 * MQTT 5, because only there a broker says that it refused a publish. */
#ifndef HEARTH_CTL_LINK_H
#define HEARTH_CTL_LINK_H

#include "core/err.h"

#include <cjson/cJSON.h>
#include <stdbool.h>

struct link_options {
	char host[128];
	int port;
	char username[64];
	char password_file[256];
	char root[96];
	char site[33];           /* "" = the only one that answers */
	double timeout_s;
};

struct link; /* opaque */

/** Connects and finds the site. 0, -ENOTCONN (broker or agent not reachable), -EINVAL (several sites), -EACCES: explained. */
int link_open(struct link **out, const struct link_options *o, struct errbuf *err);
const char *link_site(const struct link *l);

/**
 * One request. @args is an object (not taken over). 0 with *answer (the whole answer, caller owns), -ETIMEDOUT when no
 * agent answered, -EACCES when the broker refused the publish, -ENOTCONN: explained.
 */
int link_request(struct link *l, const char *verb, const cJSON *args, cJSON **answer, struct errbuf *err);

/** Subscribes to @filters (ends with NULL) below R, one after the other, and calls @seen for each message until it returns
 *  false or @seconds passed (0 = no limit). A payload that is not JSON comes as a string, an empty one as NULL. */
int link_watch(struct link *l, const char *const *filters, bool (*seen)(void *context, const char *below, const cJSON *payload),
	       void *context, double seconds, struct errbuf *err);

void link_close(struct link *l);

#endif
