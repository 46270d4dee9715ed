/* error.h - one shape for every failure.
 * A function that can fail returns a lion_status and takes a lion_error * last.
 * The error is the caller's, holds no heap, and is written only on a status < 0.
 * NULL is allowed where the caller does not care. Any thread. The shape itself is public: lion.h. */
#ifndef LION_BASE_ERROR_H
#define LION_BASE_ERROR_H

#include "lion.h"

/* Fill *error (if not NULL) and return LION_FAILED. The message is cut at a UTF-8 boundary. */
lion_status lion_fail(lion_error *error, lion_category category, const char *code,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same for errno: code lion/disk-full for ENOSPC and EDQUOT, lion/io otherwise. */
lion_status lion_fail_errno(lion_error *error, int system_code, const char *what);

/* Shorthands for the commonest: out of memory, and bytes on disk that are wrong. */
lion_status lion_fail_memory(lion_error *error);
lion_status lion_fail_corrupt(lion_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
