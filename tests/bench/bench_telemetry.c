/* A thousand telemetry points in Flip's form, against cJSON building and printing the same; and what surrounds it: packing,
 * unpacking, Flip's answer. Prints "figure: ... | measured: ... | target: ... | met". HEARTH_BENCH_ROUNDS changes how often. */
#include "cloud/telemetry.h"
#include "core/calendar.h"
#include "core/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS_MAX 1000
#define POINTS TELEMETRY_BATCH_MAX
#define TARGET_MS 5.0

static struct telemetry_point point[POINTS];
static char packed[POINTS][TELEMETRY_PACKED_MAX], *answer;

/* Time of this process alone: all of it is one thread's work. */
static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int ascending(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void make_points(void)
{
	for (int i = 0; i < POINTS; i++) {
		point[i] = (struct telemetry_point){ .device_id = "0f8fad5b-d9cb-469f-a165-70867728950e",
						     .start_utc_ms = 1768478400000LL + i * 300000LL, .duration_s = 300, .merged = 1 };
		point[i].online = point[i].grid_online = true;
		point[i].mode = MODE_SELF_CONSUMPTION;
		point[i].discharge_w = 1000 + i;
		point[i].discharge_wh = 83.4 + i / 12.0;
		point[i].stored_wh = 9876.5 - i;
		point[i].capacity_wh = 13500;
		point[i].reserve_pct = 20;
		point[i].soc_pct = 73.1 - i / 20.0;
		point[i].soh_pct = 98;
		point[i].home_wh = 120.7;
		point[i].home_w = 1450;
		point[i].solar_wh = 37.3;
		point[i].solar_w = 450;
		telemetry_round(&point[i]);
	}
}

static size_t encode_all(void)
{
	char *text = telemetry_encode(point, POINTS, "tel-0badcafe-1-1000");
	size_t n = strlen(text);

	free(text);
	return n;
}

static void tree_numbers(cJSON *o, const struct telemetry_point *p)
{
	cJSON_AddNumberToObject(o, "battery_last_power_charge_w", p->charge_w);
	cJSON_AddNumberToObject(o, "battery_last_power_discharge_w", p->discharge_w);
	cJSON_AddNumberToObject(o, "battery_total_energy_charge_wh", p->charge_wh);
	cJSON_AddNumberToObject(o, "battery_total_energy_discharge_wh", p->discharge_wh);
	cJSON_AddNumberToObject(o, "battery_last_stored_energy_wh", p->stored_wh);
	cJSON_AddNumberToObject(o, "battery_last_capacity_energy_wh", p->capacity_wh);
	cJSON_AddNumberToObject(o, "battery_last_backup_reserve_percentage", p->reserve_pct);
	cJSON_AddNumberToObject(o, "battery_last_state_of_charge_percentage", p->soc_pct);
	cJSON_AddNumberToObject(o, "battery_last_state_of_health_percentage", p->soh_pct);
	cJSON_AddBoolToObject(o, "last_is_grid_online", p->grid_online);
	cJSON_AddNumberToObject(o, "home_total_energy_wh", p->home_wh);
	cJSON_AddNumberToObject(o, "home_last_power_w", p->home_w);
	cJSON_AddNumberToObject(o, "solar_total_energy_wh", p->solar_wh);
	cJSON_AddNumberToObject(o, "solar_last_power_w", p->solar_w);
}

static size_t tree_all(void)
{
	cJSON *root = cJSON_CreateObject(), *list, *o;
	char time[CALENDAR_TEXT_MAX], *text;
	size_t n;

	cJSON_AddStringToObject(root, "message_id", "tel-0badcafe-1-1000");
	list = cJSON_AddArrayToObject(root, "telemetry");
	for (int i = 0; i < POINTS; i++) {
		o = cJSON_CreateObject();
		cJSON_AddItemToArray(list, o);
		calendar_format(point[i].start_utc_ms, time);
		cJSON_AddStringToObject(o, "start_time", time);
		cJSON_AddNumberToObject(o, "duration_s", point[i].duration_s);
		cJSON_AddStringToObject(o, "device_id", point[i].device_id);
		cJSON_AddBoolToObject(o, "last_is_online", true);
		cJSON_AddStringToObject(o, "last_mode", battery_mode_word(point[i].mode));
		tree_numbers(o, &point[i]);
		cJSON_AddObjectToObject(o, "oem_raw_data");
	}
	text = cJSON_PrintUnformatted(root);
	n = strlen(text);
	cJSON_free(text);
	cJSON_Delete(root);
	return n;
}

static size_t pack_all(void)
{
	size_t n = 0;

	for (int i = 0; i < POINTS; i++)
		n += (size_t)telemetry_pack(&point[i], packed[i], sizeof(packed[i]));
	return n;
}

static size_t unpack_all(void)
{
	struct telemetry_point p;
	size_t n = 0;

	for (int i = 0; i < POINTS; i++)
		n += telemetry_unpack(point[i].device_id, point[i].start_utc_ms, packed[i], &p) == 0;
	return n;
}

static size_t answer_all(void)
{
	struct telemetry_answer a;

	return telemetry_answer_decode(answer, strlen(answer), &a, NULL) == 0 ? (size_t)a.n : 0;
}

static double median_ms(size_t (*work)(void), int rounds, size_t *result)
{
	double ms[ROUNDS_MAX];

	for (int k = 0; k < rounds; k++) {
		const double start = now_ms();

		*result = work();
		ms[k] = now_ms() - start;
	}
	qsort(ms, (size_t)rounds, sizeof(ms[0]), ascending);
	return ms[rounds / 2];
}

int main(void)
{
	const char *given = getenv("HEARTH_BENCH_ROUNDS");
	const int wanted = given ? atoi(given) : 101, rounds = wanted < 1 ? 1 : wanted > ROUNDS_MAX ? ROUNDS_MAX : wanted;
	double encode, tree, pack, unpack, decode;
	size_t length, tree_length, packed_length, n;

	make_points();
	answer = malloc(POINTS * 40 + 32);
	length = (size_t)sprintf(answer, "{\"telemetry\":[");
	for (int i = 0; i < POINTS; i++)
		length += (size_t)sprintf(answer + length, "%s{\"index\":%d,\"status\":\"OK\"}", i ? "," : "", i);
	strcpy(answer + length, "]}");
	encode = median_ms(encode_all, rounds, &length);
	tree = median_ms(tree_all, rounds, &tree_length);
	pack = median_ms(pack_all, rounds, &packed_length);
	unpack = median_ms(unpack_all, rounds, &n);
	if (length != tree_length || n != POINTS) { /* the same work was done */
		printf("%zu bytes by hand, %zu by cJSON, %zu unpacked\n", length, tree_length, n);
		return 1;
	}
	decode = median_ms(answer_all, rounds, &n);
	if (n != POINTS)
		return 1;
	free(answer);
	printf("# %d points: %zu bytes in Flip's form, %zu packed (%.2f of it); pack %.3f ms, unpack %.3f ms\n", POINTS, length,
	       packed_length, (double)packed_length / (double)length, pack, unpack);
	printf("figure: telemetry: 1000 points encoded | measured: %.2f ms | target: < %g ms | %s\n", encode, TARGET_MS,
	       encode < TARGET_MS ? "met" : "missed");
	printf("figure: telemetry: 1000 points encoded, against cJSON building and printing the same | measured: %.2fx | target: none is set | -\n",
	       encode / tree);
	printf("figure: telemetry: Flip's answer to 1000 points decoded | measured: %.2f ms | target: none is set | -\n", decode);
	return 0;
}
