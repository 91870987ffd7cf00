/* The parts the agent is made of, for test_app.c: each only says that it was called, in which order. What a test wants of one is in
 * `play`. Included behind app.c. */
#ifndef HEARTH_TESTS_APP_KIT_H
#define HEARTH_TESTS_APP_KIT_H

#include "support/cm.h"

#define PLAYED_ROWS 4

static struct {
	char trace[2000];               /* " name name ..." */
	int64_t now_ms;
	bool lost, released;            /* rows are; the devices that were asked for are */
	bool limit_unkept, wear_unkept; /* not on disk yet */
	int opens, changes;             /* what store_open and plant_change return */
	struct store_row row[PLAYED_ROWS];
	int n_rows;
	uint32_t recalled, asked, links; /* the last bits each was given */
	struct config_kept kept;
} play;

static inline void did(const char *what)
{
	const size_t used = strlen(play.trace);

	snprintf(play.trace + used, sizeof(play.trace) - used, " %s", what);
}

/* Each of @names (separated by spaces) was called, in this order; whatever was called between them. */
static inline bool in_order(const char *names)
{
	const char *at = play.trace;
	char name[40];
	int n;

	for (; sscanf(names, " %38s%n", name + 1, &n) == 1; names += n) {
		name[0] = ' ';
		for (at = strstr(at, name); at && at[strlen(name)] && at[strlen(name)] != ' '; at = strstr(at + 1, name))
			;
		if (!at)
			return false;
		at++;
	}
	return true;
}

/* ---- clocks ---- */

int64_t loop_now_ms(void) { return play.now_ms; }
int64_t loop_utc_ms(void) { return 1768478400000LL + play.now_ms; }
int loop_watch_start(uv_loop_t *loop) { return loop ? 0 : -EINVAL; }
void loop_watch_stop(void) { did("loop_watch_stop"); }
void clock_load(struct hub *h, const char *body) { (void)h; did(body ? "clock_load" : "?"); }

/* ---- the store ---- */

int store_open(struct store **out, uv_loop_t *loop, const char *path, struct errbuf *err)
{
	(void)path;
	*out = (struct store *)(void *)loop; /* only its presence counts */
	snprintf(err->text, sizeof(err->text), "%s", "damaged");
	did("store_open");
	return play.opens;
}

int store_load(struct store *s, enum store_table table, int (*row)(void *context, const struct store_row *row), void *context,
	       struct errbuf *err)
{
	int r = 0;

	(void)s;
	(void)err;
	did(table == STORE_SETTING ? "store_load" : "store_load_daily");
	for (int i = 0; i < play.n_rows && table == STORE_SETTING && r == 0; i++)
		r = row(context, &play.row[i]);
	return r;
}

bool store_lost(const struct store *s, enum store_table table) { (void)s; return play.lost && table == STORE_SETTING; }
void store_damage_known(struct store *s) { (void)s; did("store_damage_known"); }
void store_close(struct store *s) { (void)s; did("store_close"); }

/* ---- control ---- */

int plant_start(struct plant **out, uv_loop_t *loop, const struct config *cfg, plant_changed_fn changed, void *context,
		struct errbuf *err)
{
	(void)loop;
	(void)cfg;
	(void)err;
	*out = NULL;
	changed(context, 0);
	did("plant_start");
	return 0;
}

int plant_change(struct plant *p, const struct config *cfg, const struct config_kept *kept, struct errbuf *err)
{
	(void)p;
	(void)cfg;
	(void)err;
	did("plant_change");
	play.kept = *kept;
	return play.changes;
}

bool plant_released(const struct plant *p, uint32_t devices)
{
	(void)p;
	play.asked = devices;
	return play.released;
}

void plant_stop(struct plant *p) { (void)p; did("plant_stop"); }

int wear_start(struct wear **out, struct hub *hub, struct errbuf *err) { (void)hub; (void)err; *out = NULL; return 0; }
bool wear_load(struct wear *w, const struct store_row *row) { (void)w; return !strncmp(row->key, "wear/", 5); }
void wear_lost(struct wear *w) { (void)w; did("wear_lost"); }
void wear_recall(struct wear *w, uint32_t devices) { (void)w; did("wear_recall"); play.recalled = devices; }
bool wear_stored(const struct wear *w) { (void)w; return !play.wear_unkept; }
void wear_stop(struct wear *w) { (void)w; did("wear_stop"); }

