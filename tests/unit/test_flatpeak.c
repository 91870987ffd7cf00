/* FlatPeak's words: requests of three generations, prices of all their shapes, errors whatever the status, and garbage. */
#include "cloud/flatpeak.h"

#include "core/calendar.h"
#include "support/cm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEAD "\"object\":\"price\",\"location_id\":\"loc_1\",\"location_timezone\":\"Europe/London\",\"currency_code\":\"GBP\""
#define PRICES(data) "{" HEAD ",\"data\":[" data "]}"
#define SPAN(from, to) "\"valid_from\":\"2026-03-01T" from "\",\"valid_to\":\"2026-03-01T" to "\""
#define P(from, to, value) "{" SPAN(from, to) ",\"price\":{\"value\":" value ",\"confidence\":1}}"

static struct flatpeak_prices prices;
static struct flatpeak_error fault;
static struct errbuf err;

static int64_t at(const char *text)
{
	int64_t utc_ms;

	if (calendar_parse(text, &utc_ms) < 0)
		fail_msg("%s", text);
	return utc_ms;
}

static int decode(const char *text)
{
	/* of its own size, so that reading beyond it is seen */
	const size_t n = strlen(text);
	char *copy = malloc(n ? n : 1);
	int r;

	memcpy(copy, text, n);
	err.text[0] = '\0';
	r = flatpeak_prices_decode(copy, n, &prices, &fault, &err);
	free(copy);
	return r;
}

/* "08:00-09:00=0.1/0.8 ..." of 1 March 2026 UTC */
static const char *words(void)
{
	static char text[600];
	size_t n = 0;

	text[0] = '\0';
	for (int i = 0; i < prices.series.n && n < sizeof(text) - 60; i++) {
		const struct price_segment *s = &prices.series.s[i];
		char from[CALENDAR_TEXT_MAX], to[CALENDAR_TEXT_MAX];

		calendar_format(s->from_utc_ms, from);
		calendar_format(s->to_utc_ms, to);
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.5s-%.5s=%g", i ? " " : "", from + 11, to + 11, s->value);
		if (s->confidence != 1)
			n += (size_t)snprintf(text + n, sizeof(text) - n, "/%g", s->confidence);
	}
	return text;
}

