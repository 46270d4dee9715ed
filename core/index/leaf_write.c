/* leaf_write.c - turning sorted rows into a leaf segment. */
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/memory.h"
#include "index/leaf.h"
#include "index/leaf_format.h"

/* The column of one attribute of an EAVT leaf. */
struct lion_leaf_attribute {
    uint32_t a;
    uint8_t type;
    uint32_t code;  /* as met; replaced by its rank */
    uint32_t count; /* rows */
    uint32_t start; /* of its values among all, once grouped */
    uint32_t used;
};

struct lion_leaf_shape {
    uint32_t run;   /* the first with this shape */
    uint32_t count; /* runs */
    uint32_t start; /* of its positions */
    uint64_t hash;
};

/* Uses of room. */
enum { STARTS = 0, NUMBERS = 1, ORDINALS = 2, CODES = 3, SLOTS = 4, ROOMS = 5 };

void lion_leaf_writer_init(lion_leaf_writer *writer)
{
    *writer = (lion_leaf_writer){ 0 };
    lion_column_writer_init(&writer->columns);
}

void lion_leaf_writer_deinit(lion_leaf_writer *writer)
{
    lion_column_writer_deinit(&writer->columns);
    for (int i = 0; i < ROOMS; i++) lion_free(writer->room[i]);
    lion_free(writer->values);
    lion_free(writer->slots);
    lion_free(writer->codes);
    lion_free(writer->shape_of);
    lion_free(writer->attributes);
    lion_free(writer->shapes);
}

/* The block with room for `count` items; the old block, and false in *is_done, if memory is
 * refused. */
static void *grown(void *block, size_t count, size_t size, bool *is_done)
{
    void *larger = lion_realloc(block, count * size);
    if (larger == NULL) *is_done = false;
    return larger != NULL ? larger : block;
}

static bool reserve(lion_leaf_writer *writer, size_t count)
{
    if (count <= writer->capacity) return true;
    size_t capacity = 1024;
    while (capacity < count) capacity *= 2;
    bool ok = true;
    writer->values = grown(writer->values, capacity, sizeof *writer->values, &ok);
    writer->slots = grown(writer->slots, capacity * 2, sizeof *writer->slots, &ok);
    writer->codes = grown(writer->codes, capacity, sizeof *writer->codes, &ok);
    writer->shape_of = grown(writer->shape_of, capacity, sizeof *writer->shape_of, &ok);
    writer->attributes = grown(writer->attributes, capacity, sizeof *writer->attributes, &ok);
    writer->shapes = grown(writer->shapes, capacity, sizeof *writer->shapes, &ok);
    for (int i = 0; i < ROOMS; i++)
        writer->room[i] = grown(writer->room[i], capacity + 1, sizeof(int64_t), &ok);
    if (ok) writer->capacity = capacity;
    return ok;
}

/* A leaf in the making. */
typedef struct work {
    lion_buffer *buffer;
    lion_leaf_writer *writer;
    const lion_datom *rows;
    size_t count, leads;
    size_t start; /* of the segment in the buffer */
    uint8_t order;
    uint32_t places[LION_LEAF_PLACE_COUNT];
} work;

static uint32_t here(const work *w)
{
    return (uint32_t)(w->buffer->size - w->start);
}

static void write_ints(work *w, const int64_t *values, size_t count)
{
    lion_ints_write(w->buffer, &w->writer->columns.ints, values, count, LION_INTS_RANDOM);
}

/* The first row of each run, and one behind the last. */
static void find_runs(work *w)
{
    int64_t *starts = w->writer->room[STARTS];
    size_t leads = 0;
    for (size_t row = 0; row < w->count; row++)
        if (row == 0 || !lion_lead_equal(w->order, &w->rows[row - 1], &w->rows[row]))
            starts[leads++] = (int64_t)row;
    starts[leads] = (int64_t)w->count;
    w->leads = leads;
}

