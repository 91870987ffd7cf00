/* hearthctl simulate: what Hearth would save. Words, files, progress; the simulation itself is agent/simulate. Needs no agent,
 * unless it is asked about the hub's own history. */
#include "ctl/simulate.h"

#include "core/nearest.h"
#include "io/zone.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PROGRESS_S 0.2
#define BAR_ROOM 30
#define BAR_WORDS 22 /* brackets, share and the time that is left */

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

static int load(const char *path, struct scenario *out)
{
	struct errbuf err = { "" };
	char near[NEAREST_NAME_MAX];
	size_t len;
	char *text = ctl_read(path, SCENARIO_TEXT_MAX, &len);
	int rc;

	if (!text)
		return CTL_FAILED;
	rc = scenario_parse(text, len, out, &err);
	if (rc == 0 && !zone_known(out->timezone, near, sizeof(near))) {
		rc = errbuf_set(&err, -ENOENT, "timezone: the system has no zone '%s'%s%s%s", out->timezone, near[0] ? ", did you mean " : "", near,
				near[0] ? "?" : "");
		scenario_deinit(out);
	}
	if (rc < 0)
		ctl_bad_text(path, text, len, err.text);
	free(text);
	return rc < 0 ? CTL_FAILED : CTL_DONE;
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

/* The names there are, sorted, without ".json"; NULL after saying why there are none. The caller frees each and the list. */
static struct dirent **names_of(int *n)
{
	struct dirent **entries = NULL;

	*n = scandir(folder(), &entries, is_scenario, by_name);
	if (*n < 0)
		fprintf(stderr, "hearthctl: %s: %s; HEARTH_SCENARIOS names another folder of scenarios\n", folder(), strerror(errno));
	for (int i = 0; i < *n; i++)
		entries[i]->d_name[strlen(entries[i]->d_name) - 5] = '\0';
	return *n < 0 ? NULL : entries;
}

static int list_all(const struct ctl *c)
{
	static const char *const HEADERS[] = { "name", "days", "about" };
	struct table *t = table_new(HEADERS, 3);
	AUTO_JSON *list = cJSON_CreateArray();
	char path[512], days[16];
	struct scenario s;
	int n, code = CTL_DONE;
	struct dirent **names = names_of(&n);

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s.json", folder(), names[i]->d_name);
		if (load(path, &s) == CTL_DONE) {
			cJSON *o = cJSON_CreateObject();

			snprintf(days, sizeof(days), "%d", s.days);
			table_row(t, names[i]->d_name, days, s.about);
			cJSON_AddStringToObject(o, "name", names[i]->d_name);
			cJSON_AddNumberToObject(o, "days", s.days);
			cJSON_AddStringToObject(o, "about", s.about);
			cJSON_AddItemToArray(list, o);
			scenario_deinit(&s);
		} else {
			code = CTL_FAILED;
		}
		free(names[i]);
	}
	free(names);
	if (n >= 0 && c->json)
		ctl_print_json(list);
	if (n >= 0 && !c->json)
		table_print(t);
	else
		table_free(t);
	return n < 0 ? CTL_FAILED : code;
}

