/* The floor mirrored into the battery's own reserve register, so that it holds when we do not: 124.MinRsvPct, else
 * 802.SoCRsvMin. Such registers are stored: written only when they read otherwise, a bounded number of times a day, the last
 * of them kept for raising. It stays behind on release and on stop, that is what it is for. Some makers' inverters charge
 * from the grid to reach their reserve; the profile names them, and there nothing is mirrored. */
#include "drivers/sunspec/sunspec.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#define DAY_MS 86400000LL
#define CHECK_MS 3000      /* from the write until a read counts */
#define AGAIN_MS 300000    /* before the same is asked again */
#define TRIES_MAX 3
#define FRESH_MS 2500

static int makers_parse(struct reserve *r, const cJSON *list, struct errbuf *err)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, list)
	{
		const char *text = cJSON_GetStringValue(item);

		if (!text || !*text || strlen(text) >= sizeof(r->maker[0]) || r->n_makers == 4)
			return errbuf_set(err, -EINVAL, "reserve.charges_from_grid: not a list of up to 4 makers");
		memcpy(r->maker[r->n_makers++], text, strlen(text) + 1);
	}
	return 0;
}

int reserve_init(struct reserve *r, const cJSON *profile, bool allow_unverified, struct errbuf *err)
{
	static const char *const KEYS[] = { "mirror", "charges_from_grid", "writes_per_day", "note", "src", "confidence" };
	const cJSON *o = cJSON_GetObjectItemCaseSensitive(profile, "reserve"), *item;
	int64_t per_day = RESERVE_WRITES_MAX;
	char confidence[4] = "C";
	bool mirror = false;

	r->wrote_pct = r->kept_want = r->kept_pct = (double)NAN;
	if (!o)
		return 0;
	if (!cJSON_IsObject(o))
		return errbuf_set(err, -EINVAL, "reserve: is not an object");
	cJSON_ArrayForEach(item, o)
	{
		size_t i = 0;

		while (i < sizeof(KEYS) / sizeof(KEYS[0]) && strcmp(KEYS[i], item->string))
			i++;
		if (i == sizeof(KEYS) / sizeof(KEYS[0]))
			return errbuf_set(err, -EINVAL, "reserve.%.40s: unknown key", item->string);
	}
	if (json_get_bool(o, "mirror", &mirror, err) < 0 ||
	    json_get_int(o, "writes_per_day", 1, RESERVE_WRITES_MAX, &per_day, err) < 0 ||
	    json_get_text(o, "confidence", confidence, sizeof(confidence), err) < 0 ||
	    makers_parse(r, cJSON_GetObjectItemCaseSensitive(o, "charges_from_grid"), err))
		return -EINVAL;
	r->per_day = (int)per_day;
	r->allowed = mirror && (strcmp(confidence, "C") || allow_unverified);
	return 0;
}

/* It reads as wanted: a fraction more is rounding, a fraction less is not. */
static bool fits(double pct, double want_pct)
{
	return pct > want_pct - 0.05 && pct < want_pct + 0.5;
}

void reserve_aim(struct reserve *r, double pct)
{
	if (pct == r->want_pct)
		return;
	r->want_pct = pct;
	r->tries = 0;
	r->not_before_ms = 0;
}

/* The register and its point; NULL when there is none. */
static const struct image *reserve_image(const struct sunspec *s, const char **point, double *pct)
{
	const struct image *img = sunspec_image(s, SLOT_STORAGE);

	*point = "MinRsvPct";
	if (image_get(img, *point, pct))
		return img;
	*point = "SoCRsvMin";
	img = sunspec_image(s, SLOT_BATTERY);
	return image_get(img, *point, pct) ? img : NULL;
}

static bool maker_charges(const struct sunspec *s)
{
	char maker[33] = "";

	if (!image_text(sunspec_image(s, SLOT_COMMON), "Mn", maker, sizeof(maker)))
		return true; /* who made it is not known yet */
	for (int i = 0; i < s->reserve.n_makers; i++)
		if (!strncasecmp(maker, s->reserve.maker[i], strlen(s->reserve.maker[i])))
			return true;
	return false;
}

