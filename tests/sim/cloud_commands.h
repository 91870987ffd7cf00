/* Commands of the control port that concern the mock clouds; packaging/man/hearth-sim.1 describes them. */
#ifndef HEARTH_SIM_CLOUD_COMMANDS_H
#define HEARTH_SIM_CLOUD_COMMANDS_H

#include "sim/cloud.h"

typedef cJSON *cloud_command_fn(struct clouds *c, const cJSON *q, struct errbuf *err);

/** The function of this name, NULL when there is none. What it returns NULL for has changed nothing. */
cloud_command_fn *cloud_command_find(const char *name);
/** Those that concern Flip's own affairs (cloud_flip_commands.c). */
cloud_command_fn *cloud_flip_command_find(const char *name);

#endif
