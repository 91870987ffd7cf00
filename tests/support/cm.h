/* cmocka with what it needs before it, and doubles compared to 0.5 (powers are whole watts to us). */
#ifndef HEARTH_TESTS_CM_H
#define HEARTH_TESTS_CM_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>

#define assert_near(is, must) \
	do { \
		double is_ = (is), must_ = (must); \
		if (!(is_ == must_ || fabs(is_ - must_) <= 0.5)) \
			fail_msg("%s is %f, must be %f", #is, is_, must_); \
	} while (0)

#define assert_row(row, condition) \
	do { \
		if (!(condition)) \
			fail_msg("row '%s': %s", row, #condition); \
	} while (0)

#define assert_row_near(row, is, must) \
	do { \
		double is_ = (is), must_ = (must); \
		if (!(is_ == must_ || fabs(is_ - must_) <= 0.5)) \
			fail_msg("row '%s': %s is %f, must be %f", row, #is, is_, must_); \
	} while (0)

#endif
