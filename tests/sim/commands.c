/* Commands of the control port: see commands.h; packaging/man/hearth-sim.1 describes them. */
#include "sim/commands.h"

#include "core/json.h"
#include "sim/cloud_commands.h"
#include "sim/sim.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

cJSON *commands_ok(void)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddBoolToObject(o, "ok", 1);
	return o;
}

int commands_keys_known(const cJSON *request, const char *const *keys, struct errbuf *err)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, request)
	{
		bool known = strcmp(item->string, "cmd") == 0;

		for (int i = 0; keys[i] && !known; i++)
			known = strcmp(item->string, keys[i]) == 0;
		if (!known)
			return errbuf_set(err, -EINVAL, "unknown key \"%s\"", item->string);
	}
	return 0;
}

/* A number, or null / "auto" for NAN: by nature. */
static int number_or_auto(const cJSON *o, const char *key, double max, double *out, struct errbuf *err)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, key);

	if (item && (cJSON_IsNull(item) || (cJSON_IsString(item) && strcmp(item->valuestring, "auto") == 0))) {
		*out = NAN;
		return 1;
	}
	return json_get_number(o, key, 0, max, out, err);
}

static int set_car(struct car *car, const cJSON *o, struct errbuf *err)
{
	static const char *const KEYS[] = { "plugged", "soc_pct", "phases", "max_a", NULL };
	double soc_pct = car_soc_pct(car), max_a = car->o.max_a;
	int64_t phases = car->o.phases;
	bool plugged = car->plugged;

	if (!cJSON_IsObject(o))
		return errbuf_set(err, -EINVAL, "\"car\" must be an object");
	if (commands_keys_known(o, KEYS, err) < 0 || json_get_bool(o, "plugged", &plugged, err) < 0 ||
	    json_get_number(o, "soc_pct", 0, 100, &soc_pct, err) < 0 ||
	    json_get_number(o, "max_a", 6, 32, &max_a, err) < 0 || json_get_int(o, "phases", 1, 3, &phases, err) < 0)
		return -EINVAL;
	if (phases == 2)
		return errbuf_set(err, -EINVAL, "car phases must be 1 or 3");
	car->o.max_a = max_a;
	car->o.phases = (int)phases;
	car_soc_set(car, soc_pct);
	car_plug(car, plugged);
	return 0;
}

/* What somebody else does to the devices: an installer, another controller. */
static int set_devices(struct sim *s, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { "phase_source", "contactor", "phase_fault", NULL };
	const cJSON *o = cJSON_GetObjectItemCaseSensitive(q, "charger");
	const struct keba *k = &s->keba;
	double limit_pct = 0, reserve_pct = 0;
	int64_t source = k->phase_source;
	bool contactor = !k->no_contactor, fault = k->phase_fault;

	if (o && !cJSON_IsObject(o))
		return errbuf_set(err, -EINVAL, "\"charger\" must be an object");
	if ((o && commands_keys_known(o, KEYS, err) < 0) || json_get_int(o, "phase_source", 0, 4, &source, err) < 0 ||
	    json_get_bool(o, "contactor", &contactor, err) < 0 || json_get_bool(o, "phase_fault", &fault, err) < 0 ||
	    number_or_auto(q, "pv_limit_pct", 100, &limit_pct, err) < 0 ||
	    json_get_number(q, "reserve_pct", 0, 100, &reserve_pct, err) < 0)
		return -EINVAL;
	if (o)
		keba_service(&s->keba, (int)source, contactor, fault);
	if (cJSON_HasObjectItem(q, "pv_limit_pct"))
		sunspec_pv_limit(&s->pv, limit_pct);
	if (cJSON_HasObjectItem(q, "reserve_pct"))
		sunspec_battery_reserve(&s->battery, reserve_pct);
	return 0;
}

static cJSON *cmd_set(struct sim *s, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { "load_w", "pv_w",    "sun",          "soc_pct",     "car",
					    "time",   "charger", "pv_limit_pct", "reserve_pct", NULL };
	struct house h = s->house;
	double soc_pct = storage_soc_pct(&h.battery);
	const cJSON *car = cJSON_GetObjectItemCaseSensitive(q, "car");
	char time[8] = "";
	int hour, minute, used = 0;

	if (commands_keys_known(q, KEYS, err) < 0 || number_or_auto(q, "load_w", 1e5, &h.load_set_w, err) < 0 ||
	    number_or_auto(q, "pv_w", 1e5, &h.pv_set_w, err) < 0 || number_or_auto(q, "sun", 1, &h.sun_set, err) < 0 ||
	    json_get_number(q, "soc_pct", 0, 100, &soc_pct, err) < 0 ||
	    json_get_text(q, "time", time, sizeof(time), err) < 0)
		return NULL;
	if (time[0] && (sscanf(time, "%2d:%2d%n", &hour, &minute, &used) != 2 || time[used] || hour < 0 || hour > 23 ||
			minute < 0 || minute > 59)) {
		errbuf_set(err, -EINVAL, "time must be HH:MM");
		return NULL;
	}
	if ((car && set_car(&h.car, car, err) < 0) || set_devices(s, q, err) < 0)
		return NULL;
	if (time[0])
		h.day_s = hour * 3600 + minute * 60;
	if (cJSON_HasObjectItem(q, "soc_pct"))
		storage_soc_set(&h.battery, soc_pct);
	s->house = h;
	return commands_ok();
}

