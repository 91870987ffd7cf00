/* Scenario files. One table a struct says which keys there are; a missing key keeps the default, null is "not set". */
#include "core/json.h"
#include "support/scenario.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum type { T_DOUBLE, T_INT, T_BOOL, T_SHARE };

struct key {
	const char *name;
	enum type type;
	size_t at;
};

#define K(s, member, type) { #member, type, offsetof(struct s, member) }
#define KL(s, name, member, type) { name, type, offsetof(struct s, lie.member) }

static const struct key SITE[] = {
	K(site_params, import_limit_w, T_DOUBLE), K(site_params, export_limit_w, T_DOUBLE), K(site_params, fuse_a, T_DOUBLE),
	K(site_params, reserve_pct, T_DOUBLE), K(site_params, grid_charging, T_BOOL), K(site_params, battery_export, T_BOOL),
	K(site_params, battery_to_ev, T_BOOL), K(site_params, honour_user_floor, T_BOOL), K(site_params, ev_in_follow_load, T_BOOL),
	K(site_params, surplus_battery_first, T_BOOL), K(site_params, demand_target_w, T_DOUBLE), K(site_params, car_share, T_SHARE),
	{ NULL, T_INT, 0 },
};

static const struct key HOME[] = {
	K(home, load_w, T_DOUBLE), K(home, pv_w, T_DOUBLE), K(home, noise_w, T_DOUBLE), K(home, meter_period_ms, T_INT),
	K(home, meter_delay_ms, T_INT), K(home, meter_phases, T_BOOL), KL(home, "meter_gain", gain, T_DOUBLE),
	KL(home, "meter_offset_w", offset_w, T_DOUBLE), KL(home, "meter_frozen", frozen, T_BOOL), KL(home, "meter_jump_w", jump_w, T_DOUBLE),
	KL(home, "meter_rotate", rotate, T_INT), KL(home, "meter_swap", swap, T_INT), KL(home, "meter_clamp", clamp, T_INT),
	{ NULL, T_INT, 0 },
};

static const struct key DEVICE[] = {
	K(home_device, capacity_wh, T_DOUBLE), K(home_device, soc_pct, T_DOUBLE), K(home_device, charge_max_w, T_DOUBLE),
	K(home_device, discharge_max_w, T_DOUBLE), K(home_device, charge_eff, T_DOUBLE), K(home_device, discharge_eff, T_DOUBLE),
	K(home_device, soc_min_pct, T_DOUBLE), K(home_device, soc_step_pct, T_DOUBLE), K(home_device, native, T_BOOL),
	K(home_device, guarded, T_BOOL), K(home_device, allow_unguarded, T_BOOL), K(home_device, can_power, T_BOOL),
	K(home_device, max_a, T_DOUBLE), K(home_device, car_max_a, T_DOUBLE), K(home_device, car_wh, T_DOUBLE),
	K(home_device, connected, T_BOOL), K(home_device, phases, T_INT), K(home_device, phase, T_INT), K(home_device, phase_told, T_BOOL),
	K(home_device, delay_ms, T_INT), K(home_device, tau_ms, T_INT), K(home_device, poll_ms, T_INT), K(home_device, settle_ms, T_INT),
	K(home_device, priority, T_INT), K(home_device, reads_back, T_BOOL), K(home_device, mirrors_reserve, T_BOOL),
	K(home_device, mirror_reserve, T_BOOL), K(home_device, own_reserve_pct, T_DOUBLE), K(home_device, hybrid, T_BOOL),
	K(home_device, port_max_w, T_DOUBLE), K(home_device, sun_w, T_DOUBLE), K(home_device, peak_w, T_DOUBLE),
	K(home_device, can_curtail, T_BOOL), K(home_device, car_over, T_DOUBLE), K(home_device, car_ramp_a_s, T_DOUBLE),
	K(home_device, car_start_ms, T_INT), K(home_device, switches_phases, T_BOOL), K(home_device, phase_dwell_s, T_INT),
	KL(home_device, "gain", gain, T_DOUBLE), KL(home_device, "offset_w", offset_w, T_DOUBLE),
	KL(home_device, "clamp_w", clamp_w, T_DOUBLE), KL(home_device, "ignore", ignore, T_BOOL), KL(home_device, "late_ms", late_ms, T_INT),
	KL(home_device, "soc_frozen", soc_frozen, T_BOOL), KL(home_device, "soc_jump_pct", soc_jump_pct, T_DOUBLE),
	KL(home_device, "soc_offset_pct", soc_offset_pct, T_DOUBLE), { NULL, T_INT, 0 },
};

