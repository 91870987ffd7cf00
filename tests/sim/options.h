/* hearth-sim's command line. */
#ifndef HEARTH_SIM_OPTIONS_H
#define HEARTH_SIM_OPTIONS_H

#include "simulate/house.h"
#include "sim/sunspec_battery.h"

#define OPTIONS_DEVICES_MAX 100

/* Unit ids of the devices, as in the sample configuration. */
enum { UNIT_BATTERY = 1, UNIT_PV = 2, UNIT_METER = 10, UNIT_EXTRA_FIRST = 101, UNIT_CHARGER = 255 };

struct options {
	char listen[64];
	int port, control_port; /* 0 = any free one */
	char control_path[108]; /* a Unix socket instead of the control port; "" = none */
	int extra_ports;        /* further Modbus ports with the same devices */
	int devices;            /* extra meters for benches, units 101 and up */
	bool no_clouds;
	int flip_port, flatpeak_port;          /* of the mock clouds; 0 = any free one */
	char cloud_cert[256], cloud_key[256];  /* PEM files: they speak HTTPS; "" = plain HTTP */
	char flip_token[256];
	char flatpeak_account[64], flatpeak_key[64], location[64];
	bool p40;
	bool die_with_parent;
	double load_w, sun; /* NAN = by nature */
	struct house_options house;
	struct sunspec_battery_options battery;
};

/**
 * Reads the command line, errors in words on stderr.
 * Returns -1 to go on, else the exit code (0 after --help or --version, 2 for a usage error).
 */
int options_parse(struct options *o, int argc, char **argv);

#endif
