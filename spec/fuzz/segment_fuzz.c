/* segment_fuzz.c - segments of untrusted bytes: whatever they hold, reading them answers or is
 * lion/corrupt.
 *
 * The first byte of the input says which kind of segment; its high bit, whether the rest is the
 * segment itself or a list of changes (two bytes place, one byte value) to a sound one, which gets
 * behind the headers. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "index/branch.h"
#include "index/leaf.h"
#include "index/log_leaf.h"
#include "index/log_tree.h"
#include "index/root.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS = 200, ENTRIES = 60, READ_MAX = LION_BATCH_ROWS };

/* A store with nothing in it: blobs that stubs name are not there. */
static lion_snapshot *empty_snapshot(void)
{
    static lion_store *store;
    static lion_snapshot *snapshot;
    if (snapshot != NULL) return snapshot;
    LION_ASSERT(lion_store_open_memory(&store, NULL) == LION_OK);
    LION_ASSERT(lion_snapshot_open(&snapshot, store, NULL) == LION_OK);
    return snapshot;
}

/* ---- sound segments ---- */

static lion_datom make_row(uint8_t order, uint8_t type, size_t i)
{
    static char texts[ROWS][24];
    size_t lead = i / 3;
    lion_datom row = { .e = lion_id_make(LION_PARTITION_USER, (int64_t)(lead * lead)),
                       .a = 70,
                       .tx = lion_t_to_tx(1000 + (int64_t)i / 5),
                       .added = i % 2 == 0 };
    uint8_t kind = type;
    if (order == LION_EAVT) {
        row.a = 70 + (uint32_t)(i % 3);
        kind = i % 3 == 0 ? LION_TYPE_LONG : i % 3 == 1 ? LION_TYPE_STRING : LION_TYPE_DOUBLE;
    }
    if (kind == LION_TYPE_STRING) {
        int length =
            snprintf(texts[i], sizeof texts[i], "value %04zu", order == LION_AVET ? i : i % 40);
        row.v = lion_value_bytes(LION_TYPE_STRING, lion_slice_of(texts[i], (size_t)length));
    } else if (kind == LION_TYPE_DOUBLE) {
        row.v = lion_value_double((double)i / 4);
    } else {
        row.v =
            lion_value_scalar((lion_type)kind, (int64_t)(order == LION_AVET ? i : i * 7919 % 50));
    }
    return row;
}

static void write_leaf(lion_buffer *buffer, const lion_tree *tree)
{
    lion_datom rows[ROWS];
    lion_leaf_writer writer;
    for (size_t i = 0; i < ROWS; i++) rows[i] = make_row(tree->order, tree->type, i);
    lion_leaf_writer_init(&writer);
    lion_leaf_write(buffer, &writer, tree, rows, ROWS);
    lion_leaf_writer_deinit(&writer);
}

static void write_branch(lion_buffer *buffer, const lion_tree *tree)
{
    lion_branch_entry entries[ENTRIES];
    lion_column_writer writer;
    for (size_t i = 0; i < ENTRIES; i++) {
        lion_datom low = make_row(tree->order, tree->type, 3 * i + 2);
        lion_datom high = make_row(tree->order, tree->type, 3 * i + 3);
        entries[i] =
            (lion_branch_entry){ .segment = 1 + i * i,
                                 .rows = 100 + i,
                                 .distinct = 7,
                                 .separator = lion_key_separate(tree->order, &low, &high) };
    }
    lion_column_writer_init(&writer);
    lion_branch_write(buffer, &writer, tree, 2, entries, ENTRIES);
    lion_column_writer_deinit(&writer);
}

static void write_records(lion_buffer *buffer)
{
    for (int64_t t = 1; t < 20; t++) {
        lion_buffer record;
        lion_datom datoms[3];
        for (size_t i = 0; i < 3; i++)
            datoms[i] = make_row(LION_EAVT, LION_TYPE_MIXED, (size_t)t * 3 + i);
        lion_transaction transaction = { .t = t, .datoms = datoms, .datom_count = 3 };
        lion_buffer_init(&record);
        lion_transaction_encode(&record, &transaction);
        lion_buffer_put_varint(buffer, record.size);
        lion_buffer_put(buffer, record.data, record.size);
        lion_buffer_deinit(&record);
    }
}

