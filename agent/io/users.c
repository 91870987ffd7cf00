/* See users.h. */
#include "io/users.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* One line, cut to the buffer; the rest of a longer one is skipped, or the tail of a comment could be read as a role. */
static int next_line(FILE *f, char *line, size_t size)
{
	int c = '\n';

	if (!fgets(line, (int)size, f))
		return 0;
	if (!strchr(line, '\n'))
		while ((c = getc(f)) != EOF && c != '\n')
			;
	return 1;
}

int users_role(const char *state_dir, const char *name, char *role, size_t size)
{
	char path[512], line[160], who[64], what[32];
	int found = -ENOENT;
	FILE *f;

	snprintf(path, sizeof(path), "%s/users", state_dir);
	f = fopen(path, "re");
	if (!f)
		return -ENOENT;
	while (found < 0 && next_line(f, line, sizeof(line)))
		if (line[0] != '#' && sscanf(line, "%63s %31s", who, what) == 2 && !strcmp(who, name)) {
			snprintf(role, size, "%s", what);
			found = 0;
		}
	fclose(f);
	return found;
}
