/* functions_text.c - functions on strings, names and regular expressions (PCRE2, in UTF mode). */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/buffer.h"
#include "base/memory.h"
#include "base/text.h"
#include "data/tuple.h"
#include "query/functions.h"

#define FUNCTION(name) \
    static lion_status name(lion_function_call *call, const lion_value *arguments, uint32_t count, lion_value *out, lion_error *error)

static lion_status yes(lion_value *out, bool is_true)
{
    *out = lion_value_boolean(is_true);
    return LION_OK;
}

static lion_value text_value(lion_slice text)
{
    return lion_value_bytes(LION_TYPE_STRING, text);
}

static lion_status need_text(lion_function_call *call, lion_value value, lion_slice *out, lion_error *error)
{
    if (value.type != LION_TYPE_STRING && value.type != LION_TYPE_URI) return lion_function_fail(call, "a string", value, error);
    *out = lion_value_slice(value);
    return LION_OK;
}

static lion_status need_texts(lion_function_call *call, const lion_value *arguments, lion_slice out[2], lion_error *error)
{
    lion_status status = need_text(call, arguments[0], &out[0], error);
    return status == LION_OK ? need_text(call, arguments[1], &out[1], error) : status;
}

/* ---- parts of strings ---- */

FUNCTION(concatenate)
{
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    for (uint32_t i = 0; i < count; i++) {
        if (arguments[i].type == LION_TYPE_NIL) continue;
        if (arguments[i].type == LION_TYPE_STRING) {
            lion_buffer_put(&buffer, arguments[i].data, arguments[i].size);
        } else {
            const char *text = lion_value_text(call->arena, arguments[i]);
            lion_buffer_put(&buffer, text, strlen(text));
        }
    }
    lion_status status = lion_buffer_check(&buffer, error);
    if (status == LION_OK && buffer.size > LION_VALUE_SIZE_MAX)
        status = lion_fail(error, LION_INTERRUPTED, "lion/limit", "str makes a string of more than %u bytes", LION_VALUE_SIZE_MAX);
    if (status == LION_OK) *out = text_value(lion_arena_copy(call->arena, lion_buffer_view(&buffer)));
    lion_buffer_deinit(&buffer);
    return status;
}

/* Byte offset of the character; the size when there are fewer. */
static size_t offset_of(lion_slice text, int64_t character)
{
    size_t at = 0;
    while (at < text.size && character > 0) {
        at++;
        while (at < text.size && (text.data[at] & 0xc0) == 0x80) at++;
        character--;
    }
    return at;
}

FUNCTION(substring)
{
    lion_slice text = { 0 };
    lion_status status = need_text(call, arguments[0], &text, error);
    if (status != LION_OK) return status;
    int64_t length = (int64_t)lion_utf8_length(text);
    for (uint32_t i = 1; i < count; i++)
        if (!lion_type_is_number(arguments[i].type) || arguments[i].type == LION_TYPE_DOUBLE || arguments[i].bits < 0 ||
            arguments[i].bits > length)
            return lion_function_fail(call, "positions inside the string", arguments[i], error);
    int64_t from = arguments[1].bits, to = count == 3 ? arguments[2].bits : length;
    if (to < from) return lion_function_fail(call, "an end behind the start", arguments[2], error);
    size_t start = offset_of(text, from), end = offset_of(text, to);
    *out = text_value(lion_slice_of(text.data + start, end - start));
    return LION_OK;
}

FUNCTION(starts_with)
{
    lion_slice texts[2] = { { 0 }, { 0 } };
    (void)count;
    lion_status status = need_texts(call, arguments, texts, error);
    if (status != LION_OK) return status;
    return yes(out, texts[0].size >= texts[1].size && (texts[1].size == 0 || memcmp(texts[0].data, texts[1].data, texts[1].size) == 0));
}

