/* forecast.set: a forecast made elsewhere. In force at once; the answer waits until it is on disk. */
#include "flow/hub.h"
#include "flow/local/request.h"
#include "flow/local/verbs.h"
#include "io/loop.h"

#include <errno.h>
#include <string.h>

static cJSON *answer(const struct request *rq)
{
	const struct forecast_push *p = &forecasting_now(rq->hub->forecasting)->push;
	cJSON *o = cJSON_CreateObject();

	cJSON_AddNumberToObject(o, "load", p->n_load);
	cJSON_AddNumberToObject(o, "pv", p->n_pv);
	json_add_time(o, "pushed_until", forecast_push_end(p));
	return o;
}

static void on_stored(void *context, uint64_t ticket, int status)
{
	struct request *rq = context;

	(void)ticket;
	if (status < 0)
		request_error(rq, "unavailable", "in force, but it could not be stored: %s", strerror(-status));
	else
		request_ok(rq, answer(rq));
}

void verb_forecast_set(struct request *rq)
{
	struct hub *h = rq->hub;
	struct errbuf err = { "" };
	int r = forecasting_set(h->forecasting, rq->args, loop_utc_ms(), on_stored, rq, &err);

	if (r != -EINVAL)
		hub_replan(h, "another forecast");
	if (r < 0)
		request_error(rq, r == -EINVAL ? "bad_request" : "unavailable", "%s", err.text);
}