static const char *const KINDS[] = { [HOME_BATTERY] = "battery", [HOME_CHARGER] = "charger", [HOME_PV] = "pv", NULL };
static const char *const SHARES[] = { [CAR_SHARE_PRIORITY] = "priority", [CAR_SHARE_EQUAL] = "equal", [CAR_SHARE_DEPARTURE] = "departure", NULL };
static const char *const MODES[] = { "CHARGE", "DISCHARGE", "STANDBY", "BACKUP", "SELF_CONSUMPTION", "SAVINGS", NULL };
static const char *const POWERS[] = { "MAX", "SETPOINT", "FOLLOW_LOAD", NULL };
static const char *const OVERRIDES[] = { "none", "auto", "hold", "charge", "discharge", NULL };
static const char *const EVS[] = { "unset", "off", "solar", "cheap", "now", NULL };

struct value_key {
	const char *name;
	double standard;
	const char *const *words;
};

static const struct {
	const char *name;
	struct value_key value[ACT_VALUES];
} ACTIONS[ACT_COUNT] = {
	[ACT_LOAD] = { "load", { { "w", 0, NULL } } },
	[ACT_PV] = { "pv", { { "w", 0, NULL } } },
	[ACT_PRICE] = { "price", { { "import", NAN, NULL }, { "export", NAN, NULL } } },
	[ACT_COMMAND] = { "command", { { "mode", 0, MODES }, { "power_mode", 0, POWERS }, { "setpoint_w", 0, NULL }, { "import", -1, NULL },
				       { "reserve_pct", NAN, NULL }, { "starts_s", 0, NULL }, { "for_s", 0, NULL }, { "owner_pct", NAN, NULL },
				       { "event_pct", NAN, NULL }, { "program_pct", NAN, NULL } } },
	[ACT_COMMAND_END] = { "command_end", { { NULL, 0, NULL } } },
	[ACT_OVERRIDE] = { "override", { { "mode", 0, OVERRIDES }, { "w", NAN, NULL }, { "for_s", 60, NULL } } },
	[ACT_RESERVE] = { "reserve", { { "pct", 20, NULL } } },
	[ACT_EXTERNAL] = { "external", { { "import_w", NAN, NULL }, { "export_w", NAN, NULL }, { "failsafe", 0, NULL }, { "for_s", 0, NULL },
					 { "demand_w", 0, NULL }, { "demand_for_s", 0, NULL } } },
	[ACT_METER] = { "meter_lost", { { "on", 1, NULL }, { "phase", 0, NULL } } }, /* 1..3: only that phase */
	[ACT_SOC] = { "soc_lost", { { "on", 1, NULL } } },
	[ACT_OFFLINE] = { "offline", { { "on", 1, NULL } } },
	[ACT_FAULT] = { "fault", { { "on", 1, NULL } } },
	[ACT_DEAF] = { "deaf", { { "on", 1, NULL } } },
	[ACT_GRID] = { "grid_lost", { { "on", 1, NULL } } },
	[ACT_CLOCK] = { "clock_trusted", { { "on", 1, NULL } } },
	[ACT_CLOCK_STEP] = { "clock_step", { { "ms", 0, NULL } } },
	[ACT_PAUSE] = { "pause", { { "on", 1, NULL } } },
	[ACT_STOP] = { "stop", { { "on", 1, NULL } } },
	/* over, ramp_a_s, start_s: as they were */
	[ACT_CAR] = { "car", { { "connected", 1, NULL }, { "wh", 20000, NULL }, { "over", NAN, NULL }, { "ramp_a_s", NAN, NULL },
			       { "start_s", NAN, NULL } } },
	[ACT_EV] = { "ev", { { "mode", 0, EVS }, { "wh", NAN, NULL }, { "ready_s", 0, NULL } } },
	[ACT_GUIDE] = { "guide", { { "value_low", 0, NULL }, { "value_high", 0, NULL }, { "planned_w", 0, NULL }, { "for_s", 3600, NULL } } },
	/* what is not said is honest (again) */
	[ACT_METER_LIES] = { "meter_lies", { { "gain", 1, NULL }, { "offset_w", 0, NULL }, { "frozen", 0, NULL }, { "jump_w", 0, NULL },
					     { "rotate", 0, NULL }, { "swap", 0, NULL }, { "clamp", 0, NULL } } },
	[ACT_DEVICE_LIES] = { "device_lies", { { "gain", 1, NULL }, { "offset_w", 0, NULL }, { "clamp_w", 0, NULL }, { "ignore", 0, NULL },
					       { "late_ms", 0, NULL } } },
	[ACT_SOC_LIES] = { "soc_lies", { { "frozen", 0, NULL }, { "jump_pct", 0, NULL }, { "offset_pct", 0, NULL } } },
	[ACT_DELAY] = { "delay", { { "delay_ms", 300, NULL }, { "tau_ms", 300, NULL } } },
	[ACT_SUN] = { "sun", { { "w", 0, NULL } } }, /* of a PV device or a hybrid */
	[ACT_HUB_DEAD] = { "hub_dead", { { "on", 1, NULL } } },
	[ACT_RESTART] = { "restart", { { "read_s", 0, NULL } } },
};

