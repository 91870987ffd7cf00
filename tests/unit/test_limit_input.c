/* The grid operator's limit: every state, every way out of it, the instants on both sides of each boundary, clocks that lie, and
 * what a restart finds. */
#include "support/limit_kit.h"

#include <errno.h>

#define NONE NAN
#define STEPS 12

enum { INIT = LIMIT_INIT, FREE = LIMIT_UNLIMITED, LIMITED = LIMIT_LIMITED, SAFE = LIMIT_FAILSAFE };

/* One instant: a message or only time, and what holds afterwards. Times within messages are replaced: $60 = T + 60 s. */
struct step {
	bool used;
	double at_s;
	const char *message;        /* NULL = time passes, "restart", "config:N" = heartbeat_s from now on; "!" before it: by another source */
	int state, import, export;
	double import_w, export_w;
	int error;                  /* of the message */
	bool untrusted;
	double shift_s;             /* wall clock minus what it should say */
};

#define AT(at, text, whole, one, other, one_w, other_w, ...)                                                                \
	{                                                                                                                   \
		.used = true, .at_s = at, .message = text, .state = whole, .import = one, .export = other, .import_w = one_w, \
		.export_w = other_w, __VA_ARGS__                                                                             \
	}

struct script {
	const char *name;
	int heartbeat_s;
	double failsafe_import_w, failsafe_export_w;
	struct step steps[STEPS];
};

