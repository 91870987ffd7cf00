/* Every driver hands the timeout of its device on with every batch, and nothing of a batch built before. */
#include "drivers/registry.h"
#include "support/fake_unit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void test_timeout_goes_with_the_batch(void **state)
{
	static const int timeouts[] = { 0, 50, 10000 };
	size_t len;
	char *json = fake_profile("eastron-sdm630", &len);

	(void)state;
	for (int i = 0; DRIVERS[i]; i++)
		for (size_t k = 0; k < sizeof(timeouts) / sizeof(timeouts[0]); k++) {
			struct driver_options o = fake_options("t", 10);
			struct device_state device = { 0 };
			struct errbuf err = { "" };
			struct batch batch = { .timeout_ms = 77 };
			void *self = calloc(1, DRIVERS[i]->size);

			o.profile_json = json;
			o.profile_json_len = len;
			o.timeout_ms = timeouts[k];
			if (DRIVERS[i]->init(self, &o, &device, &err))
				fail_msg("%s: %s", DRIVERS[i]->name, err.text);
			DRIVERS[i]->plan(self, 1000, &batch);
			assert_in_range(batch.n, 1, BATCH_REQUESTS_MAX);
			assert_int_equal(batch.timeout_ms, timeouts[k]);
			if (DRIVERS[i]->deinit)
				DRIVERS[i]->deinit(self);
			free(self);
		}
	free(json);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_timeout_goes_with_the_batch) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
