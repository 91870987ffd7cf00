/* How prices stand: composed for planner and bus, and in words for people. */
#include "flow/cloud/prices_internal.h"

#include "io/log.h"

#include <stdio.h>
#include <string.h>

bool prices_fresh(const struct prices_side *s, int64_t utc_ms)
{
	const int64_t age = utc_ms - s->fetched_utc_ms;

	/* one fetched in the future tells of a clock that was wrong, then or now */
	return s->fetched_utc_ms != 0 && s->known.n > 0 && age <= PRICES_FRESH_MS && age >= -PRICES_AHEAD_MS;
}

/* FlatPeak's prices of a side, however old; NULL = none. */
static const struct price_series *known_of(const struct prices *p, int side)
{
	return p->used.mode == LINK_DIRECT && p->side[side].known.n > 0 ? &p->side[side].known : NULL;
}

/* One currency for both sides, or a plan would add up two: import decides. */
static const char *money_of(const struct prices *p, int64_t utc_ms)
{
	const struct config_tariff *t = &p->o.config->tariff;
	const struct price_series *known = known_of(p, FLATPEAK_IMPORT);

	if (known && known->currency[0] && (!t->import.n || prices_fresh(&p->side[FLATPEAK_IMPORT], utc_ms)))
		return known->currency;
	return t->currency;
}

/* Prices without a currency are taken for the owner's. */
static bool fits(const char *currency, const char *money)
{
	return !currency[0] || !money[0] || !strcmp(currency, money);
}

static void compose(struct prices *p, int side, const struct price_span *span, struct price_series *out)
{
	const struct config_tariff *t = &p->o.config->tariff;
	const struct price_series *known = known_of(p, side);
	const char *money = money_of(p, span->now_utc_ms);
	const double vat = side == FLATPEAK_IMPORT ? p->o.config->flatpeak.vat_multiplier : 1.;
	const bool used = known && fits(known->currency, money);
	const struct tariff_windows *w = side == FLATPEAK_IMPORT ? &t->import : &t->export;
	struct price_layer layer[3];
	int n = 0;

	if (used && prices_fresh(&p->side[side], span->now_utc_ms))
		layer[n++] = (struct price_layer){ known, "flatpeak", vat, PRICES_CONFIDENCE_MIN, 0 };
	if (w->n && fits(t->currency, money)) {
		tariff_expand(w, p->o.zone, span->from_utc_ms, span->to_utc_ms, &p->scratch);
		layer[n++] = (struct price_layer){ &p->scratch, "tariff", 1., 0., 0 };
	}
	if (used)
		layer[n++] = (struct price_layer){ known, "last_known", vat, 0., PRICES_WEEKS_BACK };
	price_compose(layer, n, p->o.zone, span, out);
	snprintf(out->timezone, sizeof(out->timezone), "%s", p->o.zone && p->o.zone->name[0] ? p->o.zone->name : "UTC");
	snprintf(out->currency, sizeof(out->currency), "%.3s", money);
}

void prices_compose(struct prices *p, int64_t now_utc_ms, int64_t from_utc_ms, int64_t to_utc_ms,
		    struct price_series *import, struct price_series *export)
{
	const struct price_span span = { from_utc_ms, to_utc_ms, now_utc_ms };

	compose(p, FLATPEAK_IMPORT, &span, import);
	compose(p, FLATPEAK_EXPORT, &span, export);
}

const char *prices_missing(const struct prices *p)
{
	if (p->used.mode != LINK_DIRECT || !p->o.http)
		return "";
	if (!p->used.account_id[0])
		return "FlatPeak's account is not known: set [flatpeak] account_id";
	if (!p->key[0])
		return "FlatPeak's API key is not known: credential flatpeak-api-key, or [flatpeak] api_key_file";
	if (!p->used.location_id[0])
		return "FlatPeak's location is not known: set [flatpeak] location_id (loc_..., from FlatPeak's dashboard)";
	return NULL;
}

/* Why a direction has no prices, and what to do. */
static void word_code(const struct prices *p, int side, char *out, size_t size)
{
	const struct prices_side *s = &p->side[side];
	const char *direction = side == FLATPEAK_IMPORT ? "import" : "export";

	if (!strcmp(s->code, "no_tariff_connected"))
		snprintf(out, size, "no %s tariff is connected at FlatPeak for %.32s: connect it in FlatPeak's own pages", direction,
			 p->used.location_id);
	else if (!strcmp(s->code, "pending_connect"))
		snprintf(out, size, "FlatPeak is still reading the %s tariff for the first time; nothing to do but wait",
			 direction);
	else if (!strcmp(s->code, "no_price_data"))
		snprintf(out, size, "FlatPeak has lost sight of the %s tariff: connect it again in FlatPeak's own pages",
			 direction);
	else
		snprintf(out, size, "FlatPeak has no %s prices (%.40s); if it stays so, connect the tariff in FlatPeak's own pages",
			 direction, s->message[0] ? s->message : s->code);
}

