/* assert.h - LION_ASSERT: O(1), on in release too, for broken invariants only (never for input or
 * file content). LION_AUDIT: expensive checks, on where LION_AUDITS is defined (dev, asan). */
#ifndef LION_BASE_ASSERT_H
#define LION_BASE_ASSERT_H

_Noreturn void lion_assert_failed(const char *condition, const char *file, int line);

#define LION_ASSERT(condition)                                                                     \
    ((condition) ? (void)0 : lion_assert_failed(#condition, __FILE__, __LINE__))
#ifdef LION_AUDITS
#define LION_AUDIT(condition) LION_ASSERT(condition)
#else
#define LION_AUDIT(condition) ((void)sizeof(condition))
#endif

#endif
