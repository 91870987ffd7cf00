/* See encode.h. */
#include "core/encode.h"

#include "core/json_out.h"

#include <math.h>
#include <string.h>

#define POWER_AGE_MS 10000
#define SOC_AGE_MS 60000
#define CHARGER_AGE_MS 30000

/* Adds to a sum that is NAN while nothing was added; stays NAN once a part of it is unknown. */
struct sum {
	double w;
	bool any, unknown;
};

static void sum_add(struct sum *sum, const struct snapshot *s, const struct value *v, int64_t age_ms)
{
	double w;

	sum->any = true;
	if (value_get(v, s->now_ms, age_ms, &w))
		sum->w += w;
	else
		sum->unknown = true;
}

static double sum_w(const struct sum *sum)
{
	return sum->any && !sum->unknown ? sum->w : NAN;
}

/* A hybrid enters the balance once, at its AC port; what of it is the battery's is the battery's, the rest is the sun's. */
static void add_battery(const struct snapshot *s, const struct snap_device *d, struct sum *battery, struct sum *pv)
{
	const struct value *ac = &d->state.ac_power_w, *part = &d->state.f[F_BATTERY_POWER_AC_W];
	struct value rest = *ac;

	if (!(d->roles & ROLE_PV) || !value_usable(part)) {
		sum_add(battery, s, ac, POWER_AGE_MS);
		return;
	}
	rest.v = ac->v - part->v;
	sum_add(battery, s, part, POWER_AGE_MS);
	sum_add(pv, s, &rest, POWER_AGE_MS);
}

static double capacity_of(const struct snap_device *d)
{
	const struct value *told = &d->state.f[F_BATTERY_CAPACITY_WH];
	double wh = !isnan(d->capacity_wh) ? d->capacity_wh : value_usable(told) ? told->v : 0;

	return wh > 0 ? wh : 1;
}

void site_sums(const struct snapshot *s, struct site_sums *out)
{
	struct sum battery = { 0 }, pv = { 0 }, ev = { 0 };
	double stored = 0, capacity = 0, soc;

	*out = (struct site_sums){ NAN, NAN, NAN, NAN, NAN, NAN };
	for (int i = 0; i < s->n_devices; i++) {
		const struct snap_device *d = &s->dev[i];

		if (d->roles & ROLE_BATTERY) {
			add_battery(s, d, &battery, &pv);
			if (value_get(&d->state.f[F_BATTERY_SOC_PCT], s->now_ms, SOC_AGE_MS, &soc)) {
				stored += soc * capacity_of(d);
				capacity += capacity_of(d);
			}
		} else if (d->roles & ROLE_PV) {
			sum_add(&pv, s, &d->state.ac_power_w, POWER_AGE_MS);
		} else if (d->roles & ROLE_CHARGER) {
			sum_add(&ev, s, &d->state.ac_power_w, CHARGER_AGE_MS);
		}
	}
	if (capacity > 0)
		out->soc_pct = stored / capacity;
	out->battery_w = sum_w(&battery);
	out->pv_w = sum_w(&pv);
	out->ev_w = sum_w(&ev);
	if (!value_get(&s->grid_w, s->now_ms, POWER_AGE_MS, &out->grid_w))
		out->grid_w = NAN;
	if (!battery.unknown && !pv.unknown && !ev.unknown)
		out->load_w = out->grid_w - battery.w - pv.w - ev.w;
}

static cJSON *words_of(uint32_t bits, const char *(*word)(int))
{
	cJSON *a = cJSON_CreateArray();

	for (int i = 0; i < 32; i++)
		if (bits & (1u << i))
			cJSON_AddItemToArray(a, cJSON_CreateString(word(i)));
	return a;
}

static const char *kind_of_bit(int i)
{
	return kind_name((enum kind)(1 << i));
}

static const char *rank_of_bit(int i)
{
	return rank_word((enum rank)i);
}

static void write_field(struct json_out *o, enum field f, const struct value *v)
{
	const struct field_info *info = field_info(f);
	const char *word;

	if (!value_usable(v))
		return;
	word = field_word(f, (int)v->v);
	if (word)
		json_out_text(o, info->name, word);
	else if (!strcmp(info->unit, "bool"))
		json_out_bool(o, info->name, v->v > 0.5);
	else
		json_out_number(o, info->name, v->v, info->decimals);
}

/* The quality people should see: that of the device's power, else of its best value. */
static enum quality device_quality(const struct device_state *d)
{
	enum quality best = d->ac_power_w.q;

	for (int f = 0; f < F_COUNT && best == Q_ABSENT; f++)
		if (d->f[f].q > best)
			best = d->f[f].q;
	return best;
}

static void write_identity(struct json_out *o, const struct device_identity *i)
{
	if (i->manufacturer[0])
		json_out_text(o, "manufacturer", i->manufacturer);
	if (i->model[0])
		json_out_text(o, "model", i->model);
	if (i->version[0])
		json_out_text(o, "version", i->version);
	if (i->serial[0])
		json_out_text(o, "serial", i->serial);
}

