/* The profile parser: what it refuses, with which words. The driver on a meter: blocks, holes, markers, signs, sums. */
#include "core/snapshot.h"
#include "drivers/expr.h"
#include "drivers/profile.h"
#include "drivers/registry.h"
#include "support/fake_unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POINT_A                                                                                                             \
	"{\"name\":\"a\",\"fc\":3,\"address\":10,\"count\":2,\"type\":\"int32\",\"word_order\":\"big\",\"scale\":1,"        \
	"\"unit\":\"W\",\"access\":\"r\",\"maps_to\":\"meter.power_w\",\"src\":\"s1\",\"confidence\":\"A\"}"
#define P(rest) "{\"name\":\"b\",\"confidence\":\"A\"," rest "}"
#define PLACE "\"fc\":3,\"address\":20,\"count\":1,\"type\":\"int16\",\"access\":\"r\""

static void build(char *out, size_t size, const char *points, const char *commands, const char *transport)
{
	snprintf(out, size,
		 "{\"schema\":\"hub-device-profile/"
		 "1\",\"id\":\"t\",\"name\":\"T\",\"kind\":\"meter\",\"also\":[\"battery\",\"charger\"],"
		 "\"vendor\":\"V\",\"transport\":{%s},\"points\":[%s],\"commands\":[%s],\"watchdog\":{\"kind\":\"none\"}}",
		 transport, points, commands);
}

