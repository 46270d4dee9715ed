/* Hash tables against the simplest model: an array indexed by the key. */
#include "support.h"

#include "base/fault.h"
#include "base/table.h"

#define KEYS 500

static uint64_t key_of(size_t i)
{
    return i == 0 ? 0 : i << 48 | i; /* clustered on purpose, 0 among them */
}

static void a_table_agrees_with_its_model(void **state)
{
    (void)state;
    lion_table table;
    lion_table_init(&table);
    uint64_t model[KEYS] = { 0 }; /* 0: absent */
    size_t count = 0;
    for (int step = 0; step < 60000; step++) {
        size_t i = random_below(KEYS);
        uint64_t value;
        switch (random_below(3)) {
        case 0:
            value = random_u64() | 1;
            assert_true(lion_table_put(&table, key_of(i), value));
            count += model[i] == 0;
            model[i] = value;
            break;
        case 1:
            assert_int_equal(lion_table_remove(&table, key_of(i)), model[i] != 0);
            count -= model[i] != 0;
            model[i] = 0;
            break;
        default:
            value = 0;
            assert_int_equal(lion_table_get(&table, key_of(i), &value), model[i] != 0);
            assert_true(value == model[i]);
        }
        assert_int_equal(table.count, count);
    }
    size_t cursor = 0, seen = 0;
    uint64_t key, value;
    while (lion_table_next(&table, &cursor, &key, &value)) {
        assert_true(model[key & 0xffff] == value);
        seen++;
    }
    assert_int_equal(seen, count);
    assert_false(lion_table_next(&table, &cursor, NULL, NULL));
    lion_table_deinit(&table);
}

static lion_slice name_of(char text[32], size_t i)
{
    snprintf(text, 32, i == 0 ? "" : "name/%zu", i);
    return lion_slice_text(text);
}

static void names_agree_with_their_model(void **state)
{
    (void)state;
    lion_names *names = lion_names_new();
    uint64_t model[KEYS] = { 0 };
    size_t count = 0;
    char text[32];
    for (int step = 0; step < 60000; step++) {
        size_t i = random_below(KEYS);
        uint64_t value = random_u64() | 1;
        lion_slice name = name_of(text, i);
        switch (random_below(3)) {
        case 0:
            assert_true(lion_names_put(names, name, value));
            count += model[i] == 0;
            model[i] = value;
            break;
        case 1:
            assert_int_equal(lion_names_remove(names, name), model[i] != 0);
            count -= model[i] != 0;
            model[i] = 0;
            break;
        default:
            value = 0;
            assert_int_equal(lion_names_get(names, name, &value), model[i] != 0);
            assert_true(value == model[i]);
        }
    }
    assert_int_equal(lion_names_count(names), count);
    size_t cursor = 0, seen = 0;
    lion_slice name;
    uint64_t value;
    while (lion_names_next(names, &cursor, &name, &value)) {
        memcpy(text, name.data, name.size);
        text[name.size] = '\0';
        size_t i = name.size == 0 ? 0 : strtoul(text + 5, NULL, 10);
        assert_true(model[i] == value);
        seen++;
    }
    assert_int_equal(seen, count);
    lion_names_free(names);
}

static void refused_memory_leaves_a_table_as_it_was(void **state)
{
    (void)state;
    lion_table table;
    lion_table_init(&table);
    lion_names *names = lion_names_new();
    size_t refused = 0;
    char text[32];
    for (size_t i = 0; i < 200; i++) {
        lion_fault_arm("memory.alloc", 1, "fail");
        refused += !lion_table_put(&table, i, i);
        lion_fault_disarm();
        lion_fault_arm("memory.alloc", 1, "fail");
        assert_false(lion_names_put(names, name_of(text, i), i));
        lion_fault_disarm();
        assert_true(lion_table_put(&table, i, i));
        assert_true(lion_names_put(names, name_of(text, i), i));
    }
    assert_true(refused >= 4);
    for (size_t i = 0; i < 200; i++) {
        uint64_t value;
        assert_true(lion_table_get(&table, i, &value) && value == i);
        assert_true(lion_names_get(names, name_of(text, i), &value) && value == i);
    }
    lion_table_deinit(&table);
    lion_names_free(names);
    lion_names_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_agrees_with_its_model),
        cmocka_unit_test(names_agree_with_their_model),
        cmocka_unit_test(refused_memory_leaves_a_table_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
