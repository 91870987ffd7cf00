/* What the flow modules share: pointers to the parts, built by app.c in one order and stopped in reverse. Holds no logic. */
#ifndef HEARTH_FLOW_HUB_H
#define HEARTH_FLOW_HUB_H

#include "cloud/book.h"
#include "core/clock_gate.h"
#include "core/config.h"
#include "core/owner.h"
#include "core/price.h"
#include "core/topic.h"
#include "flow/cloud/backlog.h"
#include "flow/cloud/outbox.h"
#include "flow/control/outside.h"
#include "flow/control/forecasting.h"
#include "flow/control/habits.h"
#include "flow/control/planning.h"
#include "flow/control/plant.h"
#include "flow/control/wear.h"
#include "flow/cloud/prices.h"
#include "flow/local/publish.h"
#include "flow/history/diary.h"
#include "flow/history/recorder.h"
#include "flow/history/savings.h"
#include "flow/cloud/flip_link.h"
#include "flow/control/tick.h"
#include "io/loop.h"
#include "io/mqtt.h"
#include "io/store.h"

#include <string.h>
#include <uv.h>

struct inbox;
struct discovery_link;

struct hub {
	uv_loop_t *loop;
	const char *config_path;
	struct config cfg;              /* in force */
	struct zone zone;
	struct topic_root root;
	char boot_id[37];
	int64_t started_utc_ms;

	struct store *store;
	struct book *book;              /* allocated once: large */
	struct owner owner;
	struct outside *outside;        /* limits and demand target */
	struct wear *wear;              /* what of the drivers outlives the agent */
	struct outbox *outbox;
	struct backlog *backlog;
	struct recorder *recorder;
	struct savings *savings;
	struct diary *diary;
	struct http *http;              /* NULL: nothing speaks HTTPS */
	struct prices *prices;
	struct clock_gate clock;
	struct loop_clocks clocks;      /* of the last look */
	bool clock_trusted;
	int64_t clock_kept_ms, clock_kept_utc_ms; /* flow/clock.c: when (monotonic) and what was last stored; 0 = nothing yet */
	struct price_series *import_prices, *export_prices;
	struct plant *plant;
	struct forecasting *forecasting;
	struct habits *habits;
	struct planning *planning;
	struct tick *tick;
	struct mqtt *mqtt;
	struct publish publish;
	struct inbox *inbox;
	struct discovery_link *discovery;
	struct flip_link *flip;
	int history_reads[2];           /* answers of history.get under way: to users, to the hub's own tools */

	char damaged[ERR_TEXT_MAX];     /* the store had to begin anew: what was said */
	char owner_unread[304];         /* of the owner's settings not all could be read: what was said */
	bool stopping;                  /* everything is being released, before the end */
	uint32_t leaving;               /* devices, bits, that are being released because a reload changes them */
	int64_t replan_due_ms, replan_last_ms; /* monotonic; due 0 = nothing due */
	char replan_why[REPLAN_TEXT_MAX];      /* the reasons since the last one */
	struct replan replan;                  /* whether the house goes as planned */
	int64_t flip_due_utc_ms;        /* when the book changes by itself next; 0 = not known */
	bool was_paused;
	int64_t plant_started_ms;       /* monotonic */
	int64_t woke_ms;                /* monotonic: the machine was suspended until then; 0 = never */
	bool applying, reload_again;    /* a reload is under way; another was asked for meanwhile */
	int64_t step_due_ms, agent_due_ms, prices_due_ms, accounted_ms, counted_ms;
	void (*finished)(struct hub *h); /* app's part after each tick: watchdog, readiness, waiting for release */
	/* app's part of a reload: takes it over for later (never inside a callback of what it restarts); false = busy */
	bool (*apply)(struct hub *h, const struct config *cfg, uint32_t changes);
	/* app's part too: may the secrets of @cfg be used? Negative with words when not; *changes receives the links (bits of enum
	 * config_change) that have another secret than the one in use */
	int (*secrets)(struct hub *h, const struct config *cfg, uint32_t *changes, struct errbuf *err);
};

/** Looks at the clocks (flow/clock.c); what it finds is in clocks and clock_trusted. Before anything is judged by the time of day. */
bool hub_clock(struct hub *h);
/** Who calls: replan soon (reasons come in bursts: a second is waited). */
void hub_replan(struct hub *h, const char *reason);
/** Says what was asked and what came of it, on R/audit and in the log. */
void hub_audit(struct hub *h, const char *origin, const char *request, const char *result);
/** Stores what the owner set, unasked. */
void hub_store_owner(struct hub *h);
/** Stores one setting (a promise); @body is JSON text. */
int hub_store_setting(struct hub *h, const char *key, const char *body, store_done_fn done, void *context);
/** Stores a row of STORE_DAILY, whose keys of days have a slash: a power cut may lose it. */
int hub_store_unsynced(struct hub *h, const char *key, const char *body);
/** R/agent: version, boot, clock, lateness, warnings. The caller owns the tree. */
cJSON *hub_encode_agent(const struct hub *h);
/** Reads the configuration again and applies what changed, soon. 0; -EINVAL with every error in @errors; -EBUSY while another
 *  reload is under way (then the file is read once more after it) or the agent is ending. */
int hub_reload(struct hub *h, struct config_errors *errors);

#endif
