/* Powers by fixed windows: of any base, and of one base by a table. */
#include "across.h"
#include "conversion.h"
#include "memory.h"

#define WIDEST_WINDOW_BITS 8

typedef struct {
    moduli m;
    scratch work;
    residues power, entry;
} powering;

/* entry = table[digit] in each lane, reading every entry: the addresses do not depend on the digits. Eight words at a
 * time, which stay in registers. */
INLINE void pick(residues *entry, const residues *table, int entries, const uint64_t digit[LANES], int words) {
    const lanes wanted = load(digit);
    for (int j = 0; j < words; j += LANES) {
        lanes kept[LANES];
        for (int k = 0; k < LANES; k++) kept[k] = zero();
        for (int i = 0; i < entries; i++) {
            const lanes here = all((uint64_t)i);
            for (int k = 0; k < LANES; k++) kept[k] = where_equal(wanted, here, kept[k], table[i].word[j + k]);
        }
        memcpy(entry->word + j, kept, sizeof kept);
    }
}

/* The same from a position of a secret table, which is one for all lanes: sixteen entries of a word by one permutation. */
INLINE void pick_shared(residues *entry, const uint64_t *position, const int entries, const uint64_t digit[LANES],
                        int words) {
    uint64_t sixteen[LANES];
    for (int l = 0; l < LANES; l++) sixteen[l] = digit[l] / (2 * LANES);
    const lanes index = load(digit), wanted = load(sixteen);
    for (int j = 0; j < words; j++, position += entries) {
        lanes kept = zero();
        for (int i = 0; i < entries; i += 2 * LANES) {
            const lanes found = one_of(index, load(position + i), load(position + i + LANES));
            kept = where_equal(wanted, all((uint64_t)i / (2 * LANES)), kept, found);
        }
        entry->word[j] = kept;
    }
    wipe(sixteen, sizeof sixteen);
}

#define SECRET_ENTRIES 32 /* of the windows that the engine takes: a loop that the compiler unrolls */

static const uint64_t *exponent_of(const exponents *e, size_t i) {
    return e->words + (e->shared ? 0 : i * (size_t)e->words_each);
}

/* One public power after the other, each across the lanes. */
static VECTOR int powers_one_by_one(uint64_t *out, const uint64_t *in, size_t count, const exponents *e,
                                    int window_bits, const ring *r) {
    typedef struct {
        across_modulus m;
        across power, table[1 << WIDEST_WINDOW_BITS];
    } alone;
    alone *p = reserve(sizeof *p);
    if (!p) return -1;
    const size_t stride = (size_t)stride_of(r->digits);
    uint64_t one[MOST_WORDS];
    pair_of(one, r, 0, RING_ONE);
    across_modulus_of(&p->m, r);
    across_load(&p->table[0], one, &p->m);
    for (size_t i = 0; i < count; i++) {
        across_load(&p->table[1], in + i * stride, &p->m);
        for (int digit = 2; digit < 1 << window_bits; digit++)
            across_multiply(&p->table[digit], &p->table[digit - 1], &p->table[1], &p->m);
        for (int bit = (e->bits - 1) / window_bits * window_bits, begin = 1; bit >= 0; bit -= window_bits, begin = 0) {
            const across *factor = &p->table[window_of(exponent_of(e, i), e->bits, bit, window_bits)];
            if (begin) {
                p->power = *factor;
                continue;
            }
            across_square_times(&p->power, window_bits, &p->m);
            across_multiply(&p->power, &p->power, factor, &p->m);
        }
        across_store(out + i * stride, &p->power, &p->m);
    }
    give_back(p, sizeof *p);
    return 0;
}

