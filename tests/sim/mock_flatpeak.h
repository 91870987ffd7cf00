/* Mock of FlatPeak's REST API, the slice Hearth uses (flatpeak-api 2, 3, 8): login and prices in the three generations.
 * Pure: requests in, answers out, time as an argument. */
#ifndef HEARTH_SIM_MOCK_FLATPEAK_H
#define HEARTH_SIM_MOCK_FLATPEAK_H

#include "sim/mock.h"
#include "sim/mock_tariff.h"

#define MOCK_BEARERS_MAX 16

enum mock_profile { PROFILE_ZERO, PROFILE_ANODE, PROFILE_BUSBAR };

struct mock_flatpeak {
	char account[64], key[64], location[64];
	enum mock_profile profile; /* of requests without a Flatpeak-Version */
	struct mock_tariff import, export;
	char currency[4];
	const struct mock_zone *zone;
	int expires_in_s;
	double horizon_h, forecast_after_h; /* NAN = no end; from now on */
	char code[32];                      /* 422 of price requests (account_disabled: of all); "" = none */
	bool tariff_element;                /* elements as {"tariff":{"rate"}} in every generation */
	int bearer_status;                  /* of a bad or expired token: 401 or 403 */
	struct {
		char token[64];
		int64_t expires_ms;
	} bearer[MOCK_BEARERS_MAX];
	uint64_t seed, logins, priced, serial;
};

void mock_flatpeak_init(struct mock_flatpeak *f, const char *account, const char *key, const char *location, uint64_t seed);
const char *mock_profile_name(enum mock_profile p);
int mock_profile_find(const char *name); /* an enum mock_profile or -EINVAL */

const char *mock_flatpeak_route(const struct mock_request *q);
void mock_flatpeak_handle(struct mock_flatpeak *f, const struct mock_request *q, struct mock_reply *r);
/** FlatPeak's error object. */
cJSON *mock_flatpeak_error(const char *type, const char *code, const char *message, int64_t now_ms);

#endif
