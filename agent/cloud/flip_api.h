/* Flip's HTTPS API, first slice (flip-api 4.5, 7.4, 7.5, 8.3): requests worded, answers decoded. Pure; nothing is sent here. */
#ifndef HEARTH_CLOUD_FLIP_API_H
#define HEARTH_CLOUD_FLIP_API_H

#include "cloud/flip.h"

#define FLIP_LIST_MAX 512 /* commands of one answer; a fleet's token may list more: they are counted, not kept */

/* Answer of GET /v1/commands: only what names one of our devices is decoded whole. Allocated by the decoder, freed by free(). */
struct flip_list {
	int n, foreign, bad, beyond;  /* kept, of other hubs, unreadable, more than fits */
	char first_bad[160];          /* why the first unreadable one is */
	struct flip_command command[];
};

/**
 * Accepts a bare array, or an object whose first array member holds the commands.
 * @devices  Flip ids of this hub, @n of them
 * Returns 0 and *out (the caller's), -EINVAL/-E2BIG with words, -ENOMEM.
 */
int flip_list_decode(const char *text, size_t len, const char (*devices)[FLIP_ID_MAX], int n, struct flip_list **out,
		     struct errbuf *err);

struct flip_site_token { char token[2048]; int64_t expires_utc_ms; };
int flip_site_token_decode(const char *text, size_t len, struct flip_site_token *out, struct errbuf *err);

/* One outbox row as a request. */
struct flip_request {
	bool site_token;        /* needs the site's token, not the client's */
	char path[400];         /* below base_url, ids escaped: PATCH for all kinds known so far */
	char *body;             /* malloced, the caller's */
};
/** command_status -> PATCH /v1/command/{id}; participation -> PATCH /v1/site/{site}/event/{id}. -ENOTSUP: this kind has no
 *  way by HTTPS; -EINVAL. */
int flip_request_encode(const char *kind, const char *row_body, const char *site_id, struct flip_request *out);

/** The words of an error body, whatever its shape ("detail", "message", "errors"); printable, "" when there are none. */
void flip_error_words(const char *text, size_t len, char *out, size_t size);

#endif
