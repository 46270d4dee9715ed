/* text.h - UTF-8, C strings joined, whole numbers, and the nearest name for "did you mean". */
#ifndef LION_BASE_TEXT_H
#define LION_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

bool lion_utf8_is_valid(lion_slice text);
size_t lion_utf8_length(lion_slice text); /* characters; a stray byte counts as one */
/* a with b behind it, zero-terminated, heap-owned (lion_free); NULL: out of memory. */
char *lion_text_join(const char *a, const char *b);
/* A number in decimal, which lies in `room`. */
#define LION_WHOLE_SIZE 24
lion_slice lion_text_whole(char room[LION_WHOLE_SIZE], int64_t x);
/* Edit distance (Damerau, capped at `limit`+1). */
size_t lion_edit_distance(lion_slice a, lion_slice b, size_t limit);

#endif
