/* See wear.h. */
#include "flow/control/wear.h"

#include "core/json.h"
#include "flow/hub.h"
#include "io/log.h"
#include "io/loop.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS 86400000LL
#define RETRY_MS 60000
#define KEY "wear/"
#define FOUND "found/"
#define AT_MAX 100 /* a longer one is told apart by its unit and how it begins */

struct wear {
	struct hub *hub;
	struct worn {
		char at[AT_MAX];         /* unit and bus: what a device is, whatever it is called; "" = of a row by name, as they once were */
		char id[DEVICE_ID_MAX];  /* its name when this was stored; both "" = free */
		int n;
		int64_t utc_ms[DRIVER_WORN_MAX]; /* the latest last */
		bool has_kept;           /* there is a row of it, be it empty */
		int n_kept;
		double kept[DRIVER_KEPT_MAX];
	} device[DEVICE_MAX];
	int64_t seen_ms[DEVICE_MAX];     /* by the plant's number: the latest that is stored or about to be */
	bool failed;
	int under_way;
	int64_t not_before_ms;
};

static const char *name_of(const struct wear *w, int i)
{
	return plant_config(w->hub->plant, i)->id;
}

/* "1@192.168.1.20:502", "3@/dev/ttyUSB0": no name of a device has an @. */
static void address(const struct wear *w, int i, char at[AT_MAX])
{
	const struct config_device *c = plant_config(w->hub->plant, i);
	const struct config_bus *b = &w->hub->cfg.bus[c->bus_index];
	char whole[160];

	if (b->rtu)
		snprintf(whole, sizeof(whole), "%d@%s", c->unit, b->device);
	else
		snprintf(whole, sizeof(whole), "%d@%s:%d", c->unit, b->host, b->port);
	snprintf(at, AT_MAX, "%.*s", AT_MAX - 1, whole);
}

static bool stands_at(const struct wear *w, const struct worn *d)
{
	char at[AT_MAX];

	for (int i = 0; i < plant_count(w->hub->plant); i++) {
		address(w, i, at);
		if (!strcmp(at, d->at))
			return true;
	}
	return false;
}

/* By what it is; else by its name, unless that is now another's: it may have got another address. */
static struct worn *find(struct wear *w, int i)
{
	char at[AT_MAX];

	address(w, i, at);
	for (int k = 0; k < DEVICE_MAX; k++)
		if (!strcmp(w->device[k].at, at))
			return &w->device[k];
	for (int k = 0; k < DEVICE_MAX; k++)
		if (!strcmp(w->device[k].id, name_of(w, i)) && !stands_at(w, &w->device[k]))
			return &w->device[k];
	return NULL;
}

static bool needed(struct wear *w, const struct worn *d)
{
	for (int i = 0; i < plant_count(w->hub->plant); i++)
		if (find(w, i) == d)
			return true;
	return false;
}

/* A free place, or that of a device nobody has any more: there are as many as devices. */
static struct worn *room(struct wear *w)
{
	struct worn *d = NULL;

	for (int k = 0; k < DEVICE_MAX && !d; k++)
		if (!w->device[k].at[0] && !w->device[k].id[0])
			d = &w->device[k];
	for (int k = 0; k < DEVICE_MAX && !d; k++)
		if (!needed(w, &w->device[k]))
			d = &w->device[k];
	if (d)
		*d = (struct worn){ .n = 0 };
	return d;
}

static struct worn *place(struct wear *w, int i)
{
	struct worn *d = find(w, i);

	if (!d && (d = room(w))) {
		address(w, i, d->at);
		snprintf(d->id, sizeof(d->id), "%s", name_of(w, i));
	}
	return d;
}

/* Of a row that is read. NULL: there is no such device. */
static struct worn *place_of_row(struct wear *w, const char *key, const char *id)
{
	const bool by_name = !strchr(key, '@');
	struct worn *d = NULL;

	if (strlen(id) >= DEVICE_ID_MAX || strlen(key) >= AT_MAX)
		return NULL;
	for (int k = 0; k < DEVICE_MAX && !d; k++)
		if (by_name ? !w->device[k].at[0] && !strcmp(w->device[k].id, id) : !strcmp(w->device[k].at, key))
			d = &w->device[k];
	if (!d && (d = room(w)))
		snprintf(d->at, sizeof(d->at), "%s", by_name ? "" : key);
	if (d)
		snprintf(d->id, sizeof(d->id), "%s", id);
	return d;
}