static const struct {
	const char *points, *commands, *transport, *why; /* why NULL: accepted */
} PARSE[] = {
	{ POINT_A, "", "", NULL },
	{ "7", "", "", "points[0]: is not an object" },
	{ "{}", "", "", "points[0].name: is missing" },
	{ POINT_A "," POINT_A, "", "", "points[1].name: 'a' is there twice" },
	{ P("\"fc\":3,\"address\":70000,\"count\":1,\"type\":\"int16\",\"access\":\"r\""), "", "", "points[0]: address" },
	{ P("\"fc\":3,\"address\":-1,\"count\":1,\"type\":\"int16\",\"access\":\"r\""), "", "", "points[0]: address" },
	{ P("\"fc\":3,\"address\":65535,\"count\":2,\"type\":\"int32\",\"access\":\"r\""), "", "", "end behind 65535" },
	{ P("\"fc\":3,\"address\":1,\"count\":0,\"type\":\"int16\",\"access\":\"r\""), "", "", "points[0]: count" },
	{ P("\"fc\":3,\"address\":1,\"count\":126,\"type\":\"string\",\"access\":\"r\""), "", "", "points[0]: count" },
	{ P("\"fc\":3,\"address\":1,\"count\":1,\"type\":\"int32\",\"access\":\"r\""), "", "",
	  "count: 1 registers, but int32 takes 2" },
	{ P("\"fc\":3,\"address\":1,\"count\":1,\"type\":\"int17\",\"access\":\"r\""), "", "", "type: 'int17' is unknown" },
	{ P("\"fc\":6,\"address\":1,\"count\":1,\"type\":\"int16\",\"access\":\"r\""), "", "", "fc: 6 cannot read" },
	{ P("\"fc\":3,\"address\":1,\"count\":1,\"type\":\"int16\",\"access\":\"w\""), "", "", "fc: 3 cannot write" },
	{ P("\"fc\":3,\"address\":1,\"count\":1,\"type\":\"int16\",\"access\":\"x\""), "", "", "access: 'x'" },
	{ P("\"fc\":17,\"address\":1,\"count\":1,\"type\":\"int16\",\"access\":\"r\""), "", "", "points[0]: fc" },
	{ P("\"fc\":1,\"address\":1,\"count\":1,\"type\":\"int16\",\"access\":\"r\""), "", "",
	  "type: int16 with function code 1" },
	{ P(PLACE ",\"scale\":0"), "", "", "scale: is 0" },
	{ P(PLACE ",\"scale\":\"1\""), "", "", "points[0]: scale" },
	{ P(PLACE ",\"scal\":0.1"), "", "", "points[0].scal: unknown key" },
	{ P(PLACE ",\"sign\":2"), "", "", "sign: 2 is not 1 or -1" },
	{ P(PLACE ",\"word_order\":\"middle\""), "", "", "word_order: 'middle'" },
	{ P(PLACE ",\"maps_to\":\"meter.power_kw\""), "", "", "maps_to: 'meter.power_kw' is not in the vocabulary" },
	{ P(PLACE ",\"maps_to\":\"battery.state\",\"enum\":{\"1\":\"resting\"}"), "", "", "enum: member \"1\": 'resting'" },
	{ P(PLACE ",\"maps_to\":\"battery.state\""), "", "", "enum: is missing" },
	{ P(PLACE ",\"when\":{\"point\":\"b\"}"), "", "", "when.point: no point 'b' before this one" },
	{ P(PLACE ",\"nan\":\"soon\""), "", "", "nan: 'soon'" },
	{ "{\"name\":\"b\",\"confidence\":\"D\"," PLACE "}", "", "", "confidence: 'D'" },
	{ POINT_A "," P("\"fc\":3,\"address\":11,\"count\":2,\"type\":\"int32\",\"access\":\"r\""), "", "",
	  "address: 11 overlaps 'a'" },
	{ POINT_A
	  "," P("\"fc\":3,\"address\":10,\"count\":2,\"type\":\"int32\",\"access\":\"r\",\"maps_to\":\"meter.power_w\""),
	  "", "", "maps_to: counted twice" },
	{ POINT_A "," P("\"sunspec\":{\"model\":70000,\"point\":\"W\"},\"access\":\"r\""), "", "", "sunspec.model" },
	{ POINT_A, "7", "", "commands[0]: is not an object" },
	{ POINT_A, "{\"name\":\"c\",\"confidence\":\"A\",\"args\":[],\"writes\":[]}", "", "writes: is missing or empty" },
	{ POINT_A,
	  "{\"name\":\"c\",\"confidence\":\"A\",\"args\":[],\"writes\":[{\"fc\":3,\"address\":1,\"type\":\"int16\","
	  "\"value\":1}]}",
	  "", "commands[0].writes[0]: fc" },
	{ POINT_A,
	  "{\"name\":\"c\",\"confidence\":\"A\",\"args\":[],\"writes\":[{\"fc\":6,\"address\":1,\"type\":\"int32\","
	  "\"value\":1}]}",
	  "", "fc: 6 writes one register, not 2" },
	{ POINT_A,
	  "{\"name\":\"c\",\"confidence\":\"A\",\"args\":[\"x\"],\"writes\":[{\"fc\":6,\"address\":1,\"type\":\"int16\","
	  "\"value\":{\"arg\":\"y\"}}]}",
	  "", "value.arg: 'y' is not among the args" },
	{ POINT_A,
	  "{\"name\":\"c\",\"confidence\":\"A\",\"args\":[\"x\"],\"writes\":[{\"fc\":6,\"address\":1,\"type\":\"int16\","
	  "\"value\":{\"expr\":\"x/missing\"}}]}",
	  "", "names what is neither argument nor readable point" },
	{ POINT_A,
	  "{\"name\":\"c\",\"confidence\":\"A\",\"args\":[\"x\"],\"writes\":[{\"fc\":6,\"address\":1,\"type\":\"int16\","
	  "\"value\":{\"expr\":\"x+\"}}]}",
	  "", "is not an expression" },
	{ POINT_A,
	  "{\"name\":\"c\",\"confidence\":\"A\",\"args\":[\"x\"],\"writes\":[{\"fc\":6,\"address\":1,\"type\":\"int16\","
	  "\"value\":{\"arg\":\"x\",\"clamp\":[0,\"q\"]}}]}",
	  "", "clamp: 'q'" },
	{ POINT_A, "", "\"max_regs_per_read\":0", "transport: max_regs_per_read" },
	{ POINT_A, "", "\"min_gap_ms\":-5", "transport: min_gap_ms" },
	{ POINT_A, "", "\"block_reads\":1", "transport: block_reads" },
};