FUNCTION(ends_with)
{
    lion_slice texts[2] = { { 0 }, { 0 } };
    (void)count;
    lion_status status = need_texts(call, arguments, texts, error);
    if (status != LION_OK) return status;
    if (texts[0].size < texts[1].size) return yes(out, false);
    const uint8_t *tail = texts[0].data + (texts[0].size - texts[1].size);
    return yes(out, texts[1].size == 0 || memcmp(tail, texts[1].data, texts[1].size) == 0);
}

FUNCTION(includes)
{
    (void)count;
    lion_slice texts[2] = { { 0 }, { 0 } };
    lion_status status = need_texts(call, arguments, texts, error);
    if (status != LION_OK) return status;
    if (texts[1].size == 0) return yes(out, true);
    return yes(out, texts[0].size > 0 && memmem(texts[0].data, texts[0].size, texts[1].data, texts[1].size) != NULL);
}

/* ---- case: simple mappings of the scripts that pair their letters regularly ---- */

static uint32_t to_upper(uint32_t c)
{
    if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 32 : c;
    if ((c >= 0xe0 && c <= 0xfe && c != 0xf7) || (c >= 0x3b1 && c <= 0x3cb && c != 0x3c2) || (c >= 0x430 && c <= 0x44f)) return c - 32;
    if (c == 0xff) return 0x178;
    if (c == 0x3c2) return 0x3a3;
    if (c >= 0x450 && c <= 0x45f) return c - 80;
    if ((c >= 0x100 && c <= 0x137 && c != 0x131) || (c >= 0x14a && c <= 0x177) || (c >= 0x460 && c <= 0x481) || (c >= 0x48a && c <= 0x4bf) ||
        (c >= 0x4d0 && c <= 0x52f) || (c >= 0x1e00 && c <= 0x1e95) || (c >= 0x1ea0 && c <= 0x1eff))
        return c & ~1u;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e)) return (c & 1) == 0 ? c - 1 : c;
    if (c >= 0x561 && c <= 0x586) return c - 48;
    return c;
}

static uint32_t to_lower(uint32_t c)
{
    if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
    if ((c >= 0xc0 && c <= 0xde && c != 0xd7) || (c >= 0x391 && c <= 0x3ab && c != 0x3a2) || (c >= 0x410 && c <= 0x42f)) return c + 32;
    if (c == 0x178) return 0xff;
    if (c >= 0x400 && c <= 0x40f) return c + 80;
    if ((c >= 0x100 && c <= 0x137 && c != 0x130) || (c >= 0x14a && c <= 0x177) || (c >= 0x460 && c <= 0x481) || (c >= 0x48a && c <= 0x4bf) ||
        (c >= 0x4d0 && c <= 0x52f) || (c >= 0x1e00 && c <= 0x1e95) || (c >= 0x1ea0 && c <= 0x1eff))
        return c | 1u;
    if ((c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17e)) return (c & 1) != 0 ? c + 1 : c;
    if (c >= 0x531 && c <= 0x556) return c + 48;
    return c;
}

