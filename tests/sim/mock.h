/* What the mock clouds see of HTTP: a request with the time it came, and a status with a JSON body. No sockets, no clock:
 * the caller brings both, so that unit tests need neither. */
#ifndef HEARTH_SIM_MOCK_H
#define HEARTH_SIM_MOCK_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOCK_BODY_MAX (2 << 20)
#define MOCK_DEPTH_MAX 32

struct mock_request {
	const char *method, *target;                /* target as sent: escaped, with its query */
	const char *authorization, *version, *type; /* headers; NULL = absent. version: Flatpeak-Version */
	const char *body;
	size_t len;
	int64_t now_utc_ms; /* of the virtual clock */
};

struct mock_reply {
	int status;
	cJSON *body; /* the caller's */
};

#define URL_SEGMENTS_MAX 8
#define URL_TEXT_MAX 128

/* A target taken apart: "/a/b%20c?x=1" is a, "b c" and the query x=1. */
struct url {
	int n;
	char segment[URL_SEGMENTS_MAX][URL_TEXT_MAX];
	const char *query; /* inside the target, "" = none */
};

/** 0; -EINVAL for bad escapes, a NUL or too much of anything. */
int url_parse(const char *target, struct url *out);
/** The unescaped value of @key in the query: 1, 0 = absent, -EINVAL. */
int url_query(const struct url *u, const char *key, char *out, size_t size);
/** A whole number @min.. of the query; absent: untouched. 0 or -EINVAL. */
int url_query_int(const struct url *u, const char *key, int min, int *out);
/** True when the url is @pattern: "/v1/command/{id}", where {id} is any one segment. */
bool url_is(const struct url *u, const char *pattern);

#endif
