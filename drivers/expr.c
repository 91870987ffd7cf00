/* See expr.h. Recursive descent; the depth is counted, so hostile text cannot exhaust the stack. */
#include "drivers/expr.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct expr {
	const char *at;
	expr_lookup_fn lookup;
	void *context;
	int depth;
	int error;
};

static double fail(struct expr *e, int error)
{
	if (!e->error)
		e->error = error;
	return 0;
}

static char peek(struct expr *e)
{
	while (*e->at == ' ')
		e->at++;
	return *e->at;
}

static double name(struct expr *e)
{
	char text[EXPR_NAME_MAX];
	size_t n = 0;
	double v = 0;

	while (isalnum((unsigned char)*e->at) || *e->at == '_') {
		if (n == sizeof(text) - 1)
			return fail(e, -EINVAL);
		text[n++] = *e->at++;
	}
	text[n] = '\0';
	return e->lookup(e->context, text, &v) ? v : fail(e, -ENOENT);
}

enum level { LEVEL_SUM, LEVEL_PRODUCT, LEVEL_ATOM };

static bool operator_at(struct expr *e, enum level level, char *op)
{
	*op = peek(e);
	return !e->error && (level == LEVEL_SUM ? *op == '+' || *op == '-' : *op == '*' || *op == '/');
}

/* The whole grammar in one function, because it is a circle: an atom may be a bracket with a sum inside. */
static double value(struct expr *e, enum level level)
{
	double v;
	char op;

	if (level != LEVEL_ATOM) {
		v = value(e, level + 1);
		while (operator_at(e, level, &op)) {
			double right;

			e->at++;
			right = value(e, level + 1);
			v = op == '+' ? v + right : op == '-' ? v - right : op == '*' ? v * right : v / right;
		}
		return v;
	}
	op = peek(e);
	if (e->error || ++e->depth > EXPR_DEPTH_MAX)
		return fail(e, -EINVAL);
	if (op == '-') {
		e->at++;
		v = -value(e, LEVEL_ATOM);
	} else if (op == '(') {
		e->at++;
		v = value(e, LEVEL_SUM);
		if (peek(e) != ')')
			return fail(e, -EINVAL);
		e->at++;
	} else if (isdigit((unsigned char)op)) {
		char *end;

		v = strtod(e->at, &end);
		e->at = end;
	} else if (isalpha((unsigned char)op) || op == '_') {
		v = name(e);
	} else {
		return fail(e, -EINVAL);
	}
	e->depth--;
	return v;
}

int expr_eval(const char *text, expr_lookup_fn lookup, void *context, double *out)
{
	struct expr e = { .at = text, .lookup = lookup, .context = context };
	double v = value(&e, LEVEL_SUM);

	if (e.error)
		return e.error;
	if (peek(&e) != '\0')
		return -EINVAL;
	if (!isfinite(v))
		return -ERANGE;
	*out = v;
	return 0;
}
