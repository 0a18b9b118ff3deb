/* Eight 64-bit lanes and the few operations on them that the kernel uses.
 *
 * AVX-512 IFMA where the compiler has it; with FEDTRAIN_STAND_IN the same in plain C, for tools that do not know these
 * instructions (valgrind) and for reading. Every function that uses lanes is marked VECTOR: the rest of the library
 * runs on any processor, and asks for the processor's features before it calls one.
 */
#ifndef FEDTRAIN_LANES_H
#define FEDTRAIN_LANES_H

#include <stdint.h>
#include <string.h>

#define DIGIT_BITS 52
#define DIGIT_MASK ((UINT64_C(1) << DIGIT_BITS) - 1)
#define LANES 8

#if !defined(FEDTRAIN_STAND_IN)
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define FEDTRAIN_IFMA 1
#endif
#endif

#if defined(FEDTRAIN_IFMA)

#include <immintrin.h>
#define VECTOR __attribute__((target("avx512f,avx512ifma")))
#define INLINE static inline __attribute__((always_inline)) VECTOR

typedef __m512i lanes;

INLINE lanes zero(void) { return _mm512_setzero_si512(); }
INLINE lanes all(uint64_t x) { return _mm512_set1_epi64((long long)x); }
INLINE lanes add(lanes a, lanes b) { return _mm512_add_epi64(a, b); }
INLINE lanes subtract(lanes a, lanes b) { return _mm512_sub_epi64(a, b); }
INLINE lanes both(lanes a, lanes b) { return _mm512_and_si512(a, b); }
INLINE lanes carry_of(lanes a) { return _mm512_srli_epi64(a, DIGIT_BITS); }
INLINE lanes doubled(lanes a) { return _mm512_slli_epi64(a, 1); }
/* a plus the low, or the high, 52 bits of the product of the low 52 bits of x and y. */
INLINE lanes madd_low(lanes a, lanes x, lanes y) { return _mm512_madd52lo_epu64(a, x, y); }
INLINE lanes madd_high(lanes a, lanes x, lanes y) { return _mm512_madd52hi_epu64(a, x, y); }
/* `there` in the lanes where a equals b, else `here`; without a branch. */
INLINE lanes where_equal(lanes a, lanes b, lanes here, lanes there) {
    return _mm512_mask_mov_epi64(here, _mm512_cmpeq_epi64_mask(a, b), there);
}
/* In each lane one of sixteen: the word of low and high that the index's last four bits name. */
INLINE lanes one_of(lanes index, lanes low, lanes high) { return _mm512_permutex2var_epi64(low, index, high); }
INLINE lanes load(const uint64_t *from) { return _mm512_loadu_si512(from); }
INLINE void store(uint64_t *to, lanes a) { _mm512_storeu_si512(to, a); }

/* What a number across the lanes needs. The first lane; every lane one down, the first of `above` in the last;
 * a[0] + x; and a bit for each lane whose digit is over 52 bits, or is all ones. */
INLINE uint64_t first(lanes a) { return (uint64_t)_mm_cvtsi128_si64(_mm512_castsi512_si128(a)); }
INLINE lanes one_down(lanes a, lanes above) { return _mm512_alignr_epi64(above, a, 1); }
INLINE lanes one_up(lanes a, lanes below) { return _mm512_alignr_epi64(a, below, 7); }
INLINE lanes add_first(lanes a, uint64_t x) {
    return _mm512_add_epi64(a, _mm512_zextsi128_si512(_mm_cvtsi64_si128((long long)x)));
}
INLINE unsigned beyond(lanes a) { return _mm512_cmpgt_epu64_mask(a, all(DIGIT_MASK)); }
INLINE unsigned brimful(lanes a) { return _mm512_cmpeq_epi64_mask(a, all(DIGIT_MASK)); }
INLINE lanes add_ones(lanes a, unsigned where) {
    return _mm512_mask_add_epi64(a, (__mmask8)where, a, _mm512_set1_epi64(1));
}

