/* kernel.h - loops that gain by wider registers: a static function marked LION_KERNEL is compiled
 * for x86-64 as it was in the beginning and again for AVX2, and the loader takes what the processor
 * has. Static, as GCC would export those of others. Elsewhere there is one of each. */
#ifndef LION_BASE_KERNEL_H
#define LION_BASE_KERNEL_H

#include <stdint.h> /* tells of the C library */

/* The choice needs the loader of glibc, and runs before a sanitizer is ready. */
#if defined(__x86_64__) && defined(__GLIBC__) && !defined(__clang__) &&                            \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define LION_KERNEL __attribute__((target_clones("avx2", "default"), optimize("O3")))
#else
#define LION_KERNEL
#endif

#endif
