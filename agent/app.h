/* The composition root: every part of the agent built in one ordered list and stopped in reverse. */
#ifndef HEARTH_APP_H
#define HEARTH_APP_H

#include "core/config.h"

/**
 * Runs the agent until SIGTERM or SIGINT; devices are released before it returns (at most 5 s).
 * @path  of the configuration, for reloads
 * Returns the exit code: 0, 1 when a part could not start (said in the log), 78 when the configuration cannot be used.
 */
int app_run(const char *path, const struct config *cfg);

#endif
