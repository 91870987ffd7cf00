/* Reading a profile's JSON with its place in the file, for messages; shared by the two halves of the parser. */
#ifndef HEARTH_DRIVERS_PROFILE_READER_H
#define HEARTH_DRIVERS_PROFILE_READER_H

#include "core/json.h"
#include "drivers/profile.h"

struct parser {
	struct profile *p;
	struct errbuf *err;
	struct errbuf inner; /* what a getter said, before the path is put in front */
	char path[96];       /* "points[3]" */
};

/** Says "path.key: ..." and gives -EINVAL. */
int parser_refuse(struct parser *ps, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/** The same with what a json_get_... said in ps->inner. */
int parser_inner(struct parser *ps);

/* 0 or -EINVAL, explained. Absent is fine unless @need; *out is then untouched. */
int parser_int(struct parser *ps, const cJSON *o, const char *key, bool need, int range[2], int *out);
int parser_number(struct parser *ps, const cJSON *o, const char *key, double *out);
int parser_text(struct parser *ps, const cJSON *o, const char *key, bool need, char *out, size_t size);

/** A typing mistake in an optional key must not pass as "absent". */
int parser_keys(struct parser *ps, const cJSON *o, const char *const *known);

/** Runs @parse over the list at root[key], with ps->path set for each member. */
int parser_list(struct parser *ps, const cJSON *root, const char *key, int (*parse)(struct parser *, const cJSON *));

/** The optional key `when`; conditions do not chain. */
int parser_when(struct parser *ps, const cJSON *o, struct profile_when *when);

/** One command: profile_commands.c. */
int parser_command(struct parser *ps, const cJSON *o);

#endif
