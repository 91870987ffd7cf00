/* Telemetry points: packed for the disk and back, in Flip's form (read back by cJSON), merged, and what Flip answers. */
#include "cloud/telemetry.h"
#include "core/calendar.h"
#include "core/json.h"
#include "support/cm.h"
#include "support/seed.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define START 1768478400000LL /* 2026-01-15T12:00:00Z */

static const char *const KEYS[] = {
	"start_time", "duration_s", "device_id", "last_is_online", "last_mode", "battery_last_power_charge_w",
	"battery_last_power_discharge_w", "battery_total_energy_charge_wh", "battery_total_energy_discharge_wh",
	"battery_last_stored_energy_wh", "battery_last_capacity_energy_wh", "battery_last_backup_reserve_percentage",
	"battery_last_state_of_charge_percentage", "battery_last_state_of_health_percentage", "last_is_grid_online",
	"home_total_energy_wh", "home_last_power_w", "solar_total_energy_wh", "solar_last_power_w", "oem_raw_data",
};
#define N_KEYS (sizeof(KEYS) / sizeof(KEYS[0]))

static struct telemetry_point sample(void)
{
	return (struct telemetry_point){ .device_id = "bat-0042-1", .start_utc_ms = START, .duration_s = 300, .online = true,
					 .grid_online = true, .mode = MODE_DISCHARGE, .discharge_w = 4000, .discharge_wh = 331.5,
					 .stored_wh = 6150, .capacity_wh = 10000, .reserve_pct = 20, .soc_pct = 61.5, .soh_pct = 97,
					 .home_wh = 75.2, .home_w = 890, .merged = 1 };
}

static struct telemetry_point offline(void)
{
	struct telemetry_point p = sample();

	p.online = false;
	telemetry_round(&p);
	return p;
}

static bool same_number(double a, double b)
{
	return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b));
}

static bool same_point(const struct telemetry_point *a, const struct telemetry_point *b)
{
	return !strcmp(a->device_id, b->device_id) && a->start_utc_ms == b->start_utc_ms && a->duration_s == b->duration_s &&
	       a->online == b->online && a->grid_online == b->grid_online && a->mode == b->mode && a->assumed == b->assumed &&
	       a->merged == b->merged && same_number(a->charge_w, b->charge_w) && same_number(a->discharge_w, b->discharge_w) &&
	       same_number(a->charge_wh, b->charge_wh) && same_number(a->discharge_wh, b->discharge_wh) &&
	       same_number(a->stored_wh, b->stored_wh) && same_number(a->capacity_wh, b->capacity_wh) &&
	       same_number(a->reserve_pct, b->reserve_pct) && same_number(a->soc_pct, b->soc_pct) &&
	       same_number(a->soh_pct, b->soh_pct) && same_number(a->home_wh, b->home_wh) && same_number(a->home_w, b->home_w) &&
	       same_number(a->solar_wh, b->solar_wh) && same_number(a->solar_w, b->solar_w);
}

/* Numbers as they come: tiny, huge, negative, none, with dust behind the tenth. */
static double any_number(void)
{
	switch (rand() % 8) {
	case 0:
		return 0;
	case 1:
		return -0.0;
	case 2:
		return -(double)(rand() % 1000);
	case 3:
		return 1e300 * rand();
	case 4:
		return 1e-300 * rand();
	case 5:
		return NAN;
	case 6:
		return INFINITY;
	default:
		return rand() % 2000000 / 97.0;
	}
}