static const struct { const char *name, *text; int r, dropped; const char *want; } PRICES_OF[] = {
	/* what is no answer at all */
	{ "empty", "", -EINVAL, 0, "" },
	{ "HTML", "<html><body>Bad Gateway</body></html>", -EINVAL, 0, "" },
	{ "a word", "OK", -EINVAL, 0, "" },
	{ "cut", "{" HEAD ",\"data\":[" P("08:00:00Z", "09:00:00Z", "0.1") ",{", -EINVAL, 0, "" },
	{ "null", "null", -EINVAL, 0, "" },
	{ "a bare array", "[" P("08:00:00Z", "09:00:00Z", "0.1") "]", -EINVAL, 0, "" },
	{ "no data", "{" HEAD "}", -EINVAL, 0, "" },
	{ "data null", "{" HEAD ",\"data\":null}", -EINVAL, 0, "" },
	{ "data an object", "{" HEAD ",\"data\":{}}", -EINVAL, 0, "" },
	{ "data a text", "{" HEAD ",\"data\":\"[]\"}", -EINVAL, 0, "" },
	{ "not UTF-8", "{\"data\":[],\"x\":\"\xff\"}", -EINVAL, 0, "" },
	{ "deep", "{\"data\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", -EINVAL, 0, "" },
	{ "more behind", PRICES("") "x", -EINVAL, 0, "" },
	{ "nothing in it", PRICES(""), 0, 0, "" },
	/* elements that make no sense do not spoil the others */
	{ "not an object", PRICES("1,null,\"x\",[]," P("08:00:00Z", "09:00:00Z", "0.1")), 0, 4, "08:00-09:00=0.1" },
	{ "ends before it begins", PRICES(P("09:00:00Z", "08:00:00Z", "0.1") "," P("08:00:00Z", "09:00:00Z", "0.2")), 0, 1,
	  "08:00-09:00=0.2" },
	{ "empty element", PRICES(P("09:00:00Z", "09:00:00Z", "0.1")), 0, 1, "" },
	{ "no end", PRICES("{\"valid_from\":\"2026-03-01T08:00:00Z\",\"price\":{\"value\":1}}"), 0, 1, "" },
	{ "a time that is none", PRICES(P("08:00:00Z", "25:00:00Z", "0.1")), 0, 1, "" },
	{ "a time as a number", PRICES("{\"valid_from\":1,\"valid_to\":2,\"price\":{\"value\":1}}"), 0, 1, "" },
	{ "a very long time", PRICES(P("08:00:00Z", "09:00:00.00000000000000000000000000000000000000000Z", "0.1")), 0, 1, "" },
	{ "no price", PRICES("{" SPAN("08:00:00Z", "09:00:00Z") "}"), 0, 1, "" },
	{ "price null", PRICES("{" SPAN("08:00:00Z", "09:00:00Z") ",\"price\":null}"), 0, 1, "" },
	{ "value null", PRICES(P("08:00:00Z", "09:00:00Z", "null")), 0, 1, "" },
	{ "value as text", PRICES(P("08:00:00Z", "09:00:00Z", "\"0.1\"")), 0, 1, "" },
	{ "value infinite", PRICES(P("08:00:00Z", "09:00:00Z", "1e400")), 0, 1, "" },
	{ "value per MWh", PRICES(P("08:00:00Z", "09:00:00Z", "1000.1")), 0, 1, "" },
	{ "as much as there may be", PRICES(P("08:00:00Z", "09:00:00Z", "-1000")), 0, 0, "08:00-09:00=-1000" },
	{ "value a group", PRICES("{" SPAN("08:00:00Z", "09:00:00Z") ",\"price\":{\"value\":{\"value\":1}}}"), 0, 1, "" },
	{ "price an array", PRICES("{" SPAN("08:00:00Z", "09:00:00Z") ",\"price\":[1,2]}"), 0, 1, "" },
	{ "overlap: the later in the text loses", PRICES(P("08:00:00Z", "10:00:00Z", "0.1") "," P("09:00:00Z", "11:00:00Z", "0.2")), 0, 1,
	  "08:00-10:00=0.1" },
	{ "overlap, other way round", PRICES(P("09:00:00Z", "11:00:00Z", "0.2") "," P("08:00:00Z", "10:00:00Z", "0.1")), 0, 1,
	  "09:00-11:00=0.2" },
	{ "twice", PRICES(P("08:00:00Z", "09:00:00Z", "0.1") "," P("08:00:00Z", "09:00:00Z", "0.1")), 0, 1, "08:00-09:00=0.1" },
	{ "one around all", PRICES(P("08:00:00Z", "09:00:00Z", "0.1") "," P("07:00:00Z", "12:00:00Z", "0.2")), 0, 1, "08:00-09:00=0.1" },
	/* confidence */
	{ "no confidence", PRICES("{" SPAN("08:00:00Z", "09:00:00Z") ",\"price\":{\"value\":0.1}}"), 0, 0, "08:00-09:00=0.1" },
	{ "too sure", PRICES("{" SPAN("08:00:00Z", "09:00:00Z") ",\"price\":{\"value\":0.1,\"confidence\":1e400}}"), 0, 0, "08:00-09:00=0.1" },
	{ "below 0", PRICES("{" SPAN("08:00:00Z", "09:00:00Z") ",\"price\":{\"value\":0.1,\"confidence\":-1}}"), 0, 0, "08:00-09:00=0.1/0" },
	{ "a word", PRICES("{" SPAN("08:00:00Z", "09:00:00Z") ",\"price\":{\"value\":0.1,\"confidence\":\"high\"}}"), 0, 0,
	  "08:00-09:00=0.1" },
	/* three generations, and their mixtures */
	{ "busbar", "{\"id\":\"prs_1\",\"live_mode\":false," HEAD ",\"last_updated\":\"2026-03-01T07:55:00Z\",\"device_id\":\"dev_1\","
	  "\"tariff_direction\":\"IMPORT\",\"data\":[" P("08:00:00Z", "08:30:00Z", "0.21230") "," P("08:30:00Z", "16:00:00Z", "-0.0131")
	  "],\"time_created\":\"2026-03-01T08:00:01Z\",\"account_id\":\"acc_1\"}", 0, 0, "08:00-08:30=0.2123 08:30-16:00=-0.0131" },
	{ "anode with tariff.rate", PRICES("{" SPAN("08:00:00Z", "09:00:00Z") ",\"tariff\":{\"rate\":0.3,\"confidence\":0.8}}"), 0, 0,
	  "08:00-09:00=0.3/0.8" },
	{ "zero", "{\"object\":\"tariff_rate\",\"direction\":\"EXPORT\",\"data\":[{" SPAN("08:00:00Z", "09:00:00Z")
	  ",\"tariff\":{\"rate\":0.3,\"confidence\":0.5},\"carbon\":{\"intensity\":99,\"relative\":0.1,\"confidence\":1}}]}", 0, 0,
	  "08:00-09:00=0.3/0.5" },
	{ "tariff.cost", PRICES("{" SPAN("08:00:00Z", "09:00:00Z") ",\"tariff\":{\"cost\":0.3}}"), 0, 0, "08:00-09:00=0.3" },
	{ "both: price counts", PRICES("{" SPAN("08:00:00Z", "09:00:00Z") ",\"tariff\":{\"rate\":0.3},\"price\":{\"value\":0.4}}"), 0, 0,
	  "08:00-09:00=0.4" },
	{ "price empty, rate there", PRICES("{" SPAN("08:00:00Z", "09:00:00Z") ",\"tariff\":{\"rate\":0.3},\"price\":{}}"), 0, 0,
	  "08:00-09:00=0.3" },
	/* times */
	{ "offset", PRICES(P("09:00:00+01:00", "10:30:00+01:00", "0.1")), 0, 0, "08:00-09:30=0.1" },
	{ "offset without colon", PRICES(P("09:00:00+0100", "10:30:00+0100", "0.1")), 0, 0, "08:00-09:30=0.1" },
	{ "no zone", PRICES(P("08:00:00", "09:00:00.004", "0.1")), 0, 0, "08:00-09:00=0.1" },
	{ "no seconds", PRICES(P("08:00Z", "09:00", "0.1")), 0, 0, "08:00-09:00=0.1" },
	{ "no seconds, offset", PRICES(P("09:00+01:00", "10:00+0100", "0.1")), 0, 0, "08:00-09:00=0.1" },
	/* order and gaps */
	{ "backwards", PRICES(P("10:00:00Z", "11:00:00Z", "3") "," P("08:00:00Z", "09:00:00Z", "1") "," P("09:00:00Z", "10:00:00Z", "2")), 0, 0,
	  "08:00-09:00=1 09:00-10:00=2 10:00-11:00=3" },
	{ "a gap stays one", PRICES(P("08:00:00Z", "09:00:00Z", "1") "," P("10:00:00Z", "11:00:00Z", "2")), 0, 0,
	  "08:00-09:00=1 10:00-11:00=2" },
	{ "white space and unknown fields", " {\"data\" : [ {\"x\":{\"y\":[1]}," SPAN("08:00:00Z", "09:00:00Z")
	  ", \"price\": {\"value\": 1e-1}} ] } \n", 0, 0, "08:00-09:00=0.1" },
};

