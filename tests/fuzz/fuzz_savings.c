/* What savings.get is asked, and rows of days and of cars' sessions as a disk may give them back: nothing may crash, and what was taken
 * can be told. */
#include "core/json.h"
#include "flow/control/habits.h"
#include "flow/history/savings.h"

#include <stdlib.h>
#include <string.h>

#define NOW 1768478400000LL /* 2026-01-15T12:00:00Z */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct config config;
	static struct zone zone;
	char *text = malloc(size + 1);
	struct store_row day = { .key = "+savings/2026-01-15", .kind = "", .body = text }, car = { .key = "habit/charger", .kind = "", .body = text };
	const struct savings_options so = { .config = &config, .zone = &zone };
	const struct habits_options ho = { .config = &config, .zone = &zone };
	AUTO_JSON *args = json_parse((const char *)data, size, 65536, 16, NULL);
	struct savings_query q = { .days = 3 };
	struct savings *v = NULL;
	struct habits *b = NULL;
	cJSON *told;

	if (!text || savings_start(&v, &so, NULL) < 0 || habits_start(&b, &ho, NULL) < 0)
		abort();
	memcpy(text, data, size);
	text[size] = '\0';
	if (!savings_load(v, &day) || !habits_load(b, &car))
		abort();
	savings_query_decode(args, &q, NULL);
	told = savings_answer(v, &q, NOW);
	if (!cJSON_IsArray(cJSON_GetObjectItem(told, "rows")) || !cJSON_GetObjectItem(told, "total"))
		abort();
	cJSON_Delete(told);
	cJSON_Delete(savings_encode(v, NOW));
	habits_stop(b);
	savings_stop(v);
	free(text);
	return 0;
}
