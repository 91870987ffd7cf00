/* One silent device of 16, polled on a fixed beat: how many polls of the other 15 are kept (answered before the next is
 * due), through the bus and through a bare libmodbus loop that asks one after the other. On hosts of their own, on one
 * shared host (a gateway), on one shared serial line (a pty, so without the time on the wire). All cases run side by side.
 *
 * Usage: bench_silent [settle seconds] [measured seconds]; by default 60 and 60. */
#include "bench/modbus_server.h"

#include "drivers/modbus/bus.h"
#include "io/loop.h"

#include <fcntl.h>
#include <termios.h>
#include <uv.h>

#define UNITS 16 /* the first is silent */
#define POLL_MS 1000
#define REGISTERS 20
#define BAUD 19200

enum where { OWN_HOST, SHARED_HOST, SHARED_LINE };

struct scene {
	const char *name;
	enum where where;
	int timeout_ms;
	double target;             /* %; 0 = none */
	int port, silent_port;
	char line[2][64];          /* devices for the bus and for the bare loop */
	pid_t helpers[4];
	int n_helpers, pipe;       /* pipe: the bare loop's two numbers */
	struct bus *bus[UNITS];
	int64_t slot[UNITS];       /* of the poll under way, -1 = none */
	int due, kept;
};

static uv_loop_t loop;
static int64_t begun_ms, from_slot, to_slot;

static uint16_t crc(const uint8_t *data, int n)
{
	unsigned int c = 0xffff;

	for (int i = 0; i < n; i++) {
		c ^= data[i];
		for (int k = 0; k < 8; k++)
			c = c & 1 ? c >> 1 ^ 0xa001 : c >> 1;
	}
	return (uint16_t)c;
}

/* A line with 16 slaves on it; only requests of function 3 come. */
static void line_serve(int master)
{
	uint8_t q[8], a[5 + 2 * REGISTERS] = { 0 };
	int have = 0;

	for (;;) {
		ssize_t n = read(master, q + have, sizeof(q) - (size_t)have);
		uint16_t sum;

		if (n <= 0) {
			usleep(10000); /* nobody has opened it yet */
			continue;
		}
		have += (int)n;
		if (have < 8)
			continue;
		have = 0;
		if (q[0] == 1)
			continue;
		a[0] = q[0];
		a[1] = q[1];
		a[2] = 2 * REGISTERS;
		sum = crc(a, 3 + 2 * REGISTERS);
		a[3 + 2 * REGISTERS] = (uint8_t)(sum & 0xff);
		a[4 + 2 * REGISTERS] = (uint8_t)(sum >> 8);
		if (write(master, a, sizeof(a)) < 0)
			_exit(1);
	}
}

static pid_t line_make(char *name, size_t size)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY);
	struct termios t;
	pid_t pid;

	if (master < 0 || grantpt(master) || unlockpt(master) || ptsname_r(master, name, size)) {
		perror("pty");
		exit(1);
	}
	tcgetattr(master, &t);
	cfmakeraw(&t);
	tcsetattr(master, TCSANOW, &t);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		line_serve(master);
	}
	close(master);
	return pid;
}

/* ---- the bare loop, a process of its own ---- */

static modbus_t *bare_open(const struct scene *s, int unit)
{
	modbus_t *mb = s->where == SHARED_LINE ? modbus_new_rtu(s->line[1], BAUD, 'N', 8, 1)
		     : modbus_new_tcp("127.0.0.1", s->where == OWN_HOST && unit == 0 ? s->silent_port : s->port);

	modbus_set_response_timeout(mb, (uint32_t)s->timeout_ms / 1000, (uint32_t)s->timeout_ms % 1000 * 1000);
	modbus_set_byte_timeout(mb, 0, 0);
	modbus_connect(mb);
	return mb;
}

