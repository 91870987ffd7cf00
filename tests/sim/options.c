/* hearth-sim's command line: see options.h. Numbers are rows of a table. */
#include "sim/options.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum option_id {
	OPT_LISTEN = 256,
	OPT_CONTROL,
	OPT_MODELS,
	OPT_NO_REVERSION,
	OPT_BASE,
	OPT_CHARGER,
	OPT_CAR,
	OPT_TIME,
	OPT_DIE,
	OPT_NO_CLOUDS,
	OPT_CLOUD_CERT,
	OPT_CLOUD_KEY,
	OPT_FLIP_TOKEN,
	OPT_FLATPEAK_ACCOUNT,
	OPT_FLATPEAK_KEY,
	OPT_LOCATION,
	OPT_PRINT_PORTS,
	OPT_HELP,
	OPT_VERSION,
	OPT_NUMBER
};

static const char HELP[] =
	"Usage: hearth-sim [OPTION]...\n"
	"A simulated home: battery (unit 1, SunSpec), sun (unit 2, SunSpec), grid meter (unit 10, Eastron SDM630)\n"
	"and wallbox with car (unit 255, KEBA) on one Modbus TCP port, and a control port that takes one JSON\n"
	"object a line. When ready it prints one JSON line with its ports.\n\n"
	"  --listen ADDRESS        IPv4 address to listen on (127.0.0.1)\n"
	"  --port N                Modbus TCP port, 0 = any free one (1502)\n"
	"  --control-port N        control port, 0 = any free one (1599)\n"
	"  --control PATH          control by a Unix socket instead\n"
	"  --extra-ports N         further Modbus ports with the same devices (0)\n"
	"  --devices N             extra meters for benches, units 101 and up (0)\n"
	"  --battery-models WHICH  704, 124 or both (both)\n"
	"  --no-reversion          a battery without reversion timers\n"
	"  --sunspec-base N        0, 40000 or 50000 (40000)\n"
	"  --battery-wh WH         capacity (13500)\n"
	"  --battery-w W           rating for charging and discharging (5000)\n"
	"  --soc PCT               state of charge at the start (60)\n"
	"  --soc-min PCT           hardware cut-off (5)\n"
	"  --battery-delay-ms MS   dead time of the battery (700)\n"
	"  --charger WHICH         p30 or p40 (p30)\n"
	"  --car WHICH             plugged or unplugged (unplugged)\n"
	"  --car-soc PCT           (40)\n"
	"  --car-phases N          1 or 3 (3)\n"
	"  --load W                fixed house load instead of a day's pattern\n"
	"  --base-load W           load that is always there (300)\n"
	"  --noise W               wander of the load (30)\n"
	"  --pv W                  peak power of the sun's inverter (6000)\n"
	"  --sun X                 fixed sun 0..1 instead of a clear sky\n"
	"  --time HH:MM            local time at the start (now)\n"
	"  --speed X               stored energy of battery and car moves X times faster (1)\n"
	"  --seed N                seed of load and voltage (1)\n"
	"  --no-clouds             without the mock clouds\n"
	"  --flip-port N           port of the mock Flip, 0 = any free one (0)\n"
	"  --flatpeak-port N       port of the mock FlatPeak, 0 = any free one (0)\n"
	"  --cloud-cert FILE       PEM certificate: the clouds speak HTTPS, with\n"
	"  --cloud-key FILE        its key\n"
	"  --flip-token T          client token at Flip (fl_sim_token)\n"
	"  --flatpeak-account A    account at FlatPeak (acc_sim)\n"
	"  --flatpeak-key K        its API key (sk_test_sim)\n"
	"  --location L            location at FlatPeak (loc_sim)\n"
	"  --die-with-parent       end when the process that started it ends\n"
	"  --print-ports           accepted; the ports are always printed\n"
	"  --help, --version\n";

/* Numeric options: where they go, and their range. */
struct number_row {
	const char *name;
	double min, max;
	double *value;
	int *whole;
};

static int complain(const char *text, const char *value)
{
	fprintf(stderr, "hearth-sim: %s '%s'; see hearth-sim --help\n", text, value);
	return 2;
}

static int take_number(const struct number_row *row, const char *text)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !isfinite(v)) {
		fprintf(stderr, "hearth-sim: --%s: '%s' is not a number\n", row->name, text);
		return 2;
	}
	if (v < row->min || v > row->max || (row->whole && v != floor(v))) {
		fprintf(stderr, "hearth-sim: --%s: %s is outside %g..%g%s\n", row->name, text, row->min, row->max,
			row->whole ? " or not a whole number" : "");
		return 2;
	}
	if (row->whole)
		*row->whole = (int)v;
	else
		*row->value = v;
	return -1;
}

