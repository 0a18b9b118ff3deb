/* Run under valgrind, which is told that exponents are undefined: a branch or an address that depended on one is an
 * error there. Built against the portable stand-in for the vector instructions, which valgrind does not know. */
#include <stdio.h>
#include <valgrind/memcheck.h>

#include "kernel.h"
#include "residues.h"

#define DIGITS 10
#define WIDTH 72
#define COUNT 5

int main(int argc, char **argv) {
    /* What a public exponent may do, to see that this test can fail. */
    const int secret = argc < 2 || argv[1][0] != 'p';
    uint8_t numbers[NUMBERS_OF_A_RING * WIDTH];
    for (int i = 0; i < NUMBERS_OF_A_RING; i++)
        for (int j = 0; j < WIDTH; j++) numbers[i * WIDTH + j] = j < 64 ? (uint8_t)(41 * i + 17 * j + 1) : 0;
    const ring r = {1, DIGITS, WIDTH, numbers};
    uint8_t pairs[COUNT * 2 * WIDTH];
    memset(pairs, 0, sizeof pairs);
    for (int i = 0; i < COUNT; i++) pairs[i * 2 * WIDTH] = (uint8_t)(i + 2);
    static uint64_t in[COUNT * 32], out[COUNT * 32], table[64 * 32 << 4];
    uint64_t words[COUNT * 2];
    for (int i = 0; i < COUNT * 2; i++) words[i] = 0x9e3779b97f4a7c15u * (uint64_t)(i + 1);
    int failed = to_montgomery(in, pairs, COUNT, &r);
    const exponents each = {words, 2, 128, 0};
    failed |= fixed_base_table(table, in, 32, 4, secret, &r);
    VALGRIND_MAKE_MEM_UNDEFINED(words, sizeof words);
    failed |= powers_of(out, in, COUNT, &each, 4, 1, &r);
    const exponents shared = {words, 2, 128, 1};
    failed |= powers_of(out, in, COUNT, &shared, 4, secret, &r);
    failed |= fixed_base_powers(out, table, COUNT, &each, 4, 1, secret, &r);
    return failed;
}