static void bare_run(const struct scene *s, int out)
{
	modbus_t *mb[UNITS];
	uint16_t words[REGISTERS];
	int result[2] = { 0, 0 };

	for (int u = 0; u < UNITS; u++)
		mb[u] = u && s->where != OWN_HOST ? mb[0] : bare_open(s, u);
	for (int64_t slot = 0; slot < to_slot;) {
		int64_t now = loop_now_ms(), late;

		if (now < begun_ms + slot * POLL_MS)
			usleep((useconds_t)(begun_ms + slot * POLL_MS - now) * 1000);
		for (int u = 0; u < UNITS; u++) {
			int64_t in_time;
			int r;

			modbus_set_slave(mb[u], s->where == OWN_HOST ? 2 : u + 1);
			r = modbus_read_registers(mb[u], 0, REGISTERS, words);
			in_time = loop_now_ms() < begun_ms + (slot + 1) * POLL_MS;
			if (r < 0) {
				modbus_flush(mb[u]);
				modbus_close(mb[u]);
				modbus_connect(mb[u]);
			}
			if (u && slot >= from_slot) {
				result[0]++;
				result[1] += r > 0 && in_time;
			}
		}
		late = (loop_now_ms() - begun_ms) / POLL_MS;
		if (late > slot + 1 && late < to_slot && slot >= from_slot) /* beats that went by */
			result[0] += (int)(late - slot - 1) * (UNITS - 1);
		slot = late > slot ? late : slot + 1;
	}
	if (write(out, result, sizeof(result)) != sizeof(result))
		_exit(1);
	_exit(0);
}

static void bare_start(struct scene *s)
{
	int fd[2];

	if (pipe(fd)) {
		perror("pipe");
		exit(1);
	}
	s->helpers[s->n_helpers] = fork();
	if (s->helpers[s->n_helpers] == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(fd[0]);
		bare_run(s, fd[1]);
	}
	s->n_helpers++;
	close(fd[1]);
	s->pipe = fd[0];
}

/* ---- through the bus ---- */

static int64_t slot_now(void)
{
	return (loop_now_ms() - begun_ms) / POLL_MS;
}

static void on_result(void *context, uint32_t unit, const struct batch_result *result)
{
	struct scene *s = context;

	if (unit && s->slot[unit] >= from_slot && s->slot[unit] < to_slot)
		s->kept += result->status[0] == REQUEST_OK && slot_now() == s->slot[unit];
	s->slot[unit] = -1;
}

static void scene_open(struct scene *s)
{
	for (int u = 0; u < UNITS; u++) {
		struct bus_options o = { .type = s->where == SHARED_LINE ? BUS_RTU : BUS_TCP, .host = "127.0.0.1",
					 .timeout_ms = s->timeout_ms, .baud = BAUD, .parity = 'N', .data_bits = 8, .stop_bits = 1,
					 .port = s->where == OWN_HOST && u == 0 ? s->silent_port : s->port };
		struct errbuf err = { "" };

		snprintf(o.name, sizeof(o.name), "b%d", u);
		snprintf(o.device, sizeof(o.device), "%s", s->line[0]);
		s->slot[u] = -1;
		if (u && s->where != OWN_HOST) {
			s->bus[u] = s->bus[0];
		} else if (bus_open(&s->bus[u], &loop, &o, on_result, s, &err)) {
			fprintf(stderr, "%s\n", err.text);
			exit(1);
		}
	}
}

static void scene_poll(struct scene *s, int64_t slot)
{
	for (int u = 0; u < UNITS; u++) {
		struct batch b = { .unit = (uint8_t)(s->where == OWN_HOST ? 2 : u + 1), .n = 1 };

		b.r[0] = (struct modbus_request){ .fc = 3, .count = REGISTERS };
		if (u && slot >= from_slot && slot < to_slot)
			s->due++;
		if (s->slot[u] < 0 && !bus_submit(s->bus[u], (uint32_t)u, &b))
			s->slot[u] = slot;
	}
}

static void scene_close(struct scene *s)
{
	for (int u = 0; u < UNITS; u++)
		bus_ask_close(s->bus[u]);
	for (int u = 0; u < (s->where == OWN_HOST ? UNITS : 1); u++)
		bus_close(s->bus[u]);
	for (int i = 0; i < s->n_helpers; i++)
		bench_server_stop(s->helpers[i]);
}

