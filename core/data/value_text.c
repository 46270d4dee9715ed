/* value_text.c - values as people read them: in messages, in `str`, in explain. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/decimal.h"
#include "data/print.h"
#include "data/tuple.h"

#define BYTES_SHOWN_MAX 64

static void put_text(lion_buffer *buffer, const char *text)
{
    lion_buffer_put(buffer, text, strlen(text));
}

/* The fewest digits that read back as the same double, and never the looks of a long. */
static void put_double(lion_buffer *buffer, double x)
{
    if (isnan(x)) {
        put_text(buffer, "##NaN");
        return;
    }
    if (isinf(x)) {
        put_text(buffer, x > 0 ? "##Inf" : "##-Inf");
        return;
    }
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    char *comma = strchr(text, ','); /* the host's locale may have one */
    if (comma != NULL) *comma = '.';
    put_text(buffer, text);
    if (strpbrk(text, ".e") == NULL) put_text(buffer, ".0");
}

static void put_quoted(lion_buffer *buffer, lion_slice text)
{
    lion_buffer_put_u8(buffer, '"');
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.data[i];
        switch (c) {
        case '"': put_text(buffer, "\\\""); break;
        case '\\': put_text(buffer, "\\\\"); break;
        case '\n': put_text(buffer, "\\n"); break;
        case '\r': put_text(buffer, "\\r"); break;
        case '\t': put_text(buffer, "\\t"); break;
        default: lion_buffer_put_u8(buffer, c);
        }
    }
    lion_buffer_put_u8(buffer, '"');
}

static void put_bytes(lion_buffer *buffer, lion_slice bytes)
{
    put_text(buffer, "#bytes \"");
    size_t shown = bytes.size < BYTES_SHOWN_MAX ? bytes.size : BYTES_SHOWN_MAX;
    for (size_t i = 0; i < shown; i++) {
        char digits[3];
        snprintf(digits, sizeof digits, "%02x", bytes.data[i]);
        put_text(buffer, digits);
    }
    if (shown < bytes.size) put_text(buffer, "…");
    lion_buffer_put_u8(buffer, '"');
}

static void put_tagged(lion_buffer *buffer, const char *tag, const char *text, bool is_quoted)
{
    if (is_quoted) put_text(buffer, tag);
    if (is_quoted) lion_buffer_put_u8(buffer, '"');
    put_text(buffer, text);
    if (is_quoted) lion_buffer_put_u8(buffer, '"');
}

static void put_value(lion_buffer *buffer, lion_value value, bool is_quoted, unsigned depth);

/* `depth` bounds the recursion: how many more tuples may nest. */
static void put_tuple(lion_buffer *buffer, lion_value tuple, unsigned depth)
{
    if (depth == 0) {
        put_text(buffer, "[…]");
        return;
    }
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_value *slots;
    size_t count;
    if (lion_tuple_read(&slots, &count, tuple, &arena, NULL) == LION_OK) {
        lion_buffer_put_u8(buffer, '[');
        for (size_t i = 0; i < count; i++) {
            if (i > 0) lion_buffer_put_u8(buffer, ' ');
            put_value(buffer, slots[i], true, depth - 1);
        }
        lion_buffer_put_u8(buffer, ']');
    } else {
        put_text(buffer, "#malformed-tuple");
    }
    lion_arena_deinit(&arena);
}

static void put_value(lion_buffer *buffer, lion_value value, bool is_quoted, unsigned depth)
{
    lion_slice bytes = { 0 };
    char text[40];
    if (!lion_type_is_scalar(value.type)) bytes = lion_value_slice(value);

    switch (value.type) {
    case LION_TYPE_NIL: put_text(buffer, "nil"); break;
    case LION_TYPE_BOOLEAN: put_text(buffer, value.bits != 0 ? "true" : "false"); break;
    case LION_TYPE_LONG:
    case LION_TYPE_REF:
    case LION_TYPE_ATTRIBUTE:
        snprintf(text, sizeof text, "%lld", (long long)value.bits);
        put_text(buffer, text);
        break;
    case LION_TYPE_DOUBLE: put_double(buffer, value.number); break;
    case LION_TYPE_INSTANT:
        lion_instant_format(text, value.bits);
        put_tagged(buffer, "#inst ", text, is_quoted);
        break;
    case LION_TYPE_UUID:
        if (bytes.size == 16) lion_uuid_format(text, bytes.data);
        put_tagged(buffer, "#uuid ", bytes.size == 16 ? text : "malformed", is_quoted);
        break;
    case LION_TYPE_KEYWORD:
        lion_buffer_put_u8(buffer, ':');
        lion_buffer_put(buffer, bytes.data, bytes.size);
        break;
    case LION_TYPE_STRING:
        if (is_quoted)
            put_quoted(buffer, bytes);
        else
            lion_buffer_put(buffer, bytes.data, bytes.size);
        break;
    case LION_TYPE_BYTES: put_bytes(buffer, bytes); break;
    case LION_TYPE_TUPLE: put_tuple(buffer, value, depth); break;
    case LION_TYPE_LOG: put_text(buffer, "the log"); break;
    case LION_TYPE_DECIMAL:
        lion_decimal_print(buffer, bytes);
        if (is_quoted) lion_buffer_put_u8(buffer, 'M');
        break;
    default: lion_buffer_put(buffer, bytes.data, bytes.size); break; /* symbol, uri */
    }
}

void lion_value_print(lion_buffer *buffer, lion_value value, bool is_quoted)
{
    put_value(buffer, value, is_quoted, LION_TUPLE_DEPTH_MAX);
}

char *lion_value_text(lion_arena *arena, lion_value value)
{
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    lion_value_print(&buffer, value, false);
    if (buffer.is_failed) arena->is_exhausted = true;
    char *text = lion_arena_text(arena, lion_buffer_view(&buffer));
    lion_buffer_deinit(&buffer);
    return text;
}
