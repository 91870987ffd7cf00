/* The configuration: every trap of libinih, every kind of mistake, all of them at once, and what comes out when all is well. */
#include "core/config.h"
#include "core/config_table.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct config cfg;
static struct config_errors errors;

static uint32_t roles_of(void *context, const char *profile, char *nearest, size_t size)
{
	(void)context;
	nearest[0] = '\0';
	if (!strcmp(profile, "meter"))
		return ROLE_GRID | ROLE_LOAD | ROLE_PV;
	if (!strcmp(profile, "battery"))
		return ROLE_BATTERY | ROLE_PV;
	if (!strcmp(profile, "hybrid"))
		return ROLE_BATTERY | ROLE_PV | ROLE_GRID;
	if (!strcmp(profile, "charger"))
		return ROLE_CHARGER;
	snprintf(nearest, size, "battery");
	return 0;
}

static bool zone_is_known(void *context, const char *zone, char *nearest, size_t size)
{
	(void)context;
	snprintf(nearest, size, "Europe/London");
	return !strcmp(zone, "Europe/London") || !strcmp(zone, "UTC");
}

static bool secret_is_good(void *context, const char *path, char *reason, size_t size)
{
	(void)context;
	snprintf(reason, size, "the file's mode is 0644, allowed: 0600 or stricter");
	return !strstr(path, "wide");
}

static const struct config_checks CHECKS = { NULL, roles_of, zone_is_known, secret_is_good, NULL };

static int parse(const char *text)
{
	const struct config_file f = { "a.conf", text, strlen(text) };

	memset(&cfg, 0, sizeof(cfg));
	return config_parse_checked(&f, 1, &CHECKS, &cfg, &errors);
}

static int parse_two(const char *a, const char *b)
{
	const struct config_file f[] = { { "a.conf", a, strlen(a) }, { "b.conf", b, strlen(b) } };

	memset(&cfg, 0, sizeof(cfg));
	return config_parse_checked(f, 2, &CHECKS, &cfg, &errors);
}

#define SITE "[site]\nid = home-0042\n"
#define BUS "[bus house]\nhost = 127.0.0.1\n"
#define GRID "[device grid]\nprofile = meter\nbus = house\nunit = 10\nroles = grid\n"
#define HOME SITE BUS GRID /* 9 lines */

