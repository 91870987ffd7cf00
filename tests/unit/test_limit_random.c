/* Random lives of the grid operator's limit against a plain account of what was said, when, and by whom: two sources, silence,
 * restarts that find what the disk had, heartbeats and failsafe limits that come and go. HEARTH_SEED plays one again. */
#include "core/limit_input.h"
#include "support/cm.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define T 1768478400000LL /* 2026-01-15T12:00:00Z */
#define LIVES 400
#define STEPS 500

/* What is known of one side without any states. */
struct account {
	bool stated, trusted;    /* ever; since the start, and heard in time ever since */
	bool vague;              /* a crash may have given it some time more */
	double w;                /* NAN = lifted */
	int64_t until_ms;        /* monotonic; INT64_MAX = no end */
	int source;              /* -1 = nobody */
	int64_t heard_ms;
};

static uint64_t seed;
static struct limit_input in;
static struct limit_config cfg;
static struct account side[LIMIT_SIDES];
static int64_t now_ms, watch_ms;
static bool clock_trusted;
static char *disk;
static char log_line[200];

static uint64_t draw(uint64_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % below;
}

static struct limit_clock clock_now(void)
{
	return (struct limit_clock){ now_ms, T + now_ms + (clock_trusted ? 0 : 777777), clock_trusted };
}

static void commit(int changed)
{
	AUTO_JSON *j = NULL;

	if (!(changed & LIMIT_STORE))
		return;
	j = limit_input_encode(&in, now_ms);
	free(disk);
	disk = cJSON_PrintUnformatted(j);
}

static bool watched(int i)
{
	return cfg.heartbeat_s > 0 && !isnan(cfg.failsafe_w[i]);
}

/* Time alone: who was not heard in time is not trusted any more. */
static void account_pass(void)
{
	for (int i = 0; i < LIMIT_SIDES; i++) {
		const int64_t alive_ms = side[i].heard_ms > watch_ms ? side[i].heard_ms : watch_ms;

		if (watched(i) && now_ms - alive_ms > cfg.heartbeat_s * 1000LL)
			side[i].trusted = false;
	}
}

static void say(void)
{
	struct limit_message m = { .w = { NAN, NAN } };
	const int source = (int)draw(2);
	const struct limit_clock c = clock_now();
	int r;

	snprintf(m.source, sizeof(m.source), "%s", source ? "dso" : "hub");
	for (int i = 0; i < LIMIT_SIDES; i++) {
		m.states[i] = draw(3) == 0;
		if (m.states[i] && draw(4))
			m.w[i] = (double)draw(4) * 2000;
	}
	if ((!isnan(m.w[0]) || !isnan(m.w[1])) && draw(2))
		m.duration_ms = (int64_t)(1 + draw(300)) * 1000;
	account_pass();
	r = limit_input_message(&in, &cfg, &m, &c, NULL);
	assert_true(r >= 0);
	commit(r);
	for (int i = 0; i < LIMIT_SIDES; i++) {
		if (m.states[i] || side[i].source < 0 || side[i].source == source)
			side[i].heard_ms = now_ms;
		if (m.states[i])
			side[i] = (struct account){ true, true, false, m.w[i], m.duration_ms && !isnan(m.w[i]) ? now_ms + m.duration_ms : INT64_MAX, source, now_ms };
	}
	snprintf(log_line, sizeof(log_line), "%s says %g, %g for %" PRId64 " ms", m.source, m.states[0] ? m.w[0] : -1, m.states[1] ? m.w[1] : -1, m.duration_ms);
}

/* What was promised over a crash: the limits, and all of the time they have left. */
static void restart(void)
{
	AUTO_JSON *j = disk ? cJSON_Parse(disk) : NULL;

	limit_input_init(&in);
	if (j)
		assert_int_equal(limit_input_decode(j, now_ms, &in, NULL), 0);
	for (int i = 0; i < LIMIT_SIDES; i++) {
		side[i].trusted = false;
		side[i].heard_ms = 0;
		side[i].vague = side[i].stated;
	}
	watch_ms = cfg.heartbeat_s ? now_ms : 0;
	snprintf(log_line, sizeof(log_line), "restart with %s", disk ? disk : "nothing");
}

static void configure(void)
{
	const int before = cfg.heartbeat_s;

	cfg.heartbeat_s = draw(2) ? 120 : 0;
	for (int i = 0; i < LIMIT_SIDES; i++)
		cfg.failsafe_w[i] = draw(4) ? 3000 : NAN;
	if (!before && cfg.heartbeat_s)
		watch_ms = now_ms;
	snprintf(log_line, sizeof(log_line), "config %d s, %g, %g", cfg.heartbeat_s, cfg.failsafe_w[0], cfg.failsafe_w[1]);
}

static const char *wrong(int i, const struct limit_view *v)
{
	const double w = v->side[i].w;
	const bool runs = side[i].stated && !isnan(side[i].w) && now_ms < side[i].until_ms;

	if (watched(i) && !side[i].trusted && !(w <= cfg.failsafe_w[i]))
		return "looser than failsafe, with nobody to trust";
	if (runs && !(w <= side[i].w))
		return "looser than what was said last";
	if (watched(i) && !side[i].trusted && !v->failsafe)
		return "failsafe, and not said";
	if (clock_trusted && !side[i].vague && (!watched(i) || side[i].trusted) && (runs ? w != side[i].w : !isnan(w)))
		return "not what was said";
	return NULL;
}

static void live(uint64_t from)
{
	seed = from;
	draw(2);
	free(disk);
	disk = NULL;
	now_ms = 1000000;
	clock_trusted = draw(4) != 0;
	limit_input_init(&in);
	cfg = (struct limit_config){ 0, { NAN, NAN } };
	for (int i = 0; i < LIMIT_SIDES; i++)
		side[i] = (struct account){ .w = NAN, .until_ms = INT64_MAX, .source = -1 };
	configure();
	watch_ms = now_ms;
	for (int step = 0; step < STEPS; step++) {
		const int what = (int)draw(40);
		struct limit_clock c;
		struct limit_view v;

		now_ms += (int64_t)(draw(8) ? draw(20) : draw(200)) * 1000 + (int64_t)draw(2);
		snprintf(log_line, sizeof(log_line), "time");
		if (what == 0) {
			restart();
		} else if (what == 1) {
			c = clock_now();
			account_pass();
			commit(limit_input_step(&in, &cfg, &c)); /* a configuration is taken by a tick, and each tick looks at the time first */
			configure();
		} else if (what < 20) {
			say();
		}
		c = clock_now();
		commit(limit_input_step(&in, &cfg, &c));
		account_pass();
		limit_input_view(&in, &cfg, &v);
		for (int i = 0; i < LIMIT_SIDES; i++)
			if (wrong(i, &v))
				fail_msg("HEARTH_SEED=%" PRIu64 ", step %d, side %d: %s (%g W, said %g W); last: %s", from, step, i,
					 wrong(i, &v), v.side[i].w, side[i].w, log_line);
	}
}

static void test_lives(void **state)
{
	const char *given = getenv("HEARTH_SEED");

	(void)state;
	if (given) {
		live(strtoull(given, NULL, 10));
		return;
	}
	for (uint64_t i = 1; i <= LIVES; i++)
		live(i * 0x9E3779B97F4A7C15u);
	free(disk);
	disk = NULL;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_lives) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
