/* Random homes on a simulated clock, through the real chain: what must never happen is checked every tick (invariant.c).
 * Always the same homes, from seed 1 on, so that a red run comes from a change; HEARTH_SEED=random (or 0) draws others by the
 * clock, any other number begins there, and alone replays that one home. HEARTH_TICKS sets how many ticks in all. A failure is
 * shrunk (steps, devices, ticks, oddities) and written as a scenario file which test_scenario plays. */
#include "support/scenario.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEFAULT_TICKS 300000L
#define DEFAULT_SEED 1
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TICKS (DEFAULT_TICKS / 6)
#else
#define TICKS DEFAULT_TICKS
#endif

static uint64_t state;

static double uniform(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (double)(state >> 11) / 9007199254740992.0;
}

static double between(double lo, double hi)
{
	return lo + (hi - lo) * uniform();
}

static int below(int n)
{
	return (int)(uniform() * n) % n;
}

static bool chance(double p)
{
	return uniform() < p;
}

/* From 1 to @most, as likely in every decade. */
static double decades(double most)
{
	return exp(uniform() * log(most));
}

static void random_battery(struct home_device *d)
{
	d->kind = HOME_BATTERY;
	d->capacity_wh = chance(0.4) ? between(300, 1500) : between(3000, 15000);
	d->charge_max_w = floor(fmin(between(1500, 8000), 4 * d->capacity_wh));
	d->discharge_max_w = floor(fmin(between(1500, 8000), 4 * d->capacity_wh));
	d->charge_eff = between(0.88, 0.99);
	d->discharge_eff = between(0.88, 0.99);
	d->soc_pct = between(0, 100);
	d->soc_min_pct = chance(0.3) ? 0 : floor(between(3, 15));
	d->soc_step_pct = chance(0.5) ? 0.1 : chance(0.5) ? 0.5 : 1;
	d->native = chance(0.4);
	d->can_power = !d->native || chance(0.9);
	d->guarded = chance(0.8);
	d->allow_unguarded = chance(0.2);
	d->mirrors_reserve = chance(0.5);
	d->mirror_reserve = chance(0.5);
	d->hybrid = chance(0.15);
	if (d->hybrid) {
		d->sun_w = between(0, 6000);
		d->port_max_w = chance(0.7) ? floor(between(3000, 10000)) : 0;
	}
}

static void random_charger(struct home_device *d)
{
	d->kind = HOME_CHARGER;
	d->max_a = chance(0.5) ? 16 : 32;
	d->car_max_a = chance(0.5) ? d->max_a : floor(between(6, 32));
	d->car_wh = between(500, 40000);
	d->connected = chance(0.7);
	d->can_power = d->guarded = true;
	d->car_over = chance(0.1) ? between(1.02, 1.2) : 0;
	d->car_ramp_a_s = chance(0.3) ? between(0.1, 3) : 0;
	d->car_start_ms = chance(0.3) ? 100 * below(200) : 0;
	d->switches_phases = chance(0.35);
	d->phase_dwell_s = below(120);
}

static void random_pv(struct home_device *d)
{
	d->kind = HOME_PV;
	d->peak_w = floor(between(2000, 10000));
	d->sun_w = between(0, d->peak_w * 1.1);
	d->can_curtail = chance(0.8);
	d->guarded = chance(0.8);
}

/* How fast it is, and whether what it says of that is true. */
static void random_pace(struct home_device *d)
{
	d->delay_ms = 100 + 100 * below(chance(0.8) ? 30 : 200);
	d->tau_ms = 100 + 100 * below(chance(0.9) ? 8 : 30);
	d->poll_ms = 500 + 100 * below(chance(0.8) ? 20 : 95);
	d->settle_ms = d->delay_ms + 3 * d->tau_ms + 200;
	if (chance(0.2))
		d->settle_ms = (int)(d->settle_ms * between(0.5, 2));
}

