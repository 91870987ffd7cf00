/* See err.h. */
#include "core/err.h"

#include <stdarg.h>
#include <stdio.h>

int errbuf_set(struct errbuf *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}
