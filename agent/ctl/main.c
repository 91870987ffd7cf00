/* hearthctl: options, the verb table, exit codes. */
#include "core/nearest.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <getopt.h>
#include <ini.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SETTINGS "/etc/hearth/hearthctl.conf"

const struct ctl_verb CTL_VERBS[] = {
	{ "status", "[--watch]", "what the home does now", ctl_status },
	{ "devices", "", "every device: online, power, who guards it", ctl_devices },
	{ "device", "ID", "all values of one device", ctl_device },
	{ "bus", "", "load and errors of every Modbus bus", ctl_bus },
	{ "plan", "[refresh]\nsolve FILE|-", "the plan in force; solve works without an agent", ctl_plan },
	{ "tariff", "[refresh]", "prices, now and coming, and where they come from", ctl_tariff },
	{ "events", "", "Flip events", ctl_events },
	{ "event", "opt-out ID\nopt-in ID\nreserve ID PCT", "take part in an event or not; a reserve for it", ctl_event },
	{ "commands", "", "Flip commands and what became of them", ctl_commands },
	{ "vpp", "", "programs, next event, notice", ctl_vpp },
	{ "outbox", "[retry]", "what is owed to the cloud", ctl_outbox },
	{ "reserve", "[PCT]", "shows or sets the reserve", ctl_reserve },
	{ "override", "auto|hold|charge|discharge [DEVICE] [--power W] --for 2h|--until TIME\nclear [DEVICE]\npause 30m\nresume",
	  "steer by hand for a while; pause releases everything", ctl_override },
	{ "ev", "off|solar|cheap|now [DEVICE]\nready DEVICE --by 07:00 --energy 20kWh", "how the car charges", ctl_ev },
	{ "limit", "\nset [--import W|none] [--export W|none] [--for 2h|--until TIME]\nclear\nheartbeat",
	  "the grid operator's limit; its source is alive", ctl_limit },
	{ "why", "[DEVICE] [--history] [--since 2h|TIME]", "why each device does what it does, and did in the last 7 days", ctl_why },
	{ "log", "[N]", "the agent's last log lines", ctl_log },
	{ "config", "check [FILE]\nshow [FILE]", "checks a configuration; shows the effective one", ctl_config },
	{ "reload", "", "the agent reads its configuration again", ctl_reload },
	{ "dump", "", "everything the agent knows, as JSON (no secrets)", ctl_dump },
	{ "ping", "", "is the agent there", ctl_ping },
	{ "version", "", "versions of hearthctl and of the agent", ctl_version },
	/* The rest of the contract: known, not built yet. */
	{ "programs", "", "", NULL }, { "enroll", "", "", NULL }, { "unenroll", "", "", NULL }, { "commission", "", "", NULL },
	{ "connect", "", "", NULL }, { "portal", "", "", NULL }, { "savings", "", "", NULL },
	{ "forecast", "", "", NULL }, { "backup", "", "", NULL }, { "restore", "", "", NULL }, { "tls", "", "", NULL },
	{ "user", "", "", NULL }, { "selftest", "", "", NULL }, { "decommission", "", "", NULL }, { "simulate", "", "", NULL },
	{ "probe", "", "", NULL },
	{ NULL, NULL, NULL, NULL },
};

static void help(FILE *out)
{
	fputs("Usage: hearthctl [--host H] [--port P] [--username U] [--password-file F] [--site ID] [--root R] [--json]\n"
	      "                 [--timeout S] VERB ...\n\n", out);
	for (const struct ctl_verb *v = CTL_VERBS; v->name; v++) {
		const char *line = v->usage;
		bool first = true;

		if (!v->run)
			continue;
		do {
			int n = (int)strcspn(line, "\n");
			char head[120];

			snprintf(head, sizeof(head), "%s %.*s", v->name, n, line);
			fprintf(out, "  %-44s %s\n", head, first ? v->help : "");
			first = false;
			line += n + (line[n] == '\n');
		} while (*line);
	}
	fputs("\nDefaults for the options may stand in " SETTINGS " (key = value).\n"
	      "Exit: 0 done, 1 refused or failed, 2 usage, 3 broker or agent not reachable, 78 configuration.\n", out);
}

int ctl_usage(const struct ctl *c)
{
	const char *line = c->verb->usage;

	do {
		int n = (int)strcspn(line, "\n");

		fprintf(stderr, "usage: hearthctl %s%s%.*s\n", c->verb->name, n ? " " : "", n, line);
		line += n + (line[n] == '\n');
	} while (*line);
	return CTL_USAGE;
}

static int exit_of(int error)
{
	return error == -ENOTCONN || error == -ETIMEDOUT ? CTL_UNREACHABLE : CTL_FAILED;
}

