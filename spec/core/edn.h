/* edn.h - forms from EDN text, for tests only: tests read as the data they are about.
 * Knows nil, booleans, longs, doubles, strings, keywords, symbols, vectors, lists, maps, sets, and
 * #lookup [a v] (the LOOKUP flag). Asserts on bad text. */
#ifndef LION_SPEC_EDN_H
#define LION_SPEC_EDN_H

#include <ctype.h>

#include "data/value.h"
#include "support.h"

typedef struct edn_reader {
    const char *at;
    lion_arena *arena;
} edn_reader;

static inline lion_form edn_next(edn_reader *reader);

static inline void edn_space(edn_reader *reader)
{
    while (*reader->at == ',' || isspace((unsigned char)*reader->at)) reader->at++;
}

static inline lion_form edn_items(edn_reader *reader, char close, lion_form_kind kind)
{
    lion_form items[256];
    uint32_t count = 0;
    for (edn_space(reader); *reader->at != close; edn_space(reader)) {
        assert_true(*reader->at != 0 && count < 256);
        items[count++] = edn_next(reader);
    }
    reader->at++;
    lion_form form = kind == LION_FORM_MAP ? lion_form_map(reader->arena, count / 2)
                                           : lion_form_vector(reader->arena, count);
    form.kind = (uint8_t)kind;
    if (count > 0) memcpy(form.items, items, count * sizeof(lion_form));
    return form;
}

static inline lion_form edn_text(lion_type type, lion_arena *arena, const char *text, size_t size)
{
    return lion_form_value(
        lion_value_bytes(type, lion_arena_copy(arena, lion_slice_of(text, size))));
}

static inline lion_form edn_string(edn_reader *reader)
{
    char text[4096];
    size_t size = 0;
    for (; *reader->at != '"'; reader->at++) {
        assert_true(*reader->at != 0 && size < sizeof text);
        if (*reader->at == '\\') reader->at++;
        text[size++] = *reader->at;
    }
    reader->at++;
    return edn_text(LION_TYPE_STRING, reader->arena, text, size);
}

static inline lion_form edn_word(edn_reader *reader)
{
    const char *start = reader->at;
    while (*reader->at != 0 && !isspace((unsigned char)*reader->at) &&
           strchr(",()[]{}\"", *reader->at) == NULL)
        reader->at++;
    size_t size = (size_t)(reader->at - start);
    lion_slice word = lion_slice_of(start, size);
    if (*start == ':') return edn_text(LION_TYPE_KEYWORD, reader->arena, start + 1, size - 1);
    if (lion_slice_equal(word, lion_slice_text("nil"))) return lion_form_value(lion_value_nil());
    if (lion_slice_equal(word, lion_slice_text("true")))
        return lion_form_value(lion_value_boolean(true));
    if (lion_slice_equal(word, lion_slice_text("false")))
        return lion_form_value(lion_value_boolean(false));
    if (isdigit((unsigned char)*start) || (*start == '-' && isdigit((unsigned char)start[1]))) {
        if (memchr(start, '.', size) != NULL)
            return lion_form_value(lion_value_double(strtod(start, NULL)));
        return lion_form_value(lion_value_long(strtoll(start, NULL, 10)));
    }
    return edn_text(LION_TYPE_SYMBOL, reader->arena, start, size);
}

static inline lion_form edn_next(edn_reader *reader)
{
    edn_space(reader);
    char c = *reader->at;
    if (c == '[' || c == '(' || c == '{' || c == '"') reader->at++;
    if (c == '[') return edn_items(reader, ']', LION_FORM_VECTOR);
    if (c == '(') return edn_items(reader, ')', LION_FORM_VECTOR);
    if (c == '{') return edn_items(reader, '}', LION_FORM_MAP);
    if (c == '"') return edn_string(reader);
    if (c == '#' && reader->at[1] == '{') {
        reader->at += 2;
        return edn_items(reader, '}', LION_FORM_SET);
    }
    if (strncmp(reader->at, "#lookup", 7) == 0) {
        reader->at += 7;
        lion_form form = edn_next(reader);
        form.flags |= LION_FORM_LOOKUP;
        return form;
    }
    return edn_word(reader);
}

static inline lion_form edn(lion_arena *arena, const char *text)
{
    edn_reader reader = { .at = text, .arena = arena };
    lion_form form = edn_next(&reader);
    edn_space(&reader);
    assert_int_equal(*reader.at, 0);
    return form;
}

#endif
