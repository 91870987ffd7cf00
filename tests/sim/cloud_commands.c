/* Control port, both mock clouds: state, faults, clock, counts, prices. See cloud_commands.h. */
#include "sim/cloud_commands.h"

#include "core/json.h"
#include "io/loop.h"
#include "sim/commands.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Bits of the clouds a request names; "all" when it names none. 0 with the reason. */
static unsigned clouds_named(const cJSON *q, struct errbuf *err)
{
	char name[16] = "all";

	if (json_get_text(q, "cloud", name, sizeof(name), err) < 0)
		return 0;
	for (int i = 0; i < CLOUDS; i++)
		if (strcmp(name, cloud_name((enum cloud_id)i)) == 0)
			return 1u << i;
	if (strcmp(name, "all") == 0)
		return (1u << CLOUDS) - 1;
	errbuf_set(err, -EINVAL, "cloud must be flip, flatpeak or all, not '%s'", name);
	return 0;
}

static cJSON *cmd_cloud(struct clouds *c, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { "cloud", "state", NULL };
	char word[8] = "";
	enum cloud_state state;
	unsigned which;

	if (commands_keys_known(q, KEYS, err) < 0 || !(which = clouds_named(q, err)) ||
	    json_get_text(q, "state", word, sizeof(word), err) < 0)
		return NULL;
	if (strcmp(word, "up") && strcmp(word, "cut") && strcmp(word, "hang")) {
		errbuf_set(err, -EINVAL, "state must be up, cut or hang, not '%s'", word);
		return NULL;
	}
	state = word[0] == 'u' ? CLOUD_UP : word[0] == 'c' ? CLOUD_STATE_CUT : CLOUD_STATE_HANG;
	for (int i = 0; i < CLOUDS; i++)
		if (which & 1u << i && cloud_set_state(&c->cloud[i], state, err) < 0)
			return NULL;
	return commands_ok();
}

static cJSON *cmd_cloud_fault(struct clouds *c, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = {
		"cloud", "kind",   "count",       "for_s", "retry_after_s", "retry_after_date", "ms",
		"path",  "behind", "carried_out", NULL
	};
	struct cloud_fault f = { .retry_after_s = -1, .ms = 500 };
	int64_t count = 0, ms = f.ms, retry = -1;
	double for_s = 0;
	char kind[16] = "";
	bool behind = false;
	unsigned which;

	if (commands_keys_known(q, KEYS, err) < 0 || !(which = clouds_named(q, err)) ||
	    json_get_text(q, "kind", kind, sizeof(kind), err) < 0 ||
	    json_get_text(q, "path", f.path, sizeof(f.path), err) < 0 ||
	    json_get_int(q, "count", 0, 1000000, &count, err) < 0 || json_get_int(q, "ms", 0, 600000, &ms, err) < 0 ||
	    json_get_int(q, "retry_after_s", 0, 1000000000, &retry, err) < 0 ||
	    json_get_number(q, "for_s", 0, 1e6, &for_s, err) < 0 ||
	    json_get_bool(q, "retry_after_date", &f.retry_date, err) < 0 || json_get_bool(q, "behind", &behind, err) < 0)
		return NULL;
	if (cloud_fault_by_name(kind, &f) < 0) {
		errbuf_set(err, -EINVAL,
			   "kind must be a status 400..599, slow, cut, close, garbage, html, error200, huge, redirect or "
			   "empty, "
			   "not '%s'",
			   kind);
		return NULL;
	}
	if (json_get_bool(q, "carried_out", &f.carried_out, err) < 0)
		return NULL;
	f.left = (int)count;
	f.counted = count > 0;
	f.ms = (int)ms;
	f.retry_after_s = (int)retry;
	f.until_ms = for_s > 0 ? loop_now_ms() + (int64_t)(for_s * 1000) : 0;
	for (int i = 0; i < CLOUDS; i++)
		if (which & 1u << i && cloud_fault_add(&c->cloud[i].faults, &f, behind) < 0) {
			errbuf_set(err, -ENOSPC, "%d faults wait already", CLOUD_FAULTS_MAX);
			return NULL;
		}
	return commands_ok();
}

static cJSON *cmd_cloud_clear(struct clouds *c, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { "cloud", NULL };
	unsigned which = commands_keys_known(q, KEYS, err) < 0 ? 0 : clouds_named(q, err);

	if (!which)
		return NULL;
	for (int i = 0; i < CLOUDS; i++)
		if (which & 1u << i)
			c->cloud[i].faults.n = 0;
	return commands_ok();
}

