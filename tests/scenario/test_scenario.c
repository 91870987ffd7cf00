/* Plays every scenario file of the folder, or the files given; -v prints a line a tick. */
#include "support/scenario.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#define FILES_MAX 128

static int play(const char *path, bool verbose)
{
	static struct scenario sc;
	struct scenario_result result;
	char error[200];

	if (scenario_read(path, &sc, error, sizeof(error))) {
		printf("not ok %s: %s\n", path, error);
		return 1;
	}
	scenario_run(&sc, verbose ? stdout : NULL, &result);
	if (result.what[0])
		printf("not ok %s (%s): tick %d: %s\n", path, sc.name, result.tick, result.what);
	else
		printf("ok %s: %s\n", path, sc.name);
	for (int i = 0; i < sc.n_limits; i++)
		printf("   %-6s %-12s device %d: %10.2f  (%g..%g)\n", sc.limit[i].take, sc.limit[i].of, sc.limit[i].device, sc.limit[i].result,
		       sc.limit[i].min, sc.limit[i].max);
	return result.what[0] != '\0';
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

int main(int argc, char **argv)
{
	static char files[FILES_MAX][512];
	bool verbose = argc > 1 && !strcmp(argv[1], "-v");
	int n = 0, failed = 0;
	struct dirent *e;
	DIR *dir;

	for (int i = 1 + verbose; i < argc; i++)
		failed += play(argv[i], verbose);
	if (argc > 1 + verbose)
		return failed ? 1 : 0;
	dir = opendir(HEARTH_SOURCE_DIR "/tests/scenario");
	while (dir && (e = readdir(dir)))
		if (n < FILES_MAX && strlen(e->d_name) > 5 && !strcmp(e->d_name + strlen(e->d_name) - 5, ".json"))
			snprintf(files[n++], sizeof(files[0]), "%s/%s", HEARTH_SOURCE_DIR "/tests/scenario", e->d_name);
	if (dir)
		closedir(dir);
	qsort(files, (size_t)n, sizeof(files[0]), by_name);
	for (int i = 0; i < n; i++)
		failed += play(files[i], verbose);
	printf("%d scenarios, %d failed\n", n, failed);
	return failed || n == 0;
}
