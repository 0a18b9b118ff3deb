#include "montgomery.h"

/* Carries digits of up to 63 bits on, so that all but the last have 52. */
INLINE void normalise(lanes *r, const lanes *sum, int digits) {
    lanes carry = zero();
    const lanes mask = all(DIGIT_MASK);
    for (int j = 0; j < digits; j++) {
        const lanes digit = add(sum[j], carry);
        carry = carry_of(digit);
        r[j] = both(digit, mask);
    }
}

INLINE void begin(lanes *sum, const lanes *start, int digits) {
    if (start)
        memcpy(sum, start, sizeof(lanes) * (size_t)digits);
    else
        for (int j = 0; j < digits; j++) sum[j] = zero();
}

/* Two digits of b at a time: each sum is then loaded and stored once for eight multiply-adds. Row by row the sums move
 * down a digit, so that none receives more than 6·digits summands of 52 bits beside its start: under 63 bits. */
VECTOR void montgomery_product(lanes *r, lanes *quotient, const lanes *start, const lanes *a, const lanes *b,
                               const moduli *m, scratch *work) {
    const int digits = m->digits;
    const lanes *n = m->modulus, k = m->negative_inverse, z = zero(), mask = all(DIGIT_MASK);
    lanes *sum = work->sum;
    begin(sum, start, digits);
    int i = 0;
    for (; i + 1 < digits; i += 2) {
        const lanes b0 = b[i], b1 = b[i + 1];
        lanes t0 = madd_low(sum[0], a[0], b0);
        const lanes q0 = both(madd_low(z, t0, k), mask);
        t0 = madd_low(t0, n[0], q0);
        lanes t1 = madd_high(madd_low(sum[1], a[1], b0), a[0], b0);
        t1 = madd_high(madd_low(t1, n[1], q0), n[0], q0);
        t1 = madd_low(add(t1, carry_of(t0)), a[0], b1);
        const lanes q1 = both(madd_low(z, t1, k), mask);
        const lanes carry = carry_of(madd_low(t1, n[0], q1));
        if (quotient) {
            quotient[i] = q0;
            quotient[i + 1] = q1;
        }
        for (int j = 2; j < digits; j++) {
            lanes x = madd_low(sum[j], a[j], b0), y = madd_high(z, a[j - 1], b0);
            x = madd_low(x, n[j], q0);
            y = madd_high(y, n[j - 1], q0);
            x = madd_low(x, a[j - 1], b1);
            y = madd_high(y, a[j - 2], b1);
            x = madd_low(x, n[j - 1], q1);
            y = madd_high(y, n[j - 2], q1);
            sum[j - 2] = add(x, y);
        }
        sum[0] = add(sum[0], carry);
        lanes x = madd_high(madd_high(z, a[digits - 1], b0), n[digits - 1], q0);
        x = madd_low(madd_low(x, a[digits - 1], b1), n[digits - 1], q1);
        sum[digits - 2] = madd_high(madd_high(x, a[digits - 2], b1), n[digits - 2], q1);
        sum[digits - 1] = madd_high(madd_high(z, a[digits - 1], b1), n[digits - 1], q1);
    }
    if (i < digits) {
        const lanes b0 = b[i];
        lanes t0 = madd_low(sum[0], a[0], b0);
        const lanes q0 = both(madd_low(z, t0, k), mask);
        const lanes carry = carry_of(madd_low(t0, n[0], q0));
        if (quotient) quotient[i] = q0;
        for (int j = 1; j < digits; j++) {
            lanes x = madd_low(madd_low(sum[j], a[j], b0), n[j], q0);
            sum[j - 1] = madd_high(madd_high(x, a[j - 1], b0), n[j - 1], q0);
        }
        sum[0] = add(sum[0], carry);
        sum[digits - 1] = madd_high(madd_high(z, a[digits - 1], b0), n[digits - 1], q0);
    }
    normalise(r, sum, digits);
}

