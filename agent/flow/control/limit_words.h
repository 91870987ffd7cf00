/* What people are told beside the state of a limit: that a pause does not keep it, that another source's took its place. */
#ifndef HEARTH_FLOW_CONTROL_LIMIT_WORDS_H
#define HEARTH_FLOW_CONTROL_LIMIT_WORDS_H

#include "core/limit_input.h"

#include <stddef.h>

#define LIMIT_WORDS_MAX 360

struct hub;

/** The owner has paused everything. */
bool limit_words_paused(const struct hub *h);
/** Which limits, from outside (@v) and the site's own, a pause does not keep; false: there is no pause, or no limit. */
bool limit_words_pause(const struct hub *h, const struct limit_view *v, char *out, size_t size);
/** Whose looser limit replaced whose tighter one, that would still stand; false: none did. */
bool limit_words_looser(const struct hub *h, const struct limit_input *in, enum limit_direction side, char *out, size_t size);

#endif