/* Rows to columns: word j of row l becomes lane l of row j. */
INLINE void transpose(lanes r[LANES]) {
    lanes a[LANES], b[LANES];
    for (int i = 0; i < LANES; i += 2) {
        a[i] = _mm512_unpacklo_epi64(r[i], r[i + 1]);
        a[i + 1] = _mm512_unpackhi_epi64(r[i], r[i + 1]);
    }
    for (int i = 0; i < LANES; i += 4) {
        for (int k = 0; k < 2; k++) {
            b[i + k] = _mm512_shuffle_i64x2(a[i + k], a[i + k + 2], 0x88);
            b[i + k + 2] = _mm512_shuffle_i64x2(a[i + k], a[i + k + 2], 0xdd);
        }
    }
    for (int k = 0; k < 4; k++) {
        r[k] = _mm512_shuffle_i64x2(b[k], b[k + 4], 0x88);
        r[k + 4] = _mm512_shuffle_i64x2(b[k], b[k + 4], 0xdd);
    }
}

#else

#define VECTOR
#define INLINE static inline

typedef struct {
    uint64_t lane[LANES];
} lanes;

#define EACH(expression)                                                                                               \
    lanes r;                                                                                                           \
    for (int l = 0; l < LANES; l++) r.lane[l] = (expression);                                                          \
    return r

INLINE lanes all(uint64_t x) { EACH(x); }
INLINE lanes zero(void) { return all(0); }
INLINE lanes add(lanes a, lanes b) { EACH(a.lane[l] + b.lane[l]); }
INLINE lanes subtract(lanes a, lanes b) { EACH(a.lane[l] - b.lane[l]); }
INLINE lanes both(lanes a, lanes b) { EACH(a.lane[l] & b.lane[l]); }
INLINE lanes carry_of(lanes a) { EACH(a.lane[l] >> DIGIT_BITS); }
INLINE lanes doubled(lanes a) { EACH(a.lane[l] << 1); }
__extension__ typedef unsigned __int128 wide;
#define PRODUCT ((wide)(x.lane[l] & DIGIT_MASK) * (y.lane[l] & DIGIT_MASK))
INLINE lanes madd_low(lanes a, lanes x, lanes y) { EACH(a.lane[l] + ((uint64_t)PRODUCT & DIGIT_MASK)); }
INLINE lanes madd_high(lanes a, lanes x, lanes y) { EACH(a.lane[l] + (uint64_t)(PRODUCT >> DIGIT_BITS)); }
INLINE lanes where_equal(lanes a, lanes b, lanes here, lanes there) {
    lanes r;
    for (int l = 0; l < LANES; l++) {
        const uint64_t differ = a.lane[l] ^ b.lane[l];
        /* All ones where nothing differs: (differ | −differ) has its top bit clear for 0 alone. */
        const uint64_t mask = ((differ | (0 - differ)) >> 63) - 1;
        r.lane[l] = (here.lane[l] & ~mask) | (there.lane[l] & mask);
    }
    return r;
}
INLINE lanes one_of(lanes index, lanes low, lanes high) {
    lanes r = zero();
    for (uint64_t i = 0; i < 2 * LANES; i++)
        r = where_equal(both(index, all(2 * LANES - 1)), all(i), r, all((i < LANES ? low : high).lane[i % LANES]));
    return r;
}
INLINE lanes load(const uint64_t *from) {
    lanes r;
    memcpy(&r, from, sizeof r);
    return r;
}
INLINE void store(uint64_t *to, lanes a) { memcpy(to, &a, sizeof a); }
INLINE uint64_t first(lanes a) { return a.lane[0]; }
INLINE lanes one_down(lanes a, lanes above) { EACH(l + 1 < LANES ? a.lane[l + 1] : above.lane[0]); }
INLINE lanes one_up(lanes a, lanes below) { EACH(l ? a.lane[l - 1] : below.lane[LANES - 1]); }
INLINE lanes add_first(lanes a, uint64_t x) { EACH(a.lane[l] + (l ? 0 : x)); }
INLINE unsigned beyond(lanes a) {
    unsigned bits = 0;
    for (int l = 0; l < LANES; l++) bits |= (unsigned)((DIGIT_MASK - a.lane[l]) >> 63) << l;
    return bits;
}
INLINE unsigned brimful(lanes a) {
    unsigned bits = 0;
    for (int l = 0; l < LANES; l++) bits |= (unsigned)(((a.lane[l] ^ DIGIT_MASK) - 1) >> 63) << l;
    return bits;
}
INLINE lanes add_ones(lanes a, unsigned where) { EACH(a.lane[l] + (where >> l & 1)); }
INLINE void transpose(lanes r[LANES]) {
    lanes copy[LANES];
    memcpy(copy, r, sizeof copy);
    for (int j = 0; j < LANES; j++)
        for (int l = 0; l < LANES; l++) r[j].lane[l] = copy[l].lane[j];
}

#endif
#endif