#define SET_PHASES                                                                                                             \
	"{\"name\":\"set_phases\",\"args\":[\"phases\"],\"confidence\":\"B\",\"writes\":[{\"fc\":6,\"address\":1,\"type\":\"uint16\","  \
	"\"value\":{\"arg\":\"phases\"}}]}"
#define PHASES(members) "],\"phase_switch\":{" members "},\"rest\":["
#define PHASES_OK "\"dwell_s\":300,\"pause_s\":10,\"confidence\":\"B\""

static const struct {
	const char *commands, *why;
} PHASE_SWITCH[] = {
	{ SET_PHASES PHASES("\"safe\":true," PHASES_OK), NULL },
	{ SET_PHASES PHASES("\"safe\":false," PHASES_OK), NULL },
	{ PHASES("\"safe\":false," PHASES_OK), NULL },
	{ PHASES("\"safe\":true," PHASES_OK), "phase_switch.safe: there is no command set_phases" },
	{ SET_PHASES "],\"phase_switch\":1,\"rest\":[", "phase_switch: is not an object" },
	{ SET_PHASES PHASES(PHASES_OK), "phase_switch.safe: is missing" },
	{ SET_PHASES PHASES("\"safe\":1," PHASES_OK), "phase_switch.safe: is missing or not true or false" },
	{ SET_PHASES PHASES("\"save\":true," PHASES_OK), "phase_switch.save: unknown key" },
	{ SET_PHASES PHASES("\"safe\":true,\"dwell_s\":9,\"pause_s\":10,\"confidence\":\"B\""), "phase_switch: dwell_s" },
	{ SET_PHASES PHASES("\"safe\":true,\"dwell_s\":10,\"pause_s\":0,\"confidence\":\"B\""), "phase_switch: pause_s" },
	{ SET_PHASES PHASES("\"safe\":true,\"dwell_s\":10,\"pause_s\":1,\"confidence\":\"B\""), NULL },
	{ SET_PHASES PHASES("\"safe\":true,\"dwell_s\":10,\"confidence\":\"B\""), "phase_switch.pause_s: is missing" },
	{ SET_PHASES PHASES("\"safe\":true,\"dwell_s\":10,\"pause_s\":1"), "phase_switch.confidence: is missing" },
	{ SET_PHASES PHASES("\"safe\":true,\"dwell_s\":10,\"pause_s\":1,\"confidence\":\"D\""), "'D' is not A, B or C" },
};

static void test_phase_switch(void **state)
{
	static struct profile p;
	static char json[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(PHASE_SWITCH) / sizeof(PHASE_SWITCH[0]); i++) {
		struct errbuf err = { "" };
		int r;

		build(json, sizeof(json), POINT_A, PHASE_SWITCH[i].commands, "");
		r = profile_parse(json, strlen(json), &p, &err);
		if ((r == 0) != !PHASE_SWITCH[i].why || (PHASE_SWITCH[i].why && !strstr(err.text, PHASE_SWITCH[i].why)))
			fail_msg("row %zu, expected '%s': %d '%s'", i, PHASE_SWITCH[i].why ? PHASE_SWITCH[i].why : "accepted", r,
				 err.text);
	}
	build(json, sizeof(json), POINT_A, "", "");
	assert_int_equal(profile_parse(json, strlen(json), &p, NULL), 0);
	assert_false(p.phase_switch.safe); /* nobody says: not safe */
}

static void test_refused_with_path(void **state)
{
	static struct profile p;
	static char json[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(PARSE) / sizeof(PARSE[0]); i++) {
		struct errbuf err = { "" };
		int r;

		build(json, sizeof(json), PARSE[i].points, PARSE[i].commands, PARSE[i].transport);
		r = profile_parse(json, strlen(json), &p, &err);
		if ((r == 0) != !PARSE[i].why || (PARSE[i].why && !strstr(err.text, PARSE[i].why)))
			fail_msg("row %zu, expected '%s': %d '%s'", i, PARSE[i].why ? PARSE[i].why : "accepted", r,
				 err.text);
	}
}

