/* Recordings: every .log in this folder is played against its driver, and the state at each `check` must be the one in the
 * .chk beside it. HEARTH_REPLAY_UPDATE=1 writes the .chk anew; a changed .chk is explained in the commit.
 *
 * A .log is lines of
 *   profile NAME | unit N | roles battery,pv,grid,load,charger | set OPTION NUMBER     once, on top
 *   h ADDRESS WORD... | i ADDRESS WORD...   holding or input registers, hexadecimal words, from now on
 *   run MS | silent on|off | fail FC STATUS TIMES
 *   aim power W | aim balance W | aim release | aim phases N W | aim reserve PCT (with a release)
 *   check LABEL
 * Lines beginning with # are remarks; model, firmware and date stand on top. */
#include "core/snapshot.h"
#include "drivers/registry.h"
#include "support/fake_unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OUT_MAX 65536
#define FOLDER HEARTH_SOURCE_DIR "/tests/replay"

struct player {
	struct fake_unit u;
	struct fake_run run;
	struct driver_options o;
	char profile[64];
	char *json;
	bool started;
	int written; /* writes already told of */
	size_t n;
	char out[OUT_MAX];
};

static void __attribute__((format(printf, 2, 3))) say(struct player *p, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	p->n += (size_t)vsnprintf(p->out + p->n, sizeof(p->out) - p->n, fmt, ap);
	va_end(ap);
	assert_true(p->n < sizeof(p->out));
}

static void say_value(struct player *p, const char *kind, const char *name, enum field f, const struct value *v,
		      int decimals)
{
	const char *word = f < F_COUNT && v->v == (int)v->v ? field_word(f, (int)v->v) : NULL;

	if (v->q == Q_ABSENT)
		return;
	if (word && value_usable(v))
		say(p, "  %s%s %s %s\n", kind, name, word, quality_word(v->q));
	else
		say(p, "  %s%s %.*f %s\n", kind, name, decimals, v->v, quality_word(v->q));
}

static void check(struct player *p, const char *label)
{
	const struct device_state *s = &p->run.state;
	const struct device_caps *c = &s->caps;

	say(p, "[%s]\n  %s", label, availability_word(s->availability));
	for (int k = 0; k < KIND_COUNT; k++)
		if (s->kinds & (1u << k))
			say(p, " %s", kind_name((enum kind)(1 << k)));
	say(p, "%s%s\n", *s->note ? ": " : "", s->note);
	say(p, "  %s / %s / %s / %s\n", s->identity.manufacturer, s->identity.model, s->identity.version,
	    s->identity.serial);
	say(p, "  can:%s%s%s charge %.0f W discharge %.0f W min %.0f W step %.2f W guarded by %s\n",
	    c->can_power ? " power" : "", c->native_balance ? " balance" : "", c->can_hold ? " hold" : "", c->charge_max_w,
	    c->discharge_max_w, c->min_w, c->step_w, guarded_by_word(c->guarded_by));
	if (c->can_curtail || c->mirrors_reserve || c->switches_phases)
		say(p, "  also:%s%s%s\n", c->can_curtail ? " curtail" : "", c->mirrors_reserve ? " reserve" : "",
		    c->switches_phases ? " phases" : "");
	say(p, "  verdict %s", verdict_word(s->verdict));
	if (!isnan(s->verdict_w))
		say(p, " %.1f W", s->verdict_w);
	say(p, "%s\n", s->released ? ", released" : "");
	say_value(p, "", "ac_power_w", F_COUNT, &s->ac_power_w, 1);
	for (int f = 0; f < F_COUNT; f++) {
		char kind[16];

		snprintf(kind, sizeof(kind), "%s.", kind_name(field_info((enum field)f)->kind));
		say_value(p, kind, field_info((enum field)f)->name, (enum field)f, &s->f[f],
			  field_info((enum field)f)->decimals);
	}
	for (; p->written < p->u.n_log && p->written < FAKE_WRITES_MAX; p->written++) {
		const struct fake_write *w = &p->u.log[p->written];

		say(p, "  wrote fc %d %d:", w->fc, w->address);
		for (int i = 0; i < w->count && i < 8; i++)
			say(p, " %04x", w->words[i]);
		say(p, "\n");
	}
}

static void registers(struct player *p, bool input, char *text)
{
	uint16_t words[REQUEST_WORDS_MAX], *at;
	char *end;
	long address = strtol(text, &end, 10);
	int n = 0;

	for (char *word = strtok(end, " "); word && n < REQUEST_WORDS_MAX; word = strtok(NULL, " "))
		words[n++] = (uint16_t)strtoul(word, NULL, 16);
	at = input ? fake_input(&p->u, (uint16_t)address) : fake_reg(&p->u, (uint16_t)address);
	if (at)
		memcpy(at, words, (size_t)n * sizeof(*words)); /* a recording overwrites inside one line's block only */
	else
		fake_define(&p->u, input, (uint16_t)address, words, n);
}

static uint32_t roles_of(const char *text)
{
	static const char *const WORDS[] = { "battery", "pv", "grid", "load", "charger" };
	uint32_t roles = 0;

	for (int i = 0; i < 5; i++)
		roles |= strstr(text, WORDS[i]) ? 1u << i : 0;
	return roles;
}

