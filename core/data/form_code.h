/* form_code.h - forms as bytes, for what travels between processes. Not a format of files: both sides are of one version.
 *
 * A form is a tag byte (kind, flags and, for values, the type), then what the kind needs: varints for counts and
 * sizes, zigzag varints for integers, 8 bytes for doubles, bytes for the rest. HOST and DB forms cannot travel. */
#ifndef LION_DATA_FORM_CODE_H
#define LION_DATA_FORM_CODE_H

#include "base/buffer.h"
#include "lion.h"

/* Appends. unsupported, lion/not-allowed, for a form that holds a function, a database or a log; lion/limit
 * (interrupted) for one deeper than 512. What was appended before a failure is to be thrown away. */
lion_status lion_form_encode(lion_buffer *buffer, const lion_form *form, lion_error *error);
/* The whole of bytes is one form. Texts are borrowed from bytes; nodes are in the arena. lion/syntax (incorrect) for
 * anything malformed, deeper than 512, or larger than its bytes can be. */
lion_status lion_form_decode(lion_form *form_out, lion_slice bytes, lion_arena *arena, lion_error *error);

#endif
