/* See planning.h. A job is one heap block that travels to the worker and back by pointer: the loop copies in what it knows, the
 * thread makes the instance, solves and prints it, the loop frees it. While the thread has it, the loop does not look inside. */
#include "flow/control/planning.h"

#include "core/json.h"
#include "io/loop.h"
#include "io/worker.h"
#include "policies/planner/outlook.h"
#include "policies/planner/story.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SOLVE_LIMIT_MS 2000
#define JOB_KEY 1 /* latest wins */
#define HOUR_MS 3600000

/* What of a device a plan is cut to. */
struct shape {
	char id[DEVICE_ID_MAX];
	uint32_t roles;
	int phases;
	double capacity_wh, charge_max_w, discharge_max_w; /* NAN = not set */
};

/* What the hub knew when it asked, by value. About 250 KB: the thread drops it as soon as the instance is made. */
struct question {
	struct planning_inputs inputs;
	struct price_series import_prices, export_prices;
	struct snapshot snapshot;
	struct config config;
	struct zone zone;
	struct forecast forecast;
};

struct job {
	struct question *question;
	struct plan_instance in;
	struct home_map map;
	struct plan plan;
	struct forecast_error error;
	char trigger[sizeof(((struct planning_inputs *)NULL)->trigger)];
	struct { char device[DEVICE_ID_MAX], words[EV_HABIT_TEXT_MAX]; } habit[PLAN_EVS_MAX]; /* cars planned by habit; words "" = by the owner's word */
	char *text; /* R/plan without "at" */
	bool solved;
	int reshaped; /* that of the planning when it was asked for */
	char other[DEVICE_MAX][DEVICE_ID_MAX]; /* devices that are not any more what they were planned as */
	int n_other;
	struct errbuf err;
};

struct planning {
	struct worker *worker;
	struct home home;
	void (*changed)(void *context);
	void *context;
	bool stopping;
	struct job *force; /* the last good plan, NULL = none yet */
	struct price_series asked_import, asked_export; /* prices of the last request */
	struct shape shape[DEVICE_MAX];
	int n_shapes, reshaped; /* how often one of them became another */
	char status[240];
};

/* The thread's view of how long it may still take. */
struct limit {
	struct worker *worker;
	int64_t until_ms;
};

static void job_free(struct job *j)
{
	if (!j)
		return;
	free(j->question);
	plan_deinit(&j->plan);
	instance_deinit(&j->in);
	cJSON_free(j->text);
	free(j);
}

static bool expired(void *context)
{
	const struct limit *l = context;

	return loop_now_ms() >= l->until_ms || worker_stopping(l->worker);
}

/* 0 or negative with the reason. */
static int ask(const struct question *q, struct plan_instance *in, struct home_map *map, struct errbuf *err)
{
	const struct home home = { &q->config, &q->zone, &q->forecast };

	return home_instance(&q->inputs, &home, in, map, err);
}

static void add_prices(cJSON *o, const struct plan_instance *in)
{
	cJSON *prices = cJSON_AddObjectToObject(o, "prices");
	cJSON *import = cJSON_CreateDoubleArray(in->import_price, in->slots);
	cJSON *export = cJSON_CreateDoubleArray(in->export_price, in->slots);

	cJSON_AddItemToObject(prices, "import", import);
	cJSON_AddItemToObject(prices, "export", export);
}

/* What a drawing needs of each battery besides. */
static void add_stores(cJSON *o, const struct plan_instance *in)
{
	cJSON *list = cJSON_GetObjectItem(o, "batteries");

	for (int b = 0; b < in->n_batteries; b++) {
		cJSON *x = cJSON_GetArrayItem(list, b);

		json_add_number(x, "capacity_kwh", in->battery[b].capacity_kwh, 3);
		cJSON_AddItemToObject(x, "floor_kwh", cJSON_CreateDoubleArray(in->battery[b].floor_kwh, in->slots + 1));
	}
}

/* How far the forecast was off lately; what is not known yet is left out. */
static void add_error(cJSON *o, const struct forecast_error *e)
{
	cJSON *forecast = cJSON_AddObjectToObject(o, "forecast");

	json_add_number(forecast, "load_error_pct", e->load_pct, 1);
	json_add_number(forecast, "pv_error_pct", e->pv_pct, 1);
}

