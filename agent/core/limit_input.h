/* The limit the grid operator sends, for import and for export, and what holds while nobody is heard. A state machine for each
 * side in the manner of EEBUS LPC and LPP, without their state "unlimited/autonomous": silence never lifts a limit. Pure; what
 * was demanded last is stored by the caller (encode, decode). */
#ifndef HEARTH_CORE_LIMIT_INPUT_H
#define HEARTH_CORE_LIMIT_INPUT_H

#include "core/err.h"
#include "core/json.h"

#include <stdbool.h>
#include <stdint.h>

#define LIMIT_INPUT_MAX_W 1e6
#define LIMIT_INPUT_MAX_S (366LL * 86400) /* longest limit with an end */
#define LIMIT_INPUT_AHEAD_MS 60000 /* a prolonged end is stored this much later at most */
#define LIMIT_SOURCE_MAX 33

/* A side is watched when the source sends heartbeats (heartbeat_s > 0) and a failsafe limit is configured for it.
 *
 *   state       watched: in force is                          not watched
 *   init        tighter of failsafe and what was stored       nothing was ever stated: none
 *   unlimited   none: the source said null, or its limit      the same
 *               ended while it was heard
 *   limited     what the source said                          the same, silent or not
 *   failsafe    tighter of failsafe and what was said last,   never
 *               as long as that has not ended
 *
 *   init, failsafe -> unlimited, limited   only by a message that states this side (which is a heartbeat as well)
 *   unlimited <-> limited                  by a message, or because the limit ended
 *   any -> failsafe                        no message for longer than heartbeat_s
 *
 * Any message is a heartbeat for the sides its source stated last, for those it states, and for those nobody ever stated: who
 * speaks of export does not vouch for another source's import. The last statement of a side counts, whoever made it; a tighter one
 * of another source that it replaced is remembered as long as that would stand, to be told. A restart begins in init. A side that was in init or failsafe
 * when watching ended begins in init when it is watched again, unless it was stated meanwhile.
 *
 * A side whose stored limit could not be read is in init, watched or not, until it is stated: the tighter of failsafe limit (where
 * there is one) and what could be read. */
enum limit_state { LIMIT_INIT = 0, LIMIT_UNLIMITED, LIMIT_LIMITED, LIMIT_FAILSAFE, LIMIT_STATES };
enum limit_direction { LIMIT_IMPORT = 0, LIMIT_EXPORT, LIMIT_SIDES };

struct limit_clock { int64_t now_ms, utc_ms; bool trusted; }; /* monotonic; wall; may the latter be believed */

struct limit_config {
	int heartbeat_s;               /* 0 = the source sends none: nothing is watched */
	double failsafe_w[LIMIT_SIDES]; /* NAN = none */
};

/* What one side was told last. Its end is judged by the wall clock while that is trusted, else by the monotonic one where that
 * is known, else not at all: a limit rather lasts too long. An end told as a duration is judged by the monotonic clock, until a
 * restart. */
struct limit_demand {
	bool stated;                   /* anything was ever said */
	double w;                      /* NAN = none */
	int64_t until_utc_ms;          /* 0 = no end */
	int64_t until_ms;              /* monotonic; 0 = not known */
	bool by_duration, unproven;    /* unproven: until_utc_ms was reckoned from a clock nobody vouched for */
};

struct limit_input {
	struct limit_side {
		enum limit_state state;
		struct limit_demand demand;
		char source[LIMIT_SOURCE_MAX]; /* who stated it last, "" = nobody */
		bool unsure;            /* not stated since the start, or since it was in failsafe: so watching begins in init */
		bool unread;            /* what was stored could not be read, not stated since */
		int64_t heard_ms;       /* the last message that was a heartbeat for it */
		int64_t ahead_ms;       /* the end is stored so much later than it is: room to prolong without the disk */
		struct limit_demand tighter;   /* stated: another source's, that a looser one replaced and that would still stand; not stored */
		char tighter_source[LIMIT_SOURCE_MAX];
	} side[LIMIT_SIDES];
	char source[LIMIT_SOURCE_MAX];  /* who stated something last, "" = nobody */
	int heartbeat_s;                /* as configured at the last step */
	int64_t watch_ms;               /* when watching began */
	bool heard;                     /* since the start */
	int64_t heard_ms;               /* the last message, whoever sent it */
};