static bool read_times(const cJSON *list, struct worn *d)
{
	const cJSON *item;

	d->n = 0;
	if (!cJSON_IsArray(list))
		return false;
	cJSON_ArrayForEach(item, list) {
		if (d->n == DRIVER_WORN_MAX || !cJSON_IsNumber(item) || !(item->valuedouble > 0 && item->valuedouble < 1e15))
			return false;
		d->utc_ms[d->n++] = (int64_t)item->valuedouble;
	}
	return true;
}

static void spend(struct worn *d)
{
	log_warning("wear", "how often %s was written to cannot be read: it counts as %d times, just now", d->id[0] ? d->id : d->at, DRIVER_WORN_MAX);
	for (d->n = 0; d->n < DRIVER_WORN_MAX; d->n++)
		d->utc_ms[d->n] = loop_utc_ms();
}

/* All or nothing: half of what was found would be put back as a whole. */
static void read_kept(const cJSON *list, struct worn *d)
{
	const cJSON *item;
	bool good = cJSON_IsArray(list) && cJSON_GetArraySize(list) <= DRIVER_KEPT_MAX;

	d->n_kept = 0;
	d->has_kept = true;
	cJSON_ArrayForEach(item, list) {
		good = good && cJSON_IsNumber(item) && isfinite(item->valuedouble);
		if (good)
			d->kept[d->n_kept++] = item->valuedouble;
	}
	if (good)
		return;
	d->n_kept = 0;
	log_warning("wear", "what was found in %s before it was changed cannot be read: what is there now counts as found", d->id[0] ? d->id : d->at);
}

bool wear_load(struct wear *w, const struct store_row *row)
{
	const bool found = !strncmp(row->key, FOUND, strlen(FOUND));
	const char *key = row->key + (found ? strlen(FOUND) : strlen(KEY)), *id;
	AUTO_JSON *body = NULL;
	const cJSON *list;
	struct worn *d;

	if (!found && strncmp(row->key, KEY, strlen(KEY)) != 0)
		return false;
	body = json_parse(row->body, strlen(row->body), 4096, 3, NULL);
	list = cJSON_IsArray(body) ? body : cJSON_GetObjectItemCaseSensitive(body, "v");
	id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(body, "id"));
	d = place_of_row(w, key, !strchr(key, '@') ? key : id ? id : "");
	if (!d)
		return true;
	if (found)
		read_kept(list, d);
	else if (!read_times(list, d))
		spend(d);
	return true;
}

void wear_lost(struct wear *w)
{
	for (int i = 0; i < plant_count(w->hub->plant); i++)
		if (plant_wears(w->hub->plant, i) && !find(w, i))
			spend(place(w, i));
	w->failed = true; /* the next life shall know too */
}

/* A write that seems to be of tomorrow, or of a day that only an untrusted clock says is over, was just now. */
void wear_recall(struct wear *w, uint32_t devices)
{
	const int64_t now_ms = loop_now_ms(), utc_ms = loop_utc_ms();
	const bool trusted = hub_clock(w->hub);

	for (int i = 0; i < plant_count(w->hub->plant); i++) {
		const struct worn *d = find(w, i);
		int64_t at_ms[DRIVER_WORN_MAX];
		int n = 0;

		w->seen_ms[i] = 0;
		if (!(devices >> i & 1)) /* it knows; it may have another place */
			continue;
		for (int k = 0; d && k < d->n; k++) {
			const int64_t age_ms = utc_ms - d->utc_ms[k];

			if (age_ms >= 0 && age_ms < DAY_MS)
				at_ms[n++] = now_ms - age_ms;
			else if (age_ms < 0 || !trusted)
				at_ms[n++] = now_ms;
		}
		if (n > 0) {
			plant_recall(w->hub->plant, i, at_ms, n);
			w->seen_ms[i] = at_ms[n - 1];
		}
		if (d && d->n_kept > 0)
			plant_remember(w->hub->plant, i, d->kept, d->n_kept);
	}
}

static void on_stored(void *context, uint64_t ticket, int status)
{
	struct wear *w = context;

	(void)ticket;
	w->under_way--;
	w->failed |= status < 0;
}

