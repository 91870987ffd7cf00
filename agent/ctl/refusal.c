/* What the agent refuses, in the words of the command line: no codes for people, and options instead of JSON's names. */
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>

/* First match wins. */
static const struct {
	const char *verb, *theirs, *ours;
} PHRASES[] = {
	{ "pause", "duration_s", "the duration" },
	{ "override.set", "either until or duration_s", "either --for 2h or --until 18:00" },
	{ "override.set", "until:", "--until:" },
	{ "override.set", "duration_s", "--for" },
	{ "override.set", "power_w", "--power" },
	{ "ev.set", "energy_wh", "--energy" },
	{ "ev.set", "ready_by", "--by" },
	{ "reserve.set", "pct", "the reserve" },
	{ "limit.set", "import_w", "--import" },
	{ "limit.set", "export_w", "--export" },
	{ "limit.set", "duration_s", "--for" },
	{ "limit.set", "until:", "--until:" },
	{ "event.participate", "reserve_pct", "the reserve" },
};
#define PHRASES_COUNT (sizeof(PHRASES) / sizeof(PHRASES[0]))

static void say_in_options(const char *verb, const char *text)
{
	while (*text) {
		size_t i;

		for (i = 0; i < PHRASES_COUNT; i++)
			if (!strcmp(verb, PHRASES[i].verb) && !strncmp(text, PHRASES[i].theirs, strlen(PHRASES[i].theirs)))
				break;
		if (i < PHRASES_COUNT) {
			fputs(PHRASES[i].ours, stderr);
			text += strlen(PHRASES[i].theirs);
		} else {
			fputc(*text++, stderr);
		}
	}
}

/* "; there are: battery (battery), car1 (charger)" */
static void say_devices(const cJSON *devices)
{
	const cJSON *d, *k;

	cJSON_ArrayForEach(d, devices) {
		fprintf(stderr, "%s%s (", d == devices->child ? "; there are: " : ", ", d->string);
		cJSON_ArrayForEach(k, cJSON_GetObjectItemCaseSensitive(d, "kinds"))
			fprintf(stderr, "%s%s", k->prev->next ? ", " : "", cJSON_IsString(k) ? k->valuestring : "");
		fputc(')', stderr);
	}
}

void ctl_refused(const struct ctl *c, const char *verb, const cJSON *error, const cJSON *devices)
{
	const char *message = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(error, "message"));
	const char *code = show_word(error, "code");

	fputs("hearthctl: ", stderr);
	if (c->json || !strcmp(code, "refused"))
		fprintf(stderr, "%s: ", code);
	if (c->json)
		fputs(message ? message : "", stderr);
	else
		say_in_options(verb, message ? message : code);
	say_devices(devices);
	fputc('\n', stderr);
}
