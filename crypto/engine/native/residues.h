/* Residues modulo m², as pairs (x0, x1) that stand for x0 + x1·m, each half below 2m, in Montgomery form.
 *
 * A product modulo m² in the half size: x0·y0 = t·R − q·m, so that (x·y)/R = t + m·(x0·y1 + x1·y0 − q)/R mod m²: ten
 * half-size passes of multiply-adds in place of sixteen, seven for a square.
 *
 * Outside of the lanes an array of residues is `stride` words of 52 bits for each, the digits of x0, those of x1, and
 * zeros up to a multiple of eight.
 */
#ifndef FEDTRAIN_RESIDUES_H
#define FEDTRAIN_RESIDUES_H

#include <stddef.h>

#include "montgomery.h"

#pragma GCC visibility push(hidden)

#define MOST_HALF_DIGITS 79
#define MOST_WORDS 160

/* Digits of both halves: lane l belongs to residue l. */
typedef struct {
    lanes word[MOST_WORDS];
} residues;

static inline int stride_of(int digits) { return (2 * digits + LANES - 1) / LANES * LANES; }

/* r = x·y and r = x²; r may be x or y. */
VECTOR void multiply(residues *r, const residues *x, const residues *y, const moduli *m, scratch *work);
VECTOR void square(residues *r, const residues *x, const moduli *m, scratch *work);
VECTOR void square_times(residues *r, int count, const moduli *m, scratch *work);

/* The residues at the eight places, and back: those from `count` on are not written. */
VECTOR void gather(residues *r, const uint64_t *const places[LANES], int digits);
VECTOR void scatter(uint64_t *const places[LANES], const residues *r, int digits, int count);
/* Eight residues of an array from `at` on, and back; return how many there are. Lanes beyond repeat the first. */
VECTOR int gather_from(residues *r, const uint64_t *array, size_t at, size_t count, int digits);
VECTOR void scatter_to(uint64_t *array, const residues *r, size_t at, int here, int digits);
/* One residue in all lanes. */
VECTOR void spread(residues *r, const uint64_t *place, int digits);

#pragma GCC visibility pop

#endif
