#include "montgomery.h"

#include <stddef.h>

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

/* Multiplier digits at a time: a column of sums is loaded and stored once for 4·ROWS multiply-adds and more. */
#define ROWS 2

/* `rows` digits of y into the columns from `sum` on, and as many of the quotient, which clear the lowest columns: what is
 * over there is carried into the first that remains. `terms` products x[t]·y[t] are summed; without one it reduces.
 * No column receives more than 6·digits summands of 52 bits beside its start: under 63 bits. */
INLINE void reduce_rows(lanes *sum, lanes *quotient, const int terms, const lanes *const x[2], const lanes *const y[2],
                        const int rows, const moduli *m) {
    const int digits = m->digits;
    const lanes *n = m->modulus, k = m->negative_inverse;
    lanes b[2][ROWS], q[ROWS], carry = zero();
    for (int t = 0; t < terms; t++)
        for (int i = 0; i < rows; i++) b[t][i] = y[t][i];
    for (int c = 0; c < rows; c++) {
        lanes column = sum[c];
        for (int i = 0; i < rows; i++) {
            for (int t = 0; t < terms; t++) {
                if (i <= c) column = madd_low(column, x[t][c - i], b[t][i]);
                if (i < c) column = madd_high(column, x[t][c - 1 - i], b[t][i]);
            }
        }
        for (int i = 0; i < rows; i++)
            if (i < c) column = madd_high(madd_low(column, n[c - i], q[i]), n[c - 1 - i], q[i]);
        column = add(column, carry);
        q[c] = both(madd_low(zero(), column, k), all(DIGIT_MASK));
        carry = carry_of(madd_low(column, n[0], q[c]));
        if (quotient) quotient[c] = q[c];
    }
    for (int j = rows; j < digits; j++) {
        lanes low = sum[j], high = zero();
        for (int i = 0; i < rows; i++) {
            for (int t = 0; t < terms; t++) {
                low = madd_low(low, x[t][j - i], b[t][i]);
                high = madd_high(high, x[t][j - 1 - i], b[t][i]);
            }
            low = madd_low(low, n[j - i], q[i]);
            high = madd_high(high, n[j - 1 - i], q[i]);
        }
        sum[j] = add(low, high);
    }
    for (int c = 0; c < rows; c++) {
        lanes column = sum[digits + c];
        for (int i = 0; i < rows; i++) {
            for (int t = 0; t < terms; t++) {
                if (i > c) column = madd_low(column, x[t][digits + c - i], b[t][i]);
                if (i >= c) column = madd_high(column, x[t][digits + c - 1 - i], b[t][i]);
            }
            if (i > c) column = madd_low(column, n[digits + c - i], q[i]);
            if (i >= c) column = madd_high(column, n[digits + c - 1 - i], q[i]);
        }
        sum[digits + c] = column;
    }
    sum[rows] = add(sum[rows], carry);
}

INLINE void reduce(lanes *r, lanes *sum, lanes *quotient, const int terms, const lanes *const x[2],
                   const lanes *const y[2], const moduli *m) {
    int i = 0;
#define REDUCE(rows)                                                                                                   \
    {                                                                                                                  \
        const lanes *from[2] = {terms > 0 ? y[0] + i : NULL, terms > 1 ? y[1] + i : NULL};                             \
        reduce_rows(sum + i, quotient ? quotient + i : NULL, terms, x, from, rows, m);                                 \
    }
    for (; i + ROWS <= m->digits; i += ROWS) REDUCE(ROWS)
    for (; i < m->digits; i++) REDUCE(1)
#undef REDUCE
    normalise(r, sum + m->digits, m->digits);
}

INLINE void begin(lanes *sum, const lanes *start, int digits) {
    for (int j = 0; j < digits; j++) {
        sum[j] = start ? start[j] : zero();
        sum[digits + j] = zero();
    }
}

VECTOR void montgomery_product(lanes *r, lanes *quotient, const lanes *start, const lanes *a, const lanes *b,
                               const moduli *m, scratch *work) {
    const lanes *const x[2] = {a, NULL}, *const y[2] = {b, NULL};
    begin(work->sum, start, m->digits);
    reduce(r, work->sum, quotient, 1, x, y, m);
}

VECTOR void montgomery_two_products(lanes *r, const lanes *start, const lanes *a, const lanes *b, const lanes *c,
                                    const lanes *d, const moduli *m, scratch *work) {
    const lanes *const x[2] = {a, c}, *const y[2] = {b, d};
    begin(work->sum, start, m->digits);
    reduce(r, work->sum, NULL, 2, x, y, m);
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
    lanes *sum = work->sum;
    for (int j = 0; j < 2 * digits + 2; j++) sum[j] = zero();
    different_digits(sum, a, digits);
    for (int j = 0; j < digits; j++) {
        sum[2 * j] = madd_low(doubled(sum[2 * j]), a[j], a[j]);
        sum[2 * j + 1] = madd_high(doubled(sum[2 * j + 1]), a[j], a[j]);
    }
    reduce(r, sum, quotient, 0, NULL, NULL, m);
}