static const struct script SCRIPTS[] = {
	{ "nobody ever speaks, no heartbeats: nothing is limited, and that is no state of the source", 0, NONE, NONE, {
		AT(0, NULL, INIT, INIT, INIT, NONE, NONE), AT(1e6, NULL, INIT, INIT, INIT, NONE, NONE) } },
	{ "failsafe values without heartbeats mean nothing", 0, 4200, 0, { AT(0, NULL, INIT, INIT, INIT, NONE, NONE) } },
	{ "no heartbeats: a limit holds however long it is silent", 0, NONE, NONE, {
		AT(0, "{'import_w':3000}", LIMITED, LIMITED, INIT, 3000, NONE), AT(1e6, NULL, LIMITED, LIMITED, INIT, 3000, NONE),
		AT(1e6, "{'import_w':null}", FREE, FREE, INIT, NONE, NONE) } },
	{ "start: failsafe limits until the first limit, a heartbeat is none", 120, 4200, 0, {
		AT(0, NULL, INIT, INIT, INIT, 4200, 0), AT(60, "{}", INIT, INIT, INIT, 4200, 0),
		AT(61, "{'import_w':6000,'export_w':null}", LIMITED, LIMITED, FREE, 6000, NONE) } },
	{ "start: silence for longer than the heartbeat is failsafe by name too", 120, 4200, 0, {
		AT(0, NULL, INIT, INIT, INIT, 4200, 0), AT(120, NULL, INIT, INIT, INIT, 4200, 0), AT(120.001, NULL, SAFE, SAFE, SAFE, 4200, 0) } },
	{ "the first limit states one side: the other stays in its failsafe limit", 120, 4200, 0, {
		AT(0, "{'import_w':null}", INIT, FREE, INIT, NONE, 0), AT(1, "{'export_w':100}", LIMITED, FREE, LIMITED, NONE, 100) } },
	{ "0 W is a limit, not none", 120, 4200, NONE, { AT(0, "{'import_w':0,'export_w':0}", LIMITED, LIMITED, LIMITED, 0, 0) } },
	{ "heartbeat: at its time still there, a millisecond later lost", 120, 4200, NONE, {
		AT(0, "{'import_w':6000}", LIMITED, LIMITED, INIT, 6000, NONE), AT(120, NULL, LIMITED, LIMITED, INIT, 6000, NONE),
		AT(120.001, NULL, SAFE, SAFE, INIT, 4200, NONE) } },
	{ "each message is a heartbeat", 120, 4200, NONE, {
		AT(0, "{'import_w':6000}", LIMITED, LIMITED, INIT, 6000, NONE), AT(120, "{}", LIMITED, LIMITED, INIT, 6000, NONE),
		AT(240, "{'export_w':5}", LIMITED, LIMITED, LIMITED, 6000, 5), AT(360, NULL, LIMITED, LIMITED, LIMITED, 6000, 5),
		AT(360.001, NULL, SAFE, SAFE, LIMITED, 4200, 5) } },
	{ "a bad message is no heartbeat", 120, 4200, NONE, {
		AT(0, "{'import_w':6000}", LIMITED, LIMITED, INIT, 6000, NONE),
		AT(100, "{'import_w':1,'until':'$99'}", LIMITED, LIMITED, INIT, 6000, NONE, .error = -ETIME),
		AT(120.001, NULL, SAFE, SAFE, INIT, 4200, NONE) } },
	{ "lost while nothing was limited: the failsafe limit all the same", 120, 4200, 0, {
		AT(0, "{'import_w':null,'export_w':null}", FREE, FREE, FREE, NONE, NONE), AT(121, NULL, SAFE, SAFE, SAFE, 4200, 0) } },
	{ "lost under a tighter limit without an end: that holds on", 120, 4200, 500, {
		AT(0, "{'import_w':1000,'export_w':2000}", LIMITED, LIMITED, LIMITED, 1000, 2000),
		AT(121, NULL, SAFE, SAFE, SAFE, 1000, 500), AT(1e6, NULL, SAFE, SAFE, SAFE, 1000, 500) } },
	{ "lost under a tighter limit with an end: until then", 120, 4200, NONE, {
		AT(0, "{'import_w':1000,'until':'$300'}", LIMITED, LIMITED, INIT, 1000, NONE), AT(121, NULL, SAFE, SAFE, INIT, 1000, NONE),
		AT(299.999, NULL, SAFE, SAFE, INIT, 1000, NONE), AT(300, NULL, SAFE, SAFE, INIT, 4200, NONE) } },
	{ "as tight as the failsafe limit: no difference", 120, 4200, NONE, {
		AT(0, "{'import_w':4200,'until':'$300'}", LIMITED, LIMITED, INIT, 4200, NONE), AT(121, NULL, SAFE, SAFE, INIT, 4200, NONE) } },
	{ "a heartbeat alone does not end failsafe, a limit does", 120, 4200, NONE, {
		AT(0, "{'import_w':6000}", LIMITED, LIMITED, INIT, 6000, NONE), AT(121, NULL, SAFE, SAFE, INIT, 4200, NONE),
		AT(122, "{}", SAFE, SAFE, INIT, 4200, NONE), AT(123, NULL, SAFE, SAFE, INIT, 4200, NONE),
		AT(124, "{'import_w':7000}", LIMITED, LIMITED, INIT, 7000, NONE) } },
	{ "null is a limit that ends failsafe", 120, 4200, NONE, {
		AT(0, "{'import_w':6000}", LIMITED, LIMITED, INIT, 6000, NONE), AT(121, NULL, SAFE, SAFE, INIT, 4200, NONE),
		AT(122, "{'import_w':null}", FREE, FREE, INIT, NONE, NONE) } },
	{ "a heartbeat that comes late, before anybody looked, heals nothing", 120, 4200, NONE, {
		AT(0, "{'import_w':6000}", LIMITED, LIMITED, INIT, 6000, NONE), AT(121, "{}", SAFE, SAFE, INIT, 4200, NONE) } },
	{ "failsafe ends for the side that is stated", 120, 4200, 0, {
		AT(0, "{'import_w':6000,'export_w':3000}", LIMITED, LIMITED, LIMITED, 6000, 3000), AT(121, NULL, SAFE, SAFE, SAFE, 4200, 0),
		AT(122, "{'import_w':6000}", SAFE, LIMITED, SAFE, 6000, 0), AT(123, "{'export_w':null}", LIMITED, LIMITED, FREE, 6000, NONE) } },
	{ "a side without a failsafe limit keeps what was said", 120, 4200, NONE, {
		AT(0, "{'import_w':6000,'export_w':3000}", LIMITED, LIMITED, LIMITED, 6000, 3000),
		AT(121, NULL, SAFE, SAFE, LIMITED, 4200, 3000), AT(122, "{'import_w':6000}", LIMITED, LIMITED, LIMITED, 6000, 3000) } },
	{ "an end: the last millisecond counts", 0, NONE, NONE, {
		AT(0, "{'import_w':1000,'until':'$60'}", LIMITED, LIMITED, INIT, 1000, NONE), AT(59.999, NULL, LIMITED, LIMITED, INIT, 1000, NONE),
		AT(60, NULL, FREE, FREE, INIT, NONE, NONE) } },
	{ "an end lifts that side only", 0, NONE, NONE, {
		AT(0, "{'import_w':1000,'until':'$60'}", LIMITED, LIMITED, INIT, 1000, NONE),
		AT(1, "{'export_w':0}", LIMITED, LIMITED, LIMITED, 1000, 0), AT(60, NULL, LIMITED, FREE, LIMITED, NONE, 0) } },
	{ "both sides end with one message", 0, NONE, NONE, {
		AT(0, "{'import_w':0,'export_w':0,'duration_s':60}", LIMITED, LIMITED, LIMITED, 0, 0), AT(60, NULL, FREE, FREE, FREE, NONE, NONE) } },
	{ "a new limit without an end takes the old end away", 0, NONE, NONE, {
		AT(0, "{'import_w':1000,'until':'$60'}", LIMITED, LIMITED, INIT, 1000, NONE),
		AT(1, "{'import_w':1000}", LIMITED, LIMITED, INIT, 1000, NONE), AT(60, NULL, LIMITED, LIMITED, INIT, 1000, NONE) } },
	{ "a heartbeat leaves the end where it is", 0, NONE, NONE, {
		AT(0, "{'import_w':1000,'duration_s':60}", LIMITED, LIMITED, INIT, 1000, NONE), AT(59, "{}", LIMITED, LIMITED, INIT, 1000, NONE),
		AT(60, NULL, FREE, FREE, INIT, NONE, NONE) } },
	{ "the end is now, or before: refused, nothing changes", 0, NONE, NONE, {
		AT(0, "{'import_w':1000}", LIMITED, LIMITED, INIT, 1000, NONE),
		AT(60, "{'import_w':9,'until':'$60'}", LIMITED, LIMITED, INIT, 1000, NONE, .error = -ETIME),
		AT(60, "{'import_w':9,'until':'$60.001'}", LIMITED, LIMITED, INIT, 9, NONE) } },
	{ "an end more than a year ahead is a slip", 0, NONE, NONE, {
		AT(0, "{'import_w':9,'until':'$31622401'}", INIT, INIT, INIT, NONE, NONE, .error = -ERANGE),
		AT(0, "{'import_w':9,'until':'$31622400'}", LIMITED, LIMITED, INIT, 9, NONE) } },
	{ "trusted, the wall clock decides: stepped over the end", 0, NONE, NONE, {
		AT(0, "{'import_w':1000,'until':'$3600'}", LIMITED, LIMITED, INIT, 1000, NONE),
		AT(10, NULL, FREE, FREE, INIT, NONE, NONE, .shift_s = 3590) } },
	{ "trusted, the wall clock decides: stepped back, it lasts longer", 0, NONE, NONE, {
		AT(0, "{'import_w':1000,'until':'$60'}", LIMITED, LIMITED, INIT, 1000, NONE),
		AT(61, NULL, LIMITED, LIMITED, INIT, 1000, NONE, .shift_s = -10), AT(71, NULL, FREE, FREE, INIT, NONE, NONE, .shift_s = -10) } },
	{ "no longer trusted: the monotonic end, whatever the wall clock says", 0, NONE, NONE, {
		AT(0, "{'import_w':1000,'until':'$60'}", LIMITED, LIMITED, INIT, 1000, NONE),
		AT(30, NULL, LIMITED, LIMITED, INIT, 1000, NONE, .untrusted = true, .shift_s = 1e7), AT(59.999, NULL, LIMITED, LIMITED, INIT, 1000, NONE, .untrusted = true, .shift_s = 1e7),
		AT(60, NULL, FREE, FREE, INIT, NONE, NONE, .untrusted = true, .shift_s = -1e7) } },
	{ "never trusted: an end by the wall clock never comes, until it can be believed", 0, NONE, NONE, {
		AT(0, "{'import_w':1000,'until':'$60'}", LIMITED, LIMITED, INIT, 1000, NONE, .untrusted = true, .shift_s = 1e6),
		AT(1e5, NULL, LIMITED, LIMITED, INIT, 1000, NONE, .untrusted = true), AT(1e5, NULL, FREE, FREE, INIT, NONE, NONE) } },
	{ "never trusted, but an end before this was built is over by any clock", 0, NONE, NONE, {
		AT(0, "{'import_w':1000,'until':'2025-12-31T23:59:59Z'}", INIT, INIT, INIT, NONE, NONE, .untrusted = true, .shift_s = -1e9, .error = -ETIME),
		AT(1, "{'import_w':1000,'until':'2026-01-01T00:00:01Z'}", LIMITED, LIMITED, INIT, 1000, NONE, .untrusted = true) } },
	{ "an end told to an untrusted clock, believed for a moment: from then on it is known", 0, NONE, NONE, {
		AT(0, "{'import_w':1000,'until':'$60'}", LIMITED, LIMITED, INIT, 1000, NONE, .untrusted = true, .shift_s = 1e6),
		AT(10, NULL, LIMITED, LIMITED, INIT, 1000, NONE), AT(59.999, NULL, LIMITED, LIMITED, INIT, 1000, NONE, .untrusted = true, .shift_s = 1e6),
		AT(60, NULL, FREE, FREE, INIT, NONE, NONE, .untrusted = true, .shift_s = -1e6) } },
	{ "an end while the source is heard: no limit, and no failsafe", 120, 4200, NONE, {
		AT(0, "{'import_w':1000,'until':'$60'}", LIMITED, LIMITED, INIT, 1000, NONE), AT(59.999, NULL, LIMITED, LIMITED, INIT, 1000, NONE),
		AT(60, NULL, FREE, FREE, INIT, NONE, NONE), AT(120, NULL, FREE, FREE, INIT, NONE, NONE), AT(120.001, NULL, SAFE, SAFE, INIT, 4200, NONE) } },
	{ "an end in the past of a clock nobody believes is taken", 0, NONE, NONE, {
		AT(0, "{'import_w':1000,'until':'$60'}", LIMITED, LIMITED, INIT, 1000, NONE, .untrusted = true, .shift_s = 100),
		AT(1, NULL, LIMITED, LIMITED, INIT, 1000, NONE), AT(60, NULL, FREE, FREE, INIT, NONE, NONE) } },
	{ "a duration is a duration, whatever the wall clock does", 0, NONE, NONE, {
		AT(0, "{'import_w':1000,'duration_s':60}", LIMITED, LIMITED, INIT, 1000, NONE),
		AT(30, NULL, LIMITED, LIMITED, INIT, 1000, NONE, .shift_s = 1e6), AT(59.999, NULL, LIMITED, LIMITED, INIT, 1000, NONE, .untrusted = true, .shift_s = 5),
		AT(60, NULL, FREE, FREE, INIT, NONE, NONE, .shift_s = -1e6) } },
	{ "restart, no heartbeats: the stored limit goes on to its end", 0, NONE, NONE, {
		AT(0, "{'import_w':1000,'until':'$60'}", LIMITED, LIMITED, INIT, 1000, NONE), AT(10, "restart", LIMITED, LIMITED, INIT, 1000, NONE),
		AT(59.999, NULL, LIMITED, LIMITED, INIT, 1000, NONE), AT(60, NULL, FREE, FREE, INIT, NONE, NONE) } },
	{ "restart, no heartbeats: lifted stays lifted", 0, NONE, NONE, {
		AT(0, "{'import_w':null,'export_w':0}", LIMITED, FREE, LIMITED, NONE, 0), AT(10, "restart", LIMITED, FREE, LIMITED, NONE, 0) } },
	{ "restart after the end", 0, NONE, NONE, {
		AT(0, "{'import_w':1000,'until':'$60'}", LIMITED, LIMITED, INIT, 1000, NONE), AT(61, "restart", FREE, FREE, INIT, NONE, NONE) } },
	{ "restart without a trusted clock: the end waits for one", 0, NONE, NONE, {
		AT(0, "{'import_w':1000,'until':'$60'}", LIMITED, LIMITED, INIT, 1000, NONE),
		AT(61, "restart", LIMITED, LIMITED, INIT, 1000, NONE, .untrusted = true), AT(62, NULL, FREE, FREE, INIT, NONE, NONE) } },
	{ "restart with a duration: it ends by the wall clock", 0, NONE, NONE, {
		AT(0, "{'import_w':1000,'duration_s':60}", LIMITED, LIMITED, INIT, 1000, NONE), AT(10, "restart", LIMITED, LIMITED, INIT, 1000, NONE),
		AT(60, NULL, FREE, FREE, INIT, NONE, NONE) } },
	{ "a duration told while the clock was wrong begins anew after a restart", 0, NONE, NONE, {
		AT(0, "{'import_w':1000,'duration_s':60}", LIMITED, LIMITED, INIT, 1000, NONE, .untrusted = true, .shift_s = -1e6),
		AT(20, "restart", LIMITED, LIMITED, INIT, 1000, NONE), AT(59.999, NULL, LIMITED, LIMITED, INIT, 1000, NONE),
		AT(60, NULL, FREE, FREE, INIT, NONE, NONE) } },
	{ "and when the clock is mended meanwhile, its end is known", 0, NONE, NONE, {
		AT(0, "{'import_w':1000,'duration_s':60}", LIMITED, LIMITED, INIT, 1000, NONE, .untrusted = true, .shift_s = -1e6),
		AT(10, NULL, LIMITED, LIMITED, INIT, 1000, NONE), AT(61, "restart", FREE, FREE, INIT, NONE, NONE) } },
	{ "restart with heartbeats: failsafe until the next limit, the tighter one holds on", 120, 4200, 500, {
		AT(0, "{'import_w':1000,'export_w':2000}", LIMITED, LIMITED, LIMITED, 1000, 2000), AT(10, "restart", INIT, INIT, INIT, 1000, 500),
		AT(11, "{}", INIT, INIT, INIT, 1000, 500), AT(12, "{'import_w':null,'export_w':null}", FREE, FREE, FREE, NONE, NONE) } },
	{ "restart during failsafe", 120, 4200, NONE, {
		AT(0, "{'import_w':6000}", LIMITED, LIMITED, INIT, 6000, NONE), AT(121, NULL, SAFE, SAFE, INIT, 4200, NONE),
		AT(122, "restart", INIT, INIT, INIT, 4200, NONE), AT(242.001, NULL, SAFE, SAFE, INIT, 4200, NONE) } },
	{ "heartbeats are configured while it runs: the source has its time, the limit holds", 0, 4200, NONE, {
		AT(0, "{'import_w':6000}", LIMITED, LIMITED, INIT, 6000, NONE), AT(1000, "config:120", LIMITED, LIMITED, INIT, 6000, NONE),
		AT(1120, NULL, LIMITED, LIMITED, INIT, 6000, NONE), AT(1120.001, NULL, SAFE, SAFE, INIT, 4200, NONE) } },
	{ "heartbeats are configured before anybody spoke: failsafe limits at once", 0, 4200, NONE, {
		AT(0, NULL, INIT, INIT, INIT, NONE, NONE), AT(1, "config:120", INIT, INIT, INIT, 4200, NONE) } },
	{ "failsafe is not left by two reloads", 120, 4200, 500, {
		AT(0, "{'import_w':6000,'export_w':2000}", LIMITED, LIMITED, LIMITED, 6000, 2000), AT(121, NULL, SAFE, SAFE, SAFE, 4200, 500),
		AT(122, "config:0", LIMITED, LIMITED, LIMITED, 6000, 2000), AT(123, "config:120", INIT, INIT, INIT, 4200, 500),
		AT(124, "{}", INIT, INIT, INIT, 4200, 500), AT(125, "config:0", LIMITED, LIMITED, LIMITED, 6000, 2000),
		AT(126, "{'import_w':5000}", LIMITED, LIMITED, LIMITED, 5000, 2000), AT(127, "config:120", INIT, LIMITED, INIT, 5000, 500),
		AT(247, NULL, INIT, LIMITED, INIT, 5000, 500), AT(247.001, NULL, SAFE, SAFE, SAFE, 4200, 500) } },
	{ "nor by a restart between them, nor is init", 120, 4200, NONE, {
		AT(0, "{'import_w':6000}", LIMITED, LIMITED, INIT, 6000, NONE), AT(1, "restart", INIT, INIT, INIT, 4200, NONE),
		AT(2, "config:0", LIMITED, LIMITED, INIT, 6000, NONE), AT(3, "config:120", INIT, INIT, INIT, 4200, NONE),
		AT(4, "config:0", LIMITED, LIMITED, INIT, 6000, NONE), AT(5, "restart", LIMITED, LIMITED, INIT, 6000, NONE),
		AT(6, "config:120", INIT, INIT, INIT, 4200, NONE) } },
	{ "who speaks of export does not vouch for another's import", 120, 4200, 500, {
		AT(0, "{'import_w':6000}", INIT, LIMITED, INIT, 6000, 500), AT(60, "!{'export_w':2000}", LIMITED, LIMITED, LIMITED, 6000, 2000),
		AT(120, "!{}", LIMITED, LIMITED, LIMITED, 6000, 2000), AT(120.001, "!{'export_w':3000}", SAFE, SAFE, LIMITED, 4200, 3000),
		AT(200, "{}", SAFE, SAFE, LIMITED, 4200, 3000), AT(240.001, NULL, SAFE, SAFE, LIMITED, 4200, 3000),
		AT(240.002, NULL, SAFE, SAFE, SAFE, 4200, 500), AT(241, "!{'import_w':1}", SAFE, LIMITED, SAFE, 1, 500),
		AT(300, "!{}", SAFE, LIMITED, SAFE, 1, 500), AT(420, "{}", SAFE, LIMITED, SAFE, 1, 500), AT(420.001, NULL, SAFE, SAFE, SAFE, 1, 500) } },
	{ "before a side was ever stated everybody is heard, after a restart who stated it is remembered", 120, 4200, NONE, {
		AT(0, "!{}", INIT, INIT, INIT, 4200, NONE), AT(120, NULL, INIT, INIT, INIT, 4200, NONE),
		AT(120, "{'import_w':6000}", LIMITED, LIMITED, INIT, 6000, NONE), AT(121, "!{'export_w':9}", LIMITED, LIMITED, LIMITED, 6000, 9),
		AT(122, "restart", INIT, INIT, LIMITED, 4200, 9), AT(200, "!{}", INIT, INIT, LIMITED, 4200, 9),
		AT(242.001, NULL, SAFE, SAFE, LIMITED, 4200, 9) } },
	{ "the installer takes heartbeats away: what was said last", 120, 4200, NONE, {
		AT(0, "{'import_w':6000}", LIMITED, LIMITED, INIT, 6000, NONE), AT(121, NULL, SAFE, SAFE, INIT, 4200, NONE),
		AT(122, "config:0", LIMITED, LIMITED, INIT, 6000, NONE) } },
};