static void test_prices(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(PRICES_OF) / sizeof(PRICES_OF[0]); i++) {
		const int r = decode(PRICES_OF[i].text);

		if (r != PRICES_OF[i].r || prices.dropped != PRICES_OF[i].dropped || strcmp(words(), PRICES_OF[i].want) != 0)
			fail_msg("%s: %d, %d left out, '%s', %s", PRICES_OF[i].name, r, prices.dropped, words(), err.text);
		if ((r < 0) != (err.text[0] != '\0') || (prices.dropped > 0) != (prices.first_dropped[0] != '\0'))
			fail_msg("%s: '%s', '%s'", PRICES_OF[i].name, err.text, prices.first_dropped);
		if (fault.code[0] || prices.beyond)
			fail_msg("%s: '%s', %d beyond", PRICES_OF[i].name, fault.code, prices.beyond);
	}
}

static void test_head(void **state)
{
	(void)state;
	assert_int_equal(decode("{" HEAD ",\"last_updated\":\"2026-03-01T07:55:00Z\",\"next_update\":\"2026-03-01T23:00:00+01:00\","
				"\"tariff_direction\":\"EXPORT\",\"data\":[]}"), 0);
	assert_string_equal(prices.series.currency, "GBP");
	assert_string_equal(prices.series.timezone, "Europe/London");
	assert_string_equal(prices.series.source, "flatpeak");
	assert_string_equal(prices.location_id, "loc_1");
	assert_int_equal(prices.next_update_utc_ms, at("2026-03-01T22:00:00Z"));
	assert_int_equal(prices.last_updated_utc_ms, at("2026-03-01T07:55:00Z"));
	assert_int_equal(prices.direction, FLATPEAK_EXPORT);

	assert_int_equal(decode("{\"direction\":\"IMPORT\",\"data\":[],\"currency_code\":\"POUNDS\",\"next_update\":\"soon\"}"), 0);
	assert_int_equal(prices.direction, FLATPEAK_IMPORT);
	assert_string_equal(prices.series.currency, "");
	assert_int_equal(prices.next_update_utc_ms, 0);
	assert_int_equal(decode("{\"data\":[],\"tariff_direction\":\"LOCAL\"}"), 0);
	assert_int_equal(prices.direction, -1);
	/* "for ever" of other pages of this API */
	assert_int_equal(decode("{\"data\":[{\"valid_from\":\"0001-01-01T00:00:00Z\",\"valid_to\":\"9999-12-31T00:00:00Z\","
				"\"price\":{\"value\":1}}]}"), 0);
	assert_int_equal(prices.series.n, 1);
	assert_true(prices.series.s[0].from_utc_ms < at("2001-01-01T00:00:00Z"));
}

