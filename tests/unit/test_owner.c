/* What the owner set: ranges, ends, yielding, the stored form. */
#include "core/owner.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define T 1768478400000LL
#define H 3600000LL

static const struct { const char *name; enum override_mode mode; double w; int64_t until; int result; } OVERRIDES[] = {
	{ "no mode", OVERRIDE_NONE, NAN, T + H, -EINVAL },
	{ "power with hold", OVERRIDE_HOLD, 100, T + H, -EINVAL },
	{ "power with auto", OVERRIDE_AUTO, 100, T + H, -EINVAL },
	{ "power 0", OVERRIDE_CHARGE, 0, T + H, -ERANGE },
	{ "power negative", OVERRIDE_CHARGE, -1, T + H, -ERANGE },
	{ "power infinite", OVERRIDE_CHARGE, INFINITY, T + H, -ERANGE },
	{ "end now", OVERRIDE_HOLD, NAN, T, -ERANGE },
	{ "end far away", OVERRIDE_HOLD, NAN, T + OWNER_OVERRIDE_MAX_MS + 1, -ERANGE },
	{ "maximum", OVERRIDE_CHARGE, NAN, T + OWNER_OVERRIDE_MAX_MS, 0 },
	{ "discharge", OVERRIDE_DISCHARGE, 2500, T + H, 0 },
};

static void test_overrides(void **state)
{
	struct owner o;
	struct owner_override v = { .device = "battery" };

	(void)state;
	for (size_t i = 0; i < sizeof(OVERRIDES) / sizeof(OVERRIDES[0]); i++) {
		struct errbuf err = { "" };

		owner_init(&o);
		v.mode = OVERRIDES[i].mode;
		v.power_w = OVERRIDES[i].w;
		v.until_utc_ms = OVERRIDES[i].until;
		if (owner_override_set(&o, &v, T, &err) != OVERRIDES[i].result || o.n_overrides != (OVERRIDES[i].result == 0))
			fail_msg("%s: '%s'", OVERRIDES[i].name, err.text);
	}
	assert_non_null(owner_override_at(&o, "battery", T + H - 1));
	assert_null(owner_override_at(&o, "battery", T + H));
	assert_null(owner_override_at(&o, "other", T));
	v.mode = OVERRIDE_HOLD;
	v.power_w = NAN;
	assert_int_equal(owner_override_set(&o, &v, T, NULL), 0);
	assert_int_equal(o.n_overrides, 1);
	assert_int_equal(owner_override_at(&o, "battery", T)->mode, OVERRIDE_HOLD);
	assert_false(owner_expire(&o, T + H - 1));
	assert_true(owner_expire(&o, T + H));
	assert_int_equal(o.n_overrides, 0);
	assert_false(owner_override_clear(&o, "battery"));
	for (int i = 0; i < DEVICE_MAX; i++) {
		v.device[0] = (char)('A' + i);
		assert_int_equal(owner_override_set(&o, &v, T, NULL), 0);
	}
	v.device[0] = 'z';
	assert_int_equal(owner_override_set(&o, &v, T, NULL), -ENOSPC);
	v.device[0] = 'B';
	assert_true(owner_override_clear(&o, v.device));
	assert_int_equal(o.n_overrides, DEVICE_MAX - 1);
}

static void test_reserve(void **state)
{
	struct owner o;

	(void)state;
	owner_init(&o);
	assert_true(owner_reserve(&o, 20) == 20);
	assert_false(owner_reserve_yield(&o, 20));
	assert_int_equal(owner_reserve_set(&o, -1, 20, NULL), -ERANGE);
	assert_int_equal(owner_reserve_set(&o, NAN, 20, NULL), -ERANGE);
	assert_int_equal(owner_reserve_set(&o, 35, 20, NULL), 0);
	assert_true(owner_reserve(&o, 20) == 35);
	assert_false(owner_reserve_yield(&o, 20));
	assert_true(owner_reserve(&o, 25) == 25); /* the file changed: it yields */
	assert_true(owner_reserve_yield(&o, 25));
	assert_true(owner_reserve(&o, 20) == 20); /* and does not come back with the old value */
}

