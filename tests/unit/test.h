/* SPDX-License-Identifier: MIT */
/* What every unit test includes: cmocka with the headers that it wants before itself. */
#ifndef TESTS_UNIT_TEST_H
#define TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#ifdef NDEBUG
#error "tests need assert()"
#endif

#endif
