/* Control port, mock Flip: commands, telemetry, participation, tokens. See cloud_commands.h. */
#include "sim/cloud_commands.h"

#include "core/json.h"
#include "sim/commands.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define COMMANDS_SHOWN 1000
#define POINTS_SHOWN 2000

/* A number that null unsets: 1 = there was something. */
static int number_or_null(const cJSON *q, const char *key, double *out, struct errbuf *err)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(q, key);

	if (item && cJSON_IsNull(item)) {
		*out = NAN;
		return 1;
	}
	return json_get_number(q, key, -1e9, 1e9, out, err);
}

static int take_window(struct mock_command *c, const cJSON *q, int64_t now_ms, struct errbuf *err)
{
	const cJSON *duration = cJSON_GetObjectItemCaseSensitive(q, "duration_s");
	double starts_in_s = 0, duration_s = c->ends_ms ? (double)(c->ends_ms - c->starts_ms) / 1000 : NAN;
	int has_start = json_get_number(q, "starts_in_s", -1e7, 1e7, &starts_in_s, err);

	if (has_start < 0 || json_get_number(q, "duration_s", -1e7, 1e7, &duration_s, err) < 0)
		return -EINVAL;
	if (has_start)
		c->starts_ms = now_ms + (int64_t)(starts_in_s * 1000);
	if (duration && cJSON_IsNull(duration))
		duration_s = NAN;
	c->ends_ms = isnan(duration_s) ? 0 : c->starts_ms + (int64_t)(duration_s * 1000);
	return 0;
}

static int take_form(struct mock_command *c, const cJSON *q, struct errbuf *err)
{
	char form[8] = "";

	if (json_get_text(q, "form", form, sizeof(form), err) < 0)
		return -EINVAL;
	if (form[0] && strcmp(form, "T") && strcmp(form, "space") && strcmp(form, "offset"))
		return errbuf_set(err, -EINVAL, "form must be T, space or offset, not '%s'", form);
	if (form[0])
		c->form = form[0] == 's' ? ' ' : form[0];
	return 0;
}

#define COMMAND_KEYS                                                                                                        \
	"id", "event_id", "device_id", "mode", "power_mode", "setpoint_w", "reserve_pct", "enable_grid_import",             \
		"starts_in_s", "duration_s", "form", "preparatory"

/* What the request says of a command; what it does not say stays. */
static int take_command(struct mock_command *c, const cJSON *q, int64_t now_ms, struct errbuf *err)
{
	const cJSON *power_mode = cJSON_GetObjectItemCaseSensitive(q, "power_mode");
	const cJSON *import_item = cJSON_GetObjectItemCaseSensitive(q, "enable_grid_import");
	bool import = false;
	int has_import = json_get_bool(q, "enable_grid_import", &import, err);

	if (has_import < 0 || json_get_text(q, "event_id", c->event_id, sizeof(c->event_id), err) < 0 ||
	    json_get_text(q, "device_id", c->device_id, sizeof(c->device_id), err) < 0 ||
	    json_get_text(q, "mode", c->mode, sizeof(c->mode), err) < 0 ||
	    json_get_text(q, "power_mode", c->power_mode, sizeof(c->power_mode), err) < 0 ||
	    json_get_bool(q, "preparatory", &c->preparatory, err) < 0 ||
	    number_or_null(q, "setpoint_w", &c->setpoint_w, err) < 0 ||
	    number_or_null(q, "reserve_pct", &c->reserve_pct, err) < 0 || take_window(c, q, now_ms, err) < 0 ||
	    take_form(c, q, err) < 0)
		return -EINVAL;
	if (power_mode && cJSON_IsNull(power_mode))
		c->power_mode[0] = '\0';
	if (has_import)
		c->grid_import = import;
	else if (import_item)
		c->grid_import = -1;
	return 0;
}

static cJSON *made(const struct mock_command *c)
{
	cJSON *o = commands_ok();

	cJSON_AddStringToObject(o, "id", c->id);
	cJSON_AddStringToObject(o, "event_id", c->event_id);
	cJSON_AddNumberToObject(o, "starts_at_ms", (double)c->starts_ms);
	cJSON_AddNumberToObject(o, "ends_at_ms", (double)c->ends_ms);
	return o;
}