VECTOR int powers_of(uint64_t *out, const uint64_t *in, size_t count, const exponents *e, int window_bits, int secret,
                     const ring *r) {
    const int entries = 1 << window_bits, words = 2 * r->digits;
    const size_t table_bytes = sizeof(residues) * (size_t)entries;
    powering *p = reserve(sizeof *p);
    residues *table = reserve(table_bytes);
    if (!p || !table) {
        give_back(p, sizeof *p);
        give_back(table, table_bytes);
        return -1;
    }
    const int separately = secret || !e->shared;
    moduli_of(&p->m, r);
    /* What would leave lanes empty: as fast one by one, in less memory. */
    const size_t alone = secret || r->count > 1 || count % LANES > MOST_ALONE ? 0 : count % LANES;
    count -= alone;
    for (size_t at = 0; at < count; at += LANES) {
        ones_of(&table[0], r);
        const int here = gather_from(&table[1], in, at, count, r->digits);
        for (int i = 2; i < entries; i++) {
            if (i % 2)
                multiply(&table[i], &table[i - 1], &table[1], &p->m, &p->work);
            else
                square(&table[i], &table[i / 2], &p->m, &p->work);
        }
        for (int bit = (e->bits - 1) / window_bits * window_bits, first = 1; bit >= 0; bit -= window_bits, first = 0) {
            uint64_t digit[LANES];
            for (int l = 0; l < LANES; l++)
                digit[l] = window_of(exponent_of(e, at + (size_t)(l < here ? l : 0)), e->bits, bit, window_bits);
            if (!first) square_times(&p->power, window_bits, &p->m, &p->work);
            const residues *factor = &table[digit[0]];
            if (separately) {
                pick(&p->entry, table, entries, digit, words);
                factor = &p->entry;
            }
            if (first)
                memcpy(&p->power, factor, sizeof p->power);
            else
                multiply(&p->power, &p->power, factor, &p->m, &p->work);
            wipe(digit, sizeof digit);
        }
        scatter_to(out, &p->power, at, here, r->digits);
    }
    give_back(p, sizeof *p);
    give_back(table, table_bytes);
    const size_t done = count * (size_t)stride_of(r->digits);
    exponents rest = *e;
    if (!e->shared) rest.words += count * (size_t)e->words_each;
    return alone ? powers_one_by_one(out + done, in + done, alone, &rest, window_bits, r) : 0;
}

VECTOR int fixed_base_table(uint64_t *table, const uint64_t *base, int positions, int window_bits, int secret,
                            const ring *r) {
    const size_t stride = (size_t)stride_of(r->digits), a_position = stride << window_bits;
    const size_t position_bytes = a_position * sizeof(uint64_t);
    powering *p = reserve(sizeof *p);
    residues *one = reserve(sizeof *one);
    uint64_t *by_digit = reserve(position_bytes);
    if (!p || !one || !by_digit) {
        give_back(p, sizeof *p);
        give_back(one, sizeof *one);
        give_back(by_digit, position_bytes);
        return -1;
    }
    moduli_of(&p->m, r);
    ones_of(one, r);
    /* The first powers, one after the other: base^(2^(window_bits·i)). */
    across_modulus m;
    across power;
    across_modulus_of(&m, r);
    across_load(&power, base, &m);
    for (int i = 0; i < positions; i++) {
        if (i) across_square_times(&power, window_bits, &m);
        across_store(table + (size_t)i * a_position + stride, &power, &m);
    }
    wipe(&m, sizeof m);
    wipe(&power, sizeof power);
    /* Then all others, eight positions at a time. */
    for (int i = 0; i < positions; i += LANES) {
        const int here = positions - i < LANES ? positions - i : LANES;
        uint64_t *places[LANES];
        const uint64_t *firsts[LANES];
        for (int l = 0; l < LANES; l++) {
            places[l] = table + (size_t)(i + (l < here ? l : 0)) * a_position;
            firsts[l] = places[l] + stride;
        }
        scatter(places, one, r->digits, here);
        gather(&p->entry, firsts, r->digits);
        memcpy(&p->power, &p->entry, sizeof p->power);
        for (int digit = 2; digit < 1 << window_bits; digit++) {
            multiply(&p->power, &p->power, &p->entry, &p->m, &p->work);
            uint64_t *next[LANES];
            for (int l = 0; l < LANES; l++) next[l] = places[l] + (size_t)digit * stride;
            scatter(next, &p->power, r->digits, here);
        }
    }
    for (uint64_t *position = table; secret && position < table + (size_t)positions * a_position; position += a_position) {
        memcpy(by_digit, position, position_bytes);
        for (size_t j = 0; j < stride; j++)
            for (size_t digit = 0; digit < (size_t)1 << window_bits; digit++)
                position[(j << window_bits) + digit] = by_digit[digit * stride + j];
    }
    give_back(p, sizeof *p);
    give_back(one, sizeof *one);
    give_back(by_digit, position_bytes);
    return 0;
}

