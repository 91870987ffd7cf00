/* Flip's words: webhook envelopes, commands and events decoded and checked, acknowledgements encoded. Pure.
 * Facts and their sources: agent/cloud/README.md. */
#ifndef HEARTH_CLOUD_FLIP_H
#define HEARTH_CLOUD_FLIP_H

#include "core/command.h"
#include "core/err.h"
#include "core/json.h"

#include <stdbool.h>
#include <stdint.h>

#define FLIP_BODY_MAX (256 * 1024)
#define FLIP_DEPTH_MAX 16
#define FLIP_SETPOINT_MAX_W 1e9 /* above this a number is nonsense, not a wish to be clamped */

enum flip_object { FLIP_COMMAND, FLIP_EVENT, FLIP_ENROLLMENT, FLIP_SETTINGS_REQUEST, FLIP_UNKNOWN };
enum flip_status { FLIP_OK, FLIP_CANCELED, FLIP_OPT_OUT, FLIP_STATUS_UNKNOWN /* not "it is going to happen": never run */ };
enum flip_device_status { FLIP_PENDING, FLIP_DEVICE_OK, FLIP_FAILED_OFFLINE, FLIP_FAILED_FAULT };
enum flip_event_status { FLIP_EVENT_UPCOMING, FLIP_EVENT_ACTIVE, FLIP_EVENT_COMPLETED, FLIP_EVENT_CANCELED };

struct flip_command {
	char id[FLIP_ID_MAX], event_id[FLIP_ID_MAX], device_id[FLIP_ID_MAX];
	int64_t starts_utc_ms, ends_utc_ms;   /* ends 0 = until replaced */
	bool preparatory;
	enum battery_mode mode;
	enum power_mode power_mode;
	double setpoint_w;
	double reserve_pct;                   /* NAN = null */
	enum tristate grid_import;
	enum flip_status status;
	enum flip_device_status device_status;
	int64_t created_utc_ms, updated_utc_ms;
	char refusal[80];                     /* decoded, but cannot be done: "unsupported mode X", "bad setpoint"; "" = fine.
					       * mode is then STANDBY where it could not be read */
};

struct flip_event {
	char id[FLIP_ID_MAX], program_id[FLIP_ID_MAX], site_id[FLIP_ID_MAX];
	int64_t starts_utc_ms, ends_utc_ms;
	enum flip_event_status status;
	bool participating;
	int64_t updated_utc_ms;
};

struct flip_envelope {
	char event_type[48];                  /* "command.created", ... */
	enum flip_object object;
	int64_t timestamp_utc_ms;             /* 0 = absent */
	struct flip_command command;          /* of FLIP_COMMAND */
	struct flip_event event;              /* of FLIP_EVENT */
};

/** Decodes a webhook body. 0, or -EINVAL/-E2BIG with the reason; unknown types are FLIP_UNKNOWN, not an error. @out is
 *  touched only on success. */
int flip_envelope_decode(const char *text, size_t len, struct flip_envelope *out, struct errbuf *err);
int flip_command_decode(const cJSON *o, struct flip_command *out, struct errbuf *err);
int flip_event_decode(const cJSON *o, struct flip_event *out, struct errbuf *err);
/** The envelope's `timestamp` exactly as written (it is part of the OLDER signature); 0 or -EINVAL. */
int flip_envelope_timestamp(const char *text, size_t len, char *out, size_t size);

const char *flip_status_word(enum flip_status s);
const char *flip_device_status_word(enum flip_device_status s);
const char *flip_event_status_word(enum flip_event_status s);

/** In Flip's own form, so that decode reads it back (a refusal is not part of it: the book keeps it). Owned by the
 *  caller; NULL without memory. */
cJSON *flip_command_encode(const struct flip_command *c);
cJSON *flip_event_encode(const struct flip_event *e);
/** Body of the acknowledgement: {id, device_status, device_status_reason?}. */
cJSON *flip_ack_encode(const char *id, enum flip_device_status s, const char *reason);
/** True when both ask for the same thing: everything but id, status words and times of writing is equal. */
bool flip_command_same(const struct flip_command *a, const struct flip_command *b);

#endif
