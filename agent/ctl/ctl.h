/* hearthctl: what its verb files share. */
#ifndef HEARTH_CTL_CTL_H
#define HEARTH_CTL_CTL_H

#include "core/json.h"
#include "core/quantity.h"
#include "core/when.h"
#include "ctl/link.h"

#include <stdbool.h>
#include <stdio.h>

enum ctl_exit { CTL_DONE = 0, CTL_FAILED = 1, CTL_USAGE = 2, CTL_UNREACHABLE = 3, CTL_CONFIG = 78 };

struct ctl {
	struct link_options link_options;
	struct link *link;        /* opened on first use, by ctl_open */
	struct zone zone;         /* of the site, as the agent says; TZ is set to it */
	int64_t ahead_ms;         /* the agent's clock minus ours */
	bool clock_doubtful;      /* the agent does not trust it */
	bool json;
	int argc;                 /* words behind the verb */
	char **argv;
	const struct ctl_verb *verb;
};

/* One way to say a verb. */
struct ctl_form {
	const char *words;        /* behind the name */
	const char *help;         /* a line */
};

#define CTL_FORMS_MAX 8

struct ctl_verb {
	const char *name;
	int (*run)(struct ctl *c); /* returns an enum ctl_exit; NULL = not in this version */
	struct ctl_form form[CTL_FORMS_MAX]; /* ends with NULL words */
	const char *about;        /* units, what a bare number means, an example; "" = the lines say it all */
	bool timeless;            /* shows no times: the agent's zone is not asked for */
};

/* What stands behind "--name" or "--name=". The table ends with a NULL name. */
struct ctl_option {
	const char *name, *key;   /* ours, and the request's */
	enum quantity quantity;   /* unless it is a time */
	bool time, none;          /* none: the word "none" makes it null */
};

struct ctl_words {
	cJSON *args;
	const struct ctl_option *time; /* the option of the time that was said, NULL = none */
	struct when when;
	int64_t until_utc_ms;     /* the end by the agent's clock, of the time or of duration_s; 0 = none */
};

#define CTL_SETTINGS "/etc/hearth/hearthctl.conf"

/* Said wherever somebody wonders why nothing happens. */
#define CTL_CLOCK_WAITS "the clock is not trusted: events, overrides and the plan wait ([site] clock in hearth.conf)"

extern const struct ctl_verb CTL_VERBS[]; /* ends with a NULL name */

/* verbs.c */
/** Every verb in a line or more; one verb with all there is to say. */
void ctl_help(FILE *out);
void ctl_verb_help(const struct ctl_verb *v, FILE *out);
/** Prints the verb's usage to stderr; returns CTL_USAGE. */
int ctl_usage(const struct ctl *c);
/** The same after naming the word that is not understood. */
int ctl_usage_of(const struct ctl *c, const char *word);

/* request.c */
/** Connects and learns the agent's clock and zone, once; CTL_DONE, or an exit code after saying why. */
int ctl_open(struct ctl *c);
/** UTC as the agent has it; our own until ctl_open. */
int64_t ctl_now_ms(const struct ctl *c);
/** Sends a request and returns its data (caller owns), or NULL after printing why; *code then is the exit code.
 *  Takes over @args (NULL = {}). */
cJSON *ctl_request(struct ctl *c, const char *verb, cJSON *args, int *code);
/** The same for requests that change something; prints @done on success, with JSON the answer and what was understood: verb, args, done. */
int ctl_change(struct ctl *c, const char *verb, cJSON *args, const char *done);
/** What ctl_change prints with --json. Takes over @args. */
void ctl_print_done(cJSON *data, const char *verb, cJSON *args, const char *done);
/** state.get of one part, and of two (an object with both, @other may be NULL). Caller owns; NULL after printing why. */
cJSON *ctl_state(struct ctl *c, const char *part, int *code);
cJSON *ctl_states(struct ctl *c, const char *one, const char *other, int *code);
void ctl_print_json(const cJSON *o);

/* words.c */
/** Says that @name is none of the options, and which it may have been. */
void ctl_unknown(const struct ctl *c, const struct ctl_option *options, const char *name);
/** Options, and a device first where @device; the arguments' owner is the caller. CTL_DONE, or CTL_USAGE (said, nothing to free).
 *  A time waits for ctl_words_times. */
