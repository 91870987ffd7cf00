/* A limit as it arrives, and as a damaged disk might hold it. Whatever is taken from the disk is what is written again; whatever is
 * taken of a message leaves limits within their range, none looser than a failsafe that holds, and can be stored. */
#include "core/limit_input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define UTC 1768478400000LL
#define NOW 1000000LL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct limit_input *in, const struct limit_config *cfg)
{
	struct limit_view v;

	limit_input_view(in, cfg, &v);
	for (int i = 0; i < LIMIT_SIDES; i++) {
		const double w = v.side[i].w;

		if (!isnan(w) && !(w >= 0 && w <= LIMIT_INPUT_MAX_W))
			abort();
		if ((v.side[i].state == LIMIT_LIMITED || v.side[i].until_utc_ms) && isnan(w))
			abort();
		if (cfg->heartbeat_s && (v.side[i].state == LIMIT_INIT || v.side[i].state == LIMIT_FAILSAFE) && !(w <= cfg->failsafe_w[i]))
			abort();
	}
}

static void store_again(const struct limit_input *in)
{
	AUTO_JSON *k = limit_input_encode(in, NOW), *l = NULL;
	AUTO_TEXT *a = NULL, *b = NULL;
	struct limit_input again;

	if (limit_input_decode(k, NOW, &again, NULL) < 0)
		abort();
	l = limit_input_encode(&again, NOW);
	a = cJSON_PrintUnformatted(k);
	b = cJSON_PrintUnformatted(l);
	if (!a || !b || strcmp(a, b) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct limit_config cfg = { 120, { 4200, 0 } };
	const struct limit_clock clock = { NOW, UTC, size % 2 }, later = { NOW + 121000, UTC + 121000, size % 3 };
	AUTO_JSON *j = json_parse((const char *)data, size, 65536, 16, NULL);
	struct limit_message m;
	struct limit_input in;

	limit_input_salvage(j, NOW, &in);
	store_again(&in);
	limit_input_step(&in, &cfg, &clock);
	check(&in, &cfg);
	limit_input_init(&in);
	if (j && limit_input_decode(j, NOW, &in, NULL) == 0) {
		store_again(&in);
		limit_input_step(&in, &cfg, &clock);
		check(&in, &cfg);
	}
	limit_input_init(&in);
	limit_input_step(&in, &cfg, &clock);
	if (!j || limit_message_parse(j, &m, NULL) < 0 || limit_input_message(&in, &cfg, &m, &clock, NULL) < 0)
		return 0;
	check(&in, &cfg);
	store_again(&in);
	limit_input_step(&in, &cfg, &later);
	check(&in, &cfg);
	store_again(&in);
	return 0;
}
