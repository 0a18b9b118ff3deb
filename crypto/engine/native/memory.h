/* Scratch memory, aligned for lanes and wiped when it is given back: it has held secrets. */
#ifndef FEDTRAIN_MEMORY_H
#define FEDTRAIN_MEMORY_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ALIGNMENT 64

static inline void *reserve(size_t bytes) {
    return aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
}

/* Begin to bring an entry of a table into the cache; of public indices alone, since the cache shows which. */
static inline void fetch(const uint64_t *entry, size_t words) {
    for (size_t j = 0; j < words; j += 8) __builtin_prefetch(entry + j);
}

static inline void wipe(void *memory, size_t bytes) {
    memset(memory, 0, bytes);
    /* The compiler must believe that somebody reads it. */
    __asm__ volatile("" : : "r"(memory) : "memory");
}

static inline void give_back(void *memory, size_t bytes) {
    if (memory) {
        wipe(memory, bytes);
        free(memory);
    }
}

#endif