static void test_pause(void **state)
{
	struct owner o;

	(void)state;
	owner_init(&o);
	assert_false(owner_paused(&o, T));
	assert_int_equal(owner_pause(&o, -1, T, NULL), -ERANGE);
	assert_int_equal(owner_pause(&o, OWNER_PAUSE_MAX_MS + 1, T, NULL), -ERANGE);
	assert_int_equal(owner_pause(&o, H, T, NULL), 0);
	assert_true(owner_paused(&o, T + H - 1));
	assert_false(owner_paused(&o, T + H));
	assert_false(owner_paused(&o, T - 400LL * 24 * H)); /* the clock fell back to last year: not paused for a year */
	assert_true(owner_expire(&o, T + H));
	assert_int_equal(o.pause_until_utc_ms, 0);
	owner_pause(&o, H, T, NULL);
	owner_pause(&o, 0, T, NULL);
	assert_false(owner_paused(&o, T));
}

static const struct { const char *name; int64_t utc_ms, now_ms; bool paused, expires; int64_t until_utc_ms; } STEPS[] = {
	{ "as it was set", T, 5000, true, false, T + H },
	{ "stepped a year ahead", T + 365 * 24 * H, 6000, true, true, T + 365 * 24 * H + H - 1000 },
	{ "back again, beyond the start", T - 24 * H, 7000, true, true, T - 24 * H + H - 2000 },
	{ "slewed by a second", T - 24 * H + 2000, 8000, true, false, T - 24 * H + H - 2000 },
	{ "a moment before the end", T, 5000 + H - 1, true, true, T + 1 },
	{ "the end, wherever the wall clock is", T - 9 * H, 5000 + H, false, true, 0 },
	{ "over", T, 5000 + 2 * H, false, false, 0 },
};

static void test_pause_through_steps(void **state)
{
	AUTO_JSON *j = NULL;
	struct owner o, p;

	(void)state;
	owner_init(&o);
	assert_int_equal(owner_pause(&o, H, T, NULL), 0);
	owner_pause_mono(&o, 5000, H);
	for (size_t i = 0; i < sizeof(STEPS) / sizeof(STEPS[0]); i++) {
		if (owner_paused_at(&o, STEPS[i].utc_ms, STEPS[i].now_ms) != STEPS[i].paused)
			fail_msg("%s: paused", STEPS[i].name);
		owner_expire(&o, STEPS[i].utc_ms); /* who does not know the time of day well enough must not end it */
		if (owner_expire_at(&o, STEPS[i].utc_ms, STEPS[i].now_ms) != STEPS[i].expires || o.pause_until_utc_ms != STEPS[i].until_utc_ms)
			fail_msg("%s: until %lld", STEPS[i].name, (long long)o.pause_until_utc_ms);
	}
	owner_pause(&o, H, T, NULL);
	owner_pause_mono(&o, 5000, H);
	j = owner_encode(&o);
	assert_int_equal(owner_decode(j, &p, NULL), 0);
	assert_int_equal(p.pause_until_ms, 0); /* of another boot: says nothing, UTC counts */
	assert_true(owner_paused_at(&p, T + H - 1, 1));
	assert_false(owner_paused_at(&p, T + H, 1));
	assert_true(owner_expire_at(&p, T + H, 1));
	owner_pause(&o, 0, T, NULL);
	owner_pause_mono(&o, 5000, 0);
	assert_false(owner_paused_at(&o, T, 5000));
	owner_pause_mono(&o, 5000, H);
	owner_pause(&o, H, T, NULL); /* set anew by one who has no monotonic clock: the old end is not kept */
	assert_false(owner_paused_at(&o, T + H, 5001));
}