static bool watts(double a, double b)
{
	return isnan(a) ? isnan(b) : a == b;
}

static void play(const struct script *s)
{
	struct limit_config cfg = { s->heartbeat_s, { s->failsafe_import_w, s->failsafe_export_w } };
	struct limit_input in;

	limit_input_init(&in);
	limit_input_step(&in, &cfg, &(struct limit_clock){ NOW, T, true });
	for (int i = 0; i < STEPS && s->steps[i].used; i++) {
		const struct step *p = &s->steps[i];
		const int64_t ms = llround(p->at_s * 1000);
		const struct limit_clock clock = { NOW + ms, T + ms + llround(p->shift_s * 1000), !p->untrusted };
		struct limit_view before, v;
		int r = 0;

		limit_input_view(&in, &cfg, &before);
		if (p->message && !strcmp(p->message, "restart"))
			restart(&in, &clock);
		else if (p->message && !strncmp(p->message, "config:", 7))
			cfg.heartbeat_s = atoi(p->message + 7);
		else if (p->message)
			r = send_message(&in, &cfg, p->message, &clock);
		if (p->error ? r != p->error : r < 0)
			fail_msg("%s: step %d: %d", s->name, i, r);
		if (!p->message || (p->message[0] != '{' && p->message[0] != '!'))
			r = limit_input_step(&in, &cfg, &clock);
		limit_input_view(&in, &cfg, &v);
		if ((int)v.state != p->state || (int)v.side[0].state != p->import || (int)v.side[1].state != p->export ||
		    !watts(v.side[0].w, p->import_w) || !watts(v.side[1].w, p->export_w))
			fail_msg("%s: step %d: %s (import %s %g, export %s %g)", s->name, i, limit_state_word(v.state),
				 limit_state_word(v.side[0].state), v.side[0].w, limit_state_word(v.side[1].state), v.side[1].w);
		/* what is said to have changed has, and nothing else */
		if ((!p->message || p->message[0] == '{') && r >= 0 && !(r & LIMIT_CHANGED) == limit_view_differs(&before, &v))
			fail_msg("%s: step %d: change %d", s->name, i, r);
	}
}