static int take_fault(const cJSON *q, struct fault *f, struct errbuf *err)
{
	static const char *const KEYS[] = { "unit", "kind", "code", "ms", "for_s", "on", "value", "variant", NULL };
	char kind[16] = "", on[8] = "all";
	int64_t code = 4, ms = 800, value = 65083, variant = -1; /* 65083 is -453 in 16 bits */
	double for_s = 0;

	if (commands_keys_known(q, KEYS, err) < 0 || json_get_text(q, "kind", kind, sizeof(kind), err) < 0 ||
	    json_get_text(q, "on", on, sizeof(on), err) < 0 || json_get_int(q, "code", 1, 255, &code, err) < 0 ||
	    json_get_int(q, "ms", 1, 600000, &ms, err) < 0 || json_get_int(q, "value", 0, 65535, &value, err) < 0 ||
	    json_get_int(q, "variant", 0, 5, &variant, err) < 0 || json_get_number(q, "for_s", 0, 1e6, &for_s, err) < 0)
		return -EINVAL;
	f->kind = fault_kind_by_name(kind);
	if (f->kind == FAULT_NONE)
		return errbuf_set(err, -EINVAL,
				  "kind must be silent, exception, garbage, slow, drip, close, freeze or bad_soc, not '%s'",
				  kind);
	if (strcmp(on, "all") && strcmp(on, "read") && strcmp(on, "write"))
		return errbuf_set(err, -EINVAL, "on must be all, read or write, not '%s'", on);
	f->on = on[0] == 'a' ? FAULT_ON_ALL : on[0] == 'r' ? FAULT_ON_READ : FAULT_ON_WRITE;
	f->code = (int)code;
	f->ms = (int)ms;
	if (f->kind == FAULT_DRIP && !cJSON_HasObjectItem(q, "ms"))
		f->ms = 50;
	f->raw = (uint16_t)value;
	f->variant = (int)variant;
	f->until_ms = for_s > 0 ? (int64_t)(uv_hrtime() / 1000000) + (int64_t)(for_s * 1000) : 0;
	return 0;
}

/* Applies @f to the unit named in the request, or to all when it names none. */
static cJSON *apply_fault(struct sim *s, const cJSON *q, const struct fault *f, struct errbuf *err)
{
	int64_t unit = -1;
	struct rack_unit *u = NULL;

	if (json_get_int(q, "unit", 0, 255, &unit, err) < 0)
		return NULL;
	if (unit >= 0 && !(u = rack_find(&s->rack, (int)unit))) {
		errbuf_set(err, -ENOENT, "there is no unit %d", (int)unit);
		return NULL;
	}
	if (u && f->kind == FAULT_BAD_SOC && !u->ops->bad_soc) {
		errbuf_set(err, -EINVAL, "unit %d has no state of charge", (int)unit);
		return NULL;
	}
	for (int i = 0; i < s->rack.n; i++)
		if (!u || u == &s->rack.unit[i])
			rack_fault_set(&s->rack.unit[i], f);
	return commands_ok();
}

static cJSON *cmd_fault(struct sim *s, const cJSON *q, struct errbuf *err)
{
	struct fault f = { .kind = FAULT_NONE };

	return take_fault(q, &f, err) < 0 ? NULL : apply_fault(s, q, &f, err);
}

static cJSON *cmd_clear(struct sim *s, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { "unit", NULL };

	return commands_keys_known(q, KEYS, err) < 0 ? NULL : apply_fault(s, q, &(struct fault){ .kind = FAULT_NONE }, err);
}

static cJSON *cmd_grid(struct sim *s, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { "lost", "meter", NULL };
	struct rack_unit *meter = rack_find(&s->rack, UNIT_METER);
	char word[8] = "dead";
	bool lost = false;
	int e = commands_keys_known(q, KEYS, err) < 0 ? -EINVAL : json_get_bool(q, "lost", &lost, err);

	if (e == 0)
		errbuf_set(err, -EINVAL, "\"lost\" is missing");
	if (e <= 0 || json_get_text(q, "meter", word, sizeof(word), err) < 0)
		return NULL;
	if (strcmp(word, "dead") && strcmp(word, "alive")) {
		errbuf_set(err, -EINVAL, "meter must be dead or alive, not '%s'", word);
		return NULL;
	}
	s->house.grid_lost = lost;
	if (meter) /* it sits on the grid's side of the switch and has no supply of its own */
		meter->dead = lost && word[0] == 'd';
	return commands_ok();
}