/* One mistake, or none: the text behind a good home, and the line and words that must come out. */
static const struct {
	const char *name, *text;
	int line;            /* 0 = must be accepted */
	const char *want;    /* part of the only message */
} ROWS[] = {
	/* libinih's traps */
	{ "line of 200 bytes", "[tariff]\ncurrency = GBP ; ###################################################################################"
	  "####################################################################################################\n", 11, "[tariff] currency: the line is 200 bytes long, allowed: at most 199" },
	{ "line of 199 bytes", "[tariff]\ncurrency = GBP ; ###################################################################################"
	  "###################################################################################################\n", 0, "" },
	{ "comment line above 199", "# ########################################################################################################"
	  "#################################################################################################################\n", 0, "" },
	{ "indented key", "[plan]\n  horizon_h = 24\n", 11, "[plan] horizon_h: the line is indented" },
	{ "indented section", "\t[plan]\n", 10, "the line is indented" },
	{ "indented comment", "[plan]\n   ; nothing\n \t # nothing\n   \n", 0, "" },
	{ "trailing #", "[plan]\nhorizon_h = 24 # two\n", 11, "'24 # two' is not a number, allowed: 1..336 h (a comment behind a value starts with ' ;')" },
	{ "colon for =", "[plan]\nhorizon_h: 24\n", 11, "[plan] horizon_h: ':' does not end a key, allowed: key = value" },
	{ "colon before =", "[plan]\nhorizon_h:x = 24\n", 11, "':' does not end a key" },
	{ "colon in a value", "[flip]\nbase_url = https://127.0.0.1:8443/x\n", 0, "" },
	{ "no = at all", "[plan]\nhorizon_h\n", 11, "no '=' in the line" },
	{ "no key", "[plan]\n= 5\n", 11, "no key before '='" },
	{ "key of 50 bytes", "[plan]\nhorizon_hxhorizon_hxhorizon_hxhorizon_hxhorizon_hx = 1\n", 11, "longer than 49 bytes" },
	{ "section of 50 bytes", "[device house-house-house-house-house-house-house-h]\n", 10, "not a section" },
	{ "unclosed section", "[plan\nhorizon_h = 24\n", 10, "not a section" },
	{ "text behind a section", "[plan] horizon_h = 24\n", 10, "not a section" },
	{ "empty section without what it needs", "[bus garage]\n", 10, "[bus garage] host: missing, it must be written for type = tcp" },
	{ "NUL byte is seen as text, \\x01 is not", "[plan]\nhorizon_h = 2\0014\n", 11, "not text" },
	{ "Latin-1", "[flip]\nsite_id = caf\xe9\n", 11, "[flip] site_id: the line holds bytes that are not text" },
	{ "CR LF", "[plan]\r\nhorizon_h = 24\r\n", 0, "" },
	{ "comment behind a tab", "[plan]\nhorizon_h = 24\t; two\n", 0, "" },
	/* duplicates and names */
	{ "twice", "[plan]\nslot_s = 300\nslot_s = 900\n", 12, "[plan] slot_s: written twice in this file, first in line 11" },
	{ "twice over a repeated section", "[plan]\nslot_s = 300\n[outbox]\n[plan]\nslot_s = 900\n", 14, "written twice" },
	{ "unknown section", "[mqt]\nhost = x\nport = y\n", 10, "[mqt]: unknown section, did you mean [mqtt]?" },
	{ "unknown section, nothing near", "[zigbee]\n", 10, "unknown section, allowed: site, mqtt" },
	{ "unknown key", "[plan]\nhorizon = 24\n", 11, "[plan] horizon: unknown key, did you mean horizon_h?" },
	{ "swapped letters", "[plan]\nwaer_cost = 1\n", 11, "did you mean wear_cost?" },
	{ "key of another section", "[plan]\nimport_limit_w = 1\n", 11, "it belongs into [site]" },
	{ "unknown key, nothing near", "[plan]\nzigbee = 1\n", 11, "unknown key, see" },
	{ "name where none can be", "[site two]\nid = x\n", 10, "[site] takes no name" },
	{ "no name where one must be", "[bus]\nhost = ::1\n", 10, "[bus] the name is missing, allowed: [bus NAME]" },
	{ "capitals in a name", "[bus House]\nhost = ::1\n", 10, "'House' is not a name" },
	{ "33 letters in a name", "[bus abcdefghijklmnopqrstuvwxyz1234567]\n", 10, "is not a name" },
	/* secrets */
	{ "password", "[mqtt]\npassword = hunter2\n", 11, "[mqtt] password: secrets never stand in this file, allowed: the credential mqtt-password" },
	{ "token", "[flip]\ntoken = hunter2\n", 11, "flip-token" },
	{ "api key", "[flatpeak]\napi_key = hunter2\n", 11, "flatpeak-api-key" },
	{ "webhook key", "[flip]\nwebhook_key = hunter2\n", 11, "flip-webhook-key" },
	{ "client secret", "[flip]\noauth_client_secret = hunter2\n", 11, "flip-oauth" },
	{ "portal", "[flip]\nportal_secret = hunter2\n", 11, "flip-portal" },
	{ "password in an address", "[flip]\nbase_url = https://me:hunter2@x.org\n", 11, "holds a user name or password" },
	{ "slip in a _file key is no secret", "[mqtt]\npasword_file = /x\n", 11, "did you mean password_file?" },
	{ "secret file too wide", "[mqtt]\npassword_file = /wide\n", 11, "mode is 0644" },
	{ "secret file relative", "[mqtt]\npassword_file = secret\n", 11, "not an absolute path" },
	/* values */
	{ "heartbeats without a failsafe limit", "[site]\nlimit_heartbeat_s = 120\n", 11,
	  "[site] limit_heartbeat_s: needs limit_failsafe_import_w or limit_failsafe_export_w" },
	{ "heartbeats with one", "[site]\nlimit_heartbeat_s = 1\nlimit_failsafe_export_w = 0\n", 0, "" },
	{ "no heartbeats need none", "[site]\nlimit_heartbeat_s = 0\n", 0, "" },
	{ "a failsafe limit that is wrong is said once", "[site]\nlimit_heartbeat_s = 120\nlimit_failsafe_import_w = -1\n", 12, "-1 is outside 0..1000000 W" },
	{ "heartbeats for longer than a day", "[site]\nlimit_heartbeat_s = 86401\nlimit_failsafe_export_w = 0\n", 11, "86401 is outside 0..86400 s" },
	{ "an interval nobody bills", "[plan]\ndemand_interval_min = 20\n", 11, "demand_interval_min: unknown value '20'" },
	{ "a way to share that is none", "[site]\ncar_share = first\n", 11, "car_share: unknown value 'first'" },
	{ "hex", "[plan]\nhorizon_h = 0x10\n", 11, "not a number" },
	{ "nan", "[plan]\nwear_cost = nan\n", 11, "not a number" },
	{ "inf", "[plan]\nwear_cost = inf\n", 11, "not a number" },
	{ "1e999", "[plan]\nwear_cost = 1e999\n", 11, "outside 0..10 per kWh" },
	{ "empty number", "[plan]\nwear_cost =\n", 11, "empty, allowed: 0..10 per kWh" },
	{ "negative", "[plan]\nwear_cost = -0.1\n", 11, "-0.1 is outside 0..10" },
	{ "half an hour", "[plan]\nhorizon_h = 0.5\n", 11, "outside 1..336" },
	{ "not whole", "[plan]\nhorizon_h = 1.5\n", 11, "not a whole number" },
	{ "not a member", "[plan]\nslot_s = 301\n", 11, "allowed: 60, 300, 600, 900, 1800 or 3600" },
	{ "a number that is none of those, nor near", "[plan]\ndemand_interval_min = 20\n", 11, "unknown value '20', allowed: 15, 30 or 60" },
	{ "misspelt member", "[flip]\nmode = que\n", 11, "unknown value 'que', did you mean queue? allowed: off, direct or queue" },
	{ "flip is never pushed", "[flip]\nmode = pushed\n", 11, "unknown value 'pushed'" },
	{ "flatpeak is never queued, and no hole shows", "[flatpeak]\nmode = queue\n", 11, "allowed: off, direct or pushed" },
	{ "hole as a value", "[flatpeak]\nmode =\n", 11, "unknown value ''" },
	{ "bool", "[plan]\nbattery_to_ev = maybe\n", 11, "allowed: yes or no" },
	{ "plain http", "[flip]\nbase_url = http://api.flip.energy\n", 11, "plain http, allowed: https://" },
	{ "http that only begins like loopback", "[flip]\nbase_url = http://127.0.0.1.evil.org\n", 11, "plain http" },
	{ "http to localhost's namesake", "[flip]\nbase_url = http://localhost.evil.org/\n", 11, "plain http" },
	{ "http, loopback", "[flip]\nbase_url = http://127.0.0.1:8080/x\n", 0, "" },
	{ "http, a dot behind loopback", "[flip]\nbase_url = http://127.1.1.1.\n", 11, "plain http" },
	{ "http, loopback of five", "[flip]\nbase_url = http://127.0.0.0.1\n", 11, "plain http" },
	{ "http, loopback of three", "[flip]\nbase_url = http://127.0.1:80\n", 11, "plain http" },
	{ "http, loopback with a number too large", "[flip]\nbase_url = http://127.0.0.256\n", 11, "plain http" },
	{ "http, loopback in octal", "[flip]\nbase_url = http://127.0.0.01\n", 11, "plain http" },
	{ "http, loopback with a hole", "[flip]\nbase_url = http://127..0.1\n", 11, "plain http" },
	{ "http, not quite loopback", "[flip]\nbase_url = http://128.0.0.1\n", 11, "plain http" },
	{ "http, the far end of loopback", "[flip]\nbase_url = http://127.255.0.255/x\n", 0, "" },
	{ "http, loopback v6", "[flip]\nbase_url = http://[::1]:8080\n", 0, "" },
	{ "ftp", "[flip]\nbase_url = ftp://x.org\n", 11, "not an address" },
	{ "port 70000", "[flip]\nbase_url = https://x.org:70000\n", 11, "is not an address" },
	{ "required address empty", "[flip]\nbase_url =\n", 11, "empty" },
	{ "optional address empty", "[flip]\noauth_url =\n", 0, "" },
	{ "listen without a port", "[flip]\nwebhook_listen = 127.0.0.1\n", 11, "not ADDR:PORT" },
	{ "listen", "[flip]\nwebhook_listen = [::]:8443\n", 0, "" },
	{ "one half of a pair", "[mqtt]\ncert_file = /x\n", 11, "[mqtt] cert_file: needs key_file too" },
	{ "topic with a wildcard", "[mqtt]\nroot = hearth/+\n", 11, "not a topic" },
	{ "topic that ends in a slash", "[mqtt]\nroot = hearth/\n", 11, "not a topic" },
	{ "no discovery", "[mqtt]\ndiscovery_prefix =\n", 0, "" },
	{ "currency", "[tariff]\ncurrency = pounds\n", 11, "three letters" },
	{ "tariff without currency", "[tariff]\nimport = 0.2\n", 10, "[tariff] currency: missing" },
	{ "tariff with a gap", "[tariff]\ncurrency = GBP\nimport = 00:00-07:00 0.1, 08:00-00:00 0.2\n", 12, "[tariff] import: gap between 07:00 and 08:00" },
	{ "too many slots", "[plan]\nhorizon_h = 336\nslot_s = 60\n", 11, "more than 4032 slots" },
	{ "text of 128 bytes", "[flip]\nsite_id = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", 11, "128 bytes long, allowed: at most 127" },
	{ "text of 127 bytes", "[flip]\nsite_id = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", 0, "" },
	/* buses */
	{ "rtu without a line", "[bus b]\ntype = rtu\n", 10, "[bus b] device: missing, it must be written for type = rtu" },
	{ "tcp with baud", "[bus b]\nhost = ::1\nbaud = 9600\n", 12, "[bus b] baud: means nothing for type = tcp" },
	{ "format", "[bus b]\ntype = rtu\ndevice = /dev/x\nformat = 8X1\n", 13, "as in 8N1" },
	{ "odd baud", "[bus b]\ntype = rtu\ndevice = /dev/x\nbaud = 9601\n", 13, "unknown value '9601', did you mean 9600?" },
	{ "same host and port", "[bus b]\nhost = 127.0.0.1\n", 11, "is host and port of [bus house] too" },
	{ "same host, other port", "[bus b]\nhost = 127.0.0.1\nport = 503\n", 0, "" },
	/* devices */
	{ "unknown bus", "[device d]\nprofile = charger\nbus = hose\nunit = 1\n", 12, "[device d] bus: there is no [bus hose], did you mean house?" },
	{ "unit twice", "[device d]\nprofile = charger\nbus = house\nunit = 10\n", 13, "unit: 10 on bus house is [device grid] already" },
	{ "unit twice, one disabled", "[device d]\nprofile = charger\nbus = house\nunit = 10\nenabled = no\n", 0, "" },
	{ "unit twice, the first disabled", "[device d]\nprofile = charger\nbus = house\nunit = 5\nenabled = no\n"
	  "[device e]\nprofile = charger\nbus = house\nunit = 5\n", 0, "" },
	{ "refused key is not missing too", "[device d]\nprofile = charger\nbus = house\n  unit = 1\n", 13, "[device d] unit: the line is indented" },
	{ "refused bus is not unknown too", "[bus My]\nhost = ::1\n[device d]\nprofile = charger\nbus = my\nunit = 1\n", 10, "'My' is not a name" },
	{ "unit 0 on a serial line", "[bus b]\ntype = rtu\ndevice = /dev/x\n[device d]\nprofile = charger\nbus = b\nunit = 0\n", 16, "outside 1..247" },
	{ "unit 256", "[device d]\nprofile = charger\nbus = house\nunit = 256\n", 13, "outside 0..255" },
	{ "no unit", "[device d]\nprofile = charger\nbus = house\n", 10, "[device d] unit: missing" },
	{ "unknown profile", "[device d]\nprofile = batery\nbus = house\nunit = 1\n", 11, "no usable profile 'batery', did you mean battery?" },
	{ "profile with a folder", "[device d]\nprofile = ../x\nbus = house\nunit = 1\n", 11, "not a profile's name" },
	{ "meter without a role", "[device d]\nprofile = meter\nbus = house\nunit = 1\n", 10, "[device d] roles: missing, a meter must be told" },
	{ "meter with two", "[device d]\nprofile = meter\nbus = house\nunit = 1\nroles = load pv\n", 14, "a meter measures one thing" },
	{ "grid twice", "[device d]\nprofile = meter\nbus = house\nunit = 1\nroles = grid\n", 14, "grid is [device grid] already" },
	{ "role not offered", "[device d]\nprofile = charger\nbus = house\nunit = 1\nroles = battery\n", 14, "does not offer that, allowed: charger" },
	{ "unknown role", "[device d]\nprofile = charger\nbus = house\nunit = 1\nroles = chager\n", 14, "did you mean charger?" },
	{ "sunspec, not as a charger", "[device d]\nprofile = sunspec\nbus = house\nunit = 1\nroles = charger\n", 14, "does not offer that" },
	{ "soc bounds", "[device d]\nprofile = battery\nbus = house\nunit = 1\nsoc_min_pct = 90\nsoc_max_pct = 80\n", 14, "90 is not below soc_max_pct 80" },
	{ "failsafe 3 A", "[device d]\nprofile = charger\nbus = house\nunit = 1\nfailsafe_a = 3\n", 14, "3 is outside 0 or 6..80 A" },
	{ "failsafe 0 A", "[device d]\nprofile = charger\nbus = house\nunit = 1\nfailsafe_a = 0\n", 0, "" },
	{ "two phases", "[device d]\nprofile = charger\nbus = house\nunit = 1\nphases = 2\n", 14, "allowed: auto, 1 or 3" },
	{ "date", "[device d]\nprofile = charger\nbus = house\nunit = 1\ninstall_date = 2025-02-29\n", 14, "not a date" },
};