static void test_limits(void **state)
{
	static struct profile p;
	struct errbuf err = { "" };
	size_t len = PROFILE_JSON_MAX + 1;
	char *big = malloc(len);
	char deep[200];

	(void)state;
	memset(big, ' ', len);
	memcpy(big, "{}", 2);
	assert_true(profile_parse(big, len, &p, &err) < 0);
	memset(deep, '[', sizeof(deep));
	assert_true(profile_parse(deep, sizeof(deep), &p, &err) < 0);
	assert_true(profile_parse("", 0, &p, &err) < 0);
	free(big);
}

static bool names(void *context, const char *name, double *out)
{
	(void)context;
	*out = !strcmp(name, "two") ? 2 : !strcmp(name, "zero") ? 0 : 40;
	return strcmp(name, "nothing") != 0;
}

static void test_expressions(void **state)
{
	static const struct {
		const char *text;
		int r;
		double v;
	} ROWS[] = {
		{ "", -EINVAL, 0 },
		{ "1 2", -EINVAL, 0 },
		{ "(1", -EINVAL, 0 },
		{ "1+", -EINVAL, 0 },
		{ "nothing", -ENOENT, 0 },
		{ "1/zero", -ERANGE, 0 },
		{ "((((((((((((((((((1))))))))))))))))))", -EINVAL, 0 },
		{ "-100*x/two", 0, -2000 },
		{ "2+3*4", 0, 14 },
		{ "(2+3)*4", 0, 20 },
		{ "10-2-3", 0, 5 },
		{ "--two", 0, 2 },
		{ " 8 / 2 / 2 ", 0, 2 },
		{ "1.5e1*two", 0, 30 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		double v = 0;
		int r = expr_eval(ROWS[i].text, names, NULL, &v);

		if (r != ROWS[i].r || (r == 0 && v != ROWS[i].v))
			fail_msg("'%s': %d, %g", ROWS[i].text, r, v);
	}
}

struct rig {
	struct fake_unit u;
	struct fake_run run;
	char *json;
};

static struct rig *rig_new(const char *json_or_name)
{
	struct rig *r = calloc(1, sizeof(*r));
	size_t len;

	r->u.unit = 10;
	r->json = json_or_name[0] == '{' ? strdup(json_or_name) : fake_profile(json_or_name, &len);
	return r;
}

static void rig_start(struct rig *r, uint32_t roles, bool invert)
{
	struct driver_options o = fake_options("t", 10);

	o.profile_json = r->json;
	o.profile_json_len = strlen(r->json);
	o.roles = roles;
	o.invert = invert;
	if (fake_start(&r->run, &DRIVER_PROFILE, &o, &r->u))
		fail_msg("%s", r->run.err.text);
	fake_until(&r->run, r->run.now_ms + 500);
}

static void rig_stop(struct rig *r)
{
	fake_stop(&r->run);
	free(r->json);
	free(r);
}

static double field(const struct rig *r, enum field f)
{
	return value_usable(&r->run.state.f[f]) ? r->run.state.f[f].v : (double)NAN;
}

static struct rig *sdm630(void)
{
	struct rig *r = rig_new("eastron-sdm630");

	fake_zero(&r->u, true, 0, 80);
	fake_input_float(&r->u, 0, 231.5f);
	fake_input_float(&r->u, 2, NAN);
	fake_input_float(&r->u, 6, 8.5f);
	fake_input_float(&r->u, 12, 1500.25f);
	fake_input_float(&r->u, 52, -453.5f);
	fake_input_float(&r->u, 62, 1.7f);
	fake_input_float(&r->u, 70, 49.95f);
	fake_input_float(&r->u, 72, 1234.567f);
	fake_input_float(&r->u, 74, 17.25f);
	return r;
}

static void test_meter_in_one_block(void **state)
{
	struct rig *r = sdm630();

	(void)state;
	rig_start(r, ROLE_GRID, false);
	assert_int_equal(r->u.reads, 1); /* slow values ride along with the fast ones */
	assert_true(field(r, F_METER_POWER_W) == -453.5);
	assert_int_equal(r->run.state.f[F_METER_VOLTAGE_L2_V].q, Q_ABSENT); /* NaN */
	assert_int_equal(r->run.state.f[F_METER_POWER_FACTOR].q, Q_BAD);    /* 1.7 */
	assert_true(fabs(field(r, F_METER_ENERGY_IMPORT_WH) - 1234567) < 1);
	assert_true(r->run.state.ac_power_w.v == -453.5);
	assert_int_equal(r->run.state.kinds, KIND_METER);
	assert_int_equal(r->run.state.period_ms, 1000);
	assert_int_equal(r->run.state.caps.guarded_by, GUARDED_SAFE_STATE);
	assert_true(r->run.state.released);
	fake_until(&r->run, r->run.now_ms + 10000);
	assert_int_equal(r->u.reads, 11);
	/* A float that is no reading any more is bad, not the last one. */
	fake_input_float(&r->u, 52, INFINITY);
	fake_until(&r->run, r->run.now_ms + 1000);
	assert_false(value_usable(&r->run.state.f[F_METER_POWER_W]));
	rig_stop(r);
}

static void test_meter_inverted(void **state)
{
	struct rig *r = sdm630();

	(void)state;
	rig_start(r, ROLE_GRID, true);
	assert_true(field(r, F_METER_POWER_W) == 453.5);
	assert_true(field(r, F_METER_CURRENT_L1_A) == -8.5);
	assert_true(fabs(field(r, F_METER_ENERGY_EXPORT_WH) - 1234567) < 1);
	assert_true(fabs(field(r, F_METER_ENERGY_IMPORT_WH) - 17250) < 1);
	rig_stop(r);
}

/* A clone that refuses reads over the gap, and has no power factor at all: split, remembered, the rest goes on. */
static void test_holes_are_learnt(void **state)
{
	struct rig *r = rig_new("eastron-sdm630");
	int reads;

	(void)state;
	fake_zero(&r->u, true, 0, 18);
	fake_zero(&r->u, true, 52, 2);
	fake_zero(&r->u, true, 70, 6);
	fake_input_float(&r->u, 52, 777);
	fake_input_float(&r->u, 70, 50);
	rig_start(r, ROLE_GRID, false);
	assert_true(field(r, F_METER_POWER_W) == 777);
	assert_true(field(r, F_METER_FREQUENCY_HZ) == 50);
	assert_int_equal(r->run.state.f[F_METER_POWER_FACTOR].q, Q_ABSENT);
	assert_int_equal(r->run.state.availability, AVAIL_ONLINE);
	reads = r->run.batches;
	fake_until(&r->run, r->run.now_ms + 10000);
	assert_in_range(r->run.batches - reads, 10, 12); /* no more trials */
	rig_stop(r);
}

static void test_faults_age_values(void **state)
{
	static const struct {
		const char *name;
		enum request_status status;
		bool online;
	} ROWS[] = {
		{ "timeout", REQUEST_TIMEOUT, false },       { "no link", REQUEST_NO_LINK, false },
		{ "bad answer", REQUEST_BAD_ANSWER, false }, { "expired", REQUEST_EXPIRED, false },
		{ "busy", (enum request_status)6, true },    { "gateway", (enum request_status)11, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct rig *r = sdm630();
		const struct value *w = &r->run.state.f[F_METER_POWER_W];

		rig_start(r, ROLE_GRID, false);
		fake_fault(&r->u, ROWS[i].status, 0, -1, -1);
		fake_until(&r->run, r->run.now_ms + 2000);
		if (w->q != Q_GOOD)
			fail_msg("%s: stale after two misses", ROWS[i].name);
		fake_until(&r->run, r->run.now_ms + 12000);
		if (w->q != Q_STALE || w->v != -453.5 || (r->run.state.availability == AVAIL_ONLINE) != ROWS[i].online)
			fail_msg("%s: quality %d, %g, %s", ROWS[i].name, (int)w->q, w->v,
				 availability_word(r->run.state.availability));
		fake_faults_clear(&r->u);
		fake_until(&r->run, r->run.now_ms + 25000);
		if (w->q != Q_GOOD || r->run.state.availability != AVAIL_ONLINE)
			fail_msg("%s: does not come back", ROWS[i].name);
		rig_stop(r);
	}
}

#define MIXED                                                                                                               \
	"{\"schema\":\"hub-device-profile/"                                                                                 \
	"1\",\"id\":\"t\",\"name\":\"T\",\"kind\":\"battery\",\"also\":[],\"vendor\":\"V\",\"transport\":{},"               \
	"\"points\":["                                                                                                      \
	"{\"name\":\"in\",\"fc\":3,\"address\":0,\"count\":1,\"type\":\"uint16\",\"access\":\"r\",\"confidence\":\"A\","    \
	"\"maps_to\":\"battery.power_w\",\"nan\":\"0xFFFF\"},"                                                              \
	"{\"name\":\"out\",\"fc\":3,\"address\":1,\"count\":1,\"type\":\"uint16\",\"access\":\"r\",\"confidence\":\"C\","   \
	"\"maps_to\":\"battery.power_w\",\"sign\":-1},"                                                                     \
	"{\"name\":\"soc\",\"fc\":3,\"address\":2,\"count\":1,\"type\":\"int16\",\"scale\":0.1,\"access\":\"r\","           \
	"\"confidence\":\"A\",\"maps_to\":\"battery.soc_pct\"},"                                                            \
	"{\"name\":\"st\",\"fc\":3,\"address\":3,\"count\":1,\"type\":\"enum16\",\"access\":\"r\",\"confidence\":\"A\","    \
	"\"maps_to\":\"battery.state\","                                                                                    \
	"\"enum\":{\"0\":\"idle\",\"0x10\":\"charging\"}}],"                                                                \
	"\"commands\":[],\"watchdog\":{\"kind\":\"none\"}}"

static void test_sums_words_and_markers(void **state)
{
	struct rig *r = rig_new(MIXED);

	(void)state;
	fake_zero(&r->u, false, 0, 4);
	*fake_reg(&r->u, 1) = 1200;
	*fake_reg(&r->u, 2) = (uint16_t)-4530;
	*fake_reg(&r->u, 3) = 0x10;
	rig_start(r, 0, false);
	assert_true(field(r, F_BATTERY_POWER_W) == -1200); /* charging + discharging, one of them C */
	assert_int_equal(r->run.state.f[F_BATTERY_POWER_W].q, Q_UNVERIFIED);
	assert_int_equal(r->run.state.f[F_BATTERY_SOC_PCT].q, Q_BAD); /* -453 % */
	assert_true(field(r, F_BATTERY_STATE) == BATTERY_CHARGING);
	assert_true(r->run.state.ac_power_w.v == -1152);
	*fake_reg(&r->u, 0) = 0xffff;
	*fake_reg(&r->u, 3) = 7;
	fake_until(&r->run, r->run.now_ms + 1000);
	assert_int_equal(r->run.state.f[F_BATTERY_POWER_W].q, Q_ABSENT); /* half a sum is no sum */
	assert_int_equal(r->run.state.f[F_BATTERY_STATE].q, Q_BAD);
	rig_stop(r);
}

static void test_roles_it_does_not_offer(void **state)
{
	struct rig *r = rig_new("eastron-sdm630");
	struct driver_options o = fake_options("t", 10);

	(void)state;
	o.profile_json = r->json;
	o.profile_json_len = strlen(r->json);
	o.roles = ROLE_CHARGER;
	assert_true(fake_start(&r->run, &DRIVER_PROFILE, &o, &r->u) < 0);
	assert_non_null(strstr(r->run.err.text, "none of the roles"));
	free(r->json);
	free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused_with_path),
		cmocka_unit_test(test_phase_switch),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_expressions),
		cmocka_unit_test(test_meter_in_one_block),
		cmocka_unit_test(test_meter_inverted),
		cmocka_unit_test(test_holes_are_learnt),
		cmocka_unit_test(test_faults_age_values),
		cmocka_unit_test(test_sums_words_and_markers),
		cmocka_unit_test(test_roles_it_does_not_offer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