VECTOR void montgomery_two_products(lanes *r, const lanes *start, const lanes *a, const lanes *b, const lanes *c,
                                    const lanes *d, const moduli *m, scratch *work) {
    const int digits = m->digits;
    const lanes *n = m->modulus, k = m->negative_inverse, z = zero(), mask = all(DIGIT_MASK);
    lanes *sum = work->sum;
    begin(sum, start, digits);
    int i = 0;
    for (; i + 1 < digits; i += 2) {
        const lanes b0 = b[i], b1 = b[i + 1], d0 = d[i], d1 = d[i + 1];
        lanes t0 = madd_low(madd_low(sum[0], a[0], b0), c[0], d0);
        const lanes q0 = both(madd_low(z, t0, k), mask);
        t0 = madd_low(t0, n[0], q0);
        lanes t1 = madd_high(madd_low(sum[1], a[1], b0), a[0], b0);
        t1 = madd_high(madd_low(t1, c[1], d0), c[0], d0);
        t1 = madd_high(madd_low(t1, n[1], q0), n[0], q0);
        t1 = madd_low(madd_low(add(t1, carry_of(t0)), a[0], b1), c[0], d1);
        const lanes q1 = both(madd_low(z, t1, k), mask);
        const lanes carry = carry_of(madd_low(t1, n[0], q1));
        for (int j = 2; j < digits; j++) {
            lanes x = madd_low(sum[j], a[j], b0), y = madd_high(z, a[j - 1], b0);
            x = madd_low(x, c[j], d0);
            y = madd_high(y, c[j - 1], d0);
            x = madd_low(x, n[j], q0);
            y = madd_high(y, n[j - 1], q0);
            x = madd_low(x, a[j - 1], b1);
            y = madd_high(y, a[j - 2], b1);
            x = madd_low(x, c[j - 1], d1);
            y = madd_high(y, c[j - 2], d1);
            x = madd_low(x, n[j - 1], q1);
            y = madd_high(y, n[j - 2], q1);
            sum[j - 2] = add(x, y);
        }
        sum[0] = add(sum[0], carry);
        const lanes al = a[digits - 1], cl = c[digits - 1], nl = n[digits - 1];
        lanes x = madd_high(madd_high(madd_high(z, al, b0), cl, d0), nl, q0);
        x = madd_low(madd_low(madd_low(x, al, b1), cl, d1), nl, q1);
        x = madd_high(madd_high(x, a[digits - 2], b1), c[digits - 2], d1);
        sum[digits - 2] = madd_high(x, n[digits - 2], q1);
        sum[digits - 1] = madd_high(madd_high(madd_high(z, al, b1), cl, d1), nl, q1);
    }
    if (i < digits) {
        const lanes b0 = b[i], d0 = d[i];
        lanes t0 = madd_low(madd_low(sum[0], a[0], b0), c[0], d0);
        const lanes q0 = both(madd_low(z, t0, k), mask);
        const lanes carry = carry_of(madd_low(t0, n[0], q0));
        for (int j = 1; j < digits; j++) {
            lanes x = madd_low(madd_low(madd_low(sum[j], a[j], b0), c[j], d0), n[j], q0);
            x = madd_high(madd_high(x, a[j - 1], b0), c[j - 1], d0);
            sum[j - 1] = madd_high(x, n[j - 1], q0);
        }
        sum[0] = add(sum[0], carry);
        const lanes x = madd_high(madd_high(z, a[digits - 1], b0), c[digits - 1], d0);
        sum[digits - 1] = madd_high(x, n[digits - 1], q0);
    }
    normalise(r, sum, digits);
}

/* Every product of two different digits once, two digits at a time: with i, column c = i + j has the low half of
 * a[i]·a[j] and the high half of a[i]·a[j − 1]; with i + 1, the low half of a[i + 1]·a[j − 1] and the high one of
 * a[i + 1]·a[j − 2]. */