static int take_text(char *out, size_t size, const char *name, const char *text)
{
	if (strlen(text) >= size || !text[0])
		return complain(name, text);
	memcpy(out, text, strlen(text) + 1);
	return -1;
}

static int take_word(struct options *o, int id, const char *word)
{
	int hour, minute, used = 0;

	switch (id) {
	case OPT_LISTEN:
		return take_text(o->listen, sizeof(o->listen), "--listen: not an address:", word);
	case OPT_CONTROL:
		return take_text(o->control_path, sizeof(o->control_path), "--control: not a socket path:", word);
	case OPT_MODELS:
		if (strcmp(word, "both") && strcmp(word, "124") && strcmp(word, "704"))
			return complain("--battery-models: must be 704, 124 or both, not", word);
		o->battery.models = word[0] == 'b' ? BATTERY_BOTH : word[0] == '1' ? BATTERY_124 : BATTERY_704;
		return -1;
	case OPT_BASE:
		if (strcmp(word, "0") && strcmp(word, "40000") && strcmp(word, "50000"))
			return complain("--sunspec-base: must be 0, 40000 or 50000, not", word);
		o->battery.base = (uint16_t)atoi(word);
		return -1;
	case OPT_CHARGER:
		if (strcmp(word, "p30") && strcmp(word, "p40"))
			return complain("--charger: must be p30 or p40, not", word);
		o->p40 = word[1] == '4';
		return -1;
	case OPT_CAR:
		if (strcmp(word, "plugged") && strcmp(word, "unplugged"))
			return complain("--car: must be plugged or unplugged, not", word);
		o->house.car_plugged = word[0] == 'p';
		return -1;
	case OPT_TIME:
		if (sscanf(word, "%2d:%2d%n", &hour, &minute, &used) != 2 || word[used] || hour < 0 || hour > 23 ||
		    minute < 0 || minute > 59)
			return complain("--time: must be HH:MM, not", word);
		o->house.day_s = hour * 3600 + minute * 60;
		return -1;
	case OPT_CLOUD_CERT:
		return take_text(o->cloud_cert, sizeof(o->cloud_cert), "--cloud-cert: not a file:", word);
	case OPT_CLOUD_KEY:
		return take_text(o->cloud_key, sizeof(o->cloud_key), "--cloud-key: not a file:", word);
	case OPT_FLIP_TOKEN:
		return take_text(o->flip_token, sizeof(o->flip_token), "--flip-token: not a token:", word);
	case OPT_FLATPEAK_ACCOUNT:
		return take_text(o->flatpeak_account, sizeof(o->flatpeak_account), "--flatpeak-account: not an account:", word);
	case OPT_FLATPEAK_KEY:
		return take_text(o->flatpeak_key, sizeof(o->flatpeak_key), "--flatpeak-key: not a key:", word);
	case OPT_LOCATION:
		return take_text(o->location, sizeof(o->location), "--location: not a location:", word);
	default:
		return -1;
	}
}

static double local_day_s(void)
{
	time_t now = time(NULL);
	struct tm tm;

	localtime_r(&now, &tm);
	return tm.tm_hour * 3600 + tm.tm_min * 60 + tm.tm_sec;
}

static void defaults(struct options *o)
{
	*o = (struct options){ .listen = "127.0.0.1",
			       .port = 1502,
			       .control_port = 1599,
			       .load_w = NAN,
			       .sun = NAN,
			       .flip_token = "fl_sim_token",
			       .flatpeak_account = "acc_sim",
			       .flatpeak_key = "sk_test_sim",
			       .location = "loc_sim",
			       .house = house_defaults(),
			       .battery = { .base = 40000 } };
	o->house.day_s = local_day_s();
}

/* What only the whole command line can tell. */
static int check(const struct options *o)
{
	if (o->house.car.phases == 2)
		return complain("--car-phases: must be 1 or 3, not", "2");
	if (!o->cloud_cert[0] != !o->cloud_key[0])
		return complain("--cloud-cert and --cloud-key go together; there is only", o->cloud_cert[0] ? o->cloud_cert : o->cloud_key);
	return -1;
}

#define NUMBERS 19
#define WORDS 20 /* the other options */

