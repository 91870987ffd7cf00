/* The floor a battery shall keep by itself, for the time when nobody tells it. */
#ifndef HEARTH_POLICIES_MIRROR_H
#define HEARTH_POLICIES_MIRROR_H

#include "core/snapshot.h"

/** What goes into the device's own reserve register, whole percent; 0 = leave it alone. */
float mirror_reserve_pct(const struct snapshot *s, const struct snap_device *d);

#endif
