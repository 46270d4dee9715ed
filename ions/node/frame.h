/* frame.h - the frames of the writer's socket: u32 size of the rest, u8 kind, u64 id, payload;
 * little-endian. */
#ifndef LION_IONS_NODE_FRAME_H
#define LION_IONS_NODE_FRAME_H

#include "base/buffer.h"
#include "node/link.h"

#define LION_FRAME_HEAD 13 /* bytes before the payload */
#define LION_FRAME_SIZE_MAX (256u << 20)

typedef struct lion_frame {
    lion_frame_kind kind;
    uint64_t id;
    lion_slice payload; /* borrowed from the input */
} lion_frame;

void lion_frame_put(lion_buffer *buffer, lion_frame_kind kind, uint64_t id, lion_slice payload);
/* The first frame of the input: LION_OK and its size; LION_ABSENT: it is not whole yet; incorrect,
 * lion/syntax: it is none. */
lion_status lion_frame_take(lion_frame *frame_out, size_t *size_out, lion_slice input,
                            lion_error *error);

/* The hello of a role. */
void lion_frame_put_hello(lion_buffer *buffer, const char *role);
/* A map of an error's fields, as the frame `error` has it. */
void lion_frame_put_error(lion_buffer *buffer, uint64_t id, const lion_error *error);

/* What is being received: bytes are added at the end and taken off in front. */
uint8_t *lion_input_room(lion_buffer *input, size_t room); /* NULL: out of memory */
void lion_input_drop(lion_buffer *input, size_t size);

#endif
