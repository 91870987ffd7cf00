/* hearthctl simulate: what Hearth would save. Words, files, progress; the simulation itself is agent/simulate. Needs no agent,
 * unless it is asked about the hub's own history. */
#include "ctl/simulate.h"

#include "core/nearest.h"
#include "io/zone.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_S 0.2
#define BAR 30

static double seconds(void *context)
{
	struct timespec t;

	(void)context;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- where scenarios are ---- */

static const char *folder(void)
{
	const char *said = getenv("HEARTH_SCENARIOS");

	return said && *said ? said : HEARTH_DATADIR "/scenarios";
}

/* The whole file, or NULL with the reason on stderr. One byte more than allowed is read, so that the parser refuses it. */
static char *read_all(const char *path, size_t *len)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
	char *text = malloc(SCENARIO_TEXT_MAX + 1);

	*len = 0;
	if (f && text)
		*len = fread(text, 1, SCENARIO_TEXT_MAX + 1, f);
	if (!f || !text || ferror(f)) {
		fprintf(stderr, "hearthctl: %s: %s\n", path, text ? strerror(errno ? errno : EIO) : "no memory");
		free(text);
		text = NULL;
	}
	if (f && f != stdin)
		fclose(f);
	return text;
}

static int load(const char *path, struct scenario *out)
{
	struct errbuf err = { "" };
	size_t len;
	char *text = read_all(path, &len);
	int rc;

	if (!text)
		return CTL_FAILED;
	rc = scenario_parse(text, len, out, &err);
	free(text);
	if (rc == 0)
		return CTL_DONE;
	fprintf(stderr, "hearthctl: %s: %s\n", path, err.text);
	return CTL_FAILED;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_scenario(const struct dirent *e)
{
	const size_t n = strlen(e->d_name);

	return n > 5 && n < NEAREST_NAME_MAX && strcmp(e->d_name + n - 5, ".json") == 0;
}

static int list_all(void)
{
	static const char *const HEADERS[] = { "name", "days", "about" };
	struct dirent **entries = NULL;
	const int n = scandir(folder(), &entries, is_scenario, by_name);
	struct table *t;
	char path[512], days[16];
	struct scenario s;

	if (n < 0) {
		fprintf(stderr, "hearthctl: %s: %s\n", folder(), strerror(errno));
		return CTL_FAILED;
	}
	t = table_new(HEADERS, 3);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder(), entries[i]->d_name);
		entries[i]->d_name[strlen(entries[i]->d_name) - 5] = '\0';
		if (load(path, &s) == CTL_DONE) {
			snprintf(days, sizeof(days), "%d", s.days);
			table_row(t, entries[i]->d_name, days, s.about);
			scenario_deinit(&s);
		}
		free(entries[i]);
	}
	free(entries);
	table_print(t);
	return CTL_DONE;
}