int outside_start(struct outside **out, struct hub *hub, struct errbuf *err) { (void)hub; (void)err; *out = NULL; return 0; }
bool outside_kept(const struct outside *o) { (void)o; return !play.limit_unkept; }
bool outside_load(struct outside *o, const struct store_row *row) { (void)o; return !strcmp(row->key, "limit"); }
void outside_load_interval(struct outside *o, const struct store_row *row) { (void)o; (void)row; }
void outside_lost(struct outside *o, bool rows) { (void)o; did(rows ? "outside_lost_rows" : "outside_lost"); }
void outside_flush(struct outside *o) { (void)o; did("outside_flush"); }
void outside_stop(struct outside *o) { (void)o; did("outside_stop"); }

int tick_start(struct tick **out, struct hub *hub, const struct tick_hooks *hooks, struct errbuf *err)
{
	(void)err;
	*out = NULL;
	did(hooks->before == round_before_tick && hooks->done == round_after_tick && hooks->context == hub ? "tick_start" : "?");
	return 0;
}

void tick_soon(struct tick *t) { (void)t; did("tick_soon"); }
void tick_rebuilt(struct tick *t, const int *from) { (void)t; did(from ? "tick_rebuilt" : "?"); }
void tick_stop(struct tick *t) { (void)t; did("tick_stop"); }
void round_before_tick(void *context) { (void)context; }
void round_after_tick(void *context, const struct snapshot *s, const struct decisions *d) { (void)context; (void)s; (void)d; }
void round_forecast_changed(void *context) { (void)context; }
void round_plan_changed(void *context) { (void)context; }
void hub_replan(struct hub *h, const char *reason) { (void)h; did(reason ? "hub_replan" : "?"); }
void hub_store_owner(struct hub *h) { (void)h; did("hub_store_owner"); }
int hub_reload(struct hub *h, struct config_errors *errors) { (void)h; (void)errors; did("hub_reload"); return 0; }

int planning_start(struct planning **out, uv_loop_t *loop, const struct planning_options *o, struct errbuf *err)
{
	(void)loop;
	(void)o;
	(void)err;
	*out = NULL;
	return 0;
}

void planning_configure(struct planning *p, const struct config *config, const struct zone *zone) { (void)p; (void)config; (void)zone; }
void planning_stop(struct planning *p) { (void)p; }


#include "support/app_kit_parts.h"

/* ---- what is told and owed ---- */

int outbox_open(struct outbox **out, const struct outbox_options *o, struct errbuf *err) { (void)o; (void)err; *out = NULL; return 0; }
void outbox_limit(struct outbox *o, int64_t max_bytes) { (void)o; (void)max_bytes; }
void outbox_close(struct outbox *o) { (void)o; did("outbox_close"); }
int backlog_open(struct backlog **out, const struct backlog_options *o, struct errbuf *err) { (void)o; (void)err; *out = NULL; return 0; }
void backlog_limit(struct backlog *b, int64_t max_bytes) { (void)b; (void)max_bytes; }
void backlog_close(struct backlog *b) { (void)b; did("backlog_close"); }
int diary_start(struct diary **out, struct store *store, struct errbuf *err) { (void)store; (void)err; *out = NULL; return 0; }
void diary_stop(struct diary *y) { (void)y; did("diary_stop"); }
void prices_stop(struct prices *p) { (void)p; }
void flip_link_stop(struct flip_link *l) { (void)l; did("flip_link_stop"); }
void http_close(struct http *h) { (void)h; }
void publish_all_again(struct publish *p) { (void)p; did("publish_all_again"); }
void publish_deinit(struct publish *p) { (void)p; }
int inbox_start(struct inbox **out, struct hub *hub, struct errbuf *err) { (void)hub; (void)err; *out = NULL; return 0; }
void inbox_stop(struct inbox *in) { (void)in; }
int discovery_start(struct discovery_link **out, struct hub *hub, struct errbuf *err) { (void)hub; (void)err; *out = NULL; return 0; }
void discovery_stop(struct discovery_link *l) { (void)l; }
void mqtt_close(struct mqtt *m) { (void)m; did("mqtt_close"); }

void links_offline(struct links *l) { (void)l; did("offline"); }
int links_secrets(struct links *l, struct errbuf *err) { (void)l; (void)err; return 0; }
int links_other_secrets(const struct links *l, const struct config *next, uint32_t *changes, struct errbuf *err)
{
	return l && next && changes && err ? 0 : -EINVAL;
}

int links_clouds_start(struct links *l, struct errbuf *err) { (void)l; (void)err; did("links_clouds_start"); return 0; }
int links_broker_start(struct links *l, struct errbuf *err) { (void)l; (void)err; did("links_broker_start"); return 0; }
int links_flip_start(struct links *l, struct errbuf *err) { (void)l; (void)err; did("links_flip_start"); return 0; }
void links_rebuild(struct links *l, uint32_t changes) { (void)l; did("links_rebuild"); play.links = changes; }
void links_forget(struct links *l) { (void)l; }

#endif
