/* The store in memory does what the store on disk does, or the tests of flow would prove nothing. */
#include "support/fake_store.h"
#include "support/store_contract.h"

static struct store *the_store(void)
{
	return NULL;
}

static void pump(void)
{
	fake_commit(0);
}

static void restart(void)
{
}

const struct contract contract = { the_store, pump, restart };

static int setup(void **state)
{
	(void)state;
	fake_clear();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_commit(-ECANCELED);
	fake_clear();
	return 0;
}

static void no_rows(void *context, const struct store_row *rows, int n)
{
	(void)rows;
	*(int *)context = n;
}

static void no_summary(void *context, const struct store_summary *s, int status)
{
	assert_null(s);
	*(int *)context = status;
}

/* Trouble on demand: at the call, in the answer, and for all that is under way when it is closed. */
static void test_injected(void **state)
{
	const struct store_query q = { .table = STORE_HISTORY, .max_rows = 1 };
	int rows = 99, status = 99;

	(void)state;
	fake_read_error = -EAGAIN;
	assert_int_equal(store_read(NULL, &q, no_rows, &rows), -EAGAIN);
	assert_int_equal(store_summarize(NULL, STORE_HISTORY, no_summary, &status), -EAGAIN);
	assert_int_equal(fake_n_queue, 0);
	fake_read_error = 0;
	fake_read_status = -EIO;
	assert_int_equal(store_read(NULL, &q, no_rows, &rows), 0);
	assert_int_equal(store_summarize(NULL, STORE_HISTORY, no_summary, &status), 0);
	fake_commit_some(1, 0);
	assert_int_equal(rows, -EIO);
	assert_int_equal(status, 99);
	fake_commit(0);
	assert_int_equal(status, -EIO);
	fake_read_status = 0;
	assert_int_equal(store_read(NULL, &q, no_rows, &rows), 0);
	fake_commit(-EIO); /* that is said of transactions */
	assert_int_equal(rows, 0);
	assert_int_equal(store_read(NULL, &q, no_rows, &rows), 0);
	fake_commit(-ECANCELED);
	assert_int_equal(rows, -ECANCELED);
}

int main(void)
{
	const struct CMUnitTest tests[] = { CONTRACT_TESTS, CONTRACT_TEST(test_injected) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
