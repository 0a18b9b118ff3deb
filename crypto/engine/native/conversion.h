/* Numbers as bytes to digits of 52 bits, and a ring's numbers to what products need. */
#ifndef FEDTRAIN_CONVERSION_H
#define FEDTRAIN_CONVERSION_H

#include "kernel.h"
#include "residues.h"

#pragma GCC visibility push(hidden)

static inline void digits_of(uint64_t *digits, int count, const uint8_t *bytes, int width) {
    for (int i = 0; i < count; i++) {
        const int bit = i * DIGIT_BITS, first = bit / 8, shift = bit % 8;
        uint64_t word = 0;
        for (int b = 0; b < 8 && first + b < width; b++) word |= (uint64_t)bytes[first + b] << (8 * b);
        digits[i] = word >> shift & DIGIT_MASK;
    }
}

static inline void bytes_of(uint8_t *bytes, int width, const uint64_t *digits, int count) {
    memset(bytes, 0, (size_t)width);
    for (int i = 0; i < count; i++) {
        const int bit = i * DIGIT_BITS, first = bit / 8;
        const uint64_t word = digits[i] << bit % 8;
        for (int b = 0; b < 8 && first + b < width; b++) bytes[first + b] |= (uint8_t)(word >> (8 * b));
    }
}

VECTOR void moduli_of(moduli *m, const ring *r);
/* One of a ring's numbers of modulus `which`, pairs as a residue. */
void pair_of(uint64_t *place, const ring *r, int which, int number);
VECTOR void ones_of(residues *one, const ring *r);

#define RING_ONE 2
#define RING_SQUARE 4

#pragma GCC visibility pop

#endif
