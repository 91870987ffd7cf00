/* hearthctl simulate: the result as a table, as JSON, as CSV. */
#include "ctl/simulate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define DAYS_OF_CHANCE 60

static const char *number(double v, int decimals)
{
	static char slots[16][32];
	static int next;

	next = (next + 1) % 16;
	if (isnan(v))
		return "-";
	snprintf(slots[next], sizeof(slots[next]), "%.*f", decimals, fabs(v) < 0.5 * pow(10, -decimals) ? 0 : v);
	return slots[next];
}

static void notes(const struct simulation *s)
{
	const struct simulate_result *r = &s->result;
	const double span_s = (double)(r->end_utc_ms - r->start_utc_ms) / 1e3, of_most = isnan(r->least_total) ? NAN : r->row[ROW_CLAIRVOYANT].of_most;
	char text[480];

	printf("\n");
	snprintf(text, sizeof(text), "Bill (by the meter), total and saving in %s, import and export in kWh. Total: the bill less what events pay and what is "
		 "stored more at the end than at the start, at %.3f %s a kWh, and with wear and what a car did not get. Of best: share of the clairvoyant's saving. Own use: "
		 "how much of what the house used was not imported.",
		 s->scenario.currency, r->stored_value, s->scenario.currency);
	terminal_wrap(0, text);
	snprintf(text, sizeof(text), "The clairvoyant knew every price, load and cloud%s before it came; it ignores what happens within %s.%s%s%s",
		 s->truth.n_sessions ? " and car" : "", s->truth.n_sessions ? "five minutes" : "a minute",
		 isnan(r->least_total) ? " It is no proven bound." : isnan(of_most) ? "" : " The clairvoyant itself saved ",
		 isnan(of_most) ? "" : number(of_most, 2), isnan(of_most) ? "" : " % of the most that any control could have.");
	terminal_wrap(0, text);
	if (s->truth.n_sessions)
		terminal_wrap(0, s->scenario.car.by_habit ? "Nobody told Hearth when the car leaves and what it wants: it guessed from the sessions before." :
			"Hearth was told when the car leaves and what it wants, as with ev.set; \"known\": \"habit\" of the scenario's car shows it without.");
	if (fmax(r->row[ROW_TIMER].saving, r->row[ROW_SELF_USE].saving) > r->row[ROW_HEARTH].saving + 0.005 && s->scenario.days < DAYS_OF_CHANCE)
		terminal_wrap(0, "A simple rule saved more than Hearth here. In so few days chance decides: run more of them.");
	if (r->row[ROW_HEARTH].event_kwh > 0) {
		snprintf(text, sizeof(text), "Flip's events: Hearth gave %.1f kWh, which pays %.2f %s.", r->row[ROW_HEARTH].event_kwh,
			 r->row[ROW_HEARTH].event_income, s->scenario.currency);
		terminal_wrap(0, text);
	}
	if (!isnan(r->load_error_pct)) {
		snprintf(text, sizeof(text), "Hearth's forecast of the next day was off by %.0f %% of the load%s%s%s.", r->load_error_pct,
			 isnan(r->pv_error_pct) ? "" : " and ", isnan(r->pv_error_pct) ? "" : number(r->pv_error_pct, 0),
			 isnan(r->pv_error_pct) ? "" : " % of the sun");
		terminal_wrap(0, text);
	}
	snprintf(text, sizeof(text), "Ticks below the floor: %d. %d plans, %.1f ms each, %.0f ms at most; %.0f times faster than time.",
		 r->row[ROW_HEARTH].floor_violations, r->plans, r->plan_ms_mean, r->plan_ms_worst, r->seconds > 0 ? span_s / r->seconds : 0);
	terminal_wrap(0, text);
}

static void heading(const struct scenario *s)
{
	char text[320];

	snprintf(text, sizeof(text), "%s: %d day%s%s%s", s->name, s->days, s->days == 1 ? "" : "s", s->about[0] ? ", " : "", s->about);
	terminal_wrap(0, text);
	printf("\n");
}

static void table_fill(const struct simulation *s, struct table *t, bool people)
{
	char best[16], own[16], below[16];

	for (int i = 0; i < ROW_COUNT; i++) {
		const struct simulate_row *r = &s->result.row[i];
		const char *name = simulate_row_name((enum simulate_row_kind)i), *bill = number(r->bill, 2);

		snprintf(best, sizeof(best), "%s%s", number(r->of_clairvoyant, 1), isnan(r->of_clairvoyant) ? "" : " %");
		snprintf(own, sizeof(own), "%s %%", number(r->self_sufficiency_pct, 0));
		snprintf(below, sizeof(below), "%d", r->floor_violations);
		if (people)
			table_row(t, name, bill, number(r->total, 2), number(r->saving, 2), best, number(r->cycles, 1), own, number(r->import_kwh, 0),
				  number(r->export_kwh, 0));
		else
			table_row(t, name, bill, number(r->stock, 2), number(r->total, 2), number(r->saving, 2), best, number(r->cycles, 1), own,
				  number(r->import_kwh, 0), number(r->export_kwh, 0), number(r->event_kwh, 1), i == ROW_HEARTH ? below : "-");
	}
}

/* For people it fits 80 characters: what else there is stands in words below it. */
void simulate_table(const struct simulation *s)
{
	static const char *const HEADERS[] = { "", "bill", "left", "total", "saving", "of best", "cycles", "own use", "import", "export", "event kWh",
					       "below floor" };
	static const char *const SHORT[] = { "", "bill", "total", "saving", "of best", "cycles", "own use", "import", "export" };
	const bool people = terminal_is();
	struct table *t = people ? table_new(SHORT, 9) : table_new(HEADERS, 12);

	if (people)
		heading(&s->scenario);
	table_fill(s, t, people);
	table_print(t);
	if (people)
		notes(s);
}

