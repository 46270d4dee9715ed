/* transaction.c - the record of one transaction: payload of the log tail, row of the log tree. */
#include <string.h>

#include "base/assert.h"
#include "index/log_tree.h"

#define RETRACTION 0x80
#define ID_SIZE 16

static void put_value(lion_buffer *buffer, const lion_value *value)
{
    if (value->type == LION_TYPE_DOUBLE) {
        lion_buffer_put_u64(buffer, (uint64_t)value->bits);
    } else if (lion_type_is_scalar(value->type)) {
        lion_buffer_put_zigzag(buffer, value->bits);
    } else {
        if (value->type != LION_TYPE_UUID) lion_buffer_put_varint(buffer, value->size);
        lion_buffer_put(buffer, value->data, value->size);
    }
}

void lion_transaction_encode(lion_buffer *buffer, const lion_transaction *transaction)
{
    lion_buffer_put_varint(buffer, (uint64_t)transaction->t);
    lion_buffer_put_zigzag(buffer, transaction->instant_ms);
    lion_buffer_put_varint(buffer, (uint64_t)transaction->next_counter);
    lion_buffer_put_varint(buffer, transaction->datom_count);
    int64_t e = 0;
    for (uint32_t i = 0; i < transaction->datom_count; i++) {
        const lion_datom *datom = &transaction->datoms[i];
        LION_ASSERT(datom->v.type <= LION_TYPE_DECIMAL);
        LION_ASSERT(datom->v.type != LION_TYPE_UUID || datom->v.size == 16);
        lion_buffer_put_zigzag(buffer, (int64_t)((uint64_t)datom->e - (uint64_t)e));
        lion_buffer_put_varint(buffer, datom->a);
        lion_buffer_put_u8(buffer, (uint8_t)(datom->v.type | (datom->added ? 0 : RETRACTION)));
        put_value(buffer, &datom->v);
        e = datom->e;
    }
    lion_buffer_put_u8(buffer, transaction->has_id ? 1 : 0);
    if (transaction->has_id) lion_buffer_put(buffer, transaction->id, ID_SIZE);
    lion_buffer_put_varint(buffer, transaction->tempid_count);
    for (uint32_t i = 0; i < transaction->tempid_count; i++) {
        const lion_tempid *tempid = &transaction->tempids[i];
        lion_buffer_put_varint(buffer, tempid->name.size);
        lion_buffer_put(buffer, tempid->name.data, tempid->name.size);
        lion_buffer_put_varint(buffer, (uint64_t)tempid->id);
    }
}

/* ---- decoding ---- */

static bool get_value(lion_reader *reader, uint8_t type, lion_value *value_out)
{
    if (type == LION_TYPE_NIL || type > LION_TYPE_DECIMAL) return false;
    if (type == LION_TYPE_DOUBLE) {
        *value_out = lion_value_scalar(LION_TYPE_DOUBLE, (int64_t)lion_reader_u64(reader));
    } else if (lion_type_is_scalar(type)) {
        *value_out = lion_value_scalar((lion_type)type, lion_reader_zigzag(reader));
    } else {
        uint64_t size = type == LION_TYPE_UUID ? 16 : lion_reader_varint(reader);
        if (size > LION_VALUE_SIZE_MAX) return false;
        *value_out = lion_value_bytes((lion_type)type, lion_reader_bytes(reader, (size_t)size));
    }
    return !reader->is_failed && (type != LION_TYPE_BOOLEAN || (uint64_t)value_out->bits <= 1);
}

static bool get_datoms(lion_transaction *transaction, lion_reader *reader)
{
    int64_t e = 0, tx = lion_t_to_tx(transaction->t);
    for (uint32_t i = 0; i < transaction->datom_count; i++) {
        lion_datom *datom = &transaction->datoms[i];
        *datom = (lion_datom){ .tx = tx };
        datom->e = e = (int64_t)((uint64_t)e + (uint64_t)lion_reader_zigzag(reader));
        uint64_t a = lion_reader_varint(reader);
        uint8_t type = lion_reader_u8(reader);
        datom->a = (uint32_t)a;
        datom->added = (type & RETRACTION) == 0;
        if (a > UINT32_MAX || !get_value(reader, type & (uint8_t)~RETRACTION, &datom->v))
            return false;
    }
    return true;
}

static bool get_tempids(lion_transaction *transaction, lion_reader *reader)
{
    for (uint32_t i = 0; i < transaction->tempid_count; i++) {
        uint64_t size = lion_reader_varint(reader);
        if (size > lion_reader_left(reader)) return false;
        transaction->tempids[i].name = lion_reader_bytes(reader, (size_t)size);
        transaction->tempids[i].id = (int64_t)lion_reader_varint(reader);
    }
    return !reader->is_failed;
}

static lion_status bad_record(lion_error *error)
{
    return lion_fail_corrupt(error, "a transaction record is malformed");
}

lion_status lion_transaction_decode(lion_transaction *transaction_out, lion_slice bytes,
                                    lion_arena *arena, lion_error *error)
{
    lion_reader reader;
    lion_transaction transaction = { 0 };
    lion_reader_init(&reader, bytes);
    uint64_t t = lion_reader_varint(&reader);
    transaction.instant_ms = lion_reader_zigzag(&reader);
    uint64_t next_counter = lion_reader_varint(&reader);
    uint64_t count = lion_reader_varint(&reader);
    bool is_sound = !reader.is_failed && t >> LION_COUNTER_BITS == 0 &&
                    next_counter >> LION_COUNTER_BITS == 0 &&
                    count <= lion_reader_left(&reader) / 3; /* a datom takes three bytes and more */
    if (!is_sound || count > UINT32_MAX) return bad_record(error);
    transaction.t = (int64_t)t;
    transaction.next_counter = (int64_t)next_counter;
    transaction.datom_count = (uint32_t)count;
    transaction.datoms = lion_arena_array(arena, lion_datom, count + 1);
    if (transaction.datoms == NULL) return lion_fail_memory(error);
    if (!get_datoms(&transaction, &reader)) return bad_record(error);

    uint8_t has_id = lion_reader_u8(&reader);
    transaction.has_id = has_id == 1;
    if (has_id > 1 || reader.is_failed) return bad_record(error);
    lion_slice id = lion_reader_bytes(&reader, transaction.has_id ? ID_SIZE : 0);
    count = lion_reader_varint(&reader);
    if (reader.is_failed || count > lion_reader_left(&reader) / 2) return bad_record(error);
    if (transaction.has_id) memcpy(transaction.id, id.data, ID_SIZE);
    transaction.tempid_count = (uint32_t)count;
    transaction.tempids = lion_arena_array(arena, lion_tempid, count + 1);
    if (transaction.tempids == NULL) return lion_fail_memory(error);
    if (!get_tempids(&transaction, &reader) || lion_reader_left(&reader) != 0)
        return bad_record(error);
    if (lion_arena_check(arena, error) != LION_OK) return LION_FAILED;
    *transaction_out = transaction;
    return LION_OK;
}