/* All mapped letters are of two bytes on both sides, or of three on both: the size stays. */
static void map_case(uint8_t *text, size_t size, uint32_t (*map)(uint32_t))
{
    for (size_t at = 0; at < size;) {
        uint8_t lead = text[at];
        if (lead < 0x80) {
            text[at++] = (uint8_t)map(lead);
        } else if (lead >= 0xc2 && lead < 0xe0 && at + 1 < size) {
            uint32_t c = map((uint32_t)(lead & 0x1f) << 6 | (text[at + 1] & 0x3f));
            text[at] = (uint8_t)(0xc0 | c >> 6);
            text[at + 1] = (uint8_t)(0x80 | (c & 0x3f));
            at += 2;
        } else if (lead >= 0xe0 && lead < 0xf0 && at + 2 < size) {
            uint32_t c = map((uint32_t)(lead & 0xf) << 12 | (uint32_t)(text[at + 1] & 0x3f) << 6 | (text[at + 2] & 0x3f));
            text[at] = (uint8_t)(0xe0 | c >> 12);
            text[at + 1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
            text[at + 2] = (uint8_t)(0x80 | (c & 0x3f));
            at += 3;
        } else {
            at++;
        }
    }
}

static lion_status change_case(lion_function_call *call, lion_value value, uint32_t (*map)(uint32_t), lion_value *out, lion_error *error)
{
    lion_slice text = { 0 };
    lion_status status = need_text(call, value, &text, error);
    if (status != LION_OK) return status;
    uint8_t *bytes = (uint8_t *)lion_arena_text(call->arena, text);
    if (bytes == NULL) return lion_fail_memory(error);
    map_case(bytes, text.size, map);
    *out = text_value(lion_slice_of(bytes, text.size));
    return LION_OK;
}

FUNCTION(upper_case)
{
    (void)count;
    return change_case(call, arguments[0], to_upper, out, error);
}
FUNCTION(lower_case)
{
    (void)count;
    return change_case(call, arguments[0], to_lower, out, error);
}

static bool is_space(uint8_t c)
{
    return c == ' ' || (c >= 9 && c <= 13);
}

static lion_slice trimmed(lion_slice text)
{
    while (text.size > 0 && is_space(text.data[text.size - 1])) text.size--;
    while (text.size > 0 && is_space(text.data[0])) {
        text.data++;
        text.size--;
    }
    return text;
}

FUNCTION(trim)
{
    (void)count;
    lion_slice text = { 0 };
    lion_status status = need_text(call, arguments[0], &text, error);
    if (status == LION_OK) *out = text_value(trimmed(text));
    return status;
}
FUNCTION(is_blank)
{
    (void)count;
    lion_slice text = { 0 };
    if (arguments[0].type == LION_TYPE_NIL) return yes(out, true);
    lion_status status = need_text(call, arguments[0], &text, error);
    return status == LION_OK ? yes(out, trimmed(text).size == 0) : status;
}

/* ---- names ---- */

static const uint8_t *slash_in(lion_value value)
{
    return value.size > 1 ? memchr(value.data, '/', value.size) : NULL;
}

FUNCTION(name_of)
{
    lion_value value = arguments[0];
    (void)count;
    if (value.type == LION_TYPE_STRING) {
        *out = value;
        return LION_OK;
    }
    if (value.type != LION_TYPE_KEYWORD && value.type != LION_TYPE_SYMBOL) return lion_function_fail(call, "a keyword, symbol or string", value, error);
    const uint8_t *slash = slash_in(value);
    lion_slice name = lion_value_slice(value);
    if (slash != NULL) name = lion_slice_of(slash + 1, (size_t)(value.data + value.size - slash - 1));
    *out = text_value(name);
    return LION_OK;
}

FUNCTION(namespace_of)
{
    lion_value value = arguments[0];
    (void)count;
    if (value.type != LION_TYPE_KEYWORD && value.type != LION_TYPE_SYMBOL) return lion_function_fail(call, "a keyword or symbol", value, error);
    const uint8_t *slash = slash_in(value);
    *out = slash == NULL ? lion_value_nil() : text_value(lion_slice_of(value.data, (size_t)(slash - value.data)));
    return LION_OK;
}

FUNCTION(make_keyword)
{
    lion_slice parts[2] = { { 0 }, { 0 } };
    for (uint32_t i = 0; i < count; i++) {
        uint8_t type = arguments[i].type;
        if (type != LION_TYPE_STRING && type != LION_TYPE_KEYWORD && type != LION_TYPE_SYMBOL) return lion_function_fail(call, "a string", arguments[i], error);
        parts[i] = lion_value_slice(arguments[i]);
        if (i == 0 && parts[0].size > 0 && parts[0].data[0] == ':') parts[0] = lion_slice_of(parts[0].data + 1, parts[0].size - 1);
    }
    if (count == 1) {
        *out = lion_value_bytes(LION_TYPE_KEYWORD, parts[0]);
        return LION_OK;
    }
    uint8_t *bytes = lion_arena_alloc(call->arena, parts[0].size + parts[1].size + 1);
    if (bytes == NULL) return lion_fail_memory(error);
    memcpy(bytes, parts[0].data, parts[0].size);
    bytes[parts[0].size] = '/';
    memcpy(bytes + parts[0].size + 1, parts[1].data, parts[1].size);
    *out = lion_value_bytes(LION_TYPE_KEYWORD, lion_slice_of(bytes, parts[0].size + parts[1].size + 1));
    return LION_OK;
}

/* ---- regular expressions: the compiled one is kept from row to row ---- */

#define MATCH_STEPS_MAX 1000000

typedef struct expression {
    lion_slice text; /* in the run's arena */
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
} expression;

static void *take(size_t size, void *unused)
{
    (void)unused;
    return lion_alloc(size);
}
static void give(void *block, void *unused)
{
    (void)unused;
    lion_free(block);
}

static void free_expression(void *memory)
{
    expression *held = memory;
    pcre2_match_context_free(held->context);
    pcre2_match_data_free(held->match);
    pcre2_code_free(held->code);
    lion_free(held);
}

static lion_status compile(lion_function_call *call, lion_slice text, expression **out, lion_error *error)
{
    expression *held = call->memory;
    if (held != NULL && lion_slice_equal(held->text, text)) {
        *out = held;
        return LION_OK;
    }
    lion_function_forget(call);
    pcre2_general_context *general = pcre2_general_context_create(take, give, NULL);
    held = lion_zalloc(sizeof(*held));
    if (general == NULL || held == NULL) {
        pcre2_general_context_free(general);
        lion_free(held);
        return lion_fail_memory(error);
    }
    pcre2_compile_context *context = pcre2_compile_context_create(general);
    int code = 0;
    PCRE2_SIZE offset = 0;
    held->code = pcre2_compile(text.data == NULL ? (PCRE2_SPTR) "" : text.data, text.size, PCRE2_UTF | PCRE2_UCP, &code, &offset, context);
    if (held->code != NULL) {
        held->match = pcre2_match_data_create_from_pattern(held->code, general);
        held->context = pcre2_match_context_create(general);
        pcre2_set_match_limit(held->context, MATCH_STEPS_MAX);
    }
    pcre2_compile_context_free(context);
    pcre2_general_context_free(general);
    call->memory = held;
    call->free_memory = free_expression;
    if (held->code == NULL) {
        PCRE2_UCHAR message[120];
        pcre2_get_error_message(code, message, sizeof(message));
        return lion_fail(error, LION_INCORRECT, "lion/syntax", "the regular expression %.*s is malformed at %zu: %s",
                         (int)(text.size < 200 ? text.size : 200), (const char *)text.data, (size_t)offset, (const char *)message);
    }
    if (held->match == NULL || held->context == NULL) return lion_fail_memory(error);
    held->text = lion_arena_copy(&call->run->arena, text);
    *out = held;
    return LION_OK;
}

/* The match as Clojure gives it: the text, or a vector of it and its groups. */
static lion_value match_value(lion_function_call *call, const expression *held, lion_slice text, int groups)
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(held->match);
    uint32_t group_count = 0;
    pcre2_pattern_info(held->code, PCRE2_INFO_CAPTURECOUNT, &group_count);
    if (group_count == 0) return text_value(lion_slice_of(text.data + at[0], at[1] - at[0]));
    lion_value *slots = lion_arena_array(call->arena, lion_value, group_count + 1);
    for (uint32_t i = 0; i <= group_count; i++) {
        bool is_there = (int)i < groups && at[2 * i] != PCRE2_UNSET;
        slots[i] = is_there ? text_value(lion_slice_of(text.data + at[2 * i], at[2 * i + 1] - at[2 * i])) : lion_value_nil();
    }
    return lion_tuple_make(call->arena, slots, group_count + 1);
}