static void any_point(struct telemetry_point *p)
{
	double *const number[] = { &p->charge_w,  &p->discharge_w, &p->charge_wh, &p->discharge_wh, &p->stored_wh,
				   &p->capacity_wh, &p->reserve_pct, &p->soc_pct, &p->soh_pct,      &p->home_wh,
				   &p->home_w,    &p->solar_wh,    &p->solar_w };

	memset(p, 0, sizeof(*p));
	for (int i = 0, n = 1 + rand() % (FLIP_ID_MAX - 1); i < n; i++)
		p->device_id[i] = (char)(1 + rand() % 255);
	p->start_utc_ms = START + (int64_t)rand() * 1000 * (rand() % 50);
	p->duration_s = 1 + rand() % 100000;
	p->online = rand() % 5;
	p->grid_online = rand() % 2;
	p->mode = (enum battery_mode)(rand() % (MODE_SAVINGS + 1));
	p->assumed = (uint32_t)rand() % 32;
	p->merged = rand() % 10 ? 1 : rand();
	for (size_t i = 0; i < sizeof(number) / sizeof(number[0]); i++)
		*number[i] = any_number();
}

static void seed_print(void)
{
	srand((unsigned)seed_of("HEARTH_SEED"));
}

static void test_pack_random(void **state)
{
	char packed[TELEMETRY_PACKED_MAX];
	struct telemetry_point p, back;
	int longest = 0, n;

	(void)state;
	seed_print();
	for (int k = 0; k < 20000; k++) {
		any_point(&p);
		telemetry_round(&p);
		n = telemetry_pack(&p, packed, sizeof(packed));
		assert_true(n > 0 && (size_t)n == strlen(packed));
		longest = n > longest ? n : longest;
		assert_int_equal(telemetry_unpack(p.device_id, p.start_utc_ms, packed, &back), 0);
		assert_true(same_point(&p, &back));
		telemetry_round(&back);
		assert_true(same_point(&p, &back)); /* rounding twice is rounding once */
		assert_int_equal(telemetry_pack(&p, packed, (size_t)n), -E2BIG);
	}
	assert_true(longest < TELEMETRY_PACKED_MAX - 16);
}

static void test_unpack(void **state)
{
	static const struct {
		const char *name, *id, *packed;
		int64_t start;
		int r;
	} ROWS[] = {
		{ "nothing", "b", "", START, -EINVAL },
		{ "version only", "b", "1", START, -EINVAL },
		{ "another version", "b", "2 300 1 0", START, -EINVAL },
		{ "version of two digits", "b", "11 300 1 0", START, -EINVAL },
		{ "offline", "b", "1 300 1 0", START, 0 },
		{ "offline with more", "b", "1 300 1 0 4 0", START, -EINVAL },
		{ "a space behind", "b", "1 300 1 0 ", START, -EINVAL },
		{ "two spaces", "b", "1  300 1 0", START, -EINVAL },
		{ "no duration", "b", "1 0 1 0", START, -EINVAL },
		{ "duration too long", "b", "1 2147483648 1 0", START, -EINVAL },
		{ "nothing merged", "b", "1 300 0 0", START, -EINVAL },
		{ "negative", "b", "1 -300 1 0", START, -EINVAL },
		{ "state unknown", "b", "1 300 1 4", START, -EINVAL },
		{ "offline with a grid", "b", "1 300 1 2", START, -EINVAL },
		{ "online", "b", "1 300 1 3 5 31 1 2 3 4 5 6 7 8 9 10 11 12 13", START, 0 },
		{ "online with nothing known", "b", "1 300 1 1 0 0 - - - - - - - - - - - - -", START, 0 },
		{ "a number short", "b", "1 300 1 3 5 0 1 2 3 4 5 6 7 8 9 10 11 12", START, -EINVAL },
		{ "a number too many", "b", "1 300 1 3 5 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14", START, -EINVAL },
		{ "mode unknown", "b", "1 300 1 3 6 0 1 2 3 4 5 6 7 8 9 10 11 12 13", START, -EINVAL },
		{ "assumed unknown", "b", "1 300 1 3 5 32 1 2 3 4 5 6 7 8 9 10 11 12 13", START, -EINVAL },
		{ "101 %", "b", "1 300 1 3 5 0 1 2 3 4 5 6 7 1001 9 10 11 12 13", START, -EINVAL },
		{ "too large", "b", "1 300 1 3 5 0 1 2 3 4 5 6 7 8 9 10 11 12 1000000000001", START, -EINVAL },
		{ "overflow", "b", "1 300 1 3 5 0 1 2 3 4 5 6 7 8 9 10 11 12 99999999999999999999999", START, -EINVAL },
		{ "a letter", "b", "1 300 1 3 5 0 1 2 3 4 5 6 7 8 9 10 11 12 1e3", START, -EINVAL },
		{ "no device", "", "1 300 1 0", START, -EINVAL },
		{ "device too long", "0123456789012345678901234567890123456789012345678901234567890123", "1 300 1 0", START, -EINVAL },
		{ "device just not too long", "012345678901234567890123456789012345678901234567890123456789012", "1 300 1 0", START, 0 },
		{ "before time", "b", "1 300 1 0", -1, -EINVAL },
		{ "after time", "b", "1 300 1 0", INT64_MAX, -EINVAL },
	};

	(void)state;
	for (size_t k = 0; k < sizeof(ROWS) / sizeof(ROWS[0]); k++) {
		struct telemetry_point p = { .merged = 77 };
		int r = telemetry_unpack(ROWS[k].id, ROWS[k].start, ROWS[k].packed, &p);

		assert_row(ROWS[k].name, r == ROWS[k].r);
		assert_row(ROWS[k].name, r == 0 || p.merged == 77); /* touched only on success */
	}
}