static void write_log(lion_buffer *buffer)
{
    lion_buffer raw;
    lion_buffer_init(&raw);
    write_records(&raw);
    LION_ASSERT(lion_log_leaf_write(buffer, lion_buffer_view(&raw), 19, 1, 19, NULL) == LION_OK);
    lion_buffer_deinit(&raw);
}

/* ---- readers ---- */

static void check_failure(lion_status status, const lion_error *error)
{
    if (status != LION_FAILED) return;
    LION_ASSERT(strcmp(error->code, "lion/corrupt") == 0);
}

static void read_rows(lion_leaf *leaf, uint32_t from, uint32_t count)
{
    static int64_t e[READ_MAX], tx[READ_MAX];
    static uint32_t a[READ_MAX];
    static lion_value v[READ_MAX];
    static uint8_t added[READ_MAX];
    lion_error error = { 0 };
    volatile uint8_t sink = 0; /* touch every byte that is handed out */
    lion_leaf_target target = {
        .e = e, .a = a, .tx = tx, .added = added, .v = { .type = leaf->type, .values = v }
    };
    lion_status status = lion_leaf_read(leaf, from, count, &target, empty_snapshot(), &error);
    check_failure(status, &error);
    if (status != LION_OK || lion_type_is_scalar(leaf->type)) return;
    for (uint32_t i = 0; i < count; i++)
        if (!lion_type_is_scalar(v[i].type))
            for (uint32_t j = 0; j < v[i].size; j++) sink = (uint8_t)(sink ^ v[i].data[j]);
}

static void read_leaf(const lion_tree *tree, lion_slice bytes)
{
    lion_leaf leaf;
    lion_error error = { 0 };
    lion_status status = lion_leaf_open(&leaf, bytes, tree->a, &error);
    check_failure(status, &error);
    if (status != LION_OK) return;
    for (uint32_t from = 0; from < leaf.rows; from += READ_MAX)
        read_rows(&leaf, from, leaf.rows - from < READ_MAX ? leaf.rows - from : READ_MAX);
    for (uint32_t row = 0; row < leaf.rows; row += 1 + row / 4) {
        lion_datom datom;
        status = lion_leaf_row(&datom, &leaf, row, &error);
        check_failure(status, &error);
        for (uint8_t parts = 0; parts <= 4 && status == LION_OK; parts++) {
            lion_key key = { .datom = datom, .parts = parts };
            uint32_t place;
            lion_status found = lion_leaf_lower_bound(&place, &leaf, &key, parts % 2 == 1,
                                                      empty_snapshot(), &error);
            check_failure(found, &error);
            LION_ASSERT(found != LION_OK || place <= leaf.rows);
        }
    }
}

static void read_branch(const lion_tree *tree, lion_slice bytes)
{
    lion_branch branch;
    lion_branch_entry *entries;
    lion_error error = { 0 };
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_status status = lion_branch_open(&branch, bytes, tree, 2, &error);
    check_failure(status, &error);
    if (status == LION_OK)
        check_failure(lion_branch_read(&entries, &branch, &arena, &error), &error);
    for (size_t i = 0; status == LION_OK && i < ROWS; i += 7) {
        lion_key key = { .datom = make_row(tree->order, tree->type, i), .parts = (uint8_t)(i % 5) };
        uint32_t child;
        uint64_t number;
        int64_t low, high;
        lion_status found =
            lion_branch_find(&child, &branch, &key, i % 2 == 0, empty_snapshot(), &error);
        check_failure(found, &error);
        if (found != LION_OK) continue;
        LION_ASSERT(child < branch.count);
        check_failure(lion_branch_child(&number, &branch, child, &error), &error);
        check_failure(lion_branch_rows_before(&number, &branch, child, &error), &error);
        check_failure(lion_branch_times(&low, &high, &branch, child, &error), &error);
    }
    lion_arena_deinit(&arena);
}

