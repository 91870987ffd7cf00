/* Messages of limits as tests write them: ' for ", and $N for the time T + N seconds; "!" before one from another source. */
#ifndef HEARTH_SUPPORT_LIMIT_KIT_H
#define HEARTH_SUPPORT_LIMIT_KIT_H

#include "core/calendar.h"
#include "core/limit_input.h"
#include "support/cm.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define T 1768478400000LL /* 2026-01-15T12:00:00Z */
#define NOW 1000000LL     /* monotonic at 0 s */

/* ' to ", and $N (seconds) to the time T + N. */
static inline void expand(const char *from, char *out, size_t size)
{
	size_t n = 0;

	for (; *from && n + CALENDAR_TEXT_MAX < size; from++) {
		char *end;

		if (*from != '$') {
			out[n++] = *from == '\'' ? '"' : *from;
			continue;
		}
		calendar_format(T + (int64_t)llround(strtod(from + 1, &end) * 1000), out + n);
		n += strlen(out + n);
		from = end - 1;
	}
	out[n] = '\0';
}

static inline int send_message(struct limit_input *in, const struct limit_config *cfg, const char *text, const struct limit_clock *clock)
{
	struct limit_message m;
	struct errbuf err = { "" };
	char json[256];
	AUTO_JSON *j = NULL;
	int r;

	expand(text + (*text == '!'), json, sizeof(json));
	j = json_parse(json, strlen(json), 4096, 8, &err);
	if (!j || limit_message_parse(j, &m, &err) < 0)
		fail_msg("%s: %s", json, err.text);
	snprintf(m.source, sizeof(m.source), "%s", *text == '!' ? "other" : "dso");
	r = limit_input_message(in, cfg, &m, clock, &err);
	assert_true(r >= 0 || err.text[0]);
	return r;
}

static inline void restart(struct limit_input *in, const struct limit_clock *clock)
{
	AUTO_JSON *j = limit_input_encode(in, clock->now_ms), *k = NULL;
	AUTO_TEXT *text = cJSON_PrintUnformatted(j);

	k = json_parse(text, strlen(text), 4096, 8, NULL);
	assert_int_equal(limit_input_decode(k, clock->now_ms, in, NULL), 0);
}

#endif