/* Two intervals of a device as one: which pairs, and what stays. */
static void test_merge(void **state)
{
	static const struct {
		const char *name;
		int64_t start_ms;  /* of the second, after the first's start; that lasts 300 s */
		int duration_s;
		const char *id;
		bool off;
		int r, must_s;
	} ROWS[] = {
		{ "another device", 300000, 300, "other", false, -EINVAL, 0 },
		{ "offline after online", 300000, 300, "bat-0042-1", true, -EINVAL, 0 },
		{ "the same once more", 0, 300, "bat-0042-1", false, -EINVAL, 0 },
		{ "overlapping by a second", 299000, 300, "bat-0042-1", false, -EINVAL, 0 },
		{ "before", -300000, 300, "bat-0042-1", false, -EINVAL, 0 },
		{ "no duration", 300000, 0, "bat-0042-1", false, -EINVAL, 0 },
		{ "a gap of more than an interval", 600001, 300, "bat-0042-1", false, -EINVAL, 0 },
		{ "a gap longer than the shorter one", 350000, 49, "bat-0042-1", false, -EINVAL, 0 },
		{ "longer than a number", 300000, INT32_MAX, "bat-0042-1", false, -EINVAL, 0 },
		{ "a gap of an interval", 600000, 300, "bat-0042-1", false, 0, 900 },
		{ "a gap of half a second", 300500, 300, "bat-0042-1", false, 0, 600 },
		{ "a short one behind", 300000, 1, "bat-0042-1", false, 0, 301 },
		{ "as it should be", 300000, 300, "bat-0042-1", false, 0, 600 },
	};

	(void)state;
	for (size_t k = 0; k < sizeof(ROWS) / sizeof(ROWS[0]); k++) {
		struct telemetry_point a = sample(), b = ROWS[k].off ? offline() : sample(), out = { .merged = 77 };
		int r;

		a.merged = 3;
		a.solar_wh = 0.1;
		a.assumed = TELEMETRY_ASSUMED_GRID;
		b.start_utc_ms = START + ROWS[k].start_ms;
		b.duration_s = ROWS[k].duration_s;
		snprintf(b.device_id, sizeof(b.device_id), "%s", ROWS[k].id);
		b.mode = MODE_SAVINGS;
		b.soc_pct = 55;
		b.discharge_wh = ROWS[k].off ? NAN : 0.1;
		b.solar_wh = ROWS[k].off ? NAN : 0.2;
		r = telemetry_merge(&a, &b, &out);
		assert_row(ROWS[k].name, r == ROWS[k].r);
		if (r < 0) {
			assert_row(ROWS[k].name, out.merged == 77);
			continue;
		}
		assert_row(ROWS[k].name, out.start_utc_ms == START && out.duration_s == ROWS[k].must_s && out.merged == 4);
		assert_row(ROWS[k].name, out.discharge_wh == 331.6 && out.home_wh == 150.4 && out.charge_wh == 0);
		assert_row(ROWS[k].name, out.solar_wh == 0.3); /* not what 0.1 and 0.2 are in binary */
		assert_row(ROWS[k].name, out.mode == MODE_SAVINGS && out.soc_pct == 55 && out.assumed == 0 && out.home_w == 890);
	}
}

