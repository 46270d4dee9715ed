/* stub.c - making, reading and comparing stubs of blobs. */
#include "index/stub.h"

#include <string.h>

#include "base/assert.h"
#include "index/tree.h"

lion_value lion_stub_make(lion_arena *arena, lion_value value)
{
    LION_ASSERT(value.size > LION_BLOB_SIZE_MIN);
    lion_value stub = value;
    uint8_t *bytes = lion_arena_alloc(arena, LION_STUB_SIZE - 4);
    stub.data = bytes;
    if (bytes == NULL) return stub;
    lion_hash128 hash = lion_hash_128(value.data, value.size);
    memcpy(bytes, &hash, 16);
    memcpy(bytes + 16, value.data, LION_STUB_PREFIX);
    stub.zero[0] = LION_STUB_MARK;
    return stub;
}

lion_hash128 lion_stub_hash(const lion_value *stub)
{
    LION_ASSERT(lion_value_is_stub(stub));
    lion_hash128 hash;
    memcpy(&hash, stub->data, 16);
    return hash;
}

bool lion_stub_view(lion_value *stub_out, lion_type type, const uint8_t *entry)
{
    uint32_t size;
    memcpy(&size, entry, 4);
    if (size <= LION_BLOB_SIZE_MIN || size > LION_VALUE_SIZE_MAX) return false;
    *stub_out = (lion_value){
        .type = (uint8_t)type, .zero = { LION_STUB_MARK }, .size = size, .data = entry + 4
    };
    return true;
}

void lion_stub_put(lion_buffer *buffer, const lion_value *stub)
{
    LION_ASSERT(lion_value_is_stub(stub));
    lion_buffer_put_u32(buffer, stub->size);
    lion_buffer_put(buffer, stub->data, LION_STUB_SIZE - 4);
}

lion_status lion_stub_resolve(lion_value *value, lion_snapshot *snapshot, lion_error *error)
{
    if (!lion_value_is_stub(value)) return LION_OK;
    lion_slice bytes;
    lion_status status = lion_snapshot_blob(&bytes, snapshot, lion_stub_hash(value), error);
    if (status == LION_ABSENT)
        return lion_fail_corrupt(error, "a leaf names a blob of %u bytes that is not in the store",
                                 value->size);
    if (status != LION_OK) return status;
    if (bytes.size != value->size)
        return lion_fail_corrupt(error, "a blob has %zu bytes where its leaf says %u", bytes.size,
                                 value->size);
    *value = lion_value_bytes((lion_type)value->type, bytes);
    return LION_OK;
}

/* What can be compared without the blob: the whole value, or a stub's prefix. */
static lion_slice known_bytes(const lion_value *value)
{
    if (lion_value_is_stub(value)) return lion_slice_of(value->data + 16, LION_STUB_PREFIX);
    return lion_value_slice(*value);
}

lion_status lion_stub_compare(int *order_out, const lion_value *a, const lion_value *b,
                              lion_snapshot *snapshot, lion_error *error)
{
    bool is_plain = !lion_value_is_stub(a) && !lion_value_is_stub(b);
    if (is_plain || a->type != b->type) { /* across types the bytes do not matter */
        lion_value x = *a, y = *b;
        if (!is_plain) x.size = y.size = 0;
        *order_out = lion_value_compare(x, y);
        return LION_OK;
    }
    if (lion_stub_equal(a, b)) {
        *order_out = 0;
        return LION_OK;
    }
    lion_slice known_a = known_bytes(a), known_b = known_bytes(b);
    size_t size = known_a.size < known_b.size ? known_a.size : known_b.size;
    if (size > LION_STUB_PREFIX) size = LION_STUB_PREFIX;
    int order = size == 0 ? 0 : memcmp(known_a.data, known_b.data, size);
    if (order != 0 || size < LION_STUB_PREFIX) { /* a value shorter than the prefix is all known */
        *order_out = order != 0 ? order : known_a.size < known_b.size ? -1 : 1;
        return LION_OK;
    }
    lion_value x = *a, y = *b;
    if (lion_stub_resolve(&x, snapshot, error) != LION_OK) return LION_FAILED;
    if (lion_stub_resolve(&y, snapshot, error) != LION_OK) return LION_FAILED;
    *order_out = lion_value_compare(x, y);
    return LION_OK;
}

bool lion_stub_equal(const lion_value *a, const lion_value *b)
{
    if (lion_value_is_stub(a) != lion_value_is_stub(b)) return false;
    if (!lion_value_is_stub(a)) return lion_value_compare(*a, *b) == 0;
    return a->type == b->type && a->size == b->size && memcmp(a->data, b->data, 16) == 0;
}
