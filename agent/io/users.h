/* Roles of bus users, kept as lines "name role" in $STATE_DIRECTORY/users. */
#ifndef HEARTH_IO_USERS_H
#define HEARTH_IO_USERS_H

#include <stddef.h>

/** Copies the role word of @name into @role; 0, or -ENOENT when the user (or the file) is unknown. */
int users_role(const char *state_dir, const char *name, char *role, size_t size);

#endif
