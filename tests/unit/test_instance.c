/* Reading instances: what is wrong is refused with its key, what is optional is honoured. */
#include "policies/planner/planner.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A whole instance of two slots; %s are: top-level extras, grid, battery extras, ev. */
#define HEAD "{\"format\":\"ems-instance/1\",\"name\":\"t\",\"start\":\"2026-01-15T00:00:00Z\",\"slots\":2,"
#define SERIES "\"slot_s\":900,\"import_price\":[0.1,0.2],\"export_price\":[0,0.05],\"load_kw\":[1,2],\"pv_kw\":[0,3],"
#define GRID "\"grid\":{\"import_max_kw\":10,\"export_max_kw\":5},"
#define BATTERY_KEYS                                                                                                        \
	"\"capacity_kwh\":10,\"floor_kwh\":2,\"soc_kwh\":5,\"charge_max_kw\":3,\"discharge_max_kw\":4,"                     \
	"\"charge_eff\":0.95,\"discharge_eff\":0.9,\"terminal_value\":0.1,\"wear_cost\":0.02"
#define BATTERY "\"battery\":{" BATTERY_KEYS "},"
#define EV "\"ev\":{\"arrive_slot\":0,\"depart_slot\":2,\"energy_kwh\":1,\"min_kw\":1.4,\"max_kw\":7}}"
#define NO_EV "\"ev\":null}"

static int parse(const char *text, struct plan_instance *in, struct errbuf *err)
{
	err->text[0] = '\0';
	return instance_parse(text, strlen(text), in, err);
}