/* Days of 46 and 50 half hours, in the zone's own offsets as a server would write them. */
static void test_clock_changes(void **state)
{
	static const struct { const char *from; int halves, change; const char *before, *after; } DAYS[] = {
		{ "2026-03-29T00:00:00Z", 46, 2, "+00:00", "+01:00" },
		{ "2026-10-24T23:00:00Z", 50, 4, "+01:00", "+00:00" },
	};

	(void)state;
	for (int d = 0; d < 2; d++) {
		static char text[20000];
		size_t n = (size_t)snprintf(text, sizeof(text), "{" HEAD ",\"data\":[");

		for (int i = 0; i < DAYS[d].halves; i++) {
			char when[2][CALENDAR_TEXT_MAX];

			for (int k = 0; k < 2; k++) {
				/* the end of the last half hour before the change may be written either way: the new one here */
				const char *offset = i + k < DAYS[d].change ? DAYS[d].before : DAYS[d].after;
				const int64_t shift = offset[2] == '1' ? 3600000 : 0;

				calendar_format(at(DAYS[d].from) + (i + k) * 1800000LL + shift, when[k]);
				snprintf(when[k] + 19, 8, "%s", offset);
			}
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s{\"valid_from\":\"%s\",\"valid_to\":\"%s\",\"price\":{\"value\":0.%02d}}",
					      i ? "," : "", when[0], when[1], i);
		}
		snprintf(text + n, sizeof(text) - n, "]}");
		assert_int_equal(decode(text), 0);
		assert_int_equal(prices.dropped, 0);
		assert_int_equal(prices.series.n, DAYS[d].halves);
		for (int i = 0; i < DAYS[d].halves; i++) {
			assert_int_equal(prices.series.s[i].from_utc_ms, at(DAYS[d].from) + i * 1800000LL);
			assert_int_equal(prices.series.s[i].to_utc_ms, at(DAYS[d].from) + (i + 1) * 1800000LL);
		}
	}
}