bool reserve_mirrors(const struct sunspec *s)
{
	const char *point;
	double pct;

	return s->reserve.allowed && !s->reserve.off && reserve_image(s, &point, &pct) && !maker_charges(s);
}

/* Writes of the last 24 hours. */
static int spent(const struct reserve *r, int64_t now_ms)
{
	int n = 0;

	for (int i = 0; i < r->n_writes && i < RESERVE_WRITES_MAX; i++)
		n += now_ms - r->at_ms[i] < DAY_MS;
	return n;
}

/* The last write of a day is for raising: what then stays is the highest floor. */
static bool affordable(const struct reserve *r, double now_pct, int64_t now_ms)
{
	return spent(r, now_ms) < r->per_day - (r->want_pct < now_pct);
}

int reserve_plan(struct sunspec *s, int64_t now_ms, struct batch *batch)
{
	struct reserve *r = &s->reserve;
	const struct image *img;
	const char *point;
	double pct, scale;

	batch->n = 0;
	if (r->want_pct <= 0 || now_ms < r->not_before_ms || !reserve_mirrors(s))
		return 0;
	img = reserve_image(s, &point, &pct);
	if (now_ms - img->at_ms > FRESH_MS || fits(pct, r->want_pct) ||
	    (r->kept_want == r->want_pct && fits(pct, r->kept_pct)) || !affordable(r, pct, now_ms))
		return 0;
	scale = fmax(image_scale(img, point), 1);
	if (image_write(img, point, ceil(r->want_pct / scale) * scale, s->fc6, &batch->r[0]))
		return 0; /* a coarse register is rounded up: the floor holds */
	r->wrote_pct = r->want_pct;
	return batch->n = 1;
}

static void note(struct reserve *r, int64_t at_ms)
{
	r->at_ms[r->n_writes++ % RESERVE_WRITES_MAX] = at_ms;
	if (r->n_writes >= 2 * RESERVE_WRITES_MAX)
		r->n_writes -= RESERVE_WRITES_MAX;
}

int reserve_worn(const struct reserve *r, int64_t at_ms[RESERVE_WRITES_MAX])
{
	const int n = r->n_writes < RESERVE_WRITES_MAX ? r->n_writes : RESERVE_WRITES_MAX;

	for (int i = 0; i < n; i++)
		at_ms[i] = r->at_ms[(r->n_writes - n + i) % RESERVE_WRITES_MAX];
	return n;
}

void reserve_recall(struct reserve *r, const int64_t *at_ms, int n)
{
	for (int i = 0; i < n; i++)
		note(r, at_ms[i]);
}

void reserve_written(struct reserve *r, enum request_status status, int64_t now_ms)
{
	bool refused = status > REQUEST_OK && status <= REQUEST_EXCEPTION_LAST;

	note(r, now_ms); /* counted whether or not an answer came */
	r->tries += status == REQUEST_OK || refused;
	r->off |= refused && r->tries >= TRIES_MAX;
	r->written_ms = status == REQUEST_OK ? now_ms : 0;
	r->not_before_ms = now_ms + (status == REQUEST_OK ? AGAIN_MS : SETPOINT_REFUSED_MS);
}

void reserve_check(struct sunspec *s)
{
	struct reserve *r = &s->reserve;
	const char *point;
	double pct;
	const struct image *img = reserve_image(s, &point, &pct);

	if (!img || r->written_ms == 0 || img->at_ms < r->written_ms + CHECK_MS)
		return;
	r->written_ms = 0;
	if (pct < r->wrote_pct - 0.05) {
		r->off |= r->tries >= TRIES_MAX;
		return;
	}
	r->tries = 0;
	if (!fits(pct, r->wrote_pct)) { /* its own minimum is higher: that is no harm */
		r->kept_want = r->wrote_pct;
		r->kept_pct = pct;
	}
}
