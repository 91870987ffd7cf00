/* What the control port can do: setting the home, faults, reading the truth. */
#ifndef HEARTH_SIM_COMMANDS_H
#define HEARTH_SIM_COMMANDS_H

#include "core/err.h"

#include <cjson/cJSON.h>

struct sim;

/** Carries out one command; returns the answer, or NULL with the reason. Nothing is changed when it fails. */
cJSON *commands_run(struct sim *sim, const char *name, const cJSON *request, struct errbuf *err);

/* For those who write commands. */
/** {"ok":true}, to be added to. */
cJSON *commands_ok(void);
/** Refuses a request with a key nobody reads: a typing error in a test must not pass silently. @keys ends with NULL. */
int commands_keys_known(const cJSON *request, const char *const *keys, struct errbuf *err);

#endif
