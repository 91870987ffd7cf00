/* Verbs about the agent itself: plan again, read the configuration again, try the outbox again. */
#include "flow/hub.h"
#include "flow/local/request.h"
#include "flow/local/verbs.h"
#include "io/loop.h"

#include <errno.h>

void verb_plan_refresh(struct request *rq)
{
	hub_replan(rq->hub, "asked for");
	request_ok(rq, NULL);
}

void verb_config_reload(struct request *rq)
{
	static struct config_errors errors;
	cJSON *data, *changed;

	int r = hub_reload(rq->hub, &errors);

	if (r == -EBUSY) {
		request_error(rq, "busy", "another reload is under way; the file is read once more after it");
		return;
	}
	if (r < 0) {
		request_error(rq, "bad_request", "the old configuration stays in force: %d mistake%s, first: %s", errors.n,
			      errors.n == 1 ? "" : "s", errors.text[0]);
		return;
	}
	data = cJSON_CreateObject();
	changed = cJSON_AddArrayToObject(data, "applied");
	cJSON_AddItemToArray(changed, cJSON_CreateString(rq->hub->config_path));
	request_ok(rq, data);
}

void verb_outbox_retry(struct request *rq)
{
	cJSON *data = cJSON_CreateObject();
	struct hub *h = rq->hub;
	int64_t now_ms = loop_now_ms();

	flip_link_retry(h->flip);
	cJSON_AddNumberToObject(data, "rows", (double)(outbox_retry(h->outbox, now_ms) + (h->backlog ? backlog_retry(h->backlog, now_ms) : 0)));
	request_ok(rq, data);
}

void verb_tariff_refresh(struct request *rq)
{
	struct errbuf err = { "prices are not running" };
	int r = rq->hub->prices ? prices_refresh(rq->hub->prices, &err) : -EAGAIN;

	if (r < 0)
		request_error(rq, r == -EBUSY ? "busy" : "unavailable", "%s", err.text);
	else
		request_ok(rq, NULL);
}
