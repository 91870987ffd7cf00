/* See quantity.h. The units are a table; a text is walked by hand first, because strtod would take "0x10", "inf" and "1e9". */
#include "core/quantity.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DURATION_MAX_S (3650. * 86400) /* as core/calendar */
#define DIGITS_MAX 15 /* what a double holds exactly */

/* Of one quantity in falling order: a duration's parts fall too. The first name of each is the one we show. */
static const struct unit {
	enum quantity what;
	const char *name;
	double factor;
	bool exact; /* in other letters it is another unit: mW, months */
} UNITS[] = {
	{ QUANTITY_POWER, "MW", 1e6, true },
	{ QUANTITY_POWER, "kW", 1e3, false },
	{ QUANTITY_POWER, "W", 1, false },
	{ QUANTITY_ENERGY, "MWh", 1e6, true },
	{ QUANTITY_ENERGY, "kWh", 1e3, false },
	{ QUANTITY_ENERGY, "Wh", 1, false },
	{ QUANTITY_DURATION, "d", 86400, false },
	{ QUANTITY_DURATION, "h", 3600, false },
	{ QUANTITY_DURATION, "min", 60, false },
	{ QUANTITY_DURATION, "m", 60, true },
	{ QUANTITY_DURATION, "s", 1, false },
	{ QUANTITY_PERCENT, "%", 1, false },
};
#define UNITS_COUNT (sizeof(UNITS) / sizeof(UNITS[0]))

static const char *const ALLOWED[] = {
	[QUANTITY_POWER] = "a number with W, kW or MW (4200, 4200W, 4.2kW); without a unit it is W",
	[QUANTITY_ENERGY] = "a number with Wh, kWh or MWh (20000, 20000Wh, 20kWh); without a unit it is Wh",
	[QUANTITY_DURATION] = "whole seconds, 1 s to 3650 d, as numbers with s, min (m), h or d, the larger first (90s, 45min, 1.5h, 1h30m, 2d); "
			      "without a unit it is seconds",
	[QUANTITY_PERCENT] = "a number with % or without (30, 30%)",
};

const char *quantity_allowed(enum quantity what)
{
	return ALLOWED[what];
}

/* Digits, perhaps a point and digits. Moves *p on. */
static bool take_number(const char **p, double *out)
{
	size_t n = strspn(*p, "0123456789"), fraction;
	char text[DIGITS_MAX + 2];

	if (n == 0)
		return false;
	if ((*p)[n] == '.') {
		fraction = strspn(*p + n + 1, "0123456789");
		if (fraction == 0)
			return false;
		n += 1 + fraction;
	}
	if (n > DIGITS_MAX)
		return false;
	snprintf(text, sizeof(text), "%.*s", (int)n, *p);
	*out = strtod(text, NULL);
	*p += n;
	return true;
}

/* The unit that begins at *p, one blank before it allowed; the letters up to the next digit are its name. NULL: none, or none known. */
static const struct unit *take_unit(enum quantity what, const char **p)
{
	const char *name = *p + (**p == ' ');
	const size_t n = strcspn(name, "0123456789. ");

	for (size_t i = 0; i < UNITS_COUNT; i++) {
		const struct unit *u = &UNITS[i];

		if (u->what != what || strlen(u->name) != n || (u->exact ? strncmp(name, u->name, n) : strncasecmp(name, u->name, n)) != 0)
			continue;
		*p = name + n;
		return u;
	}
	return NULL;
}

static bool parse(enum quantity what, const char *text, double *out)
{
	const struct unit *u, *before = NULL;
	const char *p = text;
	double total = 0, v;

	if (!take_number(&p, &total))
		return false;
	if (*p == '\0') {
		*out = total;
		return true;
	}
	for (v = total, total = 0;;) {
		u = take_unit(what, &p);
		if (!u || (before && u->factor >= before->factor))
			return false;
		total += v * u->factor;
		before = u;
		if (*p == '\0')
			break;
		if (what != QUANTITY_DURATION)
			return false;
		p += *p == ' ';
		if (!take_number(&p, &v))
			return false;
	}
	*out = total;
	return true;
}

int quantity_parse(enum quantity what, const char *text, double *out, struct errbuf *err)
{
	double v;

	if (!parse(what, text, &v) || (what == QUANTITY_DURATION && (v < 0.5 || v > DURATION_MAX_S || fabs(v - round(v)) > 1e-6)))
		return errbuf_set(err, -EINVAL, "'%.40s' is not understood, allowed: %s", text, ALLOWED[what]);
	if (what == QUANTITY_DURATION)
		v = round(v);
	*out = v;
	return 0;
}

static void duration_text(double s, char out[QUANTITY_TEXT_MAX])
{
	size_t n = 0;

	out[0] = '\0';
	for (size_t i = 0; i < UNITS_COUNT; i++) {
		const struct unit *u = &UNITS[i];
		const double whole = floor(s / u->factor);

		if (u->what != QUANTITY_DURATION || whole < 1 || n >= QUANTITY_TEXT_MAX)
			continue;
		n += (size_t)snprintf(out + n, QUANTITY_TEXT_MAX - n, "%s%.0f %s", n ? " " : "", whole, u->name);
		s -= whole * u->factor;
	}
	if (n == 0)
		snprintf(out, QUANTITY_TEXT_MAX, "%g s", s);
}

const char *quantity_text(enum quantity what, double v, char out[QUANTITY_TEXT_MAX])
{
	switch (what) {
	case QUANTITY_POWER: /* never scaled: limits are compared with what meters say */
		snprintf(out, QUANTITY_TEXT_MAX, "%.10g W", v);
		break;
	case QUANTITY_ENERGY:
		snprintf(out, QUANTITY_TEXT_MAX, v >= 1000 ? "%.10g kWh" : "%.10g Wh", v >= 1000 ? v / 1000 : v);
		break;
	case QUANTITY_DURATION:
		duration_text(v, out);
		break;
	case QUANTITY_PERCENT:
		snprintf(out, QUANTITY_TEXT_MAX, "%.10g %%", v);
		break;
	}
	return out;
}