static const struct { const char *name; struct owner_ev v; int result; } EVS[] = {
	{ "no mode", { "car", EV_UNSET, NAN, NAN, 0, 0 }, -EINVAL },
	{ "no device", { "", EV_NOW, NAN, NAN, 0, 0 }, -EINVAL },
	{ "energy and soc", { "car", EV_CHEAP, 1000, 50, 0, 0 }, -EINVAL },
	{ "energy negative", { "car", EV_CHEAP, -5, NAN, 0, 0 }, -ERANGE },
	{ "soc 101", { "car", EV_CHEAP, NAN, 101, 0, 0 }, -ERANGE },
	{ "ready in the past", { "car", EV_CHEAP, NAN, NAN, T, 0 }, -ERANGE },
	{ "ready in a year", { "car", EV_CHEAP, NAN, NAN, T + 365 * 24 * H, 0 }, -ERANGE },
	{ "cheap by morning", { "car", EV_CHEAP, 20000, NAN, T + 8 * H, 0 }, 0 },
};

/* "for an hour" is an hour, whatever the wall clock does meanwhile; "until six" is six o'clock. */
static void test_override_through_steps(void **state)
{
	struct owner_override v = { .device = "battery", .mode = OVERRIDE_HOLD, .power_w = NAN, .until_utc_ms = T + H, .until_ms = 5000 + H };
	struct owner o;

	(void)state;
	owner_init(&o);
	assert_int_equal(owner_override_set(&o, &v, T, NULL), 0);
	for (size_t i = 0; i < sizeof(STEPS) / sizeof(STEPS[0]); i++) {
		const struct owner_override *at = owner_override_now(&o, "battery", STEPS[i].utc_ms, STEPS[i].now_ms);

		if (!!at != STEPS[i].paused)
			fail_msg("%s: in force %d", STEPS[i].name, !!at);
		if (owner_expire_at(&o, STEPS[i].utc_ms, STEPS[i].now_ms) != STEPS[i].expires ||
		    (o.n_overrides ? o.override[0].until_utc_ms : 0) != STEPS[i].until_utc_ms)
			fail_msg("%s: until %lld", STEPS[i].name, (long long)o.override[0].until_utc_ms);
	}
	v.until_ms = 6000; /* a duration ends without a trusted clock too, or a restart would find it in force */
	assert_int_equal(owner_override_set(&o, &v, T, NULL), 0);
	owner_pause(&o, H, T, NULL);
	owner_pause_mono(&o, 5000, 1001);
	assert_false(owner_expire_durations(&o, 5999));
	assert_true(owner_expire_durations(&o, 6000));
	assert_int_equal(o.n_overrides, 0);
	assert_true(o.pause_until_utc_ms != 0);
	assert_true(owner_expire_durations(&o, 6001));
	assert_int_equal(o.pause_until_utc_ms, 0);
	v.until_ms = 0;
	assert_int_equal(owner_override_set(&o, &v, T, NULL), 0);
	assert_false(owner_expire_durations(&o, 9 * H));
	assert_non_null(owner_override_now(&o, "battery", T + H - 1, 5000 + 9 * H));
	assert_null(owner_override_now(&o, "battery", T + H, 6000));
	assert_non_null(owner_override_now(&o, "battery", T + H - OWNER_OVERRIDE_MAX_MS, 6000));
	assert_null(owner_override_now(&o, "battery", T + H - OWNER_OVERRIDE_MAX_MS - 1, 6000)); /* a clock of last year */
	assert_true(owner_expire_at(&o, T + H - OWNER_OVERRIDE_MAX_MS - 1, 6000));
	assert_int_equal(o.n_overrides, 0);
}

