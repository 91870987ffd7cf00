/* hearthctl simulate --html: one page with its charts drawn into it, nothing fetched from anywhere. */
#include "ctl/simulate.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDE 960.0
#define HIGH 150.0
#define LEFT 60.0
#define SHOWN_MAX (10 * 48) /* half hours that can be told apart */

/* One chart of half hours over the span that is shown. */
struct chart {
	FILE *out;
	int from, n;
	double min, max;
};

/* Text from a file: nothing of it may become markup. */
static void escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (strchr("<>&\"'", *text))
			fprintf(out, "&#%d;", *text);
		else
			fputc(*text, out);
	}
}

static double x_of(const struct chart *c, int i)
{
	return LEFT + (WIDE - LEFT) * i / c->n;
}

static double y_of(const struct chart *c, double v)
{
	return HIGH - 10 - (HIGH - 20) * (v - c->min) / (c->max - c->min);
}

static void widen(struct chart *c, double v)
{
	c->min = fmin(c->min, v);
	c->max = fmax(c->max, v);
}

static void axis(const struct chart *c, double v, const char *unit)
{
	fprintf(c->out, "<path class=grid d=\"M%.0f %.1fH%.0f\"/><text x=%.0f y=%.1f>%.4g %s</text>\n", LEFT, y_of(c, v), WIDE, LEFT - 4,
		y_of(c, v) + 4, v, unit);
}

static void begin(const struct simulation *s, const struct chart *c, const char *title, const char *unit)
{
	struct civil day;

	fprintf(c->out, "<h2>%s</h2>\n<svg viewBox=\"0 0 %.0f %.0f\">\n", title, WIDE, HIGH + 14);
	for (int i = 0; i < c->n; i++) {
		calendar_local(&s->zone, s->result.start_utc_ms + (int64_t)(c->from + i) * SIMULATE_POINT_MS, &day);
		if (day.hour == 0 && day.minute == 0)
			fprintf(c->out, "<path class=grid d=\"M%.1f 0V%.0f\"/><text class=day x=%.1f y=%.0f>%d-%02d-%02d</text>\n", x_of(c, i), HIGH,
				x_of(c, i) + 2, HIGH + 10, day.year, day.month, day.day);
	}
	axis(c, c->min, unit);
	axis(c, c->max, unit);
	if (c->min < 0 && c->max > 0)
		axis(c, 0, unit);
}

/* Steps: every value holds for its half hour. */
static void line(const struct chart *c, const char *class, double (*value)(const struct simulation *, int), const struct simulation *s)
{
	fprintf(c->out, "<path class=%s d=\"M", class);
	for (int i = 0; i < c->n; i++)
		fprintf(c->out, "%s%.1f %.1fH%.1f", i ? "L" : "", x_of(c, i), y_of(c, value(s, c->from + i)), x_of(c, i + 1));
	fputs("\"/>\n", c->out);
}

static double import_price(const struct simulation *s, int i)
{
	return s->truth.import_price[truth_minute(&s->truth, s->result.start_utc_ms + (int64_t)i * SIMULATE_POINT_MS)];
}

static double export_price(const struct simulation *s, int i)
{
	return s->truth.export_price[truth_minute(&s->truth, s->result.start_utc_ms + (int64_t)i * SIMULATE_POINT_MS)];
}

static double load_kw(const struct simulation *s, int i)
{
	const int64_t at = s->result.start_utc_ms + (int64_t)i * SIMULATE_POINT_MS;

	return truth_mean(&s->truth, s->truth.load_w, at, at + SIMULATE_POINT_MS) / 1e3;
}

static double pv_kw(const struct simulation *s, int i)
{
	return (double)s->result.row[ROW_HEARTH].point[i].pv_kw;
}

static double battery_kw(const struct simulation *s, int i)
{
	return (double)s->result.row[ROW_HEARTH].point[i].battery_kw;
}

static double car_kw(const struct simulation *s, int i)
{
	return (double)s->result.row[ROW_HEARTH].point[i].car_kw;
}

static double soc_pct(const struct simulation *s, int i)
{
	return (double)s->result.row[ROW_HEARTH].point[i].soc_pct;
}

static double best_soc_pct(const struct simulation *s, int i)
{
	return (double)s->result.row[ROW_CLAIRVOYANT].point[i].soc_pct;
}

struct curve {
	const char *class, *name;
	double (*value)(const struct simulation *, int);
};

/* @c  with its file and what is shown at least */
static void chart(const struct simulation *s, struct chart c, const char *title, const char *unit, const struct curve *curves, int n)
{
	FILE *out = c.out;

	c.n = s->result.row[0].n_points;
	if (c.n > SHOWN_MAX) { /* of a long run some days out of its middle */
		c.from = (c.n - SHOWN_MAX) / 2;
		c.n = SHOWN_MAX;
	}
	for (int k = 0; k < n; k++)
		for (int i = 0; i < c.n; i++)
			widen(&c, curves[k].value(s, c.from + i));
	if (c.max - c.min < 1e-9)
		c.max = c.min + 1;
	begin(s, &c, title, unit);
	for (int k = 0; k < n; k++)
		line(&c, curves[k].class, curves[k].value, s);
	fputs("</svg>\n<p class=legend>", out);
	for (int k = 0; k < n; k++)
		fprintf(out, "<span class=%s-key>&#9632; %s</span> ", curves[k].class, curves[k].name);
	fputs("</p>\n", out);
}

