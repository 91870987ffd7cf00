/* See telemetry.h: points in Flip's form, written by hand. The keys are the twenty of flip-api 9.8 in its order. */
#include "cloud/telemetry.h"

#include "core/calendar.h"
#include "core/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_MAX 1024 /* what stands around the points; the message id escaped */
#define NUMBER_MAX 1e12

/* Where the next byte goes. There is room: the buffer is sized for the longest of everything. */
static char *put(char *at, const char *text, size_t n)
{
	memcpy(at, text, n);
	return at + n;
}
#define PUT(at, literal) put(at, literal, sizeof(literal) - 1)

/* At most @max bytes of it; text that is not UTF-8 loses its bytes above 0x7f, as in core/json_out. */
static char *put_text(char *at, const char *text, size_t max)
{
	static const char HEX[] = "0123456789abcdef";
	size_t len = strnlen(text, max);
	bool utf8 = json_utf8(text, len);

	*at++ = '"';
	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\') {
			*at++ = '\\';
			*at++ = (char)c;
		} else if (c < 0x20) {
			at = PUT(at, "\\u00");
			*at++ = HEX[c >> 4];
			*at++ = HEX[c & 15];
		} else {
			*at++ = c >= 0x80 && !utf8 ? '?' : (char)c;
		}
	}
	*at++ = '"';
	return at;
}

static char *put_digits(char *at, uint64_t n)
{
	char digits[20];
	size_t i = sizeof(digits);

	do
		digits[--i] = (char)('0' + n % 10);
	while (n /= 10);
	return put(at, digits + i, sizeof(digits) - i);
}

/* 0 or more, with one digit behind the point when @tenths and it is not 0. */
static char *put_number(char *at, double v, bool tenths)
{
	uint64_t n;

	if (!isfinite(v))
		return PUT(at, "null");
	v = fmin(fmax(v, 0), NUMBER_MAX);
	if (!tenths)
		return put_digits(at, (uint64_t)llround(v));
	n = (uint64_t)llround(v * 10);
	at = put_digits(at, n / 10);
	if (n % 10) {
		*at++ = '.';
		*at++ = (char)('0' + n % 10);
	}
	return at;
}

static char *put_percent(char *at, double v)
{
	return put_number(at, isfinite(v) && v > 100 ? 100 : v, true);
}

static char *put_bool(char *at, bool v)
{
	return v ? PUT(at, "true") : PUT(at, "false");
}

/* {} when everything was measured and the point stands for itself. */
static char *put_raw(char *at, const struct telemetry_point *p)
{
	static const struct {
		uint32_t bit;
		const char *word;
	} WORDS[] = { { TELEMETRY_ASSUMED_SOH, "state_of_health" }, { TELEMETRY_ASSUMED_CAPACITY, "capacity" },
		      { TELEMETRY_ASSUMED_GRID, "grid_online" },    { TELEMETRY_ASSUMED_HOME, "home_power" },
		      { TELEMETRY_ASSUMED_SOLAR, "solar_power" } };
	const bool assumed = p->online && p->assumed;
	bool comma = false;

	*at++ = '{';
	if (assumed) {
		at = PUT(at, "\"assumed\":[");
		for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
			if (!(p->assumed & WORDS[i].bit))
				continue;
			if (comma)
				*at++ = ',';
			at = put_text(at, WORDS[i].word, 32);
			comma = true;
		}
		*at++ = ']';
	}
	if (p->merged > 1) {
		at = assumed ? PUT(at, ",\"merged_intervals\":") : PUT(at, "\"merged_intervals\":");
		at = put_digits(at, (uint64_t)p->merged);
	}
	*at++ = '}';
	return at;
}

