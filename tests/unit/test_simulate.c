/* The simulation: rows whose bill can be worked out by hand, energy that is conserved, the same seed the same bill, and what must hold
 * in every home: nobody beats the clairvoyant, no floor is broken, Hearth is no worse than plain self-use. */
#include "io/zone.h"
#include "policies/planner/home.h"
#include "simulate/chance.h"
#include "simulate/simulate.h"
#include "simulate/sky.h"
#include "support/cm.h"

#include <stdlib.h>
#include <string.h>

#define DAY_MS 86400000LL
#define NOT_WORSE 0.02     /* than self-use: share of the bill without a battery, over a week */
#define NOT_BETTER 0.003   /* than the clairvoyant: what five minutes hide, the same share */

static struct zone london;

static int load_zone(void **state)
{
	struct errbuf err = { "" };

	(void)state;
	return zone_load("Europe/London", &london, &err);
}

static const struct simulate_options PLAIN = { .zone = &london };

static void near(const char *what, double got, double want, double tolerance)
{
	if (!(fabs(got - want) <= tolerance))
		fail_msg("%s: %.5f, must be %.5f +- %g", what, got, want, tolerance);
}

/* ---- by hand ---- */

static struct scenario plain_home(void)
{
	struct scenario s = scenario_defaults();

	s.days = 1;
	s.learned_days = 2;
	s.n_batteries = 1;
	s.battery[0] = (struct scenario_battery){ 10000, 5000, 5000, 0.95, 0.95, 0, 50, 5, true };
	return s;
}

/* 1 kW all the time; 0.10 until 05:00, 0.30 after it. */
static void plain_truth(const struct scenario *s, struct truth *t)
{
	const int64_t start = 1738540800000; /* 2025-02-03 00:00 UTC */

	assert_int_equal(truth_alloc(t, start - s->learned_days * DAY_MS, start, start + s->days * DAY_MS), 0);
	for (int i = 0; i < t->n; i++) {
		t->load_w[i] = 1000;
		t->import_price[i] = i % 1440 < 300 ? 0.10 : 0.30;
		t->export_price[i] = 0.05;
	}
}

static void test_by_hand(void **state)
{
	/* bill and what is left, in kWh above the start. Self-use: 4 kWh down to 10 % give 3.8 for the first hours. Time switch: 5 kWh
	 * more cost 5.263 beside the load in the cheap hours, then 9 kWh down to 10 % give 8.55. */
	static const struct { enum simulate_row_kind kind; double bill, left_kwh; } WANT[] = {
		{ ROW_NO_BATTERY, 5 * 0.1 + 19 * 0.3, 0 },
		{ ROW_SELF_USE, 1.2 * 0.1 + 19 * 0.3, -4 },
		{ ROW_TIMER, (5 + 5 / 0.95) * 0.1 + (19 - 8.55) * 0.3, -4 },
		{ ROW_CLAIRVOYANT, (5 + 5 / 0.95) * 0.1 + (19 - 8.55) * 0.3, -4 },
		{ ROW_HEARTH, (5 + 5 / 0.95) * 0.1 + (19 - 8.55) * 0.3, -4 },
	};
	const double value = 0.95 * (5 * 0.1 + 7 * 0.3) / 12; /* the cheaper half of the day, through the inverter */
	const double wear_cost = 0.002; /* too little to change anything */
	struct scenario s = plain_home();
	struct simulate_result r;
	struct errbuf err = { "" };
	struct truth t;

	(void)state;
	plain_truth(&s, &t);
	s.plan.wear_cost = wear_cost;
	assert_int_equal(simulate_run(&s, &t, &PLAIN, &r, &err), 0);
	near("value", r.stored_value, value, 1e-9);
	for (size_t i = 0; i < sizeof(WANT) / sizeof(WANT[0]); i++) {
		const struct simulate_row *row = &r.row[WANT[i].kind];

		near(simulate_row_name(WANT[i].kind), row->bill, WANT[i].bill, WANT[i].kind == ROW_HEARTH ? 0.02 : 0.005);
		near("left", (row->end_wh - row->start_wh) / 1e3, WANT[i].left_kwh, 0.03);
		near("wear", row->wear, wear_cost * row->discharged_kwh, 1e-6);
		near("total", row->total, WANT[i].bill + row->wear - (row->end_wh - row->start_wh) / 1e3 * value, WANT[i].kind == ROW_HEARTH ? 0.02 : 0.005);
		near("saving", row->saving, r.row[ROW_NO_BATTERY].total - row->total, 1e-9);
	}
	near("cycles", r.row[ROW_TIMER].cycles, (5 + 9) / 2.0 / 10, 0.01);
	near("self-use own", r.row[ROW_SELF_USE].self_sufficiency_pct, 100 * 3.8 / 24, 0.1);
	near("best", r.row[ROW_CLAIRVOYANT].of_clairvoyant, 100, 1e-9);
	near("bound", r.least_total, r.row[ROW_CLAIRVOYANT].total, 1e-6); /* it is known by hand: nothing is better */
	near("of most", r.row[ROW_HEARTH].of_most, r.row[ROW_HEARTH].of_clairvoyant, 1e-3);
	near("point", (double)r.row[ROW_NO_BATTERY].point[20].grid_kw, 1, 1e-3);
	near("point's cost", (double)r.row[ROW_NO_BATTERY].point[20].cost, 0.15, 1e-3);
	simulate_result_deinit(&r);
	truth_deinit(&t);
}

