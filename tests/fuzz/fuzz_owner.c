/* The stored form of the owner's settings, as a damaged disk might hold it: what is taken must be what is written again. */
#include "core/owner.h"

#include <stdlib.h>
#include <string.h>

#define NOW 1768500000000LL

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_JSON *j = json_parse((const char *)data, size, 65536, 16, NULL), *k = NULL, *l = NULL;
	AUTO_TEXT *a = NULL, *b = NULL;
	struct owner o, p;

	if (!j)
		return 0;
	owner_decode(j, &o, NULL); /* in any case @o is what can be read */
	k = owner_encode(&o);
	if (owner_decode(k, &p, NULL) < 0)
		abort();
	l = owner_encode(&p);
	a = cJSON_PrintUnformatted(k);
	b = cJSON_PrintUnformatted(l);
	if (!a || !b || strcmp(a, b) != 0)
		abort();
	if (!(owner_reserve(&o, 20) >= 0 && owner_reserve(&o, 20) <= 100))
		abort();
	owner_expire(&o, NOW);
	return 0;
}
