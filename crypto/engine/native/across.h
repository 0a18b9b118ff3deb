/* One residue across the lanes: for what follows one after the other, such as the squarings of a single power.
 *
 * Digit i of a half is lane i mod 8 of vector i / 8. Both halves of a product run in step: the high one takes each
 * digit of the low one's quotient as soon as it is there (residues.h has the identity).
 */
#ifndef FEDTRAIN_ACROSS_H
#define FEDTRAIN_ACROSS_H

#include "kernel.h"
#include "residues.h"

#pragma GCC visibility push(hidden)

#define MOST_VECTORS ((MOST_HALF_DIGITS + LANES - 1) / LANES)

/* Beyond so many, a batch with empty lanes is faster than one after the other. */
#define MOST_ALONE 5

typedef struct {
    lanes half[2][MOST_VECTORS];
} across;

typedef struct {
    int digits, vectors;
    lanes modulus[MOST_VECTORS];
    uint64_t lowest, negative_inverse, lift[MOST_VECTORS * LANES];
} across_modulus;

/* The ring's only modulus. */
VECTOR void across_modulus_of(across_modulus *m, const ring *r);
VECTOR void across_load(across *x, const uint64_t *place, const across_modulus *m);
VECTOR void across_store(uint64_t *place, const across *x, const across_modulus *m);
/* r = x·y and r = r^(2^count); r may be x or y. */
VECTOR void across_multiply(across *r, const across *x, const across *y, const across_modulus *m);
VECTOR void across_square_times(across *r, int count, const across_modulus *m);

#pragma GCC visibility pop

#endif
