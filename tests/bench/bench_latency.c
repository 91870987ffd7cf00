/* The publisher for "command on MQTT -> first Modbus write", and the bare path beside it: a libmosquitto callback that
 * writes by libmodbus at once. Each round sends one order to the agent and, half a gap later, one to the bare path.
 * Prints "agent|bare VALUE MICROSECONDS" (CLOCK_MONOTONIC just before the publish); the simulator knows when writes came.
 *
 * Usage: bench_latency BROKER_PORT TOPIC_ROOT MODBUS_PORT ROUNDS GAP_MS REGISTER   (the bare path writes unit 2) */
#include "bench/modbus_server.h"

#include <mosquitto.h>

#define BARE_UNIT 2
#define BARE_TOPIC "bench/bare"
#define WATT_LOW 1000

static modbus_t *mb;
static int bare_register;

static void on_bare(struct mosquitto *m, void *context, const struct mosquitto_message *message)
{
	uint16_t words[1];

	(void)m;
	(void)context;
	words[0] = (uint16_t)atoi(message->payload);
	if (modbus_write_registers(mb, bare_register, 1, words) != 1) {
		fprintf(stderr, "bare: %s\n", modbus_strerror(errno));
		_exit(1);
	}
}

static void on_bare_connected(struct mosquitto *m, void *context, int rc)
{
	(void)context;
	if (rc)
		_exit(1);
	mosquitto_subscribe(m, NULL, BARE_TOPIC, 1);
}

static struct mosquitto *broker_connect(int port)
{
	struct mosquitto *m = mosquitto_new(NULL, true, NULL);

	if (!m || mosquitto_connect(m, "127.0.0.1", port, 60)) {
		fprintf(stderr, "no broker on port %d\n", port);
		exit(1);
	}
	return m;
}

static void bare_run(int broker_port, int modbus_port)
{
	struct mosquitto *m = mosquitto_new(NULL, true, NULL);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	mb = modbus_new_tcp("127.0.0.1", modbus_port);
	modbus_set_slave(mb, BARE_UNIT);
	if (modbus_connect(mb)) {
		fprintf(stderr, "bare: cannot connect\n");
		_exit(1);
	}
	mosquitto_connect_callback_set(m, on_bare_connected);
	mosquitto_message_callback_set(m, on_bare);
	if (mosquitto_connect(m, "127.0.0.1", broker_port, 60))
		_exit(1);
	mosquitto_loop_forever(m, -1, 1);
	_exit(1);
}

/* Serves the connection until @until_us, then the order goes out on the beat of the caller. */
static void wait_until(struct mosquitto *m, int64_t until_us)
{
	for (;;) {
		int64_t left = until_us - bench_us();

		if (left <= 0)
			return;
		mosquitto_loop(m, (int)(left / 1000), 1);
	}
}

static void send_order(struct mosquitto *m, const char *who, const char *topic, int value, const char *text)
{
	int64_t now = bench_us();

	if (mosquitto_publish(m, NULL, topic, (int)strlen(text), text, 1, false)) {
		fprintf(stderr, "publish failed\n");
		exit(1);
	}
	printf("%s %d %lld\n", who, value, (long long)now);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	char topic[256], text[160];
	struct mosquitto *m;
	int rounds, gap_ms;
	int64_t due;
	pid_t bare;

	if (argc != 7)
		return 2;
	mosquitto_lib_init();
	rounds = atoi(argv[4]);
	gap_ms = atoi(argv[5]);
	bare_register = atoi(argv[6]);
	bare = fork();
	if (bare == 0)
		bare_run(atoi(argv[1]), atoi(argv[3]));
	m = broker_connect(atoi(argv[1]));
	snprintf(topic, sizeof(topic), "%s/request/override.set", argv[2]);
	due = bench_us() + 500000;
	for (int i = 0; i < rounds; i++) {
		int value = WATT_LOW +
			    i % 200 * 10; /* each order differs from those before, so that its write is known by its value */
		int64_t wander = random() % (gap_ms * 100); /* no lockstep with the agent's beat */

		wait_until(m, due + wander);
		snprintf(text, sizeof(text),
			 "{\"device\":\"battery\",\"mode\":\"charge\",\"power_w\":%d,\"duration_s\":600}", value);
		send_order(m, "agent", topic, value, text);
		wait_until(m, due + wander + gap_ms * 500);
		snprintf(text, sizeof(text), "%d", 500 + i % 200);
		send_order(m, "bare", BARE_TOPIC, 500 + i % 200, text);
		due += gap_ms * 1000 + gap_ms * 100;
	}
	wait_until(m, bench_us() + 500000);
	kill(bare, SIGKILL);
	waitpid(bare, NULL, 0);
	mosquitto_disconnect(m);
	return 0;
}