static void write_runs(work *w)
{
    if (w->leads == w->count) return;
    w->places[LION_LEAF_PLACE_STARTS] = here(w);
    write_ints(w, w->writer->room[STARTS], w->leads + 1);
}

static void write_e(work *w)
{
    int64_t *e = w->writer->room[NUMBERS];
    const int64_t *starts = w->writer->room[STARTS];
    size_t count = w->order == LION_AVET ? w->count : w->leads;
    for (size_t i = 0; i < count; i++)
        e[i] = w->rows[w->order == LION_AVET ? i : (size_t)starts[i]].e;
    w->places[LION_LEAF_PLACE_E] = here(w);
    lion_ints_write(w->buffer, &w->writer->columns.ints, e, count,
                    w->order == LION_AVET ? LION_INTS_INDEXED : LION_INTS_SEARCHED);
}

static void write_v(work *w, lion_type type)
{
    lion_value *values = w->writer->values;
    const int64_t *starts = w->writer->room[STARTS];
    size_t count = w->order == LION_AVET ? w->leads : w->count;
    for (size_t i = 0; i < count; i++)
        values[i] = w->rows[w->order == LION_AVET ? (size_t)starts[i] : i].v;
    w->places[LION_LEAF_PLACE_V] = here(w);
    lion_column_write(w->buffer, &w->writer->columns, type, values, count,
                      w->order == LION_AVET ? LION_COLUMN_SORTED : LION_COLUMN_ANY);
}

static void write_tx(work *w, bool is_history)
{
    int64_t *tx = w->writer->room[NUMBERS];
    for (size_t row = 0; row < w->count; row++) tx[row] = w->rows[row].tx;
    w->places[LION_LEAF_PLACE_TX] = here(w);
    write_ints(w, tx, w->count);
    if (!is_history) return;
    w->places[LION_LEAF_PLACE_ADDED] = here(w);
    for (size_t start = 0; start < w->count; start += 8) {
        unsigned bits = 0;
        for (size_t row = start; row < w->count && row < start + 8; row++)
            if (w->rows[row].added) bits |= 1u << (row - start);
        lion_buffer_put_u8(w->buffer, (uint8_t)bits);
    }
}

/* ---- EAVT: attributes and shapes ---- */

static size_t slot_mask(const work *w)
{
    size_t slots = 64;
    while (slots < w->count * 2) slots *= 2; /* <= 2 * capacity, a power of two and at least 1024 */
    return slots - 1;
}

static int compare_attributes(const void *left, const void *right)
{
    const struct lion_leaf_attribute *a = left, *b = right;
    if (a->a != b->a) return a->a < b->a ? -1 : 1;
    return (a->type > b->type) - (a->type < b->type);
}

/* Number the attributes (with their type) ascending; codes[row] is that number. */
static size_t find_attributes(work *w)
{
    struct lion_leaf_attribute *attributes = w->writer->attributes;
    uint32_t *slots = w->writer->slots, *codes = w->writer->codes;
    size_t mask = slot_mask(w), found = 0;
    memset(slots, 0, (mask + 1) * sizeof *slots);
    for (size_t row = 0; row < w->count; row++) {
        uint32_t a = w->rows[row].a;
        uint8_t type = w->rows[row].v.type;
        size_t slot = lion_hash_u64((uint64_t)a << 8 | type) & mask;
        uint32_t code;
        while ((code = slots[slot]) != 0 &&
               (attributes[code - 1].a != a || attributes[code - 1].type != type))
            slot = (slot + 1) & mask;
        if (code == 0) {
            attributes[found] =
                (struct lion_leaf_attribute){ .a = a, .type = type, .code = (uint32_t)found };
            code = slots[slot] = (uint32_t)++found;
        }
        attributes[code - 1].count++;
        codes[row] = code - 1;
    }
    qsort(attributes, found, sizeof *attributes, compare_attributes);
    for (size_t i = 0; i < found; i++)
        slots[attributes[i].code] = (uint32_t)i; /* old number → rank */
    for (size_t row = 0; row < w->count; row++) codes[row] = slots[codes[row]];
    return found;
}