size_t encode_device_text(const struct snap_device *d, int64_t utc_ms, char *out, size_t size)
{
	const struct device_state *s = &d->state;
	struct json_out o;

	json_out_init(&o, out, size);
	json_out_object(&o, NULL);
	json_out_time(&o, "at", utc_ms);
	json_out_array(&o, "kinds");
	for (int k = 0; k < KIND_COUNT; k++)
		if (s->kinds & (1u << k))
			json_out_text(&o, NULL, kind_of_bit(k));
	json_out_array_end(&o);
	json_out_text(&o, "availability", availability_word(s->availability));
	json_out_text(&o, "quality", quality_word(device_quality(s)));
	if (value_usable(&s->ac_power_w))
		json_out_number(&o, "ac_power_w", s->ac_power_w.v, 0);
	json_out_text(&o, "guarded_by", guarded_by_word(s->caps.guarded_by));
	json_out_text(&o, "verdict", verdict_word(s->verdict));
	if (s->note[0])
		json_out_text(&o, "note", s->note);
	write_identity(&o, &s->identity);
	for (int k = 0; k < KIND_COUNT; k++) {
		if (!(s->kinds & (1u << k)))
			continue;
		json_out_object(&o, kind_of_bit(k));
		for (int f = 0; f < F_COUNT; f++)
			if (field_info((enum field)f)->kind == (enum kind)(1 << k))
				write_field(&o, (enum field)f, &s->f[f]);
		json_out_object_end(&o);
	}
	json_out_object_end(&o);
	return json_out_end(&o);
}

cJSON *encode_device(const struct snap_device *d)
{
	char text[ENCODE_DEVICE_MAX];

	return encode_device_text(d, 0, text, sizeof(text)) ? cJSON_Parse(text) : NULL;
}

cJSON *encode_decision(const struct snap_device *device, const struct decision *d)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "device", device->id);
	cJSON_AddStringToObject(o, "order", order_word(d->order.kind));
	if (d->order.kind == ORDER_POWER || d->order.kind == ORDER_BALANCE)
		json_add_number(o, "w", d->order.w, 0);
	if (d->order.kind == ORDER_BALANCE) {
		json_add_number(o, "grid_w", d->order.grid_w, 0);
		json_add_number(o, "min_w", d->order.min_w, 0);
		json_add_number(o, "max_w", d->order.max_w, 0);
	}
	json_add_number(o, "applied_w", device->applied_w, 0);
	cJSON_AddStringToObject(o, "rank", rank_word(d->rank));
	cJSON_AddItemToObject(o, "limited_by", words_of(d->limited_by, rank_of_bit));
	cJSON_AddStringToObject(o, "code", reason_word(d->code));
	if (d->patience != REASON_NONE)
		cJSON_AddStringToObject(o, "patience", reason_word(d->patience));
	cJSON_AddStringToObject(o, "reason", d->why);
	json_add_time(o, "until", d->until_utc_ms);
	return o;
}

cJSON *encode_decisions(const struct snapshot *s, const struct decisions *d)
{
	cJSON *o = cJSON_CreateObject(), *devices = cJSON_AddObjectToObject(o, "devices");

	cJSON_AddStringToObject(o, "mode", rank_word(d->mode));
	for (int i = 0; i < d->n; i++)
		if (s->dev[i].roles & (ROLE_BATTERY | ROLE_CHARGER | ROLE_PV))
			cJSON_AddItemToObject(devices, s->dev[i].id, encode_decision(&s->dev[i], &d->d[i]));
	if (d->limit_unreachable_w > 0)
		json_add_number(o, "limit_unreachable_w", d->limit_unreachable_w, 0);
	return o;
}

/* What is not believed now; "" = the site as a whole. */
static cJSON *doubts(const struct snapshot *s, const struct decisions *d)
{
	cJSON *list = cJSON_CreateArray();

	for (int i = 0; i < d->n_doubts; i++) {
		const struct doubt *doubt = &d->doubts[i];
		cJSON *o = cJSON_CreateObject();

		cJSON_AddStringToObject(o, "device", doubt->device >= 0 ? s->dev[doubt->device].id : "");
		cJSON_AddStringToObject(o, "kind", doubt_word(doubt->kind));
		cJSON_AddStringToObject(o, "why", doubt->why);
		cJSON_AddItemToArray(list, o);
	}
	return list;
}

uint32_t encode_not_kept(const struct snapshot *s)
{
	const struct site_params *p = &s->site;
	const bool limits = p->import_limit_w > 0 || p->export_limit_w > 0 || p->fuse_a > 0 || !isnan(s->external.import_w) || !isnan(s->external.export_w);

	return s->paused && limits ? 1u << RANK_LIMIT : 0;
}

cJSON *encode_site(const struct snapshot *s, const struct decisions *d, const struct site_sums *sums)
{
	cJSON *o = cJSON_CreateObject();

	json_add_number(o, "grid_w", sums->grid_w, 0);
	json_add_number(o, "load_w", sums->load_w, 0);
	json_add_number(o, "pv_w", sums->pv_w, 0);
	json_add_number(o, "battery_w", sums->battery_w, 0);
	json_add_number(o, "ev_w", sums->ev_w, 0);
	json_add_number(o, "soc_pct", sums->soc_pct, 1);
	json_add_number(o, "floor_pct", d->floor_pct, 1);
	cJSON_AddStringToObject(o, "floor_source", d->floor_source);
	cJSON_AddStringToObject(o, "mode", rank_word(d->mode));
	cJSON_AddStringToObject(o, "code", reason_word(d->code));
	cJSON_AddStringToObject(o, "reason", d->why);
	cJSON_AddItemToObject(o, "limited_by", words_of(d->limited_by, rank_of_bit));
	if (s->paused)
		cJSON_AddItemToObject(o, "not_kept", words_of(encode_not_kept(s), rank_of_bit));
	if (d->limit_unreachable_w > 0)
		json_add_number(o, "limit_unreachable_w", d->limit_unreachable_w, 0);
	cJSON_AddItemToObject(o, "doubts", doubts(s, d));
	return o;
}