/* Position by position for a block of exponents: one position's entries stay in the cache, all positions' do not. */
#define BLOCK (32 * LANES)

typedef struct {
    const uint64_t *table;
    size_t stride, a_position;
    const exponents *e;
    int window_bits, positions, positions_each, segments;
} fixed_base;

/* The digits of eight factors at their position i, and where their entries stand. */
typedef struct {
    const uint64_t *places[LANES];
    uint64_t digit[LANES];
} choice;

static inline void choose(choice *c, const fixed_base *b, int i, size_t at, size_t end) {
    for (int l = 0; l < LANES; l++) {
        const size_t which = at + (size_t)l < end ? at + (size_t)l : at;
        const size_t whose = b->segments == 1 ? which : which / (size_t)b->segments; /* a division is slow */
        const int position = i + (int)(which - whose * (size_t)b->segments) * b->positions_each;
        const int there = position < b->positions;
        const uint64_t *words = exponent_of(b->e, whose);
        c->digit[l] = there ? window_of(words, b->e->bits, position * b->window_bits, b->window_bits) : 0;
        c->places[l] = b->table + (size_t)(there ? position : i) * b->a_position + c->digit[l] * b->stride;
    }
}

VECTOR int fixed_base_powers(uint64_t *out, const uint64_t *table, size_t count, const exponents *e, int window_bits,
                             int segments, int secret, const ring *r) {
    powering *p = reserve(sizeof *p);
    const size_t block_bytes = sizeof(residues) * (BLOCK / LANES);
    residues *power = reserve(block_bytes);
    if (!p || !power) {
        give_back(p, sizeof *p);
        give_back(power, block_bytes);
        return -1;
    }
    const int positions = (e->bits + window_bits - 1) / window_bits;
    const size_t stride = (size_t)stride_of(r->digits);
    const fixed_base b = {table, stride, stride << window_bits, e, window_bits, positions,
                          (positions + segments - 1) / segments, segments};
    choice now, next;
    moduli_of(&p->m, r);
    for (size_t block = 0; block < count; block += BLOCK) {
        const size_t end = count - block < BLOCK ? count : block + BLOCK;
        choose(&next, &b, 0, block, end);
        for (int i = 0; i < b.positions_each; i++) {
            const uint64_t *position = table + (size_t)i * b.a_position;
            for (size_t at = block; at < end; at += LANES) {
                residues *here = &power[(at - block) / LANES], *entry = i ? &p->entry : here;
                now = next;
                const int last = at + LANES >= end;
                if (!last || i + 1 < b.positions_each) choose(&next, &b, last ? i + 1 : i, last ? block : at + LANES, end);
                if (secret && 1 << window_bits == SECRET_ENTRIES)
                    pick_shared(entry, position, SECRET_ENTRIES, now.digit, 2 * r->digits);
                else if (secret)
                    pick_shared(entry, position, 1 << window_bits, now.digit, 2 * r->digits);
                else {
                    gather(entry, now.places, r->digits);
                    /* While this one is multiplied. */
                    for (int l = 0; l < LANES; l++) fetch(next.places[l], stride);
                }
                if (i) multiply(here, here, entry, &p->m, &p->work);
            }
        }
        for (size_t at = block; at < end; at += LANES) {
            const int here = end - at < LANES ? (int)(end - at) : LANES;
            scatter_to(out, &power[(at - block) / LANES], at, here, r->digits);
        }
    }
    wipe(&now, sizeof now);
    wipe(&next, sizeof next);
    give_back(p, sizeof *p);
    give_back(power, block_bytes);
    return 0;
}
