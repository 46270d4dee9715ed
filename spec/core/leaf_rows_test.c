/* leaf_rows_test.c - one leaf: rows there and back, how small typical columns are, broken bytes. */
#include "tree_support.h"

#include "index/dictionary.h"
#include "index/leaf.h"

static lion_arena arena;
static lion_leaf_writer writer;
static lion_buffer buffer;

static void write_leaf(const lion_tree *tree, const lion_datom *rows, size_t count)
{
    lion_buffer_clear(&buffer);
    lion_leaf_write(&buffer, &writer, tree, rows, count);
    assert_ok(lion_buffer_check(&buffer, &failure));
}

static double bytes_a_row(const lion_tree *tree, const lion_datom *rows, size_t count)
{
    write_leaf(tree, rows, count);
    return (double)buffer.size / (double)count;
}

static int64_t user(size_t n)
{
    return lion_id_make(LION_PARTITION_USER, (int64_t)n);
}

static lion_value text(const char *format, size_t n)
{
    return lion_value_bytes(LION_TYPE_STRING,
                            lion_slice_text(lion_arena_printf(&arena, format, (unsigned)n)));
}

enum { ROWS = 4000 };
static lion_datom rows[ROWS];

/* ROWS rows of one attribute for entities that are dense, imported in few transactions. */
static lion_datom *dense_rows(lion_value (*make)(size_t n))
{
    for (size_t i = 0; i < ROWS; i++)
        rows[i] = (lion_datom){ .e = user(1000 + i),
                                .a = 70,
                                .v = make(i),
                                .tx = lion_t_to_tx(1001 + (int64_t)(i / 1000)),
                                .added = true };
    return rows;
}

static lion_value version(size_t n)
{
    return lion_value_long((int64_t)(n % 40));
}
static lion_value flag(size_t n)
{
    return lion_value_boolean(n % 3 == 0);
}
static lion_value price(size_t n)
{
    return lion_value_double((double)(n * 37 % 10000) / 100);
}
static lion_value any_double(size_t n)
{
    return lion_value_double(1.0 / (double)(n + 3));
}
static lion_value friend_of(size_t n)
{
    return lion_value_ref(user(1000 + n * 7919 % 20000));
}
static lion_value status(size_t n)
{
    return text(n % 5 == 0 ? "status/paid" : "status/open-%u", n % 3);
}
static lion_value name(size_t n)
{
    return text("Name of %u", n * 7919 % 10000);
}

static void columns_are_packed_by_their_nature(void **state)
{
    (void)state;
    lion_tree tree = { .order = LION_AEVT, .a = 70, .type = LION_TYPE_LONG };
    assert_true(bytes_a_row(&tree, dense_rows(version), ROWS) < 1.0);
    tree.type = LION_TYPE_BOOLEAN;
    assert_true(bytes_a_row(&tree, dense_rows(flag), ROWS) < 0.3);
    tree.type = LION_TYPE_DOUBLE;
    assert_true(bytes_a_row(&tree, dense_rows(price), ROWS) < 2.0);
    assert_true(bytes_a_row(&tree, dense_rows(any_double), ROWS) < 8.2);
    tree.type = LION_TYPE_REF;
    assert_true(bytes_a_row(&tree, dense_rows(friend_of), ROWS) < 2.2);
    tree.type = LION_TYPE_STRING;
    assert_true(bytes_a_row(&tree, dense_rows(status), ROWS) < 0.5);
    assert_true(bytes_a_row(&tree, dense_rows(name), ROWS) < 12 + 1.5);
}

static void a_shared_value_is_there_once(void **state)
{
    (void)state;
    lion_tree tree = { .order = LION_AVET, .a = 70, .type = LION_TYPE_STRING };
    for (size_t i = 0; i < ROWS; i++)
        rows[i] = (lion_datom){ .e = user(i % 1000 * 4),
                                .a = 70,
                                .v = text("a city of some renown, number %u", i / 1000),
                                .tx = lion_t_to_tx(1001),
                                .added = true };
    assert_true(bytes_a_row(&tree, rows, ROWS) < 1.5);
}

static lion_value word(size_t n)
{
    return text("word %u", n * 7919 % 100);
}

