/* limit.set: what the grid operator asks for. In force at once; the answer waits until it is on disk. */
#include "flow/hub.h"
#include "flow/local/request.h"
#include "flow/local/verbs.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void on_stored(void *context, int status)
{
	struct request *rq = context;

	if (status < 0)
		request_error(rq, "unavailable", "in force, but it could not be stored: %s", strerror(-status));
	else
		request_ok(rq, NULL);
}

void verb_limit_heard(const struct request *rq)
{
	struct limit_message m = { .w = { NAN, NAN } };

	snprintf(m.source, sizeof(m.source), "%s", rq->user[0] ? rq->user : "hub");
	outside_limit(rq->hub->outside, &m, NULL);
}

void verb_limit_set(struct request *rq)
{
	struct hub *h = rq->hub;
	struct limit_message m;
	struct errbuf err = { "" };
	int r = limit_message_parse(rq->args, &m, &err);

	if (r == 0) {
		snprintf(m.source, sizeof(m.source), "%s", rq->user[0] ? rq->user : "hub");
		r = outside_limit(h->outside, &m, &err);
	}
	if (r < 0) {
		request_error(rq, r == -ETIME ? "expired" : "bad_request", "%s", err.text);
		return;
	}
	/* a heartbeat changes nothing, a limit for the next minute the same; ten a second would fill the audit */
	rq->quiet = r == 0 || r & LIMIT_PROLONGED;
	if (r & LIMIT_CHANGED && !(r & LIMIT_PROLONGED))
		tick_now(h->tick); /* first: the device does not wait, the answer does */
	if (!outside_room(h->outside)) {
		request_error(rq, "unavailable", "in force, but too many limits wait for the disk");
		return;
	}
	outside_stored(h->outside, on_stored, rq);
}
