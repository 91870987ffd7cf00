/* Telemetry at the mock Flip (flip-api 7.7, 9.8): each point is checked as strictly as the documentation reads, kept once
 * per device and start, and counted. Pure. */
#ifndef HEARTH_SIM_MOCK_FLIP_POINTS_H
#define HEARTH_SIM_MOCK_FLIP_POINTS_H

#include "sim/mock.h"

#define MOCK_POINTS_MAX 400000
#define MOCK_BATCH_MAX 1000
#define MOCK_DEVICES_MAX 256
#define MOCK_DEVICE_ID_MAX 64

struct mock_point {
	int64_t start_ms;
	double charge_wh, discharge_wh; /* NAN = null */
	float duration_s, soc_pct;
	uint32_t times; /* received */
	uint16_t device;
	bool online;
};

struct mock_points {
	size_t n, room, slots;
	struct mock_point *row; /* by first arrival */
	uint32_t *slot;         /* hash of device and start: row + 1, 0 = free */
	int n_devices;
	struct {
		char id[MOCK_DEVICE_ID_MAX];
		char *latest; /* its last point, as received */
	} device[MOCK_DEVICES_MAX];
	/* Points to be refused. Which one does not change when it is sent again. */
	struct {
		bool on;
		char device[MOCK_DEVICE_ID_MAX]; /* "" = all */
		int every;                       /* every Nth interval counted from 1970; 1 = all */
		int status;                      /* 0 = FAILED for the point, else of the whole request */
	} reject;
	bool closed; /* only these devices are known: */
	int n_known;
	char known[MOCK_DEVICES_MAX][MOCK_DEVICE_ID_MAX];
	uint64_t received, failed, repeated;
};

void mock_points_deinit(struct mock_points *p);

/** Checks and keeps the points of the body of POST /v1/telemetry/BATTERY and words the answer. */
void mock_points_take(struct mock_points *p, const cJSON *body, struct mock_reply *r);

#endif