/* More than fits: the earliest are kept, whatever order they come in, and the rest is counted. */
static void test_too_many(void **state)
{
	const int many = PRICE_SEGMENTS_MAX + 100;
	const size_t size = 300000;
	char *text = malloc(size);

	(void)state;
	for (int backwards = 0; backwards < 2; backwards++) {
		size_t n = (size_t)snprintf(text, size, "{\"data\":[");

		for (int k = 0; k < many; k++) {
			const int i = backwards ? many - 1 - k : k;
			char from[CALENDAR_TEXT_MAX], to[CALENDAR_TEXT_MAX];

			calendar_format(at("2026-03-01T00:00:00Z") + i * 300000LL, from);
			calendar_format(at("2026-03-01T00:00:00Z") + (i + 1) * 300000LL, to);
			n += (size_t)snprintf(text + n, size - n, "%s{\"valid_from\":\"%s\",\"valid_to\":\"%s\",\"price\":{\"value\":%d}}",
					      k ? "," : "", from, to, i % 100);
		}
		snprintf(text + n, size - n, "]}");
		assert_int_equal(decode(text), 0);
		assert_int_equal(prices.series.n, PRICE_SEGMENTS_MAX);
		assert_int_equal(prices.beyond, 100);
		assert_int_equal(prices.dropped, 0);
		assert_int_equal(prices.series.s[0].from_utc_ms, at("2026-03-01T00:00:00Z"));
		for (int i = 1; i < prices.series.n; i++)
			assert_int_equal(prices.series.s[i].from_utc_ms, prices.series.s[i - 1].to_utc_ms);
	}
	free(text);
}

static void test_size(void **state)
{
	const size_t n = FLATPEAK_BODY_MAX + 1;
	char *text = malloc(n);
	struct flatpeak_login login;

	(void)state;
	memset(text, ' ', n);
	memcpy(text, "{\"data\":[]}", 11);
	assert_int_equal(flatpeak_prices_decode(text, n, &prices, &fault, &err), -E2BIG);
	assert_int_equal(flatpeak_prices_decode(text, n - 1, &prices, &fault, &err), 0);
	assert_int_equal(flatpeak_login_decode(text, n, &login, &fault, &err), -E2BIG);
	free(text);
}

static const struct { const char *name, *text; int r; const char *code, *message; } ERRORS[] = {
	{ "HTML", "<html>", -EINVAL, "", "" },
	{ "prices", PRICES(""), -EINVAL, "", "" },
	{ "a token", "{\"bearer_token\":\"x\"}", -EINVAL, "", "" },
	{ "message as a number", "{\"message\":5}", -EINVAL, "", "" },
	{ "an array", "[{\"object\":\"error\"}]", -EINVAL, "", "" },
	{ "cut", "{\"object\":\"error\",\"code\":\"no_ta", -EINVAL, "", "" },
	{ "bare", "{\"message\":\"Bad credentials\"}", 0, "", "Bad credentials" },
	{ "whole", "{\"object\":\"error\",\"live_mode\":false,\"context\":\"api.price\",\"type\":\"api_error\",\"code\":\"no_tariff_connected\","
	  "\"message\":\"Nothing here.\",\"request_id\":\"req-7\",\"time_created\":\"2026-03-01T08:00:00.004\"}", 0, "no_tariff_connected",
	  "Nothing here." },
	{ "with data", "{\"object\":\"error\",\"code\":\"x\",\"data\":[]}", 0, "x", "" },
	{ "empty", "{\"object\":\"error\"}", 0, "", "" },
	{ "wrong types", "{\"object\":\"error\",\"code\":7,\"message\":[]}", 0, "", "" },
	{ "control characters", "{\"object\":\"error\",\"message\":\"a\\nb\\u00e9\"}", 0, "", "a?b??" },
	{ "long", "{\"object\":\"error\",\"code\":\"ccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc\"}", 0,
	  "ccccccccccccccccccccccccccccccccccccccccccccccc", "" },
};

