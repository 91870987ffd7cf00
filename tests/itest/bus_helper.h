/* A bus on the command line for scripts: `itest_bus tcp HOST PORT TIMEOUT_MS` or `itest_bus rtu DEVICE BAUD TIMEOUT_MS`.
 *
 *   in:   ID DEVICE UNIT r|c EXPIRES_IN_MS FC,ADDRESS,COUNT,GAP_MS[,WORD...] ...      one batch a line
 *         stats
 *   out:  {"id":..,"device":..,"ms":..,"status":[..],"words":[[..],..]}               one result a line
 *         {"stats":{..}}
 * Ends at the end of its input. */
#ifndef HEARTH_TESTS_ITEST_BUS_HELPER_H
#define HEARTH_TESTS_ITEST_BUS_HELPER_H

#include "drivers/modbus/bus.h"
#include "io/loop.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct helper {
	struct bus *bus;
	uv_loop_t loop;
	uv_poll_t input;
	char line[8192];
	size_t used;
};

static inline void helper_result(void *context, uint32_t device, const struct batch_result *result)
{
	(void)context;
	printf("{\"id\":%u,\"device\":%u,\"ms\":%lld,\"status\":[", result->id, device,
	       (long long)(result->done_ms - result->begun_ms));
	for (int i = 0; i < result->n; i++)
		printf("%s%d", i ? "," : "", (int)result->status[i]);
	printf("],\"words\":[");
	for (int i = 0; i < result->n; i++) {
		printf("%s[", i ? "," : "");
		for (int k = 0; result->status[i] == REQUEST_OK && k < result->r[i].count; k++)
			printf("%s%d", k ? "," : "", result->r[i].words[k]);
		printf("]");
	}
	printf("]}\n");
	fflush(stdout);
}

static inline void helper_stats(struct helper *h)
{
	struct bus_stats s;

	bus_stats(h->bus, &s);
	printf("{\"stats\":{\"link_up\":%d,\"requests\":%llu,\"ok\":%llu,\"exceptions\":%llu,\"timeouts\":%llu,\"bad_answers\":%llu,"
	       "\"expired\":%llu,\"replaced\":%llu,\"connects\":%llu,\"connect_failures\":%llu,\"last_error\":\"%s\"}}\n",
	       s.link_up, (unsigned long long)s.requests, (unsigned long long)s.ok, (unsigned long long)s.exceptions,
	       (unsigned long long)s.timeouts, (unsigned long long)s.bad_answers, (unsigned long long)s.expired,
	       (unsigned long long)s.replaced, (unsigned long long)s.connects, (unsigned long long)s.connect_failures, s.last_error);
	fflush(stdout);
}

static inline void helper_line(struct helper *h, char *line)
{
	char *save = NULL, *word = strtok_r(line, " ", &save);
	unsigned long head[5] = { 0 };
	struct batch b = { 0 };
	int r;

	if (word && !strcmp(word, "stats")) {
		helper_stats(h);
		return;
	}
	for (int i = 0; word && i < 5; i++, word = strtok_r(NULL, " ", &save))
		head[i] = i == 3 ? *word == 'c' : strtoul(word, NULL, 0);
	b.id = (uint32_t)head[0];
	b.unit = (uint8_t)head[2];
	b.command = head[3];
	b.expires_ms = head[4] ? loop_now_ms() + (int64_t)head[4] : 0;
	for (; word && b.n < BATCH_REQUESTS_MAX; word = strtok_r(NULL, " ", &save), b.n++) {
		uint16_t field[4 + REQUEST_WORDS_MAX] = { 0 };
		char *at = word;

		for (int i = 0; *at && i < 4 + REQUEST_WORDS_MAX; i++, at += *at == ',')
			field[i] = (uint16_t)strtoul(at, &at, 0);
		b.r[b.n].fc = (uint8_t)field[0];
		b.r[b.n].address = field[1];
		b.r[b.n].count = field[2];
		b.r[b.n].gap_ms = field[3];
		memcpy(b.r[b.n].words, field + 4, sizeof(b.r[b.n].words));
	}
	r = bus_submit(h->bus, (uint32_t)head[1], &b);
	if (r)
		printf("{\"id\":%u,\"error\":%d}\n", b.id, r);
	fflush(stdout);
}

static inline void helper_input(uv_poll_t *poll, int status, int events)
{
	struct helper *h = poll->data;
	ssize_t n = read(0, h->line + h->used, sizeof(h->line) - h->used - 1);
	char *end;

	(void)events;
	if (status || n <= 0) {
		uv_close((uv_handle_t *)poll, NULL);
		bus_close(h->bus);
		return;
	}
	h->used += (size_t)n;
	h->line[h->used] = '\0';
	while ((end = strchr(h->line, '\n'))) {
		size_t rest = h->used - (size_t)(end + 1 - h->line);

		*end = '\0';
		helper_line(h, h->line);
		memmove(h->line, end + 1, rest + 1);
		h->used = rest;
	}
}

static inline int bus_helper(int argc, char **argv)
{
	static struct helper h;
	struct bus_options o = { .name = "helper", .parity = 'N', .data_bits = 8, .stop_bits = 1 };
	struct errbuf err = { "" };

	if (argc != 5 || (strcmp(argv[1], "tcp") && strcmp(argv[1], "rtu"))) {
		fprintf(stderr, "usage: %s [tcp HOST PORT TIMEOUT_MS | rtu DEVICE BAUD TIMEOUT_MS]\n", argv[0]);
		return 2;
	}
	o.type = strcmp(argv[1], "tcp") ? BUS_RTU : BUS_TCP;
	snprintf(o.host, sizeof(o.host), "%s", argv[2]);
	snprintf(o.device, sizeof(o.device), "%s", argv[2]);
	o.port = o.baud = atoi(argv[3]);
	o.timeout_ms = atoi(argv[4]);
	uv_loop_init(&h.loop);
	if (bus_open(&h.bus, &h.loop, &o, helper_result, &h, &err)) {
		fprintf(stderr, "%s\n", err.text);
		return 1;
	}
	h.input.data = &h;
	uv_poll_init(&h.loop, &h.input, 0);
	uv_poll_start(&h.input, UV_READABLE, helper_input);
	uv_run(&h.loop, UV_RUN_DEFAULT);
	return uv_loop_close(&h.loop) ? 1 : 0;
}

#endif