static const lion_column *column_of(lion_leaf *leaf, lion_value (*make)(size_t n))
{
    lion_tree tree = { .order = LION_AEVT, .a = 70, .type = LION_TYPE_STRING };
    write_leaf(&tree, dense_rows(make), ROWS);
    assert_ok(lion_leaf_open(leaf, lion_buffer_view(&buffer), 70, &failure));
    assert_ok(lion_leaf_need(leaf, LION_LEAF_V, &failure));
    return &leaf->v;
}

static lion_status lay_out(lion_column_dictionary *dictionary, const lion_column *column,
                           uint32_t count)
{
    return lion_column_dictionary_make(dictionary, column, count, NULL, &arena, &failure);
}

static void few_texts_are_laid_out_where_many_rows_have_them(void **state)
{
    (void)state;
    lion_leaf leaf;
    lion_column_dictionary dictionary = { 0 };
    assert_int_equal(LION_ABSENT, lay_out(&dictionary, column_of(&leaf, name), ROWS));
    const lion_column *column = column_of(&leaf, word);
    assert_int_equal(LION_ABSENT, lay_out(&dictionary, column, 20));
    assert_ok(lay_out(&dictionary, column, 25));
    uint64_t stamp = dictionary.values.stamp;
    assert_int_equal(100, dictionary.values.count);
    for (size_t from = 0; from < ROWS; from += LION_BATCH_ROWS) {
        lion_value values[LION_BATCH_ROWS];
        uint32_t count = ROWS - from < LION_BATCH_ROWS ? (uint32_t)(ROWS - from) : LION_BATCH_ROWS;
        assert_true(lion_column_dictionary_read(&dictionary, column, from, count, values));
        for (uint32_t i = 0; i < count; i++) {
            assert_true(lion_value_equal(values[i], word(from + i)));
            assert_in_range(values[i].code, 1, 100);
            lion_value named = dictionary.values.values[values[i].code - 1];
            assert_true(lion_value_equal(values[i], named));
        }
    }
    assert_ok(lay_out(&dictionary, column_of(&leaf, status), ROWS)); /* in the same place */
    assert_int_equal(4, dictionary.values.count);
    assert_true(dictionary.values.stamp != stamp);
}

/* Entities of one kind: name, version, price, friend; every tenth lacks the price. */
static size_t entity_rows(void)
{
    size_t count = 0;
    for (size_t n = 0; count + 4 <= ROWS; n++) {
        lion_value values[] = { name(n), version(n), price(n), friend_of(n) };
        for (uint32_t a = 0; a < 4; a++) {
            if (a == 2 && n % 10 == 0) continue;
            rows[count++] = (lion_datom){ .e = user(n),
                                          .a = 70 + a * 3,
                                          .v = values[a],
                                          .tx = lion_t_to_tx(1001 + (int64_t)n / 50),
                                          .added = true };
        }
    }
    return count;
}

static void entities_share_shapes(void **state)
{
    (void)state;
    lion_tree tree = { .order = LION_EAVT, .type = LION_TYPE_MIXED };
    size_t count = entity_rows();
    assert_true(bytes_a_row(&tree, rows, count) < 6.5); /* the names alone take 3 */
    lion_leaf leaf;
    assert_ok(lion_leaf_open(&leaf, lion_buffer_view(&buffer), 0, &failure));
    assert_ok(lion_leaf_need(&leaf, LION_LEAF_ALL, &failure));
    assert_int_equal(leaf.shapes, 2);
    assert_int_equal(leaf.attributes, 4);
    for (uint32_t row = 0; row < count; row++) {
        lion_datom found;
        assert_ok(lion_leaf_row(&found, &leaf, row, &failure));
        assert_same_datom(&found, &rows[row]);
    }
}

/* Many values of one attribute, entities that all differ: shapes do not pay, but must work. */
static void odd_entities_work_too(void **state)
{
    (void)state;
    lion_tree tree = { .order = LION_EAVT, .type = LION_TYPE_MIXED, .is_history = 1 };
    size_t count = 0;
    for (size_t n = 0; count + 60 < ROWS; n++)
        for (size_t i = 0, many = 1 + random_below(50); i < many; i++)
            rows[count++] = (lion_datom){ .e = user(n),
                                          .a = 70 + (uint32_t)(i / 7),
                                          .v = lion_value_long((int64_t)i),
                                          .added = i % 2 == 0,
                                          .tx = lion_t_to_tx(1000 + (int64_t)random_below(9)) };
    assert_true(bytes_a_row(&tree, rows, count) < 8);
    lion_leaf leaf;
    assert_ok(lion_leaf_open(&leaf, lion_buffer_view(&buffer), 0, &failure));
    for (uint32_t row = 0; row < count; row++) {
        lion_datom found;
        assert_ok(lion_leaf_row(&found, &leaf, row, &failure));
        assert_same_datom(&found, &rows[row]);
    }
}

