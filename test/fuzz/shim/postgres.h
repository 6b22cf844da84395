/*
 * postgres.h (shim)
 *		As much of PostgreSQL's postgres.h as the pure-C modules need, so that they compile as host programs.
 *
 * Memory is malloc's, each block on its own, so that the address sanitizer sees every step beyond one; shim_reset()
 * frees all of it, as the reset of a memory context would.
 */
#ifndef SHIM_POSTGRES_H
#define SHIM_POSTGRES_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

typedef int16_t int16;
typedef int32_t int32;
typedef int64_t int64;
typedef uint8_t uint8;
typedef uint16_t uint16;
typedef uint32_t uint32;
typedef uint64_t uint64;
typedef unsigned int Oid;
typedef size_t Size;

#define INT64CONST(x)	(x##L)
#define UINT64CONST(x)	(x##UL)
#define PG_INT64_MAX	INT64_MAX
#define Assert(condition)	assert(condition)
#define StaticAssertDecl(condition, message)	_Static_assert(condition, message)
#define lengthof(array) (sizeof(array) / sizeof((array)[0]))
#define Min(x, y)		((x) < (y) ? (x) : (y))
#define Max(x, y)		((x) > (y) ? (x) : (y))
#define likely(x)		__builtin_expect((x) != 0, 1)
#define unlikely(x)		__builtin_expect((x) != 0, 0)

#define pg_strcasecmp	strcasecmp
#define pg_strncasecmp	strncasecmp

extern void *palloc(Size size);
extern void *palloc0(Size size);
extern void *repalloc(void *block, Size size);
extern char *pstrdup(const char *source);
extern void pfree(void *block);

/* Free everything that was palloc'd. */
extern void shim_reset(void);

#endif							/* SHIM_POSTGRES_H */