static void add_row(cJSON *rows, enum simulate_row_kind kind, const struct simulate_row *r)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddItemToArray(rows, o);
	cJSON_AddStringToObject(o, "name", simulate_row_key(kind));
	json_add_number(o, "bill", r->bill, 4);
	json_add_number(o, "event_income", r->event_income, 4);
	json_add_number(o, "wear", r->wear, 4);
	json_add_number(o, "left", r->stock, 4);
	json_add_number(o, "total", r->total, 4);
	json_add_number(o, "saving", r->saving, 4);
	json_add_number(o, "of_clairvoyant_pct", r->of_clairvoyant, 2);
	json_add_number(o, "of_most_pct", r->of_most, 2);
	json_add_number(o, "cycles", r->cycles, 3);
	json_add_number(o, "self_sufficiency_pct", r->self_sufficiency_pct, 2);
	json_add_number(o, "import_kwh", r->import_kwh, 3);
	json_add_number(o, "export_kwh", r->export_kwh, 3);
	json_add_number(o, "used_kwh", r->used_kwh, 3);
	json_add_number(o, "pv_kwh", r->pv_kwh, 3);
	json_add_number(o, "charged_kwh", r->charged_kwh, 3);
	json_add_number(o, "discharged_kwh", r->discharged_kwh, 3);
	json_add_number(o, "car_kwh", r->car_kwh, 3);
	json_add_number(o, "car_short_kwh", r->car_short_kwh, 3);
	json_add_number(o, "event_kwh", r->event_kwh, 3);
	if (kind == ROW_HEARTH)
		cJSON_AddNumberToObject(o, "floor_violations", r->floor_violations);
}

cJSON *simulate_json(const struct simulation *s)
{
	const struct simulate_result *r = &s->result;
	cJSON *o = cJSON_CreateObject(), *plans, *rows;

	cJSON_AddStringToObject(o, "format", "hearth-simulation/1");
	cJSON_AddStringToObject(o, "scenario", s->scenario.name);
	json_add_time(o, "start", r->start_utc_ms);
	json_add_time(o, "end", r->end_utc_ms);
	cJSON_AddNumberToObject(o, "days", s->scenario.days);
	cJSON_AddNumberToObject(o, "seed", (double)s->scenario.seed);
	cJSON_AddStringToObject(o, "currency", s->scenario.currency);
	json_add_number(o, "stored_value", r->stored_value, 5);
	json_add_number(o, "least_total", r->least_total, 4);
	json_add_number(o, "load_error_pct", r->load_error_pct, 1);
	json_add_number(o, "pv_error_pct", r->pv_error_pct, 1);
	rows = cJSON_AddArrayToObject(o, "rows");
	for (int i = 0; i < ROW_COUNT; i++)
		add_row(rows, (enum simulate_row_kind)i, &r->row[i]);
	plans = cJSON_AddObjectToObject(o, "plans");
	cJSON_AddNumberToObject(plans, "made", r->plans);
	cJSON_AddNumberToObject(plans, "softened", r->plans_softened);
	cJSON_AddNumberToObject(plans, "infeasible", r->plans_infeasible);
	cJSON_AddNumberToObject(plans, "failed", r->plans_failed);
	json_add_number(plans, "mean_ms", r->plan_ms_mean, 3);
	json_add_number(plans, "worst_ms", r->plan_ms_worst, 3);
	cJSON_AddNumberToObject(o, "ticks", (double)r->ticks);
	cJSON_AddNumberToObject(o, "ticks_in_doubt", (double)r->doubt_ticks);
	json_add_number(o, "seconds", r->seconds, 3);
	return o;
}

int simulate_csv(const struct simulation *s, FILE *out)
{
	const struct simulate_result *r = &s->result;
	char at[CALENDAR_TEXT_MAX];

	fputs("time,import_price,export_price,load_kw,pv_kw", out);
	for (int k = 0; k < ROW_COUNT; k++)
		fprintf(out, ",%1$s_battery_kw,%1$s_car_kw,%1$s_grid_kw,%1$s_soc_pct,%1$s_cost", simulate_row_key((enum simulate_row_kind)k));
	fputc('\n', out);
	for (int i = 0; i < r->row[0].n_points; i++) {
		const int64_t from = r->start_utc_ms + (int64_t)i * SIMULATE_POINT_MS;
		const int minute = truth_minute(&s->truth, from);

		calendar_format(from, at);
		fprintf(out, "%s,%.5f,%.5f,%.4f,%.4f", at, s->truth.import_price[minute], s->truth.export_price[minute],
			truth_mean(&s->truth, s->truth.load_w, from, from + SIMULATE_POINT_MS) / 1e3,
			truth_mean(&s->truth, s->truth.pv_w, from, from + SIMULATE_POINT_MS) / 1e3);
		for (int k = 0; k < ROW_COUNT; k++) {
			const struct simulate_point *p = &r->row[k].point[i];

			fprintf(out, ",%.4f,%.4f,%.4f,%.2f,%.5f", (double)p->battery_kw, (double)p->car_kw, (double)p->grid_kw, (double)p->soc_pct,
				(double)p->cost);
		}
		fputc('\n', out);
	}
	return 0;
}
