/* The bare program the agent's polling is compared with: libuv, libmosquitto and libmodbus, as small as can be. A thread
 * for each host reads 60 registers of each of its units on one common tick; the loop publishes the values as JSON.
 *
 * Usage: bench_poll BROKER_PORT TOPIC PORT...   a device for each PORT; its unit is its place in the list, from 1 */
#include <modbus/modbus.h>
#include <mosquitto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <uv.h>

#define DEVICES_MAX 32
#define REGISTERS 60
#define TICK_MS 1000
#define MISC_MS 2500

struct device {
	struct host *host;
	double values[REGISTERS / 2];
	uint16_t words[REGISTERS];
	bool fresh;
};

struct host {
	int port;
	modbus_t *mb;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	bool wanted;
};

static const char *const NAMES[] = { "voltage_l1_v", "voltage_l2_v", "voltage_l3_v",     "current_l1_a",    "current_l2_a",
				     "current_l3_a", "power_l1_w",   "power_l2_w",       "power_l3_w",      "power_w",
				     "power_factor", "frequency_hz", "energy_import_wh", "energy_export_wh" };
static struct device devices[DEVICES_MAX];
static struct host hosts[DEVICES_MAX];
static int n_devices, n_hosts;
static const char *topic;
static struct mosquitto *mosq;
static uv_async_t done;
static pthread_mutex_t fresh_lock = PTHREAD_MUTEX_INITIALIZER;
static uv_poll_t socket_poll;
static bool writable_wanted;

static void *host_run(void *arg)
{
	struct host *h = arg;
	uint16_t words[REGISTERS];

	for (;;) {
		pthread_mutex_lock(&h->lock);
		while (!h->wanted)
			pthread_cond_wait(&h->work, &h->lock);
		h->wanted = false;
		pthread_mutex_unlock(&h->lock);
		for (int i = 0; i < n_devices; i++) {
			if (devices[i].host != h)
				continue;
			modbus_set_slave(h->mb, i + 1);
			if (modbus_read_input_registers(h->mb, 0, REGISTERS, words) != REGISTERS) {
				fprintf(stderr, "bare: unit %d: %s\n", i + 1, modbus_strerror(errno));
				exit(1);
			}
			pthread_mutex_lock(&fresh_lock);
			memcpy(devices[i].words, words, sizeof(words));
			devices[i].fresh = true;
			pthread_mutex_unlock(&fresh_lock);
			uv_async_send(&done);
		}
	}
	return NULL;
}

static void publish(int i)
{
	char text[1024], name[128];
	int n = snprintf(text, sizeof(text), "{\"at\":%llu,\"quality\":\"good\",\"meter\":{",
			 (unsigned long long)uv_hrtime());

	for (size_t k = 0; k < sizeof(NAMES) / sizeof(NAMES[0]); k++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "%s\"%s\":%.1f", k ? "," : "", NAMES[k],
			      devices[i].values[k]);
	n += snprintf(text + n, sizeof(text) - (size_t)n, "}}");
	snprintf(name, sizeof(name), "%s/device/m%d", topic, i + 1);
	mosquitto_publish(mosq, NULL, name, n, text, 0, true);
}

static void on_socket(uv_poll_t *handle, int status, int events);

static void watch(void)
{
	bool want = mosquitto_want_write(mosq);

	if (want != writable_wanted)
		uv_poll_start(&socket_poll, UV_READABLE | (want ? UV_WRITABLE : 0), on_socket);
	writable_wanted = want;
}

static void on_socket(uv_poll_t *handle, int status, int events)
{
	(void)handle;
	if (status < 0 || ((events & UV_READABLE) && mosquitto_loop_read(mosq, 1)) ||
	    ((events & UV_WRITABLE) && mosquitto_loop_write(mosq, 1))) {
		fprintf(stderr, "bare: the broker is gone\n");
		exit(1);
	}
	watch();
}

static void on_done(uv_async_t *handle)
{
	(void)handle;
	for (int i = 0; i < n_devices; i++) {
		uint16_t words[REGISTERS];
		bool fresh;

		pthread_mutex_lock(&fresh_lock);
		fresh = devices[i].fresh;
		devices[i].fresh = false;
		if (fresh)
			memcpy(words, devices[i].words, sizeof(words));
		pthread_mutex_unlock(&fresh_lock);
		if (!fresh)
			continue;
		for (int k = 0; k < REGISTERS / 2; k++)
			devices[i].values[k] = (double)modbus_get_float_abcd(words + 2 * k);
		publish(i);
	}
	watch();
}

static void on_tick(uv_timer_t *timer)
{
	(void)timer;
	for (int i = 0; i < n_hosts; i++) {
		pthread_mutex_lock(&hosts[i].lock);
		hosts[i].wanted = true;
		pthread_cond_signal(&hosts[i].work);
		pthread_mutex_unlock(&hosts[i].lock);
	}
}

static void on_misc(uv_timer_t *timer)
{
	(void)timer;
	mosquitto_loop_misc(mosq);
}

static struct host *host_of(int port)
{
	struct host *h = hosts;

	for (; h < hosts + n_hosts; h++)
		if (h->port == port)
			return h;
	n_hosts++;
	h->port = port;
	h->mb = modbus_new_tcp("127.0.0.1", port);
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->work, NULL);
	if (modbus_connect(h->mb)) {
		fprintf(stderr, "bare: port %d: %s\n", port, modbus_strerror(errno));
		exit(1);
	}
	return h;
}

int main(int argc, char **argv)
{
	uv_loop_t *loop = uv_default_loop();
	uv_timer_t tick, misc;

	if (argc < 4 || argc - 3 > DEVICES_MAX)
		return 2;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	topic = argv[2];
	for (int i = 3; i < argc; i++)
		devices[n_devices++].host = host_of(atoi(argv[i]));
	mosquitto_lib_init();
	mosq = mosquitto_new(NULL, true, NULL);
	if (mosquitto_connect(mosq, "127.0.0.1", atoi(argv[1]), 20)) {
		fprintf(stderr, "bare: no broker\n");
		return 1;
	}
	uv_poll_init(loop, &socket_poll, mosquitto_socket(mosq));
	uv_poll_start(&socket_poll, UV_READABLE, on_socket);
	uv_async_init(loop, &done, on_done);
	for (int i = 0; i < n_hosts; i++)
		pthread_create(&hosts[i].thread, NULL, host_run, &hosts[i]);
	uv_timer_init(loop, &tick);
	uv_timer_init(loop, &misc);
	uv_timer_start(&tick, on_tick, 100, TICK_MS);
	uv_timer_start(&misc, on_misc, MISC_MS, MISC_MS);
	return uv_run(loop, UV_RUN_DEFAULT);
}