/* Which cars the owner said nothing of; the snapshot goes with the question. */
static void take_habits(struct job *j)
{
	for (int e = 0; e < j->in.n_evs; e++) {
		const struct snap_device *d = &j->question->snapshot.dev[j->map.ev_device[e]];

		memcpy(j->habit[e].device, d->id, sizeof(d->id));
		memcpy(j->habit[e].words, d->ev_habit, sizeof(d->ev_habit));
	}
}

/* A car that is charged for a guess: every block of it says so. */
static void tell_habits(const struct job *j, struct story *story)
{
	for (int i = 0; i < story->n; i++) {
		struct story_block *b = &story->block[i];
		const size_t n = strlen(b->why);

		for (int e = 0; e < j->in.n_evs; e++)
			if (j->habit[e].words[0] && !strcmp(j->habit[e].device, b->device))
				snprintf(b->why + n, sizeof(b->why) - n, "; %s", j->habit[e].words);
	}
}

static void add_story(cJSON *o, const struct job *j, const struct zone *zone)
{
	struct story *story = malloc(sizeof(*story));

	if (!story)
		return;
	story_tell(&j->plan, &j->in, zone, story);
	tell_habits(j, story);
	cJSON_AddItemToObject(o, "blocks", story_encode(story));
	free(story);
}

/* NULL: no memory. Two weeks in slots of five minutes are 250 KB and take 40 ms to print. */
static char *print(const struct job *j, const struct zone *zone)
{
	AUTO_JSON *o = plan_encode(&j->plan, &j->in, false);
	cJSON *lengths;

	if (!o)
		return NULL;
	json_add_time(o, "start", j->in.start_utc_ms);
	lengths = cJSON_AddArrayToObject(o, "slot_s");
	for (int t = 0; t < j->in.slots; t++)
		cJSON_AddItemToArray(lengths, cJSON_CreateNumber(round(j->in.slot_h[t] * 3600e3) / 1e3));
	add_prices(o, &j->in);
	json_add_time(o, "prices_known_until", j->map.known_until_utc_ms);
	add_stores(o, &j->in);
	add_story(o, j, zone);
	add_error(o, &j->error);
	if (j->trigger[0])
		cJSON_AddStringToObject(o, "trigger", j->trigger);
	return cJSON_PrintUnformatted(o);
}

static bool solve(struct worker *w, struct job *j)
{
	struct limit limit = { w, loop_now_ms() + SOLVE_LIMIT_MS };
	struct zone zone;
	uint64_t start;
	int rc;

	if (worker_stopping(w))
		return false;
	rc = ask(j->question, &j->in, &j->map, &j->err);
	zone = j->question->zone;
	memcpy(j->trigger, j->question->inputs.trigger, sizeof(j->trigger));
	forecast_error(&j->question->forecast, &j->error);
	if (!rc)
		take_habits(j);
	start = uv_hrtime();
	if (!rc)
		rc = outlook_solve(&(struct home){ &j->question->config, &zone, &j->question->forecast }, &j->in, expired, &limit, &j->plan,
				   &j->err);
	free(j->question);
	j->question = NULL;
	if (rc)
		return false;
	j->plan.solve_ms = (double)(uv_hrtime() - start) / 1e6;
	home_plan_settle(&j->in, &j->map, &j->plan);
	j->text = print(j, &zone);
	if (!j->text)
		errbuf_set(&j->err, -ENOMEM, "no memory to print the plan");
	return j->text;
}

static void work(struct worker *w, void *context, const void *message)
{
	struct job *j;

	(void)context;
	memcpy(&j, message, sizeof(j));
	j->solved = solve(w, j);
	worker_reply(w, &j);
}

static void say(struct planning *p, const char *text)
{
	const int most = sizeof(p->status) - 1;
	bool news = strncmp(p->status, text, (size_t)most) != 0;

	snprintf(p->status, sizeof(p->status), "%.*s", most, text);
	if (news && p->changed && !p->stopping)
		p->changed(p->context);
}

