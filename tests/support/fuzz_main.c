/* A main for fuzz targets when libFuzzer is not linked: runs every file of the corpus folder, then mutates them for a
 * fixed number of rounds from one seed (seed.h). HEARTH_FUZZ_ROUNDS and HEARTH_FUZZ_SEED change both. */
#include "support/seed.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SEEDS_MAX 256
#define INPUT_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct { uint8_t *data; size_t size; } seeds[SEEDS_MAX];
static int n_seeds;
static uint64_t state;

static uint32_t random_below(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return n ? (uint32_t)(state >> 32) % n : 0;
}

static void corpus_load(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *e;

	while (dir && (e = readdir(dir)) && n_seeds < SEEDS_MAX) {
		char path[1024];
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (e->d_name[0] == '.' || !(f = fopen(path, "rb")))
			continue;
		seeds[n_seeds].data = malloc(INPUT_MAX);
		seeds[n_seeds].size = seeds[n_seeds].data ? fread(seeds[n_seeds].data, 1, INPUT_MAX, f) : 0;
		fclose(f);
		n_seeds++;
	}
	if (dir)
		closedir(dir);
}

static size_t mutate(uint8_t *out)
{
	static const char *const TOKENS[] = { "null", "-1", "1e999", "\"\"", "{}", "[]", "NaN", "9223372036854775808", "\\u0000", "\xff", "[[[[[[[[" };
	size_t size = 0;

	if (n_seeds) {
		int i = (int)random_below((uint32_t)n_seeds);

		size = seeds[i].size;
		if (size)
			memcpy(out, seeds[i].data, size);
	}
	for (uint32_t k = 0, n = 1 + random_below(8); k < n; k++) {
		uint32_t at = random_below((uint32_t)size + 1), len;
		const char *token;

		switch (random_below(6)) {
		case 0:
			if (at < size)
				out[at] = (uint8_t)random_below(256);
			break;
		case 1:
			if (at < size)
				out[at] ^= (uint8_t)(1u << random_below(8));
			break;
		case 2: /* cut out a piece */
			len = random_below(16) + 1;
			if (at + len <= size) {
				memmove(out + at, out + at + len, size - at - len);
				size -= len;
			}
			break;
		case 3: /* double a piece */
			len = random_below(64) + 1;
			if (at + len <= size && size + len <= INPUT_MAX) {
				memmove(out + at + len, out + at, size - at);
				size += len;
			}
			break;
		case 4:
			token = TOKENS[random_below(sizeof(TOKENS) / sizeof(TOKENS[0]))];
			len = (uint32_t)strlen(token);
			if (size + len <= INPUT_MAX) {
				memmove(out + at + len, out + at, size - at);
				memcpy(out + at, token, len);
				size += len;
			}
			break;
		default:
			size = at;
			break;
		}
	}
	return size;
}

int main(int argc, char **argv)
{
	const char *rounds_text = getenv("HEARTH_FUZZ_ROUNDS");
	const uint64_t seed = seed_of("HEARTH_FUZZ_SEED");
	long rounds = rounds_text ? atol(rounds_text) : 20000;
	struct timespec start, now;
	uint8_t *input = malloc(INPUT_MAX + 1);
	long done = 0;

	if (!input)
		return 1;
	if (argc > 1)
		corpus_load(argv[1]);
	state = seed * 2654435761u + 88172645463325252u;
	printf("fuzz: %d seeds, %ld rounds\n", n_seeds, rounds);
	fflush(stdout);
	for (int i = 0; i < n_seeds; i++)
		LLVMFuzzerTestOneInput(seeds[i].data, seeds[i].size);
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (; done < rounds; done++) {
		size_t size = mutate(input);
		uint8_t *exact = malloc(size ? size : 1); /* so that address sanitizer sees a read past the end */

		if (!exact)
			break;
		memcpy(exact, input, size);
		LLVMFuzzerTestOneInput(exact, size);
		free(exact);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (!rounds_text && now.tv_sec - start.tv_sec >= 10)
			break;
	}
	printf("fuzz: %ld rounds done\n", done);
	for (int i = 0; i < n_seeds; i++)
		free(seeds[i].data);
	free(input);
	return n_seeds ? 0 : (fprintf(stderr, "fuzz: no seeds in %s\n", argc > 1 ? argv[1] : "(no folder)"), 1);
}
