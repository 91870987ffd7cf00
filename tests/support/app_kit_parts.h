/* More of what app.c starts and stops: forecasts, recorder, savings, habits. They do nothing but say that they were stopped. */
#ifndef HEARTH_TESTS_APP_KIT_PARTS_H
#define HEARTH_TESTS_APP_KIT_PARTS_H

int forecasting_start(struct forecasting **out, const struct forecasting_options *o, struct errbuf *err)
{
	(void)o;
	(void)err;
	*out = NULL;
	return 0;
}
void forecasting_configure(struct forecasting *f, const struct config *config, const struct zone *zone) { (void)f; (void)config; (void)zone; }
const struct forecast *forecasting_now(const struct forecasting *f) { (void)f; return NULL; }
void forecasting_stop(struct forecasting *f) { (void)f; }

int habits_start(struct habits **out, const struct habits_options *o, struct errbuf *err) { (void)o; (void)err; *out = NULL; return 0; }
bool habits_load(struct habits *b, const struct store_row *row) { (void)b; (void)row; return false; }
void habits_stop(struct habits *b) { (void)b; did("habits_stop"); }
int savings_start(struct savings **out, const struct savings_options *o, struct errbuf *err) { (void)o; (void)err; *out = NULL; return 0; }
bool savings_load(struct savings *v, const struct store_row *row) { (void)v; (void)row; return false; }
void savings_stop(struct savings *v) { (void)v; did("savings_stop"); }
int recorder_start(struct recorder **out, const struct recorder_options *o, struct errbuf *e) { (void)o; (void)e; *out = NULL; return 0; }
void recorder_configure(struct recorder *r, const struct config *config, const struct zone *zone) { (void)r; (void)config; (void)zone; }
void recorder_cut(struct recorder *r) { (void)r; did("recorder_cut"); }
void recorder_stop(struct recorder *r) { (void)r; did("recorder_stop"); }
void money_ended(void *context, const struct interval_report *report, double import_price, double export_price) { (void)context; (void)report; (void)import_price; (void)export_price; }

void money_prices(void *context, int64_t from_utc_ms, int64_t to_utc_ms, double *import_price, double *export_price)
{
	(void)context;
	(void)from_utc_ms;
	(void)to_utc_ms;
	*import_price = *export_price = NAN;
}

#endif