static void bars(const struct simulation *s, FILE *out)
{
	double min = 0, max = 0, zero;

	for (int i = 0; i < ROW_COUNT; i++) {
		min = fmin(min, s->result.row[i].total);
		max = fmax(max, s->result.row[i].total);
	}
	if (max - min < 1e-9)
		max = min + 1;
	zero = 130 + 620 * -min / (max - min);
	fprintf(out, "<h2>What it cost, %s</h2>\n<svg viewBox=\"0 0 %.0f %d\">\n", s->scenario.currency, WIDE, ROW_COUNT * 28 + 8);
	for (int i = 0; i < ROW_COUNT; i++) {
		const double x = 130 + 620 * (s->result.row[i].total - min) / (max - min);

		fprintf(out, "<rect class=bar%d x=%.1f y=%d width=%.1f height=20 /><text x=122 y=%d>%s</text><text class=day x=%.1f y=%d>%.2f</text>\n", i,
			fmin(x, zero), i * 28 + 4, fmax(fabs(x - zero), 0.5), i * 28 + 18, simulate_row_name((enum simulate_row_kind)i),
			fmax(x, zero) + 6, i * 28 + 18, s->result.row[i].total);
	}
	fputs("</svg>\n", out);
}

/* Less than half a penny is nothing, whatever its sign. */
static double pennies(double v)
{
	return fabs(v) < 0.005 ? 0 : v;
}

static void table(const struct simulation *s, FILE *out)
{
	fputs("<table><tr><th></th><th>bill</th><th>events pay</th><th>wear</th><th>left</th><th>total</th><th>saving</th><th>of best</th><th>cycles</th>"
	      "<th>self-sufficient</th><th>import kWh</th><th>export kWh</th><th>event kWh</th></tr>\n", out);
	for (int i = 0; i < ROW_COUNT; i++) {
		const struct simulate_row *r = &s->result.row[i];

		fprintf(out, "<tr><th>%s</th><td>%.2f</td><td>%.2f</td><td>%.2f</td><td>%.2f</td><td>%.2f</td><td>%.2f</td>", simulate_row_name((enum simulate_row_kind)i),
			pennies(r->bill), pennies(r->event_income), r->wear, pennies(r->stock), pennies(r->total), pennies(r->saving));
		if (isnan(r->of_clairvoyant))
			fputs("<td>-</td>", out);
		else
			fprintf(out, "<td>%.1f %%</td>", r->of_clairvoyant);
		fprintf(out, "<td>%.1f</td><td>%.0f %%</td><td>%.1f</td><td>%.1f</td><td>%.1f</td></tr>\n", r->cycles, r->self_sufficiency_pct,
			r->import_kwh, r->export_kwh, r->event_kwh);
	}
	fprintf(out, "</table>\n<p>Breaches of the floor: %d.", s->result.row[ROW_HEARTH].floor_violations);
	if (!isnan(s->result.load_error_pct))
		fprintf(out, " The forecast of the next day was off by %.0f %% of the load.", s->result.load_error_pct);
	fprintf(out, " Total: the bill by the meter, less what events pay and what is left, with wear. Left: what is stored more or less at the end than "
		"at the start, at %.3f a kWh, less what a car did not get. The clairvoyant knew everything "
		"before it came; it ignores what happens within %s.</p>\n", s->result.stored_value, s->truth.n_sessions ? "five minutes" : "a minute");
}

int simulate_html(const struct simulation *s, FILE *out)
{
	static const struct curve PRICES[] = { { "a", "import", import_price }, { "b", "export", export_price } };
	static const struct curve POWERS[] = { { "b", "sun", pv_kw }, { "c", "house", load_kw }, { "d", "car", car_kw }, { "a", "battery, charging upward", battery_kw } };
	static const struct curve STORED[] = { { "e", "clairvoyant", best_soc_pct }, { "a", "Hearth", soc_pct } };

	fputs("<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8><title>Hearth: ", out);
	escaped(out, s->scenario.name);
	fputs("</title>\n<style>body{font:15px sans-serif;max-width:980px;margin:2em auto;padding:0 1em;color:#222;background:#fff}"
	      "svg{width:100%;height:auto}path{fill:none;stroke-width:1.4}text{font-size:11px;text-anchor:end;fill:#555}text.day{text-anchor:start}"
	      ".grid{stroke:#ddd;stroke-width:1}.a{stroke:#c2410c}.b{stroke:#d4a106}.c{stroke:#555}.d{stroke:#7c3aed}.e{stroke:#94a3b8}"
	      ".a-key{color:#c2410c}.b-key{color:#d4a106}.c-key{color:#555}.d-key{color:#7c3aed}.e-key{color:#94a3b8}"
	      "rect{fill:#94a3b8}.bar3{fill:#c2410c}.bar4{fill:#cbd5e1}table{border-collapse:collapse;font-size:13px}"
	      "td,th{padding:3px 9px;text-align:right;border-bottom:1px solid #ddd}h1,h2{font-weight:600}h2{font-size:16px;margin-bottom:4px}"
	      ".legend{font-size:12px;margin:2px 0}</style></head><body>\n<h1>", out);
	escaped(out, s->scenario.name);
	fprintf(out, "</h1>\n<p>%d days. ", s->scenario.days);
	escaped(out, s->scenario.about);
	fputs("</p>\n", out);
	bars(s, out);
	table(s, out);
	if (s->result.row[0].n_points > SHOWN_MAX)
		fprintf(out, "<p>The charts show %d days out of the middle.</p>\n", SHOWN_MAX / 48);
	chart(s, (struct chart){ .out = out }, "Prices", "", PRICES, 2);
	chart(s, (struct chart){ .out = out }, "Power", "kW", POWERS, 4);
	chart(s, (struct chart){ .out = out, .max = 100 }, "Battery", "%", STORED, 2);
	fputs("</body></html>\n", out);
	return 0;
}