static void test_rows(void **state)
{
	char text[4096];
	int bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		char start[32];
		int r;

		snprintf(text, sizeof(text), "%s%s", HOME, ROWS[i].text);
		snprintf(start, sizeof(start), "a.conf:%d: ", ROWS[i].line);
		r = parse(text);
		if (ROWS[i].line == 0 ? r == 0 :
		    r == -22 && errors.n == 1 && !strncmp(errors.text[0], start, strlen(start)) && strstr(errors.text[0], ROWS[i].want) &&
		    !strstr(errors.text[0], "hunter2") && cfg.site.id[0] == '\0')
			continue;
		bad++;
		print_error("%s: returned %d, %d errors, wanted line %d '%s'\n", ROWS[i].name, r, errors.n, ROWS[i].line, ROWS[i].want);
		for (int k = 0; k < errors.n && k < CONFIG_ERRORS_MAX; k++)
			print_error("    %s\n", errors.text[k]);
	}
	assert_int_equal(bad, 0);
}

/* Twenty mistakes in two files, all told at once, each with its line, in the order of the files. */
static void test_twenty(void **state)
{
	static const char A[] = "name = before any section\n"          /* 1 */
				"[site]\n"
				"id = Home 42\n"                       /* 3 */
				"timezone = Europe/Lodnon\n"           /* 4 */
				"import_limit_w = -5\n"                /* 5 */
				"reserve = 20\n"                       /* 6 */
				"  export_limit_w = 3680\n"            /* 7 */
				"tick_ms: 1000\n"                      /* 8 */
				"[mqtt]\n"
				"password = hunter2\n"                 /* 10 */
				"port = 99999\n"                       /* 11 */
				"root = hearth/#\n"                    /* 12 */
				"[bus house]\n"
				"type = udp\n"                         /* 14 */
				"host = 127.0.0.1\n"
				"timeout_ms = 5 s\n"                   /* 16 */
				"[devcie battery]\n"                   /* 17 */
				"profile = battery\n"
				"[device grid]\n"
				"profile = metre\n"                    /* 20 */
				"bus = haus\n"                         /* 21 */
				"unit = 1\n"
				"roles = grid\n";
	static const char B[] = "[device charger]\n"
				"profile = charger\n"
				"bus = house\n"
				"unit = 2\n"
				"failsafe_a = 5\n"                     /* 5 */
				"failsafe_a = 6\n"                     /* 6 */
				"soc_min_pct = 50\n"                   /* 7 */
				"soc_max_pct = 40\n"
				"roles = grid\n"                       /* 9 */
				"[flip]\n"
				"base_url = http://api.flip.energy\n"  /* 11 */
				"[tariff]\n"
				"import = 00:00-07:00 0.1\n"           /* 13 */
				"currency = GBP\n"
				"[flatpeak]\n"
				"profile = anod\n";                    /* 16 */
	static const char *const WANT[] = {
		"a.conf:1: name: stands before", "a.conf:3: [site] id: ", "a.conf:4: [site] timezone: ", "a.conf:5: [site] import_limit_w: ",
		"a.conf:6: [site] reserve: ", "a.conf:7: [site] export_limit_w: ", "a.conf:8: [site] tick_ms: ", "a.conf:10: [mqtt] password: ",
		"a.conf:11: [mqtt] port: ", "a.conf:12: [mqtt] root: ", "a.conf:14: [bus house] type: ", "a.conf:16: [bus house] timeout_ms: ",
		"a.conf:17: [devcie battery]: unknown section, did you mean [device battery]?", "a.conf:20: [device grid] profile: ",
		"a.conf:21: [device grid] bus: ", "b.conf:5: [device charger] failsafe_a: ", "b.conf:6: [device charger] failsafe_a: ",
		"b.conf:7: [device charger] soc_min_pct: ", "b.conf:9: [device charger] roles: ", "b.conf:11: [flip] base_url: ",
		"b.conf:13: [tariff] import: ", "b.conf:16: [flatpeak] profile: ",
	};

	(void)state;
	assert_int_equal(parse_two(A, B), -22);
	for (int i = 0; i < errors.n; i++)
		if ((size_t)i >= sizeof(WANT) / sizeof(WANT[0]) || strncmp(errors.text[i], WANT[i], strlen(WANT[i])) != 0)
			print_error("%d: %s\n", i, errors.text[i]);
	assert_int_equal(errors.n, sizeof(WANT) / sizeof(WANT[0]));
	for (int i = 0; i < errors.n; i++)
		assert_memory_equal(errors.text[i], WANT[i], strlen(WANT[i]));
}

