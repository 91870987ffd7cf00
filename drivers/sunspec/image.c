/* The words of one model as numbers; see model.h. Scale factors are taken from the same read as the values: some
 * inverters change them when the power drops. */
#include "drivers/sunspec/model.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#define SF_MAX 10
#define SF_NOT_IMPLEMENTED 0x8000

#define MODULE_FIRST 10 /* model 160: offset and length of its modules */
#define MODULE_WORDS 20

void image_init(struct image *img, const struct sunspec_model *model, uint16_t address, uint16_t length)
{
	int whole = length + 2, span = model->span ? model->span : whole;

	memset(img, 0, sizeof(*img));
	img->model = model;
	img->address = address;
	img->length = length;
	if (span > whole)
		span = whole; /* an older version without the tail */
	img->count = (uint16_t)(span > REQUEST_WORDS_MAX ? REQUEST_WORDS_MAX : span);
}

bool image_header_fits(const struct image *img, const uint16_t *words)
{
	return words[0] == img->model->id && words[1] == img->length;
}

static bool scale_of(const struct image *img, const struct sunspec_point *p, double *scale)
{
	int16_t sf;

	*scale = 1;
	if (!p->sf)
		return true;
	if (p->sf >= img->count || img->words[p->sf] == SF_NOT_IMPLEMENTED)
		return false;
	sf = (int16_t)img->words[p->sf];
	if (sf < -SF_MAX || sf > SF_MAX)
		return false;
	*scale = pow(10, sf);
	return true;
}

static bool format_of(const struct image *img, const struct sunspec_point *p, struct reg_format *f)
{
	*f = (struct reg_format){ .type = p->type, .order = REG_BIG, .sunspec = true, .zero_absent = p->counter };
	return scale_of(img, p, &f->scale);
}

/* @shift moves the point into a repeated block. */
static bool point_get(const struct image *img, const struct sunspec_point *p, int shift, double *out)
{
	struct reg_format f;
	double scale, v;
	int at;

	if (!p || !img->at_ms || p->type == REG_STRING || !format_of(img, p, &f))
		return false;
	at = p->offset + shift;
	scale = f.scale;
	f.scale = 1;
	if (at >= img->count || reg_decode(&f, img->words + at, img->count - at, &v))
		return false;
	*out = scale < 1 ? v / round(1 / scale) : v * scale; /* 573 / 10 is 57.3, 573 * 0.1 is not */
	return true;
}

bool image_get(const struct image *img, const char *point, double *out)
{
	return img && point_get(img, sunspec_point_find(img->model, point), 0, out);
}

double image_number(const struct image *img, const char *point)
{
	double v;

	return image_get(img, point, &v) ? v : (double)NAN;
}

static bool text_at(const struct image *img, const struct sunspec_point *p, int shift, char *out, size_t size)
{
	int at;

	if (!p || !img->at_ms || p->type != REG_STRING)
		return false;
	at = p->offset + shift;
	return at + p->words <= img->count && reg_text(img->words + at, p->words, out, size) != REG_TEXT_ABSENT;
}

bool image_text(const struct image *img, const char *point, char *out, size_t size)
{
	return img && text_at(img, sunspec_point_find(img->model, point), 0, out, size);
}

double image_scale(const struct image *img, const char *point)
{
	const struct sunspec_point *p = img ? sunspec_point_find(img->model, point) : NULL;
	double scale;

	return p && img->at_ms && scale_of(img, p, &scale) ? scale : (double)NAN;
}

int image_write(const struct image *img, const char *point, double value, bool fc6, struct modbus_request *out)
{
	const struct sunspec_point *p = sunspec_point_find(img->model, point);
	struct reg_format f;
	double now;
	int r;

	if (!point_get(img, p, 0, &now) || !format_of(img, p, &f))
		return -ENOENT;
	memset(out, 0, sizeof(*out));
	r = reg_encode(&f, value, out->words, REQUEST_WORDS_MAX);
	if (r)
		return r;
	out->count = (uint16_t)reg_words(p->type);
	out->fc = fc6 && out->count == 1 ? 6 : 16;
	out->address = (uint16_t)(img->address + p->offset);
	return 0;
}

int image_modules(const struct image *img)
{
	int fits = img ? (img->count - MODULE_FIRST) / MODULE_WORDS : 0;
	double n;

	if (!image_get(img, "N", &n) || fits < 0)
		return 0;
	return n < fits ? (int)n : fits; /* N and L disagree: the smaller */
}

bool image_module_get(const struct image *img, int k, const char *point, double *out)
{
	return k < image_modules(img) && point_get(img, sunspec_point_find(img->model, point), k * MODULE_WORDS, out);
}

bool image_module_text(const struct image *img, int k, char *out, size_t size)
{
	return k < image_modules(img) && text_at(img, sunspec_point_find(img->model, "IDStr"), k * MODULE_WORDS, out, size);
}