static void test_scripts(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(SCRIPTS) / sizeof(SCRIPTS[0]); i++)
		play(&SCRIPTS[i]);
}

/* What must be stored: each change of what was demanded, nothing else. */
static void test_stored(void **state)
{
	static const struct { const char *message; double at_s; bool store; } ROWS[] = {
		{ "{}", 0, false }, { "{'import_w':3000}", 1, true }, { "{'import_w':3000}", 2, false }, { "{}", 3, false },
		{ "{'import_w':3001}", 4, true }, { "{'import_w':3001,'until':'$60'}", 5, true }, { "{'import_w':3001,'until':'$60'}", 6, false },
		{ "{'import_w':3001,'duration_s':54}", 6, false }, { "{'import_w':3001,'duration_s':54}", 7, true },
		{ "{'export_w':null}", 8, true }, { "{'export_w':null}", 9, false }, { NULL, 60.999, false }, { NULL, 61, true }, { NULL, 62, false },
		{ "{'import_w':null}", 63, false }, { "{'import_w':0}", 64, true },
	};
	const struct limit_config cfg = { 120, { 4200, 0 } };
	struct limit_input in;

	(void)state;
	limit_input_init(&in);
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		const struct limit_clock clock = { NOW + llround(ROWS[i].at_s * 1000), T + llround(ROWS[i].at_s * 1000), true };
		int r = ROWS[i].message ? send_message(&in, &cfg, ROWS[i].message, &clock) : limit_input_step(&in, &cfg, &clock);

		if (r < 0 || !(r & LIMIT_STORE) == ROWS[i].store)
			fail_msg("row %zu (%s): %d", i, ROWS[i].message ? ROWS[i].message : "time", r);
	}
	/* another source that says the same is another source */
	assert_true(send_message(&in, &cfg, "!{'import_w':0}", &(struct limit_clock){ NOW + 65000, T + 65000, true }) & LIMIT_STORE);
}

