/* FlatPeak's words (REST): login, prices of three generations, errors. Requests are worded, answers decoded; nothing is sent
 * here. Facts and their sources: agent/cloud/README.md. Pure. */
#ifndef HEARTH_CLOUD_FLATPEAK_H
#define HEARTH_CLOUD_FLATPEAK_H

#include "core/err.h"
#include "core/price.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLATPEAK_TOKEN_MAX 2048
#define FLATPEAK_BODY_MAX (2 << 20)
#define FLATPEAK_DEPTH_MAX 32

enum flatpeak_profile { FLATPEAK_ZERO, FLATPEAK_ANODE, FLATPEAK_BUSBAR };
enum flatpeak_direction { FLATPEAK_IMPORT, FLATPEAK_EXPORT };

struct flatpeak_login { char token[FLATPEAK_TOKEN_MAX]; int expires_in_s; bool live_mode; };

/* Any error object or {"message"}; code "" = none. */
struct flatpeak_error { char type[32], code[48], message[160], request_id[64]; };

struct flatpeak_prices {
	struct price_series series;   /* source "flatpeak"; ascending, overlaps and empty elements removed */
	int64_t next_update_utc_ms;   /* 0 = not said (busbar) */
	int64_t last_updated_utc_ms;
	char location_id[64];
	int dropped;                  /* elements that made no sense */
};

/* One request, worded. */
struct flatpeak_request {
	bool post;                    /* else GET */
	char path[512];               /* with query, below api_url: "/prices/loc_..." */
	char header[80];              /* "Flatpeak-Version: ..."; "" = none */
	char body[512];               /* of POST */
};

enum flatpeak_profile flatpeak_profile_by_name(const char *name); /* "busbar", "zero"; anything else: anode */

/** @from, @to  UTC ms, at most 90 days apart. -ERANGE, -EINVAL (ids with characters that do not belong into a path). */
int flatpeak_prices_request(enum flatpeak_profile p, const char *busbar_version, const char *location_id,
			    enum flatpeak_direction d, int64_t from_utc_ms, int64_t to_utc_ms, struct flatpeak_request *out,
			    struct errbuf *err);
void flatpeak_login_request(enum flatpeak_profile p, const char *busbar_version, struct flatpeak_request *out);

int flatpeak_login_decode(const char *text, size_t len, struct flatpeak_login *out, struct errbuf *err);
/** Accepts price.value, tariff.rate and tariff.cost; an error object (whatever the HTTP status was) is -EPROTO with *fault. */
int flatpeak_prices_decode(const char *text, size_t len, struct flatpeak_prices *out, struct flatpeak_error *fault, struct errbuf *err);
/** 0 when the text is an error object or {"message"}; -EINVAL else. */
int flatpeak_error_decode(const char *text, size_t len, struct flatpeak_error *out);

/* What to do after a refusal, by status and code (reference 3.2, 3.3). */
enum flatpeak_advice {
	FLATPEAK_RETRY,      /* with back-off */
	FLATPEAK_LOGIN,      /* log in once, then try once more */
	FLATPEAK_WAIT,       /* not before 15 minutes (price codes of 422) */
	FLATPEAK_STOP,       /* until somebody changes the configuration: bad key, unknown location, account disabled */
};
enum flatpeak_advice flatpeak_advise(int status, const struct flatpeak_error *e);

#endif
