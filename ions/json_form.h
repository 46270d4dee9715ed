/* json_form.h - plain JSON as the bytes of a form (data/form_code.h), without a tree between.
 *
 * What it makes is what the general way does, by lion.json and form_write: a text with a colon in front is a keyword,
 * a whole number a long, an object a map, and what is empty a vector. It takes the plain and refuses the rest, which
 * the general way decides on: escapes of \u, keys that are there twice, texts with control characters, numbers beyond
 * a double, anything deep, all that is malformed. */
#ifndef LION_IONS_JSON_FORM_H
#define LION_IONS_JSON_FORM_H

#include "base/buffer.h"

/* What is left of a text. */
typedef struct lion_json {
    const char *at, *end;
} lion_json;

void lion_json_skip_blanks(lion_json *text);
/* Past blanks: whether the text goes on with c, which is then taken. */
bool lion_json_takes(lion_json *text, char c);
/* Whether nothing but blanks is left. */
bool lion_json_is_over(lion_json *text);
/* A text without escapes, borrowed. false: something else is there. */
bool lion_json_take_text(lion_json *text, lion_slice *out);
/* A value, appended. false: it is not for here, and what was appended is to be thrown away. */
bool lion_json_put_form(lion_json *text, lion_buffer *out);
/* A text as a form, appended. */
void lion_json_put_text(lion_buffer *out, lion_slice text);
/* The head of a map of so many entries, appended; keys and values follow it. */
void lion_json_put_map(lion_buffer *out, size_t count);

#endif
