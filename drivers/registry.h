/* The drivers there are, and the limits of a profile file. */
#ifndef HEARTH_DRIVERS_REGISTRY_H
#define HEARTH_DRIVERS_REGISTRY_H

#include "drivers/driver.h"

#define PROFILE_JSON_MAX 131072 /* bytes of one profile file */
#define PROFILE_DEPTH_MAX 12

extern const struct driver DRIVER_PROFILE, DRIVER_SUNSPEC, DRIVER_SKELETON;

#endif