static cJSON *cmd_speed(struct sim *s, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { "speed", NULL };
	double speed = 1;
	int e = commands_keys_known(q, KEYS, err) < 0 ? -EINVAL : json_get_number(q, "speed", 0.001, 1e5, &speed, err);

	if (e == 0)
		errbuf_set(err, -EINVAL, "\"speed\" is missing");
	if (e <= 0)
		return NULL;
	house_speed_set(&s->house, speed);
	return commands_ok();
}

static cJSON *cmd_quit(struct sim *s, const cJSON *q, struct errbuf *err)
{
	(void)q, (void)err;
	s->stopping = true; /* the tick ends us, after this answer has gone out */
	return commands_ok();
}

static cJSON *cmd_writes(struct sim *s, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { "since", "unit", "limit", NULL };
	const struct rack *r = &s->rack;
	int64_t since = 0, unit = -1, limit = 200, oldest = (int64_t)r->n_notes - RACK_NOTES_MAX, n = 0;
	cJSON *o, *list;

	if (commands_keys_known(q, KEYS, err) < 0 || json_get_int(q, "since", 0, INT64_MAX / 2, &since, err) < 0 ||
	    json_get_int(q, "unit", 0, 255, &unit, err) < 0 || json_get_int(q, "limit", 1, RACK_NOTES_MAX, &limit, err) < 0)
		return NULL;
	o = commands_ok();
	cJSON_AddNumberToObject(o, "next", (double)r->n_notes);
	list = cJSON_AddArrayToObject(o, "writes");
	for (int64_t i = (int64_t)r->n_notes - 1; i >= since && i >= oldest && i >= 0 && n < limit; i--) {
		const struct write_note *w = &r->note[i % RACK_NOTES_MAX];
		cJSON *row, *values;

		if (unit >= 0 && w->unit != unit)
			continue;
		row = cJSON_CreateObject();
		cJSON_AddNumberToObject(row, "seq", (double)i);
		cJSON_AddNumberToObject(row, "t_ms", (double)(w->t_us / 1000));
		cJSON_AddNumberToObject(row, "t_us", (double)w->t_us);
		cJSON_AddNumberToObject(row, "unit", w->unit);
		cJSON_AddNumberToObject(row, "fc", w->fc);
		cJSON_AddNumberToObject(row, "address", w->address);
		cJSON_AddNumberToObject(row, "exception", w->exception);
		values = cJSON_AddArrayToObject(row, "values");
		for (int k = 0; k < w->count; k++)
			cJSON_AddItemToArray(values, cJSON_CreateNumber(w->words[k]));
		cJSON_InsertItemInArray(list, 0, row); /* oldest first */
		n++;
	}
	return o;
}

static void add_battery(cJSON *o, const struct sim *s)
{
	const struct storage *b = &s->house.battery;
	const struct storage_order *order = &b->order;
	cJSON *set = cJSON_AddObjectToObject(o, "setpoint"), *left = cJSON_AddObjectToObject(o, "reversion_left_s");

	cJSON_AddStringToObject(set, "mode", order->off ? "off" : order->fixed ? "power" : "auto");
	json_add_number(set, "power_w", order->fixed ? order->power_w : NAN, 1);
	json_add_number(set, "min_w", order->min_w, 1);
	json_add_number(set, "max_w", order->max_w, 1);
	json_add_number(set, "reserve_pct", order->reserve_pct, 2);
	json_add_number(left, "wset", s->battery.set_left_s, 1);
	json_add_number(left, "wmaxlim", s->battery.limit_left_s, 1);
	json_add_number(left, "rates", s->battery.rates_left_s, 1);
	json_add_number(left, "pv", s->pv.left_s, 1);
	json_add_number(o, "battery_charged_wh", b->charged_wh, 1);
	json_add_number(o, "battery_discharged_wh", b->discharged_wh, 1);
	json_add_number(o, "battery_energy_wh", b->energy_wh, 2);
}