/* A duration's end by the wall clock follows its steps, so that a restart finds it where it is. */
static void test_duration_follows_steps(void **state)
{
	static const struct { double shift_s; bool store; } ROWS[] = { { 2, false }, { 2.001, true }, { 3600, true }, { 3599, false }, { -5, true } };
	const struct limit_config cfg = { 0, { NAN, NAN } };
	struct limit_input in;

	(void)state;
	limit_input_init(&in);
	send_message(&in, &cfg, "{'import_w':1,'duration_s':1000}", &(struct limit_clock){ NOW, T, true });
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		int r = limit_input_step(&in, &cfg, &(struct limit_clock){ NOW + 1000, T + 1000 + llround(ROWS[i].shift_s * 1000), true });

		if (!(r & LIMIT_STORE) == ROWS[i].store)
			fail_msg("row %zu: %d", i, r);
	}
	assert_int_equal(in.side[0].demand.until_utc_ms, T + 1000000 - 5000);
}

static void test_view(void **state)
{
	const struct limit_config cfg = { 120, { 4200, 0 } };
	const struct limit_clock clock = { NOW, T, true };
	struct limit_input in;
	struct limit_view v;

	(void)state;
	limit_input_init(&in);
	assert_int_equal(limit_input_age_ms(&in, NOW), -1);
	limit_input_step(&in, &cfg, &clock);
	limit_input_view(&in, &cfg, &v);
	assert_true(v.failsafe && v.until_utc_ms == 0);
	send_message(&in, &cfg, "{'import_w':1000,'until':'$600'}", &clock);
	send_message(&in, &cfg, "{'export_w':0,'until':'$300'}", &clock);
	assert_int_equal(limit_input_age_ms(&in, NOW + 7), 7);
	assert_string_equal(in.source, "dso");
	limit_input_view(&in, &cfg, &v);
	assert_true(!v.failsafe && v.until_utc_ms == T + 300000 && v.side[LIMIT_IMPORT].until_utc_ms == T + 600000);
	/* failsafe: import is still the tighter demand's, with its end; export's end means nothing any more */
	limit_input_step(&in, &cfg, &(struct limit_clock){ NOW + 121000, T + 121000, true });
	limit_input_view(&in, &cfg, &v);
	assert_true(v.failsafe && v.until_utc_ms == T + 600000 && v.side[LIMIT_EXPORT].until_utc_ms == 0);
}