/* A reserve at the start's level: nothing may leave the battery before it was charged. */
static void test_reserve(void **state)
{
	struct scenario s = plain_home();
	struct simulate_result r;
	struct errbuf err = { "" };
	struct truth t;

	(void)state;
	s.site.reserve_pct = 50;
	s.site.grid_charging = false; /* and there is no sun */
	plain_truth(&s, &t);
	assert_int_equal(simulate_run(&s, &t, &PLAIN, &r, &err), 0);
	for (int i = 0; i < ROW_COUNT; i++) {
		near(simulate_row_name((enum simulate_row_kind)i), r.row[i].bill, 6.2, 1e-3);
		near("discharged", r.row[i].discharged_kwh, 0, 1e-6);
	}
	assert_true(isnan(r.row[ROW_HEARTH].of_clairvoyant)); /* of nothing */
	simulate_result_deinit(&r);
	truth_deinit(&t);
}

/* Peaks of two minutes above what the battery can: their five-minute mean is below it, and nobody can cover them. */
static void test_peaks_of_minutes(void **state)
{
	const struct scenario s = plain_home();
	const double over_kwh = 4.0 * 2 / 60 * 6; /* of 9 kW less 5, in half an hour */
	struct errbuf err = { "" };
	struct simulate_result r;
	struct truth t;

	(void)state;
	plain_truth(&s, &t);
	for (int i = 0; i < t.n; i++)
		t.load_w[i] = i % 1440 / 60 == 7 && i % 5 < 2 ? 9000 : 0;
	assert_int_equal(simulate_run(&s, &t, &PLAIN, &r, &err), 0);
	for (int i = 14; i < 16; i++) /* 07:00 to 08:00 */
		near("import", (double)r.row[ROW_CLAIRVOYANT].point[i].grid_kw / 2, over_kwh, 1e-3);
	assert_true(r.least_total <= r.row[ROW_CLAIRVOYANT].total + 1e-6 && r.row[ROW_CLAIRVOYANT].total <= r.row[ROW_HEARTH].total + 0.01);
	simulate_result_deinit(&r);
	truth_deinit(&t);
}

