/* The body of a Flip webhook as the operator's cloud would send it (flip-api 14.2), built from a few words. Nothing is
 * checked here on purpose: tests need commands that are wrong. Pure. */
#ifndef HEARTH_SIM_FLIP_MESSAGE_H
#define HEARTH_SIM_FLIP_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>

#define FLIP_WORD_MAX 64

struct flip_message {
	char event_type[FLIP_WORD_MAX]; /* "command.created", "event.canceled", ... */
	char id[FLIP_WORD_MAX], event_id[FLIP_WORD_MAX], program_id[FLIP_WORD_MAX];
	char device_id[FLIP_WORD_MAX], site[FLIP_WORD_MAX];
	char mode[FLIP_WORD_MAX], power_mode[FLIP_WORD_MAX]; /* "" = null */
	char status[FLIP_WORD_MAX];
	bool has_setpoint;
	double setpoint_w;
	int reserve_pct; /* -1 = null */
	int grid_import; /* -1 = null, 0, 1 */
	bool preparatory;
	int64_t starts_utc_ms, ends_utc_ms; /* ends 0 = null */
	int64_t now_utc_ms;
};

/** JSON text of the envelope; the caller frees it with free(). NULL when memory is short. */
char *flip_message_body(const struct flip_message *m);

/** The wrapped form: {"headers":{...},"body":"..."}; freed with free(). */
char *flip_message_wrap(const char *body, const char *webhook_id, const char *timestamp, const char *signature);

#endif
