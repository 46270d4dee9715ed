/* error.c - filling in a lion_error; no heap, no state. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* A cut message must not end inside a character: drop the bytes of an unfinished one. */
static void cut_at_character(char *text, size_t size)
{
    size_t start = size;
    while (start > 0 && size - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0) return;

    unsigned char lead = (unsigned char)text[start - 1];
    size_t needed = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (size - (start - 1) < needed) text[start - 1] = '\0';
}

static void fill(lion_error *error, lion_category category, int system_code, const char *code,
                 const char *format, va_list arguments)
{
    /* The arguments may point into *error itself (an error that words another anew). */
    char message[LION_ERROR_MESSAGE_SIZE];
    char code_copy[LION_ERROR_CODE_SIZE];
    int length = vsnprintf(message, sizeof message, format, arguments);
    if (length < 0) message[0] = '\0';
    if (length >= (int)sizeof message) cut_at_character(message, sizeof message - 1);
    snprintf(code_copy, sizeof code_copy, "%s", code);

    *error =
        (lion_error){ .category = (int32_t)category, .system_code = system_code, .clause = -1 };
    memcpy(error->code, code_copy, strlen(code_copy) + 1);
    memcpy(error->message, message, strlen(message) + 1);
}

lion_status lion_fail(lion_error *error, lion_category category, const char *code,
                      const char *format, ...)
{
    if (error == NULL) return LION_FAILED;

    va_list arguments;
    va_start(arguments, format);
    fill(error, category, 0, code, format, arguments);
    va_end(arguments);
    return LION_FAILED;
}

lion_status lion_fail_errno(lion_error *error, int system_code, const char *what)
{
    if (error == NULL) return LION_FAILED;

    bool is_full = system_code == ENOSPC || system_code == EDQUOT;
    char reason[128];
    /* gnu11 without _GNU_SOURCE: this is the POSIX strerror_r, which fills the buffer. */
    if (strerror_r(system_code, reason, sizeof reason) != 0)
        snprintf(reason, sizeof reason, "error %d", system_code);
    if (is_full)
        lion_fail(error, LION_UNAVAILABLE, "lion/disk-full",
                  "%s: %s; free some space (or raise the quota) and open again", what, reason);
    else
        lion_fail(error, LION_UNAVAILABLE, "lion/io", "%s: %s", what, reason);
    error->system_code = system_code;
    return LION_FAILED;
}

lion_status lion_fail_memory(lion_error *error)
{
    return lion_fail(error, LION_UNAVAILABLE, "lion/out-of-memory",
                     "the system refused memory; ask for less at once or give the process more");
}

lion_status lion_fail_corrupt(lion_error *error, const char *format, ...)
{
    if (error == NULL) return LION_FAILED;

    va_list arguments;
    va_start(arguments, format);
    fill(error, LION_FAULT, 0, "lion/corrupt", format, arguments);
    va_end(arguments);
    return LION_FAILED;
}

const char *lion_category_name(int32_t category)
{
    switch (category) {
    case LION_UNAVAILABLE: return "unavailable";
    case LION_INTERRUPTED: return "interrupted";
    case LION_INCORRECT: return "incorrect";
    case LION_FORBIDDEN: return "forbidden";
    case LION_UNSUPPORTED: return "unsupported";
    case LION_NOT_FOUND: return "not-found";
    case LION_CONFLICT: return "conflict";
    case LION_BUSY: return "busy";
    default: return "fault";
    }
}
