/* See wear.h. */
#include "flow/control/wear.h"

#include "core/json.h"
#include "flow/hub.h"
#include "io/log.h"
#include "io/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DAY_MS 86400000LL
#define RETRY_MS 60000
#define KEY "wear/"

struct wear {
	struct hub *hub;
	struct worn {
		char id[DEVICE_ID_MAX];  /* "" = free */
		int n;
		int64_t utc_ms[DRIVER_WORN_MAX]; /* the latest last */
	} device[DEVICE_MAX];
	int64_t seen_ms[DEVICE_MAX];     /* by the plant's number: the latest that is stored or about to be */
	bool failed;
	int64_t not_before_ms;
};

static struct worn *find(struct wear *w, const char *id)
{
	for (int i = 0; i < DEVICE_MAX; i++)
		if (!strcmp(w->device[i].id, id))
			return &w->device[i];
	return NULL;
}

static bool used(const struct wear *w, const struct worn *d)
{
	for (int i = 0; i < plant_count(w->hub->plant); i++)
		if (!strcmp(plant_config(w->hub->plant, i)->id, d->id))
			return true;
	return false;
}

/* Its place, or a free one, or that of a device nobody has any more: there are as many as devices. */
static struct worn *place(struct wear *w, const char *id)
{
	struct worn *d = find(w, id);

	if (!d)
		d = find(w, "");
	for (int i = 0; i < DEVICE_MAX && !d; i++)
		if (!used(w, &w->device[i]))
			d = &w->device[i];
	if (d && strcmp(d->id, id) != 0) {
		*d = (struct worn){ .n = 0 };
		snprintf(d->id, sizeof(d->id), "%s", id);
	}
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

bool wear_load(struct wear *w, const struct store_row *row)
{
	AUTO_JSON *list = NULL;
	struct worn *d;

	if (strncmp(row->key, KEY, strlen(KEY)) != 0)
		return false;
	d = strlen(row->key + strlen(KEY)) < DEVICE_ID_MAX ? place(w, row->key + strlen(KEY)) : NULL;
	if (!d)
		return true; /* no such device */
	list = json_parse(row->body, strlen(row->body), 4096, 2, NULL);
	if (read_times(list, d))
		return true;
	log_warning("wear", "how often %s was written to cannot be read: it counts as %d times, just now", d->id, DRIVER_WORN_MAX);
	for (d->n = 0; d->n < DRIVER_WORN_MAX; d->n++)
		d->utc_ms[d->n] = loop_utc_ms();
	return true;
}

/* A write that seems to be of tomorrow, or of a day that only an untrusted clock says is over, was just now. */
void wear_recall(struct wear *w)
{
	const int64_t now_ms = loop_now_ms(), utc_ms = loop_utc_ms();
	const bool trusted = hub_clock(w->hub);

	for (int i = 0; i < plant_count(w->hub->plant); i++) {
		const struct worn *d = find(w, plant_config(w->hub->plant, i)->id);
		int64_t at_ms[DRIVER_WORN_MAX];
		int n = 0;

		for (int k = 0; d && k < d->n; k++) {
			const int64_t age_ms = utc_ms - d->utc_ms[k];

			if (age_ms >= 0 && age_ms < DAY_MS)
				at_ms[n++] = now_ms - age_ms;
			else if (age_ms < 0 || !trusted)
				at_ms[n++] = now_ms;
		}
		if (n > 0)
			plant_recall(w->hub->plant, i, at_ms, n);
		w->seen_ms[i] = n > 0 ? at_ms[n - 1] : 0;
	}
}

static void on_stored(void *context, uint64_t ticket, int status)
{
	struct wear *w = context;

	(void)ticket;
	w->failed |= status < 0;
}

static int keep(struct wear *w, struct worn *d)
{
	AUTO_JSON *list = cJSON_CreateArray();
	AUTO_TEXT *text = NULL;
	char key[sizeof(KEY) + DEVICE_ID_MAX];

	for (int k = 0; k < d->n; k++)
		cJSON_AddItemToArray(list, cJSON_CreateNumber((double)d->utc_ms[k]));
	snprintf(key, sizeof(key), KEY "%s", d->id);
	text = cJSON_PrintUnformatted(list);
	return text ? hub_store_setting(w->hub, key, text, on_stored, w) : -ENOMEM;
}

static void device_step(struct wear *w, int i, int64_t now_ms, int64_t utc_ms)
{
	int64_t at_ms[DRIVER_WORN_MAX];
	const int n = plant_worn(w->hub->plant, i, at_ms);
	struct worn *d;

	if (n == 0 || at_ms[n - 1] == w->seen_ms[i] || !(d = place(w, plant_config(w->hub->plant, i)->id)))
		return;
	d->n = 0;
	for (int k = 0; k < n; k++)
		if (now_ms - at_ms[k] < DAY_MS)
			d->utc_ms[d->n++] = utc_ms - (now_ms - at_ms[k]);
	w->seen_ms[i] = at_ms[n - 1];
	w->failed |= keep(w, d) < 0;
}

void wear_step(struct wear *w)
{
	const int64_t now_ms = loop_now_ms(), utc_ms = loop_utc_ms();

	if (w->failed && now_ms >= w->not_before_ms) { /* all of them, again */
		w->failed = false;
		w->not_before_ms = now_ms + RETRY_MS;
		memset(w->seen_ms, 0, sizeof(w->seen_ms));
	}
	for (int i = 0; i < plant_count(w->hub->plant); i++)
		device_step(w, i, now_ms, utc_ms);
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
