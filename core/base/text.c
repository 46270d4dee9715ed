/* text.c - UTF-8 as RFC 3629 has it, whole numbers, and the edit distance behind "did you mean". */
#include "base/text.h"

#include <string.h>

#include "base/memory.h"

/* Size of the well-formed character at `at`, 0 if there is none. Overlong forms, surrogates and
 * code points past U+10FFFF show in the second byte (table 3-7 of the Unicode standard). */
static size_t character_size(const uint8_t *at, size_t left)
{
    uint8_t lead = at[0];
    if (lead < 0x80) return 1;
    size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    if (lead < 0xc2 || lead > 0xf4 || left < size) return 0;

    uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < low || at[1] > high) return 0;
    for (size_t i = 2; i < size; i++)
        if ((at[i] & 0xc0) != 0x80) return 0;
    return size;
}

bool lion_utf8_is_valid(lion_slice text)
{
    size_t i = 0;
    while (i < text.size) {
        uint64_t word;
        if (text.size - i >= sizeof word) { /* eight ASCII characters at a time */
            memcpy(&word, text.data + i, sizeof word);
            if ((word & 0x8080808080808080u) == 0) {
                i += sizeof word;
                continue;
            }
        }
        size_t size = character_size(text.data + i, text.size - i);
        if (size == 0) return false;
        i += size;
    }
    return true;
}

size_t lion_utf8_length(lion_slice text)
{
    size_t length = 0;
    for (size_t i = 0; i < text.size; length++) {
        size_t size = character_size(text.data + i, text.size - i);
        i += size != 0 ? size : 1;
    }
    return length;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

char *lion_text_join(const char *a, const char *b)
{
    size_t a_size = strlen(a), b_size = strlen(b);
    char *joined = lion_alloc(a_size + b_size + 1);
    if (joined == NULL) return NULL;
    memcpy(joined, a, a_size);
    memcpy(joined + a_size, b, b_size + 1);
    return joined;
}

#define EDIT_TEXT_MAX 127

lion_slice lion_text_whole(char room[LION_WHOLE_SIZE], int64_t x)
{
    char *end = room + LION_WHOLE_SIZE, *at = end;
    uint64_t rest = x < 0 ? -(uint64_t)x : (uint64_t)x;
    do {
        *--at = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (x < 0) *--at = '-';
    return lion_slice_of(at, (size_t)(end - at));
}

/* Optimal string alignment: insert, delete, replace, swap neighbours; three rows of the table. */
size_t lion_edit_distance(lion_slice a, lion_slice b, size_t limit)
{
    size_t gap = a.size > b.size ? a.size - b.size : b.size - a.size;
    if (gap > limit || a.size > EDIT_TEXT_MAX || b.size > EDIT_TEXT_MAX)
        return lion_slice_equal(a, b) ? 0 : limit + 1;

    size_t rows[3][EDIT_TEXT_MAX + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b.size; j++) before[j] = last[j] = j;
    for (size_t i = 1; i <= a.size; i++) {
        size_t least = row[0] = i;
        for (size_t j = 1; j <= b.size; j++) {
            size_t replaced = last[j - 1] + (a.data[i - 1] != b.data[j - 1]);
            row[j] = min3(replaced, last[j] + 1, row[j - 1] + 1);
            bool is_swap =
                i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] && a.data[i - 2] == b.data[j - 1];
            if (is_swap && before[j - 2] + 1 < row[j]) row[j] = before[j - 2] + 1;
            if (row[j] < least) least = row[j];
        }
        if (least > limit + 1) return limit + 1; /* a swap can win back one at most */
        size_t *oldest = before;
        before = last;
        last = row;
        row = oldest;
    }
    return last[b.size] <= limit ? last[b.size] : limit + 1;
}
