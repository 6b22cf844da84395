/*
 * fuzz_main.c
 *		A small mutating driver for fuzz targets, for compilers without libFuzzer.
 *
 * usage: fuzz_x [iterations [seed]]
 *
 * Each iteration takes a sample of the target's corpus, changes it in up to eight places (flip, overwrite, insert, delete,
 * repeat, cut, splice with another sample, insert a hostile token) and hands it over in a block of exactly its size, so
 * that the address sanitizer sees every read beyond.  The seed is printed first: with it a failure repeats.
 */
#include "fuzz.h"

#include <time.h>

#define MAX_INPUT 65536

static const char *const tokens[] = {
	"\"Id\"", "\"SyncToken\"", "\"MetaData\"", "\"QueryResponse\":", "\"CDCResponse\":[", "\"Fault\":{", "\"fault\":null",
	"\"error\":[", "\"code\":\"5010\"", "errorCode=003200;", "\\u0000", "\\ud800", "\\udc00", "\\ud83d\\ude00", "\\\"", "\\",
	"{", "}", "[", "]", ":", ",", "\"", "null", "true", "false", "-", "0", "1e999999999", "-0.0e-401", ".5", "\xC3\xA9", "\xC0\x80",
	"\xED\xA0\x80", "\xF4\x90\x80\x80", "\xEF\xBB\xBF", "\x01", "[[[[[[[[[[[[[[[[", "{\"a\":{\"a\":{\"a\":", " ", "\n",
	"<Error code=\"3200\">", "<title>", "9223372036854775808"
};

static uint64_t state;

static size_t
random_below(size_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return limit == 0 ? 0 : (size_t) (state >> 11) % limit;
}

/* Replace `removed` bytes at `where` by others; returns the new length. */
static size_t
splice(uint8_t *data, size_t len, size_t where, size_t removed, const void *bytes, size_t added)
{
	if (removed > len - where)
		removed = len - where;
	if (len - removed + added > MAX_INPUT)
		return len;
	memmove(data + where + added, data + where + removed, len - where - removed);
	memcpy(data + where, bytes, added);
	return len - removed + added;
}

static size_t
mutate(uint8_t *data, size_t len)
{
	uint8_t		copy[256];
	const char *other;
	size_t		where = random_below(len + 1);
	size_t		count = 1 + random_below(random_below(8) == 0 ? sizeof(copy) : 8);

	switch (random_below(8))
	{
		case 0:
			if (where < len)
				data[where] ^= (uint8_t) (1 << random_below(8));
			return len;
		case 1:
			if (where < len)
				data[where] = (uint8_t) random_below(256);
			return len;
		case 2:
			copy[0] = (uint8_t) random_below(256);
			return splice(data, len, where, 0, copy, 1);
		case 3:
			return splice(data, len, where, count, copy, 0);
		case 4:
			count = count < len - where ? count : len - where;
			memcpy(copy, data + where, count);
			return splice(data, len, where, 0, copy, count);
		case 5:
			return random_below(4) == 0 ? where : len;
		case 6:
			other = fuzz_seeds[random_below(fuzz_seed_count)];
			count = random_below(strlen(other) + 1);
			return splice(data, len, where, random_below(2) * count, other + count, strlen(other) - count);
		default:
			other = tokens[random_below(sizeof(tokens) / sizeof(tokens[0]))];
			return splice(data, len, where, random_below(2) * strlen(other), other, strlen(other));
	}
}

int
main(int argc, char **argv)
{
	static uint8_t data[MAX_INPUT];
	long		iterations = argc > 1 ? atol(argv[1]) : 20000;
	uint64_t	seed = argc > 2 ? strtoull(argv[2], NULL, 0) : (uint64_t) time(NULL);

	printf("%s: %ld iterations, seed %llu\n", argv[0], iterations, (unsigned long long) seed);
	fflush(stdout);
	state = seed * 2654435761u + 1;
	for (long i = 0; i < iterations; i++)
	{
		const char *sample = fuzz_seeds[i % fuzz_seed_count];
		size_t		len = strlen(sample);
		uint8_t    *input;

		memcpy(data, sample, len);
		if (i >= (long) fuzz_seed_count)
		{
			for (size_t change = random_below(8) + 1; change > 0; change--)
				len = mutate(data, len);
		}
		input = malloc(len > 0 ? len : 1);
		memcpy(input, data, len);
		LLVMFuzzerTestOneInput(input, len);
		free(input);
	}
	return 0;
}