static void test_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ERRORS) / sizeof(ERRORS[0]); i++) {
		struct flatpeak_error e;
		int r = flatpeak_error_decode(ERRORS[i].text, strlen(ERRORS[i].text), &e);

		assert_row(ERRORS[i].name, r == ERRORS[i].r && !strcmp(e.code, ERRORS[i].code) && !strcmp(e.message, ERRORS[i].message));
		r = decode(ERRORS[i].text);
		if (ERRORS[i].r == 0)
			assert_row(ERRORS[i].name, r == -EPROTO && !strcmp(fault.code, ERRORS[i].code) && prices.series.n == 0);
		else
			assert_row(ERRORS[i].name, r != -EPROTO);
	}
}

static const struct { int status; const char *code; enum flatpeak_advice want; } ADVICE[] = {
	{ 422, "account_disabled", FLATPEAK_STOP },   { 200, "account_disabled", FLATPEAK_STOP },
	{ 403, "account_disabled", FLATPEAK_STOP },   { 422, "no_tariff_connected", FLATPEAK_WAIT },
	{ 200, "no_tariff_connected", FLATPEAK_WAIT }, { 404, "no_tariff_connected", FLATPEAK_WAIT },
	{ 422, "pending_connect", FLATPEAK_WAIT },    { 422, "no_price_data", FLATPEAK_WAIT },
	{ 422, "something_new", FLATPEAK_WAIT },      { 422, NULL, FLATPEAK_WAIT },
	{ 401, "unknown_to_us", FLATPEAK_LOGIN },     { 200, "bearer_invalid", FLATPEAK_RETRY }, /* a mock's word, not theirs */
	{ 400, "token_expired", FLATPEAK_LOGIN },     { 401, NULL, FLATPEAK_LOGIN },
	{ 403, "", FLATPEAK_LOGIN },		      { 404, "", FLATPEAK_STOP },
	{ 404, NULL, FLATPEAK_RETRY },		      { 400, "end_time_missing", FLATPEAK_STOP },
	{ 409, "", FLATPEAK_STOP },		      { 429, "", FLATPEAK_RETRY },
	{ 429, NULL, FLATPEAK_RETRY },		      { 500, "", FLATPEAK_RETRY },
	{ 502, NULL, FLATPEAK_RETRY },		      { 503, NULL, FLATPEAK_RETRY },
	{ 301, NULL, FLATPEAK_RETRY },		      { 200, "something", FLATPEAK_RETRY },
	{ 400, NULL, FLATPEAK_RETRY },
};

static void test_advice(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(ADVICE) / sizeof(ADVICE[0]); i++) {
		struct flatpeak_error e = { .type = "api_error" };

		snprintf(e.code, sizeof(e.code), "%s", ADVICE[i].code ? ADVICE[i].code : "");
		if (flatpeak_advise(ADVICE[i].status, ADVICE[i].code ? &e : NULL) != ADVICE[i].want)
			fail_msg("%d %s", ADVICE[i].status, ADVICE[i].code ? ADVICE[i].code : "(no error object)");
	}
}