static void on_reply(void *context, const void *reply)
{
	struct planning *p = context;
	struct job *j;

	memcpy(&j, reply, sizeof(j));
	if (p->stopping || !j->solved || j->reshaped != p->reshaped) {
		if (!p->stopping && j->reshaped == p->reshaped)
			say(p, j->err.text);
		job_free(j); /* a plan for devices of another size: who changed them asks anew */
		return;
	}
	job_free(p->force);
	p->force = j;
	if (j->plan.status == PLAN_INFEASIBLE)
		snprintf(p->status, sizeof(p->status), "infeasible: %s", j->plan.why);
	else if (j->plan.n_softened)
		snprintf(p->status, sizeof(p->status), "feasible, %.1f ms, softened: %.200s", j->plan.solve_ms, j->plan.why);
	else
		snprintf(p->status, sizeof(p->status), "%s, %.1f ms", plan_status_word(j->plan.status), j->plan.solve_ms);
	if (p->changed)
		p->changed(p->context);
}

int planning_start(struct planning **out, uv_loop_t *loop, const struct planning_options *o, struct errbuf *err)
{
	struct planning *p = calloc(1, sizeof(*p));
	struct worker_options options = {
		.name = "planner",
		.lanes = 1,
		.depth = 2,
		.message_size = sizeof(struct job *),
		.reply_size = sizeof(struct job *),
		.reply_depth = 4,
		.work = work,
		.reply = on_reply,
		.context = p,
	};
	int rc;

	if (!p)
		return errbuf_set(err, -ENOMEM, "planner: no memory");
	p->changed = o->changed;
	p->context = o->context;
	p->home.forecast = o->forecast;
	planning_configure(p, o->config, o->zone);
	snprintf(p->status, sizeof(p->status), "no plan asked for yet");
	rc = worker_start(&p->worker, loop, &options, err);
	if (rc) {
		free(p);
		return rc;
	}
	*out = p;
	return 0;
}

static struct shape shape_of(const struct config_device *d)
{
	struct shape s = { .roles = d->enabled ? d->roles : UINT32_MAX, .phases = d->phases, .capacity_wh = d->capacity_wh,
			   .charge_max_w = d->charge_max_w, .discharge_max_w = d->discharge_max_w };

	memcpy(s.id, d->id, sizeof(s.id));
	return s;
}