/* A week thinned to one point, in pairs: not a tenth of a watt-hour is lost. */
static void test_merge_conserves(void **state)
{
	static struct telemetry_point p[2016];
	int64_t tenths = 0;
	int n = 2016;

	(void)state;
	seed_print();
	for (int i = 0; i < n; i++) {
		p[i] = sample();
		p[i].start_utc_ms = START + i * 300000LL;
		p[i].solar_wh = rand() % 5000 / 10.0;
		telemetry_round(&p[i]);
		tenths += llround(p[i].solar_wh * 10);
	}
	while (n > 1) {
		for (int i = 0; i + 1 < n; i += 2)
			assert_int_equal(telemetry_merge(&p[i], &p[i + 1], &p[i / 2]), 0);
		if (n % 2)
			p[n / 2] = p[n - 1];
		n = (n + 1) / 2;
	}
	assert_int_equal(p[0].merged, 2016);
	assert_int_equal(p[0].duration_s, 604800);
	assert_true(llround(p[0].solar_wh * 10) == tenths);
	assert_true(llround(p[0].discharge_wh * 10) == 2016 * 3315);

	struct telemetry_point a = offline(), b = offline(), out;

	b.start_utc_ms += 300000;
	assert_int_equal(telemetry_merge(&a, &b, &out), 0);
	assert_true(!out.online && isnan(out.home_wh) && out.merged == 2);
}

static void test_encode_exact(void **state)
{
	static const char ONLINE[] =
		"{\"message_id\":\"tel-1\",\"telemetry\":[{\"start_time\":\"2026-01-15T12:00:00.000Z\",\"duration_s\":300,"
		"\"device_id\":\"bat-0042-1\",\"last_is_online\":true,\"last_mode\":\"DISCHARGE\",\"battery_last_power_charge_w\":0,"
		"\"battery_last_power_discharge_w\":4000,\"battery_total_energy_charge_wh\":0,"
		"\"battery_total_energy_discharge_wh\":331.5,\"battery_last_stored_energy_wh\":6150,"
		"\"battery_last_capacity_energy_wh\":10000,\"battery_last_backup_reserve_percentage\":20,"
		"\"battery_last_state_of_charge_percentage\":61.5,\"battery_last_state_of_health_percentage\":97,"
		"\"last_is_grid_online\":true,\"home_total_energy_wh\":75.2,\"home_last_power_w\":890,\"solar_total_energy_wh\":0,"
		"\"solar_last_power_w\":0,\"oem_raw_data\":{}}]}";
	struct telemetry_point p[2] = { sample(), offline() };
	char *text = telemetry_encode(p, 1, "tel-1");

	(void)state;
	assert_string_equal(text, ONLINE);
	free(text);
	text = telemetry_encode(p, 0, NULL);
	assert_string_equal(text, "{\"telemetry\":[]}");
	free(text);
	assert_null(telemetry_encode(p, -1, NULL));
	assert_null(telemetry_encode(p, TELEMETRY_BATCH_MAX + 1, NULL));
	p[0].assumed = TELEMETRY_ASSUMED_SOH | TELEMETRY_ASSUMED_GRID;
	p[0].merged = 12;
	p[1].merged = 2;
	p[1].assumed = 31; /* says nothing of a device that is not there */
	text = telemetry_encode(p, 2, NULL);
	assert_non_null(strstr(text, "\"oem_raw_data\":{\"assumed\":[\"state_of_health\",\"grid_online\"],\"merged_intervals\":12}}"));
	assert_non_null(strstr(text, "\"oem_raw_data\":{\"merged_intervals\":2}}]}"));
	free(text);
}

