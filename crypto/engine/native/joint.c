/* Matrix times encrypted vector: joint tables that all rows share, and packing into slots by Horner's rule. */
#include "across.h"
#include "conversion.h"
#include "memory.h"

typedef struct {
    moduli m;
    scratch work;
    residues sum, entry, base;
} joining;

/* One group's table after the other, eight of its entries at a time. */
VECTOR int joint_tables(uint64_t *tables, const uint64_t *bases, size_t count, int group_size, int window_bits,
                        const ring *r) {
    joining *s = reserve(sizeof *s);
    if (!s) return -1;
    const size_t stride = (size_t)stride_of(r->digits), a_table = stride << (group_size * window_bits);
    const size_t size = (size_t)group_size, groups = (count + size - 1) / size;
    uint64_t one[MOST_WORDS];
    pair_of(one, r, 0, RING_ONE);
    moduli_of(&s->m, r);
    for (size_t g = 0; g < groups; g++) {
        uint64_t *table = tables + g * a_table;
        memcpy(table, one, stride * sizeof(uint64_t));
        for (size_t k = 0; k < size; k++) {
            const size_t base = g * size + k;
            spread(&s->base, base < count ? bases + base * stride : one, r->digits);
            /* What the bases before this one fill, times each power of this one. */
            const size_t filled = (size_t)1 << (k * (size_t)window_bits);
            for (size_t digit = 1; digit < (size_t)1 << window_bits; digit++) {
                for (size_t low = 0; low < filled; low += LANES) {
                    const uint64_t *from = table + ((digit - 1) * filled + low) * stride;
                    const int here = gather_from(&s->entry, from, 0, filled - low, r->digits);
                    multiply(&s->sum, &s->entry, &s->base, &s->m, &s->work);
                    scatter_to(table + (digit * filled + low) * stride, &s->sum, 0, here, r->digits);
                }
            }
        }
    }
    give_back(s, sizeof *s);
    return 0;
}

VECTOR int joint_products(uint64_t *out, const uint64_t *tables, const uint64_t *first, int first_squarings,
                          const uint16_t *indices, size_t count, int positions, size_t groups, int segments,
                          int group_size, int window_bits, const ring *r) {
    joining *s = reserve(sizeof *s);
    if (!s) return -1;
    const size_t stride = (size_t)stride_of(r->digits), a_table = stride << (group_size * window_bits);
    const size_t parts = (size_t)segments, groups_each = (groups + parts - 1) / parts;
    uint64_t begin[2][MOST_WORDS];
    pair_of(begin[0], r, 0, RING_ONE);
    moduli_of(&s->m, r);
    spread(&s->base, first, r->digits);
    square_times(&s->base, first_squarings, &s->m, &s->work);
    uint64_t *to[LANES] = {begin[1]};
    scatter(to, &s->base, r->digits, 1);
    for (size_t at = 0; at < count; at += LANES) {
        const int here = count - at < LANES ? (int)(count - at) : LANES;
        const uint64_t *places[LANES];
        for (int l = 0; l < LANES; l++) places[l] = begin[(at + (size_t)l) % parts == 0];
        gather(&s->sum, places, r->digits);
        /* The first group of each lane, and where its indices stand. */
        size_t begins[LANES];
        const uint16_t *row[LANES];
        for (int l = 0; l < LANES; l++) {
            const size_t which = at + (size_t)(l < here ? l : 0);
            begins[l] = which % parts * groups_each;
            row[l] = indices + which / parts * (size_t)positions * groups;
        }
        for (int i = 0; i < positions; i++) {
            if (i) square_times(&s->sum, window_bits, &s->m, &s->work);
            for (size_t g = 0; g < groups_each; g++) {
                for (int l = 0; l < LANES; l++) {
                    const size_t group = begins[l] + g;
                    places[l] = group < groups ? tables + group * a_table + row[l][group] * stride : begin[0];
                }
                gather(&s->entry, places, r->digits);
                /* The tables are larger than a cache: what comes next is fetched while this is multiplied. */
                for (int l = 0; l < LANES; l++) {
                    const size_t group = begins[l] + (g + 1 < groups_each ? g + 1 : 0);
                    const uint16_t *next = row[l] + (g + 1 < groups_each || i + 1 == positions ? 0 : groups);
                    if (group < groups) fetch(tables + group * a_table + next[group] * stride, stride);
                }
                multiply(&s->sum, &s->sum, &s->entry, &s->m, &s->work);
            }
            for (int l = 0; l < LANES; l++) row[l] += groups;
        }
        scatter_to(out, &s->sum, at, here, r->digits);
    }
    give_back(s, sizeof *s);
    return 0;
}

/* One group after the other, across the lanes. */
static VECTOR void horner_alone(uint64_t *out, const uint64_t *in, size_t count, int shift_bits,
                                const across_modulus *m) {
    const size_t stride = (size_t)stride_of(m->digits);
    across sum, entry;
    across_load(&sum, in + (count - 1) * stride, m);
    for (size_t t = count - 1; t-- > 0;) {
        across_square_times(&sum, shift_bits, m);
        across_load(&entry, in + t * stride, m);
        across_multiply(&sum, &sum, &entry, m);
    }
    across_store(out, &sum, m);
}

VECTOR int horner(uint64_t *out, const uint64_t *in, size_t count, size_t size, int shift_bits, const ring *r) {
    joining *s = reserve(sizeof *s);
    if (!s) return -1;
    const size_t stride = (size_t)stride_of(r->digits), groups = (count + size - 1) / size;
    uint64_t one[MOST_WORDS];
    pair_of(one, r, 0, RING_ONE);
    moduli_of(&s->m, r);
    const size_t alone = groups % LANES > MOST_ALONE ? 0 : groups % LANES;
    for (size_t at = 0; at < groups - alone; at += LANES) {
        const int here = groups - at < LANES ? (int)(groups - at) : LANES;
        spread(&s->sum, one, r->digits);
        for (size_t t = size; t-- > 0;) {
            const uint64_t *places[LANES];
            for (int l = 0; l < LANES; l++) {
                const size_t i = (at + (size_t)(l < here ? l : 0)) * size + t;
                places[l] = i < count ? in + i * stride : one;
            }
            if (t + 1 < size) square_times(&s->sum, shift_bits, &s->m, &s->work);
            gather(&s->entry, places, r->digits);
            multiply(&s->sum, &s->sum, &s->entry, &s->m, &s->work);
        }
        scatter_to(out, &s->sum, at, here, r->digits);
    }
    across_modulus m;
    across_modulus_of(&m, r);
    for (size_t g = groups - alone; g < groups; g++) {
        const size_t begin = g * size, end = begin + size < count ? begin + size : count;
        horner_alone(out + g * stride, in + begin * stride, end - begin, shift_bits, &m);
    }
    give_back(s, sizeof *s);
    return 0;
}