/* Any one thing that is different is seen; a side without a limit is the same as itself. */
static void test_view_differs(void **state)
{
	const struct limit_view a = { LIMIT_LIMITED, false, 5, { { LIMIT_LIMITED, 3000, 5, false, false, NAN, 0 }, { LIMIT_UNLIMITED, NAN, 0, false, false, 2000, 7 } } };
	struct limit_view b = a;

	(void)state;
	assert_false(limit_view_differs(&a, &b));
	b.state = LIMIT_FAILSAFE;
	assert_true(limit_view_differs(&a, &b));
	b = a;
	b.failsafe = true;
	assert_true(limit_view_differs(&a, &b));
	for (int i = 0; i < LIMIT_SIDES; i++) {
		b = a;
		b.side[i].state = LIMIT_INIT;
		assert_true(limit_view_differs(&a, &b));
		b = a;
		b.side[i].failsafe = true;
		assert_true(limit_view_differs(&a, &b));
		b = a;
		b.side[i].until_utc_ms = 6;
		assert_true(limit_view_differs(&a, &b));
		b = a;
		b.side[i].w = isnan(a.side[i].w) ? 0 : NAN;
		assert_true(limit_view_differs(&a, &b));
		assert_true(limit_view_differs(&b, &a));
		b.side[i].w = 3001;
		assert_true(limit_view_differs(&a, &b));
		b = a;
		b.side[i].tighter_w = 2001;
		assert_true(limit_view_differs(&a, &b) && !limit_view_power_differs(&a, &b));
		b = a;
		b.side[i].tighter_until_utc_ms = 8;
		assert_true(limit_view_differs(&a, &b) && !limit_view_power_differs(&a, &b));
	}
}