static bool is_number(const cJSON *v, double is, int decimals, double max)
{
	double scale = decimals ? 10 : 1;

	if (isnan(is) || isinf(is))
		return cJSON_IsNull(v);
	is = is < 0 ? 0 : is > max ? max : is;
	return cJSON_IsNumber(v) && v->valuedouble == round(is * scale) / scale && !signbit(v->valuedouble);
}

static void check_point(const cJSON *o, const struct telemetry_point *p)
{
	const struct { const char *key; double v; int decimals; double max; } numbers[] = {
		{ KEYS[5], p->charge_w, 0, 1e12 },   { KEYS[6], p->discharge_w, 0, 1e12 },  { KEYS[7], p->charge_wh, 1, 1e12 },
		{ KEYS[8], p->discharge_wh, 1, 1e12 }, { KEYS[9], p->stored_wh, 1, 1e12 }, { KEYS[10], p->capacity_wh, 1, 1e12 },
		{ KEYS[11], p->reserve_pct, 1, 100 }, { KEYS[12], p->soc_pct, 1, 100 },     { KEYS[13], p->soh_pct, 1, 100 },
		{ KEYS[15], p->home_wh, 1, 1e12 },   { KEYS[16], p->home_w, 0, 1e12 },      { KEYS[17], p->solar_wh, 1, 1e12 },
		{ KEYS[18], p->solar_w, 0, 1e12 },
	};
	const cJSON *member = o->child;
	int64_t at;

	for (size_t i = 0; i < N_KEYS; i++, member = member->next) {
		assert_non_null(member);
		assert_string_equal(member->string, KEYS[i]);
		if (!p->online && i > 3 && i < 19)
			assert_true(cJSON_IsNull(member));
	}
	assert_null(member);
	assert_int_equal(calendar_parse(cJSON_GetObjectItem(o, "start_time")->valuestring, &at), 0);
	assert_true(at == p->start_utc_ms);
	assert_true(cJSON_GetObjectItem(o, "duration_s")->valuedouble == p->duration_s);
	assert_true(cJSON_IsTrue(cJSON_GetObjectItem(o, "last_is_online")) == p->online);
	assert_true(cJSON_IsObject(cJSON_GetObjectItem(o, "oem_raw_data")));
	if (json_utf8(p->device_id, strlen(p->device_id)))
		assert_string_equal(cJSON_GetObjectItem(o, "device_id")->valuestring, p->device_id);
	if (!p->online)
		return;
	assert_string_equal(cJSON_GetObjectItem(o, "last_mode")->valuestring, battery_mode_word(p->mode));
	assert_true(cJSON_IsTrue(cJSON_GetObjectItem(o, "last_is_grid_online")) == p->grid_online);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (!is_number(cJSON_GetObjectItem(o, numbers[i].key), numbers[i].v, numbers[i].decimals, numbers[i].max))
			fail_msg("%s of %.17g", numbers[i].key, numbers[i].v);
}

