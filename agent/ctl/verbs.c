/* hearthctl: the table of verbs, with what help says of each. Units and examples stand here because here people look first; every
 * example is run by tests/itest/test_manual.py. */
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>

#define TIMES "A time is one of the site's time zone: 18:00 (the next one), \"2026-01-15 18:00\", or 2026-01-15T18:00:00Z.\n"
#define DURATIONS "A duration: 90s, 45min (or 45m), 1.5h, 1h30m, 2d; without a unit it is seconds.\n"
#define POWERS "A power: 4200, 4200W, 4.2kW, 0.0042MW; without a unit it is W.\n"
#define ENERGIES "An energy: 20000, 20000Wh, 20kWh; without a unit it is Wh.\n"
#define SHARES "A share of the battery: 30 or 30%.\n"
#define EXAMPLE "Example: hearthctl "

const struct ctl_verb CTL_VERBS[] = {
	{ "status", ctl_status, { { "[--watch]", "what the home does now; watched, as it changes" } }, EXAMPLE "status --watch\n", false },
	{ "devices", ctl_devices, { { "", "every device: online, power, who guards it" } }, EXAMPLE "devices\n", false },
	{ "device", ctl_device, { { "ID", "all values of one device" } }, EXAMPLE "device battery\n", false },
	{ "bus", ctl_bus, { { "", "load and errors of every Modbus bus" } }, EXAMPLE "bus\n", false },
	{ "plan", ctl_plan, { { "", "the plan in force" }, { "refresh", "plans again" }, { "solve FILE|-", "solves a plan file; needs no agent" } },
	  "Shown: prices per kWh and the cost in the tariff's currency, powers in kW, stored energy in kWh, times of the site.\n"
	  "FILE is JSON as hearth-instance(5) describes it (kW, kWh, prices per kWh); the plan that comes is JSON too.\n"
	  EXAMPLE "plan\n" EXAMPLE "plan refresh\n", false },
	{ "tariff", ctl_tariff, { { "", "prices, now and coming, and where they come from" }, { "refresh", "asks FlatPeak for prices again" } },
	  EXAMPLE "tariff\n", false },
	{ "forecast", ctl_forecast,
	  { { "", "load and sun of the next 48 hours, and how good the forecast was" }, { "set FILE|-", "takes over one made elsewhere" },
	    { "clear", "back to the agent's own" } },
	  "FILE is JSON: {\"load\": [{\"from\", \"to\", \"w\"}], \"pv\": [...], \"until\"}; times are RFC 3339, powers W.\n"
	  EXAMPLE "forecast\n", false },
	{ "events", ctl_events, { { "", "Flip events" } }, EXAMPLE "events\n", false },
	{ "event", ctl_event,
	  { { "opt-out ID", "stay out of an event; it stops at once" }, { "opt-in ID", "take part again" },
	    { "reserve ID PCT", "a reserve for this event only" } },
	  "The ID is an event's or a command's; its beginning is enough where only one begins so.\n" SHARES
	  EXAMPLE "event reserve 7d2a 30%\n", false },
	{ "commands", ctl_commands, { { "", "Flip commands and what became of them" } }, EXAMPLE "commands\n", false },
	{ "vpp", ctl_vpp, { { "", "the next event, in words" } }, EXAMPLE "vpp\n", false },
	{ "outbox", ctl_outbox, { { "", "what is owed to the cloud" }, { "retry", "sends all of it now, what was refused too" } }, EXAMPLE "outbox\n", false },
	{ "reserve", ctl_reserve, { { "", "the reserve, and what is kept now" }, { "PCT", "sets it" } }, SHARES EXAMPLE "reserve 30%\n", false },
	{ "override", ctl_override,
	  { { "auto|hold|charge|discharge [DEVICE] [--power W] --for DURATION|--until TIME", "steers a battery by hand for a while" },
	    { "clear [DEVICE]", "ends that" }, { "pause DURATION", "gives every device back to its own control for a while" },
	    { "resume", "takes them again" } },
	  POWERS "Without --power it is all the battery can; more than it can is as much.\n" DURATIONS TIMES
	  EXAMPLE "override charge --power 3kW --for 2h\n" EXAMPLE "override pause 30min\n", false },
	{ "ev", ctl_ev,
	  { { "", "what each car is to do" }, { "off|solar|cheap|now [DEVICE]", "how the car charges: not, from own surplus, when it is cheap, at once" },
	    { "ready [DEVICE] --by TIME --energy WH", "so much from now on by then, in the cheapest hours; then as cheap" } },
	  "Without DEVICE it is the only charger. cheap and ready need prices (hearthctl tariff). Only a need said with ready is planned for: without\n"
	  "one, cheap charges from what the sun leaves, and by habit where [plan] ev_habit = yes.\n" ENERGIES TIMES EXAMPLE "ev now\n" EXAMPLE "ev ready --by 07:00 --energy 20kWh\n", false },
	{ "limit", ctl_limit,
	  { { "", "the grid operator's limit in force, and the month's demand target" },
	    { "set [--import W|none] [--export W|none] [--for DURATION|--until TIME]", "sets a limit; none lifts it, a side not named stays as it is" },
	    { "clear", "lifts both" }, { "heartbeat", "tells the agent that the source of limits is alive" } },
	  POWERS DURATIONS TIMES "Without an end it holds until the next one.\n"
	  EXAMPLE "limit set --import 4.2kW --export 0 --until 18:00\n" EXAMPLE "limit set --import none\n", false },
	{ "why", ctl_why,
	  { { "[DEVICE]", "why each device does what it does" }, { "[DEVICE] --history", "what changed in the last 7 days" },
	    { "[DEVICE] --since TIME|DURATION", "the history since then, or since so long ago" } },
	  "--since alone means the history too.\n" DURATIONS "A time is one of the site's time zone: 18:00 (the last one), \"2026-01-15 18:00\", or 2026-01-15T18:00:00Z.\n"
	  EXAMPLE "why battery --since 2h\n", false },
	{ "savings", ctl_savings,
	  { { "[--days N]", "what energy cost and what the battery saved, the last days, 7 unless said" }, { "--month", "month by month, 13 months" },
	    { "--month YYYY-MM", "a month, day by day" } },
	  "Shown: money in the tariff's currency (saved = without battery - bill + stored, the worth of what the batteries hold more at the end),\n"
	  "events in kWh, and of how much of the time both are known.\n"
	  EXAMPLE "savings --days 30\n" EXAMPLE "savings --month 2026-01\n", false },
	{ "log", ctl_log, { { "[N]", "the agent's last N log lines, 50 unless said" } }, EXAMPLE "log 20\n", false },
	{ "config", ctl_config, { { "check [FILE]", "checks a configuration; needs no agent" }, { "show [FILE]", "the effective one, with defaults and units" } },
	  "FILE is /etc/hearth/hearth.conf unless said.\n" EXAMPLE "config check\n", false },
	{ "reload", ctl_reload, { { "", "the agent reads its configuration again" } }, EXAMPLE "reload\n", true },
	{ "dump", ctl_dump, { { "", "everything the agent knows, as JSON (no secrets)" } }, EXAMPLE "dump\n", true },
	{ "ping", ctl_ping, { { "", "is the agent there" } }, EXAMPLE "ping\n", true },
	{ "version", ctl_version, { { "", "versions of hearthctl and of the agent" } }, EXAMPLE "version\n", true },
	{ "simulate", ctl_simulate,
	  { { "SCENARIO|FILE|- [--days N] [--seed N] [--csv FILE] [--html FILE] [--quiet]", "what Hearth would save in a home that is described; needs no agent" },
	    { "--list", "the scenarios that came with Hearth" },
	    { "--history DURATION --battery WH [--power W] [--csv FILE] [--html FILE] [--quiet]", "what a battery would have saved, by what the hub has recorded" } },
	  "SCENARIO is a name of the list; FILE is JSON as hearth-scenario(5) describes it.\n" ENERGIES POWERS DURATIONS
	  "Without --power the battery takes half its capacity in an hour. --csv - and --html - write to standard output instead of the table.\n"
	  EXAMPLE "simulate two-rate-week --days 2\n" EXAMPLE "simulate --history 30d --battery 10kWh\n", true },
	/* The rest of the contract: known, not built yet. */
	{ .name = "programs" }, { .name = "enroll" }, { .name = "unenroll" }, { .name = "commission" }, { .name = "connect" },
	{ .name = "portal" }, { .name = "backup" }, { .name = "restore" }, { .name = "tls" },
	{ .name = "user" }, { .name = "selftest" }, { .name = "decommission" }, { .name = "probe" },
	{ .name = NULL },
};