static int fail(char *error, size_t size, const char *what, const char *name)
{
	snprintf(error, size, "%s '%s'", what, name ? name : "?");
	return -EINVAL;
}

static int word_index(const char *const *words, const char *word)
{
	for (int i = 0; words && words[i]; i++)
		if (!strcmp(words[i], word))
			return i;
	return -1;
}

static int keys_read(const cJSON *o, const struct key *keys, void *base, const char *also, char *error, size_t size)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, o) {
		const struct key *k = keys;
		char *at;

		while (k->name && strcmp(k->name, item->string) != 0)
			k++;
		if (!k->name && strstr(also, item->string))
			continue;
		if (!k->name)
			return fail(error, size, "unknown key", item->string);
		at = (char *)base + k->at;
		if (k->type == T_DOUBLE && (cJSON_IsNumber(item) || cJSON_IsNull(item)))
			*(double *)(void *)at = cJSON_IsNull(item) ? (double)NAN : item->valuedouble;
		else if (k->type == T_INT && cJSON_IsNumber(item))
			*(int *)(void *)at = item->valueint;
		else if (k->type == T_BOOL && cJSON_IsBool(item))
			*(bool *)(void *)at = cJSON_IsTrue(item);
		else if (k->type == T_SHARE && cJSON_IsString(item) && word_index(SHARES, item->valuestring) >= 0)
			*(enum car_share *)(void *)at = (enum car_share)word_index(SHARES, item->valuestring);
		else
			return fail(error, size, "wrong type of", item->string);
	}
	return 0;
}

static void keys_write(cJSON *o, const struct key *keys, const void *base)
{
	for (; keys->name; keys++) {
		const char *at = (const char *)base + keys->at;

		if (keys->type == T_BOOL)
			cJSON_AddBoolToObject(o, keys->name, *(const bool *)(const void *)at);
		else if (keys->type == T_INT)
			cJSON_AddNumberToObject(o, keys->name, *(const int *)(const void *)at);
		else if (keys->type == T_SHARE)
			cJSON_AddStringToObject(o, keys->name, SHARES[*(const enum car_share *)(const void *)at]);
		else if (isnan(*(const double *)(const void *)at))
			cJSON_AddNullToObject(o, keys->name);
		else
			cJSON_AddNumberToObject(o, keys->name, *(const double *)(const void *)at);
	}
}

static int step_read(const cJSON *o, struct scenario_step *st, char *error, size_t size)
{
	const char *act = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "do"));
	const cJSON *tick = cJSON_GetObjectItemCaseSensitive(o, "tick"), *device = cJSON_GetObjectItemCaseSensitive(o, "device");
	int a = 0;

	while (a < ACT_COUNT && (!act || strcmp(ACTIONS[a].name, act) != 0))
		a++;
	if (a == ACT_COUNT || !cJSON_IsNumber(tick))
		return fail(error, size, "unknown step", act);
	st->act = (enum act)a;
	st->tick = tick->valueint;
	st->device = cJSON_IsNumber(device) ? device->valueint : 0;
	if (st->device < 0 || st->device >= HOME_DEVICES)
		return fail(error, size, "no such device in", act);
	for (int v = 0; v < ACT_VALUES && ACTIONS[a].value[v].name; v++) {
		const struct value_key *k = &ACTIONS[a].value[v];
		const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, k->name);

		st->v[v] = k->standard;
		if (cJSON_IsString(item))
			st->v[v] = word_index(k->words, item->valuestring);
		else if (cJSON_IsNumber(item))
			st->v[v] = item->valuedouble;
		if (k->words && st->v[v] < 0)
			return fail(error, size, "unknown word in", act);
	}
	return 0;
}

static cJSON *step_write(const struct scenario_step *st)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddNumberToObject(o, "tick", st->tick);
	cJSON_AddStringToObject(o, "do", ACTIONS[st->act].name);
	cJSON_AddNumberToObject(o, "device", st->device);
	for (int v = 0; v < ACT_VALUES && ACTIONS[st->act].value[v].name; v++) {
		const struct value_key *k = &ACTIONS[st->act].value[v];

		if (k->words)
			cJSON_AddStringToObject(o, k->name, k->words[(int)st->v[v]]);
		else if (!isnan(st->v[v]))
			cJSON_AddNumberToObject(o, k->name, st->v[v]);
	}
	return o;
}