static void test_overflow(void **state)
{
	char text[20000] = HOME;

	(void)state;
	for (int i = 0; i < 200; i++)
		strcat(text, "[zigbee]\n");
	strcat(text, "[site]\nname2 = x\n");
	assert_int_equal(parse(text), -22);
	assert_int_equal(errors.n, 201); /* the rest is counted */
	assert_memory_equal(errors.text[0], "a.conf:10: ", 11);
	assert_memory_equal(errors.text[CONFIG_ERRORS_MAX - 1], "a.conf:73: ", 11);
}

/* The last device there is room for is read and checked like the first. */
static void test_all_devices(void **state)
{
	char text[8000] = "[site]\nid = x\n[bus house]\nhost = a\n";
	size_t n = strlen(text);

	(void)state;
	for (int i = 0; i < DEVICE_MAX; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "[device d%d]\nprofile = %s\nbus = house\nunit = %d\nroles = %s\n", i, i ? "charger" : "meter",
				      i + 1, i ? "charger" : "grid");
	assert_int_equal(parse(text), 0);
	assert_int_equal(cfg.n_devices, DEVICE_MAX);
	snprintf(text + n, sizeof(text) - n, "unit = 7\nsoc_max_pct = x\n");
	assert_int_equal(parse(text), -22);
	assert_int_equal(errors.n, 3);
	assert_non_null(strstr(errors.text[0], "[device d31] unit: 7 on bus house is [device d6] already"));
	assert_non_null(strstr(errors.text[1], "[device d31] unit: written twice in this file, first in line "));
	assert_non_null(strstr(errors.text[2], "[device d31] soc_max_pct: 'x' is not a number"));
}

