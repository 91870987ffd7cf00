/* See field.h. */
#include "core/field.h"

#include <string.h>

static const struct field_info FIELDS[F_COUNT] = {
#define X(sym, kind, name, unit, min, max, decimals, dead_band) \
	[F_##sym] = { KIND_##kind, name, unit, min, max, decimals, dead_band },
	FIELD_LIST(X)
#undef X
};

static const char *const KIND_NAMES[KIND_COUNT] = { "battery", "pv", "meter", "charger", "inverter" };

static const struct {
	enum field field;
	const char *words[8];
} WORDS[] = {
	{ F_BATTERY_STATE, { "off", "idle", "charging", "discharging", "full", "empty", "fault", NULL } },
	{ F_BATTERY_CONTROL, { "auto", "hold", "hold_discharge", "hold_charge", "power", "foreign", NULL } },
	{ F_CHARGER_STATE, { "A", "B", "C", "D", "E", "F", NULL } },
	{ F_INVERTER_STATE, { "off", "sleeping", "starting", "running", "throttled", "standby", "fault", NULL } },
	{ F_PV_STATE, { "off", "sleeping", "starting", "running", "throttled", "standby", "fault", NULL } },
};

const struct field_info *field_info(enum field f)
{
	return &FIELDS[f];
}

const char *kind_name(enum kind kind)
{
	for (int i = 0; i < KIND_COUNT; i++)
		if (kind == (enum kind)(1 << i))
			return KIND_NAMES[i];
	return "unknown";
}

enum field field_by_name(const char *name)
{
	for (int f = 0; f < F_COUNT; f++) {
		const char *kind = kind_name(FIELDS[f].kind);
		size_t n = strlen(kind);

		if (!strncmp(name, kind, n) && name[n] == '.' && !strcmp(name + n + 1, FIELDS[f].name))
			return (enum field)f;
	}
	return F_COUNT;
}

const char *field_word(enum field f, int number)
{
	for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
		if (WORDS[i].field == f)
			return number >= 0 && number < 7 ? WORDS[i].words[number] : NULL;
	return NULL;
}

int field_number(enum field f, const char *word)
{
	for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
		for (int n = 0; WORDS[i].field == f && WORDS[i].words[n]; n++)
			if (!strcmp(WORDS[i].words[n], word))
				return n;
	return -1;
}
