/* Verbs about the agent itself and its configuration. */
#include "core/config_table.h"
#include "ctl/ctl.h"
#include "io/conffile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int ctl_log(struct ctl *c)
{
	int code, skip;
	AUTO_JSON *log = NULL;
	const cJSON *line;
	char *end = "";
	long want = c->argc == 1 ? strtol(c->argv[0], &end, 10) : 50;

	if (c->argc > 1 || want < 1 || *end)
		return ctl_usage_of(c, c->argv[want < 1 || *end ? 0 : 1]);
	log = ctl_state(c, "log", &code);
	if (!log)
		return code;
	for (skip = cJSON_GetArraySize(log); skip > want; skip--)
		cJSON_DeleteItemFromArray(log, 0);
	if (c->json) {
		ctl_print_json(log);
		return CTL_DONE;
	}
	cJSON_ArrayForEach(line, log)
		printf("%s %s %s: %s\n", show_time(line, "at"), show_word(line, "level"), show_word(line, "part"),
		       cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(line, "text")));
	return CTL_DONE;
}

int ctl_reload(struct ctl *c)
{
	return c->argc ? ctl_usage_of(c, c->argv[0]) : ctl_change(c, "config.reload", NULL, "the configuration was read again");
}

int ctl_dump(struct ctl *c)
{
	int code;
	AUTO_JSON *data = NULL;

	if (c->argc)
		return ctl_usage_of(c, c->argv[0]);
	data = ctl_request(c, "dump", NULL, &code);
	if (!data)
		return code;
	ctl_print_json(data);
	return CTL_DONE;
}

int ctl_ping(struct ctl *c)
{
	struct timespec a, b;
	int code;
	AUTO_JSON *data = NULL;

	if (c->argc)
		return ctl_usage_of(c, c->argv[0]);
	clock_gettime(CLOCK_MONOTONIC, &a);
	data = ctl_request(c, "ping", NULL, &code);
	if (!data)
		return code;
	clock_gettime(CLOCK_MONOTONIC, &b);
	if (c->json)
		ctl_print_json(data);
	else
		printf("%s answers, %.0f ms with finding it\n", link_site(c->link),
		       (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6);
	return CTL_DONE;
}

int ctl_version(struct ctl *c)
{
	int code;
	AUTO_JSON *data = NULL;

	if (c->argc)
		return ctl_usage_of(c, c->argv[0]);
	if (!c->json)
		puts("hearthctl " HEARTH_VERSION);
	data = ctl_request(c, "ping", NULL, &code);
	if (!data)
		return code;
	if (c->json) {
		cJSON_AddStringToObject(data, "hearthctl", HEARTH_VERSION);
		ctl_print_json(data);
	} else {
		printf("hearthd %s\n", show_word(data, "version"));
	}
	return CTL_DONE;
}

/* {"ok":bool,"errors":[...]} */
static void print_checked(const struct config_errors *errors)
{
	AUTO_JSON *o = cJSON_CreateObject();
	cJSON *list;

	cJSON_AddBoolToObject(o, "ok", errors->n == 0);
	list = cJSON_AddArrayToObject(o, "errors");
	for (int i = 0; i < errors->n && i < CONFIG_ERRORS_MAX; i++)
		cJSON_AddItemToArray(list, cJSON_CreateString(errors->text[i]));
	ctl_print_json(o);
}

/* {"site": {"id": ...}, "bus": {"house": {...}}, ...}: numbers and yes/no as JSON has them, the rest as it is written, what is not set
 * not at all. */
static void print_config(const struct config *cfg)
{
	AUTO_JSON *o = cJSON_CreateObject();
	char value[2048];

	for (int s = 0; s < CONFIG_SECTIONS; s++) {
		const struct config_section *table = &CONFIG_TABLE[s];
		cJSON *section = s == CS_TARIFF && !cfg->tariff.set ? NULL : cJSON_AddObjectToObject(o, table->name);

		for (int i = 0; section && i < config_instances(cfg, s); i++) {
			const void *base = config_base(cfg, s, i);
			cJSON *one = !table->named ? section : cJSON_AddObjectToObject(section, config_instance_name(cfg, s, i));

			for (int k = 0; k < table->n_rows; k++) {
				const struct config_row *row = &table->rows[k];

				if (!config_row_means(cfg, s, i, row) || !config_value_text(row, base, value, sizeof(value)))
					continue;
				if (row->type == CT_INT || row->type == CT_NUMBER)
					cJSON_AddNumberToObject(one, row->key, strtod(value, NULL));
				else if (row->type == CT_BOOL)
					cJSON_AddBoolToObject(one, row->key, !strcmp(value, "yes"));
				else
					cJSON_AddStringToObject(one, row->key, value);
			}
		}
	}
	ctl_print_json(o);
}

int ctl_config(struct ctl *c)
{
	static struct config cfg;
	static struct config_errors errors;
	const char *path = c->argc == 2 ? c->argv[1] : CONFFILE_DEFAULT;
	bool check = c->argc >= 1 && !strcmp(c->argv[0], "check");
	int r;

	if (c->argc < 1)
		return ctl_usage(c);
	if (c->argc > 2 || (!check && strcmp(c->argv[0], "show") != 0))
		return ctl_usage_of(c, c->argv[!check && strcmp(c->argv[0], "show") != 0 ? 0 : 2]);
	r = conffile_load(path, &cfg, &errors);
	if (c->json && check) {
		print_checked(&errors);
		return r < 0 ? CTL_CONFIG : CTL_DONE;
	}
	if (r < 0) {
		for (int i = 0; i < errors.n && i < CONFIG_ERRORS_MAX; i++)
			fprintf(stderr, "%s\n", errors.text[i]);
		fprintf(stderr, "hearthctl: %d mistake%s\n", errors.n, errors.n == 1 ? "" : "s");
		return CTL_CONFIG;
	}
	if (check)
		printf("%s: fine\n", path);
	else if (c->json)
		print_config(&cfg);
	else
		config_print(&cfg, stdout);
	return CTL_DONE;
}