/* Whatever is in a point, also unrounded: JSON with the twenty keys in their order, plain numbers, room enough. */
static void test_encode_random(void **state)
{
	static struct telemetry_point p[TELEMETRY_BATCH_MAX];
	AUTO_JSON *root = NULL;
	const cJSON *o;
	size_t len, n;
	char *text;

	(void)state;
	seed_print();
	for (int i = 0; i < TELEMETRY_BATCH_MAX; i++)
		any_point(&p[i]);
	memset(p[0].device_id, 1, FLIP_ID_MAX - 1); /* the longest of everything */
	p[0].online = true;
	p[0].assumed = 31;
	p[0].mode = MODE_SELF_CONSUMPTION;
	p[0].merged = p[0].duration_s = INT32_MAX;
	p[0].charge_w = p[0].discharge_w = p[0].charge_wh = p[0].discharge_wh = p[0].stored_wh = p[0].capacity_wh = 1e12 - 0.1;
	p[0].home_wh = p[0].home_w = p[0].solar_wh = p[0].solar_w = 1e12 - 0.1;
	text = telemetry_encode(p, 1, NULL);
	len = strlen(text);
	assert_true(len < TELEMETRY_POINT_TEXT_MAX - 100);
	free(text);
	text = telemetry_encode(p, TELEMETRY_BATCH_MAX, "id \"\\\n\xff");
	len = strlen(text);
	for (size_t i = 0; i < len; i++)
		assert_true((unsigned char)text[i] >= 0x20); /* cJSON would let them pass */
	root = cJSON_ParseWithLength(text, len);
	assert_non_null(root);
	assert_string_equal(cJSON_GetObjectItem(root, "message_id")->valuestring, "id \"\\\n?");
	for (int i = 0; i < TELEMETRY_BATCH_MAX; i++) {
		o = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "telemetry"), i);
		check_point(o, &p[i]);
	}
	for (const char *at = text; (at = strstr(at, "\":")) != NULL; at += 2) { /* numbers have neither sign nor exponent */
		if (at[-1] < 'a' || at[-1] > 'z')
			continue; /* not the end of a key: an id may hold anything */
		n = strspn(at + 2, "-+.0123456789eE");
		assert_true(n == strspn(at + 2, ".0123456789"));
	}
	free(text);
}