int ctl_words_take(struct ctl *c, int from, const struct ctl_option *options, bool device, struct ctl_words *w);
/** Connects; puts the time among the arguments and sets until_utc_ms. CTL_DONE, or an exit code (said, nothing to free). */
int ctl_words_times(struct ctl *c, struct ctl_words *w);
/** "until 18:00 (Europe/Berlin)", "for 2 h, until ...", or until the next one. Valid until the next call. */
const char *ctl_words_end(const struct ctl *c, const struct ctl_words *w);
/** "18:00 (Europe/Berlin)". Valid until the next call. */
const char *ctl_until(const struct ctl *c, int64_t utc_ms);

/* refusal.c: prints the error of an answer to stderr, for people without its code and with our options' names; @devices (or NULL) by name */
void ctl_refused(const struct ctl *c, const char *verb, const cJSON *error, const cJSON *devices);

/* file.c: JSON that people write */
/** The whole file ("-": standard input), one byte more than @max at most, so that the parser refuses it; or NULL after saying why.
 *  Caller owns. */
char *ctl_read(const char *path, size_t max, size_t *len);
/** Says on stderr what is wrong with @text and in which line: @message is of json_parse ("JSON: ..., at offset 7") or begins with a
 *  key ("battery.soc_kwh: ..."). */
void ctl_bad_text(const char *path, const char *text, size_t len, const char *message);

/* terminal.c */
/** Is standard output one? Otherwise a program reads it, and nothing is drawn, cut or wrapped. */
bool terminal_is(void);
/** Characters of a line, at least 20. */
int terminal_width(void);
bool terminal_has_color(void);
/** Characters, not bytes, of UTF-8. */
int terminal_columns(const char *text);
/** To stdout; on a terminal without UTF-8 what is drawn becomes ASCII. */
void terminal_put(const char *text);
/** The same from column @indent on, to the end of the line; on a terminal broken between words, the next lines indented alike. */
void terminal_wrap(int indent, const char *text);

/* text.c: numbers and tables for people */
struct table;
struct table *table_new(const char *const *headers, int columns); /* headers live as long as the table */
void table_row(struct table *t, ...);                              /* `columns` const char *, NULL = "" */
/** On a terminal aligned with headers, the last column wrapped, or if even that is too wide a row below the other with names; else one
 *  tab-separated line a row. Frees the table. */
void table_print(struct table *t);
/** Frees a table that is not printed. */
void table_free(struct table *t);
/** Text of a member: numbers with @decimals and @unit, words as they are, "-" when absent. Valid until 16 calls later. */
const char *show(const cJSON *o, const char *key, int decimals, const char *unit);
const char *show_word(const cJSON *o, const char *key);
/** Site time of an RFC 3339 member, "-" when absent: "18:00:05", or "Sat 21 Nov 18:00" when not today. */
const char *show_time(const cJSON *o, const char *key);
/** The same for schedules: always the day, "Sat 18:00", with the date when more than six days away. */
const char *show_day(const cJSON *o, const char *key);
/** Site time for a sentence: "18:00" today, "Sun 07:00", "Sun 29 Nov 07:00", "Fri 01 Jan 2027 07:00". */
const char *show_instant(int64_t utc_ms);

/* verb files */
int ctl_status(struct ctl *c);
int ctl_devices(struct ctl *c);
int ctl_device(struct ctl *c);
int ctl_bus(struct ctl *c);
int ctl_plan(struct ctl *c);
int ctl_tariff(struct ctl *c);
int ctl_forecast(struct ctl *c);
int ctl_events(struct ctl *c);
int ctl_event(struct ctl *c);
int ctl_commands(struct ctl *c);
int ctl_outbox(struct ctl *c);
int ctl_vpp(struct ctl *c);
int ctl_reserve(struct ctl *c);
int ctl_override(struct ctl *c);
int ctl_ev(struct ctl *c);
int ctl_limit(struct ctl *c);
int ctl_savings(struct ctl *c);
int ctl_simulate(struct ctl *c);
int ctl_why(struct ctl *c);
int ctl_log(struct ctl *c);
int ctl_config(struct ctl *c);
int ctl_reload(struct ctl *c);
int ctl_dump(struct ctl *c);
int ctl_ping(struct ctl *c);
int ctl_version(struct ctl *c);

#endif
