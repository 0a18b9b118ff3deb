/* The operations behind the engine's seam, over arrays of residues in memory (residues.h has their layout).
 *
 * They run without Python, and several threads may run them on different parts of an array. Scratch memory is theirs
 * and wiped; each returns 0, or −1 where there is no memory.
 */
#ifndef FEDTRAIN_KERNEL_H
#define FEDTRAIN_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden)

/* One or two moduli m: residue i belongs to modulus i mod `count`. Numbers are little endian, `width` bytes each. */
typedef struct {
    int count;
    int digits;
    int width;
    /* For each modulus: m, ⌈R/m⌉·m − R, R mod m² as a pair, R² mod m² as a pair. */
    const uint8_t *numbers;
} ring;
#define NUMBERS_OF_A_RING 6

/* Little-endian exponents, `words` 64-bit words each: one for every residue, or one for all (`shared`). */
typedef struct {
    const uint64_t *words;
    int words_each;
    int bits;
    int shared;
} exponents;

static inline uint64_t window_of(const uint64_t *words, int bits, int at, int window_bits) {
    const int first = at >> 6, shift = at & 63, here = bits - at < window_bits ? bits - at : window_bits;
    uint64_t digit = words[first] >> shift;
    if (shift + here > 64) digit |= words[first + 1] << (64 - shift);
    return digit & ((UINT64_C(1) << here) - 1);
}

/* Pairs of numbers below 2m to Montgomery form, and back (to pairs below 2m, of x0 + x1·m mod m²). */
int to_montgomery(uint64_t *out, const uint8_t *pairs, size_t count, const ring *r);
int from_montgomery(uint8_t *pairs, const uint64_t *residues, size_t count, const ring *r);

/* out[i] = in[i]^exponent_i by windows of `window_bits`. With `secret`, every entry of the table is read each time and
 * the memory that is touched does not depend on the exponents. */
int powers_of(uint64_t *out, const uint64_t *in, size_t count, const exponents *e, int window_bits, int secret,
              const ring *r);

/* Entry [i][digit] = base^(digit·2^(window_bits·i)). With `secret`, for windows of LEAST_SECRET_WINDOW_BITS and more,
 * word j of it stands at [i][j][digit]: what reads all of them then reads them eight at a time. */
#define LEAST_SECRET_WINDOW_BITS 4
int fixed_base_table(uint64_t *table, const uint64_t *base, int positions, int window_bits, int secret, const ring *r);
/* out[i·segments + s]: the factor of exponent i that part s of its windows makes, so that few exponents fill the lanes;
 * `count` is that of the factors. With `secret`, the table is a secret one, and segments must be 1. */
int fixed_base_powers(uint64_t *out, const uint64_t *table, size_t count, const exponents *e, int window_bits,
                      int segments, int secret, const ring *r);

/* Joint tables (Straus 1964): bases in groups of `group_size`, whose last may be short; entry [g][index] is the
 * product of the group's bases to the digits that make up the index, the first base's lowest. */
int joint_tables(uint64_t *tables, const uint64_t *bases, size_t count, int group_size, int window_bits,
                 const ring *r);
/* out[i·segments + s]: of row i the factor that part s of the groups makes, over all positions; part 0 starts from
 * first^(2^first_squarings). `indices` is [rows][positions][groups], the highest position first; `count` is that of
 * the factors. */
int joint_products(uint64_t *out, const uint64_t *tables, const uint64_t *first, int first_squarings,
                   const uint16_t *indices, size_t count, int positions, size_t groups, int segments, int group_size,
                   int window_bits, const ring *r);

/* out[g] = Π_t in[g·size + t]^(2^(shift_bits·t)); the last group may be short. */
int horner(uint64_t *out, const uint64_t *in, size_t count, size_t size, int shift_bits, const ring *r);

/* out[c] = Π_i numbers[c·rows + i] mod m: ordinary numbers below m, of one modulus that need not be a square.
 * `modulus`: m, zero, R^rows mod m. */
int product(uint8_t *out, const uint8_t *numbers, size_t columns, size_t rows, const uint8_t *modulus, int digits,
            int width);

#pragma GCC visibility pop

#endif