/* What is left of a tighter limit when another source says a looser one: "b4000" = source b says so at that second; at the end. */
static void test_tighter(void **state)
{
	static const struct { const char *name, *said; int end_s; double in_force, tighter; const char *whose; } ROWS[] = {
		{ "a looser one of another source", "0 a 4000,1 b 9000", 2, 9000, 4000, "a" },
		{ "of the same", "0 a 4000,1 a 9000", 2, 9000, NAN, NULL },
		{ "as tight", "0 a 4000,1 b 4000", 2, 4000, NAN, NULL },
		{ "tighter", "0 a 4000,1 b 3999", 2, 3999, NAN, NULL },
		{ "lifted by another", "0 a 4000,1 b none", 2, NAN, 4000, "a" },
		{ "lifted, where none was", "0 a none,1 b 9000", 2, 9000, NAN, NULL },
		{ "the same of the other again", "0 a 4000,1 b 9000,2 b 9000", 3, 9000, 4000, "a" },
		{ "said again by the first", "0 a 4000,1 b 9000,2 a 4000", 3, 4000, NAN, NULL },
		{ "lifted by the first, the other stood", "0 a 4000,1 b 9000,2 a none", 3, NAN, 9000, "b" },
		{ "a third, looser still: the tightest is told", "0 a 4000,1 b 9000,2 c none", 3, NAN, 4000, "a" },
		{ "a third between them", "0 a 4000,1 b 9000,2 c 5000", 3, 5000, 4000, "a" },
		{ "a third, tighter than both", "0 a 4000,1 b 9000,2 c 3000", 3, 3000, NAN, NULL },
		{ "a tighter one came between", "0 a 4000,1 b 3000,2 c 5000", 3, 5000, 3000, "b" },
		{ "until it would have ended", "0 a 4000/60,1 b 9000", 59, 9000, 4000, "a" },
		{ "it would have ended", "0 a 4000/60,1 b 9000", 60, 9000, NAN, NULL },
		{ "it had ended before", "0 a 4000/60,61 b 9000", 62, 9000, NAN, NULL },
	};
	const struct limit_config cfg = { 0, { NAN, NAN } };

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct limit_input in;
		struct limit_view v;
		const char *at = ROWS[i].said;
		char source, w[16];
		int s, n;

		limit_input_init(&in);
		for (; sscanf(at, "%d %c %15[^,]%n", &s, &source, w, &n) == 3; at += n + (at[n] == ',')) {
			struct limit_message m = { .states = { true }, .w = { !strcmp(w, "none") ? NAN : atof(w), NAN }, .source = { source } };

			m.duration_ms = strchr(w, '/') ? atoi(strchr(w, '/') + 1) * 1000 : 0;
			assert_true(limit_input_message(&in, &cfg, &m, &(struct limit_clock){ NOW + s * 1000, T + s * 1000, true }, NULL) >= 0);
		}
		s = limit_input_step(&in, &cfg, &(struct limit_clock){ NOW + ROWS[i].end_s * 1000, T + ROWS[i].end_s * 1000, true });
		assert_true(!s == (ROWS[i].end_s != 60)); /* that it is over is a change too */
		limit_input_view(&in, &cfg, &v);
		if (!(v.side[0].w == ROWS[i].in_force || (isnan(v.side[0].w) && isnan(ROWS[i].in_force))) ||
		    !(v.side[0].tighter_w == ROWS[i].tighter || (isnan(v.side[0].tighter_w) && isnan(ROWS[i].tighter))) ||
		    (ROWS[i].whose && strcmp(in.side[0].tighter_source, ROWS[i].whose) != 0))
			fail_msg("%s: %g, tighter %g of %s", ROWS[i].name, v.side[0].w, v.side[0].tighter_w, in.side[0].tighter_source);
	}
}

static void test_messages(void **state)
{
	static const struct { const char *json; int error; } ROWS[] = {
		{ "{}", 0 }, { "{'transaction':'7'}", 0 }, { "{'import_w':0}", 0 }, { "{'import_w':null,'export_w':null}", 0 },
		{ "{'import_w':1000000}", 0 }, { "{'import_w':1000001}", -ERANGE }, { "{'import_w':-1}", -ERANGE }, { "{'import_w':-0.001}", -ERANGE },
		{ "{'export_w':-1}", -ERANGE }, { "{'import_w':1e999}", -ERANGE }, { "{'import_w':'3000'}", -EINVAL }, { "{'import_w':true}", -EINVAL },
		{ "{'import_w':null,'duration_s':60}", -EINVAL }, { "{'import_w':[]}", -EINVAL }, { "{'import':3000}", -EINVAL }, { "{'Import_w':3000}", -EINVAL }, { "{'import_w':1,'import_w':2}", -EINVAL },
		{ "{'import_w':1,'until':null}", 0 }, { "{'import_w':1,'until':'soon'}", -EINVAL }, { "{'import_w':1,'until':7}", -EINVAL },
		{ "{'import_w':1,'until':'1969-12-31T23:59:59Z'}", -EINVAL }, { "{'import_w':1,'until':'$60','duration_s':60}", -EINVAL },
		{ "{'until':'$60'}", -EINVAL }, { "{'import_w':null,'until':'$60'}", -EINVAL }, { "{'duration_s':60}", -EINVAL },
		{ "{'import_w':null,'export_w':5,'until':'$60'}", 0 }, { "{'import_w':1,'duration_s':0}", -ERANGE }, { "{'import_w':1,'duration_s':1}", 0 },
		{ "{'import_w':1,'duration_s':31622400}", 0 }, { "{'import_w':1,'duration_s':31622401}", -ERANGE }, { "{'import_w':1,'duration_s':1.5}", -EINVAL },
		{ "[]", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct limit_message m = { .duration_ms = 77 };
		struct errbuf err = { "" };
		char json[256];
		AUTO_JSON *j = NULL;
		int r;

		expand(ROWS[i].json, json, sizeof(json));
		j = json_parse(json, strlen(json), 4096, 8, NULL);
		assert_non_null(j);
		r = limit_message_parse(j, &m, &err);
		if (r != ROWS[i].error || (r < 0) != (err.text[0] != 0) || (r < 0) != (m.duration_ms == 77))
			fail_msg("%s: %d, %s", ROWS[i].json, r, err.text);
	}
}

/* A row of a damaged disk changes nothing. */
static void test_decode_refuses(void **state)
{
	static const char *const ROWS[] = {
		"[]", "{}", "{'import':7}", "{'import':{'w':-1}}", "{'import':{'w':'x'}}", "{'import':{'until':'2026-01-15T12:00:00Z'}}",
		"{'import':{'w':1,'left_ms':5}}", "{'import':{'w':1,'until':'2026-01-15T12:00:00Z','left_ms':-1}}", "{'export':{'w':1e9}}",
		"{'export':{'w':1,'until':'x'}}", "{'import':{'v':1}}", "{'imqort':{'w':1}}", "{'import':{'w':1,'w':2}}", "{'import':{'w':1,'unread':7}}",
		"{'import':{'w':1,'source':7}}", "{'source':7}", "{'source':'0123456789012345678901234567890123456789'}",
	};
	struct limit_input in;

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		struct errbuf err = { "" };
		char json[256];
		AUTO_JSON *j = NULL;

		expand(ROWS[i], json, sizeof(json));
		j = json_parse(json, strlen(json), 4096, 8, NULL);
		memset(&in, 7, sizeof(in));
		if (limit_input_decode(j, NOW, &in, &err) >= 0 || !err.text[0] || in.source[0] != 7)
			fail_msg("%s was taken", ROWS[i]);
	}
}