static void random_home(struct home *h)
{
	int batteries = 1 + below(3), chargers = below(chance(0.8) ? 3 : 4), suns = chance(0.3);

	h->load_w = between(100, 3000);
	h->pv_w = chance(0.5) ? between(0, 8000) : 0;
	h->noise_w = between(0, 60);
	h->meter_period_ms = 200 + 100 * below(chance(0.7) ? 10 : 99);
	h->meter_delay_ms = 100 * below(chance(0.8) ? 15 : 50);
	h->meter_phases = chance(0.5);
	h->split[0] = between(0, 1);
	h->split[1] = between(0, 1 - h->split[0]);
	h->split[2] = 1 - h->split[0] - h->split[1];
	h->n = batteries + chargers + suns;
	for (int i = 0; i < h->n; i++) {
		struct home_device *d = &h->d[i];

		if (i < batteries)
			random_battery(d);
		else if (i < batteries + chargers)
			random_charger(d);
		else
			random_pv(d);
		d->phases = chance(0.5) ? 1 : 3;
		d->phase = 1 + below(3);
		d->phase_told = chance(0.7);
		d->reads_back = chance(0.5);
		d->priority = below(3);
		random_pace(d);
	}
}

static void random_site(struct site_params *s)
{
	if (chance(0.6))
		s->import_limit_w = floor(between(3000, 15000));
	if (chance(0.5))
		s->export_limit_w = floor(between(500, 6000));
	if (chance(0.3))
		s->fuse_a = floor(between(16, 40));
	s->reserve_pct = floor(between(0, chance(0.1) ? 100 : 40));
	s->grid_charging = chance(0.7);
	s->battery_export = chance(0.7);
	s->battery_to_ev = chance(0.2);
	s->honour_user_floor = chance(0.3);
	s->ev_in_follow_load = chance(0.3);
	s->surplus_battery_first = chance(0.5);
	s->car_share = (enum car_share)below(3);
}

static void values(struct scenario_step *st, double a, double b, double c, double d)
{
	st->v[0] = a;
	st->v[1] = b;
	st->v[2] = c;
	st->v[3] = d;
}

static double or_nan(double p, double v)
{
	return chance(p) ? v : (double)NAN;
}

static void random_command(struct scenario_step *st)
{
	values(st, below(6), below(3), floor(between(100, 9000)), below(3) - 1);
	st->v[4] = chance(0.3) ? NAN : floor(between(0, chance(0.1) ? 100 : 60));
	st->v[5] = floor(between(-30, 60));
	st->v[6] = chance(0.1) ? 0 : floor(between(5, 400));
	st->v[7] = or_nan(0.2, floor(between(0, 60)));
	st->v[8] = or_nan(0.2, floor(between(0, 60)));
	st->v[9] = or_nan(0.2, floor(between(0, 60)));
}

/* The grid operator's word, or the month's peak: now and then a limit of 0, now and then nobody is heard. */
static void random_outside(struct scenario_step *st)
{
	values(st, or_nan(0.5, chance(0.1) ? 0 : between(0, 8000)), or_nan(0.5, chance(0.2) ? 0 : between(0, 4000)), chance(0.2),
	       chance(0.5) ? between(10, 300) : 0);
	st->v[4] = chance(0.3) ? between(500, 8000) : 0;
	st->v[5] = 900;
}

/* Half of what a liar says is that all is well again. */
static void random_lie(struct scenario_step *st)
{
	static const enum act LIES[] = { ACT_METER_LIES, ACT_DEVICE_LIES, ACT_SOC_LIES };
	int what = below(7);

	st->act = LIES[below(3)];
	values(st, st->act != ACT_SOC_LIES, 0, 0, 0);
	if (chance(0.4))
		return;
	if (st->act == ACT_METER_LIES) {
		st->v[0] = what == 0 ? -1 : what == 1 ? 10 : what == 2 ? 0.1 : 1;
		st->v[what == 3 ? 1 : what == 4 ? 3 : 9] = between(500, 5000);
		st->v[2] = what == 5;
		st->v[what == 6 ? 4 + below(3) : 9] = 1 + below(3);
	} else if (st->act == ACT_DEVICE_LIES) {
		st->v[0] = what < 2 ? between(0.5, 1.1) : 1;
		st->v[2] = what == 2 ? between(300, 3000) : 0;
		st->v[3] = what == 3;
		st->v[4] = what > 3 ? 100 * below(200) : 0;
	} else {
		st->v[0] = what < 4;
		st->v[1] = what == 4 || what == 5 ? between(2, 40) : 0;
		st->v[2] = what == 6 ? between(-20, 20) : 0;
	}
}