static const struct { const char *name, *text; int r; const char *token; int expires; bool live; } LOGIN[] = {
	{ "empty", "", -EINVAL, "", 0, false },
	{ "HTML", "<html>", -EINVAL, "", 0, false },
	{ "no token", "{\"expires_in\":3600}", -EINVAL, "", 0, false },
	{ "empty token", "{\"bearer_token\":\"\"}", -EINVAL, "", 0, false },
	{ "token a number", "{\"bearer_token\":5}", -EINVAL, "", 0, false },
	{ "a line end in it", "{\"bearer_token\":\"a\\r\\nX: y\"}", -EINVAL, "", 0, false },
	{ "a space in it", "{\"bearer_token\":\"a b\"}", -EINVAL, "", 0, false },
	{ "refused", "{\"message\":\"Bad credentials\"}", -EPROTO, "", 0, false },
	{ "error with 200", "{\"object\":\"error\",\"bearer_token\":\"x\"}", -EPROTO, "", 0, false },
	{ "an array", "[\"x\"]", -EINVAL, "", 0, false },
	{ "whole", "{\"bearer_token\":\"eyJ.a-b_c\",\"expires_in\":3600,\"live_mode\":true}", 0, "eyJ.a-b_c", 3600, true },
	{ "with a message", "{\"bearer_token\":\"x\",\"message\":\"hello\"}", 0, "x", 3600, false },
	{ "old name", "{\"token\":\"x\",\"expires_in\":60}", 0, "x", 60, false },
	{ "no expiry", "{\"bearer_token\":\"x\"}", 0, "x", 3600, false },
	{ "expiry as text", "{\"bearer_token\":\"x\",\"expires_in\":\"60\"}", 0, "x", 3600, false },
	{ "expired", "{\"bearer_token\":\"x\",\"expires_in\":-5}", 0, "x", 3600, false },
	{ "infinite", "{\"bearer_token\":\"x\",\"expires_in\":1e400,\"live_mode\":\"yes\"}", 0, "x", 3600, false },
};

static void test_login(void **state)
{
	struct flatpeak_login l;
	char text[3000];

	(void)state;
	for (size_t i = 0; i < sizeof(LOGIN) / sizeof(LOGIN[0]); i++) {
		memset(&l, 0, sizeof(l));
		err.text[0] = '\0';
		assert_row(LOGIN[i].name, flatpeak_login_decode(LOGIN[i].text, strlen(LOGIN[i].text), &l, &fault, &err) == LOGIN[i].r);
		assert_row(LOGIN[i].name, (LOGIN[i].r < 0) == (err.text[0] != '\0'));
		assert_row(LOGIN[i].name, !strcmp(l.token, LOGIN[i].token) && l.expires_in_s == LOGIN[i].expires && l.live_mode == LOGIN[i].live);
	}
	for (int n = FLATPEAK_TOKEN_MAX - 1; n <= FLATPEAK_TOKEN_MAX; n++) {
		snprintf(text, sizeof(text), "{\"bearer_token\":\"%0*d\"}", n, 0);
		assert_int_equal(flatpeak_login_decode(text, strlen(text), &l, &fault, &err), n < FLATPEAK_TOKEN_MAX ? 0 : -EINVAL);
		assert_null(strstr(err.text, "0000")); /* the token is never repeated */
	}
}

