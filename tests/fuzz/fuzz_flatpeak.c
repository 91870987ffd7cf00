/* FlatPeak's answers with anything: whatever is said to be prices is in order, in range and within the bounds; a token never holds
 * what would end a header line; an error is printable. */
#include "cloud/flatpeak.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void printable(const char *text, size_t size)
{
	if (strnlen(text, size) == size)
		abort();
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			abort();
}

static void check_error(const struct flatpeak_error *e)
{
	printable(e->type, sizeof(e->type));
	printable(e->code, sizeof(e->code));
	printable(e->message, sizeof(e->message));
	printable(e->request_id, sizeof(e->request_id));
	for (int status = 200; status < 600; status++) {
		const enum flatpeak_advice a = flatpeak_advise(status, e);

		if (a != FLATPEAK_RETRY && a != FLATPEAK_LOGIN && a != FLATPEAK_WAIT && a != FLATPEAK_STOP)
			abort();
	}
}

/* The input as location and version: what is worded ends no header line, no path and no body early. */
static void check_requests(const char *text, size_t size)
{
	char copy[600];
	const size_t n = size < sizeof(copy) - 1 ? size : sizeof(copy) - 1;
	struct flatpeak_request q;
	struct errbuf err = { "" };

	memcpy(copy, text, n);
	copy[n] = '\0';
	for (int profile = FLATPEAK_ZERO; profile <= FLATPEAK_BUSBAR; profile++) {
		const struct flatpeak_query query = { .profile = (enum flatpeak_profile)profile,
						      .busbar_version = copy,
						      .location_id = copy,
						      .from_utc_ms = 1772323200000,
						      .to_utc_ms = 1772409600000 };
		const char *place = profile == FLATPEAK_BUSBAR ? q.body : q.path;

		flatpeak_login_request(query.profile, copy, &q);
		printable(q.header, sizeof(q.header));
		printable(q.path, sizeof(q.path));
		if (flatpeak_prices_request(&query, &q, &err) < 0) {
			if (!err.text[0])
				abort();
			continue;
		}
		printable(q.header, sizeof(q.header));
		printable(q.path, sizeof(q.path));
		printable(q.body, sizeof(q.body));
		if (strchr(q.path, ' ') || (q.body[0] && q.body[strlen(q.body) - 1] != '}') || !strstr(place, copy))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct flatpeak_prices p;
	struct flatpeak_error fault, again;
	struct flatpeak_login login;
	struct errbuf err = { "" };
	const char *text = (const char *)data;
	int r;

	r = flatpeak_prices_decode(text, size, &p, &fault, &err);
	if (r < 0 && (err.text[0] == '\0' || p.series.n != 0))
		abort();
	if (r == -EPROTO) {
		check_error(&fault);
		if (flatpeak_error_decode(text, size, &again) < 0 || memcmp(&again, &fault, sizeof(again)) != 0)
			abort();
	}
	if (p.series.n < 0 || p.series.n > PRICE_SEGMENTS_MAX || p.dropped < 0 || p.beyond < 0)
		abort();
	for (int i = 0; i < p.series.n; i++) {
		const struct price_segment *s = &p.series.s[i];

		if (s->to_utc_ms <= s->from_utc_ms || (i && s->from_utc_ms < p.series.s[i - 1].to_utc_ms))
			abort();
		if (!(fabs(s->value) <= PRICE_ABS_MAX) || !(s->confidence >= 0 && s->confidence <= 1))
			abort();
	}
	if (flatpeak_login_decode(text, size, &login, &fault, &err) == 0) {
		printable(login.token, sizeof(login.token));
		if (!login.token[0] || strchr(login.token, ' ') || login.expires_in_s < 1)
			abort();
	}
	check_requests(text, size);
	return 0;
}
