/* Mock of Flip's API, the slice Hearth uses (flip-api 4.5, 7.4, 7.5, 7.7, 8.3): tokens, commands with the 15-minute rule,
 * events, battery telemetry. Pure: requests in, answers out, time as an argument. */
#ifndef HEARTH_SIM_MOCK_FLIP_H
#define HEARTH_SIM_MOCK_FLIP_H

#include "core/err.h"
#include "sim/mock.h"
#include "sim/mock_flip_points.h"

#define MOCK_COMMANDS_MAX 4096
#define MOCK_ACKS_MAX 16
#define MOCK_SITE_TOKENS_MAX 64
#define MOCK_PATCHES_MAX 256
#define MOCK_ID_MAX 64
#define MOCK_ACK_LIMIT_MS 900000 /* without an answer for so long a command has failed and another one is made */

/* As an answer came in; the virtual clock's time. */
struct mock_ack {
	int64_t at_ms;
	char status[16], reason[128];
};

struct mock_command {
	char id[MOCK_ID_MAX], event_id[MOCK_ID_MAX], device_id[MOCK_ID_MAX];
	char replaces[MOCK_ID_MAX];     /* the one nobody answered; "" */
	int64_t starts_ms, ends_ms;     /* ends 0 = null */
	char mode[32], power_mode[32];  /* power mode "" = null */
	double setpoint_w, reserve_pct; /* NAN = null */
	int grid_import;                /* -1 = null, 0, 1 */
	bool preparatory;
	char status[16], device_status[16], reason[128];
	int64_t created_ms, updated_ms, pending_since_ms;
	char form;  /* of its times: 'T', ' ' or 'o' (an offset) */
	int n_acks; /* all of them; the latest MOCK_ACKS_MAX are kept */
	struct mock_ack ack[MOCK_ACKS_MAX];
};

struct mock_site_token {
	char token[48], site[MOCK_ID_MAX];
	int64_t expires_ms;
};

/* A participation the site asked for. */
struct mock_patch {
	char site_id[MOCK_ID_MAX], event_id[MOCK_ID_MAX];
	char *body;
};

struct mock_flip {
	char token[256];       /* the client's */
	int forbidden_status;  /* of the wrong kind of token: 403 or 401 */
	int64_t token_life_ms; /* of site tokens */
	struct mock_site_token site_token[MOCK_SITE_TOKENS_MAX];
	int n_tokens; /* ever given out */
	uint64_t seed;
	int n_commands;
	struct mock_command *command[MOCK_COMMANDS_MAX]; /* by age */
	struct mock_points points;
	int n_patches; /* ever taken */
	struct mock_patch patch[MOCK_PATCHES_MAX];
};

/** @seed makes the ids of this run, so that two runs never share one. */
void mock_flip_init(struct mock_flip *f, const char *token, uint64_t seed);
void mock_flip_deinit(struct mock_flip *f);

/** "GET /v1/commands", ... of a request; "other" for what Flip does not have. */
const char *mock_flip_route(const struct mock_request *q);
void mock_flip_handle(struct mock_flip *f, const struct mock_request *q, struct mock_reply *r);
/** Flip's error body: the one of validation for 422, else the wider one. */
cJSON *mock_flip_error(int status, const char *where, const char *text);

/** Lets time pass: commands nobody answered within MOCK_ACK_LIMIT_MS fail and are replaced. */
void mock_flip_step(struct mock_flip *f, int64_t now_ms);

/* What a utility does. @model's id and event id may be "": new ones are made. Returns NULL with the reason when it is full
 * or the id is taken. */
struct mock_command *mock_flip_create(struct mock_flip *f, const struct mock_command *model, int64_t now_ms,
				      struct errbuf *err);
struct mock_command *mock_flip_find(struct mock_flip *f, const char *id);
/** Marks @c as changed and unanswered; @status "" leaves it. */
void mock_flip_change(struct mock_command *c, const char *status, int64_t now_ms);
/** Site tokens given out so far live until @until_ms at the latest. */
void mock_flip_expire_tokens(struct mock_flip *f, int64_t until_ms);
void mock_flip_uuid(struct mock_flip *f, char out[37]);

/* One request on its way through the mock. */
struct mock_call {
	const struct mock_request *q;
	struct url url;
	const cJSON *body; /* NULL = none */
	const char *site;  /* whose token it is; "" = the client's */
};

/* mock_flip_commands.c */
void mock_flip_get_commands(struct mock_flip *f, const struct mock_call *c, struct mock_reply *r);
void mock_flip_patch_command(struct mock_flip *f, const struct mock_call *c, struct mock_reply *r);
/* mock_flip_events.c */
void mock_flip_get_events(struct mock_flip *f, const struct mock_call *c, struct mock_reply *r);
void mock_flip_get_event(struct mock_flip *f, const struct mock_call *c, struct mock_reply *r);
void mock_flip_patch_event(struct mock_flip *f, const struct mock_call *c, struct mock_reply *r);

#endif