static void test_requests(void **state)
{
	struct flatpeak_query q = { .busbar_version = "2026-05-01.busbar", .location_id = "loc_1", .direction = FLATPEAK_EXPORT,
				    .from_utc_ms = at("2026-03-01T00:00:00Z"), .to_utc_ms = at("2026-03-04T07:00:00Z") };
	struct flatpeak_request r;
	char id[80];

	(void)state;
	q.profile = flatpeak_profile_by_name("zero");
	assert_int_equal(flatpeak_prices_request(&q, &r, &err), 0);
	assert_false(r.post);
	assert_string_equal(r.path, "/tariffs/rates/loc_1?start_time=2026-03-01T00:00:00Z&end_time=2026-03-04T07:00:00Z&include_tariff=true"
				    "&include_carbon=false&direction=EXPORT");
	assert_string_equal(r.header, "Flatpeak-Version: 2024-08-24.zero");
	assert_string_equal(r.body, "");
	q.profile = flatpeak_profile_by_name("anode");
	assert_int_equal(flatpeak_prices_request(&q, &r, &err), 0);
	assert_true(r.post);
	assert_string_equal(r.path, "/prices/loc_1");
	assert_string_equal(r.header, "Flatpeak-Version: 2025-09-14.anode");
	assert_string_equal(r.body, "{\"start_time\":\"2026-03-01T00:00:00Z\",\"end_time\":\"2026-03-04T07:00:00Z\",\"tariff_direction\":\"EXPORT\"}");
	q.profile = flatpeak_profile_by_name("busbar");
	q.direction = FLATPEAK_IMPORT;
	assert_int_equal(flatpeak_prices_request(&q, &r, &err), 0);
	assert_true(r.post);
	assert_string_equal(r.path, "/prices");
	assert_string_equal(r.header, "Flatpeak-Version: 2026-05-01.busbar");
	assert_string_equal(r.body, "{\"location_id\":\"loc_1\",\"start_time\":\"2026-03-01T00:00:00Z\",\"end_time\":\"2026-03-04T07:00:00Z\","
				    "\"tariff_direction\":\"IMPORT\"}");
	assert_int_equal(flatpeak_profile_by_name("yotta"), FLATPEAK_ANODE);

	/* without a version the account's default counts; one that would end the header line is no version */
	flatpeak_login_request(FLATPEAK_BUSBAR, "", &r);
	assert_string_equal(r.header, "");
	assert_string_equal(r.path, "/login");
	assert_false(r.post);
	flatpeak_login_request(FLATPEAK_BUSBAR, NULL, &r);
	assert_string_equal(r.header, "");
	flatpeak_login_request(FLATPEAK_BUSBAR, "x\r\nAuthorization: y", &r);
	assert_string_equal(r.header, "");
	flatpeak_login_request(FLATPEAK_ANODE, "ignored", &r);
	assert_string_equal(r.header, "Flatpeak-Version: 2025-09-14.anode");

	/* 90 days and no more */
	q.to_utc_ms = q.from_utc_ms + 90 * 86400000LL;
	assert_int_equal(flatpeak_prices_request(&q, &r, &err), 0);
	q.to_utc_ms = q.from_utc_ms + 92 * 86400000LL;
	assert_int_equal(flatpeak_prices_request(&q, &r, &err), -ERANGE);
	assert_non_null(strstr(err.text, "92 days"));
	q.to_utc_ms = q.from_utc_ms;
	assert_int_equal(flatpeak_prices_request(&q, &r, &err), -EINVAL);

	q.to_utc_ms = q.from_utc_ms + 3600000;
	for (size_t i = 0; i < 7; i++) {
		static const char *const BAD[] = { "", "a/b", "a?b", "a%2fb", "..", "a b", "a\"b" };

		q.location_id = BAD[i];
		assert_row(BAD[i], flatpeak_prices_request(&q, &r, &err) == -EINVAL);
	}
	for (int n = 63; n <= 64; n++) {
		snprintf(id, sizeof(id), "%0*d", n, 0);
		q.location_id = id;
		for (int p = FLATPEAK_ZERO; p <= FLATPEAK_BUSBAR; p++) {
			q.profile = (enum flatpeak_profile)p;
			assert_int_equal(flatpeak_prices_request(&q, &r, &err), n == 63 ? 0 : -EINVAL);
			assert_true(r.path[strlen(r.path) - 1] != '=' && (!r.post || r.body[strlen(r.body) - 1] == '}'));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prices),	 cmocka_unit_test(test_head),	cmocka_unit_test(test_clock_changes),
		cmocka_unit_test(test_too_many), cmocka_unit_test(test_size),	cmocka_unit_test(test_errors),
		cmocka_unit_test(test_advice),	 cmocka_unit_test(test_login),	cmocka_unit_test(test_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
