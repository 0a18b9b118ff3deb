/* Montgomery products of eight residues side by side, radix 2^52.
 *
 * A number is `digits` lanes, the lowest digit first: lane l of digit i is digit i of number l. R = 2^(52·digits), and
 * 16·m ≤ R, so that residues may stay below 2m from one product to the next and nothing is ever compared: what is
 * done depends on the shape alone. Source: Montgomery 1985; Gueron, Krasnov 2012 for the radix.
 */
#ifndef FEDTRAIN_MONTGOMERY_H
#define FEDTRAIN_MONTGOMERY_H

#include "lanes.h"

#pragma GCC visibility push(hidden)

/* Numbers of up to 8,264 bits. */
#define MOST_DIGITS 159

/* One modulus for each lane; they may differ. */
typedef struct {
    int digits;
    lanes modulus[MOST_DIGITS];
    lanes negative_inverse; /* −1/m mod 2^52 */
    lanes lift[MOST_DIGITS]; /* ⌈R/m⌉·m, each digit at least 2^52 − 1: what is taken from before a quotient is */
} moduli;

/* What a product needs beside its operands; holds secrets, and is wiped when it is given back. */
typedef struct {
    lanes sum[2 * MOST_DIGITS + 4];
    lanes quotient[MOST_DIGITS];
    lanes start[MOST_DIGITS];
    lanes low[MOST_DIGITS];
    lanes twice[MOST_DIGITS];
} scratch;

/* r = (start + a·b)/R mod m, below 2m where start + a·b is below R·m. `start`, digits of up to 54 bits, and `quotient`,
 * which receives q of start + a·b = r·R − q·m, may be NULL. r may be a or b. */
VECTOR void montgomery_product(lanes *r, lanes *quotient, const lanes *start, const lanes *a, const lanes *b,
                               const moduli *m, scratch *work);

/* r = (start + a·b + c·d)/R mod m, under the same conditions. */
VECTOR void montgomery_two_products(lanes *r, const lanes *start, const lanes *a, const lanes *b, const lanes *c,
                                    const lanes *d, const moduli *m, scratch *work);

/* r = a²/R mod m and the quotient, as montgomery_product has them, for a quarter less. */
VECTOR void montgomery_square(lanes *r, lanes *quotient, const lanes *a, const moduli *m, scratch *work);

#pragma GCC visibility pop

#endif
