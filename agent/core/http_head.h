/* What we want to know of an HTTP answer's header: when the server thinks it is, and when it wants to be asked again. Pure; the
 * lines come from a stranger. */
#ifndef HEARTH_CORE_HTTP_HEAD_H
#define HEARTH_CORE_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_RETRY_MAX_MS 86400000 /* a server that asks for more is asked again after a day */

/* A zeroed one is an answer without either. */
struct http_head {
	int64_t date_utc_ms;      /* 0 = none, or none that can be read */
	bool retry_delay, retry_date;
	int64_t retry_delay_ms;   /* with retry_delay: 0..HTTP_RETRY_MAX_MS */
	int64_t retry_utc_ms;     /* with retry_date */
};

/** "Sun, 06 Nov 1994 08:49:37 GMT" and the two forms of old servers (RFC 9110 5.6.7); whole text, no spaces around it. The
 *  weekday must be one, but is not compared: the date counts. Returns 0 or -EINVAL. */
int http_date_parse(const char *text, size_t len, int64_t *utc_ms);

/** One line as received, with or without its line end. A status line ("HTTP/...") begins anew, so that of several answers (100,
 *  103, then 200) the last counts; of a header given twice the first. Any bytes are fine. */
void http_head_line(struct http_head *head, const char *line, size_t len);

/** Retry-After in ms, 0..HTTP_RETRY_MAX_MS, -1 = none. A date is compared with the server's own Date, never with our clock; an
 *  answer without Date has no use for one. */
int64_t http_head_retry_after_ms(const struct http_head *head);

#endif
