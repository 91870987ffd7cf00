/* The small arithmetic of profile files: numbers, names, + - * / and brackets. Pure, no allocation, bounded depth. */
#ifndef HEARTH_DRIVERS_EXPR_H
#define HEARTH_DRIVERS_EXPR_H

#include <stdbool.h>

#define EXPR_TEXT_MAX 96
#define EXPR_DEPTH_MAX 16
#define EXPR_NAME_MAX 40

/** Value of a name; false when there is none. */
typedef bool (*expr_lookup_fn)(void *context, const char *name, double *out);

/** 0; -EINVAL: not an expression; -ENOENT: a name without value; -ERANGE: the result is not finite. */
int expr_eval(const char *text, expr_lookup_fn lookup, void *context, double *out);

#endif
