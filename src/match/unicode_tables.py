#!/usr/bin/env python3
"""Writes unicode_tables.h from the Unicode data of Python: python3 unicode_tables.py > unicode_tables.h

Only code points that are their own compatibility decomposition are looked at: normalize.c asks behind NFKD.
"""
import unicodedata

# Diacritics that any letter can carry, and points that Hebrew, Arabic and Syriac are usually written without.  Marks of other
# scripts are vowels and the like: without them different words would be the same.
MARKS = [(0x300, 0x36F), (0x483, 0x489), (0x591, 0x5BD), (0x5BF, 0x5BF), (0x5C1, 0x5C2), (0x5C4, 0x5C5), (0x5C7, 0x5C7),
         (0x610, 0x61A), (0x640, 0x640), (0x64B, 0x65F), (0x670, 0x670), (0x6D6, 0x6DC), (0x6DF, 0x6E4), (0x6E7, 0x6E8),
         (0x6EA, 0x6ED), (0x711, 0x711), (0x730, 0x74A), (0x8CA, 0x8E1), (0x8E3, 0x8FF), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF),
         (0x20D0, 0x20FF), (0xA66F, 0xA672), (0xA674, 0xA67D), (0xA69E, 0xA69F), (0xFE00, 0xFE0F), (0xFE20, 0xFE2F),
         (0xE0100, 0xE01EF)]
# Letters that people use as apostrophes and primes.
APOSTROPHES = set(range(0x2B9, 0x2BF + 1)) | {0x2C8, 0x2CA, 0x2CB, 0x2EE, 0xA78B, 0xA78C}
# Latin letters with a stroke and the like, which Unicode does not take apart, as they are written without.
LETTERS = {'ı': 'i', 'ø': 'o', 'ł': 'l', 'đ': 'd', 'ð': 'd', 'ħ': 'h', 'ŧ': 't', 'þ': 'th', 'æ': 'ae', 'œ': 'oe', 'ĸ': 'k',
           'ƀ': 'b', 'ɨ': 'i', 'ɵ': 'o', 'ʉ': 'u', 'ƶ': 'z', 'ǥ': 'g', 'ȷ': 'j', 'ŋ': 'n'}


def in_marks(cp):
    return any(a <= cp <= b for a, b in MARKS)


def stable(cp):
    return not 0xD800 <= cp <= 0xDFFF and unicodedata.normalize('NFKD', chr(cp)) == chr(cp)


def kind(cp):
    """i: ignored, b: a blank, ' ': never asked for, '': a letter or digit."""
    category = unicodedata.category(chr(cp))
    if not stable(cp):
        return ' '
    if in_marks(cp) or category == 'Cf':
        return 'i'
    if category[0] in 'PSZ' or category == 'Cc' or cp in APOSTROPHES:
        return 'b'
    return ''


def fold(cp):
    folded = chr(cp).casefold()
    folded = ''.join(LETTERS.get(c, c) for c in folded)
    return ''.join(c for c in unicodedata.normalize('NFKD', folded) if not in_marks(ord(c)))


def ranges(wanted, kinds):
    found, start, last = [], None, None
    for cp, k in enumerate(kinds):
        if k == wanted:
            start = cp if start is None else start
            last = cp
        elif k != ' ' and start is not None:
            found.append((start, last))
            start = None
    if start is not None:
        found.append((start, last))
    return found


def fold_ranges():
    single, several = [], []
    for cp in range(0x80, 0x110000):
        if kinds[cp] != '' or fold(cp) == chr(cp):
            continue
        folded = fold(cp)
        if len(folded) != 1:
            several.append((cp, folded))
            continue
        delta = ord(folded) - cp
        if single and single[-1][3] == delta and cp - single[-1][1] in (1, 2) \
                and single[-1][2] in (0, cp - single[-1][1]):
            first, last, step, d = single[-1]
            single[-1] = (first, cp, cp - last, d)
        else:
            single.append((cp, cp, 0, delta))
    return single, several


def table(head, comment, rows):
    print('\n/* %s */\nstatic const %s[] = {' % (comment, head))
    line = '\t'
    for row in rows:
        if len(line) + len(row) > 115:
            print(line.rstrip())
            line = '\t'
        line += row + ', '
    print(line.rstrip().rstrip(',') + '\n};')


kinds = [kind(cp) for cp in range(0x110000)]
single, several = fold_ranges()
print('''/*
 * unicode_tables.h
 *		Which code points make a name what it is, for normalize.c.  Made by unicode_tables.py from Unicode %s.
 *
 * They are asked for behind NFKD, so that what NFKD takes apart does not appear.
 */
#ifndef QBSYNC_UNICODE_TABLES_H
#define QBSYNC_UNICODE_TABLES_H

typedef struct UnicodeRange
{
	unsigned int first;
	unsigned int last;
} UnicodeRange;

/* Every step-th code point from first to last becomes the one delta further on. */
typedef struct UnicodeFold
{
	unsigned int first;
	unsigned int last;
	int			step;
	int			delta;
} UnicodeFold;

typedef struct UnicodeFoldMany
{
	unsigned int code;
	const char *folded;			/* UTF-8 */
} UnicodeFoldMany;''' % unicodedata.unidata_version)
table('UnicodeRange unicode_ignored', 'Diacritics, points, what only formats.',
      ['{0x%X, 0x%X}' % r for r in ranges('i', kinds)])
table('UnicodeRange unicode_blank', 'Punctuation, symbols, blanks, control characters.',
      ['{0x%X, 0x%X}' % r for r in ranges('b', kinds)])
table('UnicodeFold unicode_fold', 'Without case, and Latin letters without their stroke.',
      ['{0x%X, 0x%X, %d, %d}' % (a, b, s or 1, d) for a, b, s, d in single])
table('UnicodeFoldMany unicode_fold_many', 'The same, where several letters come of one.',
      ['{0x%X, "%s"}' % (cp, ''.join(c if c.isascii() else ''.join('\\x%02x' % b for b in c.encode()) for c in s))
       for cp, s in several])
print('\n#endif\t\t\t\t\t\t\t/* QBSYNC_UNICODE_TABLES_H */')
