/* Faults of a mock cloud: see cloud_fault.h. */
#include "sim/cloud_fault.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int cloud_fault_by_name(const char *name, struct cloud_fault *out)
{
	static const struct {
		const char *name;
		enum cloud_fault_kind kind;
		bool carried_out;
	} NAMES[] = {
		{ "slow", CLOUD_FAULT_SLOW, true },    { "cut", CLOUD_FAULT_CUT, true },
		{ "close", CLOUD_FAULT_CLOSE, false }, { "garbage", CLOUD_FAULT_GARBAGE, false },
		{ "html", CLOUD_FAULT_HTML, false },   { "error200", CLOUD_FAULT_ERROR200, false },
		{ "huge", CLOUD_FAULT_HUGE, false },   { "redirect", CLOUD_FAULT_REDIRECT, false },
		{ "empty", CLOUD_FAULT_EMPTY, false },
	};
	char *end;
	long code = strtol(name, &end, 10);

	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
		if (strcmp(NAMES[i].name, name) == 0) {
			out->kind = NAMES[i].kind;
			out->carried_out = NAMES[i].carried_out;
			return 0;
		}
	if (end == name || *end || code < 400 || code > 599)
		return -EINVAL;
	out->kind = CLOUD_FAULT_STATUS;
	out->code = (int)code;
	out->carried_out = false;
	return 0;
}

static void drop(struct cloud_faults *f, int i)
{
	f->n--;
	memmove(&f->row[i], &f->row[i + 1], (size_t)(f->n - i) * sizeof(f->row[0]));
}

int cloud_fault_add(struct cloud_faults *f, const struct cloud_fault *fault, bool behind)
{
	for (int i = f->n - 1; i >= 0 && !behind; i--)
		if (strcmp(f->row[i].path, fault->path) == 0)
			drop(f, i);
	if (f->n == CLOUD_FAULTS_MAX)
		return -ENOSPC;
	f->row[f->n++] = *fault;
	return 0;
}

bool cloud_fault_take(struct cloud_faults *f, const char *target, int64_t now_ms, struct cloud_fault *out)
{
	for (int i = 0; i < f->n;) {
		struct cloud_fault *row = &f->row[i];

		if (row->until_ms && now_ms >= row->until_ms) {
			drop(f, i);
			continue;
		}
		if (strncmp(target, row->path, strlen(row->path)) != 0) {
			i++;
			continue;
		}
		*out = *row;
		if (row->counted && --row->left == 0)
			drop(f, i);
		return true;
	}
	return false;
}
