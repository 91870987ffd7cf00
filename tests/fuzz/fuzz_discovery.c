/* What Home Assistant sets: an entity, a line break, the payload. Also taken as a discovery topic. */
#include "core/discovery.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char entity[512] = "", text[512] = "", device[DEVICE_ID_MAX], *end;
	struct errbuf err = { "" };
	const char *verb = NULL;
	AUTO_JSON *args = NULL;

	if (size >= sizeof(entity))
		return 0;
	memcpy(entity, data, size);
	end = strchr(entity, '\n');
	if (end) {
		*end = '\0';
		memcpy(text, end + 1, strlen(end + 1));
	}
	args = discovery_wish(entity, text, &verb, &err);
	if (args ? !verb || !cJSON_IsObject(args) : !err.text[0])
		abort();
	if (discovery_topic_device("homeassistant", "home", entity, device) && (!device[0] || strchr(device, '/')))
		abort();
	return 0;
}
