/* Any bytes as JSON: no read past the end, no depth beyond the limit, and whatever is accepted prints and parses again. */
#include "core/json.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int depth_of(const cJSON *j)
{
	int deepest = 0;
	const cJSON *m;

	if (!cJSON_IsArray(j) && !cJSON_IsObject(j))
		return 0;
	cJSON_ArrayForEach(m, j)
	{
		const int d = depth_of(m);

		deepest = d > deepest ? d : deepest;
	}
	return deepest + 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct errbuf err = { "" };
	AUTO_JSON *tree = json_parse((const char *)data, size, 32768, DEPTH, &err), *again = NULL;
	AUTO_TEXT *text = NULL;
	char word[16];
	double number;
	int64_t whole;
	bool flag;

	if (!tree) {
		if (!err.text[0])
			abort(); /* every refusal says why */
		return 0;
	}
	if (depth_of(tree) > DEPTH)
		abort();
	json_get_number(tree, "a", -1e6, 1e6, &number, &err);
	json_get_int(tree, "a", INT64_MIN, INT64_MAX, &whole, &err);
	json_get_bool(tree, "a", &flag, &err);
	json_get_text(tree, "a", word, sizeof(word), &err);
	text = cJSON_PrintUnformatted(tree);
	again = text ? json_parse(text, strlen(text), SIZE_MAX, DEPTH, &err) : NULL;
	if (!again)
		abort();
	return 0;
}