/* What is left of a damaged row, with and without failsafe limits and heartbeats, until each side is stated. */
static void test_salvage(void **state)
{
	static const struct { const char *json; bool import_unread, export_unread; double import_w, export_w; } ROWS[] = {
		{ NULL, true, true, NONE, NONE }, { "{}", true, true, NONE, NONE }, { "[]", true, true, NONE, NONE }, { "{'source':7}", false, false, NONE, NONE },
		{ "{'source':'x','import':{'w':3000,'until':'20'}}", true, false, 3000, NONE },
		{ "{'import':{'w':3000,'until':'$60','left_ms':-1},'export':{'w':7}}", true, false, 3000, 7 },
		{ "{'import':{'w':-5},'export':{'w':7,'until':'$600'}}", true, false, NONE, 7 },
		{ "{'import':{'u':3000}}", true, false, NONE, NONE }, { "{'imp':{'w':3000},'export':{'w':7}}", true, false, NONE, 7 },
		{ "{'import':7,'export':[]}", true, true, NONE, NONE }, { "{'import':{'w':5000,'w':1,'until':'$60'}}", true, false, 5000, NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++)
		for (int heartbeat_s = 0; heartbeat_s <= 120; heartbeat_s += 120)
			for (int safe = 0; safe < 2; safe++) {
				const struct limit_config cfg = { heartbeat_s, { safe ? 4200 : NAN, safe ? 500 : NAN } };
				const double import_w = safe && (heartbeat_s || ROWS[i].import_unread) ? fmin(4200, ROWS[i].import_w) : ROWS[i].import_w;
				const double export_w = safe && (heartbeat_s || ROWS[i].export_unread) ? fmin(500, ROWS[i].export_w) : ROWS[i].export_w;
				struct limit_clock c = { NOW + 1000, T + 1000, true };
				struct limit_input in;
				struct limit_view v;
				char json[256];
				AUTO_JSON *j = NULL;

				expand(ROWS[i].json ? ROWS[i].json : "", json, sizeof(json));
				j = cJSON_Parse(json);
				limit_input_salvage(j, NOW, &in);
				for (int k = 0; k < 2; k++) { /* a second start finds the same */
					limit_input_step(&in, &cfg, &c);
					c.now_ms += 61000;
					c.utc_ms += 61000;
					limit_input_step(&in, &cfg, &c);
					limit_input_view(&in, &cfg, &v);
					if (in.side[0].unread != ROWS[i].import_unread || in.side[1].unread != ROWS[i].export_unread ||
					    !watts(v.side[0].w, import_w) || !watts(v.side[1].w, export_w))
						fail_msg("%s, %d s, start %d: import %g, export %g", json, heartbeat_s, k, v.side[0].w, v.side[1].w);
					for (int side = 0; side < LIMIT_SIDES; side++)
						assert_true(!in.side[side].unread || in.side[side].state == LIMIT_INIT);
					assert_true(v.failsafe == (safe && (heartbeat_s || ROWS[i].import_unread || ROWS[i].export_unread)));
					restart(&in, &c);
				}
				send_message(&in, &cfg, "{'import_w':null}", &c);
				assert_true(!in.side[0].unread && in.side[1].unread == ROWS[i].export_unread);
				send_message(&in, &cfg, "{'export_w':9000}", &c);
				limit_input_view(&in, &cfg, &v);
				assert_true(!in.side[1].unread && !v.failsafe && isnan(v.side[0].w) && v.side[1].w == 9000);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scripts), cmocka_unit_test(test_stored), 
		cmocka_unit_test(test_salvage), cmocka_unit_test(test_duration_follows_steps),
		cmocka_unit_test(test_view), cmocka_unit_test(test_view_differs), cmocka_unit_test(test_tighter), cmocka_unit_test(test_messages), cmocka_unit_test(test_decode_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
