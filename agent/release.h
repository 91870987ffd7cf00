/* hearthd --release: gives every device back to its own control and ends. The stop hook of the service, for when the agent
 * itself could not do it (crash, kill -9). */
#ifndef HEARTH_RELEASE_H
#define HEARTH_RELEASE_H

#include "core/config.h"

/** Returns 0 when every reachable device was read back released within 8 s, else 1. Devices that do not answer are said; a sun's
 *  inverter that never did counts as asleep when the time is over. */
int release_run(const struct config *cfg);

#endif
