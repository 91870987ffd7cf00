/* A home with meter, battery and sun under a recorder, second by second. The store is in memory, the backlog a list. Include
 * it in one test file. */
#ifndef HEARTH_TESTS_RECORDER_KIT_H
#define HEARTH_TESTS_RECORDER_KIT_H

#include "core/calendar.h"
#include "flow/history/recorder.h"
#include "io/zone.h"
#include "support/cm.h"
#include "support/fake_store.h"

#define NOON 1768478400000LL /* 2026-01-15T12:00:00Z */
#define HOUR_MS 3600000LL
#define KEPT_MAX 512

static struct snapshot s;
static struct decisions decisions;
static struct config config;
static struct zone zone;
static struct telemetry_point kept[KEPT_MAX];
static int n_kept;

void backlog_add(struct backlog *b, const struct telemetry_point *points, int n, int64_t now_ms)
{
	(void)b;
	assert_true(now_ms <= s.now_ms && now_ms >= s.now_ms - 10000);
	for (int i = 0; i < n && n_kept < KEPT_MAX; i++)
		kept[n_kept++] = points[i];
}

static inline struct recorder *recorder_new(void)
{
	struct recorder_options o = { .config = &config, .zone = &zone, .backlog = (struct backlog *)&config };
	struct recorder *r = NULL;

	assert_int_equal(recorder_start(&r, &o, NULL), 0);
	return r;
}

static inline void device(int i, const char *id, const char *flip_id, uint32_t roles)
{
	struct config_device *c = &config.device[i];

	snprintf(s.dev[i].id, sizeof(s.dev[i].id), "%s", id);
	s.dev[i].roles = roles;
	s.dev[i].state.availability = AVAIL_ONLINE;
	s.dev[i].capacity_wh = s.dev[i].soc_min_pct = NAN;
	s.n_devices = decisions.n = i + 1;
	snprintf(c->id, sizeof(c->id), "%s", id);
	snprintf(c->flip_device_id, sizeof(c->flip_device_id), "%s", flip_id);
	c->capacity_wh = c->soh_pct = NAN;
	config.n_devices = i + 1;
	decisions.d[i].rank = RANK_SELF_USE;
}

static inline void fake_end_all(void)
{
	fake_commit(-ECANCELED);
	fake_clear();
}

/* Meter, battery, sun; telemetry each minute. */
static inline void home_new(const char *zone_name, int64_t utc_ms)
{
	fake_end_all();
	memset(&s, 0, sizeof(s));
	memset(&decisions, 0, sizeof(decisions));
	memset(&config, 0, sizeof(config));
	n_kept = 0;
	assert_int_equal(zone_load(zone_name, &zone, NULL), 0);
	config.outbox.telemetry_interval_s = 60;
	config.flip.mode = LINK_DIRECT;
	s.clock_trusted = true;
	s.now_ms = 1000000;
	s.utc_ms = utc_ms;
	s.site.reserve_pct = 20;
	device(0, "meter", "", ROLE_GRID);
	device(1, "battery", "bat-1", ROLE_BATTERY);
	device(2, "sun", "", ROLE_PV);
	config.device[1].capacity_wh = 10000;
	config.device[1].soh_pct = 97;
}

static inline void set(int i, enum field f, double v)
{
	value_set(&s.dev[i].state.f[f], v, s.now_ms, Q_GOOD);
}

/* 600 W house, 1800 W sun, battery takes 2400 W at 50 %: 1200 W import. */
static inline void feed(void)
{
	for (int i = 1; i < s.n_devices; i++)
		if (s.dev[i].state.availability == AVAIL_ONLINE)
			value_set(&s.dev[i].state.ac_power_w, i == 1 ? 2400 : i == 2 ? -1800 : 0, s.now_ms, Q_GOOD);
	value_set(&s.grid_w, 1200, s.now_ms, Q_GOOD);
	value_set(&s.dev[0].state.ac_power_w, 1200, s.now_ms, Q_GOOD);
	if (s.dev[1].state.availability == AVAIL_ONLINE)
		set(1, F_BATTERY_SOC_PCT, 50);
}

static inline void run(struct recorder *r, int64_t seconds, int step_s, bool commit)
{
	for (int64_t t = 0; t < seconds; t += step_s) {
		feed();
		recorder_observe(r, &s, &decisions);
		if (commit)
			fake_commit(0);
		s.now_ms += step_s * 1000LL;
		s.utc_ms += step_s * 1000LL;
	}
}

static inline void stop(struct recorder *r)
{
	recorder_stop(r);
	fake_commit(0);
}

#endif
