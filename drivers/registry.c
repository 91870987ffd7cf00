/* The explicit list of drivers and who serves which profile; see driver.h. A driver that is not in the list is not used. */
#include "drivers/registry.h"

#include "core/json.h"
#include "core/snapshot.h"

#include <string.h>

#define SCHEMA "hub-device-profile/1"

const struct driver *const DRIVERS[] = { &DRIVER_PROFILE, &DRIVER_SUNSPEC, &DRIVER_SKELETON, NULL };

/* What a word of `kind` and `also` lets a device be. An inverter is sun, a meter may stand anywhere. */
static const struct {
	const char *word;
	uint32_t roles;
} ROLES[] = {
	{ "battery", ROLE_BATTERY },        { "inverter", ROLE_PV },     { "pv", ROLE_PV },
	{ "meter", ROLE_GRID | ROLE_LOAD }, { "charger", ROLE_CHARGER },
};

static const struct driver *driver_by_name(const char *name)
{
	for (int i = 0; DRIVERS[i]; i++)
		if (!strcmp(DRIVERS[i]->name, name))
			return DRIVERS[i];
	return NULL;
}

/* The profile's text at @key, or NULL. Borrowed from @o. */
static const char *text_of(const cJSON *o, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));
}

static cJSON *profile_open(const char *json, size_t len)
{
	cJSON *root = json ? json_parse(json, len, PROFILE_JSON_MAX, PROFILE_DEPTH_MAX, NULL) : NULL;
	const char *schema = text_of(root, "schema");

	if (schema && !strcmp(schema, SCHEMA))
		return root;
	cJSON_Delete(root);
	return NULL;
}

const struct driver *driver_for_profile(const char *profile, const char *json, size_t len)
{
	const char *driver, *addressing;

	if (!json) /* a driver that needs no file: "sunspec" discovers, "skeleton" is the template */
		return profile && strcmp(profile, DRIVER_PROFILE.name) ? driver_by_name(profile) : NULL;

	AUTO_JSON *root = profile_open(json, len);
	if (!root)
		return NULL;
	driver = text_of(root, "driver"); /* optional key: names a driver outright */
	if (driver)
		return driver_by_name(driver);
	addressing = text_of(cJSON_GetObjectItemCaseSensitive(root, "transport"), "addressing");
	if ((addressing && !strcmp(addressing, "sunspec")) || (profile && !strcmp(profile, "sunspec")))
		return &DRIVER_SUNSPEC;
	return &DRIVER_PROFILE;
}

static uint32_t role_of(const char *word)
{
	for (size_t i = 0; word && i < sizeof(ROLES) / sizeof(ROLES[0]); i++)
		if (!strcmp(ROLES[i].word, word))
			return ROLES[i].roles;
	return 0;
}

uint32_t driver_profile_roles(const char *json, size_t len)
{
	AUTO_JSON *root = profile_open(json, len);
	const cJSON *word;
	uint32_t roles;

	if (!root)
		return 0;
	roles = role_of(text_of(root, "kind"));
	if (!roles) /* `also` alone makes no device */
		return 0;
	cJSON_ArrayForEach(word, cJSON_GetObjectItemCaseSensitive(root, "also")) roles |=
		role_of(cJSON_GetStringValue(word));
	return roles;
}
