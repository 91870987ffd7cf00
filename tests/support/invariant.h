/* Shared by the parts of the checks: what the design says once more, written anew from it and not from the code under test. */
#ifndef HEARTH_TESTS_INVARIANT_H
#define HEARTH_TESTS_INVARIANT_H

#include "support/scenario.h"

#define INVARIANT_METER_MS 10000
#define INVARIANT_SOC_MS 60000
#define INVARIANT_ISLAND_MS 60000
#define INVARIANT_START_MS 5000
#define INVARIANT_RECOVER_MS 180000 /* after a lie ends, before closed loops are held to their word again */

struct check {
	struct invariants *m;
	const struct home *h;
	const struct snapshot *s;
	const struct chain *c;
	const struct decisions *d;
	char *what;
	size_t size;
	bool island, calm;   /* calm: whoever is asked answers, obeys and tells the truth, and has for a while */
	bool tapers;         /* a battery nearly full takes less just now */
	bool denied;         /* and one that cannot do as told has not said so yet */
};

void invariant_bad(struct check *k, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Design 7: the window of a command, and the floor in force. */
bool invariant_in_force(const struct snapshot *s, const struct command_view *c);
double invariant_floor(const struct snapshot *s, int i);

/** Power the order makes the device take at least and at most. */
void invariant_span(const struct order *o, double *lo, double *hi);

/** A hub that was just started waits until all have been read, 5 s at most. */
bool invariant_begins(const struct check *k);

/** As the hub knows it; the home may know more. */
bool invariant_online(const struct check *k, int i);

/** Nobody knows its SoC, or nobody believes it. */
bool invariant_soc_unknown(const struct check *k, int i);

/** policies/README.md "Limits: how long they may be exceeded", for what passes the point (0: the site) in that direction (0: any),
 *  with @windows times what an order on its way may hide. */
int64_t invariant_reaction_ms(const struct check *k, int point, double dir, int windows);

/** True once something has been so for longer than @most_ms. */
bool invariant_too_long(const struct check *k, int64_t *since_ms, bool is, int64_t most_ms);

/* What each device must keep; what the grid point must keep. */
void invariant_battery(struct check *k, int i);
void invariant_charger(struct check *k, int i);
void invariant_pv(struct check *k, int i);
void invariant_limits(struct check *k); /* before the site: it sees batteries that are nearly full */
void invariant_site(struct check *k);

#endif
