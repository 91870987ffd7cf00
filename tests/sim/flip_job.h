/* From a control command to a signed Flip message on its way, and back to an answer. */
#ifndef HEARTH_SIM_FLIP_JOB_H
#define HEARTH_SIM_FLIP_JOB_H

#include "core/err.h"

#include <cjson/cJSON.h>
#include <uv.h>

struct control_client;

/** Starts sending; the answer goes to @client by control_answer(). 0, or negative errno with the reason. */
int flip_job_start(uv_loop_t *loop, const cJSON *request, struct control_client *client, unsigned serial,
		   struct errbuf *err);

#endif
