/* See allowance.h. */
#include "core/allowance.h"

#include <stdio.h>
#include <string.h>

static struct allowance_account *account(struct allowance *a, const char *name, int64_t now_ms)
{
	struct allowance_account *free = NULL;

	for (int i = 0; i < ALLOWANCE_NAMES; i++) {
		struct allowance_account *x = &a->at[i];

		if (x->said && !strcmp(x->name, name))
			return x;
		if (!free && (!x->said || now_ms - x->since_ms >= ALLOWANCE_MS))
			free = x;
	}
	if (!free)
		return &a->at[ALLOWANCE_NAMES];
	*free = (struct allowance_account){ .since_ms = now_ms };
	snprintf(free->name, sizeof(free->name), "%s", name);
	return free;
}

int allowance_ask(struct allowance *a, const char *name, int64_t now_ms)
{
	struct allowance_account *x = account(a, name, now_ms);
	int held = 0;

	if (now_ms - x->since_ms >= ALLOWANCE_MS) {
		x->since_ms = now_ms;
		x->said = 0;
	}
	if (x->said >= ALLOWANCE_MAX) {
		x->held++;
		return -1;
	}
	x->said++;
	held = x->held;
	x->held = 0;
	return held;
}