static void store(struct wear *w, const char *kind, const char *at, const char *text)
{
	char key[sizeof(FOUND) + AT_MAX];

	snprintf(key, sizeof(key), "%s%s", kind, at);
	if (text && hub_store_setting(w->hub, key, text, on_stored, w) == 0)
		w->under_way++;
	else
		w->failed = true;
}

static void keep(struct wear *w, const char *kind, const struct worn *d, cJSON *list)
{
	AUTO_JSON *body = cJSON_CreateObject();
	AUTO_TEXT *text = NULL;

	cJSON_AddStringToObject(body, "id", d->id);
	cJSON_AddItemToObject(body, "v", list);
	text = cJSON_PrintUnformatted(body);
	store(w, kind, d->at, text);
}

static void found_step(struct wear *w, int i, bool again)
{
	struct worn *d = find(w, i);
	double kept[DRIVER_KEPT_MAX];
	const int n = plant_keep(w->hub->plant, i, kept), had = d ? d->n_kept : 0;

	if (n == had && !again && (n == 0 || !memcmp(kept, d->kept, (size_t)n * sizeof(kept[0]))))
		return;
	if ((n == 0 && !(d && d->has_kept)) || !(d = place(w, i)))
		return;
	d->has_kept = true;
	d->n_kept = n;
	memcpy(d->kept, kept, (size_t)n * sizeof(kept[0]));
	keep(w, FOUND, d, cJSON_CreateDoubleArray(kept, n));
}

static void device_step(struct wear *w, int i, int64_t now_ms, int64_t utc_ms)
{
	int64_t at_ms[DRIVER_WORN_MAX];
	const int n = plant_worn(w->hub->plant, i, at_ms);
	cJSON *list = NULL;
	struct worn *d;

	if (n == 0 || at_ms[n - 1] == w->seen_ms[i] || !(d = place(w, i)))
		return;
	d->n = 0;
	for (int k = 0; k < n; k++)
		if (now_ms - at_ms[k] < DAY_MS)
			d->utc_ms[d->n++] = utc_ms - (now_ms - at_ms[k]);
	w->seen_ms[i] = at_ms[n - 1];
	list = cJSON_CreateArray();
	for (int k = 0; k < d->n; k++)
		cJSON_AddItemToArray(list, cJSON_CreateNumber((double)d->utc_ms[k]));
	keep(w, KEY, d, list);
}

/* Its name or its address is another: its rows are written anew, and those under the old address (or name) are emptied behind them. */
static void renamed_step(struct wear *w, int i, int64_t now_ms, int64_t utc_ms)
{
	struct worn *d = find(w, i);
	char at[AT_MAX], old[AT_MAX];
	bool moved;

	address(w, i, at);
	moved = d && strcmp(d->at, at) != 0;
	if (!d || (!moved && !strcmp(d->id, name_of(w, i))))
		return;
	memcpy(old, d->at, sizeof(old));
	if (!old[0])
		memcpy(old, d->id, sizeof(d->id));
	memcpy(d->at, at, sizeof(d->at));
	snprintf(d->id, sizeof(d->id), "%s", name_of(w, i));
	w->seen_ms[i] = 0;
	device_step(w, i, now_ms, utc_ms);
	found_step(w, i, true);
	if (moved && d->n > 0)
		store(w, KEY, old, "[]");
	if (moved && d->has_kept)
		store(w, FOUND, old, "[]");
}

void wear_step(struct wear *w)
{
	const int64_t now_ms = loop_now_ms(), utc_ms = loop_utc_ms();
	const bool again = w->failed && now_ms >= w->not_before_ms;

	if (again) { /* all of them */
		w->failed = false;
		w->not_before_ms = now_ms + RETRY_MS;
		memset(w->seen_ms, 0, sizeof(w->seen_ms));
	}
	for (int i = 0; i < plant_count(w->hub->plant); i++) {
		renamed_step(w, i, now_ms, utc_ms);
		device_step(w, i, now_ms, utc_ms);
		found_step(w, i, again);
	}
}

bool wear_stored(const struct wear *w)
{
	return !w->failed && !w->under_way;
}

int wear_start(struct wear **out, struct hub *hub, struct errbuf *err)
{
	*out = calloc(1, sizeof(**out));
	if (!*out)
		return errbuf_set(err, -ENOMEM, "no memory for worn registers");
	(*out)->hub = hub;
	return 0;
}

void wear_stop(struct wear *w)
{
	free(w);
}
