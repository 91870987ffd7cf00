/* See sentence.h. And the whole sentence of a decision: what the device does, then why, then what had been asked. */
#include "policies/sentence.h"
#include "policies/work.h"

#include "core/calendar.h"

#include <stdio.h>
#include <string.h>

#define DAY_MS 86400000
#define WHAT_MAX 64
#define PHASE_DRAWS_A 1.0
#define DRAWS_W 100.0 /* less is no charge */

static int64_t local_ms(const struct snapshot *s, int64_t utc_ms)
{
	const struct local_time *l = &s->local;

	return utc_ms + 1000 * (int64_t)(l->change_utc_ms > 0 && utc_ms >= l->change_utc_ms ? l->after_s : l->offset_s);
}

const char *sentence_time(const struct snapshot *s, int64_t utc_ms, char text[SENTENCE_TIME_MAX])
{
	static const char *const DAYS[] = { "Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed" }; /* 1970 began with a Thursday */
	int64_t then_ms = local_ms(s, utc_ms), days = then_ms / DAY_MS - local_ms(s, s->utc_ms) / DAY_MS;
	char full[CALENDAR_TEXT_MAX];

	calendar_format(then_ms, full);
	if (days == 0)
		snprintf(text, SENTENCE_TIME_MAX, "%.5s", full + 11);
	else if (days > 0 && days < 7)
		snprintf(text, SENTENCE_TIME_MAX, "%s %.5s", DAYS[then_ms / DAY_MS % 7], full + 11);
	else
		snprintf(text, SENTENCE_TIME_MAX, "%.10s %.5s", full, full + 11);
	return text;
}

const char *sentence_until(const struct snapshot *s, int64_t utc_ms, char text[SENTENCE_UNTIL_MAX])
{
	char at[SENTENCE_TIME_MAX];

	text[0] = '\0';
	if (utc_ms > 0 && s->clock_trusted)
		snprintf(text, SENTENCE_UNTIL_MAX, ", until %s", sentence_time(s, utc_ms, at));
	return text;
}

const char *sentence_event(const struct command_view *c)
{
	return c->event_id[0] ? c->event_id : c->id;
}

const char *sentence_floor(const struct snapshot *s, const struct snap_device *d, const struct floor_view *f,
			   char text[SENTENCE_FLOOR_MAX])
{
	static const struct { const char *source, *by; } BY[] = {
		{ "command", "event" }, { "event", "event" }, { "owner_event", "the owner for event" }, { "program", "the program of event" },
	};
	char end[SENTENCE_UNTIL_MAX];

	snprintf(text, SENTENCE_FLOOR_MAX, "set by %s", strcmp(f->source, "hardware") ? "the owner" : "the hardware");
	for (size_t i = 0; i < sizeof(BY) / sizeof(BY[0]); i++)
		if (!strcmp(f->source, BY[i].source))
			snprintf(text, SENTENCE_FLOOR_MAX, "set by %s %.8s%s", BY[i].by, sentence_event(&d->command),
				 sentence_until(s, d->command.ends_utc_ms, end));
	return text;
}

void sentence_print(char *out, size_t size, const char *fmt, va_list ap)
{
	char *space;

	if ((size_t)vsnprintf(out, size, fmt, ap) < size)
		return;
	space = strrchr(out, ' ');
	if (space)
		*space = '\0';
}

/* Not "-0". */
static double whole(double w)
{
	return w > -0.5 && w < 0.5 ? 0 : w;
}

static void battery_what(const struct order *o, char text[WHAT_MAX])
{
	if (o->w == 0)
		snprintf(text, WHAT_MAX, "holding");
	else if (o->w > 0)
		snprintf(text, WHAT_MAX, "charging %.0f W", o->w);
	else
		snprintf(text, WHAT_MAX, "discharging %.0f W", -o->w);
}

/* Of those its charger has: a car may draw on fewer, and then all of its power on them. */
static int phases_drawn(const struct snap_device *d)
{
	static const enum field CURRENT[] = { F_CHARGER_CURRENT_L1_A, F_CHARGER_CURRENT_L2_A, F_CHARGER_CURRENT_L3_A };
	int n = 0;

	for (int i = 0; i < 3; i++)
		n += value_usable(&d->state.f[CURRENT[i]]) && d->state.f[CURRENT[i]].v >= PHASE_DRAWS_A;
	return n == 1 ? 1 : view_phases(d);
}

static void car_what(const struct work_device *d, char text[WHAT_MAX])
{
	int phases = d->order.phases ? d->order.phases : phases_drawn(d->dev);
	double amps = d->order.w / (view_amps_to_w(d->dev, 1) / view_phases(d->dev)) / phases;

	if (d->order.w == 0)
		snprintf(text, WHAT_MAX, "%s", d->known && d->now_w > DRAWS_W ? "stopping the car's charge" : "not charging the car");
	else
		snprintf(text, WHAT_MAX, "charging the car with %s%.1f A (%.0f W)", phases == 3 ? "3 x " : "", amps, d->order.w);
}

static void power_what(const struct work_device *d, char text[WHAT_MAX])
{
	if (d->charger)
		car_what(d, text);
	else if (view_pv(d->dev))
		snprintf(text, WHAT_MAX, "producing at most %.0f W", whole(-d->order.w));
	else
		battery_what(&d->order, text);
}

/* What the device does by its order. A band of nothing is a hold by another name. */
static void what(const struct work_device *d, char text[WHAT_MAX])
{
	const struct order *o = &d->order;

	if (o->kind == ORDER_POWER)
		power_what(d, text);
	else if (o->kind != ORDER_BALANCE)
		snprintf(text, WHAT_MAX, "%s", o->kind == ORDER_RELEASE ? "released" : "no order");
	else if (o->min_w == 0 && o->max_w == 0)
		snprintf(text, WHAT_MAX, "holding");
	else
		snprintf(text, WHAT_MAX, "balancing the grid at %.0f W within %.0f..%.0f W", whole(o->grid_w), whole(o->min_w), whole(o->max_w));
}

static void append(char *out, size_t size, const char *words, const char *why)
{
	size_t n = strlen(out);

	if (n + strlen(words) + strlen(why) < size)
		snprintf(out + n, size - n, "%s%s", words, why);
}

/* What had been asked is left out where it does not fit as a whole: the rest fits always (test_sentence). */
void work_sentence(const struct work_device *d, char *out, size_t size)
{
	static const char *const NOBODY[] = {
		[AVAIL_UNKNOWN] = "the device has not answered yet", [AVAIL_ONLINE] = "nobody may order it",
		[AVAIL_OFFLINE] = "the device is offline", [AVAIL_FAULT] = "the device cannot be driven",
	};
	char begin[WHAT_MAX];

	what(d, begin);
	if (!d->wish) {
		snprintf(out, size, "%s: %s", begin, d->waits ? "not all devices have been read yet" : NOBODY[d->dev->state.availability]);
		return;
	}
	snprintf(out, size, "%s: %s", begin, d->cut[0] ? d->cut : d->wish->why);
	if (d->looks)
		append(out, size, "; buys that to see whether the sun behind its bound gives more", "");
	if (d->car_apart)
		append(out, size, "; the car's charge is apart from that", "");
	if (d->cut[0])
		append(out, size, "; asked: ", d->wish->why);
}
