/*
 * fuzz.h
 *		What a fuzz target gives: libFuzzer's entry point, and samples for fuzz_main.c to start from.
 */
#ifndef QBSYNC_FUZZ_H
#define QBSYNC_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const char *const fuzz_seeds[];
extern const size_t fuzz_seed_count;

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Stop with a report when something that must hold does not. */
#define HOLDS(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

#endif							/* QBSYNC_FUZZ_H */
