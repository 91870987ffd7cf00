/* FlatPeak's words (REST): login, prices of three generations, errors. Requests are worded, answers decoded; nothing is sent
 * here. Facts and their sources: agent/cloud/README.md. Pure. */
#ifndef HEARTH_CLOUD_FLATPEAK_H
#define HEARTH_CLOUD_FLATPEAK_H

#include "core/err.h"
#include "core/json.h"
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
	char location_id[64];         /* "" = not said */
	int direction;                /* enum flatpeak_direction; -1 = not said */
	int dropped;                  /* elements that made no sense; of two that overlap, the later one in the text */
	char first_dropped[80];       /* why the first of them did not */
	int beyond;                   /* sound ones behind those that fit */
};

/* One request, worded. */
struct flatpeak_request {
	bool post;                    /* else GET */
	char path[512];               /* with query, below api_url: "/prices/loc_..." */
	char header[80];              /* "Flatpeak-Version: ..."; "" = none */
	char body[512];               /* of POST */
};

#define FLATPEAK_ID_MAX 64
#define FLATPEAK_WINDOW_MS (90LL * 86400000)

enum flatpeak_profile flatpeak_profile_by_name(const char *name); /* "busbar", "zero"; anything else: anode */
const char *flatpeak_direction_name(enum flatpeak_direction d);     /* "IMPORT", "EXPORT" */

struct flatpeak_query {
	enum flatpeak_profile profile;
	const char *busbar_version;   /* may be NULL; of FLATPEAK_BUSBAR only */
	const char *location_id;
	enum flatpeak_direction direction;
	int64_t from_utc_ms, to_utc_ms; /* at most FLATPEAK_WINDOW_MS apart; sent as whole seconds */
};

/** -ERANGE: a longer window; -EINVAL: an empty one, an id with characters that do not belong into a path. */
int flatpeak_prices_request(const struct flatpeak_query *q, struct flatpeak_request *out, struct errbuf *err);
void flatpeak_login_request(enum flatpeak_profile p, const char *busbar_version, struct flatpeak_request *out);

/** -EPROTO for an error object, with *fault; -EINVAL, -E2BIG. The token is printable text without spaces, or it is refused. */
int flatpeak_login_decode(const char *text, size_t len, struct flatpeak_login *out, struct flatpeak_error *fault,
			  struct errbuf *err);
/** Accepts price.value, tariff.rate and tariff.cost; an error object (whatever the HTTP status was) is -EPROTO with *fault.
 *  Elements without a usable time or value are left out and counted. -EINVAL, -E2BIG: nothing usable. */
int flatpeak_prices_decode(const char *text, size_t len, struct flatpeak_prices *out, struct flatpeak_error *fault,
			   struct errbuf *err);
/** 0 when the text is an error object or {"message"}; -EINVAL else. What does not fit is cut; all of it is printable ASCII. */
int flatpeak_error_decode(const char *text, size_t len, struct flatpeak_error *out);

/** The same of a tree: true when it is one; nothing is touched else. */
bool flatpeak_error_get(const cJSON *o, struct flatpeak_error *out);

/** Says "code: message", or what there is of it. Returns -EPROTO. */
int flatpeak_error_set(struct errbuf *err, const struct flatpeak_error *e);

/* What to do after a refusal, by status and code (reference 3.2, 3.3). */
enum flatpeak_advice {
	FLATPEAK_RETRY,      /* with back-off */
	FLATPEAK_LOGIN,      /* log in once, then try once more */
	FLATPEAK_WAIT,       /* not before 15 minutes (price codes of 422) */
	FLATPEAK_STOP,       /* until somebody changes the configuration: bad key, unknown location, account disabled */
};
/** @e  NULL: the body was no error object, so perhaps not FlatPeak's (a proxy, a portal). */
enum flatpeak_advice flatpeak_advise(int status, const struct flatpeak_error *e);

#endif