/* An empty section, no file at all, nothing but a broken one. */
static void test_empty(void **state)
{
	(void)state;
	assert_int_equal(config_parse_checked(NULL, 0, &CHECKS, &cfg, &errors), -22);
	assert_string_equal(errors.text[0], "(no file):1: [site] id: missing, it must be written (name of this hub on MQTT, and Flip's site id "
					    "unless [flip] site_id is set)");
	assert_int_equal(parse(""), -22);
	assert_memory_equal(errors.text[0], "a.conf:1: [site] id: missing", 28);
	assert_int_equal(parse("\n\n[site]\n"), -22);
	assert_memory_equal(errors.text[0], "a.conf:3: [site] id: missing", 28);
	assert_int_equal(parse("[site]\nid = x"), 0); /* no devices: to be checked before they are known */
	assert_int_equal(cfg.n_devices, 0);
	assert_int_equal(parse("\xef\xbb\xbf[site]\r\nid = x\r\n"), 0);
	assert_string_equal(cfg.site.id, "x");
}

/* A grid is needed as soon as there is a device; who is in doubt is not blamed twice. */
static void test_grid(void **state)
{
	(void)state;
	assert_int_equal(parse(SITE BUS "[device b]\nprofile = battery\nbus = house\nunit = 1\n"), -22);
	assert_int_equal(errors.n, 1);
	assert_memory_equal(errors.text[0], "a.conf:5: [device b] no device has the role grid", 48);
	assert_int_equal(parse(SITE BUS "[device b]\nprofile = battery\nbus = house\nunit = 1\nenabled = no\n"), 0);
	assert_int_equal(parse(SITE BUS "[device b]\nprofile = meter\nbus = house\nunit = 1\n"), -22);
	assert_int_equal(errors.n, 1);
	/* a hybrid's own meter is not the site's grid until somebody says so */
	assert_int_equal(parse(SITE BUS "[device b]\nprofile = hybrid\nbus = house\nunit = 1\n"), -22);
	assert_int_equal(parse(SITE BUS "[device b]\nprofile = hybrid\nbus = house\nunit = 1\nroles = battery, grid\n"), 0);
	/* without the callback only what is written counts */
	const char *text = SITE BUS "[device b]\nprofile = zig\nbus = house\nunit = 1\n";
	const struct config_file f = { "a.conf", text, strlen(text) };
	assert_int_equal(config_parse(&f, 1, NULL, NULL, &cfg, &errors), 0);
	assert_int_equal(cfg.device[0].roles, 0);
}

