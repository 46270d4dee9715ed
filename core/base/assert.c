/* assert.c - the end of a process whose invariants no longer hold. */
#include "base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void lion_assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "lion: broken invariant at %s:%d: %s\n", file, line, condition);
    abort();
}