static void read_record(lion_slice bytes)
{
    lion_transaction transaction;
    lion_error error = { 0 };
    lion_arena arena;
    lion_arena_init(&arena, 0);
    check_failure(lion_transaction_decode(&transaction, bytes, &arena, &error), &error);
    lion_arena_deinit(&arena);
}

static void read_log(lion_slice bytes)
{
    lion_log_leaf leaf;
    lion_buffer raw;
    lion_error error = { 0 };
    lion_buffer_init(&raw);
    lion_status status = lion_log_leaf_open(&leaf, bytes, &error);
    check_failure(status, &error);
    if (status == LION_OK && leaf.raw_size < (1u << 24))
        check_failure(lion_log_leaf_unpack(&raw, &leaf, &error), &error);
    lion_buffer_deinit(&raw);
}

static void read_root(lion_slice bytes)
{
    lion_root root = { 0 };
    lion_error error = { 0 };
    lion_status status = lion_root_decode(&root, bytes, &error);
    if (status == LION_OK)
        lion_root_clear(&root);
    else
        LION_ASSERT(strcmp(error.code, "lion/corrupt") == 0 ||
                    strcmp(error.code, "lion/out-of-memory") == 0);
}

/* ---- the kinds ---- */

static const lion_tree TREES[] = {
    { .order = LION_EAVT, .type = LION_TYPE_MIXED },
    { .order = LION_AEVT, .type = LION_TYPE_LONG, .a = 70 },
    { .order = LION_AEVT, .type = LION_TYPE_STRING, .a = 70, .is_history = 1 },
    { .order = LION_AEVT, .type = LION_TYPE_DOUBLE, .a = 70 },
    { .order = LION_AVET, .type = LION_TYPE_STRING, .a = 70 },
    { .order = LION_AVET, .type = LION_TYPE_REF, .a = 70, .is_history = 1 },
};
enum { TREE_COUNT = sizeof TREES / sizeof TREES[0] };

static void write_sound(lion_buffer *buffer, unsigned kind)
{
    lion_root root = { .t = 9, .eavt = { .segment = 5, .count = 7, .height = 2 } };
    if (kind < TREE_COUNT)
        write_leaf(buffer, &TREES[kind]);
    else if (kind < 2 * TREE_COUNT)
        write_branch(buffer, &TREES[kind - TREE_COUNT]);
    else if (kind == 2 * TREE_COUNT)
        write_log(buffer);
    else if (kind == 2 * TREE_COUNT + 1)
        write_records(buffer);
    else
        lion_root_encode(buffer, &root);
}

static void read_bytes(unsigned kind, lion_slice bytes)
{
    if (kind < TREE_COUNT)
        read_leaf(&TREES[kind], bytes);
    else if (kind < 2 * TREE_COUNT)
        read_branch(&TREES[kind - TREE_COUNT], bytes);
    else if (kind == 2 * TREE_COUNT)
        read_log(bytes);
    else if (kind == 2 * TREE_COUNT + 1)
        read_record(bytes.size > 1 ? lion_slice_of(bytes.data + 1, bytes.size - 1) : bytes);
    else
        read_root(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) return 0;
    unsigned kind = (data[0] & 127) % (2 * TREE_COUNT + 3);
    if ((data[0] & 128) == 0) {
        read_bytes(kind, lion_slice_of(data + 1, size - 1));
        return 0;
    }
    lion_buffer buffer;
    lion_buffer_init(&buffer);
    write_sound(&buffer, kind);
    LION_ASSERT(!buffer.is_failed);
    for (size_t i = 1; i + 3 <= size; i += 3) {
        size_t place = (size_t)(data[i] << 8 | data[i + 1]);
        if (i % 2 == 1) place %= 200; /* headers and directories more often */
        buffer.data[place % buffer.size] = data[i + 2];
    }
    uint8_t *exact = malloc(buffer.size);
    LION_ASSERT(exact != NULL);
    memcpy(exact, buffer.data, buffer.size);
    read_bytes(kind, lion_slice_of(exact, buffer.size));
    free(exact);
    lion_buffer_deinit(&buffer);
    return 0;
}
