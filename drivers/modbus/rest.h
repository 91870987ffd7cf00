/* When a unit that stays silent may be asked again: it must neither hold up its neighbours nor be given up. Pure; header
 * only, bus.c keeps one for each unit. */
#ifndef HEARTH_DRIVERS_MODBUS_REST_H
#define HEARTH_DRIVERS_MODBUS_REST_H

#include <stdbool.h>
#include <stdint.h>

#define REST_SILENT_MAX 2   /* silences in a row from which on it rests; one may be a hiccup */
#define REST_FIRST_MS 500
#define REST_COMMAND 4      /* commands may come after a quarter of the rest */

struct rest {
	int64_t until_ms;   /* monotonic; 0 = not resting */
	int32_t ms;         /* length of the last rest; doubles with every further silence */
	int silent;         /* in a row */
};

static inline void rest_silent(struct rest *r, int32_t cap_ms, int64_t now_ms)
{
	if (r->silent < REST_SILENT_MAX)
		r->silent++;
	if (r->silent < REST_SILENT_MAX)
		return;
	r->ms = r->ms ? 2 * r->ms : REST_FIRST_MS;
	if (r->ms > cap_ms)
		r->ms = cap_ms;
	r->until_ms = now_ms + r->ms;
}

static inline void rest_answered(struct rest *r)
{
	*r = (struct rest){ 0 };
}

static inline bool rest_over(const struct rest *r, bool command, int64_t now_ms)
{
	return now_ms >= r->until_ms - (command ? r->ms - r->ms / REST_COMMAND : 0);
}

#endif
