/* What the owner set at run time and expects to find again after a restart: the reserve, overrides, the pause, the cars'
 * modes. Pure; the caller stores the text of owner_encode and reads it back at start. */
#ifndef HEARTH_CORE_OWNER_H
#define HEARTH_CORE_OWNER_H

#include "core/device.h"
#include "core/err.h"
#include "core/json.h"
#include "core/snapshot.h"

#include <stdbool.h>
#include <stdint.h>

#define OWNER_PAUSE_MAX_MS (7LL * 86400 * 1000)
#define OWNER_OVERRIDE_MAX_MS (31LL * 86400 * 1000)

struct owner_override {
	char device[DEVICE_ID_MAX];
	enum override_mode mode;       /* never OVERRIDE_NONE */
	double power_w;                /* positive magnitude, charge and discharge only; NAN = the device's maximum */
	int64_t until_utc_ms;
	int64_t until_ms;              /* of a duration: monotonic, the end that counts; 0 = a time of day, or unknown after a restart */
};

struct owner_ev {
	char device[DEVICE_ID_MAX];
	enum ev_mode mode;             /* never EV_UNSET */
	double energy_wh, soc_pct;     /* NAN = not said; at most one of them */
	int64_t ready_by_utc_ms;       /* 0 = not said */
	double taken_wh;               /* of energy_wh, since it was set */
};

struct owner {
	double reserve_pct;            /* NAN = the configuration's */
	double reserve_config_pct;     /* what the configuration said when it was set: when that changes, it yields */
	bool reserve_unread;           /* one was set, but the stored one could not be read: 100 % is kept until it is set again */
	int64_t pause_until_utc_ms;    /* 0 = not paused; the end that is stored and shown */
	int64_t pause_until_ms;        /* monotonic, the end that counts; 0 = unknown after a restart: then UTC counts */
	int n_overrides, n_evs;
	struct owner_override override[DEVICE_MAX];
	struct owner_ev ev[DEVICE_MAX];
};

void owner_init(struct owner *o);

/** The reserve in force: the owner's, unless the configuration's value has changed since. */
double owner_reserve(const struct owner *o, double config_pct);
/** Forgets the owner's reserve when the configuration's value has changed since; true when something changed (store it). Call at
 *  start and after each reload, else a value changed twice would bring an old wish back. When it could not be read what the
 *  configuration said then, the higher of the two counts. */
bool owner_reserve_yield(struct owner *o, double config_pct);
/** 0..100; -ERANGE explained. */
int owner_reserve_set(struct owner *o, double pct, double config_pct, struct errbuf *err);

/** @v with device, mode, power and end; replaces an earlier one of the device. -EINVAL/-ERANGE/-ENOSPC explained. */
int owner_override_set(struct owner *o, const struct owner_override *v, int64_t utc_ms, struct errbuf *err);
/** True when there was one. */
bool owner_override_clear(struct owner *o, const char *device);
/** In force at @utc_ms, or NULL. */
const struct owner_override *owner_override_at(const struct owner *o, const char *device, int64_t utc_ms);
/** The same by the monotonic end where it is known: "for an hour" stays an hour when the wall clock is stepped. */
const struct owner_override *owner_override_now(const struct owner *o, const char *device, int64_t utc_ms, int64_t now_ms);

/** @duration_ms 0 ends the pause; up to OWNER_PAUSE_MAX_MS. */
int owner_pause(struct owner *o, int64_t duration_ms, int64_t utc_ms, struct errbuf *err);
bool owner_paused(const struct owner *o, int64_t utc_ms);
/** After owner_pause succeeded: its end by the monotonic clock, so that no step of the wall clock ends it while somebody
 *  works on the inverter. */
void owner_pause_mono(struct owner *o, int64_t now_ms, int64_t duration_ms);
/** By the monotonic end where it is known, else like owner_paused. */
bool owner_paused_at(const struct owner *o, int64_t utc_ms, int64_t now_ms);

int owner_ev_set(struct owner *o, const struct owner_ev *v, int64_t utc_ms, struct errbuf *err);
const struct owner_ev *owner_ev_of(const struct owner *o, const char *device);
/** A car took @wh more of what was asked for; true when it is time to store that (each half kWh, and at the end). */
bool owner_ev_took(struct owner *o, const char *device, double wh);
/** Still wanted, Wh, not below 0; NAN when no energy was asked for. */
double owner_ev_left_wh(const struct owner_ev *v);

/** Drops what is over (overrides, pause, a car's ready_by with its energy); true when something was. Trusted clock only. */
bool owner_expire(struct owner *o, int64_t utc_ms);
/** The same with both clocks: what was given as a duration ends by it, and its UTC end follows a step of the wall clock. */
bool owner_expire_at(struct owner *o, int64_t utc_ms, int64_t now_ms);
/** Drops only what was given as a duration and is over by the monotonic clock: needs no trusted one. */
bool owner_expire_durations(struct owner *o, int64_t now_ms);

const char *override_word(enum override_mode m); /* "auto", "hold", "charge", "discharge"; "none" */
const char *ev_mode_word(enum ev_mode m);        /* "off", "solar", "cheap", "now"; "unset" */
/** -EINVAL when the word is not one of them (nor "none"/"unset"). */
int override_parse(const char *word, enum override_mode *out);
int ev_mode_parse(const char *word, enum ev_mode *out);

/** For the store. The tree belongs to the caller. Decode checks every range and takes what can be read, member by member: of a car
 *  the mode at least, of an override all or nothing; a reserve that was set but cannot be read is `reserve_unread`. 0, or -EINVAL
 *  when something was dropped: @err says what. */
cJSON *owner_encode(const struct owner *o);
int owner_decode(const cJSON *j, struct owner *out, struct errbuf *err);
/** The same of a text, that may be cut off or worse: then the reserve, if it still stands there. */
int owner_read(const char *text, struct owner *out, struct errbuf *err);

#endif
