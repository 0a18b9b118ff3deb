#include "across.h"

#include "conversion.h"
#include "memory.h"

/* Digits of up to 63 bits to 52. After one step of carries none is beyond 52 bits by more than one; what then ripples
 * is the addition of two numbers with a bit for each digit. */
INLINE void ripple(lanes *r, const lanes *sum, int vectors) {
    lanes below = zero();
    unsigned __int128 over = 0, full = 0;
    for (int v = 0; v < vectors; v++) {
        const lanes carry = carry_of(sum[v]);
        r[v] = add(both(sum[v], all(DIGIT_MASK)), one_up(carry, below));
        below = carry;
        over |= (unsigned __int128)beyond(r[v]) << (LANES * v);
        full |= (unsigned __int128)brimful(r[v]) << (LANES * v);
    }
    const unsigned __int128 carries = (full + (over << 1)) ^ full;
    for (int v = 0; v < vectors; v++)
        r[v] = both(add_ones(r[v], (unsigned)(carries >> (LANES * v)) & 0xff), all(DIGIT_MASK));
}

/* r = x·y: low = x0·y0, high = x0·y1 + x1·y0 − quotient. For a square, y1 is NULL and x1 has been doubled. */
INLINE void in_step(across *r, const lanes *x0, const lanes *x1, const uint64_t *y0, const uint64_t *y1,
                    const across_modulus *m, const int vectors) {
    lanes low[MOST_VECTORS], high[MOST_VECTORS];
    const lanes *n = m->modulus;
    const uint64_t k = m->negative_inverse, lowest = m->lowest;
    for (int v = 0; v < vectors; v++) low[v] = high[v] = zero();
    for (int i = 0; i < m->digits; i++) {
        const lanes b = all(y0[i]), c = y1 ? all(y1[i]) : zero();
        for (int v = 0; v < vectors; v++) low[v] = madd_low(low[v], x0[v], b);
        const uint64_t t = first(low[0]), q = t * k & DIGIT_MASK;
        for (int v = 0; v < vectors; v++) {
            high[v] = madd_low(high[v], x1[v], b);
            if (y1) high[v] = madd_low(high[v], x0[v], c);
        }
        const uint64_t u = first(high[0]) + m->lift[i] - q, p = u * k & DIGIT_MASK;
        const lanes ql = all(q), qh = all(p);
        for (int v = 0; v < vectors; v++) low[v] = madd_low(low[v], n[v], ql);
        for (int v = 0; v < vectors; v++) high[v] = madd_low(high[v], n[v], qh);
        for (int v = 0; v < vectors; v++) {
            low[v] = one_down(low[v], v + 1 < vectors ? low[v + 1] : zero());
            high[v] = one_down(high[v], v + 1 < vectors ? high[v + 1] : zero());
        }
        /* What the lowest digit, now zero in its 52 bits, carries on. */
        low[0] = add_first(low[0], (t + (lowest * q & DIGIT_MASK)) >> DIGIT_BITS);
        high[0] = add_first(high[0], (u + (lowest * p & DIGIT_MASK)) >> DIGIT_BITS);
        for (int v = 0; v < vectors; v++) low[v] = madd_high(madd_high(low[v], x0[v], b), n[v], ql);
        for (int v = 0; v < vectors; v++) {
            high[v] = madd_high(madd_high(high[v], x1[v], b), n[v], qh);
            if (y1) high[v] = madd_high(high[v], x0[v], c);
        }
    }
    ripple(r->half[0], low, vectors);
    ripple(r->half[1], high, vectors);
}

/* The same code for each number of vectors, so that the compiler knows it and keeps them in registers. */
#define FOR_EACH_SIZE(vectors, call)                                                                                   \
    switch (vectors) {                                                                                                 \
    case 1: call(1); break;                                                                                            \
    case 2: call(2); break;                                                                                            \
    case 3: call(3); break;                                                                                            \
    case 4: call(4); break;                                                                                            \
    case 5: call(5); break;                                                                                            \
    case 6: call(6); break;                                                                                            \
    case 7: call(7); break;                                                                                            \
    case 8: call(8); break;                                                                                            \
    case 9: call(9); break;                                                                                            \
    default: call(10); break;                                                                                          \
    }

INLINE void digits_in_order(uint64_t *digits, const lanes *half, int vectors) {
    for (int v = 0; v < vectors; v++) store(digits + LANES * v, half[v]);
}

INLINE void square_once(across *r, const across_modulus *m, const int vectors) {
    uint64_t digits[MOST_VECTORS * LANES];
    lanes twice[MOST_VECTORS], sum[MOST_VECTORS];
    digits_in_order(digits, r->half[0], vectors);
    for (int v = 0; v < vectors; v++) sum[v] = doubled(r->half[1][v]);
    ripple(twice, sum, vectors);
    in_step(r, r->half[0], twice, digits, NULL, m, vectors);
}

VECTOR void across_square_times(across *r, int count, const across_modulus *m) {
#define SQUARE(vectors)                                                                                                \
    for (int i = 0; i < count; i++) square_once(r, m, vectors)
    FOR_EACH_SIZE(m->vectors, SQUARE)
}

VECTOR void across_multiply(across *r, const across *x, const across *y, const across_modulus *m) {
    uint64_t digits[2][MOST_VECTORS * LANES];
    digits_in_order(digits[0], y->half[0], m->vectors);
    digits_in_order(digits[1], y->half[1], m->vectors);
#define MULTIPLY(vectors) in_step(r, x->half[0], x->half[1], digits[0], digits[1], m, vectors)
    FOR_EACH_SIZE(m->vectors, MULTIPLY)
}

VECTOR void across_modulus_of(across_modulus *m, const ring *r) {
    moduli all_lanes;
    uint64_t digits[MOST_VECTORS * LANES] = {0};
    moduli_of(&all_lanes, r);
    m->digits = r->digits;
    m->vectors = (r->digits + LANES - 1) / LANES;
    for (int i = 0; i < r->digits; i++) {
        digits[i] = first(all_lanes.modulus[i]);
        m->lift[i] = first(all_lanes.lift[i]);
    }
    for (int v = 0; v < m->vectors; v++) m->modulus[v] = load(digits + LANES * v);
    m->lowest = digits[0];
    m->negative_inverse = first(all_lanes.negative_inverse);
}

VECTOR void across_load(across *x, const uint64_t *place, const across_modulus *m) {
    for (int h = 0; h < 2; h++) {
        uint64_t digits[MOST_VECTORS * LANES] = {0};
        memcpy(digits, place + h * m->digits, sizeof(uint64_t) * (size_t)m->digits);
        for (int v = 0; v < m->vectors; v++) x->half[h][v] = load(digits + LANES * v);
    }
}

VECTOR void across_store(uint64_t *place, const across *x, const across_modulus *m) {
    memset(place, 0, sizeof(uint64_t) * (size_t)stride_of(m->digits));
    for (int h = 0; h < 2; h++) {
        uint64_t digits[MOST_VECTORS * LANES];
        digits_in_order(digits, x->half[h], m->vectors);
        memcpy(place + h * m->digits, digits, sizeof(uint64_t) * (size_t)m->digits);
    }
}
