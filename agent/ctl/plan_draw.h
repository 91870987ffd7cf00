/* A plan drawn with characters: prices, each battery's power around a zero line and what it stores above its floor, cars, an
 * axis of hours in site time. Reads no clock, no terminal and no environment. */
#ifndef HEARTH_CTL_PLAN_DRAW_H
#define HEARTH_CTL_PLAN_DRAW_H

#include "core/calendar.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

struct plan_draw_options {
	int width;                /* of the terminal, characters; less than 30 counts as 30, more than 240 as 240. Below 50 the
				     numbers stand on lines of their own */
	bool color;
	const struct zone *zone;  /* of the site; NULL = UTC */
	const char *currency;     /* of the prices; NULL = not said */
};

/** Draws @plan (R/plan) line by line to @out; nothing where it has no slots. What is absent is left out. */
void plan_draw(FILE *out, const cJSON *plan, const struct plan_draw_options *o);

#endif