static char *put_offline(char *at)
{
	return PUT(at, "\"last_is_online\":false,\"last_mode\":null,\"battery_last_power_charge_w\":null,"
		       "\"battery_last_power_discharge_w\":null,\"battery_total_energy_charge_wh\":null,"
		       "\"battery_total_energy_discharge_wh\":null,\"battery_last_stored_energy_wh\":null,"
		       "\"battery_last_capacity_energy_wh\":null,\"battery_last_backup_reserve_percentage\":null,"
		       "\"battery_last_state_of_charge_percentage\":null,\"battery_last_state_of_health_percentage\":null,"
		       "\"last_is_grid_online\":null,\"home_total_energy_wh\":null,\"home_last_power_w\":null,"
		       "\"solar_total_energy_wh\":null,\"solar_last_power_w\":null");
}

static char *put_online(char *at, const struct telemetry_point *p)
{
	at = put_text(PUT(at, "\"last_is_online\":true,\"last_mode\":"), battery_mode_word(p->mode), 32);
	at = put_number(PUT(at, ",\"battery_last_power_charge_w\":"), p->charge_w, false);
	at = put_number(PUT(at, ",\"battery_last_power_discharge_w\":"), p->discharge_w, false);
	at = put_number(PUT(at, ",\"battery_total_energy_charge_wh\":"), p->charge_wh, true);
	at = put_number(PUT(at, ",\"battery_total_energy_discharge_wh\":"), p->discharge_wh, true);
	at = put_number(PUT(at, ",\"battery_last_stored_energy_wh\":"), p->stored_wh, true);
	at = put_number(PUT(at, ",\"battery_last_capacity_energy_wh\":"), p->capacity_wh, true);
	at = put_percent(PUT(at, ",\"battery_last_backup_reserve_percentage\":"), p->reserve_pct);
	at = put_percent(PUT(at, ",\"battery_last_state_of_charge_percentage\":"), p->soc_pct);
	at = put_percent(PUT(at, ",\"battery_last_state_of_health_percentage\":"), p->soh_pct);
	at = put_bool(PUT(at, ",\"last_is_grid_online\":"), p->grid_online);
	at = put_number(PUT(at, ",\"home_total_energy_wh\":"), p->home_wh, true);
	at = put_number(PUT(at, ",\"home_last_power_w\":"), p->home_w, false);
	at = put_number(PUT(at, ",\"solar_total_energy_wh\":"), p->solar_wh, true);
	return put_number(PUT(at, ",\"solar_last_power_w\":"), p->solar_w, false);
}

static char *put_point(char *at, const struct telemetry_point *p)
{
	char time[CALENDAR_TEXT_MAX];

	calendar_format(p->start_utc_ms, time);
	at = put_text(PUT(at, "{\"start_time\":"), time, sizeof(time));
	at = put_digits(PUT(at, ",\"duration_s\":"), (uint64_t)(p->duration_s > 0 ? p->duration_s : 0));
	at = put_text(PUT(at, ",\"device_id\":"), p->device_id, sizeof(p->device_id));
	*at++ = ',';
	at = p->online ? put_online(at, p) : put_offline(at);
	at = put_raw(PUT(at, ",\"oem_raw_data\":"), p);
	*at++ = '}';
	return at;
}

char *telemetry_encode(const struct telemetry_point *points, int n, const char *message_id)
{
	char *text, *at;

	if (n < 0 || n > TELEMETRY_BATCH_MAX)
		return NULL;
	at = text = malloc((size_t)n * TELEMETRY_POINT_TEXT_MAX + HEAD_MAX); /* pages that are not written cost nothing */
	if (!text)
		return NULL;
	*at++ = '{';
	if (message_id) {
		at = put_text(PUT(at, "\"message_id\":"), message_id, HEAD_MAX / 8);
		*at++ = ',';
	}
	at = PUT(at, "\"telemetry\":[");
	for (int i = 0; i < n; i++) {
		if (i)
			*at++ = ',';
		at = put_point(at, &points[i]);
	}
	at = PUT(at, "]}");
	*at = '\0';
	return text;
}