static void random_values(const struct scenario *sc, struct scenario_step *st)
{
	values(st, chance(0.5), 0, 0, 0);
	if (st->act == ACT_LOAD)
		values(st, between(50, chance(0.2) ? 18000 : 6000), 0, 0, 0);
	else if (st->act == ACT_PV || st->act == ACT_SUN)
		values(st, between(0, 10000), 0, 0, 0);
	else if (st->act == ACT_PRICE)
		values(st, between(-0.1, 0.5), between(-0.1, 0.4), 0, 0);
	else if (st->act == ACT_COMMAND)
		random_command(st);
	else if (st->act == ACT_OVERRIDE)
		values(st, below(5), chance(0.5) ? NAN : between(0, 9000), between(5, 300), 0);
	else if (st->act == ACT_RESERVE)
		values(st, floor(between(0, 100)), 0, 0, 0);
	else if (st->act == ACT_EXTERNAL)
		random_outside(st);
	else if (st->act == ACT_CLOCK_STEP)
		values(st, copysign(floor(1000 * decades(366 * 86400.0)), chance(0.5) ? 1 : -1), 0, 0, 0);
	else if (st->act == ACT_CAR)
		values(st, chance(0.6), between(100, 20000), NAN, NAN), st->v[4] = NAN;
	else if (st->act == ACT_EV)
		values(st, below(5), or_nan(0.3, chance(0.5) ? 0 : between(500, 20000)), chance(0.5) ? between(60, 40000) : 0, 0);
	else if (st->act == ACT_GUIDE)
		values(st, between(-0.1, 0.6), between(-0.1, 0.4), chance(0.5) ? 0 : between(0, 9000), chance(0.9) ? between(30, 600) : 0);
	else if (st->act == ACT_DELAY)
		values(st, 100 + 100 * below(200), 100 + 100 * below(10), 0, 0);
	else if (st->act == ACT_HUB_DEAD)
		st->v[0] = st->tick < sc->ticks / 2;
	else if (st->act == ACT_RESTART)
		values(st, chance(0.5) ? 0 : between(0, 12), 0, 0, 0);
}

/* What may happen, by how often. Faults come with their end in the same draw now and then, else later or never. */
static void random_step(const struct scenario *sc, bool liars, struct scenario_step *st)
{
	static const struct { enum act act; double weight; } WEIGHTS[] = {
		{ ACT_LOAD, 16 }, { ACT_PV, 8 }, { ACT_PRICE, 5 }, { ACT_COMMAND, 12 }, { ACT_COMMAND_END, 2 }, { ACT_OVERRIDE, 8 },
		{ ACT_RESERVE, 4 }, { ACT_EXTERNAL, 4 }, { ACT_METER, 3 }, { ACT_SOC, 3 }, { ACT_OFFLINE, 2 }, { ACT_FAULT, 2 },
		{ ACT_DEAF, 1 }, { ACT_GRID, 2 }, { ACT_CLOCK, 2 }, { ACT_CLOCK_STEP, 2 }, { ACT_PAUSE, 1 }, { ACT_STOP, 0.5 },
		{ ACT_CAR, 5 }, { ACT_EV, 6 }, { ACT_GUIDE, 8 }, { ACT_SUN, 6 }, { ACT_DELAY, 0.5 }, { ACT_HUB_DEAD, 0.5 },
		{ ACT_RESTART, 2 },
	};
	const size_t n = sizeof(WEIGHTS) / sizeof(WEIGHTS[0]);
	double sum = 0, at;
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		sum += WEIGHTS[i].weight;
	at = uniform() * sum;
	while (k + 1 < n && (at -= WEIGHTS[k].weight) > 0)
		k++;
	memset(st, 0, sizeof(*st));
	st->tick = below(sc->ticks);
	st->act = WEIGHTS[k].act;
	st->device = below(sc->home.n);
	if (liars && chance(0.15))
		random_lie(st);
	else
		random_values(sc, st);
}