INLINE void different_digits(lanes *sum, const lanes *a, int digits) {
    int i = 0;
    for (; i + 3 < digits; i += 2) {
        const lanes x = a[i], y = a[i + 1];
        lanes *column = sum + i;
        column[i + 1] = madd_low(column[i + 1], x, y);
        column[i + 2] = madd_high(madd_low(column[i + 2], x, a[i + 2]), x, y);
        column[i + 3] = madd_low(madd_high(madd_low(column[i + 3], x, a[i + 3]), x, a[i + 2]), y, a[i + 2]);
        for (int j = i + 4; j < digits; j++) {
            const lanes low = madd_low(madd_low(column[j], x, a[j]), y, a[j - 1]);
            column[j] = add(low, madd_high(madd_high(zero(), x, a[j - 1]), y, a[j - 2]));
        }
        const lanes last = madd_low(madd_high(column[digits], x, a[digits - 1]), y, a[digits - 1]);
        column[digits] = madd_high(last, y, a[digits - 2]);
        column[digits + 1] = madd_high(column[digits + 1], y, a[digits - 1]);
    }
    for (; i + 1 < digits; i++) {
        for (int j = i + 1; j < digits; j++) {
            sum[i + j] = madd_low(sum[i + j], a[i], a[j]);
            sum[i + j + 1] = madd_high(sum[i + j + 1], a[i], a[j]);
        }
    }
}

VECTOR void montgomery_square(lanes *r, lanes *quotient, const lanes *a, const moduli *m, scratch *work) {
    const int digits = m->digits;
    const lanes *n = m->modulus, k = m->negative_inverse, z = zero(), mask = all(DIGIT_MASK);
    lanes *sum = work->sum;
    for (int j = 0; j < 2 * digits + 2; j++) sum[j] = z;
    different_digits(sum, a, digits);
    for (int j = 0; j < digits; j++) {
        sum[2 * j] = madd_low(doubled(sum[2 * j]), a[j], a[j]);
        sum[2 * j + 1] = madd_high(doubled(sum[2 * j + 1]), a[j], a[j]);
    }
    int i = 0;
    for (; i + 1 < digits; i += 2) {
        lanes *column = sum + i;
        const lanes q0 = both(madd_low(z, column[0], k), mask);
        const lanes t0 = madd_low(column[0], n[0], q0);
        lanes t1 = madd_high(madd_low(column[1], n[1], q0), n[0], q0);
        t1 = add(t1, carry_of(t0));
        const lanes q1 = both(madd_low(z, t1, k), mask);
        const lanes carry = carry_of(madd_low(t1, n[0], q1));
        if (quotient) {
            quotient[i] = q0;
            quotient[i + 1] = q1;
        }
        for (int j = 2; j < digits; j++) {
            const lanes low = madd_low(madd_low(column[j], n[j], q0), n[j - 1], q1);
            column[j] = add(low, madd_high(madd_high(z, n[j - 1], q0), n[j - 2], q1));
        }
        const lanes last = madd_low(madd_high(column[digits], n[digits - 1], q0), n[digits - 1], q1);
        column[digits] = madd_high(last, n[digits - 2], q1);
        column[digits + 1] = madd_high(column[digits + 1], n[digits - 1], q1);
        column[2] = add(column[2], carry);
    }
    if (i < digits) {
        lanes *column = sum + i;
        const lanes q0 = both(madd_low(z, column[0], k), mask);
        if (quotient) quotient[i] = q0;
        const lanes carry = carry_of(madd_low(column[0], n[0], q0));
        for (int j = 1; j < digits; j++) column[j] = madd_high(madd_low(column[j], n[j], q0), n[j - 1], q0);
        column[digits] = madd_high(column[digits], n[digits - 1], q0);
        column[1] = add(column[1], carry);
    }
    normalise(r, sum + digits, digits);
}
