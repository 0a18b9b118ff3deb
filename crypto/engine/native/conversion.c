#include "conversion.h"

#include "memory.h"

static uint64_t negative_inverse(uint64_t m) {
    uint64_t inverse = m; /* right in 3 bits for odd m; each step doubles them */
    for (int i = 0; i < 5; i++) inverse *= 2 - m * inverse;
    return (0 - inverse) & DIGIT_MASK;
}

VECTOR void moduli_of(moduli *m, const ring *r) {
    m->digits = r->digits;
    uint64_t first[LANES], column[LANES], digits[2][2][MOST_DIGITS];
    for (int which = 0; which < r->count; which++) {
        const uint8_t *numbers = r->numbers + (size_t)which * NUMBERS_OF_A_RING * (size_t)r->width;
        digits_of(digits[which][0], r->digits, numbers, r->width);
        digits_of(digits[which][1], r->digits, numbers + r->width, r->width);
    }
    for (int j = 0; j < r->digits; j++) {
        for (int l = 0; l < LANES; l++) column[l] = digits[l % r->count][0][j];
        m->modulus[j] = load(column);
        /* ⌈R/m⌉·m = R + what was given: R is shared out, so that each digit has 2^52 − 1 and the lowest one more. */
        for (int l = 0; l < LANES; l++) column[l] = digits[l % r->count][1][j] + DIGIT_MASK + (j == 0);
        m->lift[j] = load(column);
    }
    for (int l = 0; l < LANES; l++) first[l] = negative_inverse(digits[l % r->count][0][0]);
    m->negative_inverse = load(first);
    wipe(digits, sizeof digits);
    wipe(column, sizeof column);
}

void pair_of(uint64_t *place, const ring *r, int which, int number) {
    const uint8_t *at = r->numbers + ((size_t)which * NUMBERS_OF_A_RING + (size_t)number) * (size_t)r->width;
    memset(place, 0, sizeof(uint64_t) * (size_t)stride_of(r->digits));
    digits_of(place, r->digits, at, r->width);
    digits_of(place + r->digits, r->digits, at + r->width, r->width);
}

static VECTOR void pairs_in_lanes(residues *out, const ring *r, int number) {
    uint64_t pair[2][MOST_WORDS];
    const uint64_t *places[LANES];
    for (int which = 0; which < r->count; which++) pair_of(pair[which], r, which, number);
    for (int l = 0; l < LANES; l++) places[l] = pair[l % r->count];
    gather(out, places, r->digits);
}

VECTOR void ones_of(residues *one, const ring *r) { pairs_in_lanes(one, r, RING_ONE); }

typedef struct {
    moduli m;
    scratch work;
    residues x, y;
    uint64_t words[LANES][MOST_WORDS];
} conversion;

VECTOR int to_montgomery(uint64_t *out, const uint8_t *pairs, size_t count, const ring *r) {
    conversion *c = reserve(sizeof *c);
    if (!c) return -1;
    moduli_of(&c->m, r);
    pairs_in_lanes(&c->y, r, RING_SQUARE);
    for (size_t at = 0; at < count; at += LANES) {
        const int here = count - at < LANES ? (int)(count - at) : LANES;
        const uint64_t *places[LANES];
        for (int l = 0; l < LANES; l++) {
            const uint8_t *pair = pairs + (at + (size_t)(l < here ? l : 0)) * 2 * (size_t)r->width;
            memset(c->words[l], 0, sizeof c->words[l]);
            digits_of(c->words[l], r->digits, pair, r->width);
            digits_of(c->words[l] + r->digits, r->digits, pair + r->width, r->width);
            places[l] = c->words[l];
        }
        gather(&c->x, places, r->digits);
        multiply(&c->x, &c->x, &c->y, &c->m, &c->work);
        scatter_to(out, &c->x, at, here, r->digits);
    }
    give_back(c, sizeof *c);
    return 0;
}

VECTOR int from_montgomery(uint8_t *pairs, const uint64_t *in, size_t count, const ring *r) {
    conversion *c = reserve(sizeof *c);
    if (!c) return -1;
    moduli_of(&c->m, r);
    for (int j = 0; j < 2 * r->digits; j++) c->y.word[j] = all(j == 0);
    for (size_t at = 0; at < count; at += LANES) {
        const int here = gather_from(&c->x, in, at, count, r->digits);
        uint64_t *results[LANES];
        for (int l = 0; l < LANES; l++) results[l] = c->words[l];
        multiply(&c->x, &c->x, &c->y, &c->m, &c->work);
        scatter(results, &c->x, r->digits, here);
        for (int l = 0; l < here; l++) {
            uint8_t *pair = pairs + (at + (size_t)l) * 2 * (size_t)r->width;
            bytes_of(pair, r->width, c->words[l], r->digits);
            bytes_of(pair + r->width, r->width, c->words[l] + r->digits, r->digits);
        }
    }
    give_back(c, sizeof *c);
    return 0;
}