static int no_such(const char *name)
{
	struct dirent **entries = NULL;
	const int n = scandir(folder(), &entries, is_scenario, by_name);
	struct nearest near;

	nearest_start(&near, name);
	for (int i = 0; i < n; i++) {
		entries[i]->d_name[strlen(entries[i]->d_name) - 5] = '\0';
		nearest_offer(&near, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	fprintf(stderr, "hearthctl: there is neither a file nor a scenario '%s'%s%s%s 'hearthctl simulate --list' tells them all\n", name,
		near.best[0] ? ", did you mean " : "", near.best, near.best[0] ? "?" : ";");
	return CTL_FAILED;
}

/* A file where there is one; else one of those that came with Hearth. */
static int find(const char *name, struct scenario *out)
{
	char path[512];

	if (strcmp(name, "-") == 0 || access(name, F_OK) == 0 || strchr(name, '/'))
		return load(name, out);
	snprintf(path, sizeof(path), "%s/%s.json", folder(), name);
	return access(path, F_OK) == 0 ? load(path, out) : no_such(name);
}

/* ---- words ---- */

static int whole(const char *name, const char *text, int64_t min, int64_t max, int64_t *out)
{
	char *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (errno || end == text || *end || v < min || v > max) {
		fprintf(stderr, "hearthctl: %s: '%s' is not a whole number of %lld..%lld\n", name, text, (long long)min, (long long)max);
		return CTL_USAGE;
	}
	*out = v;
	return CTL_DONE;
}

static int amount(const char *name, enum quantity what, const char *text, double *out)
{
	struct errbuf err = { "" };

	if (quantity_parse(what, text, out, &err) == 0 && *out > 0)
		return CTL_DONE;
	fprintf(stderr, "hearthctl: %s: %s\n", name, err.text[0] ? err.text : "it must be more than 0");
	return CTL_USAGE;
}

static int take_value(struct simulate_words *w, const char *name, const char *text)
{
	int64_t v = 0;
	int code;

	if (!strcmp(name, "--csv")) {
		w->csv = text;
	} else if (!strcmp(name, "--html")) {
		w->html = text;
	} else if (!strcmp(name, "--seed")) {
		return whole(name, text, 0, 9007199254740992, &w->seed);
	} else if (!strcmp(name, "--history")) {
		return amount(name, QUANTITY_DURATION, text, &w->history_s);
	} else if (!strcmp(name, "--battery")) {
		return amount(name, QUANTITY_ENERGY, text, &w->battery_wh);
	} else if (!strcmp(name, "--power")) {
		return amount(name, QUANTITY_POWER, text, &w->power_w);
	} else {
		code = whole(name, text, 1, SCENARIO_DAYS_MAX, &v);
		w->days = (int)v;
		return code;
	}
	return CTL_DONE;
}

static int unknown_option(const struct ctl *c, const char *name)
{
	static const char *const NAMES[] = { "--csv", "--html", "--days", "--seed", "--quiet", "--list", "--history", "--battery", "--power" };
	struct nearest near;

	nearest_start(&near, name);
	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
		nearest_offer(&near, NAMES[i]);
	fprintf(stderr, "hearthctl: there is no option '%s'%s%s%s\n", name, near.best[0] ? ", did you mean " : "", near.best,
		near.best[0] ? "?" : "");
	return ctl_usage(c);
}

static int take_words(struct ctl *c, struct simulate_words *w)
{
	static const char *const VALUES[] = { "--csv", "--html", "--days", "--seed", "--history", "--battery", "--power" };
	int code = CTL_DONE;

	for (int i = 0; i < c->argc && code == CTL_DONE; i++) {
		const char *word = c->argv[i];
		size_t k = 0;

		while (k < sizeof(VALUES) / sizeof(VALUES[0]) && strcmp(word, VALUES[k]) != 0)
			k++;
		if (k < sizeof(VALUES) / sizeof(VALUES[0])) {
			if (i + 1 >= c->argc)
				return ctl_usage(c);
			code = take_value(w, word, c->argv[++i]);
		} else if (!strcmp(word, "--quiet")) {
			w->quiet = true;
		} else if (!strcmp(word, "--list")) {
			w->list = true;
		} else if (word[0] == '-' && word[1]) {
			return unknown_option(c, word);
		} else if (w->name) {
			return ctl_usage(c);
		} else {
			w->name = word;
		}
	}
	if (code != CTL_DONE)
		return code;
	if ((w->name != NULL) + w->list + (w->history_s > 0) != 1 || (w->battery_wh > 0) != (w->history_s > 0) || (w->power_w > 0 && w->history_s <= 0))
		return ctl_usage(c);
	return CTL_DONE;
}

/* ---- progress ---- */

struct bar {
	bool shown;
	double begun_s, told_s;
};

static bool progress(void *context, double done)
{
	struct bar *b = context;
	const double now = seconds(NULL), left = done > 0.02 ? (now - b->begun_s) * (1 - done) / done : NAN;
	const int full = (int)(done * BAR);
	char bar[BAR + 1], eta[32] = "";

	if (!b->shown || now - b->told_s < PROGRESS_S)
		return false;
	b->told_s = now;
	for (int i = 0; i < BAR; i++)
		bar[i] = i < full ? '#' : '.';
	bar[BAR] = '\0';
	if (!isnan(left))
		snprintf(eta, sizeof(eta), left < 90 ? ", %.0f s left" : ", %.0f min left", left < 90 ? left : left / 60);
	fprintf(stderr, "\r[%s] %3.0f %%%s\033[K", bar, done * 100, eta);
	return false;
}

static int run(struct simulation *s, bool quiet)
{
	struct bar bar = { .shown = !quiet && isatty(STDERR_FILENO), .begun_s = seconds(NULL) };
	const struct simulate_options o = { .zone = &s->zone, .seconds = seconds, .progress = progress, .context = &bar };
	struct errbuf err = { "" };
	int rc = simulate_run(&s->scenario, &s->truth, &o, &s->result, &err);

	if (bar.shown)
		fputs("\r\033[K", stderr);
	if (rc < 0)
		fprintf(stderr, "hearthctl: %s\n", err.text);
	return rc < 0 ? CTL_FAILED : CTL_DONE;
}

/* ---- results ---- */

static int write_file(const char *path, const struct simulation *s, int (*write)(const struct simulation *, FILE *))
{
	FILE *f = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
	int rc = f ? write(s, f) : -errno;

	if (f && (ferror(f) || (f == stdout ? fflush(f) : fclose(f)) != 0) && rc == 0)
		rc = -EIO;
	if (rc == 0)
		return CTL_DONE;
	fprintf(stderr, "hearthctl: %s: %s\n", path, strerror(-rc));
	return CTL_FAILED;
}

static int tell(const struct ctl *c, const struct simulate_words *w, const struct simulation *s)
{
	int code = CTL_DONE;

	if (c->json) {
		AUTO_JSON *o = simulate_json(s);

		ctl_print_json(o);
	} else if (!w->quiet) {
		simulate_table(s);
	}
	if (w->csv)
		code = write_file(w->csv, s, simulate_csv);
	if (w->html && code == CTL_DONE)
		code = write_file(w->html, s, simulate_html);
	if (code == CTL_DONE && s->result.row[ROW_HEARTH].floor_violations) {
		fprintf(stderr, "hearthctl: %d orders went below the floor\n", s->result.row[ROW_HEARTH].floor_violations);
		code = CTL_FAILED;
	}
	return code;
}

/* Scenario and truth of a file. */
static int prepare(const struct simulate_words *w, struct simulation *s)
{
	struct errbuf err = { "" };
	int code = find(w->name, &s->scenario), rc;

	if (code != CTL_DONE)
		return code;
	if (w->days)
		s->scenario.days = w->days;
	if (w->seed >= 0)
		s->scenario.seed = (uint64_t)w->seed;
	rc = zone_load(s->scenario.timezone, &s->zone, &err);
	if (rc == 0)
		rc = truth_make(&s->scenario, &s->zone, &s->truth, &err);
	if (rc == 0)
		return CTL_DONE;
	fprintf(stderr, "hearthctl: %s: %s\n", w->name, err.text);
	return CTL_FAILED;
}

int ctl_simulate(struct ctl *c)
{
	struct simulate_words w = { .seed = -1 };
	struct simulation *s;
	int code = take_words(c, &w);

	if (code != CTL_DONE)
		return code;
	if (w.list)
		return list_all();
	s = calloc(1, sizeof(*s));
	if (!s) {
		fprintf(stderr, "hearthctl: no memory\n");
		return CTL_FAILED;
	}
	code = w.name ? prepare(&w, s) : simulate_history(c, &w, s);
	if (code == CTL_DONE)
		code = run(s, w.quiet);
	if (code == CTL_DONE)
		code = tell(c, &w, s);
	simulate_result_deinit(&s->result);
	truth_deinit(&s->truth);
	scenario_deinit(&s->scenario);
	free(s);
	return code;
}