static const char WHOLE[] =
	"[site]\n"
	"id = home-0042                 ; also Flip's\n"
	"name = Elm Road\n"
	"timezone = Europe/London\n"
	"clock = trust\n"
	"import_limit_w = 11500         ; main fuse; 0 = none\n"
	"export_limit_w = 3680\n"
	"reserve_pct = 25\n"
	"tick_ms = 500\n"
	"grid_charging = no\n"
	"surplus_first = ev\n"
	"latitude = 51.5\n"
	"[mqtt]\n"
	"host = /run/mosquitto.sock\n"
	"[bus house]\n"
	"type = tcp                     ; tcp: host, port\n"
	"host = 127.0.0.1\n"
	"port = 1502\n"
	"[bus line]\n"
	"type = rtu\n"
	"device = /dev/ttyUSB0\n"
	"baud = 19200\n"
	"format = 7E2\n"
	"[device battery]\n"
	"profile = battery\n"
	"bus = house\n"
	"unit = 1\n"
	"flip_device_id = bat-0042-1\n"
	"capacity_wh = 13500\n"
	"soc_min_pct = 5\n"
	"[device charger]\n"
	"profile = charger\n"
	"bus = house\n"
	"unit = 255\n"
	"phases = 3\n"
	"[device grid]\n"
	"profile = meter\n"
	"bus = line\n"
	"unit = 10\n"
	"roles = grid\n"
	"[device sun]\n"
	"profile = sunspec\n"
	"bus = house\n"
	"unit = 2\n"
	"[flip]\n"
	"mode = queue\n"
	"[flatpeak]\n"
	"mode = pushed\n"
	"account_id =\n"
	"[tariff]\n"
	"import = 00:00-07:00 0.09, 07:00-16:00 0.28, 16:00-19:00 0.38, 19:00-00:00 0.28\n"
	"export = 0.15\n"
	"currency = GBP\n";

