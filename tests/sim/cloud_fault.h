/* Faults of a mock cloud: which request goes wrong, and how. Pure. */
#ifndef HEARTH_SIM_CLOUD_FAULT_H
#define HEARTH_SIM_CLOUD_FAULT_H

#include <stdbool.h>
#include <stdint.h>

#define CLOUD_FAULTS_MAX 16

enum cloud_fault_kind {
	CLOUD_FAULT_STATUS,   /* 401, 403, 404, 422, 429, 500, 503, ...: code */
	CLOUD_FAULT_SLOW,     /* the right answer in eight pieces, ms apart */
	CLOUD_FAULT_CUT,      /* half of the right answer, then the connection is closed */
	CLOUD_FAULT_CLOSE,    /* closed before the first byte of the answer */
	CLOUD_FAULT_GARBAGE,  /* 200, bytes that are no JSON */
	CLOUD_FAULT_HTML,     /* 200, a page */
	CLOUD_FAULT_ERROR200, /* 200, with the cloud's error object */
	CLOUD_FAULT_HUGE,     /* 200, 8 MiB of JSON */
	CLOUD_FAULT_REDIRECT, /* 302 to /redirected of the same server */
	CLOUD_FAULT_EMPTY     /* 200, no body */
};

struct cloud_fault {
	enum cloud_fault_kind kind;
	int code; /* of CLOUD_FAULT_STATUS */
	int left; /* requests it still hits; 0 = until cleared */
	bool counted;
	int64_t until_ms;  /* monotonic; 0 = no end */
	int retry_after_s; /* -1 = no such header */
	bool retry_date;   /* that header as a date */
	int ms;            /* of CLOUD_FAULT_SLOW */
	bool carried_out;  /* the request takes effect all the same */
	char path[128];    /* prefix of the targets it hits; "" = all */
};

struct cloud_faults {
	int n;
	struct cloud_fault row[CLOUD_FAULTS_MAX];
};

/** "401" .. "599", "slow", "cut", ...: sets kind, code and the default of carried_out. -EINVAL for others. */
int cloud_fault_by_name(const char *name, struct cloud_fault *out);
/** Takes the place of the faults of the same path, or with @behind waits until those are used up. -ENOSPC. */
int cloud_fault_add(struct cloud_faults *f, const struct cloud_fault *fault, bool behind);
/** True and a copy of the fault that hits this request; counts it. */
bool cloud_fault_take(struct cloud_faults *f, const char *target, int64_t now_ms, struct cloud_fault *out);

#endif