static cJSON *cmd_cloud_clock(struct clouds *c, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { "offset_s", NULL };
	double offset_s = (double)c->offset_ms / 1000;
	cJSON *o;

	/* not before 1970, not after the year 9999 */
	if (commands_keys_known(q, KEYS, err) < 0 || json_get_number(q, "offset_s", -1.5e9, 2e11, &offset_s, err) < 0)
		return NULL;
	c->offset_ms = (int64_t)(offset_s * 1000);
	mock_flip_step(&c->flip, clouds_now_ms(c));
	o = commands_ok();
	cJSON_AddNumberToObject(o, "now_ms", (double)clouds_now_ms(c));
	return o;
}

static cJSON *stats_json(const struct cloud *c)
{
	const struct cloud_stats *s = &c->stats;
	static const char *const STATES[] = { "up", "cut", "hang" };
	cJSON *o = cJSON_CreateObject(), *by, *last;
	char status[16];

	cJSON_AddStringToObject(o, "state", STATES[c->state]);
	cJSON_AddNumberToObject(o, "requests", (double)s->requests);
	by = cJSON_AddObjectToObject(o, "by");
	for (int i = 0; i < s->n_paths; i++)
		cJSON_AddNumberToObject(by, s->path[i].name, (double)s->path[i].n);
	by = cJSON_AddObjectToObject(o, "by_status");
	for (int i = 0; i < 600; i++)
		if (s->by_status[i]) {
			snprintf(status, sizeof(status), "%d", i);
			cJSON_AddNumberToObject(by, status, s->by_status[i]);
		}
	cJSON_AddNumberToObject(o, "unauthorized", (double)s->unauthorized);
	cJSON_AddNumberToObject(o, "last_request_ms", (double)s->last_utc_ms);
	cJSON_AddNumberToObject(o, "max_per_s", s->max_per_s);
	cJSON_AddNumberToObject(o, "faults", c->faults.n);
	last = cJSON_AddObjectToObject(o, "last");
	cJSON_AddStringToObject(last, "method", s->last.method);
	cJSON_AddStringToObject(last, "path", s->last.target);
	cJSON_AddStringToObject(last, "version", s->last.version);
	cJSON_AddStringToObject(last, "body", json_utf8(s->last.body, strlen(s->last.body)) ? s->last.body : "(not UTF-8)");
	return o;
}

static cJSON *cmd_cloud_stats(struct clouds *c, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { NULL };
	const struct mock_points *p = &c->flip.points;
	cJSON *o, *flip, *flatpeak;

	if (commands_keys_known(q, KEYS, err) < 0)
		return NULL;
	o = commands_ok();
	cJSON_AddNumberToObject(o, "now_ms", (double)clouds_now_ms(c));
	flip = stats_json(&c->cloud[CLOUD_FLIP]);
	cJSON_AddNumberToObject(flip, "points", (double)p->received);
	cJSON_AddNumberToObject(flip, "points_failed", (double)p->failed);
	cJSON_AddNumberToObject(flip, "points_repeated", (double)p->repeated);
	cJSON_AddNumberToObject(flip, "points_kept", (double)p->n);
	cJSON_AddItemToObject(o, "flip", flip);
	flatpeak = stats_json(&c->cloud[CLOUD_FLATPEAK]);
	cJSON_AddNumberToObject(flatpeak, "logins", (double)c->flatpeak.logins);
	cJSON_AddNumberToObject(flatpeak, "priced", (double)c->flatpeak.priced);
	cJSON_AddItemToObject(o, "flatpeak", flatpeak);
	return o;
}

static int take_schedule(const cJSON *q, const char *key, struct mock_tariff *t, struct errbuf *err)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(q, key);

	return item ? mock_tariff_read(item, t, err) : 0;
}

/* Hours ahead; null = no end. */
static int take_hours(const cJSON *q, const char *key, double *out, struct errbuf *err)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(q, key);

	if (item && cJSON_IsNull(item))
		*out = NAN;
	return json_get_number(q, key, 0, 1e5, out, err) < 0 ? -EINVAL : 0;
}

