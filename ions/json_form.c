/* json_form.c - a reader by recursive descent that writes forms as it goes. */
#include "json_form.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/value.h"
#include "lion.h"

#define DEPTH_MAX 64
#define KEYS_MAX 64         /* of one object */
#define NUMBER_SIZE_MAX 64  /* of a number that is no whole one of few digits */
#define DIGITS_EXACT_MAX 15 /* of a whole number that is a double's, too */
#define EXACT_MAX 9007199254740992.0

/* As form_code.c has them. */
#define FORM_TAG(kind, type) ((uint8_t)((kind) | (type) << 4))

static bool put_value(lion_json *text, lion_buffer *out, unsigned depth);

/* ---- the text ---- */

void lion_json_skip_blanks(lion_json *text)
{
    while (text->at < text->end &&
           (*text->at == ' ' || *text->at == '\n' || *text->at == '\r' || *text->at == '\t'))
        text->at++;
}

bool lion_json_takes(lion_json *text, char c)
{
    lion_json_skip_blanks(text);
    if (text->at == text->end || *text->at != c) return false;
    text->at++;
    return true;
}

bool lion_json_is_over(lion_json *text)
{
    lion_json_skip_blanks(text);
    return text->at == text->end;
}

/* The bytes of a text up to its quote or its first escape. */
static bool take_plain(lion_json *text, lion_slice *out)
{
    const char *from = text->at;
    while (text->at < text->end && *text->at != '"' && *text->at != '\\') {
        if ((unsigned char)*text->at < 0x20) return false;
        text->at++;
    }
    *out = lion_slice_of(from, (size_t)(text->at - from));
    return text->at < text->end;
}

bool lion_json_take_text(lion_json *text, lion_slice *out)
{
    if (!lion_json_takes(text, '"') || !take_plain(text, out) || *text->at != '"') return false;
    text->at++;
    return true;
}

/* ---- forms ---- */

void lion_json_put_text(lion_buffer *out, lion_slice text)
{
    bool is_keyword = text.size > 1 && text.data[0] == ':';
    lion_buffer_put_u8(
        out, FORM_TAG(LION_FORM_VALUE, is_keyword ? LION_TYPE_KEYWORD : LION_TYPE_STRING));
    lion_buffer_put_varint(out, text.size - is_keyword);
    lion_buffer_put(out, text.data + is_keyword, text.size - is_keyword);
}

void lion_json_put_map(lion_buffer *out, size_t count)
{
    lion_buffer_put_u8(out, FORM_TAG(LION_FORM_MAP, 0));
    lion_buffer_put_varint(out, count);
}

/* 0: it is not for here. */
static char unescaped(char c)
{
    switch (c) {
    case '"':
    case '\\':
    case '/': return c;
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return 0;
    }
}

/* A text that begins so, and has escapes. */
static bool put_escaped(lion_json *text, lion_buffer *out, lion_slice begin)
{
    lion_buffer whole;
    lion_buffer_init(&whole);
    lion_buffer_put(&whole, begin.data, begin.size);
    bool is_sound = true;
    while (is_sound && *text->at == '\\') {
        lion_slice piece;
        char c = text->end - text->at < 2 ? 0 : unescaped(text->at[1]);
        is_sound = c != 0;
        if (!is_sound) break;
        text->at += 2;
        lion_buffer_put_u8(&whole, (uint8_t)c);
        is_sound = take_plain(text, &piece);
        if (is_sound) lion_buffer_put(&whole, piece.data, piece.size);
    }
    is_sound = is_sound && !whole.is_failed;
    if (is_sound) {
        text->at++; /* the quote */
        lion_json_put_text(out, lion_buffer_view(&whole));
    }
    lion_buffer_deinit(&whole);
    return is_sound;
}

static bool put_text(lion_json *text, lion_buffer *out)
{
    lion_slice plain;
    if (!take_plain(text, &plain)) return false;
    if (*text->at == '\\') return put_escaped(text, out, plain);
    text->at++;
    lion_json_put_text(out, plain);
    return true;
}

/* ---- numbers ---- */

static size_t take_digits(lion_json *text)
{
    const char *from = text->at;
    while (text->at < text->end && *text->at >= '0' && *text->at <= '9') text->at++;
    return (size_t)(text->at - from);
}

static bool has(lion_json *text, char c)
{
    bool is_there = text->at < text->end && *text->at == c;
    text->at += is_there;
    return is_there;
}

static void put_long(lion_buffer *out, int64_t x)
{
    lion_buffer_put_u8(out, FORM_TAG(LION_FORM_VALUE, LION_TYPE_LONG));
    lion_buffer_put_zigzag(out, x);
}

/* As Lua has it: a double, which is a long where it is whole. */
static bool put_double(lion_buffer *out, const char *from, size_t size)
{
    char digits[NUMBER_SIZE_MAX];
    if (size >= sizeof digits) return false;
    memcpy(digits, from, size);
    digits[size] = '\0';
    double x = strtod(digits, NULL);
    if (!isfinite(x)) return false;
    if (x == floor(x) && fabs(x) <= EXACT_MAX && (x != 0 || !signbit(x))) {
        put_long(out, (int64_t)x);
        return true;
    }
    lion_buffer_put_u8(out, FORM_TAG(LION_FORM_VALUE, LION_TYPE_DOUBLE));
    lion_buffer_put_u64(out, (uint64_t)lion_value_double(x).bits);
    return true;
}

