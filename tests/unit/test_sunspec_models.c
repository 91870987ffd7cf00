/* Our model tables against the official model files, when HEARTH_SUNSPEC_DIR names a folder with them (they are not part
 * of this repository): every name, offset, type and scale factor. Without the folder only the tables' own sense is checked.
 */
#include "core/json.h"
#include "drivers/sunspec/model.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (1 << 20)

static const struct {
	const char *official;
	enum reg_type type;
	bool counter;
} TYPES[] = {
	{ "int16", REG_INT16, false },       { "uint16", REG_UINT16, false },   { "enum16", REG_ENUM16, false },
	{ "bitfield16", REG_BITS16, false }, { "sunssf", REG_INT16, false },    { "count", REG_UINT16, false },
	{ "int32", REG_INT32, false },       { "uint32", REG_UINT32, false },   { "bitfield32", REG_BITS32, false },
	{ "acc32", REG_UINT32, true },       { "float32", REG_FLOAT32, false }, { "uint64", REG_UINT64, false },
	{ "string", REG_STRING, false },
};

static const char *text(const cJSON *o, const char *key)
{
	const char *t = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));

	return t ? t : "";
}

/* Offset of a point in the order of the file, blocks flattened once; -1. */
static int place(const cJSON *group, const char *name, int *offset, const cJSON **found)
{
	const cJSON *p, *g;

	cJSON_ArrayForEach(p, cJSON_GetObjectItemCaseSensitive(group, "points"))
	{
		if (!strcmp(text(p, "name"), name)) {
			*found = p;
			return *offset;
		}
		*offset += (int)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(p, "size"));
	}
	cJSON_ArrayForEach(g, cJSON_GetObjectItemCaseSensitive(group, "groups"))
	{
		int at = place(g, name, offset, found);

		if (at >= 0)
			return at;
	}
	return -1;
}

static void check_point(const struct sunspec_model *m, const struct sunspec_point *p, const cJSON *group)
{
	const cJSON *official = NULL, *sf = NULL;
	int offset = 0, sf_offset = 0, at = place(group, p->name, &offset, &official);
	const char *sf_name;
	bool typed = false;

	if (at != p->offset)
		fail_msg("model %d %s: ours +%d, official +%d", m->id, p->name, p->offset, at);
	for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++)
		typed |= !strcmp(TYPES[i].official, text(official, "type")) && TYPES[i].type == p->type &&
			 TYPES[i].counter == p->counter;
	if (!typed)
		fail_msg("model %d %s: type is %s", m->id, p->name, text(official, "type"));
	sf_name = text(official, "sf");
	at = *sf_name ? place(group, sf_name, &sf_offset, &sf) : 0;
	if (at != p->sf)
		fail_msg("model %d %s: scale factor ours +%d, official %s +%d", m->id, p->name, p->sf, sf_name, at);
	if (p->type == REG_STRING)
		assert_int_equal(p->words, (int)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(official, "size")));
}

static void test_against_official_files(void **state)
{
	const char *folder = getenv("HEARTH_SUNSPEC_DIR");
	const struct sunspec_model *models;
	int n;

	(void)state;
	if (!folder || !*folder) {
		printf("SKIPPED: HEARTH_SUNSPEC_DIR is not set; the official SunSpec model files were not compared\n");
		skip();
	}
	models = sunspec_models(&n);
	for (int i = 0; i < n; i++) {
		char path[512];
		char *json = malloc(FILE_MAX);
		size_t len;
		FILE *f;

		snprintf(path, sizeof(path), "%s/model_%d.json", folder, models[i].id);
		f = fopen(path, "rb");
		if (!json || !f)
			fail_msg("cannot read %s", path);
		len = fread(json, 1, FILE_MAX, f);
		fclose(f);
		AUTO_JSON *root = json_parse(json, len, FILE_MAX, 16, NULL);
		assert_non_null(root);
		for (int k = 0; k < models[i].n; k++)
			check_point(&models[i], &models[i].points[k], cJSON_GetObjectItemCaseSensitive(root, "group"));
		free(json);
	}
}

/* What one read takes must reach every point and every scale factor, or they would read as missing for ever. */
static void test_spans(void **state)
{
	const struct sunspec_model *models;
	int n;

	(void)state;
	models = sunspec_models(&n);
	for (int i = 0; i < n; i++) {
		assert_true(models[i].span <= REQUEST_WORDS_MAX);
		for (int k = 0; k < models[i].n; k++) {
			const struct sunspec_point *p = &models[i].points[k];
			int words = p->type == REG_STRING ? p->words : reg_words(p->type);

			if (models[i].span && (p->offset + words > models[i].span || p->sf >= models[i].span))
				fail_msg("model %d %s lies outside its span", models[i].id, p->name);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_against_official_files),
		cmocka_unit_test(test_spans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