/* LION_OK with the number of groups, or LION_ABSENT. */
static lion_status match_at(lion_function_call *call, expression *held, lion_slice text, size_t from, uint32_t options, int *groups_out,
                            lion_error *error)
{
    int result = pcre2_match(held->code, text.data == NULL ? (PCRE2_SPTR) "" : text.data, text.size, from, options, held->match, held->context);
    if (result == PCRE2_ERROR_NOMATCH) return LION_ABSENT;
    if (result < 0)
        return lion_fail(error, LION_INTERRUPTED, "lion/limit", "%.*s gave up: the expression needs too many steps, or the text is no UTF-8 (%d)",
                         (int)call->name.size, (const char *)call->name.data, result);
    *groups_out = result;
    return LION_OK;
}

static lion_status find_once(lion_function_call *call, const lion_value *arguments, uint32_t options, lion_value *out, lion_error *error)
{
    lion_slice texts[2] = { { 0 }, { 0 } };
    expression *held = NULL;
    int groups = 0;
    lion_status status = need_texts(call, arguments, texts, error);
    if (status == LION_OK) status = compile(call, texts[0], &held, error);
    if (status == LION_OK) status = match_at(call, held, texts[1], 0, options, &groups, error);
    if (status == LION_ABSENT) *out = lion_value_nil();
    if (status == LION_OK) *out = match_value(call, held, texts[1], groups);
    return status == LION_ABSENT ? LION_OK : status;
}

