/* Flip's answer to a batch, and packed lines as they come back from the disk: what is accepted must survive packing,
 * merging and encoding. */
#include "cloud/telemetry.h"
#include "core/json.h"

#include <stdlib.h>
#include <string.h>

#define START 1768478400000LL
#define KEYS 20

static void check_answer(const uint8_t *data, size_t size)
{
	struct telemetry_answer a;

	if (telemetry_answer_decode((const char *)data, size, &a, NULL) < 0)
		return;
	if (a.n < 0 || a.n > TELEMETRY_BATCH_MAX || !memchr(a.reason, 0, sizeof(a.reason)))
		abort();
	for (int i = 0; i < TELEMETRY_BATCH_MAX; i++)
		if ((telemetry_saved(&a, i) && telemetry_failed(&a, i)) || (i >= a.n && telemetry_saved(&a, i)))
			abort();
}

static void check_encoded(const struct telemetry_point *p)
{
	char *text = telemetry_encode(p, 1, NULL);
	AUTO_JSON *root = text ? json_parse(text, strlen(text), TELEMETRY_POINT_TEXT_MAX, 5, NULL) : NULL;
	const cJSON *o = cJSON_GetArrayItem(cJSON_GetObjectItem(root, "telemetry"), 0);

	if (cJSON_GetArraySize(o) != KEYS)
		abort();
	free(text);
}

static void check_line(const char *line)
{
	struct telemetry_point p, later, both;
	char packed[TELEMETRY_PACKED_MAX], again[TELEMETRY_PACKED_MAX];

	if (telemetry_unpack("bat\"\\\x01", START, line, &p) < 0)
		return;
	if (telemetry_pack(&p, packed, sizeof(packed)) < 0 || telemetry_unpack(p.device_id, START, packed, &later) < 0 ||
	    telemetry_pack(&later, again, sizeof(again)) < 0 || strcmp(packed, again) != 0)
		abort();
	check_encoded(&p);
	later.start_utc_ms += p.duration_s * 1000LL;
	if (telemetry_merge(&p, &later, &both) < 0)
		return;
	if (both.duration_s <= p.duration_s || both.merged <= p.merged || both.home_wh < p.home_wh ||
	    telemetry_pack(&both, packed, sizeof(packed)) < 0 || telemetry_unpack("b", START, packed, &p) < 0)
		abort();
	check_encoded(&both);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = malloc(size + 1);

	if (!line)
		return 0;
	check_answer(data, size);
	memcpy(line, data, size);
	line[size] = '\0';
	check_line(line);
	free(line);
	return 0;
}