static void generate(uint64_t seed, struct scenario *sc)
{
	bool liars;

	state = seed * 0x9E3779B97F4A7C15u + 0x1234567u;
	for (int i = 0; i < 8; i++)
		uniform();
	scenario_init(sc);
	snprintf(sc->name, sizeof(sc->name), "random home %llu", (unsigned long long)seed);
	sc->seed = seed;
	sc->ticks = 100 + below(500);
	sc->tick_ms = chance(0.8) ? 1000 : 100 * (1 + below(40));
	random_home(&sc->home);
	random_site(&sc->site);
	liars = chance(0.35);
	sc->n_steps = below(40);
	for (int i = 0; i < sc->n_steps; i++)
		random_step(sc, liars, &sc->step[i]);
}

static bool still_fails(struct scenario *sc, const char *what)
{
	struct scenario_result r;

	scenario_run(sc, NULL, &r);
	if (!r.what[0] || !scenario_same_failure(r.what, what))
		return false;
	sc->ticks = r.tick + 1;
	return true;
}

/* Of one device: goes with it. */
static bool device_bound(enum act act)
{
	return act == ACT_COMMAND || act == ACT_COMMAND_END || act == ACT_OVERRIDE || act == ACT_GUIDE || act == ACT_EV || act == ACT_CAR ||
	       act == ACT_SOC || act == ACT_OFFLINE || act == ACT_FAULT || act == ACT_DEAF || act == ACT_DEVICE_LIES || act == ACT_SOC_LIES ||
	       act == ACT_DELAY || act == ACT_SUN;
}

static bool without_device(const struct scenario *sc, int device, struct scenario *out)
{
	int n = 0;

	if (sc->home.n < 2)
		return false;
	*out = *sc;
	for (int i = device; i + 1 < out->home.n; i++)
		out->home.d[i] = out->home.d[i + 1];
	out->home.n--;
	for (int i = 0; i < out->n_steps; i++) {
		struct scenario_step st = out->step[i];

		if (st.device == device && device_bound(st.act))
			continue;
		if (st.device > device)
			st.device--;
		else if (st.device >= out->home.n)
			st.device = 0;
		out->step[n++] = st;
	}
	out->n_steps = n;
	return true;
}

static void shrink(struct scenario *sc, const char *what)
{
	static struct scenario trial;
	bool again = true;

	still_fails(sc, what);
	for (int round = 0; again && round < 10; round++) {
		again = false;
		for (int i = sc->home.n - 1; i >= 0; i--)
			if (without_device(sc, i, &trial) && still_fails(&trial, what)) {
				*sc = trial;
				again = true;
			}
		for (int i = sc->n_steps - 1; i >= 0; i--) {
			trial = *sc;
			memmove(&trial.step[i], &trial.step[i + 1], sizeof(trial.step[0]) * (size_t)(trial.n_steps - i - 1));
			trial.n_steps--;
			if (still_fails(&trial, what)) {
				*sc = trial;
				again = true;
			}
		}
		for (int i = 0, found = 1; found >= 0; i++) {
			trial = *sc;
			found = scenario_plainer(&trial, i);
			if (found > 0 && still_fails(&trial, what)) {
				*sc = trial;
				again = true;
			}
		}
	}
}