/* A message, taken apart. */
struct limit_message {
	bool states[LIMIT_SIDES];
	double w[LIMIT_SIDES];          /* NAN = explicitly none */
	int64_t until_utc_ms;           /* 0 = not said */
	int64_t duration_ms;            /* 0 = not said */
	char source[LIMIT_SOURCE_MAX];  /* filled by the caller */
};

/* What holds now. */
struct limit_view {
	enum limit_state state;         /* the gravest of the sides that are watched or were stated: failsafe, init, limited, unlimited */
	bool failsafe;                  /* a failsafe limit holds on some side (failsafe, or init of a watched one) */
	int64_t until_utc_ms;           /* when the first side in force ends, 0 = no known end */
	struct limit_view_side {
		enum limit_state state;
		double w;               /* NAN = none */
		int64_t until_utc_ms;   /* of w; 0 = no known end */
		bool failsafe;          /* it holds here: nobody is heard for this side */
		bool waits;             /* its end waits for a trusted clock, and the limit holds meanwhile */
		double tighter_w;       /* what another source said, and a looser one replaced: it would still stand; NAN = none */
		int64_t tighter_until_utc_ms; /* 0 = no end */
	} side[LIMIT_SIDES];
};

/* What a step or a message changed, bits. */
enum limit_change {
	LIMIT_CHANGED = 1,   /* the view */
	LIMIT_STORE = 2,     /* what limit_input_encode says. Of an end that is prolonged it says one that is later still, by the time
			      * left or a minute: until then no other need be stored. So what is on disk never ends before what was said */
	LIMIT_PROLONGED = 4, /* the message only moved an end later: nothing else in force is different */
};

void limit_input_init(struct limit_input *in);

/** `{import_w?, export_w?, until? | duration_s?}`: a number sets, null lifts, an absent key leaves that side as it is; {} is a
 *  heartbeat. A key nobody knows is an error: a misspelt limit must not pass for a heartbeat. 0 or -EINVAL/-ERANGE. */
int limit_message_parse(const cJSON *args, struct limit_message *out, struct errbuf *err);

/** Time passes. Returns bits of enum limit_change. */
int limit_input_step(struct limit_input *in, const struct limit_config *cfg, const struct limit_clock *clock);
/** A message came. Bits of enum limit_change; -ETIME when its end is over, -ERANGE when it is more than LIMIT_INPUT_MAX_S ahead:
 *  then nothing changed and it was no heartbeat. */
int limit_input_message(struct limit_input *in, const struct limit_config *cfg, const struct limit_message *m,
			const struct limit_clock *clock, struct errbuf *err);

/** Would it only take away: every side it states is no higher than what is in force there, and does not end earlier. */
bool limit_input_tightens(const struct limit_input *in, const struct limit_config *cfg, const struct limit_message *m,
			  const struct limit_clock *clock);

void limit_input_view(const struct limit_input *in, const struct limit_config *cfg, struct limit_view *out);
bool limit_view_differs(const struct limit_view *a, const struct limit_view *b);
/** The same, but for the ends. */
bool limit_view_power_differs(const struct limit_view *a, const struct limit_view *b);
/** Since the last message, ms; -1 = none since the start. */
int64_t limit_input_age_ms(const struct limit_input *in, int64_t now_ms);

/** "init", "unlimited_controlled", "limited", "failsafe". */
const char *limit_state_word(enum limit_state s);

/** Before an orderly end: the ends are to be stored as they are. True when one was not. */
bool limit_input_exact(struct limit_input *in);

/** For the store. The tree belongs to the caller. Decode checks every range; what is wrong is an error, @out untouched. */
cJSON *limit_input_encode(const struct limit_input *in, int64_t now_ms);
int limit_input_decode(const cJSON *j, int64_t now_ms, struct limit_input *out, struct errbuf *err);
/** When that fails: what can be read of it, without the ends of what is damaged (a limit rather lasts too long); the sides that
 *  are damaged or cannot be found are `unread`. @j NULL: nothing can be read. */
void limit_input_salvage(const cJSON *j, int64_t now_ms, struct limit_input *out);
/** Read well, but from where other things are damaged: every side that was stated is `unread`. False when none was. */
bool limit_input_doubt(struct limit_input *in);

#endif
