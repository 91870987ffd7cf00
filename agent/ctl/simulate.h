/* What the files of `hearthctl simulate` share. */
#ifndef HEARTH_CTL_SIMULATE_H
#define HEARTH_CTL_SIMULATE_H

#include "ctl/ctl.h"
#include "simulate/simulate.h"

/* A run and what is known of it. */
struct simulation {
	struct scenario scenario;
	struct truth truth;
	struct simulate_result result;
	struct zone zone;
	bool history; /* recorded, not made up */
};

/* What to do, as the command line says. */
struct simulate_words {
	const char *name;              /* file or name of a scenario, NULL = --history or --list */
	const char *csv, *html;        /* files to write, NULL = none */
	bool quiet, list;
	int days;                      /* 0 = as the scenario says */
	int64_t seed;                  /* -1 = as the scenario says */
	double history_s;              /* 0 = no history */
	double battery_wh, power_w;
};

/* A file that is written at the end. Zeroed: none. */
struct simulate_file {
	const char *path;     /* as it was said */
	char *whole, *part;   /* what it becomes, and what it is until then; NULL = it is written in place */
	FILE *f;
};

/* simulate_file.c */
/** Makes sure that @path ("-": standard output; NULL: no file) can be written. CTL_DONE, or an exit code after saying why. */
int simulate_file_open(struct simulate_file *file, const char *path);
/** Writes and closes it; the same results. What was not written to its end is gone. */
int simulate_file_finish(struct simulate_file *file, const struct simulation *s, int (*write)(const struct simulation *, FILE *));
/** Closes and removes what was not finished. */
void simulate_file_drop(struct simulate_file *file);

/* simulate_show.c */
void simulate_table(const struct simulation *s);
/** Caller owns; NULL: no memory. */
cJSON *simulate_json(const struct simulation *s);
/** 0, or negative errno. */
int simulate_csv(const struct simulation *s, FILE *out);

/* simulate_html.c: one file with everything in it. */
int simulate_html(const struct simulation *s, FILE *out);

/* simulate_history.c: scenario and truth of what the hub recorded. CTL_DONE, or an exit code after saying why. */
int simulate_history(struct ctl *c, const struct simulate_words *w, struct simulation *s);

#endif
