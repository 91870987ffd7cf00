/* What Flip's HTTPS API may answer, and rows of the outbox as requests: the first byte says which. Sifting twice must change
 * nothing, and what is kept is ours and in order. */
#include "cloud/flip_api.h"

#include <stdlib.h>
#include <string.h>

static void one_list(const char *text, size_t len)
{
	static const char OURS[2][FLIP_ID_MAX] = { "bat-0042-1", "b" };
	struct flip_list *l = NULL;
	int n, foreign;

	if (flip_list_decode(text, len, NULL, 0, &l, NULL) < 0)
		return;
	if (l->n + l->bad + l->beyond != l->n_rows || l->n_hashes > l->n_rows)
		abort();
	flip_list_sift(l, OURS, 2);
	n = l->n;
	foreign = l->foreign;
	flip_list_sift(l, OURS, 2);
	if (l->n != n || l->foreign != foreign || n + foreign + l->bad + l->beyond != l->n_rows || (l->bad == 0) != !l->first_bad[0])
		abort();
	for (int i = 0; i < n; i++)
		if ((strcmp(l->command[i].device_id, OURS[0]) != 0 && strcmp(l->command[i].device_id, OURS[1]) != 0) ||
		    (i && l->command[i].created_utc_ms < l->command[i - 1].created_utc_ms))
			abort();
	free(l);
}

static void one_request(const char *kind, const char *text, size_t len)
{
	struct flip_request q;
	char row[4096];

	if (len >= sizeof(row))
		return;
	memcpy(row, text, len);
	row[len] = '\0';
	if (flip_request_encode(kind, row, "site/1", &q, NULL) < 0) {
		if (q.body)
			abort();
		return;
	}
	if (strncmp(q.path, "/v1/", 4) != 0 || strpbrk(q.path, " \r\n?#") || strstr(q.path, "/../") || !q.body || !q.id[0])
		abort();
	cJSON_free(q.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	struct flip_site_token token;
	char id[FLIP_ID_MAX], words[64];

	if (size < 1)
		return 0;
	switch (data[0]) {
	case 'l':
		one_list(text, size - 1);
		break;
	case 't':
		if (flip_site_token_decode(text, size - 1, &token, NULL) == 0 && strpbrk(token.token, " \r\n\t"))
			abort();
		break;
	case 's':
		one_request("command_status", text, size - 1);
		break;
	case 'p':
		one_request("participation", text, size - 1);
		break;
	default:
		break;
	}
	flip_answer_id(text, size - 1, id);
	flip_error_words(text, size - 1, words, sizeof(words));
	for (const char *p = words; *p; p++)
		if (*p < ' ' || *p >= 0x7f)
			abort();
	return 0;
}