static cJSON *cmd_flip_command(struct clouds *clouds, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { COMMAND_KEYS, NULL };
	int64_t now = clouds_now_ms(clouds);
	struct mock_command c = { .device_id = "bat-0042-1", .mode = "DISCHARGE", .form = ' ', .grid_import = -1 }, *kept;

	c.setpoint_w = c.reserve_pct = NAN;
	c.starts_ms = now;
	c.ends_ms = now + 60000;
	if (commands_keys_known(q, KEYS, err) < 0 || json_get_text(q, "id", c.id, sizeof(c.id), err) < 0 ||
	    take_command(&c, q, now, err) < 0)
		return NULL;
	kept = mock_flip_create(&clouds->flip, &c, now, err);
	return kept ? made(kept) : NULL;
}

static struct mock_command *named(struct clouds *clouds, const cJSON *q, struct errbuf *err)
{
	struct mock_command *c;
	char id[MOCK_ID_MAX] = "";

	if (json_get_text(q, "id", id, sizeof(id), err) < 0)
		return NULL;
	c = mock_flip_find(&clouds->flip, id);
	if (!c)
		errbuf_set(err, -ENOENT, "there is no command '%s'", id);
	return c;
}

static cJSON *cmd_flip_cancel(struct clouds *clouds, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { "id", "status", NULL };
	struct mock_command *c = commands_keys_known(q, KEYS, err) < 0 ? NULL : named(clouds, q, err);
	char status[16] = "CANCELED";

	if (!c || json_get_text(q, "status", status, sizeof(status), err) < 0)
		return NULL;
	if (strcmp(status, "CANCELED") && strcmp(status, "OPT_OUT")) {
		errbuf_set(err, -EINVAL, "status must be CANCELED or OPT_OUT, not '%s'", status);
		return NULL;
	}
	mock_flip_change(c, status, clouds_now_ms(clouds));
	return made(c);
}

static cJSON *cmd_flip_update(struct clouds *clouds, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { COMMAND_KEYS, NULL };
	struct mock_command *c = commands_keys_known(q, KEYS, err) < 0 ? NULL : named(clouds, q, err), copy;
	int64_t now = clouds_now_ms(clouds);

	if (!c)
		return NULL;
	copy = *c;
	if (take_command(&copy, q, now, err) < 0)
		return NULL;
	*c = copy;
	mock_flip_change(c, "", now);
	return made(c);
}

static void add_acks(cJSON *o, const struct mock_command *c)
{
	cJSON *list = cJSON_AddArrayToObject(o, "acks");
	int first = c->n_acks > MOCK_ACKS_MAX ? c->n_acks - MOCK_ACKS_MAX : 0;

	for (int i = first; i < c->n_acks; i++) {
		const struct mock_ack *a = &c->ack[i % MOCK_ACKS_MAX];
		cJSON *row = cJSON_CreateObject();

		cJSON_AddNumberToObject(row, "at_ms", (double)a->at_ms);
		cJSON_AddStringToObject(row, "device_status", a->status);
		cJSON_AddStringToObject(row, "reason", a->reason);
		cJSON_AddItemToArray(list, row);
	}
	cJSON_AddNumberToObject(o, "acks_total", c->n_acks);
}

static cJSON *command_row(const struct mock_command *c)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "id", c->id);
	cJSON_AddStringToObject(o, "event_id", c->event_id);
	cJSON_AddStringToObject(o, "device_id", c->device_id);
	cJSON_AddStringToObject(o, "mode", c->mode);
	cJSON_AddStringToObject(o, "status", c->status);
	cJSON_AddStringToObject(o, "device_status", c->device_status);
	cJSON_AddStringToObject(o, "device_status_reason", c->reason);
	cJSON_AddStringToObject(o, "replaces", c->replaces);
	cJSON_AddNumberToObject(o, "starts_at_ms", (double)c->starts_ms);
	cJSON_AddNumberToObject(o, "ends_at_ms", (double)c->ends_ms);
	cJSON_AddNumberToObject(o, "created_at_ms", (double)c->created_ms);
	cJSON_AddNumberToObject(o, "updated_at_ms", (double)c->updated_ms);
	add_acks(o, c);
	return o;
}

