/* What io/store.h says of logs, reads and counts, as tests that the store on disk (test_store_logs) and the one in memory
 * (test_store_fake) both pass. The including test defines `contract`, setup and teardown. */
#ifndef HEARTH_TESTS_STORE_CONTRACT_H
#define HEARTH_TESTS_STORE_CONTRACT_H

#include "io/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

struct contract {
	struct store *(*store)(void);
	void (*pump)(void);    /* until all that waits is answered */
	void (*restart)(void); /* a clean end and a new beginning, if it can */
};
extern const struct contract contract;

void contract_refused(void **state);
void contract_reads(void **state);
void contract_order(void **state);
void contract_long_rows(void **state);
void contract_all_waiting(void **state);
void contract_random_walk(void **state);

#define CONTRACT_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define CONTRACT_TESTS                                                                                                      \
	CONTRACT_TEST(contract_refused), CONTRACT_TEST(contract_reads), CONTRACT_TEST(contract_order),                       \
		CONTRACT_TEST(contract_long_rows), CONTRACT_TEST(contract_all_waiting), CONTRACT_TEST(contract_random_walk)

#endif
