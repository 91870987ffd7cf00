/* See device.h. */
#include "core/device.h"

static const char *const AVAILABILITY[] = { "unknown", "online", "offline", "fault" };
static const char *const VERDICT[] = { "none", "pending", "applied", "clamped", "refused", "ignored", "foreign" };
static const char *const GUARDED_BY[] = { "none", "device", "safe_state" };
static const char *const QUALITY[] = { "absent", "bad", "stale", "unverified", "derived", "good" };

const char *availability_word(enum availability a)
{
	return AVAILABILITY[a];
}

const char *verdict_word(enum verdict v)
{
	return VERDICT[v];
}

const char *guarded_by_word(enum guarded_by g)
{
	return GUARDED_BY[g];
}

const char *quality_word(enum quality q)
{
	return QUALITY[q];
}
