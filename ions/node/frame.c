/* frame.c - frames as bytes. */
#include "node/frame.h"

#include <string.h>

#include "data/form_code.h"

void lion_frame_put(lion_buffer *buffer, lion_frame_kind kind, uint64_t id, lion_slice payload)
{
    lion_buffer_put_u32(buffer, (uint32_t)(LION_FRAME_HEAD - 4 + payload.size));
    lion_buffer_put_u8(buffer, (uint8_t)kind);
    lion_buffer_put_u64(buffer, id);
    lion_buffer_put(buffer, payload.data, payload.size);
}

lion_status lion_frame_take(lion_frame *frame_out, size_t *size_out, lion_slice input,
                            lion_error *error)
{
    if (input.size < 4) return LION_ABSENT;
    lion_reader reader;
    lion_reader_init(&reader, input);
    uint32_t size = lion_reader_u32(&reader);
    if (size < LION_FRAME_HEAD - 4 || size > LION_FRAME_SIZE_MAX)
        return lion_fail(error, LION_INCORRECT, "lion/syntax",
                         "a frame has 9 to %u bytes behind its size, not %u", LION_FRAME_SIZE_MAX,
                         size);
    if (input.size < 4 + (size_t)size) return LION_ABSENT;
    frame_out->kind = (lion_frame_kind)lion_reader_u8(&reader);
    frame_out->id = lion_reader_u64(&reader);
    frame_out->payload = lion_reader_bytes(&reader, size - (LION_FRAME_HEAD - 4));
    *size_out = 4 + (size_t)size;
    return LION_OK;
}

static void put_map(lion_buffer *buffer, lion_frame_kind kind, uint64_t id,
                    const lion_entry *entries, size_t count)
{
    lion_arena arena;
    lion_buffer payload;
    lion_arena_init(&arena, 0);
    lion_buffer_init(&payload);
    lion_form map = lion_form_entries(&arena, entries, count);
    if (lion_form_encode(&payload, &map, NULL) < 0 || payload.is_failed)
        buffer->is_failed = true;
    else
        lion_frame_put(buffer, kind, id, lion_buffer_view(&payload));
    lion_buffer_deinit(&payload);
    lion_arena_deinit(&arena);
}

void lion_frame_put_hello(lion_buffer *buffer, const char *role)
{
    lion_entry entries[] = { { "role", lion_form_string(role) } };
    put_map(buffer, LION_FRAME_HELLO, 0, entries, 1);
}

void lion_frame_put_error(lion_buffer *buffer, uint64_t id, const lion_error *error)
{
    lion_entry entries[] = { { "category", lion_form_string(lion_category_name(error->category)) },
                             { "code", lion_form_string(error->code) },
                             { "message", lion_form_string(error->message) } };
    put_map(buffer, LION_FRAME_ERROR, id, entries, 3);
}

uint8_t *lion_input_room(lion_buffer *input, size_t room)
{
    return lion_buffer_reserve(input, room) ? input->data + input->size : NULL;
}

void lion_input_drop(lion_buffer *input, size_t size)
{
    memmove(input->data, input->data + size, input->size - size);
    input->size -= size;
}
