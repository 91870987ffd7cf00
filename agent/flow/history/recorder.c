/* See recorder.h: two intervals beside each other, one for Flip, one for the house. The points are made in recorder_points.c,
 * rows written in recorder_write.c. */
#include "flow/history/recorder_internal.h"

#include "policies/floor.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HISTORY_S 300

int recorder_start(struct recorder **out, const struct recorder_options *options, struct errbuf *err)
{
	struct recorder *r = calloc(1, sizeof(*r));

	if (r)
		r->row = calloc(ROWS_MAX, sizeof(*r->row));
	if (!r || !r->row) {
		free(r);
		return errbuf_set(err, -ENOMEM, "no memory");
	}
	r->o = *options;
	interval_init(&r->telemetry, options->config->outbox.telemetry_interval_s);
	interval_init(&r->history, HISTORY_S);
	*out = r;
	return 0;
}

static void telemetry_emit(struct recorder *r, const struct interval_report *report)
{
	struct telemetry_point points[DEVICE_MAX];
	int n;

	if (r->o.config->flip.mode == LINK_OFF || !r->o.backlog)
		return;
	n = recorder_points(r->name, report, r->view, points);
	if (n == 0)
		return;
	backlog_add(r->o.backlog, points, n, r->now_ms);
	r->stats.points += n;
}

void recorder_cut(struct recorder *r)
{
	struct interval_report report;

	if (!r)
		return;
	if (interval_cut(&r->telemetry, &report))
		telemetry_emit(r, &report);
	if (interval_cut(&r->history, &report)) {
		recorder_keep(r, &report);
		recorder_flush(r, false);
	}
}

void recorder_configure(struct recorder *r, const struct config *config, const struct zone *zone)
{
	struct interval_report report;

	if (!r)
		return;
	r->o.config = config;
	r->o.zone = zone;
	if (config->outbox.telemetry_interval_s == r->telemetry.length_s)
		return;
	if (interval_cut(&r->telemetry, &report))
		telemetry_emit(r, &report);
	r->telemetry.length_s = config->outbox.telemetry_interval_s;
}

/* flip-api 13: what is in force, in Flip's words. */
static enum battery_mode mode_of(const struct snapshot *s, const struct snap_device *d, const struct decision *decision)
{
	if (d->command.active)
		return d->command.mode;
	if (s->paused)
		return MODE_STANDBY;
	if (decision->rank == RANK_PLAN)
		return MODE_SAVINGS;
	return decision->order.kind == ORDER_POWER && fabs(decision->order.w) < 1 ? MODE_STANDBY : MODE_SELF_CONSUMPTION;
}

static void views_take(struct recorder *r, const struct snapshot *s, const struct decisions *d)
{
	for (int i = 0; i < s->n_devices; i++) {
		struct recorder_view *v = &r->view[i];

		if (!(s->dev[i].roles & ROLE_BATTERY) || i >= d->n)
			continue;
		v->reserve_pct = floor_effective(s, &s->dev[i]).pct;
		v->mode = mode_of(s, &s->dev[i], &d->d[i]);
	}
}

/* What was measured belongs to those who were there. What else the configuration says of a device holds at once. */
static void names_take(struct recorder *r, const struct snapshot *s)
{
	struct recorder_name name[DEVICE_MAX];
	const int n = recorder_names(r->o.config, s, name);
	bool same = n == r->n_names;

	for (int i = 0; same && i < n; i++)
		same = !strcmp(name[i].id, r->name[i].id) && !strcmp(name[i].flip_id, r->name[i].flip_id);
	if (!same) {
		recorder_cut(r);
		memset(r->view, 0, sizeof(r->view));
	}
	memcpy(r->name, name, sizeof(name[0]) * (size_t)n);
	r->n_names = n;
}

void recorder_observe(struct recorder *r, const struct snapshot *s, const struct decisions *d)
{
	struct interval_report report;

	if (!r)
		return;
	r->now_ms = s->now_ms;
	names_take(r, s);
	views_take(r, s, d);
	if (r->day.state == DAY_NONE && s->clock_trusted)
		recorder_day_open(r, s->utc_ms); /* so that a short life counts too: the read takes its time */
	if (interval_step(&r->telemetry, s, &report))
		telemetry_emit(r, &report);
	if (interval_step(&r->history, s, &report)) {
		recorder_keep(r, &report);
		recorder_flush(r, false);
	}
}

void recorder_stop(struct recorder *r)
{
	struct interval_report report;

	if (!r)
		return;
	if (interval_cut(&r->telemetry, &report))
		telemetry_emit(r, &report);
	if (interval_cut(&r->history, &report))
		recorder_keep(r, &report);
	recorder_day_write(r);
	recorder_flush(r, true);
	r->stopped = true;
	recorder_release(r);
}

void recorder_stats(const struct recorder *r, struct recorder_stats *out)
{
	*out = r ? r->stats : (struct recorder_stats){ 0 };
	if (r)
		out->skipped = r->telemetry.skipped;
}
