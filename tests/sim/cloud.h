/* The two mock clouds of the simulator: state machines, faults, counts and the virtual clock behind one HTTP server each. */
#ifndef HEARTH_SIM_CLOUD_H
#define HEARTH_SIM_CLOUD_H

#include "sim/cloud_fault.h"
#include "sim/cloud_http.h"
#include "sim/mock_flatpeak.h"
#include "sim/mock_flip.h"
#include "sim/options.h"

#define CLOUD_PATHS_MAX 48
#define CLOUD_RECENT 1024

enum cloud_id { CLOUD_FLIP, CLOUD_FLATPEAK, CLOUDS };
enum cloud_state { CLOUD_UP, CLOUD_STATE_CUT, CLOUD_STATE_HANG };

struct cloud_stats {
	uint64_t requests, unauthorized;
	int64_t last_utc_ms; /* of the virtual clock */
	int max_per_s;
	int n_paths;
	struct {
		const char *name;
		uint64_t n;
	} path[CLOUD_PATHS_MAX];
	uint32_t by_status[600];
	int64_t recent_ms[CLOUD_RECENT]; /* monotonic, of the latest requests */
	struct {
		char method[8], target[256], version[48], body[2048];
	} last; /* the latest request, cut to fit */
};

struct cloud {
	struct clouds *clouds;
	enum cloud_id id;
	enum cloud_state state;
	struct cloud_http *http;
	int port;
	struct cloud_faults faults;
	struct cloud_stats stats;
};

struct clouds {
	bool open;
	int64_t offset_ms; /* virtual clock = wall clock + offset */
	struct cloud cloud[CLOUDS];
	struct mock_flip flip;
	struct mock_flatpeak flatpeak;
};

/** Opens both; 0 or negative errno with the reason. */
int clouds_open(struct clouds *c, uv_loop_t *loop, const struct options *o, struct errbuf *err);
void clouds_close(struct clouds *c);
/** Frees what the loop no longer needs: after it has run dry. */
void clouds_deinit(struct clouds *c);

int64_t clouds_now_ms(const struct clouds *c);
int cloud_set_state(struct cloud *c, enum cloud_state state, struct errbuf *err);
const char *cloud_name(enum cloud_id id);

#endif
