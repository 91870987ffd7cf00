/* So much of a thing a minute for each name, the rest is only counted: nobody can fill a log by being refused. Pure. */
#ifndef HEARTH_CORE_ALLOWANCE_H
#define HEARTH_CORE_ALLOWANCE_H

#include <stdint.h>

#define ALLOWANCE_NAMES 16 /* who comes later within the minute shares one account */
#define ALLOWANCE_MAX 20   /* a minute */
#define ALLOWANCE_MS 60000
#define ALLOWANCE_NAME_MAX 33

struct allowance {
	struct allowance_account {
		char name[ALLOWANCE_NAME_MAX];
		int64_t since_ms;
		int said, held;
	} at[ALLOWANCE_NAMES + 1]; /* the last one is the others' */
};

/** May one more of @name's be said? -1 = no; else how many were held back since the last that was said. @a is zeroed at first. */
int allowance_ask(struct allowance *a, const char *name, int64_t now_ms);

#endif
