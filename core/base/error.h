/* error.h - one shape for every failure.
 * A function that can fail returns a lion_status and takes a lion_error * last.
 * The error is the caller's, holds no heap, and is written only on a status < 0.
 * NULL is allowed where the caller does not care. Any thread. */
#ifndef LION_BASE_ERROR_H
#define LION_BASE_ERROR_H

#include <stdint.h>

/* The nine anomalies: what the caller may do about it. */
typedef enum lion_category {
    LION_UNAVAILABLE = 1, /* try again, later or elsewhere */
    LION_INTERRUPTED,     /* stopped by a bound or a cancel */
    LION_INCORRECT,       /* the caller's input is wrong */
    LION_FORBIDDEN,       /* not allowed */
    LION_UNSUPPORTED,     /* not built */
    LION_NOT_FOUND,       /* no such thing */
    LION_CONFLICT,        /* lost against other data */
    LION_FAULT,           /* ours, or the disk's */
    LION_BUSY,            /* overloaded: back off */
} lion_category;

typedef enum lion_status {
    LION_OK = 0,
    LION_END = 1,    /* no more of it, for good */
    LION_ABSENT = 2, /* looked for, not there */
    LION_CALL = 3,   /* the host must answer a call (see data/call.h), then step again */
    LION_FAILED = -1 /* the error says why */
} lion_status;

#define LION_ERROR_CODE_SIZE 48
#define LION_ERROR_MESSAGE_SIZE 720

typedef struct lion_error {
    int32_t category;                      /* lion_category; 0 when unset */
    int32_t system_code;                   /* errno or LMDB's code, 0 if none */
    int64_t clause;                        /* query errors: clause position, -1 if none */
    char code[LION_ERROR_CODE_SIZE];       /* stable: "lion/…" or "db.error/…" */
    char message[LION_ERROR_MESSAGE_SIZE]; /* what was given, where, what would be right */
} lion_error;

/* Fill *error (if not NULL) and return LION_FAILED. The message is cut at a UTF-8 boundary. */
lion_status lion_fail(lion_error *error, lion_category category, const char *code,
                      const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The same for errno: code lion/disk-full for ENOSPC and EDQUOT, lion/io otherwise. */
lion_status lion_fail_errno(lion_error *error, int system_code, const char *what);

/* Shorthands for the commonest: out of memory, and bytes on disk that are wrong. */
lion_status lion_fail_memory(lion_error *error);
lion_status lion_fail_corrupt(lion_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The category's name as users see it: "not-found". */
const char *lion_category_name(int32_t category);

#endif