/* Everything a reader may do with a leaf whose bytes are not to be trusted. */
static void read_coded(lion_leaf *leaf, lion_value *v)
{
    lion_column_dictionary dictionary = { 0 };
    uint32_t count = leaf->rows < LION_BATCH_ROWS ? leaf->rows : LION_BATCH_ROWS;
    bool is_by_row =
        leaf->order == LION_AEVT && lion_leaf_need(leaf, LION_LEAF_V, &failure) == LION_OK;
    if (!is_by_row || lion_column_has_stubs(&leaf->v)) return;
    if (lay_out(&dictionary, &leaf->v, count) == LION_OK)
        (void)lion_column_dictionary_read(&dictionary, &leaf->v, 0, count, v);
}

static void read_all(lion_slice bytes)
{
    static int64_t e[ROWS], tx[ROWS];
    static uint32_t a[ROWS];
    static uint8_t added[ROWS];
    static lion_value v[ROWS];
    lion_leaf leaf;
    if (lion_leaf_open(&leaf, bytes, 70, &failure) != LION_OK) return;
    uint32_t count = leaf.rows < ROWS ? leaf.rows : ROWS;
    lion_leaf_target target = {
        .e = e, .a = a, .tx = tx, .added = added, .v = { .type = leaf.type, .values = v }
    };
    (void)lion_leaf_read(&leaf, 0, count, &target, NULL, &failure);
    read_coded(&leaf, v);
    for (uint32_t row = 0; row < count; row += 1 + row / 8) {
        lion_datom datom;
        uint32_t place;
        if (lion_leaf_row(&datom, &leaf, row, &failure) != LION_OK) continue;
        if (lion_value_is_stub(&datom.v)) continue;
        for (uint8_t parts = 0; parts <= 4; parts++) {
            lion_key key = { .datom = datom, .parts = parts };
            (void)lion_leaf_lower_bound(&place, &leaf, &key, parts % 2 == 0, NULL, &failure);
        }
    }
}

static void broken_leaves_never_crash(void **state)
{
    (void)state;
    static const uint8_t TYPES[] = { LION_TYPE_MIXED, LION_TYPE_STRING, LION_TYPE_STRING,
                                     LION_TYPE_REF, LION_TYPE_DOUBLE };
    for (size_t i = 0; i < CASES(TYPES); i++) {
        lion_tree tree = { .order = TYPES[i] == LION_TYPE_MIXED ? LION_EAVT : LION_AEVT,
                           .a = 70,
                           .type = TYPES[i] };
        size_t count = 300;
        if (TYPES[i] == LION_TYPE_MIXED) (void)entity_rows();
        if (TYPES[i] == LION_TYPE_STRING) dense_rows(i == 1 ? name : word);
        if (TYPES[i] == LION_TYPE_REF) dense_rows(friend_of);
        if (TYPES[i] == LION_TYPE_DOUBLE) dense_rows(price);
        write_leaf(&tree, rows, count);
        for (int round = 0; round < 3000; round++) {
            size_t size = random_below(8) == 0 ? random_below(buffer.size) : buffer.size;
            uint8_t *copy = malloc(size + 1);
            memcpy(copy, buffer.data, size);
            for (size_t flips = 1 + random_below(3); flips > 0 && size > 4; flips--)
                copy[1 + random_below(random_below(2) == 0 ? size - 1
                                      : size < 60          ? size - 1
                                                           : 60)] = (uint8_t)random_u64();
            read_all(lion_slice_of(copy, size));
            free(copy);
        }
    }
}

static int set_up(void **state)
{
    (void)state;
    lion_arena_init(&arena, 0);
    lion_leaf_writer_init(&writer);
    lion_buffer_init(&buffer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    lion_arena_deinit(&arena);
    lion_leaf_writer_deinit(&writer);
    lion_buffer_deinit(&buffer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_packed_by_their_nature),
        cmocka_unit_test(a_shared_value_is_there_once),
        cmocka_unit_test(few_texts_are_laid_out_where_many_rows_have_them),
        cmocka_unit_test(entities_share_shapes),
        cmocka_unit_test(odd_entities_work_too),
        cmocka_unit_test(broken_leaves_never_crash),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
