/* Time zones of the system (tzdata through libc) as plain tables. */
#ifndef HEARTH_IO_ZONE_H
#define HEARTH_IO_ZONE_H

#include "core/calendar.h"
#include "core/err.h"

#include <stdbool.h>
#include <stddef.h>

/** Fills the table for 2020..2045. Sets TZ while it works: call from the loop's thread only. -ENOENT: unknown zone. */
int zone_load(const char *name, struct zone *out, struct errbuf *err);

/** Whether the system knows the zone; if not, the most similar name goes to @nearest ("" = none). */
bool zone_known(const char *name, char *nearest, size_t nearest_size);

#endif