static void test_ev(void **state)
{
	struct owner o;

	(void)state;
	owner_init(&o);
	for (size_t i = 0; i < sizeof(EVS) / sizeof(EVS[0]); i++)
		if (owner_ev_set(&o, &EVS[i].v, T, NULL) != EVS[i].result)
			fail_msg("%s", EVS[i].name);
	assert_int_equal(o.n_evs, 1);
	assert_false(owner_expire(&o, T + 8 * H - 1));
	assert_true(owner_expire(&o, T + 8 * H));
	assert_int_equal(owner_ev_of(&o, "car")->mode, EV_CHEAP); /* the wish is over, the mode stays */
	assert_true(isnan(owner_ev_of(&o, "car")->energy_wh));
	assert_null(owner_ev_of(&o, "other"));
}

/* What the car took counts against what it was to get; done stays done over a restart, and begins anew with the next wish. */
static void test_taken(void **state)
{
	const struct owner_ev wish = { "car", EV_CHEAP, 2000, NAN, T + 8 * H, 0 }, open = { "van", EV_CHEAP, NAN, NAN, 0, 0 };
	struct owner o, back;
	cJSON *j;

	(void)state;
	owner_init(&o);
	owner_ev_set(&o, &wish, T, NULL);
	owner_ev_set(&o, &open, T, NULL);
	assert_false(owner_ev_took(&o, "car", 499));
	assert_true(owner_ev_took(&o, "car", 2)); /* half a kWh */
	assert_false(owner_ev_took(&o, "car", -100));
	assert_false(owner_ev_took(&o, "car", NAN));
	assert_true(fabs(owner_ev_left_wh(owner_ev_of(&o, "car")) - 1499) < 1e-9);
	assert_true(owner_ev_took(&o, "car", 1600));
	assert_false(owner_ev_took(&o, "car", 1600));
	assert_false(owner_ev_took(&o, "van", 1600));
	assert_false(owner_ev_took(&o, "nobody", 1600));
	assert_true(isnan(owner_ev_left_wh(owner_ev_of(&o, "van"))));
	j = owner_encode(&o);
	assert_int_equal(owner_decode(j, &back, NULL), 0);
	cJSON_Delete(j);
	assert_true(fabs(owner_ev_left_wh(owner_ev_of(&back, "car"))) < 1e-9);
	owner_ev_set(&back, &wish, T, NULL);
	assert_true(fabs(owner_ev_left_wh(owner_ev_of(&back, "car")) - 2000) < 1e-9);
	assert_true(owner_expire(&o, T + 8 * H));
	assert_true(isnan(owner_ev_left_wh(owner_ev_of(&o, "car"))) && owner_ev_of(&o, "car")->taken_wh < 1);
}

static void test_round_trip(void **state)
{
	struct owner o, p;
	struct owner_override v = { .device = "battery", .mode = OVERRIDE_CHARGE, .power_w = 3000, .until_utc_ms = T + H };
	AUTO_JSON *j = NULL, *again = NULL;
	AUTO_TEXT *a = NULL, *b = NULL;

	(void)state;
	owner_init(&o);
	owner_reserve_set(&o, 33.5, 20, NULL);
	owner_override_set(&o, &v, T, NULL);
	owner_ev_set(&o, &EVS[7].v, T, NULL);
	owner_pause(&o, H, T, NULL);
	j = owner_encode(&o);
	assert_int_equal(owner_decode(j, &p, NULL), 0);
	again = owner_encode(&p);
	a = cJSON_PrintUnformatted(j);
	b = cJSON_PrintUnformatted(again);
	assert_string_equal(a, b);
	assert_true(owner_reserve(&p, 20) == 33.5 && owner_paused(&p, T));
	assert_true(owner_override_at(&p, "battery", T)->power_w == 3000);
	assert_int_equal(owner_ev_of(&p, "car")->ready_by_utc_ms, T + 8 * H);
}