static bool number_same(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

static bool shape_same(const struct shape *a, const struct shape *b)
{
	return a->roles == b->roles && a->phases == b->phases && number_same(a->capacity_wh, b->capacity_wh) &&
	       number_same(a->charge_max_w, b->charge_max_w) && number_same(a->discharge_max_w, b->discharge_max_w);
}

/* The plan in force says nothing to a device that became another one. */
static void leave_out(struct job *j, const char *id)
{
	for (int i = 0; j && i < j->n_other; i++)
		if (!strcmp(j->other[i], id))
			return;
	if (j && j->n_other < DEVICE_MAX)
		snprintf(j->other[j->n_other++], DEVICE_ID_MAX, "%.*s", DEVICE_ID_MAX - 1, id);
}

static bool left_out(const struct job *j, const char *id)
{
	for (int i = 0; i < j->n_other; i++)
		if (!strcmp(j->other[i], id))
			return true;
	return false;
}

void planning_configure(struct planning *p, const struct config *config, const struct zone *zone)
{
	struct shape now[DEVICE_MAX];
	bool changed = false;

	for (int i = 0; i < config->n_devices; i++) {
		now[i] = shape_of(&config->device[i]);
		for (int k = 0; k < p->n_shapes; k++) {
			if (strcmp(now[i].id, p->shape[k].id) != 0 || shape_same(&now[i], &p->shape[k]))
				continue;
			leave_out(p->force, now[i].id);
			changed = true;
		}
	}
	memcpy(p->shape, now, sizeof(now[0]) * (size_t)config->n_devices);
	p->n_shapes = config->n_devices;
	p->reshaped += changed;
	p->home.config = config;
	p->home.zone = zone;
}

/* Copies what the thread needs. */
static struct question *question_make(const struct planning_inputs *in, const struct home *home)
{
	struct question *q = malloc(sizeof(*q));

	if (!q)
		return NULL;
	q->inputs = *in;
	q->snapshot = *in->snapshot;
	q->config = *home->config;
	q->zone = *home->zone;
	q->forecast = *home->forecast;
	q->inputs.snapshot = &q->snapshot;
	if (in->import_prices) {
		q->import_prices = *in->import_prices;
		q->inputs.import_prices = &q->import_prices;
	}
	if (in->export_prices) {
		q->export_prices = *in->export_prices;
		q->inputs.export_prices = &q->export_prices;
	}
	return q;
}

/* Is there anything to plan? The first hour has the same reasons to refuse as the whole horizon, and takes no time. */
static int probe(struct question *q, struct errbuf *err)
{
	const struct config_plan plan = q->config.plan;
	struct plan_instance in;
	struct home_map map;
	int rc;

	q->config.plan.horizon_h = 1;
	q->config.plan.slot_s = 3600;
	rc = ask(q, &in, &map, err);
	q->config.plan = plan;
	instance_deinit(&in);
	return rc;
}

static void prices_keep(struct price_series *to, const struct price_series *from)
{
	to->n = 0;
	if (from)
		*to = *from;
}

static bool differ(const struct price_series *was, const struct price_series *is, int64_t utc_ms)
{
	int64_t was_until = was->n ? was->s[was->n - 1].to_utc_ms : 0, is_until = is->n ? is->s[is->n - 1].to_utc_ms : 0;

	return is_until > was_until + HOUR_MS || !price_same(was, is, utc_ms, was_until);
}

bool planning_prices_differ(const struct planning *p, const struct price_series *import, const struct price_series *export,
			    int64_t utc_ms)
{
	return differ(&p->asked_import, import, utc_ms) || differ(&p->asked_export, export, utc_ms);
}

int planning_request(struct planning *p, const struct planning_inputs *in)
{
	struct job *j = calloc(1, sizeof(*j)), *replaced = NULL;
	struct errbuf err = { "" };
	bool was_replaced;
	int rc;

	if (j) {
		j->question = question_make(in, &p->home);
		j->reshaped = p->reshaped;
	}
	if (!j || !j->question) {
		job_free(j);
		return -ENOMEM;
	}
	prices_keep(&p->asked_import, in->import_prices);
	prices_keep(&p->asked_export, in->export_prices);
	rc = probe(j->question, &err);
	if (rc) {
		job_free(j);
		say(p, err.text);
		return rc;
	}
	rc = worker_post(p->worker, 0, JOB_KEY, &j, &replaced, &was_replaced);
	if (rc)
		job_free(j);
	else if (was_replaced)
		job_free(replaced);
	return rc;
}

void planning_guide(const struct planning *p, const char *id, int64_t utc_ms, struct plan_guide *out)
{
	const struct job *j = p->force;

	memset(out, 0, sizeof(*out));
	if (!j || left_out(j, id))
		return;
	for (int b = 0; b < j->in.n_batteries; b++)
		if (strcmp(j->in.battery[b].id, id) == 0)
			plan_guide_at(&j->plan, &j->in, false, b, utc_ms, out);
	for (int e = 0; e < j->in.n_evs; e++)
		if (strcmp(j->in.ev[e].id, id) == 0)
			plan_guide_at(&j->plan, &j->in, true, e, utc_ms, out);
}

void planning_expect(const struct planning *p, const struct snapshot *s, struct replan_expected *out)
{
	const struct job *j = p->force;
	struct replan_expected planned;

	memset(out, 0, sizeof(*out));
	if (!j)
		return;
	replan_expect(&j->plan, &j->in, j->map.battery_device, s->utc_ms, &planned);
	*out = planned;
	for (int i = 0; i < DEVICE_MAX; i++)
		out->stored_wh[i] = NAN;
	for (int b = 0; b < j->in.n_batteries; b++)
		for (int i = 0; i < s->n_devices; i++) /* where it stands now: a reload may have moved it */
			if (!strcmp(s->dev[i].id, j->in.battery[b].id) && !left_out(j, s->dev[i].id))
				out->stored_wh[i] = planned.stored_wh[j->map.battery_device[b]];
}

const char *planning_text(const struct planning *p)
{
	return p->force ? p->force->text : NULL;
}

const char *planning_status(const struct planning *p)
{
	return p->status;
}

void planning_stop(struct planning *p)
{
	if (!p)
		return;
	p->stopping = true;
	worker_stop(p->worker, true); /* drained: every job comes back and is freed */
	job_free(p->force);
	free(p);
}
