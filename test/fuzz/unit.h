/*
 * unit.h
 *		Counting of the unit tests' cases.
 */
#ifndef QBSYNC_TEST_UNIT_H
#define QBSYNC_TEST_UNIT_H

#include "postgres.h"

/* Count a case; prints where and which when it failed. */
extern void check_at(bool passed, const char *file, int line, const char *name);

#define CHECK(condition)	check_at((condition), __FILE__, __LINE__, #condition)
#define CHECK_NAMED(condition, name)	check_at((condition), __FILE__, __LINE__, (name))
#define SAME(a, b)			(strcmp((a), (b)) == 0)

extern void test_faults(void);
extern void test_limits(void);

#endif							/* QBSYNC_TEST_UNIT_H */