#define WORDS_WIDE 42 /* the help stands beside them, else below */

static void print_forms(const struct ctl_verb *v, FILE *out)
{
	for (const struct ctl_form *f = v->form; f->words; f++) {
		char head[120];
		int n = snprintf(head, sizeof(head), "%s%s%s", v->name, f->words[0] ? " " : "", f->words);

		if (n > WORDS_WIDE)
			fprintf(out, "  %s\n  %-*s  %s\n", head, WORDS_WIDE, "", f->help);
		else
			fprintf(out, "  %-*s  %s\n", WORDS_WIDE, head, f->help);
	}
}

void ctl_help(FILE *out)
{
	fputs("Usage: hearthctl [--host H] [--port P] [--username U] [--password-file F] [--site ID] [--root R] [--json]\n"
	      "                 [--timeout S] VERB ...\n\n", out);
	for (const struct ctl_verb *v = CTL_VERBS; v->name; v++)
		if (v->run)
			print_forms(v, out);
	fputs("\n'hearthctl VERB --help' tells more: units, what a number without a unit means, an example.\n"
	      "Defaults for the options may stand in " CTL_SETTINGS " (key = value).\n"
	      "Exit: 0 done, 1 refused or failed, 2 usage, 3 broker or agent not reachable, 78 configuration.\n", out);
}

void ctl_verb_help(const struct ctl_verb *v, FILE *out)
{
	fputs("Usage: hearthctl [OPTION]... and one of\n", out);
	print_forms(v, out);
	fprintf(out, "%s%s", v->about && v->about[0] ? "\n" : "", v->about ? v->about : "");
}

int ctl_usage_of(const struct ctl *c, const char *word)
{
	fprintf(stderr, "hearthctl: %s: '%s' is not understood\n", c->verb->name, word);
	return ctl_usage(c);
}

int ctl_usage(const struct ctl *c)
{
	for (const struct ctl_form *f = c->verb->form; f->words; f++)
		fprintf(stderr, "usage: hearthctl %s%s%s\n", c->verb->name, f->words[0] ? " " : "", f->words);
	fprintf(stderr, "Try 'hearthctl %s --help'.\n", c->verb->name);
	return CTL_USAGE;
}
