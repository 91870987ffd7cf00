/* Roles of bus users: long lines, comments, cut files. Nobody gets a role from the tail of something else. */
#include "io/users.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define X10 "xxxxxxxxxx"
#define X150 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10 X10

static const struct { const char *name, *text; const char *role; /* of eve; NULL = none */ } ROWS[] = {
	{ "empty", "", NULL },
	{ "a comment's tail", "# " X150 "xxxxxxx" "eve owner\n", NULL }, /* the buffer ends just before the name */
	{ "a comment's tail without an end", "# " X150 "xxxxxxx" "eve owner", NULL },
	{ "a very long comment", "# " X150 X150 X150 X150 "xxxxxxx eve owner\n", NULL },
	{ "another user's long line", "bob viewer " X150 " eve owner eve owner\nbob viewer\n", NULL },
	{ "after a long line", "# " X150 X150 "\neve owner\n", "owner" },
	{ "after a line as long as the buffer", "# " X150 "xxxxxxx\neve viewer\n", "viewer" },
	{ "only a name", "eve\n", NULL },
	{ "name at the end of the file", "bob owner\neve", NULL },
	{ "commented out", "#eve owner\n", NULL },
	{ "the first counts", "eve viewer\neve owner\n", "viewer" },
	{ "no newline at the end", "bob owner\neve installer", "installer" },
	{ "another case", "Eve owner\n", NULL },
	{ "blanks", "  eve\t owner  # a note\n", "owner" },
};

static void test_rows(void **state)
{
	char folder[] = "/tmp/hearth-users-XXXXXX", path[64], role[32];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/users", folder);
	assert_int_equal(users_role(folder, "eve", role, sizeof(role)), -ENOENT);
	for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
		FILE *f = fopen(path, "w");
		int r;

		assert_non_null(f);
		fputs(ROWS[i].text, f);
		fclose(f);
		role[0] = '\0';
		r = users_role(folder, "eve", role, sizeof(role));
		if (r != (ROWS[i].role ? 0 : -ENOENT) || strcmp(role, ROWS[i].role ? ROWS[i].role : "") != 0)
			fail_msg("%s: %d '%s'", ROWS[i].name, r, role);
	}
	unlink(path);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