FUNCTION(re_find)
{
    (void)count;
    return find_once(call, arguments, 0, out, error);
}
FUNCTION(re_matches)
{
    (void)count;
    return find_once(call, arguments, PCRE2_ANCHORED | PCRE2_ENDANCHORED, out, error);
}

FUNCTION(re_seq)
{
    lion_slice texts[2] = { { 0 }, { 0 } };
    expression *held = NULL;
    (void)count;
    lion_status status = need_texts(call, arguments, texts, error);
    if (status == LION_OK) status = compile(call, texts[0], &held, error);
    if (status != LION_OK) return status;
    size_t found = 0, room = 16, from = 0;
    lion_value *matches = lion_arena_array(call->arena, lion_value, room);
    while (from <= texts[1].size) {
        int groups = 0;
        status = match_at(call, held, texts[1], from, 0, &groups, error);
        if (status != LION_OK) break;
        if (found == room) {
            matches = lion_arena_grow(call->arena, matches, room * sizeof(*matches), 2 * room * sizeof(*matches));
            if (matches == NULL) return lion_fail_memory(error);
            room *= 2;
        }
        const PCRE2_SIZE *at = pcre2_get_ovector_pointer(held->match);
        size_t start = at[0], end = at[1];
        matches[found++] = match_value(call, held, texts[1], groups);
        from = end > start ? end : end + offset_of(lion_slice_of(texts[1].data + end, texts[1].size - end), 1);
        if (end == start && end == texts[1].size) break;
    }
    if (status == LION_FAILED) return status;
    *out = found == 0 ? lion_value_nil() : lion_tuple_make(call->arena, matches, found);
    return LION_OK;
}

const lion_function lion_functions_text[] = {
    { "str", 0, -1, false, concatenate },       { "subs", 2, 3, false, substring },       { "starts-with?", 2, 2, false, starts_with },
    { "ends-with?", 2, 2, false, ends_with },   { "includes?", 2, 2, false, includes },   { "upper-case", 1, 1, false, upper_case },
    { "lower-case", 1, 1, false, lower_case },  { "trim", 1, 1, false, trim },            { "blank?", 1, 1, false, is_blank },
    { "name", 1, 1, false, name_of },           { "namespace", 1, 1, false, namespace_of }, { "keyword", 1, 2, false, make_keyword },
    { "re-find", 2, 2, false, re_find },        { "re-matches", 2, 2, false, re_matches }, { "re-seq", 2, 2, false, re_seq },
    { 0 },
};
