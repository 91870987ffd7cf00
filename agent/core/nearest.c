/* See nearest.h. Distance counts insertions, deletions, replacements and swapped neighbours as one each. */
#include "core/nearest.h"

#include <stdio.h>
#include <string.h>

static char lower(char c)
{
	if (c >= 'A' && c <= 'Z')
		return (char)(c - 'A' + 'a');
	return c == '_' ? '-' : c; /* soc-min-pct is soc_min_pct to a person */
}

static int min2(int a, int b)
{
	return a < b ? a : b;
}

static int edit_distance(const char *a, size_t na, const char *b, size_t nb)
{
	int row[3][NEAREST_NAME_MAX];

	for (size_t j = 0; j <= nb; j++)
		row[0][j] = (int)j;
	for (size_t i = 1; i <= na; i++) {
		int *now = row[i % 3], *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];

		now[0] = (int)i;
		for (size_t j = 1; j <= nb; j++) {
			now[j] = min2(last[j - 1] + (lower(a[i - 1]) != lower(b[j - 1])), min2(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
				now[j] = min2(now[j], before[j - 2] + 1);
		}
	}
	return row[na % 3][nb];
}

void nearest_start(struct nearest *n, const char *wanted)
{
	n->wanted = wanted;
	n->distance = 0;
	n->best[0] = '\0';
}

/* Bytes up to the last '/' that both begin with: "Europe/" alone makes no two cities alike. */
static size_t common_folder(const char *a, const char *b)
{
	size_t folder = 0;

	for (size_t i = 0; a[i] && a[i] == b[i]; i++)
		if (a[i] == '/')
			folder = i + 1;
	return folder;
}

void nearest_offer(struct nearest *n, const char *candidate)
{
	const size_t na = strlen(n->wanted), nb = strlen(candidate), folder = common_folder(n->wanted, candidate);
	int distance, enough;

	if (na >= NEAREST_NAME_MAX || nb >= NEAREST_NAME_MAX || na == 0 || nb == 0)
		return;
	distance = edit_distance(n->wanted, na, candidate, nb);
	enough = min2((int)((na > nb ? na : nb) - folder) / 3 + 1, 6);
	/* "sunspec" is far from "sunspec-storage" by counting, yet what was meant */
	if (na >= 4 && !strncmp(candidate, n->wanted, na))
		distance = min2(distance, enough);
	if (distance > enough || (n->best[0] && distance >= n->distance))
		return;
	n->distance = distance;
	snprintf(n->best, sizeof(n->best), "%s", candidate);
}
