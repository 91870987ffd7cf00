/* hearthctl: the options before the verb, and finding the verb. */
#include "core/nearest.h"
#include "ctl/ctl.h"

#include <getopt.h>
#include <ini.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Decimal digits, perhaps with a fraction, and nothing else; 0, which no option allows, when it is something else. */
static double number(const char *text, bool whole)
{
	size_t n = strspn(text, "0123456789");

	if (n > 0 && !whole && text[n] == '.')
		n += 1 + strspn(text + n + 1, "0123456789");
	return n > 0 && n < 16 && text[n] == '\0' ? strtod(text, NULL) : 0;
}

static int set_option(struct link_options *o, const char *key, const char *value)
{
	if (!strcmp(key, "host"))
		snprintf(o->host, sizeof(o->host), "%s", value);
	else if (!strcmp(key, "port"))
		o->port = (int)fmin(number(value, true), 65536);
	else if (!strcmp(key, "username"))
		snprintf(o->username, sizeof(o->username), "%s", value);
	else if (!strcmp(key, "password-file") || !strcmp(key, "password_file"))
		snprintf(o->password_file, sizeof(o->password_file), "%s", value);
	else if (!strcmp(key, "site"))
		snprintf(o->site, sizeof(o->site), "%s", value);
	else if (!strcmp(key, "root"))
		snprintf(o->root, sizeof(o->root), "%s", value);
	else if (!strcmp(key, "timeout"))
		o->timeout_s = number(value, false);
	else
		return 0;
	return o->port > 0 && o->port < 65536 && o->timeout_s > 0 && o->timeout_s <= 600;
}

/* What set_option takes. */
static const char *allowed(const char *key)
{
	return !strcmp(key, "port") ? ", allowed: 1..65535" : !strcmp(key, "timeout") ? ", allowed: seconds, above 0, at most 600" : "";
}

static int on_setting(void *user, const char *section, const char *key, const char *value)
{
	(void)section;
	if (!set_option(user, key, value))
		fprintf(stderr, "hearthctl: " CTL_SETTINGS ": '%s = %s' is not understood%s\n", key, value, allowed(key));
	return 1;
}

static int parse_options(struct ctl *c, int argc, char **argv)
{
	static const struct option OPTIONS[] = {
		{ "host", required_argument, NULL, 1 }, { "port", required_argument, NULL, 1 }, { "username", required_argument, NULL, 1 },
		{ "password-file", required_argument, NULL, 1 }, { "site", required_argument, NULL, 1 },
		{ "root", required_argument, NULL, 1 }, { "timeout", required_argument, NULL, 1 }, { "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, { NULL, 0, NULL, 0 },
	};
	int which = 0, o;

	/* '+': stop at the verb; what follows belongs to it */
	while ((o = getopt_long(argc, argv, "+hj", OPTIONS, &which)) != -1) {
		if (o == 'j')
			c->json = true;
		else if (o == 'h' || o == 'V') {
			if (o == 'h')
				ctl_help(stdout);
			else
				puts("hearthctl " HEARTH_VERSION);
			exit(0);
		} else if (o != 1 || !set_option(&c->link_options, OPTIONS[which].name, optarg)) {
			if (o == 1)
				fprintf(stderr, "hearthctl: --%s: '%s' is not understood%s\n", OPTIONS[which].name, optarg, allowed(OPTIONS[which].name));
			fputs("Try 'hearthctl --help'.\n", stderr);
			return -1;
		}
	}
	return optind;
}

/* Behind the verb too, where people write them. --name=value becomes two words; what takes no value keeps none. --json and --help
 * are taken here. False when something is wrong (said). */
static bool take_common(struct ctl *c, int argc, char **argv, bool *wants_help)
{
	static const char *const FLAGS[] = { "--json", "--help", "--history", "--watch" };

	c->argv = calloc((size_t)argc * 2 + 1, sizeof(*c->argv));
	if (!c->argv)
		abort();
	for (int i = 0; i < argc; i++) {
		char *value = strncmp(argv[i], "--", 2) ? NULL : strchr(argv[i], '=');

		if (value)
			*value++ = '\0';
		for (size_t k = 0; value && k < sizeof(FLAGS) / sizeof(FLAGS[0]); k++) {
			if (strcmp(argv[i], FLAGS[k]) != 0 || (!strcmp(argv[i], "--history") && !strcmp(c->verb->name, "simulate")))
				continue;
			fprintf(stderr, "hearthctl: '%s' takes no value\n", argv[i]);
			return false;
		}
		if (!strcmp(argv[i], "--json"))
			c->json = true;
		else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			*wants_help = true;
		else
			c->argv[c->argc++] = argv[i];
		if (value)
			c->argv[c->argc++] = value;
	}
	return true;
}

static int no_such_verb(const char *name)
{
	struct nearest near;
	const char *begins = NULL;

	nearest_start(&near, name);
	for (const struct ctl_verb *v = CTL_VERBS; v->name; v++)
		if (v->run) {
			nearest_offer(&near, v->name);
			if (!begins && strlen(name) >= 2 && !strncmp(v->name, name, strlen(name)))
				begins = v->name;
		}
	if (begins) /* what it is the beginning of was meant, not what looks like it */
		snprintf(near.best, sizeof(near.best), "%s", begins);
	fprintf(stderr, "hearthctl: there is no verb '%s'%s%s%s Try 'hearthctl --help'.\n", name, near.best[0] ? ", did you mean " : "",
		near.best, near.best[0] ? "?" : ".");
	return CTL_USAGE;
}

int main(int argc, char **argv)
{
	static struct ctl c = { .link_options = { .host = "127.0.0.1", .port = 1883, .root = "hearth/1", .timeout_s = 5 } };
	const char *password_file = getenv("HEARTH_PASSWORD_FILE");
	bool wants_help;
	int at, code;

	ini_parse(CTL_SETTINGS, on_setting, &c.link_options);
	if (password_file)
		snprintf(c.link_options.password_file, sizeof(c.link_options.password_file), "%s", password_file);
	at = parse_options(&c, argc, argv);
	if (at < 0)
		return CTL_USAGE;
	if (at >= argc) {
		ctl_help(stderr);
		return CTL_USAGE;
	}
	wants_help = !strcmp(argv[at], "help");
	if (wants_help && ++at >= argc) {
		ctl_help(stdout);
		return CTL_DONE;
	}
	for (c.verb = CTL_VERBS; c.verb->name && strcmp(c.verb->name, argv[at]) != 0; c.verb++)
		;
	if (!c.verb->name)
		return no_such_verb(argv[at]);
	if (!take_common(&c, argc - at - 1, argv + at + 1, &wants_help))
		return CTL_USAGE;
	if (!c.verb->run) {
		fprintf(stderr, "hearthctl: '%s' is not available in this version\n", c.verb->name);
		return CTL_FAILED;
	}
	if (wants_help) {
		ctl_verb_help(c.verb, stdout);
		return CTL_DONE;
	}
	code = c.verb->run(&c);
	link_close(c.link);
	free(c.argv);
	return code;
}
