/* uuid.c - canonical text of uuids: 8-4-4-4-12 hexadecimal digits. */
#include "data/value.h"

static bool is_dash_place(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

static int digit_of(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

lion_status lion_uuid_parse(uint8_t out[16], lion_slice text)
{
    if (text.size != 36) return LION_ABSENT;

    uint8_t bytes[16] = { 0 };
    size_t digits = 0;
    for (size_t i = 0; i < 36; i++) {
        uint8_t c = text.data[i];
        if (is_dash_place(i)) {
            if (c != '-') return LION_ABSENT;
            continue;
        }
        int digit = digit_of(c);
        if (digit < 0) return LION_ABSENT;
        bytes[digits / 2] = (uint8_t)(bytes[digits / 2] << 4 | digit);
        digits++;
    }
    memcpy(out, bytes, sizeof bytes);
    return LION_OK;
}

void lion_uuid_format(char out[37], const uint8_t uuid[16])
{
    static const char DIGITS[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (is_dash_place(at)) out[at++] = '-';
        out[at++] = DIGITS[uuid[i] >> 4];
        out[at++] = DIGITS[uuid[i] & 15];
    }
    out[at] = '\0';
}
