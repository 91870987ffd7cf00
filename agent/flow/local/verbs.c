/* The table of verbs: every verb of the contract by name, who may, and what runs it. A verb without a function answers
 * "unavailable". */
#include "flow/local/verbs.h"

#include "flow/local/request.h"

#include <string.h>

const struct verb VERBS[] = {
	{ "ping", USER_VIEWER, false, verb_ping },
	{ "state.get", USER_VIEWER, false, verb_state_get },
	{ "why", USER_VIEWER, false, verb_why },
	{ "dump", USER_INSTALLER, false, verb_dump },
	{ "reserve.set", USER_OWNER, true, verb_reserve_set },
	{ "override.set", USER_OWNER, true, verb_override_set },
	{ "override.clear", USER_OWNER, true, verb_override_clear },
	{ "pause", USER_OWNER, true, verb_pause },
	{ "ev.set", USER_OWNER, true, verb_ev_set },
	{ "event.participate", USER_OWNER, true, verb_event_participate },
	{ "events.list", USER_VIEWER, false, verb_events_list },
	{ "history.get", USER_VIEWER, false, verb_history_get },
	{ "savings.get", USER_VIEWER, false, verb_savings_get },
	{ "plan.refresh", USER_OWNER, true, verb_plan_refresh },
	{ "tariff.refresh", USER_OWNER, true, verb_tariff_refresh },
	{ "config.reload", USER_INSTALLER, true, verb_config_reload },
	{ "outbox.retry", USER_OWNER, true, verb_outbox_retry },

	{ "programs.list", USER_VIEWER, false, NULL },
	{ "commission", USER_INSTALLER, true, NULL },
	{ "enroll", USER_OWNER, true, NULL },
	{ "unenroll", USER_OWNER, true, NULL },
	{ "enrollments.list", USER_VIEWER, false, NULL },
	{ "portal.link", USER_OWNER, true, NULL },
	{ "connect.start", USER_OWNER, true, NULL },
	{ "connect.answer", USER_OWNER, true, NULL },
	{ "connect.restore", USER_OWNER, true, NULL },
	{ "connect.close", USER_OWNER, true, NULL },
	{ "site.get", USER_VIEWER, false, NULL },
	{ "site.patch", USER_INSTALLER, true, NULL },
	{ "flip_device.get", USER_VIEWER, false, NULL },
	{ "flip_device.patch", USER_INSTALLER, true, NULL },
	{ "flip_device.delete", USER_INSTALLER, true, NULL },
	{ "prices.set", USER_OWNER, true, NULL },
	{ "limit.set", USER_INSTALLER, true, verb_limit_set },
	{ "forecast.set", USER_OWNER, true, verb_forecast_set },
	{ "bus.probe", USER_INSTALLER, true, NULL },
	{ "device.raw", USER_INSTALLER, true, NULL },
	{ NULL, USER_NONE, false, NULL },
};

const struct verb *verb_find(const char *name)
{
	for (const struct verb *v = VERBS; v->name; v++)
		if (!strcmp(v->name, name))
			return v;
	return NULL;
}
