/* print.h - values as EDN-like text at the end of a buffer: shared by value_text.c and form.c. */
#ifndef LION_DATA_PRINT_H
#define LION_DATA_PRINT_H

#include "base/buffer.h"
#include "data/value.h"

/* is_quoted: strings in quotes with escapes, instants and uuids with their tags. */
void lion_value_print(lion_buffer *buffer, lion_value value, bool is_quoted);

#endif