/* saved and failed as strings of the points' numbers. */
static void test_answer(void **state)
{
	static const struct {
		const char *name, *text;
		int r, n;
		const char *saved, *failed, *reason;
	} ROWS[] = {
		{ "nothing", "", -EINVAL, 0, "", "", "" },
		{ "garbage", "<html>", -EINVAL, 0, "", "", "" },
		{ "cut", "{\"telemetry\":[{\"index\":0", -EINVAL, 0, "", "", "" },
		{ "something behind", "[\"OK\"] x", -EINVAL, 0, "", "", "" },
		{ "an object without the list", "{\"status\":\"OK\"}", -EINVAL, 0, "", "", "" },
		{ "the list is none", "{\"telemetry\":{\"0\":\"OK\"}}", -EINVAL, 0, "", "", "" },
		{ "null", "null", -EINVAL, 0, "", "", "" },
		{ "a string", "\"OK\"", -EINVAL, 0, "", "", "" },
		{ "too deep", "{\"telemetry\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}", -EINVAL, 0, "", "", "" },
		{ "empty list: nobody is saved", "[]", 0, 0, "", "", "" },
		{ "as the reference has it",
		  "{\"telemetry\":[{\"index\":0,\"status\":\"OK\"},{\"index\":1,\"status\":\"FAILED\",\"message\":\"duration_s must be > 0\"}]}",
		  0, 2, "0", "1", "duration_s must be > 0" },
		{ "bare words", "[\"OK\",\"FAILED\",\"SAVED\"]", 0, 3, "02", "1", "" },
		{ "no index: by place", "[{\"status\":\"FAILED\"},{\"status\":\"OK\"}]", 0, 2, "1", "0", "" },
		{ "any order", "[{\"index\":2,\"status\":\"OK\"},{\"index\":0,\"status\":\"FAILED\"},{\"index\":1,\"status\":\"OK\"}]", 0, 3,
		  "12", "0", "" },
		{ "holes are neither", "[{\"index\":4,\"status\":\"OK\"},{\"index\":1,\"status\":\"FAILED\"}]", 0, 5, "4", "1", "" },
		{ "twice: failed wins", "[{\"index\":0,\"status\":\"FAILED\"},{\"index\":0,\"status\":\"OK\"}]", 0, 1, "", "0", "" },
		{ "index out of range", "[{\"index\":1000,\"status\":\"OK\"},{\"index\":-1},{\"index\":0.5},{\"index\":1e99}]", 0, 0, "", "", "" },
		{ "index of another kind", "[{\"index\":\"0\",\"status\":\"OK\"}]", 0, 0, "", "", "" },
		{ "index null", "[{\"index\":null,\"status\":\"OK\"}]", 0, 1, "0", "", "" },
		{ "members that say nothing", "[null,1,true,[\"OK\"],\"OK\"]", 0, 5, "4", "", "" },
		{ "no status: not FAILED", "[{\"index\":0}]", 0, 1, "0", "", "" },
		{ "small letters", "[{\"index\":0,\"status\":\"failed\",\"message\":\"no\"}]", 0, 1, "", "0", "no" },
		{ "the first reason", "[{\"status\":\"FAILED\",\"message\":\"a\"},{\"status\":\"FAILED\",\"message\":\"b\"}]", 0, 2, "", "01", "a" },
		{ "not printable", "[{\"status\":\"FAILED\",\"message\":\"a\\nb\\u0001\\u007fc\"}]", 0, 1, "", "0", "a b  c" },
		{ "cut at a character",
		  "[{\"status\":\"FAILED\",\"message\":\"012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
		  "0123\\u20ac\"}]", 0, 1, "", "0",
		  "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123" },
	};

	(void)state;
	for (size_t k = 0; k < sizeof(ROWS) / sizeof(ROWS[0]); k++) {
		struct telemetry_answer a = { .n = 77 };
		struct errbuf err = { "" };
		char *text = malloc(strlen(ROWS[k].text) + 1); /* not NUL-terminated for the sanitizer */
		int r;

		memcpy(text, ROWS[k].text, strlen(ROWS[k].text));
		r = telemetry_answer_decode(text, strlen(ROWS[k].text), &a, &err);
		free(text);
		assert_row(ROWS[k].name, r == ROWS[k].r);
		if (r < 0) {
			assert_row(ROWS[k].name, a.n == 77 && err.text[0]);
			continue;
		}
		assert_row(ROWS[k].name, a.n == ROWS[k].n);
		for (int i = 0; i < 10; i++) {
			assert_row(ROWS[k].name, telemetry_saved(&a, i) == (strchr(ROWS[k].saved, '0' + i) != NULL));
			assert_row(ROWS[k].name, telemetry_failed(&a, i) == (strchr(ROWS[k].failed, '0' + i) != NULL));
		}
		assert_row(ROWS[k].name, !strcmp(a.reason, ROWS[k].reason));
	}
}

static void test_answer_large(void **state)
{
	const size_t size = TELEMETRY_ANSWER_MAX + 1;
	struct telemetry_answer a;
	char *text = malloc(size + 1);
	size_t n = 1;

	(void)state;
	text[0] = '[';
	for (int i = 0; i < 1200; i++) /* more than were asked: the rest is nobody's */
		n += (size_t)sprintf(text + n, "%s{\"index\":%d,\"status\":\"%s\"}", i ? "," : "", i, i % 3 ? "OK" : "FAILED");
	text[n++] = ']';
	assert_int_equal(telemetry_answer_decode(text, n, &a, NULL), 0);
	assert_int_equal(a.n, TELEMETRY_BATCH_MAX);
	assert_true(telemetry_failed(&a, 999) && telemetry_saved(&a, 998));
	memset(text + n, ' ', size - n);
	assert_int_equal(telemetry_answer_decode(text, size - 1, &a, NULL), 0);
	assert_int_equal(telemetry_answer_decode(text, size, &a, NULL), -EINVAL);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unpack),	      cmocka_unit_test(test_pack_random),   cmocka_unit_test(test_merge),
		cmocka_unit_test(test_merge_conserves), cmocka_unit_test(test_encode_exact), cmocka_unit_test(test_encode_random),
		cmocka_unit_test(test_answer),	      cmocka_unit_test(test_answer_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