static const struct key LIMIT[] = {
	K(scenario_limit, device, T_INT), K(scenario_limit, from, T_INT), K(scenario_limit, to, T_INT), K(scenario_limit, level, T_DOUBLE),
	{ NULL, T_INT, 0 },
};

/* A number, or the word of a reason or a rank; false when it is neither. */
static bool bound_read(const cJSON *item, bool code, double *v)
{
	const char *word = cJSON_GetStringValue(item);

	if (cJSON_IsNumber(item))
		*v = item->valuedouble;
	if (!word)
		return !item || cJSON_IsNumber(item);
	for (int i = 0; i < (code ? (int)REASON_COUNT : (int)RANK_COUNT); i++) {
		if (strcmp(code ? reason_word((enum reason)i) : rank_word((enum rank)i), word) != 0)
			continue;
		*v = i;
		return true;
	}
	return false;
}

static int limit_read(const cJSON *o, struct scenario_limit *l, char *error, size_t size)
{
	const char *of = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "of"));
	const char *take = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "take"));
	const cJSON *is = cJSON_GetObjectItemCaseSensitive(o, "is"), *min = cJSON_GetObjectItemCaseSensitive(o, "min");
	const cJSON *max = cJSON_GetObjectItemCaseSensitive(o, "max");
	bool code;

	if (!of || !take)
		return fail(error, size, "limit without 'of' or 'take':", of);
	memset(l, 0, sizeof(*l));
	snprintf(l->of, sizeof(l->of), "%s", of);
	snprintf(l->take, sizeof(l->take), "%s", take);
	l->min = (double)-INFINITY;
	l->max = (double)INFINITY;
	code = !strcmp(of, "code");
	if (keys_read(o, LIMIT, l, "of take min max is", error, size))
		return -EINVAL;
	if (!(is ? bound_read(is, code, &l->min) && bound_read(is, code, &l->max) : bound_read(min, code, &l->min) && bound_read(max, code, &l->max)))
		return fail(error, size, "bad bound of a limit on", of);
	if (l->device < 0 || l->device >= HOME_DEVICES)
		return fail(error, size, "no such device in limit on", of);
	return scenario_measurable(l) ? 0 : fail(error, size, "no such measure:", of);
}

static void device_init(struct home_device *d)
{
	d->can_power = d->guarded = d->can_curtail = true;
}

static int home_read(const cJSON *o, struct home *h, char *error, size_t size)
{
	const cJSON *item;
	int i = 0;

	if (keys_read(o, HOME, h, "devices split", error, size))
		return -EINVAL;
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(o, "split")) {
		if (i < 3)
			h->split[i++] = item->valuedouble;
	}
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(o, "devices")) {
		const char *kind = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "kind"));
		struct home_device *d = &h->d[h->n];

		if (h->n == HOME_DEVICES)
			return fail(error, size, "too many devices:", kind);
		if (kind && word_index(KINDS, kind) < 0)
			return fail(error, size, "no such kind of device:", kind);
		d->kind = kind ? (enum home_kind)word_index(KINDS, kind) : HOME_BATTERY;
		device_init(d);
		if (keys_read(item, DEVICE, d, "kind", error, size))
			return -EINVAL;
		h->n++;
	}
	return 0;
}

static int scenario_decode(const cJSON *o, struct scenario *sc, char *error, size_t size)
{
	const cJSON *item;
	const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "name"));
	const char *seed = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, "seed"));

	snprintf(sc->name, sizeof(sc->name), "%s", name ? name : "");
	sc->seed = seed ? strtoull(seed, NULL, 0) : 1;
	if (cJSON_IsNumber(item = cJSON_GetObjectItemCaseSensitive(o, "ticks")))
		sc->ticks = item->valueint;
	if (cJSON_IsNumber(item = cJSON_GetObjectItemCaseSensitive(o, "tick_ms")))
		sc->tick_ms = item->valueint;
	if (sc->tick_ms < HOME_STEP_MS || sc->tick_ms % HOME_STEP_MS)
		return fail(error, size, "tick_ms must be a multiple of 100 in", sc->name);
	if (keys_read(cJSON_GetObjectItemCaseSensitive(o, "site"), SITE, &sc->site, "", error, size) ||
	    home_read(cJSON_GetObjectItemCaseSensitive(o, "home"), &sc->home, error, size))
		return -EINVAL;
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(o, "steps")) {
		if (sc->n_steps == SCENARIO_STEPS || step_read(item, &sc->step[sc->n_steps], error, size))
			return sc->n_steps == SCENARIO_STEPS ? fail(error, size, "too many steps in", sc->name) : -EINVAL;
		sc->n_steps++;
	}
	cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(o, "limits")) {
		if (sc->n_limits == SCENARIO_LIMITS || limit_read(item, &sc->limit[sc->n_limits], error, size))
			return sc->n_limits == SCENARIO_LIMITS ? fail(error, size, "too many limits in", sc->name) : -EINVAL;
		sc->n_limits++;
	}
	return 0;
}