static const struct {
	const char *name, *text, *says;
} BAD[] = {
	{ "empty", "", "empty" },
	{ "not JSON", "ems", "JSON" },
	{ "an array", "[]", "object" },
	{ "cut short", HEAD SERIES GRID "\"battery\":{\"capacity", "JSON" },
	{ "no format", "{\"slots\":2}", "format" },
	{ "another format", "{\"format\":\"ems-instance/2\",\"slots\":2}", "format" },
	{ "slots missing", "{\"format\":\"ems-instance/1\"}", "slots" },
	{ "no slots", "{\"format\":\"ems-instance/1\",\"slots\":0}", "slots" },
	{ "half a slot", "{\"format\":\"ems-instance/1\",\"slots\":1.5}", "slots" },
	{ "100,000 slots", "{\"format\":\"ems-instance/1\",\"slots\":100000}", "slots" },
	{ "slots as text", "{\"format\":\"ems-instance/1\",\"slots\":\"2\"}", "slots" },
	{ "bad start", "{\"format\":\"ems-instance/1\",\"slots\":2,\"start\":\"tomorrow\"}", "start" },
	{ "one price short",
	  HEAD "\"slot_s\":900,\"import_price\":[0.1]"
	       "}",
	  "import_price: has 1 values, must have 2" },
	{ "one price too many",
	  HEAD "\"slot_s\":900,\"import_price\":[0.1,0.2,0.3]"
	       "}",
	  "import_price" },
	{ "price as text",
	  HEAD "\"slot_s\":900,\"import_price\":[0.1,\"x\"]"
	       "}",
	  "import_price[1]" },
	{ "price null",
	  HEAD "\"slot_s\":900,\"import_price\":[null,0.1]"
	       "}",
	  "import_price[0]" },
	{ "NaN",
	  HEAD "\"slot_s\":900,\"import_price\":[NaN,0.1]"
	       "}",
	  "JSON" },
	{ "infinite",
	  HEAD "\"slot_s\":900,\"import_price\":[1e999,0.1]"
	       "}",
	  "import_price[0]" },
	{ "price of 1e10",
	  HEAD "\"slot_s\":900,\"import_price\":[0.1,1e10]"
	       "}",
	  "import_price[1]" },
	{ "slots of no length",
	  HEAD "\"slot_s\":0"
	       "}",
	  "slot_s" },
	{ "slots of wrong count",
	  HEAD "\"slot_s\":[900]"
	       "}",
	  "slot_s" },
	{ "negative load",
	  HEAD "\"slot_s\":900,\"import_price\":[1,1],\"export_price\":[0,0],\"load_kw\":[1,-1],\"pv_kw\":[0,0]}",
	  "load_kw[1]" },
	{ "negative limit", HEAD SERIES "\"grid\":{\"import_max_kw\":-1}}", "grid.import_max_kw" },
	{ "grid a number", HEAD SERIES "\"grid\":7}", "grid" },
	{ "battery a number", HEAD SERIES GRID "\"battery\":7}", "battery" },
	{ "battery without capacity", HEAD SERIES GRID "\"battery\":{\"soc_kwh\":1}}", "battery.capacity_kwh" },
	{ "fuller than full",
	  HEAD SERIES GRID "\"battery\":{\"capacity_kwh\":4,\"floor_kwh\":2,\"soc_kwh\":5,\"charge_max_kw\":3,"
			   "\"discharge_max_kw\":4,\"charge_eff\":1,\"discharge_eff\":1}}",
	  "battery.soc_kwh: 5 is above" },
	{ "floor above capacity",
	  HEAD SERIES GRID "\"battery\":{\"capacity_kwh\":4,\"floor_kwh\":[0,4.5,0],\"soc_kwh\":3,\"charge_max_kw\":3,"
			   "\"discharge_max_kw\":4,\"charge_eff\":1,\"discharge_eff\":1}}",
	  "boundary 1" },
	{ "efficiency of 2", HEAD SERIES GRID "\"battery\":{\"capacity_kwh\":4,\"soc_kwh\":3,\"charge_eff\":2}}",
	  "battery.charge_eff" },
	{ "floor of two", HEAD SERIES GRID "\"battery\":{" BATTERY_KEYS ",\"floor_kwh\":[1,1]}," NO_EV,
	  NULL /* the first key counts */ },
	{ "fixed of three", HEAD SERIES GRID "\"battery\":{" BATTERY_KEYS ",\"fixed_kw\":[1,1,1]}," NO_EV,
	  "battery.fixed_kw" },
	{ "flag as number", HEAD SERIES GRID "\"battery\":{" BATTERY_KEYS ",\"grid_charge\":1}," NO_EV,
	  "battery.grid_charge" },
	{ "car leaves beyond the end",
	  HEAD SERIES GRID BATTERY "\"ev\":{\"arrive_slot\":0,\"depart_slot\":3,\"energy_kwh\":1,\"max_kw\":7}}",
	  "ev.depart_slot" },
	{ "car comes at -1",
	  HEAD SERIES GRID BATTERY "\"ev\":{\"arrive_slot\":-1,\"depart_slot\":2,\"energy_kwh\":1,\"max_kw\":7}}",
	  "ev.arrive_slot" },
	{ "least above most",
	  HEAD SERIES GRID BATTERY
	  "\"ev\":{\"arrive_slot\":0,\"depart_slot\":2,\"energy_kwh\":1,\"min_kw\":8,\"max_kw\":7}}",
	  "ev.min_kw" },
	{ "negative energy",
	  HEAD SERIES GRID BATTERY "\"ev\":{\"arrive_slot\":0,\"depart_slot\":2,\"energy_kwh\":-1,\"max_kw\":7}}",
	  "ev.energy_kwh" },
	{ "both forms", HEAD SERIES GRID BATTERY "\"batteries\":[]}", "batteries" },
	{ "five batteries", HEAD SERIES GRID "\"batteries\":[{},{},{},{},{}]}", "at most 4" },
	{ "second battery broken",
	  HEAD SERIES GRID "\"batteries\":[{\"id\":\"a\"," BATTERY_KEYS "},{\"id\":\"b\",\"capacity_kwh\":-1}]}",
	  "batteries[1].capacity_kwh" },
	{ "a battery that is none", HEAD SERIES GRID "\"batteries\":[7]}", "batteries[0]" },
	{ "an id that is too long", HEAD SERIES GRID "\"evs\":[{\"id\":\"0123456789012345678901234567890123\"}]}",
	  "evs[0].id" },
	{ "negative floor price", HEAD SERIES GRID "\"floor_price\":-2," BATTERY NO_EV, "floor_price" },
};

static void test_bad(void **context)
{
	(void)context;
	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		struct plan_instance in;
		struct errbuf err;
		int rc = parse(BAD[i].text, &in, &err);

		if (!BAD[i].says) {
			if (rc)
				fail_msg("%s: %s", BAD[i].name, err.text);
			instance_deinit(&in);
			continue;
		}
		if (rc >= 0)
			fail_msg("%s: accepted", BAD[i].name);
		if (!strstr(err.text, BAD[i].says))
			fail_msg("%s: '%s' does not say '%s'", BAD[i].name, err.text, BAD[i].says);
		assert_null(in.memory);
	}
}

