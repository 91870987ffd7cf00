/* See http_transfer.h. All that libcurl is told about one request, and the translation of what it says. Secrets travel in header
 * lines of our own, since curl's options for them leave copies behind that nobody wipes. */
#include "io/http_transfer.h"

#include "io/crypto.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONNECT_TIMEOUT_MS 5000
#define FIRST_ROOM 16384
#define NS_A_MS 1000000

static void wipe_free(char *text, size_t len)
{
	if (text)
		explicit_bzero(text, len);
	free(text);
}

static void wipe_text(char **text)
{
	wipe_free(*text, *text ? strlen(*text) : 0);
	*text = NULL;
}

static void wipe_list(struct curl_slist **list)
{
	for (struct curl_slist *l = *list; l; l = l->next)
		explicit_bzero(l->data, strlen(l->data));
	curl_slist_free_all(*list);
	*list = NULL;
}

static bool is_clean(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

/* Adds "@name@value"; a line end in it would be a header of somebody else's choice. */
static int add_header(struct transfer *t, const char *name, const char *value)
{
	const size_t size = strlen(name) + strlen(value) + 1;
	struct curl_slist *list;
	char *line;

	if (!is_clean(name) || !is_clean(value))
		return -EINVAL;
	line = malloc(size);
	if (!line)
		return -ENOMEM;
	snprintf(line, size, "%s%s", name, value);
	list = curl_slist_append(t->headers, line);
	wipe_free(line, size);
	if (!list)
		return -ENOMEM;
	t->headers = list;
	return 0;
}

static int add_basic(struct transfer *t, const char *user, const char *password)
{
	char plain[512], encoded[700];
	int n, r;

	if (strchr(user, ':'))
		return -EINVAL;
	n = snprintf(plain, sizeof(plain), "%s:%s", user, password ? password : "");
	r = n >= (int)sizeof(plain) ? -EINVAL : crypto_base64_encode((const uint8_t *)plain, (size_t)n, encoded, sizeof(encoded));
	if (r > 0)
		r = add_header(t, "Authorization: Basic ", encoded);
	explicit_bzero(plain, sizeof(plain));
	explicit_bzero(encoded, sizeof(encoded));
	return r;
}

static bool names(const struct http_request *request, const char *name)
{
	const size_t n = strlen(name);

	for (int i = 0; i < HTTP_HEADERS_MAX && request->header[i]; i++)
		if (strncasecmp(request->header[i], name, n) == 0 && request->header[i][n] == ':')
			return true;
	return false;
}

static int add_headers(struct transfer *t, const struct http_request *request)
{
	const bool has_body = request->body || request->build;
	int r = 0;

	for (int i = 0; r == 0 && i < HTTP_HEADERS_MAX && request->header[i]; i++)
		r = strchr(request->header[i], ':') ? add_header(t, request->header[i], "") : -EINVAL;
	if (r == 0 && !names(request, "Accept"))
		r = add_header(t, "Accept: application/json", "");
	if (r == 0 && !names(request, "Content-Type")) /* an empty one keeps curl from claiming a web form */
		r = add_header(t, has_body ? "Content-Type: application/json" : "Content-Type:", "");
	if (r == 0) /* curl waits a second for "100 Continue" before a large body */
		r = add_header(t, "Expect:", "");
	if (r == 0 && request->bearer)
		r = add_header(t, "Authorization: Bearer ", request->bearer);
	else if (r == 0 && request->user)
		r = add_basic(t, request->user, request->password);
	return r;
}

/* A user in the URL would be logged with it. */
static int check_url(const char *url, bool *https)
{
	CURLU *u = curl_url();
	char *scheme = NULL, *user = NULL;
	int r = u ? -EINVAL : -ENOMEM;

	if (u && is_clean(url) && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_USER, &user, 0) == CURLUE_NO_USER) {
		*https = strcmp(scheme, "https") == 0;
		r = *https || strcmp(scheme, "http") == 0 ? 0 : -EINVAL;
	}
	curl_free(scheme);
	curl_free(user);
	curl_url_cleanup(u);
	return r;
}

int transfer_init(struct transfer *t, const struct http_request *request, const char *ca_file)
{
	int r;

	memset(t, 0, sizeof(*t));
	if (!request->url || (request->method == HTTP_GET && (request->body || request->build)) || request->timeout_ms < 0)
		return -EINVAL;
	r = check_url(request->url, &t->https);
	if (r == 0)
		r = add_headers(t, request);
	if (r == 0) {
		ca_file = request->ca_file ? request->ca_file : ca_file;
		t->url = strdup(request->url);
		t->ca_file = ca_file ? strdup(ca_file) : NULL;
		t->body = request->body && !request->build ? strdup(request->body) : NULL;
		if (!t->url || (ca_file && !t->ca_file) || (request->body && !request->build && !t->body))
			r = -ENOMEM;
	}
	if (r < 0) {
		transfer_deinit(t);
		return r;
	}
	t->r = *request;
	t->sent_ns = uv_hrtime();
	return 0;
}