static bool put_number(lion_json *text, lion_buffer *out)
{
    const char *from = text->at;
    bool is_negative = has(text, '-');
    const char *first = text->at;
    size_t count = take_digits(text);
    if (count == 0 || (count > 1 && *first == '0')) return false;
    bool is_whole = true;
    if (has(text, '.')) {
        is_whole = false;
        if (take_digits(text) == 0) return false;
    }
    if (has(text, 'e') || has(text, 'E')) {
        is_whole = false;
        if (!has(text, '+')) (void)has(text, '-');
        if (take_digits(text) == 0) return false;
    }
    if (!is_whole || count > DIGITS_EXACT_MAX || (is_negative && *first == '0'))
        return put_double(out, from, (size_t)(text->at - from));
    int64_t x = 0;
    for (const char *at = first; at < text->at; at++) x = x * 10 + (*at - '0');
    put_long(out, is_negative ? -x : x);
    return true;
}

static bool put_word(lion_json *text, lion_buffer *out)
{
    size_t left = (size_t)(text->end - text->at);
    if (left >= 4 && memcmp(text->at, "null", 4) == 0) {
        text->at += 4;
        lion_buffer_put_u8(out, FORM_TAG(LION_FORM_VALUE, LION_TYPE_NIL));
        return true;
    }
    bool is_true = left >= 4 && memcmp(text->at, "true", 4) == 0;
    if (!is_true && (left < 5 || memcmp(text->at, "false", 5) != 0)) return false;
    text->at += is_true ? 4 : 5;
    lion_buffer_put_u8(out, FORM_TAG(LION_FORM_VALUE, LION_TYPE_BOOLEAN));
    lion_buffer_put_zigzag(out, is_true);
    return true;
}

/* ---- arrays and objects ---- */

/* How many items there are is known at their end: their count is written in front of them then.
 * begin: of the tag. */
static void put_count(lion_buffer *out, size_t begin, lion_form_kind kind, size_t count)
{
    uint8_t head[16];
    lion_buffer room = { .data = head, .capacity = sizeof head };
    lion_buffer_put_u8(&room, FORM_TAG(kind, 0));
    lion_buffer_put_varint(&room, count);
    size_t more = room.size - 2; /* two bytes were left for it */
    if (more > 0 && !lion_buffer_reserve(out, more)) return;
    if (out->is_failed) return;
    if (more > 0)
        memmove(out->data + begin + 2 + more, out->data + begin + 2, out->size - begin - 2);
    out->size += more;
    memcpy(out->data + begin, head, room.size);
}

static bool put_array(lion_json *text, lion_buffer *out, unsigned depth)
{
    size_t begin = out->size, count = 0;
    lion_buffer_put_u16(out, 0);
    if (!lion_json_takes(text, ']')) {
        do {
            if (!put_value(text, out, depth + 1)) return false;
            count++;
        } while (lion_json_takes(text, ','));
        if (!lion_json_takes(text, ']')) return false;
    }
    put_count(out, begin, LION_FORM_VECTOR, count);
    return true;
}

static bool is_among(const lion_slice *keys, size_t count, lion_slice key)
{
    for (size_t i = 0; i < count; i++)
        if (keys[i].size == key.size && memcmp(keys[i].data, key.data, key.size) == 0) return true;
    return false;
}

static bool put_object(lion_json *text, lion_buffer *out, unsigned depth)
{
    lion_slice keys[KEYS_MAX];
    size_t begin = out->size, count = 0;
    lion_buffer_put_u16(out, 0);
    if (!lion_json_takes(text, '}')) {
        do {
            lion_slice key;
            if (count == KEYS_MAX || !lion_json_take_text(text, &key) ||
                is_among(keys, count, key) || !lion_json_takes(text, ':'))
                return false;
            keys[count++] = key;
            lion_json_put_text(out, key);
            if (!put_value(text, out, depth + 1)) return false;
        } while (lion_json_takes(text, ','));
        if (!lion_json_takes(text, '}')) return false;
    }
    put_count(out, begin, count == 0 ? LION_FORM_VECTOR : LION_FORM_MAP, count);
    return true;
}

static bool put_value(lion_json *text, lion_buffer *out, unsigned depth)
{
    if (depth == DEPTH_MAX) return false;
    lion_json_skip_blanks(text);
    if (text->at == text->end) return false;
    switch (*text->at) {
    case '"': text->at++; return put_text(text, out);
    case '[': text->at++; return put_array(text, out, depth);
    case '{': text->at++; return put_object(text, out, depth);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': return put_number(text, out);
    default: return put_word(text, out);
    }
}

bool lion_json_put_form(lion_json *text, lion_buffer *out)
{
    return put_value(text, out, 0);
}