int scenario_read(const char *path, struct scenario *sc, char *error, size_t size)
{
	static char text[1 << 18];
	FILE *f = fopen(path, "rb");
	size_t n;
	cJSON *o;
	int rc;

	scenario_init(sc);
	if (!f)
		return fail(error, size, "cannot open", path);
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = '\0';
	o = cJSON_Parse(text);
	rc = o ? scenario_decode(o, sc, error, size) : fail(error, size, "no JSON in", path);
	cJSON_Delete(o);
	return rc;
}

static cJSON *scenario_encode(const struct scenario *sc)
{
	cJSON *o = cJSON_CreateObject(), *site, *home, *list;
	char seed[24];

	snprintf(seed, sizeof(seed), "%llu", (unsigned long long)sc->seed);
	cJSON_AddStringToObject(o, "format", "hearth-scenario/1");
	cJSON_AddStringToObject(o, "name", sc->name);
	cJSON_AddStringToObject(o, "seed", seed);
	cJSON_AddNumberToObject(o, "ticks", sc->ticks);
	cJSON_AddNumberToObject(o, "tick_ms", sc->tick_ms);
	site = cJSON_AddObjectToObject(o, "site");
	keys_write(site, SITE, &sc->site);
	home = cJSON_AddObjectToObject(o, "home");
	keys_write(home, HOME, &sc->home);
	cJSON_AddItemToObject(home, "split", cJSON_CreateDoubleArray(sc->home.split, 3));
	list = cJSON_AddArrayToObject(home, "devices");
	for (int i = 0; i < sc->home.n; i++) {
		cJSON *d = cJSON_CreateObject();

		cJSON_AddStringToObject(d, "kind", KINDS[sc->home.d[i].kind]);
		keys_write(d, DEVICE, &sc->home.d[i]);
		cJSON_AddItemToArray(list, d);
	}
	list = cJSON_AddArrayToObject(o, "steps");
	for (int i = 0; i < sc->n_steps; i++)
		cJSON_AddItemToArray(list, step_write(&sc->step[i]));
	return o;
}

int scenario_write(const char *path, const struct scenario *sc)
{
	cJSON *o = scenario_encode(sc);
	char *text = cJSON_Print(o);
	FILE *f = fopen(path, "wb");
	int rc = f && text && fputs(text, f) >= 0 ? 0 : -EIO;

	if (f)
		fclose(f);
	cJSON_free(text);
	cJSON_Delete(o);
	return rc;
}

static int key_plain(const struct key *k, void *base, const void *standard)
{
	static const size_t SIZES[] = { [T_DOUBLE] = sizeof(double), [T_INT] = sizeof(int), [T_BOOL] = sizeof(bool),
					[T_SHARE] = sizeof(enum car_share) };
	char *at = (char *)base + k->at;
	const char *to = (const char *)standard + k->at;

	if (!memcmp(at, to, SIZES[k->type]))
		return 0;
	memcpy(at, to, SIZES[k->type]);
	return 1;
}

static int keys_count(const struct key *keys)
{
	int n = 0;

	while (keys[n].name)
		n++;
	return n;
}

int scenario_plainer(struct scenario *sc, int which)
{
	static struct scenario standard;
	int site = keys_count(SITE), home = keys_count(HOME), device = keys_count(DEVICE), was_ms = sc->tick_ms;

	scenario_init(&standard);
	device_init(&standard.home.d[0]);
	if (which == 0) {
		sc->tick_ms = standard.tick_ms;
		return was_ms != sc->tick_ms;
	}
	which--;
	if (which < site)
		return key_plain(&SITE[which], &sc->site, &standard.site);
	which -= site;
	if (which < home)
		return key_plain(&HOME[which], &sc->home, &standard.home);
	which -= home;
	if (which < device * sc->home.n)
		return key_plain(&DEVICE[which % device], &sc->home.d[which / device], &standard.home.d[0]);
	return -1;
}
