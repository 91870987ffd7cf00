/* forecast.set: a forecast made elsewhere. In force at once; the answer waits until it is on disk. */
#include "flow/hub.h"
#include "flow/local/request.h"
#include "flow/local/verbs.h"
#include "io/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* An answer waiting for the commit. It is made before: at a stop the commit comes when the forecast is gone. */
struct waiting {
	struct request *rq;
	cJSON *data;
};

static cJSON *answer(const struct hub *h)
{
	const struct forecast_push *p = &forecasting_now(h->forecasting)->push;
	cJSON *o = cJSON_CreateObject();

	cJSON_AddNumberToObject(o, "load", p->n_load);
	cJSON_AddNumberToObject(o, "pv", p->n_pv);
	json_add_time(o, "pushed_until", forecast_push_end(p));
	return o;
}

static void on_stored(void *context, uint64_t ticket, int status)
{
	struct waiting *w = context;

	(void)ticket;
	if (status < 0) {
		request_error(w->rq, "unavailable", "in force, but it could not be stored: %s", strerror(-status));
		cJSON_Delete(w->data);
	} else {
		request_ok(w->rq, w->data);
	}
	free(w);
}

void verb_forecast_set(struct request *rq)
{
	struct hub *h = rq->hub;
	struct waiting *w = malloc(sizeof(*w));
	struct errbuf err = { "" };
	int r;

	if (!w) {
		request_error(rq, "busy", "no memory");
		return;
	}
	r = forecasting_set(h->forecasting, rq->args, loop_utc_ms(), on_stored, w, &err);
	if (r != -EINVAL)
		hub_replan(h, "another forecast");
	if (r < 0) {
		free(w);
		request_error(rq, r == -EINVAL ? "bad_request" : "unavailable", "%s", err.text);
		return;
	}
	*w = (struct waiting){ rq, answer(h) };
}
