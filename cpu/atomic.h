/* Atomic accesses to guest memory in the host's byte order, naturally aligned, of 1, 2, 4 or 8
 * bytes. Plain ones are relaxed, which costs nothing on the host; read-modify-write ones are full
 * fences. */
#ifndef KITTSON_CPU_ATOMIC_H
#define KITTSON_CPU_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

static inline uint64_t atomic_guest_load(const void *p, unsigned size)
{
    switch (size) {
    case 1:
        return __atomic_load_n((const uint8_t *)p, __ATOMIC_RELAXED);
    case 2:
        return __atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED);
    case 4:
        return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);
    default:
        return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
    }
}

static inline void atomic_guest_store(void *p, unsigned size, uint64_t v)
{
    switch (size) {
    case 1:
        __atomic_store_n((uint8_t *)p, (uint8_t)v, __ATOMIC_RELAXED);
        break;
    case 2:
        __atomic_store_n((uint16_t *)p, (uint16_t)v, __ATOMIC_RELAXED);
        break;
    case 4:
        __atomic_store_n((uint32_t *)p, (uint32_t)v, __ATOMIC_RELAXED);
        break;
    default:
        __atomic_store_n((uint64_t *)p, v, __ATOMIC_RELAXED);
    }
}

/* `n` words between guest memory and the host's: each is one access. */
static inline void atomic_guest_read_words(const void *p, uint64_t *to, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        to[k] = __atomic_load_n((const uint64_t *)p + k, __ATOMIC_RELAXED);
}

static inline void atomic_guest_write_words(void *p, const uint64_t *from, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        __atomic_store_n((uint64_t *)p + k, from[k], __ATOMIC_RELAXED);
}

/* Replaces `expected` by v; false, with what is there in *expected, when it is something else. */
static inline bool atomic_guest_cas(void *p, unsigned size, uint64_t *expected, uint64_t v)
{
    uint8_t e1 = (uint8_t)*expected;
    uint16_t e2 = (uint16_t)*expected;
    uint32_t e4 = (uint32_t)*expected;
    bool done;

    switch (size) {
    case 1:
        done = __atomic_compare_exchange_n((uint8_t *)p, &e1, (uint8_t)v, false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
        *expected = e1;
        return done;
    case 2:
        done = __atomic_compare_exchange_n((uint16_t *)p, &e2, (uint16_t)v, false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
        *expected = e2;
        return done;
    case 4:
        done = __atomic_compare_exchange_n((uint32_t *)p, &e4, (uint32_t)v, false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
        *expected = e4;
        return done;
    default:
        return __atomic_compare_exchange_n((uint64_t *)p, expected, v, false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
    }
}

/* 16 bytes as one. The host's aligned SSE accesses are single on every processor with AVX, and on
 * those without that are still in use. */
static inline void atomic_guest_load16(const void *p, uint64_t v[2])
{
    __asm__ volatile("movdqa %1, %%xmm0\n\tmovdqu %%xmm0, %0"
                     : "=m"(*(uint64_t(*)[2])v)
                     : "m"(*(const uint64_t(*)[2])p)
                     : "xmm0");
}

static inline void atomic_guest_store16(void *p, const uint64_t v[2])
{
    __asm__ volatile("movdqu %1, %%xmm0\n\tmovdqa %%xmm0, %0"
                     : "=m"(*(uint64_t(*)[2])p)
                     : "m"(*(const uint64_t(*)[2])v)
                     : "xmm0");
}

/* expected and v: low half first. */
static inline bool atomic_guest_cas16(void *p, uint64_t expected[2], const uint64_t v[2])
{
    bool done;

    __asm__ volatile("lock cmpxchg16b %1"
                     : "=@ccz"(done), "+m"(*(uint64_t(*)[2])p), "+a"(expected[0]), "+d"(expected[1])
                     : "b"(v[0]), "c"(v[1])
                     : "memory");
    return done;
}

#endif