static const char *const BAD[] = {
	"[]", "{\"reserve_pct\":101}", "{\"reserve_pct\":\"x\"}", "{\"reserve_pct\":1e999}", "{\"pause_until\":5}", "{\"pause_until\":\"x\"}",
	"{\"overrides\":{}}", "{\"overrides\":[1]}", "{\"overrides\":[{\"device\":\"b\",\"mode\":\"dance\",\"until\":\"2026-01-15T12:00:00Z\"}]}",
	"{\"overrides\":[{\"device\":\"b\",\"mode\":\"hold\",\"power_w\":-1,\"until\":\"2026-01-15T12:00:00Z\"}]}",
	"{\"overrides\":[{\"mode\":\"hold\",\"until\":\"2026-01-15T12:00:00Z\"}]}", "{\"evs\":[{\"device\":\"c\",\"mode\":\"none\"}]}",
	"{\"evs\":[{\"device\":\"0123456789012345678901234567890123\",\"mode\":\"now\"}]}",
};

static void test_bad_store(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		AUTO_JSON *j = cJSON_Parse(BAD[i]);
		struct errbuf err = { "" };
		struct owner o = { .n_evs = 7 };

		if (owner_decode(j, &o, &err) >= 0 || !err.text[0] || o.n_evs || o.n_overrides || o.pause_until_utc_ms)
			fail_msg("%s", BAD[i]);
	}
}

#define OVER ",\"overrides\":[{\"device\":\"b\",\"mode\":\"charge\",\"power_w\":\"x\",\"until\":\"2027-01-01T00:00:00Z\"},{\"device\":\"c\",\"mode\":\"hold\",\"until\":\"2027-01-01T00:00:00Z\"}]"
#define EVS_ ",\"evs\":[{\"device\":\"car\",\"mode\":\"off\",\"energy_wh\":\"x\"},{\"device\":\"van\",\"mode\":\"fly\"}]}"
#define SET "{\"reserve_pct\":60,\"reserve_config_pct\":20"

/* One bad member takes nothing else with it, the reserve least of all; when that is gone, everything is kept. */
static const struct { const char *name, *text; double reserve, other; int result, overrides, evs; bool paused, unread; } PARTS[] = {
	{ "all is well", SET ",\"pause_until\":\"2026-01-15T13:00:00Z\",\"overrides\":[],\"evs\":[]}", 60, 25, 0, 0, 0, true, false },
	{ "no reserve", "{\"overrides\":[],\"evs\":[]}", 20, 25, 0, 0, 0, false, false },
	{ "a bad override, cars whose mode is left, or not", SET OVER EVS_, 60, 25, -EINVAL, 1, 1, false, false },
	{ "no reserve and a bad override", "{\"pause_until\":7" OVER ",\"evs\":[]}", 20, 25, -EINVAL, 1, 0, false, false },
	{ "no lists", SET "}", 60, 25, -EINVAL, 0, 0, false, false },
	{ "a list that is none", SET ",\"overrides\":7,\"evs\":[]}", 60, 25, -EINVAL, 0, 0, false, false },
	{ "the reserve is a word", "{\"reserve_pct\":\"x\",\"reserve_config_pct\":20,\"overrides\":[],\"evs\":[]}", 100, 25, -EINVAL, 0, 0, false, true },
	{ "the reserve is gone", "{\"reserve_config_pct\":20,\"overrides\":[],\"evs\":[]}", 100, 25, -EINVAL, 0, 0, false, true },
	{ "said so by an earlier start", "{\"reserve_config_pct\":20,\"reserve_unread\":true,\"overrides\":[],\"evs\":[]}", 100, 25, 0, 0, 0, false, true },
	{ "neither is a number", "{\"reserve_pct\":[],\"reserve_config_pct\":{},\"overrides\":[],\"evs\":[]}", 100, 100, -EINVAL, 0, 0, false, true },
	{ "what the configuration said is gone", "{\"reserve_pct\":60,\"overrides\":[],\"evs\":[]}", 60, 60, 0, 0, 0, false, false },
	{ "the same, and it says more", "{\"reserve_pct\":10,\"reserve_config_pct\":\"x\",\"overrides\":[],\"evs\":[]}", 20, 25, -EINVAL, 0, 0, false, false },
	{ "nothing is left", "{}", 100, 100, -EINVAL, 0, 0, false, true },
	{ "no object", "[]", 100, 100, -EINVAL, 0, 0, false, true },
	{ "no text", "", 100, 100, -EINVAL, 0, 0, false, true },
	{ "cut off behind the reserve", "{\"reserve_pct\":60,\"reserve_c", 60, 60, -EINVAL, 0, 0, false, false },
	{ "cut off within it", "{\"reserve_pct\":6", 100, 100, -EINVAL, 0, 0, false, true },
	{ "cut off, and it is out of range", "{\"reserve_pct\":600,\"res", 100, 100, -EINVAL, 0, 0, false, true },
	{ "cut off, there was none", "{\"overrides\":[],\"ev", 20, 25, -EINVAL, 0, 0, false, false },
	{ "cut off in the pause, there was none", "{\"pause_until\":\"20", 20, 25, -EINVAL, 0, 0, false, false },
};