static int report(struct scenario *sc, const struct scenario_result *r)
{
	const char *folder = getenv("TMPDIR");
	struct scenario_result last;
	char path[300];
	size_t room = sizeof(sc->name);

	printf("seed %llu fails at tick %d of a home with %d devices and %d steps: %s\n", (unsigned long long)sc->seed, r->tick, sc->home.n,
	       sc->n_steps, r->what);
	if (!getenv("HEARTH_SHRINK") || atoi(getenv("HEARTH_SHRINK")) != 0)
		shrink(sc, r->what);
	scenario_run(sc, NULL, &last);
	snprintf(path, sizeof(path), "%s/hearth-failure-%llu.json", folder && folder[0] ? folder : "/tmp", (unsigned long long)sc->seed);
	snprintf(sc->name, room, "%.90s", last.what);
	if (scenario_write(path, sc))
		snprintf(path, sizeof(path), "(not written)");
	printf("written with %d devices, %d steps, %d ticks: %s\nreplay: test_scenario -v %s   or HEARTH_SEED=%llu\n", sc->home.n, sc->n_steps,
	       sc->ticks, last.what, path, (unsigned long long)sc->seed);
	return 1;
}

static bool lies(const struct scenario *sc)
{
	for (int i = 0; i < sc->n_steps; i++)
		if (sc->step[i].act == ACT_METER_LIES || sc->step[i].act == ACT_DEVICE_LIES || sc->step[i].act == ACT_SOC_LIES)
			return true;
	return false;
}

/* Doubts of homes in which nothing lies. Of the meter and of a SoC they are a breach (invariant.c); these are not: a deaf device
 * does ignore, a car may overdraw, a load may swing. */
struct doubts {
	long ticks, named[DOUBT_COUNT];
	uint64_t seed[DOUBT_COUNT]; /* the first home */
};

static void doubts_count(struct doubts *d, const struct scenario *sc, const struct scenario_result *r)
{
	if (lies(sc))
		return;
	d->ticks += sc->ticks;
	for (int k = 0; k < DOUBT_COUNT; k++) {
		if (r->doubted[k] && !d->named[k])
			d->seed[k] = sc->seed;
		d->named[k] += r->doubted[k];
	}
}

static void doubts_print(const struct doubts *d)
{
	printf("doubts in %ld ticks of homes that never lied:", d->ticks);
	for (int k = 0; k < DOUBT_COUNT; k++)
		if (d->named[k])
			printf(" %s %.3f %% (seed %llu)", doubt_word((enum doubt_kind)k), 100.0 * (double)d->named[k] / (double)d->ticks,
			       (unsigned long long)d->seed[k]);
	printf("\n");
}

/* True when a home was named: without HEARTH_TICKS that one is played. */
static bool first_seed(uint64_t *seed)
{
	const char *text = getenv("HEARTH_SEED");

	*seed = DEFAULT_SEED;
	if (!text)
		return false;
	*seed = strtoull(text, NULL, 0); /* "random" is no number either */
	if (*seed != 0)
		return true;
	*seed = (uint64_t)time(NULL) * 1000;
	return false;
}

int main(void)
{
	static struct scenario sc;
	const char *ticks_text = getenv("HEARTH_TICKS");
	uint64_t seed;
	bool one = first_seed(&seed);
	long ticks = ticks_text ? atol(ticks_text) : one ? 1 : TICKS, done = 0, homes = 0;
	static struct doubts doubts;
	struct scenario_result r;

	printf("properties: %ld ticks from HEARTH_SEED=%llu\n", ticks, (unsigned long long)seed);
	fflush(stdout);
	do {
		generate(seed++, &sc);
		scenario_run(&sc, NULL, &r);
		if (r.what[0])
			return report(&sc, &r);
		done += sc.ticks;
		doubts_count(&doubts, &sc, &r);
		homes++;
	} while (done < ticks);
	doubts_print(&doubts);
	printf("properties: %ld ticks in %ld homes, none of what must never happen\n", done, homes);
	return 0;
}