static bool same_shape(const work *w, size_t run, size_t other)
{
    const int64_t *starts = w->writer->room[STARTS];
    size_t length = (size_t)(starts[run + 1] - starts[run]);
    const uint32_t *codes = w->writer->codes;
    return length == (size_t)(starts[other + 1] - starts[other]) &&
           memcmp(codes + starts[run], codes + starts[other], length * sizeof *codes) == 0;
}

/* Number the shapes as met; shape_of[run], ORDINALS[run] = how many runs before have the same. */
static size_t find_shapes(work *w, size_t *positions_out)
{
    struct lion_leaf_shape *shapes = w->writer->shapes;
    const int64_t *starts = w->writer->room[STARTS];
    uint32_t *slots = w->writer->slots;
    size_t mask = slot_mask(w), found = 0, positions = 0;
    memset(slots, 0, (mask + 1) * sizeof *slots);
    for (size_t run = 0; run < w->leads; run++) {
        size_t length = (size_t)(starts[run + 1] - starts[run]);
        uint64_t hash = lion_hash(w->writer->codes + starts[run], length * sizeof(uint32_t));
        size_t slot = hash & mask;
        uint32_t shape;
        while ((shape = slots[slot]) != 0 &&
               !(shapes[shape - 1].hash == hash && same_shape(w, run, shapes[shape - 1].run)))
            slot = (slot + 1) & mask;
        if (shape == 0) {
            shapes[found] = (struct lion_leaf_shape){ .run = (uint32_t)run,
                                                      .hash = hash,
                                                      .start = (uint32_t)positions };
            positions += length;
            shape = slots[slot] = (uint32_t)++found;
        }
        w->writer->shape_of[run] = shape - 1;
        w->writer->room[ORDINALS][run] = shapes[shape - 1].count++;
    }
    *positions_out = positions;
    return found;
}

/* Each position of a shape owns a stretch of its attribute's column, as long as the shape has
 * runs. */
static void assign_slots(work *w, size_t attribute_count, size_t shape_count)
{
    struct lion_leaf_attribute *attributes = w->writer->attributes;
    const struct lion_leaf_shape *shapes = w->writer->shapes;
    int64_t *starts = w->writer->room[STARTS];
    uint32_t place = 0;
    for (size_t i = 0; i < attribute_count; i++) {
        attributes[i].start = place;
        place += attributes[i].count;
    }
    for (size_t shape = 0; shape < shape_count; shape++) {
        size_t run = shapes[shape].run, position = shapes[shape].start;
        for (int64_t row = starts[run]; row < starts[run + 1]; row++, position++) {
            uint32_t code = w->writer->codes[row];
            w->writer->room[CODES][position] = code;
            w->writer->room[SLOTS][position] = attributes[code].used;
            attributes[code].used += shapes[shape].count;
        }
    }
}

/* The rows' values, grouped as assigned. */
static void group_values(work *w)
{
    const struct lion_leaf_attribute *attributes = w->writer->attributes;
    const int64_t *starts = w->writer->room[STARTS];
    for (size_t run = 0; run < w->leads; run++) {
        size_t position = w->writer->shapes[w->writer->shape_of[run]].start;
        size_t ordinal = (size_t)w->writer->room[ORDINALS][run];
        for (int64_t row = starts[run]; row < starts[run + 1]; row++, position++) {
            size_t slot = (size_t)w->writer->room[SLOTS][position] + ordinal;
            w->writer->values[attributes[w->writer->codes[row]].start + slot] = w->rows[row].v;
        }
    }
}

