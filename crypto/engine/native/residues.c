#include "residues.h"

/* lift − quotient, digit by digit: none is negative. */
INLINE void lifted(lanes *start, const lanes *quotient, const moduli *m) {
    for (int j = 0; j < m->digits; j++) start[j] = subtract(m->lift[j], quotient[j]);
}

VECTOR void multiply(residues *r, const residues *x, const residues *y, const moduli *m, scratch *work) {
    const int d = m->digits;
    montgomery_product(work->low, work->quotient, NULL, x->word, y->word, m, work);
    lifted(work->start, work->quotient, m);
    montgomery_two_products(r->word + d, work->start, x->word, y->word + d, x->word + d, y->word, m, work);
    memcpy(r->word, work->low, sizeof(lanes) * (size_t)d);
}

VECTOR void square(residues *r, const residues *x, const moduli *m, scratch *work) {
    const int d = m->digits;
    montgomery_square(work->low, work->quotient, x->word, m, work);
    lifted(work->start, work->quotient, m);
    lanes carry = zero();
    for (int j = 0; j < d; j++) {
        const lanes digit = add(doubled(x->word[d + j]), carry);
        carry = carry_of(digit);
        work->twice[j] = both(digit, all(DIGIT_MASK));
    }
    montgomery_product(r->word + d, NULL, work->start, work->twice, x->word, m, work);
    memcpy(r->word, work->low, sizeof(lanes) * (size_t)d);
}

VECTOR void square_times(residues *r, int count, const moduli *m, scratch *work) {
    for (int i = 0; i < count; i++) square(r, r, m, work);
}

VECTOR void gather(residues *r, const uint64_t *const places[LANES], int digits) {
    const int stride = stride_of(digits);
    for (int j = 0; j < stride; j += LANES) {
        for (int l = 0; l < LANES; l++) r->word[j + l] = load(places[l] + j);
        transpose(r->word + j);
    }
}

VECTOR void scatter(uint64_t *const places[LANES], const residues *r, int digits, int count) {
    const int stride = stride_of(digits);
    for (int j = 0; j < stride; j += LANES) {
        lanes block[LANES];
        for (int l = 0; l < LANES; l++) block[l] = j + l < 2 * digits ? r->word[j + l] : zero();
        transpose(block);
        for (int l = 0; l < count; l++) store(places[l] + j, block[l]);
    }
}

VECTOR int gather_from(residues *r, const uint64_t *array, size_t at, size_t count, int digits) {
    const int here = count - at < LANES ? (int)(count - at) : LANES;
    const uint64_t *places[LANES];
    for (int l = 0; l < LANES; l++) places[l] = array + (at + (size_t)(l < here ? l : 0)) * (size_t)stride_of(digits);
    gather(r, places, digits);
    return here;
}

VECTOR void scatter_to(uint64_t *array, const residues *r, size_t at, int here, int digits) {
    uint64_t *places[LANES];
    for (int l = 0; l < here; l++) places[l] = array + (at + (size_t)l) * (size_t)stride_of(digits);
    for (int l = here; l < LANES; l++) places[l] = NULL;
    scatter(places, r, digits, here);
}

VECTOR void spread(residues *r, const uint64_t *place, int digits) {
    for (int j = 0; j < 2 * digits; j++) r->word[j] = all(place[j]);
}