cJSON *ctl_request(struct ctl *c, const char *verb, cJSON *args, int *code)
{
	AUTO_JSON *owned = args ? args : cJSON_CreateObject();
	AUTO_JSON *answer = NULL;
	struct errbuf err = { "" };
	const cJSON *status;
	int r = 0;

	if (!c->link)
		r = link_open(&c->link, &c->link_options, &err);
	if (r == 0)
		r = link_request(c->link, verb, owned, &answer, &err);
	if (r < 0) {
		fprintf(stderr, "hearthctl: %s\n", err.text);
		*code = exit_of(r);
		return NULL;
	}
	status = cJSON_GetObjectItemCaseSensitive(answer, "status");
	if (cJSON_IsString(status) && !strcmp(status->valuestring, "ok")) {
		*code = CTL_DONE;
		return cJSON_DetachItemFromObjectCaseSensitive(answer, "data");
	}
	ctl_refused(c, verb, cJSON_GetObjectItemCaseSensitive(answer, "error"));
	*code = CTL_FAILED;
	return NULL;
}

int ctl_change(struct ctl *c, const char *verb, cJSON *args, const char *done)
{
	int code;
	AUTO_JSON *data = ctl_request(c, verb, args, &code);

	if (!data)
		return code;
	if (c->json)
		ctl_print_json(data);
	else if (cJSON_HasObjectItem(data, "warning"))
		printf("%s; but: %s\n", done, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(data, "warning")));
	else
		puts(done);
	return CTL_DONE;
}

cJSON *ctl_states(struct ctl *c, const char *one, const char *other, int *code)
{
	cJSON *args = cJSON_CreateObject(), *parts = cJSON_AddArrayToObject(args, "parts");

	cJSON_AddItemToArray(parts, cJSON_CreateString(one));
	if (other)
		cJSON_AddItemToArray(parts, cJSON_CreateString(other));
	return ctl_request(c, "state.get", args, code);
}

cJSON *ctl_state(struct ctl *c, const char *part, int *code)
{
	cJSON *data = ctl_states(c, part, NULL, code), *wanted;

	if (!data)
		return NULL;
	wanted = cJSON_DetachItemFromObjectCaseSensitive(data, part);
	cJSON_Delete(data);
	if (!wanted) {
		fprintf(stderr, "hearthctl: the agent says nothing about '%s'\n", part);
		*code = CTL_FAILED;
	}
	return wanted;
}

void ctl_print_json(const cJSON *o)
{
	AUTO_TEXT *text = cJSON_Print(o);

	puts(text ? text : "null");
}

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

static int on_setting(void *user, const char *section, const char *key, const char *value)
{
	(void)section;
	if (!set_option(user, key, value))
		fprintf(stderr, "hearthctl: " SETTINGS ": '%s = %s' is not understood\n", key, value);
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
				help(stdout);
			else
				puts("hearthctl " HEARTH_VERSION);
			exit(0);
		} else if (o != 1 || !set_option(&c->link_options, OPTIONS[which].name, optarg)) {
			if (o == 1)
				fprintf(stderr, "hearthctl: --%s: '%s' is not understood\n", OPTIONS[which].name, optarg);
			fputs("Try 'hearthctl --help'.\n", stderr);
			return -1;
		}
	}
	return optind;
}

/* --json may also stand behind the verb, where people write it. */
static void take_json(struct ctl *c)
{
	int kept = 0;

	for (int i = 0; i < c->argc; i++)
		if (!strcmp(c->argv[i], "--json"))
			c->json = true;
		else
			c->argv[kept++] = c->argv[i];
	c->argc = kept;
}

static int no_such_verb(const char *name)
{
	struct nearest near;

	nearest_start(&near, name);
	for (const struct ctl_verb *v = CTL_VERBS; v->name; v++)
		if (v->run)
			nearest_offer(&near, v->name);
	fprintf(stderr, "hearthctl: there is no verb '%s'%s%s%s Try 'hearthctl --help'.\n", name, near.best[0] ? ", did you mean " : "",
		near.best, near.best[0] ? "?" : ".");
	return CTL_USAGE;
}

int main(int argc, char **argv)
{
	static struct ctl c = { .link_options = { .host = "127.0.0.1", .port = 1883, .root = "hearth/1", .timeout_s = 5 } };
	const char *password_file = getenv("HEARTH_PASSWORD_FILE");
	int at, code;

	ini_parse(SETTINGS, on_setting, &c.link_options);
	if (password_file)
		snprintf(c.link_options.password_file, sizeof(c.link_options.password_file), "%s", password_file);
	at = parse_options(&c, argc, argv);
	if (at < 0)
		return CTL_USAGE;
	if (at >= argc) {
		help(stderr);
		return CTL_USAGE;
	}
	for (c.verb = CTL_VERBS; c.verb->name && strcmp(c.verb->name, argv[at]) != 0; c.verb++)
		;
	if (!c.verb->name)
		return no_such_verb(argv[at]);
	c.argc = argc - at - 1;
	c.argv = argv + at + 1;
	take_json(&c);
	if (!c.verb->run) {
		fprintf(stderr, "hearthctl: '%s' is not available in this version\n", c.verb->name);
		return CTL_FAILED;
	}
	code = c.verb->run(&c);
	link_close(c.link);
	return code;
}
