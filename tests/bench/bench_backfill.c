/* Fills the database of an agent that does not run with telemetry Flip has not taken yet, as weeks without a link leave it.
 *
 *     bench_backfill DB POINTS LAST_UTC_S DEVICE...
 *
 * POINTS intervals of five minutes for each DEVICE (its id at Flip), the last one beginning at LAST_UTC_S. */
#include "cloud/telemetry.h"
#include "io/store.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_S 300

static int failed;

static void on_done(void *context, uint64_t ticket, int status)
{
	(void)context;
	(void)ticket;
	failed += status != 0;
}

/* A battery that charges by night and empties by day, with figures as long as real ones. */
static void point_make(struct telemetry_point *p, const char *device, int64_t start_utc_s)
{
	double day = (double)(start_utc_s % 86400) / 86400, w = 2847 * sin(day * 2 * M_PI), soc = 50 + 44.7 * cos(day * 2 * M_PI);

	*p = (struct telemetry_point){
		.start_utc_ms = start_utc_s * 1000, .duration_s = INTERVAL_S, .online = true, .grid_online = true,
		.mode = MODE_SELF_CONSUMPTION, .charge_w = fmax(0, w), .discharge_w = fmax(0, -w), .charge_wh = fmax(0, w) / 12,
		.discharge_wh = fmax(0, -w) / 12, .stored_wh = 135 * soc, .capacity_wh = 13500, .reserve_pct = 20, .soc_pct = soc,
		.soh_pct = 97.5, .home_wh = 38.4, .home_w = 461, .solar_wh = 112.7, .solar_w = 1352, .merged = 1,
	};
	snprintf(p->device_id, sizeof(p->device_id), "%s", device);
	telemetry_round(p);
}

/* In the order of time, as an agent writes them. */
static int fill(struct store *s, char **devices, int n_devices, int points, int64_t last_utc_s)
{
	static struct store_op ops[STORE_SOME];
	static char text[STORE_SOME][TELEMETRY_PACKED_MAX];
	int n = 0;

	for (int i = points - 1; i >= 0; i--)
		for (int d = 0; d < n_devices; d++) {
			struct telemetry_point p;

			point_make(&p, devices[d], last_utc_s - (int64_t)i * INTERVAL_S);
			if (telemetry_pack(&p, text[n], sizeof(text[n])) < 0)
				return -1;
			ops[n] = (struct store_op){ .verb = STORE_PUT, .table = STORE_TELEMETRY, .at_ms = p.start_utc_ms, .body = text[n] };
			snprintf(ops[n].kind, sizeof(ops[n].kind), "%s", p.device_id);
			if (++n < STORE_SOME && (i > 0 || d < n_devices - 1))
				continue;
			if (store_submit(s, ops, n, on_done, NULL, NULL) < 0)
				return -1;
			n = 0;
		}
	return 0;
}

int main(int argc, char **argv)
{
	struct store *s = NULL;
	struct errbuf err = { "" };
	uv_loop_t loop;
	int r;

	if (argc < 5 || atoi(argv[2]) < 1 || argc - 4 > 64) {
		fprintf(stderr, "usage: bench_backfill DB POINTS LAST_UTC_S DEVICE...\n");
		return 2;
	}
	uv_loop_init(&loop);
	r = store_open(&s, &loop, argv[1], &err);
	if (r != 0) {
		fprintf(stderr, "bench_backfill: %s\n", err.text);
		return 1;
	}
	r = fill(s, argv + 4, argc - 4, atoi(argv[2]), atoll(argv[3]));
	store_close(s);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	if (r || failed)
		fprintf(stderr, "bench_backfill: not everything was stored\n");
	return r || failed ? 1 : 0;
}
