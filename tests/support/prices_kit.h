/* flow/prices with a clock set by hand, the fake store and the FlatPeak of prices_server.h: time passes, requests are answered,
 * writes are committed. Include it in one test file. */
#ifndef HEARTH_TESTS_PRICES_KIT_H
#define HEARTH_TESTS_PRICES_KIT_H

#include "support/fake_store.h"
#include "support/prices_server.h"

static inline void pass(int64_t ms)
{
	for (const int64_t end = at_home.now_ms + ms; at_home.now_ms < end; at_home.now_ms += S, at_home.utc_ms += S) {
		prices_step(p);
		serve();
		fake_commit(0);
	}
}

/* Weeks in steps of half a minute. */
static inline void pass_long(int64_t ms)
{
	for (const int64_t end = at_home.now_ms + ms; at_home.now_ms < end; at_home.now_ms += 30 * S, at_home.utc_ms += 30 * S) {
		for (int k = 0; k < 4; k++) { /* a login and what follows it */
			prices_step(p);
			serve();
		}
		fake_commit(0);
	}
}

static inline void begin(void)
{
	struct prices_options o = { .config = &cfg, .zone = &LONDON, .http = (struct http *)(void *)fake_http,
				    .store = (struct store *)(void *)&fake_first, .api_key = KEY, .clock = kit_clock,
				    .changed = kit_changed, .vouch = kit_vouch };

	assert_int_equal(prices_start(&p, &o, NULL), 0);
}

static inline int setup(void **state)
{
	(void)state;
	memset(&cfg, 0, sizeof(cfg));
	memset(&server, 0, sizeof(server));
	memset(&at_home, 0, sizeof(at_home));
	cfg.flatpeak.mode = LINK_DIRECT;
	cfg.flatpeak.vat_multiplier = 1;
	snprintf(cfg.flatpeak.api_url, sizeof(cfg.flatpeak.api_url), "https://api.example/");
	snprintf(cfg.flatpeak.profile, sizeof(cfg.flatpeak.profile), "anode");
	snprintf(cfg.flatpeak.account_id, sizeof(cfg.flatpeak.account_id), "acc_1");
	snprintf(cfg.flatpeak.location_id, sizeof(cfg.flatpeak.location_id), "loc_1");
	cfg.plan.horizon_h = 48;
	at_home.now_ms = 1000000;
	at_home.utc_ms = utc("2026-03-02T09:30:00Z");
	at_home.trusted = true;
	server.expires_s = 3600;
	server.base = 0.1;
	server.least_gap_ms[0] = server.least_gap_ms[1] = INT64_MAX;
	begin();
	return 0;
}

static inline int teardown(void **state)
{
	(void)state;
	prices_stop(p);
	fake_commit(-ECANCELED);
	fake_http_clear();
	fake_clear();
	return 0;
}

static inline struct prices_status status(void)
{
	struct prices_status st;

	prices_status(p, &st);
	return st;
}

#define assert_state(want, words) \
	do { \
		const struct prices_status st_ = status(); \
		if (strcmp(st_.state, want) != 0 || (words[0] ? !strstr(st_.reason, words) : st_.reason[0] != '\0')) \
			fail_msg("%s: %s", st_.state, st_.reason); \
	} while (0)

static inline void compose(int64_t from_ms, int64_t to_ms)
{
	prices_compose(p, at_home.utc_ms, at_home.utc_ms + from_ms, at_home.utc_ms + to_ms, &import, &export);
}

static inline int requests(void)
{
	return server.logins + server.asked[0] + server.asked[1];
}

#endif
