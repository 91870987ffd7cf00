/* Flip's HTTPS API, first slice (flip-api 4.5, 7.4, 7.5, 8.3): requests worded, answers decoded. Pure; nothing is sent here. The
 * decoders allocate: they run where answers are read, on the HTTP worker. */
#ifndef HEARTH_CLOUD_FLIP_API_H
#define HEARTH_CLOUD_FLIP_API_H

#include "cloud/flip.h"

#define FLIP_LIST_TEXT_MAX (2 << 20)
#define FLIP_LIST_MAX 4096 /* commands of one answer; a fleet's token may list more: they are counted, not kept */
#define FLIP_LIST_BAD_MAX 8

/* Answer of GET /v1/commands: only what names one of our devices is kept. Allocated by the decoder, freed by free(). */
struct flip_list {
	int n, foreign, bad, beyond;  /* kept, of other hubs, unreadable, more than fits */
	char first_bad[160];          /* why the first unreadable one is */
	int n_rows;                   /* all that were listed */
	int n_hashes;
	uint64_t *hash;               /* of the rows' ids, in this allocation: is a page the same as another? */
	struct { char device_id[FLIP_ID_MAX], why[120]; } bad_row[FLIP_LIST_BAD_MAX];
	struct flip_command command[]; /* by created_at once they are sifted */
};

/**
 * Accepts a bare array, or an object whose first array member (but "detail" and "errors") holds the commands. A list without
 * a single command in it is no answer; neither is an error with status 200.
 * @devices  Flip ids of this hub, @n of them, sifts at once; NULL: whoever does not know them yet calls flip_list_sift
 * Returns 0 and *out (the caller's), -EINVAL/-E2BIG with words, -ENOMEM.
 */
int flip_list_decode(const char *text, size_t len, const char (*devices)[FLIP_ID_MAX], int n, struct flip_list **out,
		     struct errbuf *err);
/** Drops and counts what names none of @devices; sorts the rest by created_at. */
void flip_list_sift(struct flip_list *list, const char (*devices)[FLIP_ID_MAX], int n);

struct flip_site_token { char token[2048]; int64_t expires_utc_ms; /* 0 = not said */ };
/** 0, -EINVAL. @out is touched only on success. */
int flip_site_token_decode(const char *text, size_t len, struct flip_site_token *out, struct errbuf *err);

/* One outbox row as a request. */
struct flip_request {
	bool site_token;        /* needs the site's token, not the client's */
	char path[640];         /* below base_url, ids escaped: PATCH for all kinds known so far */
	char id[FLIP_ID_MAX];   /* of what is changed: the answer must hold it */
	char *body;             /* malloced, the caller's */
};
/**
 * command_status -> PATCH /v1/command/{id}; participation -> PATCH /v1/site/{site}/event/{id}. Opting out of a command that has
 * no event: the command is answered FAILED_FAULT instead. -ENOTSUP: this has no way by HTTPS; -EINVAL; -ENOMEM. @out->body is
 * set only on success.
 */
int flip_request_encode(const char *kind, const char *row_body, const char *site_id, struct flip_request *out, struct errbuf *err);
/** /v1/auth/site/{site}: POST with the client's token. 0 or -EINVAL. */
int flip_site_token_path(const char *site_id, char *out, size_t size);

/** The "id" of an answer that is an object, its own or that of an object right in it; false when there is none. */
bool flip_answer_id(const char *text, size_t len, char out[FLIP_ID_MAX]);
/** The words of an error body, whatever its shape ("detail", "message", "errors"); printable ASCII, "" when there are none. */
void flip_error_words(const char *text, size_t len, char *out, size_t size);

#endif