static int no_such(const char *name)
{
	struct nearest near;
	int n;
	struct dirent **names = names_of(&n);

	nearest_start(&near, name);
	for (int i = 0; i < n; i++)
		nearest_offer(&near, names[i]->d_name);
	if (n >= 0)
		fprintf(stderr, "hearthctl: there is neither a file nor a scenario '%s'%s%s%s there are:", name,
			near.best[0] ? ", did you mean " : "", near.best, near.best[0] ? "?" : ";");
	for (int i = 0; i < n; i++) {
		fprintf(stderr, "%s %s", i ? "," : "", names[i]->d_name);
		free(names[i]);
	}
	if (n >= 0)
		fputc('\n', stderr);
	free(names);
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
			return ctl_usage_of(c, word);
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

/* Do both name one file that would be written over? /dev/null takes anything, "-" is judged by itself. */
static bool same_file(const char *a, const char *b)
{
	struct stat one, other;

	if (!a || !b || !strcmp(a, "-"))
		return false;
	if (stat(a, &one) < 0)
		return strcmp(a, b) == 0;
	return S_ISREG(one.st_mode) && stat(b, &other) == 0 && one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

/* Standard output takes one thing: the table, JSON, or a file. */
static int check_outputs(const struct ctl *c, const struct simulate_words *w)
{
	const bool csv = w->csv && !strcmp(w->csv, "-"), html = w->html && !strcmp(w->html, "-");

	if (same_file(w->csv, w->html)) {
		fprintf(stderr, "hearthctl: --csv and --html: '%s' cannot be both\n", w->html);
		return CTL_USAGE;
	}
	if (same_file(w->csv, w->name) || same_file(w->html, w->name)) {
		fprintf(stderr, "hearthctl: '%s' is the scenario: name another file to write\n", w->name);
		return CTL_USAGE;
	}
	if (csv + html + (c->json && (csv || html)) < 2)
		return CTL_DONE;
	fputs("hearthctl: only one of --json, --csv - and --html - can go to standard output\n", stderr);
	return CTL_USAGE;
}

/* ---- progress ---- */

static volatile sig_atomic_t stopped; /* by which signal */

static void on_signal(int number)
{
	stopped = number;
}

struct bar {
	bool shown;
	int room;              /* characters between the brackets */
	double begun_s, told_s;
};

static struct bar bar_make(bool quiet)
{
	const char *term = getenv("TERM");
	const int width = terminal_width();
	struct bar b = { .shown = !quiet && isatty(STDERR_FILENO) && !(term && !strcmp(term, "dumb")), .begun_s = seconds(NULL) };

	b.room = width < BAR_ROOM + BAR_WORDS ? width - BAR_WORDS : BAR_ROOM;
	b.room = b.room < 0 ? 0 : b.room;
	return b;
}

static bool progress(void *context, double done)
{
	struct bar *b = context;
	const double now = seconds(NULL), left = done > 0.02 ? (now - b->begun_s) * (1 - done) / done : NAN;
	const int full = (int)(done * b->room);
	char bar[BAR_ROOM + 1], eta[32] = "";

	if (stopped)
		return true;
	if (!b->shown || now - b->told_s < PROGRESS_S)
		return false;
	b->told_s = now;
	for (int i = 0; i < b->room; i++)
		bar[i] = i < full ? '#' : '.';
	bar[b->room] = '\0';
	if (!isnan(left))
		snprintf(eta, sizeof(eta), left < 90 ? ", %.0f s left" : ", %.0f min left", left < 90 ? left : left / 60);
	fprintf(stderr, "\r[%s] %3.0f %%%s\033[K", bar, done * 100, eta);
	return false;
}

static int run(struct simulation *s, bool quiet)
{
	struct bar bar = bar_make(quiet);
	const struct simulate_options o = { .zone = &s->zone, .seconds = seconds, .progress = progress, .context = &bar };
	struct errbuf err = { "" };
	int rc = simulate_run(&s->scenario, &s->truth, &o, &s->result, &err);

	if (bar.shown)
		fputs("\r\033[K", stderr);
	if (rc == -ECANCELED)
		fputs("hearthctl: stopped, nothing is written\n", stderr);
	else if (rc < 0)
		fprintf(stderr, "hearthctl: %s\n", err.text);
	return rc < 0 ? CTL_FAILED : CTL_DONE;
}

/* ---- results ---- */

/* To people only, like the bar. */
static void say_written(const struct simulate_words *w)
{
	const char *const paths[] = { w->csv, w->html };

	for (int i = 0; i < 2; i++)
		if (paths[i] && strcmp(paths[i], "-") != 0)
			fprintf(stderr, "written: %s\n", paths[i]);
}

static int tell(const struct ctl *c, const struct simulate_words *w, const struct simulation *s, struct simulate_file *csv, struct simulate_file *html)
{
	int code = CTL_DONE;

	if (c->json) {
		AUTO_JSON *o = simulate_json(s);

		ctl_print_json(o);
	} else if (!w->quiet && csv->f != stdout && html->f != stdout) {
		simulate_table(s);
	}
	code = simulate_file_finish(csv, s, simulate_csv);
	if (code == CTL_DONE)
		code = simulate_file_finish(html, s, simulate_html);
	if (code == CTL_DONE && !w->quiet && isatty(STDERR_FILENO))
		say_written(w);
	if (code == CTL_DONE && s->result.row[ROW_HEARTH].floor_violations) {
		fprintf(stderr, "hearthctl: in %d ticks a battery gave while it was below the floor\n", s->result.row[ROW_HEARTH].floor_violations);
		code = CTL_FAILED;
	}
	return code;
}

/* Runs what is prepared. Ctrl-C ends it with no file left behind, and then us as it would have. */
static int run_and_tell(const struct ctl *c, const struct simulate_words *w, struct simulation *s)
{
	const struct sigaction stop = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
	struct simulate_file csv = { 0 }, html = { 0 };
	int code;

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	code = simulate_file_open(&csv, w->csv);
	if (code == CTL_DONE)
		code = simulate_file_open(&html, w->html);
	if (code == CTL_DONE)
		code = run(s, w->quiet);
	if (code == CTL_DONE && !stopped)
		code = tell(c, w, s, &csv, &html);
	simulate_file_drop(&csv);
	simulate_file_drop(&html);
	if (stopped)
		raise(stopped); /* its handler was reset */
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
		return list_all(c);
	code = check_outputs(c, &w);
	if (code != CTL_DONE)
		return code;
	s = calloc(1, sizeof(*s));
	if (!s) {
		fprintf(stderr, "hearthctl: no memory\n");
		return CTL_FAILED;
	}
	code = w.name ? prepare(&w, s) : simulate_history(c, &w, s);
	if (code == CTL_DONE)
		code = run_and_tell(c, &w, s);
	simulate_result_deinit(&s->result);
	truth_deinit(&s->truth);
	scenario_deinit(&s->scenario);
	free(s);
	return code;
}