static void test_plain(void **context)
{
	struct plan_instance in;
	struct errbuf err;

	(void)context;
	if (parse(HEAD SERIES GRID BATTERY EV, &in, &err))
		fail_msg("%s", err.text);
	assert_int_equal(in.slots, 2);
	assert_int_equal(in.start_utc_ms, 1768435200000);
	assert_true(in.single && in.battery_to_ev && isnan(in.floor_price));
	assert_true(in.slot_h[0] == 0.25 && in.slot_h[1] == 0.25);
	assert_true(in.import_max_kw[1] == 10 && in.export_max_kw[0] == 5);
	assert_true(in.curtail_max_kw[0] == 0 && in.curtail_max_kw[1] == 3);
	assert_true(in.n_batteries == 1 && in.battery[0].floor_kwh[2] == 2 && in.battery[0].charge_max_kw[1] == 3);
	assert_true(in.battery[0].grid_charge && in.battery[0].battery_export && isnan(in.battery[0].fixed_kw[0]));
	assert_true(in.n_evs == 1 && in.ev[0].depart_slot == 2 && in.ev[0].max_kw == 7);
	instance_deinit(&in);
	instance_deinit(&in); /* twice is fine */
}

static void test_optional(void **context)
{
	struct plan_instance in;
	struct errbuf err;

	(void)context;
	if (parse("{\"format\":\"ems-instance/"
		  "1\",\"slots\":2,\"slot_s\":[60,900],\"import_price\":[0.1,0.2],\"export_price\":[0,0.05],"
		  "\"load_kw\":[1,2],\"pv_kw\":[0,3],\"grid\":{\"import_max_kw\":[10,8]},\"curtail_max_kw\":[9,1],\"floor_"
		  "price\":0.5,"
		  "\"battery_to_ev\":false,\"later_key\":{\"a\":[1]},\"batteries\":[{\"id\":\"cellar\",\"capacity_kwh\":10,"
		  "\"floor_kwh\":[1,2,3],\"soc_kwh\":5,\"charge_max_kw\":[3,0],\"discharge_max_kw\":4,\"charge_eff\":0.95,"
		  "\"discharge_eff\":0.9,\"fixed_kw\":[null,-2],\"grid_charge\":false,\"battery_export\":false}],\"evs\":[]"
		  "}",
		  &in, &err))
		fail_msg("%s", err.text);
	assert_true(!in.single && !in.battery_to_ev && in.floor_price == 0.5);
	assert_true(fabs(in.slot_h[0] - 1. / 60) < 1e-12 && in.slot_h[1] == 0.25);
	assert_true(in.import_max_kw[1] == 8 && in.export_max_kw[1] >= 1e5);
	assert_true(in.curtail_max_kw[0] == 0 && in.curtail_max_kw[1] == 1); /* never more than the sun gives */
	assert_string_equal(in.battery[0].id, "cellar");
	assert_true(in.battery[0].floor_kwh[2] == 3 && in.battery[0].charge_max_kw[1] == 0);
	assert_true(isnan(in.battery[0].fixed_kw[0]) && in.battery[0].fixed_kw[1] == -2);
	assert_true(!in.battery[0].grid_charge && !in.battery[0].battery_export);
	assert_true(in.battery[0].terminal_value == 0 && in.battery[0].wear_cost == 0);
	instance_deinit(&in);
}

static void test_too_long(void **context)
{
	size_t len = PLAN_TEXT_MAX + 1;
	char *text = malloc(len);
	struct plan_instance in;
	struct errbuf err = { "" };

	(void)context;
	assert_non_null(text);
	memset(text, ' ', len);
	assert_true(instance_parse(text, len, &in, &err) < 0);
	assert_true(err.text[0] != '\0');
	free(text);
}

static void test_alloc_refuses(void **context)
{
	struct plan_instance in;

	(void)context;
	assert_true(instance_alloc(&in, 0, 1, 0) < 0);
	assert_true(instance_alloc(&in, PLAN_SLOTS_MAX + 1, 1, 0) < 0);
	assert_true(instance_alloc(&in, 1, PLAN_BATTERIES_MAX + 1, 0) < 0);
	assert_true(instance_alloc(&in, 1, 0, -1) < 0);
	assert_null(in.memory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bad),      cmocka_unit_test(test_plain),         cmocka_unit_test(test_optional),
		cmocka_unit_test(test_too_long), cmocka_unit_test(test_alloc_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
