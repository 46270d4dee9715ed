/* version.c - which library this is. */
#include "lion.h"

const char *lion_version(void)
{
    return LION_VERSION_TEXT;
}