static int grow(struct transfer *t, size_t need)
{
	curl_off_t announced = -1;
	size_t room = t->room ? t->room * 2 : FIRST_ROOM;
	char *text;

	if (!t->room)
		curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
	if (announced > 0 && announced <= HTTP_BODY_MAX)
		room = (size_t)announced + 1;
	if (room < need)
		room = need;
	text = malloc(room);
	if (!text)
		return -ENOMEM;
	if (t->len)
		memcpy(text, t->text, t->len);
	wipe_free(t->text, t->len); /* answers carry tokens too; realloc would leave one behind */
	t->text = text;
	t->room = room;
	return 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *context)
{
	struct transfer *t = context;

	n *= size;
	if (worker_stopping(t->worker)) /* libcurl would read on for megabytes first */
		t->failed = -ECANCELED;
	else if (n > HTTP_BODY_MAX - t->len)
		t->failed = -EMSGSIZE;
	else if (t->len + n + 1 > t->room)
		t->failed = grow(t, t->len + n + 1);
	if (t->failed)
		return 0;
	memcpy(t->text + t->len, data, n);
	t->len += n;
	return n;
}

/* libcurl 7.88 keeps every header line it is sent, without end. */
static size_t on_head(char *data, size_t size, size_t n, void *context)
{
	struct transfer *t = context;

	n *= size;
	t->head_len += n;
	if (t->head_len > HTTP_HEAD_MAX)
		t->failed = -EMSGSIZE;
	if (t->failed)
		return 0;
	http_head_line(&t->head, data, n);
	return n;
}

static void set_method(struct transfer *t)
{
	static const char *const NAMES[] = {
		[HTTP_GET] = "GET", [HTTP_POST] = "POST", [HTTP_PATCH] = "PATCH", [HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE",
	};

	if (t->r.method == HTTP_GET)
		return;
	if (t->body || t->r.method != HTTP_DELETE) { /* also an empty body has a length */
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->body ? t->body : "");
		curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(t->body ? strlen(t->body) : 0));
	}
	if (t->r.method != HTTP_POST)
		curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, NAMES[t->r.method]);
}

static void set_tls(struct transfer *t)
{
	curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, 2L);
	curl_easy_setopt(t->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (t->ca_file) {
		curl_easy_setopt(t->easy, CURLOPT_CAINFO, t->ca_file);
		curl_easy_setopt(t->easy, CURLOPT_CAPATH, NULL); /* instead of, not besides, the system's */
	}
}

/* QUICK_EXIT (7.87): a handle that ends while its name is looked up, by a time-out or http_close, leaves the resolver's thread to
 * itself. Without it libcurl waits for getaddrinfo(), which takes 30 s and more when no name server answers.
 * HTTP/1.1: a time-out closes its connection. One of HTTP/2 outlives the time-outs of its streams, so after the line got a new
 * address every request would go into the dead one until the kernel gives it up, a quarter of an hour later. */
static CURLcode set_up(struct transfer *t)
{
	CURL *e = t->easy;
	CURLcode code;

	curl_easy_setopt(e, CURLOPT_PRIVATE, t);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, t->said);
	curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
	curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)(t->r.timeout_ms ? t->r.timeout_ms : HTTP_TIMEOUT_MS));
	curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	curl_easy_setopt(e, CURLOPT_PROXY, ""); /* or the environment's */
	curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(e, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)HTTP_BODY_MAX);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_head);
	curl_easy_setopt(e, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(e, CURLOPT_USERAGENT, "hearth/" HEARTH_VERSION);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, t->headers);
	set_method(t);
	set_tls(t);
	code = curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
	return code ? code : curl_easy_setopt(e, CURLOPT_URL, t->url);
}

static void say(struct transfer *t, int error, const char *why)
{
	struct http_answer *a = &t->answer;

	*a = (struct http_answer){ .error = error, .retry_after_ms = -1 };
	snprintf(a->reason, sizeof(a->reason), "%.*s", (int)sizeof(a->reason) - 1, why);
	for (char *c = a->reason; *c; c++) /* parts of it may be the server's words */
		if ((unsigned char)*c < ' ' || (unsigned char)*c > '~')
			*c = '?';
}