/* Import beside export within five minutes, which nothing can level: it costs what it costs. */
static void test_import_beside_export(void **state)
{
	struct scenario s = plain_home();
	struct errbuf err = { "" };
	struct simulate_result r;
	struct truth t;

	(void)state;
	s.n_batteries = 0;
	plain_truth(&s, &t);
	for (int i = 0; i < t.n; i++)
		t.pv_w[i] = i % 1440 / 60 == 12 && i % 5 < 2 ? 4000 : 0;
	assert_int_equal(simulate_run(&s, &t, &PLAIN, &r, &err), 0);
	assert_true(r.row[ROW_NO_BATTERY].export_kwh > 1.1);
	near("bill", r.row[ROW_CLAIRVOYANT].bill, r.row[ROW_NO_BATTERY].bill, 1e-3);
	near("export", r.row[ROW_CLAIRVOYANT].export_kwh, r.row[ROW_NO_BATTERY].export_kwh, 1e-3);
	near("bound", r.least_total, r.row[ROW_NO_BATTERY].total, 1e-3);
	simulate_result_deinit(&r);
	truth_deinit(&t);
}

/* A limit that is kept in the mean of five minutes only is not kept. */
static void test_export_limit_of_minutes(void **state)
{
	struct scenario s = plain_home();
	struct errbuf err = { "" };
	struct simulate_result r;
	struct truth t;

	(void)state;
	s.n_batteries = 0;
	s.site.export_limit_w = 1000;
	s.pv.curtail = true;
	plain_truth(&s, &t);
	for (int i = 0; i < t.n; i++) {
		t.load_w[i] = 0;
		t.pv_w[i] = i % 1440 / 60 == 12 && i % 5 < 2 ? 2000 : 0;
	}
	assert_int_equal(simulate_run(&s, &t, &PLAIN, &r, &err), 0);
	near("export", r.row[ROW_CLAIRVOYANT].export_kwh, 1.0 * 2 / 5, 1e-3);
	simulate_result_deinit(&r);
	truth_deinit(&t);
}

static bool stop_at_half(void *context, double done)
{
	*(double *)context = done;
	return done > 0.5;
}

static void test_stop(void **state)
{
	struct scenario s = plain_home();
	double done = 0;
	const struct simulate_options o = { .zone = &london, .progress = stop_at_half, .context = &done };
	struct simulate_result r;
	struct errbuf err = { "" };
	struct truth t;

	(void)state;
	s.days = 3;
	plain_truth(&s, &t);
	assert_true(simulate_run(&s, &t, &o, &r, &err) < 0);
	assert_true(r.unfinished && done > 0.5 && done < 0.7);
	simulate_result_deinit(&r);
	truth_deinit(&t);
	s.tick_s = 7;
	assert_true(scenario_check(&s, &err) < 0);
	assert_non_null(strstr(err.text, "tick_s: 7 s"));
}

/* ---- made-up homes ---- */

static struct scenario home(const char *tariff, const char *more)
{
	char text[1500];
	struct errbuf err = { "" };
	struct scenario s;

