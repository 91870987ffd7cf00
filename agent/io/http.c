/* See http.h. One worker drives all requests with curl_multi. Idle, it sleeps in curl_multi_poll and not in its mailbox, woken by
 * http_send (curl_multi_wakeup sticks: a wake-up before the sleep ends the sleep) or by the worker's stop descriptor. */
#include "io/http.h"

#include "io/http_transfer.h"
#include "io/worker.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_KEPT 4
#define STACK_KIB 512    /* TLS, and the decoders of the callers */
#define FAULT_PAUSE_MS 100

struct http {
	struct worker *worker;
	CURLM *multi;        /* the worker's, but for curl_multi_wakeup */
	char *ca_file;
	bool closing;        /* the loop's, as is used[] */
	bool used[HTTP_UNDER_WAY_MAX];
	struct transfer transfers[HTTP_UNDER_WAY_MAX]; /* the worker's from the message to the reply; both are its number */
};

static uv_once_t curl_guard = UV_ONCE_INIT;
static CURLcode curl_ready;

static void curl_set_up(void)
{
	curl_ready = curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* The thread uses the worker it is given: h->worker is set when worker_start returns, and the thread may be earlier. */
static void finish(struct http *h, struct worker *w, struct transfer *t, CURLcode code)
{
	const int number = (int)(t - h->transfers);

	transfer_finish(t, code);
	worker_reply(w, &number); /* there is room for all of them: never waits */
}

/* On the thread. */
static void on_message(struct worker *w, void *context, const void *message)
{
	struct http *h = context;
	const int number = *(const int *)message;
	struct transfer *t = &h->transfers[number];

	if (transfer_begin(t, w) < 0)
		worker_reply(w, &number);
	else if (curl_multi_add_handle(h->multi, t->easy) != CURLM_OK)
		finish(h, w, t, CURLE_OUT_OF_MEMORY);
}

static void take_finished(struct http *h, struct worker *w)
{
	CURLMsg *m;
	int left;

	while (!worker_stopping(w) && (m = curl_multi_info_read(h->multi, &left))) {
		const CURLcode code = m->data.result;
		CURL *easy = m->easy_handle;
		struct transfer *t = NULL;

		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
		curl_multi_remove_handle(h->multi, easy); /* m is gone with it */
		finish(h, w, t, code);
	}
}

/* On the thread, as soon as the mailbox is empty: leaves only for a message, or to stop. */
static void on_idle(struct worker *w, void *context)
{
	struct curl_waitfd stop = { .fd = worker_stop_fd(w), .events = CURL_WAIT_POLLIN };
	struct http *h = context;
	int running;

	while (!worker_stopping(w) && worker_waiting(w, 0) == 0) {
		curl_multi_perform(h->multi, &running);
		take_finished(h, w);
		stop.revents = 0;
		if (curl_multi_poll(h->multi, &stop, 1, INT_MAX, NULL) != CURLM_OK)
			worker_sleep(w, FAULT_PAUSE_MS); /* no memory: not in a circle */
	}
}

/* On the loop. */
static void on_reply(void *context, const void *reply)
{
	const int number = *(const int *)reply;
	struct http *h = context;
	struct transfer *t = &h->transfers[number];
	struct http_request r = t->r;
	struct http_answer a = t->answer;

	if (h->closing)
		return;
	t->answer.result = NULL;
	transfer_deinit(t);
	h->used[number] = false; /* before done: it may send the next one, or close */
	if (r.done)
		r.done(r.context, &a);
	if (a.result)
		(r.drop ? r.drop : free)(a.result);
}

static int begin(struct http *h, uv_loop_t *loop, const struct http_options *options, struct errbuf *err)
{
	const struct worker_options o = {
		.name = "http", .lanes = 1, .depth = HTTP_UNDER_WAY_MAX, .message_size = sizeof(int), .reply_size = sizeof(int),
		.reply_depth = HTTP_UNDER_WAY_MAX, .stack_kib = STACK_KIB, .work = on_message, .idle = on_idle, .idle_ms = 1,
		.reply = on_reply, .context = h,
	};

	if (options && options->ca_file) {
		if (access(options->ca_file, R_OK) < 0)
			return errbuf_set(err, -errno, "http: certificates cannot be read from %s: %s", options->ca_file,
					  strerror(errno));
		h->ca_file = strdup(options->ca_file);
		if (!h->ca_file)
			return errbuf_set(err, -ENOMEM, "http: no memory");
	}
	uv_once(&curl_guard, curl_set_up);
	h->multi = curl_ready == CURLE_OK ? curl_multi_init() : NULL;
	if (!h->multi)
		return errbuf_set(err, -ENOMEM, "http: libcurl cannot be set up");
	curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_KEPT);
	return worker_start(&h->worker, loop, &o, err);
}

int http_open(struct http **out, uv_loop_t *loop, const struct http_options *options, struct errbuf *err)
{
	struct http *h = calloc(1, sizeof(*h));
	int r = h ? begin(h, loop, options, err) : errbuf_set(err, -ENOMEM, "http: no memory");

	if (r < 0) {
		http_close(h);
		return r;
	}
	*out = h;
	return 0;
}

int http_send(struct http *h, const struct http_request *request)
{
	int number = 0, r;

	while (number < HTTP_UNDER_WAY_MAX && h->used[number])
		number++;
	if (h->closing || number == HTTP_UNDER_WAY_MAX)
		return -EAGAIN;
	r = transfer_init(&h->transfers[number], request, h->ca_file);
	if (r < 0)
		return r;
	r = worker_post(h->worker, 0, 0, &number, NULL, NULL);
	if (r < 0) {
		h->transfers[number].r.input = NULL; /* stays the caller's */
		transfer_deinit(&h->transfers[number]);
		return r;
	}
	h->used[number] = true;
	curl_multi_wakeup(h->multi);
	return 0;
}

int http_under_way(const struct http *h)
{
	int n = 0;

	for (int i = 0; i < HTTP_UNDER_WAY_MAX; i++)
		n += h->used[i];
	return n;
}

void http_close(struct http *h)
{
	if (!h || h->closing)
		return;
	h->closing = true;
	worker_stop(h->worker, false);
	for (int i = 0; i < HTTP_UNDER_WAY_MAX; i++) {
		struct transfer *t = &h->transfers[i];

		if (t->easy)
			curl_multi_remove_handle(h->multi, t->easy);
		transfer_deinit(t);
	}
	if (h->multi)
		curl_multi_cleanup(h->multi);
	free(h->ca_file);
	free(h);
}
