/* See telemetry.h: Flip's answer to a batch. Its exact form is not published (flip-api 7.7): whatever says FAILED of a point is
 * believed, and silence about a point is not taken for consent. */
#include "cloud/telemetry.h"

#include "core/json.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 16

static void reason_set(struct telemetry_answer *a, const cJSON *member)
{
	static const char *const KEYS[] = { "message", "error", "reason" };
	const char *text = NULL;
	size_t n = 0;

	for (size_t i = 0; cJSON_IsObject(member) && !text && i < sizeof(KEYS) / sizeof(KEYS[0]); i++)
		text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(member, KEYS[i]));
	for (; text && text[n] && n < sizeof(a->reason) - 1; n++)
		a->reason[n] = (unsigned char)text[n] < 0x20 || text[n] == 0x7f ? ' ' : text[n];
	while (n > 0 && text[n] && ((unsigned char)text[n] & 0xc0) == 0x80)
		n--; /* a character of several bytes is whole or not there */
	a->reason[n] = '\0';
}

/* What it says of itself, else its place. -1 = no point of ours. */
static int index_of(const cJSON *member, int place)
{
	const cJSON *index = cJSON_IsObject(member) ? cJSON_GetObjectItemCaseSensitive(member, "index") : NULL;

	if (!index || cJSON_IsNull(index))
		return place < TELEMETRY_BATCH_MAX ? place : -1;
	if (!cJSON_IsNumber(index) || !(index->valuedouble >= 0 && index->valuedouble < TELEMETRY_BATCH_MAX) ||
	    index->valuedouble != index->valueint)
		return -1;
	return index->valueint;
}

static void take_member(struct telemetry_answer *a, const cJSON *member, int place)
{
	const char *status;
	int i;

	if (!cJSON_IsObject(member) && !cJSON_IsString(member))
		return;
	i = index_of(member, place);
	if (i < 0)
		return;
	status = cJSON_GetStringValue(cJSON_IsObject(member) ? cJSON_GetObjectItemCaseSensitive(member, "status") : member);
	if (i >= a->n)
		a->n = i + 1;
	a->told[i / 8] |= (uint8_t)(1u << i % 8);
	if (!status || strcasecmp(status, "FAILED") != 0)
		return;
	a->failed[i / 8] |= (uint8_t)(1u << i % 8);
	if (!a->reason[0])
		reason_set(a, member);
}

int telemetry_answer_decode(const char *text, size_t len, struct telemetry_answer *out, struct errbuf *err)
{
	AUTO_JSON *root = len ? json_parse(text, len, TELEMETRY_ANSWER_MAX, DEPTH_MAX, err) : NULL;
	const cJSON *list = cJSON_IsObject(root) ? cJSON_GetObjectItemCaseSensitive(root, "telemetry") : root, *member;
	struct telemetry_answer a = { 0 };
	int place = 0;

	if (!root)
		return len ? -EINVAL : errbuf_set(err, -EINVAL, "the answer is empty");
	if (!cJSON_IsArray(list))
		return errbuf_set(err, -EINVAL, "the answer has no list of points");
	cJSON_ArrayForEach(member, list)
		take_member(&a, member, place++);
	*out = a;
	return 0;
}