static void write_shapes(work *w, size_t shape_count, size_t positions)
{
    int64_t *numbers = w->writer->room[NUMBERS];
    w->places[LION_LEAF_PLACE_SHAPES] = here(w);
    lion_buffer_put_u32(w->buffer, (uint32_t)shape_count);
    lion_buffer_put_u32(w->buffer, (uint32_t)positions);
    for (size_t run = 0; run < w->leads; run++) numbers[run] = w->writer->shape_of[run];
    write_ints(w, numbers, w->leads);
    write_ints(w, w->writer->room[ORDINALS], w->leads);
    for (size_t shape = 0; shape < shape_count; shape++)
        numbers[shape] = w->writer->shapes[shape].start;
    numbers[shape_count] = (int64_t)positions;
    write_ints(w, numbers, shape_count + 1);
    write_ints(w, w->writer->room[CODES], positions);
    write_ints(w, w->writer->room[SLOTS], positions);
}

static void write_attributes(work *w, size_t attribute_count)
{
    const struct lion_leaf_attribute *attributes = w->writer->attributes;
    size_t directory = w->buffer->size;
    w->places[LION_LEAF_PLACE_V] = here(w);
    for (size_t i = 0; i < attribute_count; i++) {
        lion_buffer_put_u32(w->buffer, attributes[i].a);
        lion_buffer_put_u32(w->buffer, 0);
    }
    for (size_t i = 0; i < attribute_count; i++) {
        uint32_t place = here(w);
        if (w->buffer->is_failed) return;
        memcpy(w->buffer->data + directory + i * 8 + 4, &place, 4);
        lion_column_write(w->buffer, &w->writer->columns, (lion_type)attributes[i].type,
                          w->writer->values + attributes[i].start, attributes[i].count,
                          LION_COLUMN_ANY);
    }
}

static size_t write_entities(work *w)
{
    size_t positions;
    size_t attribute_count = find_attributes(w);
    size_t shape_count = find_shapes(w, &positions);
    assign_slots(w, attribute_count, shape_count);
    group_values(w);
    write_shapes(w, shape_count, positions);
    write_attributes(w, attribute_count);
    return attribute_count;
}

/* ---- the leaf ---- */

static void write_header(const work *w, const lion_tree *tree, size_t attributes)
{
    if (w->buffer->is_failed) return;
    uint8_t *header = w->buffer->data + w->start;
    uint32_t counts[3] = { (uint32_t)w->count, (uint32_t)w->leads, (uint32_t)attributes };
    header[0] = LION_SEGMENT_LEAF;
    header[1] = tree->order;
    header[2] = w->order == LION_EAVT ? (uint8_t)LION_TYPE_MIXED : tree->type;
    header[3] = tree->is_history != 0;
    memcpy(header + 4, counts, sizeof counts);
    memcpy(header + 16, w->places, sizeof w->places);
}

void lion_leaf_write(lion_buffer *buffer, lion_leaf_writer *writer, const lion_tree *tree,
                     const lion_datom *rows, size_t count)
{
    LION_ASSERT(count >= 1);
    LION_ASSERT(count <= LION_LEAF_ROWS_MAX);
    if (!reserve(writer, count) || !lion_buffer_reserve(buffer, LION_LEAF_HEADER_SIZE)) {
        buffer->is_failed = true;
        return;
    }
    work w = { .buffer = buffer,
               .writer = writer,
               .rows = rows,
               .count = count,
               .start = buffer->size,
               .order = tree->order };
    memset(buffer->data + buffer->size, 0, LION_LEAF_HEADER_SIZE);
    buffer->size += LION_LEAF_HEADER_SIZE;

    size_t attributes = 0;
    find_runs(&w);
    write_e(&w);
    write_runs(&w);
    if (w.order == LION_EAVT)
        attributes = write_entities(&w);
    else
        write_v(&w, (lion_type)tree->type);
    write_tx(&w, tree->is_history != 0);
    write_header(&w, tree, attributes);
}