static cJSON *cmd_flip_commands(struct clouds *clouds, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { "id", "device_id", "limit", NULL };
	struct mock_flip *f = &clouds->flip;
	char id[MOCK_ID_MAX] = "", device[MOCK_ID_MAX] = "";
	int64_t limit = COMMANDS_SHOWN;
	cJSON *o, *list;

	if (commands_keys_known(q, KEYS, err) < 0 || json_get_text(q, "id", id, sizeof(id), err) < 0 ||
	    json_get_text(q, "device_id", device, sizeof(device), err) < 0 ||
	    json_get_int(q, "limit", 1, MOCK_COMMANDS_MAX, &limit, err) < 0)
		return NULL;
	mock_flip_step(f, clouds_now_ms(clouds));
	o = commands_ok();
	cJSON_AddNumberToObject(o, "total", f->n_commands);
	list = cJSON_AddArrayToObject(o, "commands");
	for (int i = f->n_commands > limit ? f->n_commands - (int)limit : 0; i < f->n_commands; i++)
		if ((!id[0] || strcmp(id, f->command[i]->id) == 0) &&
		    (!device[0] || strcmp(device, f->command[i]->device_id) == 0))
			cJSON_AddItemToArray(list, command_row(f->command[i]));
	return o;
}

static void add_value(cJSON *row, double v, double scale)
{
	cJSON_AddItemToArray(row, isnan(v) ? cJSON_CreateNull() : cJSON_CreateNumber(round(v * scale) / scale));
}

static cJSON *point_row(const struct mock_points *p, const struct mock_point *point)
{
	cJSON *row = cJSON_CreateArray(), *time = cJSON_CreateObject();

	cJSON_AddItemToArray(row, cJSON_CreateString(p->device[point->device].id));
	json_add_time(time, "t", point->start_ms);
	cJSON_AddItemToArray(row, cJSON_DetachItemFromObject(time, "t"));
	cJSON_Delete(time);
	add_value(row, point->duration_s, 1000);
	cJSON_AddItemToArray(row, cJSON_CreateNumber(point->times));
	cJSON_AddItemToArray(row, cJSON_CreateBool(point->online));
	add_value(row, point->charge_wh, 1000);
	add_value(row, point->discharge_wh, 1000);
	add_value(row, point->soc_pct, 1000);
	return row;
}

static cJSON *cmd_flip_telemetry(struct clouds *clouds, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { "device_id", "since", NULL };
	const struct mock_points *p = &clouds->flip.points;
	char device[MOCK_DEVICE_ID_MAX] = "";
	int64_t since = 0;
	int shown = 0;
	size_t i;
	cJSON *o, *list, *latest;

	if (commands_keys_known(q, KEYS, err) < 0 || json_get_text(q, "device_id", device, sizeof(device), err) < 0 ||
	    json_get_int(q, "since", 0, MOCK_POINTS_MAX, &since, err) < 0)
		return NULL;
	o = commands_ok();
	list = cJSON_AddArrayToObject(o, "points");
	for (i = (size_t)since; i < p->n && shown < POINTS_SHOWN; i++)
		if (!device[0] || strcmp(p->device[p->row[i].device].id, device) == 0) {
			cJSON_AddItemToArray(list, point_row(p, &p->row[i]));
			shown++;
		}
	cJSON_AddNumberToObject(o, "next", (double)i);
	cJSON_AddNumberToObject(o, "total", (double)p->n);
	latest = cJSON_AddObjectToObject(o, "latest");
	for (int k = 0; k < p->n_devices; k++)
		if (p->device[k].latest && (!device[0] || strcmp(p->device[k].id, device) == 0))
			cJSON_AddItemToObject(latest, p->device[k].id, cJSON_CreateRaw(p->device[k].latest));
	return o;
}

static cJSON *cmd_flip_reject(struct clouds *clouds, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { "device_id", "every", "status", NULL };
	struct mock_points *p = &clouds->flip.points;
	char device[MOCK_DEVICE_ID_MAX] = "";
	int64_t every = 1, status = 0;
	int has_device = 0, has_every = 0;

	if (commands_keys_known(q, KEYS, err) < 0 ||
	    (has_device = json_get_text(q, "device_id", device, sizeof(device), err)) < 0 ||
	    (has_every = json_get_int(q, "every", 1, 1000000, &every, err)) < 0 ||
	    json_get_int(q, "status", 400, 599, &status, err) < 0)
		return NULL;
	if (status && !has_device && !has_every) {
		errbuf_set(err, -EINVAL, "\"status\" needs a device_id or every");
		return NULL;
	}
	p->reject.on = has_device || has_every;
	snprintf(p->reject.device, sizeof(p->reject.device), "%s", device);
	p->reject.every = (int)every;
	p->reject.status = (int)status;
	return commands_ok();
}