	snprintf(text, sizeof(text),
		 "{\"format\":\"hearth-scenario/1\",\"start\":\"2025-03-28\",\"days\":7,\"pv\":{\"peak_w\":4000},\"tariff\":{%s},"
		 "\"battery\":{\"capacity_wh\":10000}%s}",
		 tariff, more);
	if (scenario_parse(text, strlen(text), &s, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

#define FLAT "\"import\":0.28,\"export\":0.05"
#define TWO_RATE "\"import\":\"00:00-05:00 0.09, 05:00-24:00 0.30\",\"export\":0.05"
#define MARKET(f, p) "{\"market\":{\"mean\":0.085,\"winter\":0.15,\"volatility\":0.6,\"factor\":" f ",\"peak_add\":" p ",\"cap\":0.95}}"
#define AGILE "\"import\":" MARKET("2.2", "0.12") ",\"export\":" MARKET("0.95", "0.06") ",\"known\":\"day-ahead\""
#define EVENT ",\"events\":[{\"day\":\"sun\",\"power_w\":4000,\"floor_pct\":10,\"pay\":0.5}],\"site\":{\"reserve_pct\":20}"
#define CAR ",\"car\":{\"kwh\":12}"
#define TWO ",\"site\":{\"reserve_pct\":15,\"import_limit_w\":11500}"

static void simulate(const struct scenario *s, struct truth *t, struct simulate_result *r)
{
	struct errbuf err = { "" };

	assert_int_equal(truth_make(s, &london, t, &err), 0);
	if (simulate_run(s, t, &PLAIN, r, &err) < 0)
		fail_msg("%s", err.text);
}

/* What came in went somewhere, for every row. */
static void conserved(const struct scenario *s, const struct truth *t, const struct simulate_result *r)
{
	const double hours = (double)(t->end_utc_ms - t->start_utc_ms) / 3.6e6;

	for (int i = 0; i < ROW_COUNT; i++) {
		const struct simulate_row *w = &r->row[i];
		const double standby_kwh = i == ROW_NO_BATTERY ? 0 : s->battery[0].standby_w / 1e3 * hours;

		near("balance", w->import_kwh - w->export_kwh + w->pv_kwh + w->discharged_kwh, w->used_kwh + standby_kwh + w->charged_kwh, 0.01);
		near("store", (w->end_wh - w->start_wh) / 1e3, w->charged_kwh * 0.95 - w->discharged_kwh / 0.95, 0.01);
		near("used", w->used_kwh - w->car_kwh, r->row[0].used_kwh - r->row[0].car_kwh, 0.01);
	}
}

static void judge(const char *name, uint64_t seed, int days, const struct simulate_result *r)
{
	const double bill = fabs(r->row[ROW_NO_BATTERY].total) + 1;

	for (int i = 0; i < ROW_CLAIRVOYANT; i++)
		if (r->row[ROW_CLAIRVOYANT].total > r->row[i].total + NOT_BETTER * bill)
			fail_msg("%s, seed %d: %s costs %.3f, the clairvoyant %.3f", name, (int)seed, simulate_row_name((enum simulate_row_kind)i),
				 r->row[i].total, r->row[ROW_CLAIRVOYANT].total);
	if (!(r->least_total <= r->row[ROW_CLAIRVOYANT].total + 1e-6)) /* is it a bound? */
		fail_msg("%s, seed %d: the bound is %.3f, the clairvoyant costs %.3f", name, (int)seed, r->least_total, r->row[ROW_CLAIRVOYANT].total);
	if (!(r->row[ROW_CLAIRVOYANT].of_most >= (strstr(name, "event") ? 94 : 99.7)))  /* and of any use? */
		fail_msg("%s, seed %d: the clairvoyant reaches %.3f %% of the bound", name, (int)seed, r->row[ROW_CLAIRVOYANT].of_most);
	if (r->row[ROW_HEARTH].total > r->row[ROW_SELF_USE].total + NOT_WORSE * bill)
		fail_msg("%s, seed %d: Hearth costs %.3f, self-use %.3f", name, (int)seed, r->row[ROW_HEARTH].total, r->row[ROW_SELF_USE].total);
	assert_int_equal(r->row[ROW_HEARTH].floor_violations, 0);
	assert_int_equal(r->plans_failed, 0);
	assert_true(r->plans > 85 * days);
	if (!(r->load_error_pct >= 30)) /* honest noise: a house that can be foreseen proves nothing */
		fail_msg("%s, seed %d: the forecast of the load is off by %.1f %% only", name, (int)seed, r->load_error_pct);
}

/* What runs under sanitizers is looked at for what they see: less of it will do. */
static bool slow(void)
{
	return getenv("HEARTH_SLOW") != NULL;
}

/* The third day is the last Sunday of March: one of 23 hours. */
static void test_homes(void **state)
{
	static const struct { const char *name, *tariff, *more; } HOMES[] = {
		{ "flat", FLAT, "" }, { "two-rate", TWO_RATE, "" }, { "agile", AGILE, "" }, { "agile, event", AGILE, EVENT }, { "two-rate, car", TWO_RATE, CAR },
		{ "agile, limit", AGILE, TWO },
	};

	const uint64_t seeds = getenv("HEARTH_LONG") ? 6 : 1;

	(void)state;
	for (size_t i = slow() ? 3 : 0; i < (slow() ? 5 : sizeof(HOMES) / sizeof(HOMES[0])); i++) {
		for (uint64_t seed = 1; seed <= seeds; seed++) {
			struct scenario s = home(HOMES[i].tariff, HOMES[i].more);
			struct simulate_result r;
			struct truth t;

			s.seed = seed;
			s.days = slow() ? 3 : 7;
			simulate(&s, &t, &r);
			conserved(&s, &t, &r);
			judge(HOMES[i].name, seed, s.days, &r);
			assert_int_equal(r.row[0].n_points, s.days * 48 - 2);
			if (s.car.days) {
				assert_true(t.n_sessions >= s.days / 2);
				for (int k = 0; k < ROW_COUNT; k++)
					near("car", r.row[k].car_short_kwh, 0, 0.1 * t.n_sessions);
			}
			if (s.n_events)
				near("event", r.row[ROW_HEARTH].event_kwh, 4, 0.1);
			simulate_result_deinit(&r);
			truth_deinit(&t);
			scenario_deinit(&s);
		}
	}
}

static void test_same_again(void **state)
{
	struct scenario s = home(AGILE, CAR);
	struct simulate_result a, b, c;
	struct truth ta, tb, tc;

	(void)state;
	s.days = slow() ? 1 : 2;
	simulate(&s, &ta, &a);
	simulate(&s, &tb, &b);
	s.seed = 2;
	simulate(&s, &tc, &c);
	for (int i = 0; i < ROW_COUNT; i++) {
		assert_memory_equal(&a.row[i], &b.row[i], offsetof(struct simulate_row, n_points));
		assert_true(a.row[i].bill != c.row[i].bill);
	}
	assert_memory_equal(ta.load_w, tb.load_w, (size_t)ta.n * sizeof(*ta.load_w));
	simulate_result_deinit(&a);
	simulate_result_deinit(&b);
	simulate_result_deinit(&c);
	truth_deinit(&ta);
	truth_deinit(&tb);
	truth_deinit(&tc);
	scenario_deinit(&s);
}

/* What a car wants is told, or guessed from what the hub has seen: who has seen nothing charges nothing but sun, and there is none. */
static void test_car_by_habit(void **state)
{
	static const struct { bool by_habit; int learned_days; double short_least, short_most; } ROWS[] = {
		{ false, 0, 0, 0.02 }, { true, 0, 1, 1 }, { true, 28, 0, 0.25 },
	};

	(void)state;
	for (size_t i = slow() ? 2 : 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct scenario s = home(TWO_RATE, CAR);
		struct simulate_result r;
		double wanted_kwh = 0, share;
		struct truth t;

		s.days = 5;
		s.pv.peak_w = 0;
		s.car.by_habit = ROWS[i].by_habit;
		s.learned_days = ROWS[i].learned_days;
		simulate(&s, &t, &r);
		assert_int_equal(t.n_sessions, 2);
		assert_true(s.learned_days ? t.n_before >= 18 && t.before[t.n_before - 1].to_utc_ms <= t.start_utc_ms : t.n_before == 0);
		for (int k = 0; k < t.n_sessions; k++)
			wanted_kwh += t.session[k].wh / 1e3;
		share = r.row[ROW_HEARTH].car_short_kwh / wanted_kwh;
		if (share < ROWS[i].short_least - 1e-9 || share > ROWS[i].short_most)
			fail_msg("row %d: %.3f of the car's energy is short", (int)i, share);
		if (s.learned_days) /* at night, which nobody told */
			assert_true(r.row[ROW_HEARTH].bill < r.row[ROW_SELF_USE].bill - 0.15 * wanted_kwh * (1 - share));
		simulate_result_deinit(&r);
		truth_deinit(&t);
		scenario_deinit(&s);
	}
}

/* ---- what happens ---- */

static void test_sky(void **state)
{
	const int64_t summer = 1750507320000, winter = 1766318280000; /* solar noon in London, 2025-06-21 12:02 and 2025-12-21 11:58 UTC */
	double flat, year = 0;

	(void)state;
	near("summer", sky_sun_at(51.5, 0, summer).elevation_deg, 90 - 51.5 + 23.44, 0.05);
	near("south", sky_sun_at(51.5, 0, summer).azimuth_deg, 180, 0.3);
	near("winter", sky_sun_at(51.5, 0, winter).elevation_deg, 90 - 51.5 - 23.44, 0.05);
	assert_true(sky_sun_at(51.5, 0, summer - 5 * 3600000).azimuth_deg < 120);
	assert_true(sky_clear_w_m2(51.5, 0, 35, 180, summer + DAY_MS / 2) == 0);
	flat = sky_clear_w_m2(51.5, 0, 0, 180, summer);
	near("against the forecast's own", flat / forecast_clear_sky(51.5, 0, summer), 1, 0.12);
	assert_true(sky_clear_w_m2(51.5, 0, 60, 180, winter) > 2.5 * sky_clear_w_m2(51.5, 0, 0, 180, winter));
	assert_true(sky_clear_w_m2(51.5, 0, 90, 0, winter) < 60); /* a wall to the north has diffuse light alone */
	for (int64_t at = 1735689600000; at < 1735689600000 + 365 * DAY_MS; at += 900000)
		year += sky_clear_w_m2(51.5, 0, 35, 180, at) / 4e3;
	assert_true(year > 1900 && year < 2400); /* kWh/m2: a clear year */
}

static void test_truth(void **state)
{
	struct scenario s = home(AGILE, CAR EVENT);
	struct errbuf err = { "" };
	double load = 0, pv = 0, swing = 0;
	int below = 0, first, end;
	struct truth t;

	(void)state;
	assert_true(chance_make(1, CHANCE_LOAD).state != chance_make(1, CHANCE_CLOUDS).state); /* clouds do not cook */
	s.days = 365;
	assert_int_equal(truth_make(&s, &london, &t, &err), 0);
	first = truth_minute(&t, t.start_utc_ms);
	end = truth_minute(&t, t.end_utc_ms);
	assert_int_equal(end - first, 365 * 1440); /* a spring and an autumn */
	for (int i = first; i < end; i++) {
		load += (double)t.load_w[i] / 60e3;
		pv += (double)t.pv_w[i] / 60e3;
		below += t.import_price[i] < 0;
		swing += fabs(t.pv_w[i] - t.pv_w[i - 1]) > 200;
		assert_true(t.load_w[i] > 0 && t.pv_w[i] >= 0 && t.pv_w[i] <= 4000);
	}
	near("a year's load", load, 3500, 350);
	near("a year's sun", pv, 4100, 500);
	assert_true(swing > 3000); /* clouds */
	assert_true(below > 0.01 * (end - first) && below < 0.15 * (end - first));
	assert_true(t.n_sessions > 240 && t.n_sessions < 262);
	for (int i = 1; i < t.n_sessions; i++)
		assert_true(t.session[i].from_utc_ms > t.session[i - 1].to_utc_ms && t.session[i].wh > 8000);
	assert_int_equal(truth_session_at(&t, t.session[7].from_utc_ms), 7);
	assert_int_equal(truth_session_at(&t, t.session[7].to_utc_ms), -1);
	assert_true(t.n_events == 52 || t.n_events == 53);
	for (int i = 0; i < t.n_events; i++) {
		struct civil c;

		calendar_local(&london, t.event[i].from_utc_ms, &c);
		assert_true(c.weekday == 0 && c.hour == 17 && c.minute == 0);
		assert_ptr_equal(truth_event_at(&t, t.event[i].to_utc_ms - 1), &t.event[i]);
		assert_null(truth_event_at(&t, t.event[i].to_utc_ms));
	}
	truth_deinit(&t);
	scenario_deinit(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_hand), cmocka_unit_test(test_reserve), cmocka_unit_test(test_peaks_of_minutes),
		cmocka_unit_test(test_import_beside_export), cmocka_unit_test(test_export_limit_of_minutes), cmocka_unit_test(test_stop),
		cmocka_unit_test(test_sky), cmocka_unit_test(test_truth), cmocka_unit_test(test_same_again), cmocka_unit_test(test_homes),
		cmocka_unit_test(test_car_by_habit),
	};

	return cmocka_run_group_tests(tests, load_zone, NULL);
}
