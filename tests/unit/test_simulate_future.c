/* What is not known yet changes nothing that is done before: the simulated hub sees load, sun, cars, prices and events when a hub would.
 * The same home twice, its truth another one behind a cut; until then every half hour of Hearth's is the same to the bit. */
#include "io/zone.h"
#include "simulate/simulate.h"
#include "support/cm.h"

#include <stdlib.h>
#include <string.h>

#define DAY_MS 86400000LL
#define HOUR_MS 3600000LL
#define PUBLISHED_H 16 /* agent/simulate/README.md: the next day's prices are known from then on */

static const char HOME[] =
	"{\"format\": \"hearth-scenario/1\", \"name\": \"future\", \"start\": \"2025-03-29\", \"days\": 2, \"tick_s\": 10, \"seed\": 3, \"timezone\": \"Europe/London\","
	" \"place\": {\"latitude\": 51.5, \"longitude\": -0.1}, \"tariff\": {\"currency\": \"GBP\", \"import\": {\"market\": {\"mean\": 0.085, \"winter\": 0.15,"
	" \"volatility\": 0.6, \"factor\": 2.2, \"add\": 0, \"peak_add\": 0.12, \"cap\": 0.95}}, \"export\": {\"market\": {\"mean\": 0.085, \"winter\": 0.15,"
	" \"volatility\": 0.6, \"factor\": 0.95, \"add\": 0.01, \"peak_add\": 0.06, \"cap\": 0.6}}, \"known\": \"day-ahead\"},"
	" \"battery\": {\"capacity_wh\": 10000, \"charge_max_w\": 400, \"discharge_max_w\": 5000}, \"pv\": {\"peak_w\": 4000, \"tilt_deg\": 35, \"azimuth_deg\": 180},"
	" \"events\": [{\"day\": \"all\", \"from\": \"17:00\", \"minutes\": 60, \"power_w\": 4000, \"floor_pct\": 10, \"notice_h\": 12, \"pay\": 0.5}],"
	" \"car\": {\"arrives\": \"18:00\", \"leaves\": \"07:30\", \"days\": \"all\", \"kwh\": 12, \"max_a\": 32, \"phases\": 1, \"mode\": \"cheap\"}}";

static struct zone london;

static int load_zone(void **state)
{
	struct errbuf err = { "" };

	(void)state;
	return zone_load("Europe/London", &london, &err);
}

/* All that cannot be known at @cut, another one. */
static void alter(struct truth *t, int64_t cut)
{
	const int64_t day = calendar_day_start(&london, cut), next = calendar_day_start(&london, day + DAY_MS + DAY_MS / 4);
	const int64_t unknown = cut < calendar_next_minute(&london, day, PUBLISHED_H * 60) ? next : calendar_day_start(&london, next + DAY_MS + DAY_MS / 4);

	for (int i = truth_minute(t, cut); i < t->n; i++) {
		t->load_w[i] = t->load_w[i] > 600 ? 150 : 4000;
		t->pv_w[i] *= i / 60 % 2 ? 0.2F : 1.5F;
	}
	for (int i = truth_minute(t, unknown); i < t->n; i++)
		t->import_price[i] += 3; /* who knew would buy all it can hold before */
	for (int i = 0; i < t->n_sessions; i++)
		if (t->session[i].from_utc_ms >= cut)
			t->session[i].wh *= 0.3;
	for (int i = 0; i < t->n_events; i++)
		if (t->event[i].known_utc_ms >= cut) { /* at six in the morning: who knew would save for it */
			t->event[i].from_utc_ms -= 11 * HOUR_MS;
			t->event[i].to_utc_ms -= 11 * HOUR_MS;
		}
}

/* Behind hour @cut_h all is another one; 0 = nothing is. */
static void run(int cut_h, struct simulate_result *r)
{
	const struct simulate_options options = { .zone = &london };
	struct errbuf err = { "" };
	struct scenario s;
	struct truth t;

	if (scenario_parse(HOME, strlen(HOME), &s, &err) < 0 || truth_make(&s, &london, &t, &err) < 0)
		fail_msg("%s", err.text);
	if (cut_h > 0)
		alter(&t, t.start_utc_ms + cut_h * HOUR_MS);
	assert_int_equal(simulate_run(&s, &t, &options, r, &err), 0);
	truth_deinit(&t);
}

/* Before an event is told; before prices are published, and just behind that. The second day lacks an hour. */
static void test_future(void **state)
{
	static const int CUTS_H[] = { 18, 3, 15 };
	const size_t n_cuts = getenv("HEARTH_SLOW") ? 1 : sizeof(CUTS_H) / sizeof(CUTS_H[0]); /* sanitizers look for other faults */
	struct simulate_result known;
	const struct simulate_row *a = &known.row[ROW_HEARTH];

	(void)state;
	run(0, &known);
	for (size_t k = 0; k < n_cuts; k++) {
		struct simulate_result other;
		const struct simulate_row *b = &other.row[ROW_HEARTH];
		int n = (int)(CUTS_H[k] * HOUR_MS / SIMULATE_POINT_MS), same = 0;

		run(CUTS_H[k], &other);
		while (same < a->n_points && !memcmp(&a->point[same], &b->point[same], sizeof(struct simulate_point)))
			same++;
		if (same < n || same >= a->n_points)
			fail_msg("another future behind half hour %d: Hearth does otherwise from half hour %d of %d on", n, same, a->n_points);
		simulate_result_deinit(&other);
	}
	simulate_result_deinit(&known);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_future) };

	return cmocka_run_group_tests(tests, load_zone, NULL);
}