static int take_words(const cJSON *q, struct mock_flatpeak *f, struct errbuf *err)
{
	static const char *const CODES[] = { "no_tariff_connected", "pending_connect", "no_price_data", "account_disabled" };
	const cJSON *code = cJSON_GetObjectItemCaseSensitive(q, "code");
	char profile[8] = "", zone[32] = "", element[8] = "";
	bool known = false;
	int p;

	if (json_get_text(q, "profile", profile, sizeof(profile), err) < 0 ||
	    json_get_text(q, "timezone", zone, sizeof(zone), err) < 0 ||
	    json_get_text(q, "currency", f->currency, sizeof(f->currency), err) < 0 ||
	    json_get_text(q, "element", element, sizeof(element), err) < 0 ||
	    json_get_text(q, "code", f->code, sizeof(f->code), err) < 0)
		return -EINVAL;
	p = profile[0] ? mock_profile_find(profile) : (int)f->profile;
	if (p < 0)
		return errbuf_set(err, -EINVAL, "profile must be zero, anode or busbar, not '%s'", profile);
	f->profile = (enum mock_profile)p;
	f->zone = zone[0] ? mock_zone_find(zone) : f->zone;
	if (!f->zone)
		return errbuf_set(err, -EINVAL, "timezone must be UTC, Europe/London or Europe/Berlin, not '%s'", zone);
	if (element[0] && strcmp(element, "price") && strcmp(element, "tariff"))
		return errbuf_set(err, -EINVAL, "element must be price or tariff, not '%s'", element);
	if (element[0])
		f->tariff_element = element[0] == 't';
	if (code && cJSON_IsNull(code))
		f->code[0] = '\0';
	for (size_t i = 0; i < sizeof(CODES) / sizeof(CODES[0]); i++)
		known |= strcmp(f->code, CODES[i]) == 0;
	if (f->code[0] && !known)
		return errbuf_set(err, -EINVAL, "code '%s' is not one of FlatPeak's price codes", f->code);
	return 0;
}

static cJSON *cmd_flatpeak_set(struct clouds *c, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { "profile",  "import",       "export",        "currency",
					    "timezone", "expires_in_s", "horizon_h",     "forecast_after_h",
					    "code",     "element",      "bearer_status", NULL };
	struct mock_flatpeak f = c->flatpeak;
	int64_t expires = f.expires_in_s, bearer = f.bearer_status;

	if (commands_keys_known(q, KEYS, err) < 0 || take_schedule(q, "import", &f.import, err) < 0 ||
	    take_schedule(q, "export", &f.export, err) < 0 || take_hours(q, "horizon_h", &f.horizon_h, err) < 0 ||
	    take_hours(q, "forecast_after_h", &f.forecast_after_h, err) < 0 ||
	    json_get_int(q, "expires_in_s", 0, 1000000, &expires, err) < 0 ||
	    json_get_int(q, "bearer_status", 401, 403, &bearer, err) < 0 || take_words(q, &f, err) < 0)
		return NULL;
	f.expires_in_s = (int)expires;
	f.bearer_status = (int)bearer;
	c->flatpeak = f;
	return commands_ok();
}

static void add_hours(cJSON *o, const char *key, double hours)
{
	if (isnan(hours))
		cJSON_AddNullToObject(o, key);
	else
		cJSON_AddNumberToObject(o, key, hours);
}

static cJSON *cmd_flatpeak_get(struct clouds *c, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { NULL };
	const struct mock_flatpeak *f = &c->flatpeak;
	cJSON *o;

	if (commands_keys_known(q, KEYS, err) < 0)
		return NULL;
	o = commands_ok();
	cJSON_AddStringToObject(o, "profile", mock_profile_name(f->profile));
	cJSON_AddItemToObject(o, "import", mock_tariff_json(&f->import));
	cJSON_AddItemToObject(o, "export", mock_tariff_json(&f->export));
	cJSON_AddStringToObject(o, "currency", f->currency);
	cJSON_AddStringToObject(o, "timezone", f->zone->name);
	cJSON_AddStringToObject(o, "location", f->location);
	cJSON_AddNumberToObject(o, "expires_in_s", f->expires_in_s);
	add_hours(o, "horizon_h", f->horizon_h);
	add_hours(o, "forecast_after_h", f->forecast_after_h);
	if (f->code[0])
		cJSON_AddStringToObject(o, "code", f->code);
	else
		cJSON_AddNullToObject(o, "code");
	cJSON_AddStringToObject(o, "element", f->tariff_element ? "tariff" : "price");
	cJSON_AddNumberToObject(o, "bearer_status", f->bearer_status);
	cJSON_AddNumberToObject(o, "logins", (double)f->logins);
	cJSON_AddNumberToObject(o, "priced", (double)f->priced);
	cJSON_AddNumberToObject(o, "requests", (double)c->cloud[CLOUD_FLATPEAK].stats.requests);
	return o;
}

cloud_command_fn *cloud_command_find(const char *name)
{
	static const struct {
		const char *name;
		cloud_command_fn *run;
	} COMMANDS[] = {
		{ "cloud", cmd_cloud },
		{ "cloud_fault", cmd_cloud_fault },
		{ "cloud_clear", cmd_cloud_clear },
		{ "cloud_clock", cmd_cloud_clock },
		{ "cloud_stats", cmd_cloud_stats },
		{ "flatpeak_set", cmd_flatpeak_set },
		{ "flatpeak_get", cmd_flatpeak_get },
	};

	for (size_t i = 0; i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++)
		if (strcmp(name, COMMANDS[i].name) == 0)
			return COMMANDS[i].run;
	return cloud_flip_command_find(name);
}