static void end_input(struct transfer *t)
{
	if (t->r.input && t->r.free_input)
		t->r.free_input(t->r.input);
	t->r.input = NULL;
}

int transfer_begin(struct transfer *t, struct worker *worker)
{
	bool built = true;

	t->worker = worker;
	if (t->r.build) {
		t->body = t->r.build(t->r.input);
		built = t->body != NULL;
	}
	end_input(t);
	if (built)
		t->easy = curl_easy_init();
	if (built && t->easy && set_up(t) == CURLE_OK)
		return 0;
	curl_easy_cleanup(t->easy);
	t->easy = NULL;
	say(t, -ENOMEM, built ? "no memory for a request" : "the request's body could not be built");
	return -ENOMEM;
}

/* Several codes say one thing to us; the system's own error decides where curl's is vague. */
static int translate(struct transfer *t, CURLcode code)
{
	static const struct {
		CURLcode code;
		int error;
	} TABLE[] = {
		{ CURLE_OPERATION_TIMEDOUT, -ETIMEDOUT },
		{ CURLE_COULDNT_RESOLVE_HOST, -EHOSTUNREACH },
		{ CURLE_COULDNT_CONNECT, -ECONNREFUSED },
		{ CURLE_PARTIAL_FILE, -ECONNRESET },
		{ CURLE_GOT_NOTHING, -ECONNRESET },
		{ CURLE_SEND_ERROR, -ECONNRESET },
		{ CURLE_RECV_ERROR, -ECONNRESET },
		{ CURLE_HTTP2_STREAM, -ECONNRESET },
		{ CURLE_PEER_FAILED_VERIFICATION, -EACCES },
		{ CURLE_SSL_CERTPROBLEM, -EACCES },
		{ CURLE_SSL_CACERT_BADFILE, -EACCES },
		{ CURLE_SSL_ISSUER_ERROR, -EACCES },
		{ CURLE_FILESIZE_EXCEEDED, -EMSGSIZE },
		{ CURLE_OUT_OF_MEMORY, -ENOMEM },
	};
	long system = 0;

	if (t->failed)
		return t->failed;
	curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &system);
	if (code == CURLE_COULDNT_CONNECT && (system == ENETUNREACH || system == EHOSTUNREACH))
		return -EHOSTUNREACH;
	if (code == CURLE_COULDNT_CONNECT && system == ETIMEDOUT)
		return -ETIMEDOUT;
	if (code == CURLE_SSL_CONNECT_ERROR && (system == ECONNRESET || system == EPIPE))
		return -ECONNRESET;
	for (size_t i = 0; i < sizeof(TABLE) / sizeof(TABLE[0]); i++)
		if (TABLE[i].code == code)
			return TABLE[i].error;
	return -EPROTO;
}

static void accept_answer(struct transfer *t, long status)
{
	struct http_answer *a = &t->answer;
	static const char NOTHING[] = "";

	*a = (struct http_answer){ .status = (int)status, .retry_after_ms = http_head_retry_after_ms(&t->head) };
	a->date_utc_ms = t->https ? t->head.date_utc_ms : 0;
	a->elapsed_ms = (int)((uv_hrtime() - t->sent_ns) / NS_A_MS);
	if (t->text)
		t->text[t->len] = '\0';
	a->body = t->text ? t->text : NOTHING;
	a->len = t->len;
	if (t->r.decode)
		a->result = t->r.decode(a);
	a->body = NULL;
	a->len = 0;
}

void transfer_finish(struct transfer *t, CURLcode code)
{
	long status = 0;

	if (code == CURLE_OK && !t->failed)
		curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200)
		accept_answer(t, status);
	else if (t->failed == -EMSGSIZE)
		say(t, -EMSGSIZE, "the answer is too large");
	else if (code == CURLE_OK && !t->failed)
		say(t, -EPROTO, "an answer without a status");
	else
		say(t, translate(t, code), t->said[0] ? t->said : curl_easy_strerror(code));
	t->answer.elapsed_ms = (int)((uv_hrtime() - t->sent_ns) / NS_A_MS);
	curl_easy_cleanup(t->easy);
	t->easy = NULL;
	wipe_free(t->text, t->len);
	t->text = NULL;
	t->len = t->room = 0;
	wipe_text(&t->body);
	wipe_list(&t->headers);
}

void transfer_deinit(struct transfer *t)
{
	if (t->answer.result)
		(t->r.drop ? t->r.drop : free)(t->answer.result);
	end_input(t);
	curl_easy_cleanup(t->easy);
	wipe_free(t->text, t->len);
	wipe_text(&t->body);
	wipe_list(&t->headers);
	free(t->url);
	free(t->ca_file);
	memset(t, 0, sizeof(*t));
}
