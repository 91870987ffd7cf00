/* limit.set: what the grid operator asks for. In force at once; the answer waits until it is on disk. */
#include "flow/hub.h"
#include "flow/local/request.h"
#include "flow/local/verbs.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ", import 4200 W" when silence puts a side's failsafe limit in the place of what was said of it now. */
static const char *after_silence(const cJSON *said, const char *side, double failsafe_w, char out[40])
{
	out[0] = '\0';
	if (said && !isnan(failsafe_w) && !(cJSON_IsNumber(said) && said->valuedouble <= failsafe_w))
		snprintf(out, 40, ", %s %.0f W", side, failsafe_w);
	return out;
}

/* What the answer warns of: an end by a clock nobody vouches for is none yet, and without heartbeats the failsafe limits count. */
cJSON *verb_limit_answer(const struct request *rq)
{
	const struct config_site *c = &rq->hub->cfg.site;
	char import[40], export[40], words[240] = "";
	cJSON *o = cJSON_CreateObject();
	size_t n = 0;

	after_silence(cJSON_GetObjectItemCaseSensitive(rq->args, "import_w"), "import", c->limit_failsafe_import_w, import);
	after_silence(cJSON_GetObjectItemCaseSensitive(rq->args, "export_w"), "export", c->limit_failsafe_export_w, export);
	if (cJSON_IsString(cJSON_GetObjectItemCaseSensitive(rq->args, "until")) && !rq->hub->clock_trusted)
		n = (size_t)snprintf(words, sizeof(words), "the clock is not trusted: it holds until that is, and then until its end");
	if (c->limit_heartbeat_s > 0 && (import[0] || export[0]))
		snprintf(words + n, sizeof(words) - n, "%sit holds while heartbeats come, at least every %d s; else the failsafe limit%s%s", n ? "; " : "",
			 c->limit_heartbeat_s, import, export);
	if (words[0])
		cJSON_AddStringToObject(o, "warning", words);
	return o;
}

static void on_stored(void *context, int status)
{
	struct request *rq = context;

	if (status < 0)
		request_error(rq, "unavailable", "in force, but it could not be stored: %s", strerror(-status));
	else
		request_ok(rq, verb_limit_answer(rq));
}

void verb_limit_heard(const struct request *rq)
{
	struct limit_message m = { .w = { NAN, NAN } };

	snprintf(m.source, sizeof(m.source), "%s", rq->user[0] ? rq->user : "hub");
	outside_limit(rq->hub->outside, &m, NULL);
}

bool verb_limit_tighten(const struct request *rq)
{
	struct limit_message m;
	struct errbuf err = { "" };
	int r = limit_message_parse(rq->args, &m, &err);

	if (r == 0) {
		snprintf(m.source, sizeof(m.source), "%s", rq->user[0] ? rq->user : "hub");
		r = outside_tighten(rq->hub->outside, &m, &err);
	}
	if (r > 0 && r & LIMIT_CHANGED)
		tick_now(rq->hub->tick);
	return r >= 0;
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