static void test_whole(void **state)
{
	(void)state;
	assert_int_equal(parse(WHOLE), 0);
	assert_string_equal(cfg.site.id, "home-0042");
	assert_string_equal(cfg.site.name, "Elm Road");
	assert_true(cfg.site.clock_trust);
	assert_float_equal(cfg.site.import_limit_w, 11500, 0);
	assert_int_equal(cfg.site.tick_ms, 500);
	assert_false(cfg.site.grid_charging);
	assert_true(cfg.site.battery_export);
	assert_false(cfg.site.surplus_battery_first);
	assert_float_equal(cfg.site.latitude, 51.5, 0);
	assert_true(isnan(cfg.site.longitude));
	assert_string_equal(cfg.mqtt.host, "/run/mosquitto.sock");
	assert_string_equal(cfg.mqtt.root, "hearth/1");
	assert_int_equal(cfg.n_buses, 2);
	assert_false(cfg.bus[0].rtu);
	assert_int_equal(cfg.bus[0].port, 1502);
	assert_true(cfg.bus[1].rtu);
	assert_int_equal(cfg.bus[1].baud, 19200);
	assert_int_equal(cfg.bus[1].parity, 'E');
	assert_int_equal(cfg.bus[1].data_bits, 7);
	assert_int_equal(cfg.bus[1].stop_bits, 2);
	assert_int_equal(cfg.bus[0].data_bits, 8);
	assert_int_equal(cfg.bus[0].timeout_ms, 500);
	assert_int_equal(cfg.n_devices, 4);
	assert_string_equal(cfg.device[0].id, "battery");
	assert_int_equal(cfg.device[0].roles, ROLE_BATTERY); /* its PV only when roles say so */
	assert_int_equal(cfg.device[0].bus_index, 0);
	assert_true(isnan(cfg.device[0].charge_max_w));
	assert_float_equal(cfg.device[0].soh_pct, 100, 0);
	assert_true(cfg.device[0].enabled);
	assert_int_equal(cfg.device[1].unit, 255);
	assert_int_equal(cfg.device[1].phases, 3);
	assert_int_equal(cfg.device[1].roles, ROLE_CHARGER);
	assert_float_equal(cfg.device[1].failsafe_a, 6, 0);
	assert_int_equal(cfg.device[2].roles, ROLE_GRID);
	assert_int_equal(cfg.device[2].bus_index, 1);
	assert_int_equal(cfg.device[3].roles, ROLE_BATTERY);
	assert_int_equal(cfg.flip.mode, LINK_QUEUE);
	assert_string_equal(cfg.flip.base_url, "https://api-sandbox.flip.energy");
	assert_int_equal(cfg.flip.webhook_tolerance_s, 600);
	assert_int_equal(cfg.flatpeak.mode, LINK_PUSHED);
	assert_string_equal(cfg.flatpeak.profile, "anode");
	assert_true(cfg.tariff.set);
	assert_int_equal(cfg.tariff.import.n, 4);
	assert_int_equal(cfg.tariff.export.n, 1);
	assert_int_equal(cfg.plan.horizon_h, 48);
	assert_int_equal(cfg.plan.slot_s, 300);
	assert_int_equal(cfg.outbox.telemetry_interval_s, 300);
}

