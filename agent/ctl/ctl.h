/* hearthctl: what its verb files share. */
#ifndef HEARTH_CTL_CTL_H
#define HEARTH_CTL_CTL_H

#include "core/json.h"
#include "ctl/link.h"

#include <stdbool.h>

enum ctl_exit { CTL_DONE = 0, CTL_FAILED = 1, CTL_USAGE = 2, CTL_UNREACHABLE = 3, CTL_CONFIG = 78 };

struct ctl {
	struct link_options link_options;
	struct link *link;        /* opened on first use */
	bool json;
	int argc;                 /* words behind the verb */
	char **argv;
	const struct ctl_verb *verb;
};

struct ctl_verb {
	const char *name;
	const char *usage;        /* words behind the name; several forms separated by newlines */
	const char *help;
	int (*run)(struct ctl *c); /* returns an enum ctl_exit; NULL = not in this version */
};

/* Said wherever somebody wonders why nothing happens. */
#define CTL_CLOCK_WAITS "the clock is not trusted: events, overrides and the plan wait ([site] clock in hearth.conf)"

extern const struct ctl_verb CTL_VERBS[]; /* ends with a NULL name */

/** Prints the verb's usage to stderr; returns CTL_USAGE. */
int ctl_usage(const struct ctl *c);
/** Sends a request and returns its data (caller owns), or NULL after printing why; *code then is the exit code.
 *  Takes over @args (NULL = {}). */
cJSON *ctl_request(struct ctl *c, const char *verb, cJSON *args, int *code);
/** The same for requests whose data does not matter; prints @done on success unless JSON. */
int ctl_change(struct ctl *c, const char *verb, cJSON *args, const char *done);
/** state.get of one part, and of two (an object with both, @other may be NULL). Caller owns; NULL after printing why. */
cJSON *ctl_state(struct ctl *c, const char *part, int *code);
cJSON *ctl_states(struct ctl *c, const char *one, const char *other, int *code);
void ctl_print_json(const cJSON *o);

/* refusal.c: prints the error of an answer to stderr, for people without its code and with our options' names */
void ctl_refused(const struct ctl *c, const char *verb, const cJSON *error);

/* text.c: numbers and tables for people */
struct table;
struct table *table_new(const char *const *headers, int columns); /* headers live as long as the table */
void table_row(struct table *t, ...);                              /* `columns` const char *, NULL = "" */
/** On a terminal aligned with headers; else one tab-separated line a row. Frees the table. */
void table_print(struct table *t);
/** Frees a table that is not printed. */
void table_free(struct table *t);
/** Text of a member: numbers with @decimals and @unit, words as they are, "-" when absent. Valid until 16 calls later. */
const char *show(const cJSON *o, const char *key, int decimals, const char *unit);
const char *show_word(const cJSON *o, const char *key);
/** Local time of an RFC 3339 member, "-" when absent: "18:00:05", or "Sat 21 Nov 18:00" when not today. */
const char *show_time(const cJSON *o, const char *key);
/** The same for schedules: always the day, "Sat 18:00", with the date when more than six days away. */
const char *show_day(const cJSON *o, const char *key);
/** Local time for a sentence: "18:00" today, "Sun 07:00", "Sun 29 Nov 07:00". */
const char *show_instant(int64_t utc_ms);

/* owner.c: what people write */
/** "18:00" (today or tomorrow, local), or a time as calendar_parse takes it. 0 or -1. */
int ctl_parse_until(const char *text, int64_t *utc_ms);
/** "3000", "3000W", "3kW", "20kWh": a number with a unit (W or Wh as @base). -1 when it is not one. */
double ctl_parse_quantity(const char *text, const char *base);

/* verb files */
int ctl_status(struct ctl *c);
int ctl_devices(struct ctl *c);
int ctl_device(struct ctl *c);
int ctl_bus(struct ctl *c);
int ctl_plan(struct ctl *c);
int ctl_tariff(struct ctl *c);
int ctl_events(struct ctl *c);
int ctl_event(struct ctl *c);
int ctl_commands(struct ctl *c);
int ctl_outbox(struct ctl *c);
int ctl_vpp(struct ctl *c);
int ctl_reserve(struct ctl *c);
int ctl_override(struct ctl *c);
int ctl_ev(struct ctl *c);
int ctl_limit(struct ctl *c);
int ctl_why(struct ctl *c);
int ctl_log(struct ctl *c);
int ctl_config(struct ctl *c);
int ctl_reload(struct ctl *c);
int ctl_dump(struct ctl *c);
int ctl_ping(struct ctl *c);
int ctl_version(struct ctl *c);

#endif
