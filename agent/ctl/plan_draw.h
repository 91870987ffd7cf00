/* A plan drawn with characters: prices, each battery's power around a zero line and what it stores above its floor, cars, an
 * axis of hours in site time. Reads no clock, no terminal and no environment. */
#ifndef HEARTH_CTL_PLAN_DRAW_H
#define HEARTH_CTL_PLAN_DRAW_H

#include "core/calendar.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdio.h>

struct plan_draw_options {
	int width;                /* of the terminal, characters; less than 50 counts as 50, more than 240 as 240 */
	bool color;
	const struct zone *zone;  /* of the site; NULL = UTC */
};

/** Draws @plan (R/plan) line by line to @out; nothing where it has no slots. What is absent is left out. */
void plan_draw(FILE *out, const cJSON *plan, const struct plan_draw_options *o);

#endif