/* Later files win key by key, may bring devices, and may change a bus's type. */
static void test_later_wins(void **state)
{
	(void)state;
	assert_int_equal(parse_two(HOME "[device b]\nprofile = battery\nbus = house\nunit = 1\n",
				   "[site]\nreserve_pct = 35\n[device b]\nunit = 3\n[bus house]\ntype = rtu\ndevice = /dev/x\n"), 0);
	assert_float_equal(cfg.site.reserve_pct, 35, 0);
	assert_int_equal(cfg.device[1].unit, 3);
	assert_true(cfg.bus[0].rtu);
	/* a mistake that a later file puts right is still a mistake in the first */
	assert_int_equal(parse_two(HOME "[plan]\nhorizon_h = x\n", "[plan]\nhorizon_h = 24\n"), -22);
	assert_int_equal(errors.n, 1);
}

static int print_and_parse(struct config *out)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	struct config_file file;
	int r;

	config_print(&cfg, f);
	fclose(f);
	file = (struct config_file){ "printed", text, len };
	r = config_parse_checked(&file, 1, &CHECKS, out, &errors);
	for (int i = 0; i < errors.n; i++)
		print_error("%s\n", errors.text[i]);
	free(text);
	return r;
}

/* What is printed reads back as the same, with nothing lost. */
static void test_print(void **state)
{
	static struct config again;

	(void)state;
	assert_int_equal(parse(WHOLE), 0);
	assert_int_equal(print_and_parse(&again), 0);
	assert_int_equal(config_compare(&cfg, &again), 0);
	assert_int_equal(parse("[site]\nid = x\nname =;half a comment\n"), 0);
	assert_int_equal(print_and_parse(&again), 0);
	assert_int_equal(config_compare(&cfg, &again), 0);
	assert_string_equal(again.site.name, ";half a comment");
	assert_false(again.tariff.set);
	/* written so densely that the usual form would not fit into a line */
	assert_int_equal(parse("[site]\nid = x\n[tariff]\ncurrency = GBP\nimport=00:00-01:00 .1,01:00-02:00 .2,02:00-03:00 .3,03:00-04:00 .4,"
			       "04:00-05:00 .5,05:00-06:00 .6,06:00-07:00 .7,07:00-08:00 .8,08:00-09:00 .9,09:00-10:00 .1,10:00-11:00 .2,"
			       "11:00-00:00 .3\n"), 0);
	assert_int_equal(print_and_parse(&again), 0);
	assert_int_equal(config_compare(&cfg, &again), 0);
}

/* Every default of the table is one its own row accepts, but those that must be written. */
static void test_defaults(void **state)
{
	(void)state;
	for (int s = 0; s < CONFIG_SECTIONS; s++) {
		for (int k = 0; k < CONFIG_TABLE[s].n_rows; k++) {
			const struct config_row *row = &CONFIG_TABLE[s].rows[k];
			static char memory[sizeof(struct config)];
			struct errbuf err = { 0 };

			assert_true(strlen(row->key) <= 49);
			assert_int_equal(config_row_index(s, row->key), k); /* no key twice */
			if (!row->fallback || (row->type == CT_NUMBER && !row->fallback[0]))
				continue;
			if (config_value_set(row, memory, row->fallback, &err) < 0)
				fail_msg("[%s] %s: %s", CONFIG_TABLE[s].name, row->key, err.text);
		}
	}
}

/* The file we ship is good as it is, and good with every commented line in force. */
static void test_shipped(void **state)
{
	static char text[16384], open[16384];
	FILE *f = fopen(HEARTH_SOURCE_DIR "/packaging/hearth.conf", "r");
	size_t n, at = 0;

	(void)state;
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	assert_int_equal(parse(text), 0);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *value = !strncmp(line, "; ", 2) ? line + 2 : line;

		at += (size_t)snprintf(open + at, sizeof(open) - at, "%s\n", value);
	}
	/* commented keys of the examples: profiles of this test stand in for the real ones */
	parse(open);
	for (int i = 0; i < errors.n; i++)
		if (!strstr(errors.text[i], "no usable profile") && !strstr(errors.text[i], "there is no [bus charger]"))
			fail_msg("%s", errors.text[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),	   cmocka_unit_test(test_twenty),  cmocka_unit_test(test_overflow),
		cmocka_unit_test(test_empty),	   cmocka_unit_test(test_all_devices),	   cmocka_unit_test(test_grid),	   cmocka_unit_test(test_whole),
		cmocka_unit_test(test_later_wins), cmocka_unit_test(test_print),   cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_shipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
