/* State as JSON by the vocabulary: devices, decisions, the site. Pure; every tree belongs to the caller. Unknown values are
 * left out. */
#ifndef HEARTH_CORE_ENCODE_H
#define HEARTH_CORE_ENCODE_H

#include "core/json.h"
#include "core/snapshot.h"

/* The site's balance in W: grid = load + pv + battery + ev, so the load is what the meter shows beyond the devices. NAN =
 * not known (a device that matters is silent, or the meter is) or, for pv, battery and ev, no such device. */
struct site_sums {
	double grid_w, load_w, pv_w, battery_w, ev_w; /* load without cars and batteries */
	double soc_pct;                               /* of all batteries, weighted by capacity; NAN without */
};

/** Only readings at most 10 s old count (SoC 60 s, chargers 30 s: slow boxes are polled that seldom). */
void site_sums(const struct snapshot *s, struct site_sums *out);

/** R/device/<id> as text, without a detour over a tree: it is written for every device in most ticks. @utc_ms 0 leaves "at"
 *  out. Returns the length, 0 when it does not fit (ENCODE_DEVICE_MAX always does). */
#define ENCODE_DEVICE_MAX 6144
size_t encode_device_text(const struct snap_device *d, int64_t utc_ms, char *out, size_t size);
/** The same as a tree, without "at". */
cJSON *encode_device(const struct snap_device *d);
/** One device's decision, as in R/decision and `why`. */
cJSON *encode_decision(const struct snap_device *device, const struct decision *d);
/** R/decision */
cJSON *encode_decisions(const struct snapshot *s, const struct decisions *d);
/** Ranks, bits, whose limits stand but are not kept just now: the owner has paused everything, so nobody cuts any order. */
uint32_t encode_not_kept(const struct snapshot *s);
/** R/site */
cJSON *encode_site(const struct snapshot *s, const struct decisions *d, const struct site_sums *sums);

#endif