static void start(struct player *p)
{
	const struct driver *d;

	if (strcmp(p->profile, "sunspec") != 0) /* which needs no file */
		p->json = fake_profile(p->profile, &p->o.profile_json_len);
	p->o.profile_json = p->json;
	d = driver_for_profile(p->profile, p->json, p->o.profile_json_len);
	assert_non_null(d);
	p->u.unit = p->o.unit;
	if (fake_start(&p->run, d, &p->o, &p->u))
		fail_msg("%s: %s", p->profile, p->run.err.text);
	p->started = true;
}

static void aim(struct player *p, const char *what)
{
	double w = 0;
	int n;

	if (sscanf(what, "phases %d %lf", &n, &w) == 2)
		fake_aim(&p->run, (struct order){ .kind = ORDER_POWER, .w = w, .phases = n });
	else if (sscanf(what, "reserve %lf", &w) == 1)
		fake_aim(&p->run, (struct order){ .kind = ORDER_RELEASE, .reserve_pct = (float)w });
	else if (sscanf(what, "power %lf", &w) == 1)
		fake_aim_power(&p->run, w);
	else if (sscanf(what, "balance %lf", &w) == 1)
		fake_aim(&p->run, (struct order){ .kind = ORDER_BALANCE, .w = w, .min_w = -1e5, .max_w = 1e5 });
	else
		fake_aim(&p->run, (struct order){ .kind = ORDER_RELEASE });
}

static void play_line(struct player *p, char *line)
{
	char *rest = strchr(line, ' ');
	int fc, status, times;

	rest = rest ? rest + 1 : line + strlen(line);
	if (!strncmp(line, "profile ", 8))
		snprintf(p->profile, sizeof(p->profile), "%s", rest);
	else if (!strncmp(line, "unit ", 5))
		p->o.unit = (uint8_t)atoi(rest);
	else if (!strncmp(line, "roles ", 6))
		p->o.roles = roles_of(rest);
	else if (!strncmp(line, "set failsafe_a ", 15))
		p->o.failsafe_a = atof(line + 15);
	else if (!strncmp(line, "set invert ", 11))
		p->o.invert = atoi(line + 11) != 0;
	else if (!strncmp(line, "h ", 2) || !strncmp(line, "i ", 2))
		registers(p, line[0] == 'i', rest);
	else if (!strncmp(line, "silent ", 7))
		p->u.silent = !strcmp(rest, "on");
	else if (sscanf(line, "fail %d %d %d", &fc, &status, &times) == 3)
		fake_fault(&p->u, (enum request_status)status, (uint8_t)fc, -1, times);
	else if (!strncmp(line, "aim ", 4))
		aim(p, rest);
	else if (!strncmp(line, "run ", 4)) {
		if (!p->started)
			start(p);
		fake_until(&p->run, p->run.now_ms + atol(rest));
	} else if (!strncmp(line, "check ", 6))
		check(p, rest);
	else
		fail_msg("%s: unknown line '%s'", p->profile, line);
}

static void head_is_complete(const char *path, const char *head)
{
	static const char *const NEED[] = { "# model:", "# firmware:", "# date:", "no real unit" };

	for (size_t i = 0; i < sizeof(NEED) / sizeof(NEED[0]); i++)
		if (!strstr(head, NEED[i]))
			fail_msg("%s: its head does not say '%s'", path, NEED[i]);
}

static char *read_all(const char *path)
{
	char *text = calloc(1, OUT_MAX);
	FILE *f = fopen(path, "rb");

	if (!f) {
		free(text);
		return NULL;
	}
	assert_true(fread(text, 1, OUT_MAX - 1, f) < OUT_MAX - 1);
	fclose(f);
	return text;
}

static void play(const char *name)
{
	struct player *p = calloc(1, sizeof(*p));
	char path[512], *log, *expected, *at, *line;

	snprintf(path, sizeof(path), FOLDER "/%s", name);
	log = read_all(path);
	assert_non_null(log);
	head_is_complete(path, log);
	p->o = fake_options(p->profile, 1);
	at = log;
	while ((line = strsep(&at, "\n")))
		if (*line && *line != '#')
			play_line(p, line);
	strcpy(path + strlen(path) - 3, "chk");
	if (getenv("HEARTH_REPLAY_UPDATE")) {
		FILE *f = fopen(path, "wb");

		assert_non_null(f);
		fputs(p->out, f);
		fclose(f);
	}
	expected = read_all(path);
	if (!expected || strcmp(expected, p->out))
		fail_msg("%s differs; this is the state now:\n%s", path, p->out);
	fake_stop(&p->run);
	free(expected);
	free(log);
	free(p->json);
	free(p);
}

static void test_recordings(void **state)
{
	DIR *dir = opendir(FOLDER);
	struct dirent *e;
	int n = 0;

	(void)state;
	assert_non_null(dir);
	while ((e = readdir(dir))) {
		size_t len = strlen(e->d_name);

		if (len < 5 || strcmp(e->d_name + len - 4, ".log"))
			continue;
		play(e->d_name);
		n++;
	}
	closedir(dir);
	assert_true(n >= 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_recordings) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
