/* Watches the agent's ticks from outside: everything published in a tick carries the time of its snapshot in "at".
 * Prints "AT_MS ARRIVED_US" for each new "at": wall clock of the snapshot, CLOCK_MONOTONIC of the arrival here.
 *
 * Usage: bench_tick BROKER_PORT TOPIC_ROOT SECONDS */
#include "bench/modbus_server.h"

#include "core/calendar.h"

#include <mosquitto.h>

#define LINES_MAX 200000

static int64_t at_ms[LINES_MAX], arrived_us[LINES_MAX];
static int n;

static void on_message(struct mosquitto *m, void *context, const struct mosquitto_message *message)
{
	static const char KEY[] = "{\"at\":\"";
	int64_t now = bench_us(), at;
	char text[CALENDAR_TEXT_MAX];
	size_t length;

	(void)m;
	(void)context;
	if (message->retain || message->payloadlen < 40 || strncmp(message->payload, KEY, sizeof(KEY) - 1) != 0)
		return;
	length = strcspn((const char *)message->payload + sizeof(KEY) - 1, "\"");
	if (length >= sizeof(text))
		return;
	memcpy(text, (const char *)message->payload + sizeof(KEY) - 1, length);
	text[length] = '\0';
	if (calendar_parse(text, &at) < 0 || n == LINES_MAX || (n && at_ms[n - 1] >= at))
		return;
	at_ms[n] = at;
	arrived_us[n++] = now;
}

int main(int argc, char **argv)
{
	struct mosquitto *m;
	char topic[256];
	int64_t end;

	if (argc != 4)
		return 2;
	mosquitto_lib_init();
	m = mosquitto_new(NULL, true, NULL);
	mosquitto_message_callback_set(m, on_message);
	if (mosquitto_connect(m, "127.0.0.1", atoi(argv[1]), 60)) {
		fprintf(stderr, "no broker\n");
		return 1;
	}
	snprintf(topic, sizeof(topic), "%s/device/+", argv[2]);
	mosquitto_subscribe(m, NULL, topic, 0);
	end = bench_us() + atoi(argv[3]) * (int64_t)1000000;
	while (bench_us() < end)
		if (mosquitto_loop(m, 100, 1)) {
			fprintf(stderr, "the broker is gone\n");
			return 1;
		}
	for (int i = 0; i < n; i++)
		printf("%lld %lld\n", (long long)at_ms[i], (long long)arrived_us[i]);
	return 0;
}
