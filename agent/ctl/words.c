/* hearthctl: the words behind a verb. Options are tables; numbers with units are core/quantity's, times core/when's, so that every
 * verb understands and refuses the same. */
#include "core/calendar.h"
#include "core/nearest.h"
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>

static const struct ctl_option *find(const struct ctl_option *options, const char *name)
{
	for (; options->name; options++)
		if (!strcmp(options->name, name))
			return options;
	return NULL;
}

void ctl_unknown(const struct ctl *c, const struct ctl_option *options, const char *name)
{
	struct nearest near;

	nearest_start(&near, name);
	for (const struct ctl_option *o = options; o->name; o++)
		nearest_offer(&near, o->name);
	fprintf(stderr, "hearthctl: %s: '%s' is not understood", c->verb->name, name);
	if (near.best[0])
		fprintf(stderr, ", did you mean %s?", near.best);
	for (const struct ctl_option *o = options; o->name; o++)
		fprintf(stderr, "%s%s", o == options ? near.best[0] ? " Options: " : "; options: " : ", ", o->name);
	fprintf(stderr, ". Try 'hearthctl %s --help'.\n", c->verb->name);
}

/* The value of an option into the arguments. 0, or -1 (said). */
static int take_value(const struct ctl_option *o, const char *text, struct ctl_words *w)
{
	struct errbuf err = { "" };
	double v;

	if (o->none && !strcmp(text, "none")) {
		cJSON_AddNullToObject(w->args, o->key);
		return 0;
	}
	if (o->time) {
		if (when_parse(text, &w->when) < 0) {
			fprintf(stderr, "hearthctl: %s: '%.40s' is not understood, allowed: %s\n", o->name, text, WHEN_ALLOWED);
			return -1;
		}
		w->time = o;
		return 0;
	}
	if (quantity_parse(o->quantity, text, &v, &err) < 0) {
		fprintf(stderr, "hearthctl: %s: %s%s\n", o->name, err.text, o->none ? "; or none" : "");
		return -1;
	}
	cJSON_AddNumberToObject(w->args, o->key, v);
	return 0;
}

/* One option; returns how many words it took, or -1 (said). */
static int take_option(const struct ctl *c, const struct ctl_option *options, int i, struct ctl_words *w)
{
	const struct ctl_option *o = find(options, c->argv[i]);

	if (!o) {
		ctl_unknown(c, options, c->argv[i]);
		return -1;
	}
	if (i + 1 >= c->argc || !strncmp(c->argv[i + 1], "--", 2)) {
		fprintf(stderr, "hearthctl: '%s' needs a value: %s%s\n", o->name, o->time ? WHEN_ALLOWED : quantity_allowed(o->quantity),
			o->none ? "; or none" : "");
		return -1;
	}
	if (o == w->time || cJSON_HasObjectItem(w->args, o->key)) {
		fprintf(stderr, "hearthctl: '%s' stands there twice\n", o->name);
		return -1;
	}
	return take_value(o, c->argv[i + 1], w) < 0 ? -1 : 2;
}

int ctl_words_take(struct ctl *c, int from, const struct ctl_option *options, bool device, struct ctl_words *w)
{
	int n;

	*w = (struct ctl_words){ .args = cJSON_CreateObject() };
	for (int i = from; i < c->argc; i += n) {
		n = 1;
		if (device && c->argv[i][0] != '-' && !cJSON_HasObjectItem(w->args, "device"))
			cJSON_AddStringToObject(w->args, "device", c->argv[i]);
		else
			n = take_option(c, options, i, w);
		if (n > 0)
			continue;
		cJSON_Delete(w->args);
		w->args = NULL;
		return CTL_USAGE;
	}
	return CTL_DONE;
}

/* Now it takes the agent: a time of day is one of its home. */
int ctl_words_times(struct ctl *c, struct ctl_words *w)
{
	const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(w->args, "duration_s");
	char text[CALENDAR_TEXT_MAX];
	int64_t now_ms;
	int code = ctl_open(c);

	if (code == CTL_DONE && w->time) {
		now_ms = ctl_now_ms(c);
		w->until_utc_ms = when_utc_ms(&w->when, &c->zone, now_ms);
		if (w->until_utc_ms > now_ms) {
			calendar_format(w->until_utc_ms, text);
			cJSON_AddStringToObject(w->args, w->time->key, text);
		} else {
			fprintf(stderr, "hearthctl: %s: %s is over%s\n", w->time->name, ctl_until(c, w->until_utc_ms),
				c->clock_doubtful ? " by the agent's clock, which is not trusted; --for 2h needs none" : "");
			code = CTL_FAILED;
		}
	} else if (code == CTL_DONE && seconds) {
		w->until_utc_ms = ctl_now_ms(c) + (int64_t)seconds->valuedouble * 1000;
	}
	if (code != CTL_DONE) {
		cJSON_Delete(w->args);
		w->args = NULL;
	}
	return code;
}

const char *ctl_until(const struct ctl *c, int64_t utc_ms)
{
	static char out[96 + sizeof(c->zone.name)];

	snprintf(out, sizeof(out), "%s (%s)", show_instant(utc_ms), c->zone.name[0] ? c->zone.name : "UTC");
	return out;
}

const char *ctl_words_end(const struct ctl *c, const struct ctl_words *w)
{
	static char out[sizeof(c->zone.name) + 96 + QUANTITY_TEXT_MAX];
	const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(w->args, "duration_s");
	char text[QUANTITY_TEXT_MAX];

	if (seconds)
		snprintf(out, sizeof(out), "for %s, until %s", quantity_text(QUANTITY_DURATION, seconds->valuedouble, text), ctl_until(c, w->until_utc_ms));
	else
		snprintf(out, sizeof(out), "until %s", w->until_utc_ms ? ctl_until(c, w->until_utc_ms) : "the next one is set");
	return out;
}