static cJSON *cmd_flip_devices(struct clouds *clouds, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { "known", NULL };
	struct mock_points *p = &clouds->flip.points;
	const cJSON *list = cJSON_GetObjectItemCaseSensitive(q, "known"), *item;
	int n = 0;

	if (commands_keys_known(q, KEYS, err) < 0)
		return NULL;
	if (!list || (!cJSON_IsArray(list) && !cJSON_IsNull(list)) || cJSON_GetArraySize(list) > MOCK_DEVICES_MAX) {
		errbuf_set(err, -EINVAL, "\"known\" must be an array of device ids, or null for any");
		return NULL;
	}
	cJSON_ArrayForEach(item, list)
	{
		if (!cJSON_IsString(item) || strlen(item->valuestring) >= MOCK_DEVICE_ID_MAX) {
			errbuf_set(err, -EINVAL, "a device id is a text of at most %d bytes", MOCK_DEVICE_ID_MAX - 1);
			return NULL;
		}
	}
	cJSON_ArrayForEach(item, list)
	{
		snprintf(p->known[n++], MOCK_DEVICE_ID_MAX, "%s", item->valuestring);
	}
	p->n_known = n;
	p->closed = cJSON_IsArray(list);
	return commands_ok();
}

static cJSON *cmd_flip_participation(struct clouds *clouds, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { NULL };
	const struct mock_flip *f = &clouds->flip;
	cJSON *o, *list;

	if (commands_keys_known(q, KEYS, err) < 0)
		return NULL;
	o = commands_ok();
	list = cJSON_AddArrayToObject(o, "patches");
	for (int i = f->n_patches > MOCK_PATCHES_MAX ? f->n_patches - MOCK_PATCHES_MAX : 0; i < f->n_patches; i++) {
		const struct mock_patch *p = &f->patch[i % MOCK_PATCHES_MAX];
		cJSON *row = cJSON_CreateObject();

		cJSON_AddStringToObject(row, "site_id", p->site_id);
		cJSON_AddStringToObject(row, "event_id", p->event_id);
		cJSON_AddItemToObject(row, "body", cJSON_CreateRaw(p->body ? p->body : "null"));
		cJSON_AddItemToArray(list, row);
	}
	return o;
}

static cJSON *cmd_flip_token(struct clouds *clouds, const cJSON *q, struct errbuf *err)
{
	static const char *const KEYS[] = { "expire_after_s", "rotate", "forbidden_status", NULL };
	struct mock_flip *f = &clouds->flip;
	char token[sizeof(f->token)] = "";
	double life_s = 0;
	int64_t forbidden = f->forbidden_status;
	int has_life;

	if (commands_keys_known(q, KEYS, err) < 0 || json_get_text(q, "rotate", token, sizeof(token), err) < 0 ||
	    json_get_int(q, "forbidden_status", 401, 403, &forbidden, err) < 0 ||
	    (has_life = json_get_number(q, "expire_after_s", 0, 1e7, &life_s, err)) < 0)
		return NULL;
	if (token[0])
		snprintf(f->token, sizeof(f->token), "%s", token);
	f->forbidden_status = (int)forbidden;
	if (has_life) {
		f->token_life_ms = (int64_t)(life_s * 1000);
		mock_flip_expire_tokens(f, clouds_now_ms(clouds) + f->token_life_ms);
	}
	return commands_ok();
}

cloud_command_fn *cloud_flip_command_find(const char *name)
{
	static const struct {
		const char *name;
		cloud_command_fn *run;
	} COMMANDS[] = {
		{ "flip_command", cmd_flip_command },     { "flip_cancel", cmd_flip_cancel },
		{ "flip_update", cmd_flip_update },       { "flip_commands", cmd_flip_commands },
		{ "flip_telemetry", cmd_flip_telemetry }, { "flip_reject", cmd_flip_reject },
		{ "flip_devices", cmd_flip_devices },     { "flip_participation", cmd_flip_participation },
		{ "flip_token", cmd_flip_token },
	};

	for (size_t i = 0; i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++)
		if (strcmp(name, COMMANDS[i].name) == 0)
			return COMMANDS[i].run;
	return NULL;
}
