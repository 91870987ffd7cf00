/* Telemetry for Flip (flip-api 7.7, 9.8, 13): a point of one battery and interval, its two written forms (Flip's twenty keys;
 * a packed line for the disk, about a fifth of that), thinning, and what Flip answers. Pure. */
#ifndef HEARTH_CLOUD_TELEMETRY_H
#define HEARTH_CLOUD_TELEMETRY_H

#include "core/command.h"
#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TELEMETRY_BATCH_MAX 1000   /* points of one request */
#define TELEMETRY_POINT_TEXT_MAX 1536 /* one point in Flip's form at its longest; usually half of it */
#define TELEMETRY_PACKED_MAX 256
#define TELEMETRY_ANSWER_MAX (2 << 20) /* bytes of an answer that are looked at */

/* One interval of one device. Numbers are rounded when made (telemetry_round): power to 1 W, energy to 0.1 Wh, percent to
 * 0.1. NAN = null. While online none of them is NAN: what is not known is assumed and marked. */
struct telemetry_point {
	char device_id[FLIP_ID_MAX];      /* Flip's */
	int64_t start_utc_ms;
	int32_t duration_s;               /* > 0 */
	bool online, grid_online;         /* at the end of the interval */
	enum battery_mode mode;           /* in force at the end */
	uint32_t assumed;                 /* bits of enum telemetry_assumed, told in oem_raw_data.assumed */
	double charge_w, discharge_w;     /* >= 0, at the end, AC side */
	double charge_wh, discharge_wh;   /* within the interval */
	double stored_wh, capacity_wh, reserve_pct, soc_pct, soh_pct;
	double home_wh, home_w;           /* the car included, the battery not */
	double solar_wh, solar_w;
	int32_t merged;                   /* intervals this one stands for, 1 = itself; > 1 after thinning */
};

/* HOME and SOLAR: not known at the end; the power is the mean of what was measured, or 0. */
enum telemetry_assumed {
	TELEMETRY_ASSUMED_SOH = 1, TELEMETRY_ASSUMED_CAPACITY = 2, TELEMETRY_ASSUMED_GRID = 4,
	TELEMETRY_ASSUMED_HOME = 8, TELEMETRY_ASSUMED_SOLAR = 16
};

/** Rounds and clamps every number to what Flip takes (>= 0, percent to 100); infinite becomes NAN. An offline point loses
 *  all but its device, time and `merged`. What has been through here survives telemetry_pack unchanged. */
void telemetry_round(struct telemetry_point *p);

/** Bytes of the packed line without NUL, or -E2BIG. */
int telemetry_pack(const struct telemetry_point *p, char *out, size_t size);
/** 0 or -EINVAL (another version, damaged, out of range). @out is touched only on success. */
int telemetry_unpack(const char *device_id, int64_t start_utc_ms, const char *packed, struct telemetry_point *out);

/**
 * {"message_id":"...","telemetry":[...]} with all twenty keys of each point; @message_id NULL: without it. Written by hand:
 * a thousand points take one to two milliseconds, a tree of cJSON some twelve times that (tests/bench).
 * Returns malloced text the caller frees, NULL without memory or with @n outside 0..TELEMETRY_BATCH_MAX. NAN of an online
 * point is written as null too (never happens).
 */
char *telemetry_encode(const struct telemetry_point *points, int n, const char *message_id);

/** Two neighbouring intervals of one device as one: energies add up, the rest is the later one's. 0; -EINVAL when they are not
 *  of one device or do not follow each other (a gap of up to one duration is fine: the longer interval then covers it, named
 *  in the duration). Offline and online do not mix: -EINVAL. */
int telemetry_merge(const struct telemetry_point *a, const struct telemetry_point *b, struct telemetry_point *out);

/* Flip's answer, point by point. */
struct telemetry_answer {
	int n;                                   /* last point the answer speaks of, plus one; those behind are not saved */
	uint8_t failed[(TELEMETRY_BATCH_MAX + 7) / 8];
	uint8_t told[(TELEMETRY_BATCH_MAX + 7) / 8]; /* spoken of at all: the others are neither saved nor failed */
	char reason[96];                         /* of the first FAILED one, as far as printable */
};
/**
 * Accepts {"telemetry":[{"index","status","message"}...]}, a bare array, members that are plain strings, any order of "index";
 * whatever is not FAILED is saved. At most 2 MiB and 16 levels. @len 0 or no such array: -EINVAL (then nothing is known to be saved).
 */
int telemetry_answer_decode(const char *text, size_t len, struct telemetry_answer *out, struct errbuf *err);
static inline bool telemetry_saved(const struct telemetry_answer *a, int i)
{
	return i < a->n && (a->told[i / 8] & 1u << i % 8) && !(a->failed[i / 8] & 1u << i % 8);
}
static inline bool telemetry_failed(const struct telemetry_answer *a, int i)
{
	return i < a->n && (a->failed[i / 8] & 1u << i % 8);
}

#endif
