/* Control port: see control.h. */
#include "sim/control.h"

#include "core/json.h"
#include "sim/commands.h"
#include "sim/flip_job.h"
#include "sim/sim.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct line_out {
	uv_write_t write;
	char *text;
};

static void client_closed(uv_handle_t *handle)
{
	struct control_client *c = handle->data;

	free(c->line);
	c->line = NULL;
	c->used = false;
}

static void client_close(struct control_client *c)
{
	if (c->used && !c->closing) {
		c->closing = true;
		uv_close(&c->u.handle, client_closed);
	}
}

static void line_written(uv_write_t *req, int status)
{
	struct line_out *out = req->data;

	(void)status;
	free(out->text);
	free(out);
}

/* Sends @answer and frees it. */
static void send_line(struct control_client *c, cJSON *answer)
{
	char *text = cJSON_PrintUnformatted(answer);
	struct line_out *out = calloc(1, sizeof(*out));
	size_t len = text ? strlen(text) : 0;
	uv_buf_t buf;

	cJSON_Delete(answer);
	if (!text || !out) {
		free(text);
		free(out);
		client_close(c);
		return;
	}
	text[len] = '\n'; /* the line ends where the text's NUL was */
	out->text = text;
	out->write.data = out;
	buf = uv_buf_init(text, (unsigned)(len + 1));
	if (uv_write(&out->write, &c->u.stream, &buf, 1, line_written)) {
		free(text);
		free(out);
		client_close(c);
	}
}

static cJSON *error_answer(const char *text)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "error", text);
	return o;
}

static void run_line(struct control_client *c, const char *line, size_t len)
{
	struct sim *sim = c->control->sim;
	struct errbuf err = { "" };
	AUTO_JSON *request = json_parse(line, len, CONTROL_LINE_MAX, CONTROL_DEPTH_MAX, &err);
	const cJSON *cmd = cJSON_GetObjectItemCaseSensitive(request, "cmd");
	cJSON *answer = NULL;

	if (request && !cJSON_IsString(cmd)) {
		errbuf_set(&err, -EINVAL, "a command is an object with a text \"cmd\"");
	} else if (request && strcmp(cmd->valuestring, "flip") == 0) {
		if (flip_job_start(&sim->loop, request, c, c->serial, &err) == 0) {
			c->busy = true;
			return;
		}
	} else if (request) {
		answer = commands_run(sim, cmd->valuestring, request, &err);
	}
	send_line(c, answer ? answer : error_answer(err.text));
}

static void take_lines(struct control_client *c)
{
	char *end;

	while (!c->closing && !c->busy && (end = memchr(c->line, '\n', c->fill))) {
		size_t len = (size_t)(end - c->line), used = len + 1;

		if (len > 0 && c->line[len - 1] == '\r')
			len--;
		if (len > 0)
			run_line(c, c->line, len);
		c->fill -= used;
		memmove(c->line, c->line + used, c->fill);
	}
	if (!c->closing && !c->busy && c->fill >= CONTROL_LINE_MAX) {
		c->busy = true; /* nothing after it can be trusted to begin a line */
		send_line(c, error_answer("the line is longer than 65536 bytes"));
		client_close(c);
	}
}

void control_answer(struct control_client *c, unsigned serial, cJSON *answer)
{
	if (!c->used || c->closing || c->serial != serial) {
		cJSON_Delete(answer);
		return;
	}
	c->busy = false;
	send_line(c, answer);
	take_lines(c);
	if (c->ended && !c->busy)
		client_close(c);
}

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct control_client *c = handle->data;

	(void)suggested;
	*buf = uv_buf_init(c->line + c->fill, (unsigned)(CONTROL_LINE_MAX - c->fill));
}

static void got(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct control_client *c = stream->data;

	(void)buf;
	if (n == UV_EOF && c->busy) { /* it has said everything but still waits for the answer */
		c->ended = true;
		uv_read_stop(stream);
		return;
	}
	if (n < 0) {
		client_close(c);
		return;
	}
	c->fill += (size_t)n;
	take_lines(c);
}

static void init_stream(struct control *c, uv_handle_t *handle, void *data)
{
	if (c->is_pipe)
		uv_pipe_init(&c->sim->loop, (uv_pipe_t *)handle, 0);
	else
		uv_tcp_init(&c->sim->loop, (uv_tcp_t *)handle);
	handle->data = data;
}

static void turned_away(uv_handle_t *handle)
{
	free(handle);
}

/* Accepts and closes: left alone the connection would block the listener for good. */
static void turn_away(uv_stream_t *listener)
{
	union control_handle *h = malloc(sizeof(*h));

	if (!h)
		return;
	init_stream(listener->data, &h->handle, NULL);
	uv_accept(listener, &h->stream);
	uv_close(&h->handle, turned_away);
}

static void accepted(uv_stream_t *listener, int status)
{
	struct control *control = listener->data;
	struct control_client *c = NULL;

	if (status < 0)
		return;
	for (int i = 0; i < CONTROL_CLIENTS_MAX && !c; i++)
		if (!control->client[i].used)
			c = &control->client[i];
	if (!c) {
		turn_away(listener);
		return;
	}
	memset(c, 0, sizeof(*c));
	c->control = control;
	c->serial = ++control->serials;
	c->line = malloc(CONTROL_LINE_MAX + 1);
	if (!c->line) {
		turn_away(listener);
		return;
	}
	c->used = true;
	init_stream(control, &c->u.handle, c);
	if (uv_accept(listener, &c->u.stream) || uv_read_start(&c->u.stream, give_buffer, got))
		client_close(c);
}

static int bind_listener(struct control *c, const char *host, int port, const char *path)
{
	struct sockaddr_in at;
	int e;

	if (c->is_pipe)
		return uv_pipe_bind(&c->listener.pipe, path);
	e = uv_ip4_addr(host, port, &at);
	return e ? e : uv_tcp_bind(&c->listener.tcp, (const struct sockaddr *)&at, 0);
}

int control_open(struct control *c, struct sim *sim, const char *host, int port, const char *path, struct errbuf *err)
{
	struct sockaddr_storage at = { 0 };
	struct sockaddr_in v4;
	int len = sizeof(at), e;

	memset(c, 0, sizeof(*c));
	c->sim = sim;
	c->is_pipe = path[0] != '\0';
	if (c->is_pipe)
		unlink(path); /* left over from a run that was killed */
	init_stream(c, &c->listener.handle, c);
	c->open = true;
	e = bind_listener(c, host, port, path);
	if (!e)
		e = uv_listen(&c->listener.stream, CONTROL_CLIENTS_MAX, accepted);
	if (e)
		return errbuf_set(err, -EADDRINUSE, "cannot listen for control on %s: %s", c->is_pipe ? path : host,
				  uv_strerror(e));
	if (c->is_pipe)
		return 0;
	uv_tcp_getsockname(&c->listener.tcp, (struct sockaddr *)&at, &len);
	memcpy(&v4, &at, sizeof(v4));
	return ntohs(v4.sin_port);
}

void control_close(struct control *c)
{
	if (!c->open)
		return;
	c->open = false;
	uv_close(&c->listener.handle, NULL);
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		client_close(&c->client[i]);
}