static void test_parts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(PARTS) / sizeof(PARTS[0]); i++) {
		struct errbuf err = { "" };
		struct owner o, p, other;
		AUTO_JSON *j = NULL;
		AUTO_TEXT *text = NULL;
		bool set;

		if (owner_read(PARTS[i].text, &o, &err) != PARTS[i].result || !err.text[0] != !PARTS[i].result || o.n_overrides != PARTS[i].overrides ||
		    o.n_evs != PARTS[i].evs || owner_paused(&o, T) != PARTS[i].paused || o.reserve_unread != PARTS[i].unread)
			fail_msg("%s: '%s', %d overrides, %d cars, unread %d", PARTS[i].name, err.text, o.n_overrides, o.n_evs, o.reserve_unread);
		other = o;
		owner_reserve_yield(&o, 20);
		owner_reserve_yield(&other, 25);
		j = owner_encode(&o);
		text = cJSON_PrintUnformatted(j);
		if (owner_reserve(&o, 20) != PARTS[i].reserve || owner_reserve(&other, 25) != PARTS[i].other || owner_read(text, &p, NULL) != 0 ||
		    owner_reserve(&p, 20) != PARTS[i].reserve || p.reserve_unread != o.reserve_unread || owner_reserve_yield(&o, 20))
			fail_msg("%s: %g, elsewhere %g, again %g", PARTS[i].name, owner_reserve(&o, 20), owner_reserve(&other, 25), owner_reserve(&p, 20));
		set = !isnan(o.reserve_pct) || o.reserve_unread;
		assert_true(owner_reserve_yield(&o, 21) == set);
		assert_true(owner_reserve(&o, 21) == 21 && !o.reserve_unread); /* another file: it yields, whatever it was */
		if (PARTS[i].evs)
			assert_int_equal(owner_ev_of(&p, "car")->mode, EV_OFF);
		owner_reserve_set(&p, 30, 20, NULL);
		assert_true(owner_reserve(&p, 20) == 30 && !p.reserve_unread);
	}
}

static void test_words(void **state)
{
	enum override_mode m;
	enum ev_mode e;

	(void)state;
	for (int i = OVERRIDE_AUTO; i <= OVERRIDE_DISCHARGE; i++) {
		assert_int_equal(override_parse(override_word((enum override_mode)i), &m), 0);
		assert_int_equal(m, i);
	}
	for (int i = EV_OFF; i <= EV_NOW; i++) {
		assert_int_equal(ev_mode_parse(ev_mode_word((enum ev_mode)i), &e), 0);
		assert_int_equal(e, i);
	}
	assert_int_equal(override_parse("none", &m), -EINVAL);
	assert_int_equal(ev_mode_parse("", &e), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_overrides), cmocka_unit_test(test_reserve), cmocka_unit_test(test_pause), cmocka_unit_test(test_pause_through_steps), cmocka_unit_test(test_override_through_steps), cmocka_unit_test(test_ev), cmocka_unit_test(test_taken),
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_bad_store), cmocka_unit_test(test_parts), cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
