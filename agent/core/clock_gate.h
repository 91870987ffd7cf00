/* May time-based actions run? Weighs who vouches for the wall clock and who refutes it, and notices when it is stepped and when
 * the machine slept. Pure: the clocks and the witnesses' words come in as arguments. flow/README.md "Clock" has the reasons. */
#ifndef HEARTH_CORE_CLOCK_GATE_H
#define HEARTH_CORE_CLOCK_GATE_H

#include <stdbool.h>
#include <stdint.h>

/* A clock off by more than this against a verified sender is not vouched for (flip-api 14.5: 10 minutes). */
#define CLOCK_VOUCH_MS 600000
/* A jump of wall clock against monotonic clock that counts as a step; slewing stays far below it. A machine that was suspended
 * for longer than this slept. */
#define CLOCK_STEP_MS 900
/* Without another word a proven clock is believed for so long: a crystal of 100 ppm is a minute off by then. */
#define CLOCK_HOLD_MS (7LL * 86400 * 1000)
/* timesyncd sets the clock every 34 minutes at most; its word is that old at most when we begin. */
#define CLOCK_TIMESYNCD_MS (2LL * 3600 * 1000)
/* A time server of the house may be wrong after a power cut. A clock behind the newest time we know is believed when nobody but
 * the system vouches for it only after the system has done so for this long, without a break. */
#define CLOCK_INSIST_MS (3600LL * 1000)
/* No clock before this was ever right: 2026-01-01, before the first release. */
#define CLOCK_BUILT_UTC_MS 1767225600000LL

/* Who speaks. CLOCK_FLIP and CLOCK_FLATPEAK: the Date in an answer we have just asked for, from a server with a verified
 * certificate. CLOCK_MAIL: the time in a signed message, which may have waited anywhere. */
enum clock_source { CLOCK_NOBODY, CLOCK_CONFIG, CLOCK_KERNEL, CLOCK_TIMESYNCD, CLOCK_FLIP, CLOCK_FLATPEAK, CLOCK_MAIL, CLOCK_SOURCES };

/* What a look at the clocks sees. */
struct clock_look {
	int64_t now_ms;              /* monotonic, goes on while the machine is suspended */
	int64_t utc_ms;
	int64_t slept_ms;            /* suspended in all since the machine was booted (any origin) */
	bool kernel;                 /* the kernel says that its clock is synchronised */
	int64_t timesyncd_utc_ms;    /* when systemd-timesyncd last set or confirmed the clock; 0 = never since the boot */
	bool always;                 /* `[site] clock = trust` */
};

struct clock_gate {
	bool seen, trusted;
	int64_t offset_ms;           /* wall clock minus monotonic clock at the last look */
	int64_t slept_ms;            /* as it was then */
	int64_t earliest_utc_ms;     /* a proven clock has shown this; kept over restarts by the caller. 0 = none */
	enum clock_source by;        /* who vouched last since the last step, CLOCK_NOBODY = nobody */
	int64_t vouched_ms;          /* monotonic: when */
	uint32_t refuted;            /* bits (1 << source) of those whose last word was that the clock is wrong */
	int64_t insist_ms;           /* since when the system vouches for a clock that is behind; 0 = it does not */
	int64_t timesyncd_utc_ms, timesyncd_void_ms; /* at the last look; of before the last step, it proves nothing */
	/* for people */
	int64_t off_ms;              /* of the newest refuting word: the sender's time minus ours */
	uint32_t steps, sleeps;
	int64_t step_ms, sleep_ms;   /* the last ones: how far (forward positive), how long */
};

/* What a look found, bits. */
enum clock_news { CLOCK_STEPPED = 1 << 0, CLOCK_SLEPT = 1 << 1, CLOCK_TRUST_CHANGED = 1 << 2 };

/** One look at the clocks; g->trusted says whether time-based actions may run. Returns bits of enum clock_news. */
uint32_t clock_gate_look(struct clock_gate *g, const struct clock_look *l);

/**
 * A verified sender's time arrived. Within 10 min of our clock it vouches, and takes back what the same source said before;
 * further ahead it refutes; further behind an answer (a Date) refutes too, mail says nothing. It counts from the next look on.
 */
void clock_gate_word(struct clock_gate *g, enum clock_source source, int64_t sender_utc_ms, const struct clock_look *l);

/** The clock shows less than what is known to be over. */
bool clock_gate_behind(const struct clock_gate *g, int64_t utc_ms);

/** "nobody", "configuration", "kernel", "timesyncd", "flip", "flatpeak", "mail". */
const char *clock_source_word(enum clock_source s);

#endif
