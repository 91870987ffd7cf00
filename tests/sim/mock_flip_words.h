/* How the mock Flip writes commands and times; shared by its parts. */
#ifndef HEARTH_SIM_MOCK_FLIP_WORDS_H
#define HEARTH_SIM_MOCK_FLIP_WORDS_H

#include "sim/mock_flip.h"

/** @form  'T', ' ' (both Z) or 'o' (-07:00); 0 ms is null */
void mock_flip_add_time(cJSON *o, const char *key, int64_t utc_ms, char form);
void mock_flip_add_window(cJSON *o, int64_t starts_ms, int64_t ends_ms, char form);
/** "" is null. */
void mock_flip_add_word(cJSON *o, const char *key, const char *word);
cJSON *mock_flip_command_json(const struct mock_command *c);

#endif
