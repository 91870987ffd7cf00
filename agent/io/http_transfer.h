/* One request on its way through libcurl; only io/http.c uses it. Made and ended on the loop, in between the worker's alone. */
#ifndef HEARTH_IO_HTTP_TRANSFER_H
#define HEARTH_IO_HTTP_TRANSFER_H

#include "core/http_head.h"
#include "io/http.h"
#include "io/worker.h"

#include <curl/curl.h>

struct transfer {
	struct http_request r;      /* callbacks, input, method, timeout; the texts in it are not ours to read any more */
	char *url, *ca_file, *body; /* own copies */
	struct curl_slist *headers; /* the only copy of the secrets that we make */
	bool https;
	uint64_t sent_ns;

	struct worker *worker;      /* asked whether it stops */
	CURL *easy;
	char *text;                 /* the answer's body so far */
	size_t len, room;           /* room counts the NUL that is not there yet */
	size_t head_len;
	int failed;                 /* why we cut it ourselves, negative errno */
	struct http_head head;
	char said[CURL_ERROR_SIZE];
	struct http_answer answer;
};

/** On the loop: copies and checks. On error nothing is kept, and the input is still the caller's. */
int transfer_init(struct transfer *t, const struct http_request *request, const char *ca_file);

/** On the worker: builds the body, makes the handle. 0, else the answer is complete and says why. */
int transfer_begin(struct transfer *t, struct worker *worker);

/** On the worker: completes the answer, decodes it, frees what only curl needed. The handle is not in a multi any more. */
void transfer_finish(struct transfer *t, CURLcode code);

/** Whoever has it: frees everything, also the result and the input. The handle is not in a multi any more. Zeroed is fine. */
void transfer_deinit(struct transfer *t);

#endif
