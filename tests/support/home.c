/* Time, grid point and meter of the simulated home; see home.h. */
#include "support/home.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

double home_random(struct home *h)
{
	h->random ^= h->random << 13;
	h->random ^= h->random >> 7;
	h->random ^= h->random << 17;
	return (double)(h->random >> 11) / 9007199254740992.0;
}

static void grid_sum(struct home *h)
{
	double noise = h->noise_w * (home_random(h) - 0.5) * 2;
	const double hours = HOME_STEP_MS / 3.6e6;

	h->grid_w = 0;
	for (int p = 0; p < 3; p++)
		h->phase_w[p] = h->split[p] * (h->load_w + noise - h->pv_w);
	for (int i = 0; i < h->n; i++) {
		double port_w = home_port_w(&h->d[i]);

		for (int p = 0; p < 3; p++)
			h->phase_w[p] += h->d[i].phases == 3 ? port_w / 3 : h->d[i].phase == p + 1 ? port_w : 0;
	}
	for (int p = 0; p < 3; p++)
		h->grid_w += h->phase_w[p];
	if (h->grid_w > 0)
		h->imported_wh += h->grid_w * hours;
	else
		h->exported_wh -= h->grid_w * hours;
}

/* The phase whose clamp feeds the meter's input @p. */
static int wired(const struct home_meter_lie *lie, int p)
{
	if (lie->swap && p != lie->swap - 1)
		p = 3 - p - (lie->swap - 1);
	return (p + lie->rotate) % 3;
}

static void meter_show(struct home *h, const double *truth)
{
	const struct home_meter_lie *lie = &h->lie;
	double sum_w = lie->offset_w, gain = lie->gain != 0 ? lie->gain : 1;
	bool again = lie->frozen && h->grid.q == Q_GOOD; /* answers, but nothing new */

	if (lie->jump_w > 0 && home_random(h) < 0.25)
		sum_w += lie->jump_w * (2 * home_random(h) - 1);
	for (int p = 0; p < 3; p++) {
		double w = gain * truth[wired(lie, p)] * (lie->clamp == p + 1 ? -1 : 1);

		sum_w += w;
		if (h->meter_phases && !(h->phases_lost >> p & 1))
			value_set(&h->phase[p], again ? h->phase[p].v : w, h->now_ms, Q_GOOD);
	}
	value_set(&h->grid, again ? h->grid.v : sum_w, h->now_ms, Q_GOOD);
	h->sample++;
}

static void meter_read(struct home *h)
{
	uint32_t back = (uint32_t)(h->meter_delay_ms / HOME_STEP_MS);

	if (h->meter_lost || h->grid_lost || h->now_ms - h->metered_ms < h->meter_period_ms)
		return;
	if (back > h->steps)
		back = h->steps;
	h->metered_ms = h->now_ms;
	meter_show(h, h->history[(h->steps - (back < HOME_HISTORY ? back : HOME_HISTORY - 1)) % HOME_HISTORY]);
}

void home_run(struct home *h, int ms)
{
	for (; ms > 0; ms -= HOME_STEP_MS) {
		double *now;

		h->now_ms += HOME_STEP_MS;
		h->utc_ms += HOME_STEP_MS;
		for (int i = 0; i < h->n; i++)
			home_device_step(h, &h->d[i]);
		grid_sum(h);
		h->steps++;
		now = h->history[h->steps % HOME_HISTORY];
		memcpy(now, h->phase_w, sizeof(h->phase_w));
		now[3] = h->grid_w;
		meter_read(h);
		for (int i = 0; i < h->n; i++)
			home_device_poll(h, &h->d[i]);
	}
}

void home_start(struct home *h)
{
	if (h->meter_period_ms <= 0)
		h->meter_period_ms = 1000;
	if (h->random == 0)
		h->random = 88172645463325252u;
	if (h->split[0] + h->split[1] + h->split[2] < 0.99)
		h->split[0] = 1;
	if (h->now_ms == 0)
		h->now_ms = 100000;
	for (int i = 0; i < h->n; i++) {
		home_device_start(&h->d[i]);
		h->d[i].polled_ms = h->now_ms - h->d[i].poll_ms;
		h->d[i].order_ms = h->now_ms;
		h->d[i].order.kind = ORDER_RELEASE;
	}
	h->metered_ms = h->now_ms - h->meter_period_ms;
	home_run(h, 2000);
}

void home_forget(struct home *h, int after_ms)
{
	h->grid = (struct value){ 0 };
	memset(h->phase, 0, sizeof(h->phase));
	h->metered_ms = h->now_ms - h->meter_period_ms;
	for (int i = 0; i < h->n; i++) {
		home_device_forget(&h->d[i]);
		h->d[i].polled_ms = h->now_ms - h->d[i].poll_ms + after_ms;
	}
}

void home_snapshot(const struct home *h, struct snapshot *s)
{
	struct snap_device *meter = &s->dev[h->n];

	s->now_ms = h->now_ms;
	s->utc_ms = h->utc_ms;
	s->n_devices = h->n + 1;
	s->grid_device = h->n;
	for (int i = 0; i < h->n; i++)
		home_device_show(&h->d[i], i, &s->dev[i]);
	memset(meter, 0, sizeof(*meter));
	snprintf(meter->id, sizeof(meter->id), "grid");
	meter->roles = ROLE_GRID;
	meter->phases = 3;
	meter->state.availability = AVAIL_ONLINE;
	s->grid_w = h->grid;
	memcpy(s->phase_w, h->phase, sizeof(s->phase_w));
	memset(s->phase_a, 0, sizeof(s->phase_a));
	s->grid_sample = h->sample;
	s->grid_lost = h->grid_lost;
	s->grid_back_ms = h->grid_back_ms;
}