static struct scene SCENES[] = {
	{ .name = "own host", .where = OWN_HOST, .timeout_ms = 1000, .target = 100 },
	{ .name = "shared host", .where = SHARED_HOST, .timeout_ms = 500, .target = 95 },
	{ .name = "shared host", .where = SHARED_HOST, .timeout_ms = 1000, .target = 95 },
	{ .name = "shared line", .where = SHARED_LINE, .timeout_ms = 500, .target = 95 },
	{ .name = "shared line", .where = SHARED_LINE, .timeout_ms = 1000, .target = 95 },
};
enum { N = sizeof(SCENES) / sizeof(SCENES[0]) };

static void on_beat(uv_timer_t *timer)
{
	int64_t slot = slot_now();

	if (slot > to_slot) {
		uv_close((uv_handle_t *)timer, NULL);
		for (int i = 0; i < N; i++)
			scene_close(&SCENES[i]);
		return;
	}
	for (int i = 0; i < N && slot < to_slot; i++)
		scene_poll(&SCENES[i], slot);
	/* On the beat, not a period after this moment. */
	uv_update_time(&loop);
	uv_timer_start(timer, on_beat, (uint64_t)(begun_ms + (slot + 1) * POLL_MS - loop_now_ms()) + 1, 0);
}

static void helpers_start(struct scene *s)
{
	if (s->where == SHARED_LINE) {
		for (int i = 0; i < 2; i++)
			s->helpers[s->n_helpers++] = line_make(s->line[i], sizeof(s->line[i]));
	} else {
		s->helpers[s->n_helpers++] = bench_server(s->where == OWN_HOST ? -1 : 1, &s->port);
		if (s->where == OWN_HOST)
			s->helpers[s->n_helpers++] = bench_server(2, &s->silent_port);
	}
}

int main(int argc, char **argv)
{
	int settle_s = argc > 1 ? atoi(argv[1]) : 60, measured_s = argc > 2 ? atoi(argv[2]) : 60, bare[N][2];
	uv_timer_t beat;
	char ratio[16];

	from_slot = settle_s;
	to_slot = settle_s + (measured_s > 0 ? measured_s : 1);
	begun_ms = loop_now_ms() + 300;
	for (int i = 0; i < N; i++) {
		helpers_start(&SCENES[i]);
		bare_start(&SCENES[i]);
	}
	uv_loop_init(&loop);
	for (int i = 0; i < N; i++)
		scene_open(&SCENES[i]);
	uv_timer_init(&loop, &beat);
	uv_timer_start(&beat, on_beat, (uint64_t)(begun_ms - loop_now_ms()), 0);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);

	printf("polls kept by the other 15 of %d units, one poll each %d ms, %d s after %d s of settling\n\n", UNITS, POLL_MS,
	       measured_s, settle_s);
	printf("%-14s %10s %12s %12s %8s\n", "", "timeout", "bus", "bare loop", "ratio");
	for (int i = 0; i < N; i++) {
		if (read(SCENES[i].pipe, bare[i], sizeof(bare[i])) != sizeof(bare[i]) || !bare[i][0])
			bare[i][0] = bare[i][1] = 1;
		snprintf(ratio, sizeof(ratio), "%.2f", (double)SCENES[i].kept / SCENES[i].due * bare[i][0] / (bare[i][1] ? bare[i][1] : 1));
		printf("%-14s %7d ms %10.2f %% %10.2f %% %8s\n", SCENES[i].name, SCENES[i].timeout_ms,
		       100. * SCENES[i].kept / SCENES[i].due, 100. * bare[i][1] / bare[i][0], bare[i][1] ? ratio : "-");
	}
	printf("\n(the bare loop asks the silent unit first; where that takes a whole beat, it keeps none)\n");
	for (int i = 0; i < N; i++) {
		char figure[80];

		snprintf(figure, sizeof(figure), "one silent device of 16, %s, timeout %d ms", SCENES[i].name, SCENES[i].timeout_ms);
		bench_verdict(figure, 100. * SCENES[i].kept / SCENES[i].due, " %", 0, SCENES[i].target);
	}
	return 0;
}
