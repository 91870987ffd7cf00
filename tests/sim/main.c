/* hearth-sim: a simulated home behind real register maps. This file wires options, home, devices, server, clouds and
 * control. */
#include "sim/sim.h"

#include <math.h>
#include <mosquitto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define STEP_MS 100

void sim_step(struct sim *s)
{
	uint64_t now = uv_hrtime();
	double dt_s = (double)(now - s->stepped_ns) / 1e9;

	s->stepped_ns = now;
	house_step(&s->house, dt_s);
	rack_step(&s->rack, &s->house, dt_s, (int64_t)(now / 1000000));
}

static void tick(uv_timer_t *timer)
{
	struct sim *s = timer->data;

	sim_step(s);
	if (s->stopping)
		sim_stop(s);
}

static void signalled(uv_signal_t *handle, int number)
{
	(void)number;
	sim_stop(handle->data);
}

void sim_stop(struct sim *s)
{
	if (uv_is_closing((uv_handle_t *)&s->tick))
		return;
	uv_close((uv_handle_t *)&s->tick, NULL);
	uv_close((uv_handle_t *)&s->term, NULL);
	uv_close((uv_handle_t *)&s->interrupt, NULL);
	server_close(&s->server);
	control_close(&s->control);
	clouds_close(&s->clouds);
}

static void build_devices(struct sim *s)
{
	const struct options *o = &s->options;

	house_init(&s->house, &o->house);
	s->house.load_set_w = o->load_w;
	s->house.sun_set = o->sun;
	sunspec_battery_init(&s->battery, &o->battery, &o->house.battery);
	sunspec_pv_init(&s->pv, o->battery.base, o->house.pv_peak_w);
	keba_init(&s->keba, o->p40);
	sdm630_init(&s->meter, 1);
	rack_add(&s->rack, UNIT_BATTERY, &SUNSPEC_BATTERY_OPS, &s->battery);
	rack_add(&s->rack, UNIT_PV, &SUNSPEC_PV_OPS, &s->pv);
	rack_add(&s->rack, UNIT_METER, &SDM630_OPS, &s->meter);
	rack_add(&s->rack, UNIT_CHARGER, &KEBA_OPS, &s->keba);
	for (int i = 0; i < o->devices; i++) {
		sdm630_init(&s->extra[i], 1. / (i + 2));
		rack_add(&s->rack, (uint8_t)(UNIT_EXTRA_FIRST + i), &SDM630_OPS, &s->extra[i]);
	}
	house_step(&s->house, STEP_MS / 1e3); /* so that the first answer already shows a home */
	rack_step(&s->rack, &s->house, STEP_MS / 1e3, 0);
}

/* Opens all ports and says so; 0 or negative errno with the reason. */
static int open_ports(struct sim *s, struct errbuf *err)
{
	const struct options *o = &s->options;
	int port[SERVER_PORTS_MAX], control;

	for (int i = 0; i <= o->extra_ports; i++) {
		port[i] = server_listen(&s->server, o->listen, i ? 0 : o->port, err);
		if (port[i] < 0)
			return port[i];
	}
	control = control_open(&s->control, s, o->listen, o->control_port, o->control_path, err);
	if (control < 0)
		return control;
	if (!o->no_clouds && clouds_open(&s->clouds, &s->loop, o, err) < 0)
		return -1;
	printf("{\"modbus_port\":%d,\"control_port\":%d,\"modbus_ports\":[%d", port[0], control, port[0]);
	for (int i = 1; i <= o->extra_ports; i++)
		printf(",%d", port[i]);
	printf("]");
	if (!o->no_clouds)
		printf(",\"flip_port\":%d,\"flatpeak_port\":%d", s->clouds.cloud[CLOUD_FLIP].port,
		       s->clouds.cloud[CLOUD_FLATPEAK].port);
	printf(",\"pid\":%ld}\n", (long)getpid());
	return fflush(stdout) ? errbuf_set(err, -1, "cannot write to standard output") : 0;
}

static void watch_signals(struct sim *s)
{
	signal(SIGPIPE, SIG_IGN);
	uv_signal_init(&s->loop, &s->term);
	uv_signal_init(&s->loop, &s->interrupt);
	s->term.data = s->interrupt.data = s;
	uv_signal_start(&s->term, signalled, SIGTERM);
	uv_signal_start(&s->interrupt, signalled, SIGINT);
}

int main(int argc, char **argv)
{
	struct sim *s = calloc(1, sizeof(*s)); /* most of it is pools and notes: too large for a stack */
	struct errbuf err = { "" };
	int code;

	if (!s)
		return 1;
	code = options_parse(&s->options, argc, argv);
	if (code >= 0) {
		free(s);
		return code;
	}
	if (s->options.die_with_parent)
		prctl(PR_SET_PDEATHSIG, SIGTERM);
	mosquitto_lib_init();
	uv_loop_init(&s->loop);
	server_init(&s->server, &s->loop, &s->rack);
	watch_signals(s);
	uv_timer_init(&s->loop, &s->tick);
	s->tick.data = s;
	build_devices(s);
	s->stepped_ns = uv_hrtime();
	uv_timer_start(&s->tick, tick, STEP_MS, STEP_MS);
	code = 0;
	if (open_ports(s, &err) < 0) {
		fprintf(stderr, "hearth-sim: %s\n", err.text);
		code = 1;
		sim_stop(s);
	}
	uv_run(&s->loop, UV_RUN_DEFAULT);
	uv_loop_close(&s->loop);
	clouds_deinit(&s->clouds);
	mosquitto_lib_cleanup();
	free(s);
	return code;
}
