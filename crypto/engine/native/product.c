/* Products of many ordinary numbers under one modulus: each factor goes in as it is, and the powers of R that the
 * products took away come back with one more. */
#include "conversion.h"
#include "memory.h"

typedef struct {
    moduli m;
    scratch work;
    lanes value[MOST_DIGITS], factor[MOST_DIGITS];
    uint64_t words[LANES][MOST_DIGITS + LANES];
} multiplying;

/* The eight numbers at the places, to lanes. */
INLINE void read(lanes *value, uint64_t words[LANES][MOST_DIGITS + LANES], const uint8_t *const places[LANES],
                 int digits, int width) {
    for (int l = 0; l < LANES; l++) digits_of(words[l], digits, places[l], width);
    for (int j = 0; j < digits; j++) {
        uint64_t column[LANES];
        for (int l = 0; l < LANES; l++) column[l] = words[l][j];
        value[j] = load(column);
    }
}

VECTOR int product(uint8_t *out, const uint8_t *numbers, size_t columns, size_t rows, const uint8_t *modulus, int digits,
                   int width) {
    multiplying *p = reserve(sizeof *p);
    if (!p) return -1;
    const size_t w = (size_t)width;
    const ring r = {1, digits, width, modulus};
    moduli_of(&p->m, &r);
    for (size_t at = 0; at < columns; at += LANES) {
        const int here = columns - at < LANES ? (int)(columns - at) : LANES;
        const uint8_t *places[LANES];
        for (size_t i = 0; i <= rows; i++) {
            for (int l = 0; l < LANES; l++) {
                const size_t column = at + (size_t)(l < here ? l : 0);
                places[l] = i < rows ? numbers + (column * rows + i) * w : modulus + 2 * w;
            }
            read(p->factor, p->words, places, digits, width);
            if (i == 0)
                memcpy(p->value, p->factor, sizeof p->value);
            else
                montgomery_product(p->value, NULL, NULL, p->value, p->factor, &p->m, &p->work);
        }
        for (int j = 0; j < digits; j++) {
            uint64_t column[LANES];
            store(column, p->value[j]);
            for (int l = 0; l < LANES; l++) p->words[l][j] = column[l];
        }
        for (int l = 0; l < here; l++) bytes_of(out + (at + (size_t)l) * w, width, p->words[l], digits);
    }
    give_back(p, sizeof *p);
    return 0;
}
