/* The functions behind the verbs; each answers its request exactly once (request_ok or request_error). */
#ifndef HEARTH_FLOW_LOCAL_VERBS_H
#define HEARTH_FLOW_LOCAL_VERBS_H

#include "core/json.h"

#include <stdbool.h>

struct request;

/* verbs_info.c, verbs_why.c: read only */
void verb_ping(struct request *rq);
void verb_state_get(struct request *rq);
void verb_why(struct request *rq);
void verb_dump(struct request *rq);
void verb_events_list(struct request *rq);

/* verbs_history.c: read only */
void verb_history_get(struct request *rq);
void verb_savings_get(struct request *rq);

/* verbs_owner.c: changes by the owner; the answer waits for the commit */
void verb_reserve_set(struct request *rq);
void verb_override_set(struct request *rq);
void verb_override_clear(struct request *rq);
void verb_pause(struct request *rq);
void verb_ev_set(struct request *rq);
void verb_event_participate(struct request *rq);

/* verbs_limit.c: the grid operator */
void verb_limit_set(struct request *rq);
/** A limit.set that was said again: no more than a heartbeat. Answers nothing. */
void verb_limit_heard(const struct request *rq);
/** A limit.set whose transaction cannot be remembered: in force at once when it only takes away, and true. Answers nothing. */
bool verb_limit_tighten(const struct request *rq);
/** What the good answer says; the caller owns it. */
cJSON *verb_limit_answer(const struct request *rq);

/* verbs_forecast.c: a forecast made elsewhere */
void verb_forecast_set(struct request *rq);

/* verbs_agent.c: the agent itself */
void verb_plan_refresh(struct request *rq);
void verb_config_reload(struct request *rq);
void verb_outbox_retry(struct request *rq);
void verb_tariff_refresh(struct request *rq);

#endif