int options_parse(struct options *o, int argc, char **argv)
{
	double seed = 1, battery_w = 5000, delay_ms = 700;
	const struct number_row numbers[NUMBERS] = {
		{ "port", 0, 65535, NULL, &o->port },
		{ "control-port", 0, 65535, NULL, &o->control_port },
		{ "extra-ports", 0, 31, NULL, &o->extra_ports },
		{ "devices", 0, OPTIONS_DEVICES_MAX, NULL, &o->devices },
		{ "flip-port", 0, 65535, NULL, &o->flip_port },
		{ "flatpeak-port", 0, 65535, NULL, &o->flatpeak_port },
		{ "battery-wh", 1, 1e6, &o->house.battery.capacity_wh, NULL },
		{ "battery-w", 1, 1e5, &battery_w, NULL },
		{ "soc", 0, 100, &o->house.soc_pct, NULL },
		{ "soc-min", 0, 50, &o->house.battery.soc_min_pct, NULL },
		{ "battery-delay-ms", 0, 60000, &delay_ms, NULL },
		{ "car-soc", 0, 100, &o->house.car_soc_pct, NULL },
		{ "car-phases", 1, 3, NULL, &o->house.car.phases },
		{ "load", 0, 1e5, &o->load_w, NULL },
		{ "base-load", 0, 1e5, &o->house.base_load_w, NULL },
		{ "noise", 0, 1e4, &o->house.noise_w, NULL },
		{ "pv", 0, 1e5, &o->house.pv_peak_w, NULL },
		{ "sun", 0, 1, &o->sun, NULL },
		{ "speed", 0.001, 1e5, &o->house.battery.speed, NULL },
	};
	struct option table[NUMBERS + WORDS + 1] = {
		{ "listen", 1, NULL, OPT_LISTEN },
		{ "control", 1, NULL, OPT_CONTROL },
		{ "battery-models", 1, NULL, OPT_MODELS },
		{ "sunspec-base", 1, NULL, OPT_BASE },
		{ "charger", 1, NULL, OPT_CHARGER },
		{ "car", 1, NULL, OPT_CAR },
		{ "time", 1, NULL, OPT_TIME },
		{ "no-reversion", 0, NULL, OPT_NO_REVERSION },
		{ "die-with-parent", 0, NULL, OPT_DIE },
		{ "print-ports", 0, NULL, OPT_PRINT_PORTS },
		{ "help", 0, NULL, OPT_HELP },
		{ "version", 0, NULL, OPT_VERSION },
		{ "seed", 1, NULL, OPT_NUMBER + NUMBERS },
		{ "no-clouds", 0, NULL, OPT_NO_CLOUDS },
		{ "cloud-cert", 1, NULL, OPT_CLOUD_CERT },
		{ "cloud-key", 1, NULL, OPT_CLOUD_KEY },
		{ "flip-token", 1, NULL, OPT_FLIP_TOKEN },
		{ "flatpeak-account", 1, NULL, OPT_FLATPEAK_ACCOUNT },
		{ "flatpeak-key", 1, NULL, OPT_FLATPEAK_KEY },
		{ "location", 1, NULL, OPT_LOCATION },
	};
	const struct number_row seed_row = { "seed", 0, 1e15, &seed, NULL };
	int id, e = -1;

	for (int i = 0; i < NUMBERS; i++)
		table[WORDS + i] = (struct option){ numbers[i].name, 1, NULL, OPT_NUMBER + i };
	defaults(o);
	while (e < 0 && (id = getopt_long(argc, argv, "", table, NULL)) != -1) {
		if (id == '?')
			return 2; /* getopt has said why */
		if (id == OPT_HELP || id == OPT_VERSION) {
			fputs(id == OPT_HELP ? HELP : "hearth-sim " HEARTH_VERSION "\n", stdout);
			return 0;
		}
		if (id >= OPT_NUMBER)
			e = take_number(id == OPT_NUMBER + NUMBERS ? &seed_row : &numbers[id - OPT_NUMBER], optarg);
		else if (id == OPT_NO_CLOUDS)
			o->no_clouds = true;
		else if (id == OPT_NO_REVERSION || id == OPT_DIE)
			*(id == OPT_DIE ? &o->die_with_parent : &o->battery.no_reversion) = true;
		else
			e = take_word(o, id, optarg);
	}
	if (e >= 0)
		return e;
	if (optind < argc)
		return complain("takes no arguments, but got", argv[optind]);
	o->house.seed = (uint64_t)seed;
	o->house.battery.charge_max_w = o->house.battery.discharge_max_w = o->house.battery.ramp_w_per_s = battery_w;
	o->house.battery.delay_s = delay_ms / 1000;
	o->house.car.speed = o->house.battery.speed;
	return check(o);
}
