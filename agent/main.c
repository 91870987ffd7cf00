/* hearthd: command line, configuration, app_run, exit code. */
#include "app.h"
#include "core/config.h"
#include "io/conffile.h"
#include "io/log.h"
#include "links.h"
#include "release.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_USAGE 2
#define EXIT_CONFIG 78 /* EX_CONFIG */

static const char HELP[] =
	"Usage: hearthd [--config FILE] [--check | --release] [--verbose]\n"
	"Steers the batteries, chargers and meters of one home.\n"
	"\n"
	"  -c, --config FILE  configuration (default " CONFFILE_DEFAULT "; conf.d/*.conf beside it is read too)\n"
	"      --check        read and check the configuration, say every mistake, and exit: 0 fine, 78 mistakes\n"
	"      --release      give every device back to its own control, and exit (the service's stop hook)\n"
	"  -v, --verbose      log more\n"
	"      --version      print the version\n"
	"  -h, --help         print this\n";

static int print_errors(const struct config_errors *errors)
{
	int shown = errors->n < CONFIG_ERRORS_MAX ? errors->n : CONFIG_ERRORS_MAX;

	for (int i = 0; i < shown; i++)
		fprintf(stderr, "%s\n", errors->text[i]);
	if (errors->n > shown)
		fprintf(stderr, "... and %d more\n", errors->n - shown);
	fprintf(stderr, "hearthd: %d mistake%s in the configuration\n", errors->n, errors->n == 1 ? "" : "s");
	return EXIT_CONFIG;
}

static int check_done(const char *path, const struct config *cfg)
{
	static char unused[64][CONFIG_UNUSED_TEXT];
	struct errbuf err = { "" };
	int n = config_unused(cfg, unused, 64), r;

	unsetenv("CREDENTIALS_DIRECTORY"); /* systemd names it to ExecReload too, and lets nobody but ExecStart read it */
	r = links_check(cfg, &err);
	for (int i = 0; i < n; i++)
		fprintf(stderr, "note: %s\n", unused[i]);
	if (r == -ENOKEY) { /* the service may well have it as a credential */
		fprintf(stderr, "note: %s (credentials of the service are not seen here)\n", err.text);
	} else if (r < 0) {
		fprintf(stderr, "%s: %s\nhearthd: 1 mistake in the configuration\n", path, err.text);
		return EXIT_CONFIG;
	}
	printf("%s: fine: site %s, %d bus%s, %d device%s\n", path, cfg->site.id, cfg->n_buses, cfg->n_buses == 1 ? "" : "es",
	       cfg->n_devices, cfg->n_devices == 1 ? "" : "s");
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option OPTIONS[] = {
		{ "config", required_argument, NULL, 'c' }, { "check", no_argument, NULL, 'C' }, { "release", no_argument, NULL, 'R' }, { "verbose", no_argument, NULL, 'v' },
		{ "version", no_argument, NULL, 'V' }, { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 },
	};
	static struct config_errors errors;
	static struct config cfg;
	const char *path = CONFFILE_DEFAULT;
	bool check = false, release = false, verbose = false;
	int c;

	while ((c = getopt_long(argc, argv, "c:vh", OPTIONS, NULL)) != -1) {
		switch (c) {
		case 'c':
			path = optarg;
			break;
		case 'C':
			check = true;
			break;
		case 'R':
			release = true;
			break;
		case 'v':
			verbose = true;
			break;
		case 'V':
			puts("hearthd " HEARTH_VERSION);
			return 0;
		case 'h':
			fputs(HELP, stdout);
			return 0;
		default:
			fputs("Try 'hearthd --help'.\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "hearthd: unexpected argument '%s'. Try 'hearthd --help'.\n", argv[optind]);
		return EXIT_USAGE;
	}
	if (conffile_load(path, &cfg, &errors) < 0)
		return print_errors(&errors);
	if (check)
		return check_done(path, &cfg);
	log_open("hearthd", verbose ? LOG_LEVEL_DEBUG : LOG_LEVEL_INFO);
	return release ? release_run(&cfg) : app_run(path, &cfg);
}
