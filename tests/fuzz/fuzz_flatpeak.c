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
	for (int status = 200; status < 600; status++)
		(void)flatpeak_advise(status, e);
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
	if (flatpeak_login_decode(text, size, &login, &err) == 0) {
		printable(login.token, sizeof(login.token));
		if (!login.token[0] || strchr(login.token, ' ') || login.expires_in_s < 1)
			abort();
	}
	return 0;
}