static void add_car(cJSON *o, const struct sim *s)
{
	const struct car *c = &s->house.car;
	cJSON *car = cJSON_AddObjectToObject(o, "car");

	cJSON_AddBoolToObject(car, "plugged", c->plugged);
	json_add_number(car, "soc_pct", car_soc_pct(c), 2);
	json_add_number(car, "power_w", c->power_w, 1);
	json_add_number(car, "current_a", c->current_a, 2);
	cJSON_AddNumberToObject(car, "phases", c->phases);
	json_add_number(car, "session_wh", c->session_wh, 1);
	cJSON_AddNumberToObject(car, "offer_ma", keba_offer_ma(&s->keba));
	cJSON_AddNumberToObject(car, "phases_closed", s->keba.three_closed ? 3 : 1);
	cJSON_AddNumberToObject(car, "phase_source", s->keba.phase_source);
	cJSON_AddNumberToObject(car, "phase_switches", s->keba.phase_switches);
	cJSON_AddNumberToObject(car, "switched_hot", s->keba.switched_hot);
	cJSON_AddBoolToObject(car, "phase_fault", s->keba.phase_fault);
	cJSON_AddBoolToObject(car, "failed_safe", s->keba.failed_safe);
	json_add_number(car, "failsafe_left_s", s->keba.failsafe_left_s, 1);
}

static void add_units(cJSON *o, const struct sim *s)
{
	cJSON *list = cJSON_AddArrayToObject(o, "units");

	for (int i = 0; i < s->rack.n; i++) {
		const struct rack_unit *u = &s->rack.unit[i];
		cJSON *row = cJSON_CreateObject();

		cJSON_AddNumberToObject(row, "unit", u->id);
		cJSON_AddStringToObject(row, "kind", u->ops->kind);
		cJSON_AddNumberToObject(row, "requests", (double)u->requests);
		cJSON_AddStringToObject(row, "fault", u->dead ? "dead" : fault_kind_name(u->fault.kind));
		cJSON_AddItemToArray(list, row);
	}
}

static cJSON *cmd_get(struct sim *s, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { NULL };
	const struct house *h = &s->house;
	cJSON *o, *phases;

	if (commands_keys_known(q, KEYS, err) < 0)
		return NULL;
	o = commands_ok();
	cJSON_AddNumberToObject(o, "t_ms", (double)(uv_hrtime() / 1000000));
	json_add_number(o, "grid_w", h->grid_w, 1);
	json_add_number(o, "load_w", h->load_w, 1);
	json_add_number(o, "pv_w", h->pv_w, 1);
	json_add_number(o, "battery_w", h->battery.power_w, 1);
	json_add_number(o, "soc_pct", storage_soc_pct(&h->battery), 3);
	json_add_number(o, "car_w", h->car.power_w, 1);
	json_add_number(o, "sun", h->sun, 3);
	json_add_number(o, "pv_limit_w", h->pv_limit_w, 1);
	json_add_number(o, "day_s", h->day_s, 0);
	json_add_number(o, "speed", h->battery.o.speed, 3);
	cJSON_AddBoolToObject(o, "grid_lost", h->grid_lost);
	cJSON_AddBoolToObject(o, "dark", h->dark);
	phases = cJSON_AddArrayToObject(o, "phase_w");
	for (int i = 0; i < HOUSE_PHASES; i++)
		cJSON_AddItemToArray(phases, cJSON_CreateNumber(round(h->phase_w[i])));
	json_add_number(o, "import_wh", h->import_wh, 2);
	json_add_number(o, "export_wh", h->export_wh, 2);
	json_add_number(o, "pv_wh", h->pv_wh, 2);
	cJSON_AddNumberToObject(o, "requests", (double)s->server.requests);
	cJSON_AddNumberToObject(o, "writes", (double)s->rack.n_notes);
	add_battery(o, s);
	add_car(o, s);
	add_units(o, s);
	return o;
}

cJSON *commands_run(struct sim *sim, const char *name, const cJSON *request, struct errbuf *err)
{
	static const struct {
		const char *name;
		cJSON *(*run)(struct sim *s, const cJSON *q, struct errbuf *err);
	} COMMANDS[] = {
		{ "set", cmd_set },   { "get", cmd_get },       { "fault", cmd_fault }, { "clear", cmd_clear },
		{ "grid", cmd_grid }, { "writes", cmd_writes }, { "speed", cmd_speed }, { "quit", cmd_quit },
	};

	cloud_command_fn *of_clouds = cloud_command_find(name);

	for (size_t i = 0; i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++)
		if (strcmp(name, COMMANDS[i].name) == 0) {
			cJSON *answer;

			sim_step(sim); /* the answer is of this moment, */
			answer = COMMANDS[i].run(sim, request, err);
			sim_step(sim); /* and what was set shows in the registers before it arrives */
			return answer;
		}
	if (of_clouds && sim->clouds.open)
		return of_clouds(&sim->clouds, request, err);
	if (of_clouds)
		errbuf_set(err, -ENOENT, "there are no clouds: started with --no-clouds");
	else
		errbuf_set(err, -ENOENT,
			   "unknown cmd '%.40s'; known: set get fault clear grid writes speed flip quit cloud cloud_fault "
			   "cloud_clear cloud_clock cloud_stats flip_command flip_cancel flip_update flip_commands "
			   "flip_telemetry flip_reject flip_devices flip_participation flip_token flatpeak_set flatpeak_get",
			   name);
	return NULL;
}