static void set(struct prices_status *st, const char *state, const char *reason)
{
	snprintf(st->state, sizeof(st->state), "%s", state);
	snprintf(st->reason, sizeof(st->reason), "%s", reason);
}

static void judge_state(const struct prices *p, bool trusted, int64_t utc_ms, struct prices_status *st)
{
	const struct prices_side *import = &p->side[FLATPEAK_IMPORT], *export = &p->side[FLATPEAK_EXPORT];
	const char *missing = prices_missing(p);
	char words[sizeof(st->reason)] = "";
	size_t n;

	if (missing)
		set(st, missing[0] ? "waiting" : "off", missing);
	else if (p->stopped[0])
		set(st, "stopped", p->stopped);
	else if (p->trouble[0])
		set(st, "retrying", p->trouble);
	else if (import->code[0]) {
		word_code(p, FLATPEAK_IMPORT, words, sizeof(words));
		set(st, "no_tariff", words);
	} else if (!trusted) {
		set(st, "waiting", "prices wait for a clock that can be trusted");
	} else if (!import->fetched_utc_ms) {
		set(st, "waiting", "");
	} else {
		if (export->code[0] && strcmp(export->code, "no_tariff_connected") != 0) /* that one is normal */
			word_code(p, FLATPEAK_EXPORT, words, sizeof(words));
		set(st, "ok", words);
	}
	if (missing || prices_fresh(import, utc_ms))
		return;
	n = strlen(st->reason);
	if (!strcmp(st->state, "no_tariff") && p->o.config->tariff.import.n)
		snprintf(st->reason + n, sizeof(st->reason) - n, "; [tariff] is used meanwhile");
	else if (import->fetched_utc_ms)
		snprintf(st->reason + n, sizeof(st->reason) - n, "%sits prices %s and not used", n ? "; " : "",
			 import->fetched_utc_ms > utc_ms ? "are of a later time than now" : "are older than 36 h");
}

/* Export prices that stand in another currency than import prices count as unknown; somebody should know why. */
static void word_currency(const struct prices *p, int64_t utc_ms, struct prices_status *st)
{
	const struct config_tariff *t = &p->o.config->tariff;
	const struct price_series *known = known_of(p, FLATPEAK_EXPORT);
	const char *money = money_of(p, utc_ms);
	const size_t n = strlen(st->reason);

	if ((known && fits(known->currency, money)) || (t->export.n && fits(t->currency, money)) || (!known && !t->export.n))
		return;
	snprintf(st->reason + n, sizeof(st->reason) - n, "%sexport prices are in %s, import prices in %s: export counts as unknown",
		 n ? "; " : "", known ? known->currency : t->currency, money);
}

void prices_judge(struct prices *p)
{
	struct prices_status st = { .reason = "" };
	int64_t now, utc;
	const bool trusted = p->o.clock(p->o.context, &now, &utc);
	bool told;

	judge_state(p, trusted, utc, &st);
	word_currency(p, utc, &st);
	/* while it is tried again the words may alternate; the first of them are enough for the log */
	told = !strcmp(st.state, p->status.state) && (!strcmp(st.state, "retrying") || !strcmp(st.reason, p->status.reason));
	p->status = st;
	if (told)
		return;
	if (!strcmp(st.state, "off"))
		log_debug("prices", "FlatPeak is off");
	else if (st.reason[0])
		log_warning("prices", "%s: %s", st.state, st.reason);
	else
		log_info("prices", "FlatPeak: %s", st.state);
}

void prices_status(const struct prices *p, struct prices_status *out)
{
	int64_t now, utc, next = INT64_MAX;

	*out = p ? p->status : (struct prices_status){ .state = "off" };
	if (!p)
		return;
	p->o.clock(p->o.context, &now, &utc);
	out->fetched_utc_ms = p->side[FLATPEAK_IMPORT].fetched_utc_ms;
	out->requests = p->requests;
	out->failures = p->failures;
	if (prices_missing(p) || p->stopped[0])
		return;
	for (int d = 0; d < PRICES_SIDES; d++) {
		const struct prices_side *s = &p->side[d];
		const int64_t at = s->due_ms > s->wait_ms ? s->due_ms : s->wait_ms;

		next = at < next ? at : next;
	}
	if (next < p->hold_ms)
		next = p->hold_ms;
	out->next_utc_ms = utc + (next > now ? next - now : 0);
}
