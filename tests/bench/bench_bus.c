/* Reads a second through the bus (loop -> worker thread -> loop), against libmodbus called in a bare loop, on the same
 * server. Rounds alternate, so both see the same machine. Usage: bench_bus [seconds a round] [rounds] */
#include "bench/modbus_server.h"

#include "drivers/modbus/bus.h"

#include <uv.h>

#define REGISTERS 60
#define SAMPLES_MAX 400000

struct run {
	int64_t begun_us, end_us, sent_us[16];
	double *latency_us;
	int reads, samples, under_way;
};

static struct bus *bus;
static struct run *run;
static double latencies[SAMPLES_MAX];

static void submit(uint32_t slot, int requests)
{
	struct batch b = { .unit = 1, .n = requests };

	for (int i = 0; i < requests; i++) {
		b.r[i].fc = 3;
		b.r[i].count = REGISTERS;
	}
	run->sent_us[slot] = bench_us();
	if (bus_submit(bus, slot, &b)) {
		fprintf(stderr, "bus_submit failed\n");
		exit(1);
	}
	run->under_way++;
}

static void on_result(void *context, uint32_t slot, const struct batch_result *result)
{
	int64_t now = bench_us();

	for (int i = 0; i < result->n; i++) {
		if (result->status[i] != REQUEST_OK || result->r[i].words[REGISTERS - 1] != REGISTERS - 1) {
			fprintf(stderr, "a read failed with status %d\n", (int)result->status[i]);
			exit(1);
		}
		run->reads++;
	}
	run->under_way--;
	if (run->samples < SAMPLES_MAX)
		run->latency_us[run->samples++] = (double)(now - run->sent_us[slot]);
	if (now < run->end_us)
		submit(slot, result->n);
	else if (!run->under_way)
		uv_stop(context);
}

/* @at_once batches of @requests reads kept under way. Returns reads a second. */
static double through_bus(uv_loop_t *loop, double seconds, int at_once, int requests, double *p50, double *p99)
{
	struct run r = { .latency_us = latencies };

	run = &r;
	r.begun_us = bench_us();
	r.end_us = r.begun_us + (int64_t)(seconds * 1e6);
	for (int i = 0; i < at_once; i++)
		submit((uint32_t)i, requests);
	uv_run(loop, UV_RUN_DEFAULT);
	*p99 = bench_quantile(latencies, r.samples, 0.99);
	*p50 = bench_quantile(latencies, r.samples, 0.5);
	return r.reads / ((double)(bench_us() - r.begun_us) / 1e6);
}

static double bare(modbus_t *mb, double seconds, double *p50, double *p99)
{
	int64_t begun = bench_us(), end = begun + (int64_t)(seconds * 1e6), now = begun;
	uint16_t words[REGISTERS];
	int reads = 0;

	while (now < end) {
		int64_t before = now;

		if (modbus_read_registers(mb, 0, REGISTERS, words) != REGISTERS) {
			fprintf(stderr, "bare: %s\n", modbus_strerror(errno));
			exit(1);
		}
		now = bench_us();
		if (reads < SAMPLES_MAX)
			latencies[reads] = (double)(now - before);
		reads++;
	}
	*p99 = bench_quantile(latencies, reads < SAMPLES_MAX ? reads : SAMPLES_MAX, 0.99);
	*p50 = bench_quantile(latencies, reads < SAMPLES_MAX ? reads : SAMPLES_MAX, 0.5);
	return reads / ((double)(now - begun) / 1e6);
}

int main(int argc, char **argv)
{
	static const struct { const char *name; int at_once, requests; } ROWS[] = {
		{ "bare libmodbus loop", 0, 0 }, { "bus, one read at a time", 1, 1 }, { "bus, 4 reads queued", 4, 1 },
		{ "bus, 16 reads queued", 16, 1 }, { "bus, batches of 12, 2 queued", 2, 12 },
	};
	enum { N = sizeof(ROWS) / sizeof(ROWS[0]), ROUNDS_MAX = 64 };
	double seconds = argc > 1 ? atof(argv[1]) : 0.5, rate[N][ROUNDS_MAX], p50[N][ROUNDS_MAX], p99[N][ROUNDS_MAX];
	int rounds = argc > 2 ? atoi(argv[2]) : 9, port;
	pid_t server = bench_server(-1, &port);
	struct bus_options o = { .name = "bench", .type = BUS_TCP, .host = "127.0.0.1", .port = port, .timeout_ms = 1000 };
	modbus_t *mb = modbus_new_tcp("127.0.0.1", port);
	double base;
	uv_loop_t loop;

	rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
	uv_loop_init(&loop);
	modbus_set_slave(mb, 1);
	if (modbus_connect(mb) || bus_open(&bus, &loop, &o, on_result, &loop, NULL)) {
		fprintf(stderr, "cannot connect\n");
		return 1;
	}
	for (int k = 0; k < rounds; k++)
		for (int i = 0; i < N; i++)
			rate[i][k] = ROWS[i].at_once ? through_bus(&loop, seconds, ROWS[i].at_once, ROWS[i].requests, &p50[i][k], &p99[i][k])
						     : bare(mb, seconds, &p50[i][k], &p99[i][k]);
	base = bench_quantile(rate[0], rounds, 0.5);
	printf("%d registers a read, loopback, libmodbus server in a process of its own, median of %d rounds of %.2g s\n\n",
	       REGISTERS, rounds, seconds);
	printf("%-30s %10s %8s %12s %12s\n", "", "reads/s", "ratio", "p50 us", "p99 us");
	for (int i = 0; i < N; i++)
		printf("%-30s %10.0f %8.2f %12.0f %12.0f\n", ROWS[i].name, bench_quantile(rate[i], rounds, 0.5),
		       bench_quantile(rate[i], rounds, 0.5) / base, bench_quantile(p50[i], rounds, 0.5),
		       bench_quantile(p99[i], rounds, 0.5));
	printf("\n(latency is of a whole batch, from bus_submit to its result on the loop)\n");
	printf("figure: reads/s through the bus, 16 queued, against bare libmodbus | measured: %.2fx | target: none is set | -\n",
	       bench_quantile(rate[3], rounds, 0.5) / base);
	bus_close(bus);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	modbus_close(mb);
	modbus_free(mb);
	bench_server_stop(server);
	return 0;
}
