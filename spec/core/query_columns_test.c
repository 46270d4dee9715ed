/* Loops over columns against the functions that they stand for: arithmetic and predicates, over
 * columns of random types and values, constants and selections. Where a loop answers, each row's
 * answer is the function's, to the last bit; where the types are such that it may, it only declines
 * if some row fails. */
#include "base/buffer.h"
#include "query/arithmetic.h"
#include "query/comparison.h"
#include "query/functions.h"
#include "support.h"

#define ARGUMENTS_MAX 4
#define TRIALS 4000

static lion_arena arena;

static int set_up(void **state)
{
    (void)state;
    lion_arena_init(&arena, 0);
    return 0;
}
static int tear_down(void **state)
{
    (void)state;
    lion_arena_deinit(&arena);
    return 0;
}

/* ---- columns ---- */

static const int64_t LARGE[] = { INT64_MAX,
                                 INT64_MIN,
                                 INT64_MIN + 1,
                                 INT64_MAX / 2,
                                 INT64_C(1) << 53,
                                 (INT64_C(1) << 53) + 1,
                                 -1,
                                 -(INT64_C(1) << 53) - 1,
                                 INT64_C(3037000500),
                                 (INT64_C(1) << 30) - 1,
                                 INT64_C(1) << 30,
                                 -(INT64_C(1) << 30),
                                 -(INT64_C(1) << 30) - 1,
                                 -(INT64_C(1) << 31),
                                 (INT64_C(1) << 51) - 1,
                                 INT64_C(1) << 51,
                                 -(INT64_C(1) << 51),
                                 -(INT64_C(1) << 51) - 1 };
static const double NUMBERS[] = { 0.0,     -0.0,  1,      -1,     0.5,    -2.5,
                                  3,       1e300, -1e300, 1e19,   0x1p53, 0x1p63,
                                  -0x1p63, 7.25,  -0.125, 1e-300, 2,      5 };
static const char *const TEXTS[] = { "", "a", "ab", "abc", "b", "bab", "cab", "\xc3\xa4" };

typedef struct columns {
    lion_vector vectors[ARGUMENTS_MAX];
    uint32_t slots[ARGUMENTS_MAX + 1];
    lion_value constants[ARGUMENTS_MAX + 1];
    uint32_t count; /* arguments */
    uint16_t selection[LION_BATCH_ROWS];
    lion_batch batch;
} columns;

static size_t width_most; /* of a trial */

static int64_t any_long(void)
{
    return (int64_t)random_u64() >> (64 - 1 - random_below(width_most));
}

/* `reach`: how many of the values that fail or overflow there are, in a thousand. */
static lion_value value_of(lion_type type, size_t reach)
{
    bool is_far = random_below(1000) < reach;
    if (lion_type_is_scalar(type) && type != LION_TYPE_DOUBLE && type != LION_TYPE_BOOLEAN) {
        int64_t small = (int64_t)random_below(41) - 20;
        if (small == 0 && reach == 0) small = 3;
        int64_t far = random_below(3) > 0 ? any_long() : LARGE[random_below(CASES(LARGE))];
        return lion_value_scalar(type, is_far ? far : small);
    }
    if (type == LION_TYPE_BOOLEAN) return lion_value_boolean(random_below(2) == 1);
    if (type == LION_TYPE_DOUBLE && is_far && random_below(8) == 0)
        return lion_value_double(0.0 / 0.0);
    if (type == LION_TYPE_DOUBLE) {
        double number = NUMBERS[random_below(CASES(NUMBERS))];
        return lion_value_double(number == 0 && reach == 0 ? 1.5 : number);
    }
    return lion_value_bytes(type, lion_slice_text(TEXTS[random_below(CASES(TEXTS))]));
}

static void fill_column(lion_vector *column, lion_type type, uint32_t rows, size_t reach)
{
    bool is_constant = random_below(5) == 0;
    uint32_t count = is_constant ? 1 : rows;
    *column = (lion_vector){ .type = (uint8_t)type, .is_constant = is_constant };
    if (lion_type_is_scalar(type)) {
        column->bits = lion_arena_array(&arena, int64_t, rows);
        for (uint32_t i = 0; i < count; i++) column->bits[i] = value_of(type, reach).bits;
        return;
    }
    column->values = lion_arena_array(&arena, lion_value, rows);
    for (uint32_t i = 0; i < count; i++) column->values[i] = value_of(type, reach);
}

/* Some rows of the batch; those that are not selected hold what would fail. */
static void select_some(columns *given, uint32_t rows)
{
    given->batch.selection = given->selection;
    given->batch.selected = 0;
    for (uint32_t i = 0; i < rows; i++) {
        if (random_below(3) > 0) {
            given->selection[given->batch.selected++] = (uint16_t)i;
            continue;
        }
        for (uint32_t k = 0; k < given->batch.width; k++)
            if (!given->vectors[k].is_constant && lion_type_is_scalar(given->vectors[k].type))
                given->vectors[k].bits[i] = random_below(2) == 0 ? 0 : INT64_MIN;
    }
}

static void make_columns(columns *given, const lion_type *types, size_t type_count, uint32_t count)
{
    uint32_t rows = 1 + (uint32_t)random_below(random_below(3) == 0 ? LION_BATCH_ROWS : 9);
    if (rows > LION_BATCH_ROWS) rows = LION_BATCH_ROWS;
    size_t reach = random_below(3) == 0 ? 300 : random_below(2) == 0 ? 2 : 0;
    width_most = 1 + random_below(64);
    *given = (columns){ .count = count };
    given->batch = (lion_batch){ .count = rows, .width = count, .columns = given->vectors };
    lion_type usual = types[random_below(type_count)];
    for (uint32_t i = 0; i < count; i++) {
        lion_type type = random_below(3) == 0 ? types[random_below(type_count)] : usual;
        bool is_column = i == 0 || random_below(3) > 0;
        fill_column(&given->vectors[i], type, rows, reach);
        given->slots[i] = is_column ? i : LION_SLOT_NONE;
        given->constants[i] = value_of(type, reach);
    }
    if (random_below(2) == 0) select_some(given, rows);
}

static lion_status apply(const lion_function *function, const columns *given, uint32_t row,
                         lion_value *out)
{
    lion_value values[ARGUMENTS_MAX];
    lion_function_call call = { .arena = &arena, .name = lion_slice_text(function->name) };
    lion_error error;
    for (uint32_t i = 0; i < given->count; i++)
        values[i] = given->slots[i] == LION_SLOT_NONE
                        ? given->constants[i]
                        : lion_batch_get(&given->batch, given->slots[i], row);
    return function->apply(&call, values, given->count, out, &error);
}

static bool some_row_fails(const lion_function *function, const columns *given)
{
    for (uint32_t k = 0; k < lion_batch_rows(&given->batch); k++) {
        lion_value value;
        if (apply(function, given, lion_batch_row(&given->batch, k), &value) != LION_OK)
            return true;
    }
    return false;
}

static uint32_t arity_of(const lion_function *function)
{
    size_t most = function->arity_max < 0 ? ARGUMENTS_MAX : (size_t)function->arity_max;
    size_t least = function->arity_min < 1 ? 1 : (size_t)function->arity_min;
    return (uint32_t)(least + random_below(most - least + 1));
}

static void next_trial(void)
{
    lion_arena_deinit(&arena);
    lion_arena_init(&arena, 0);
}

/* ---- arithmetic ---- */

static void check_answers(const lion_function *function, const columns *given,
                          const lion_vector *answers)
{
    for (uint32_t k = 0; k < lion_batch_rows(&given->batch); k++) {
        uint32_t row = lion_batch_row(&given->batch, k);
        lion_value expected, found = lion_vector_get(answers, row);
        assert_int_equal(LION_OK, apply(function, given, row, &expected));
        assert_int_equal(expected.type, found.type);
        bool is_nan = expected.type == LION_TYPE_DOUBLE && expected.number != expected.number;
        if (is_nan)
            assert_true(found.number != found.number);
        else
            assert_int_equal(expected.bits, found.bits);
    }
}

static void arithmetic_answers_what_the_function_answers(void **state)
{
    static const char *const NAMES[] = { "+",   "-",   "*",   "/",   "quot", "rem",
                                         "mod", "inc", "dec", "abs", "min",  "max" };
    static const lion_type TYPES[] = { LION_TYPE_LONG, LION_TYPE_DOUBLE, LION_TYPE_INSTANT,
                                       LION_TYPE_REF };
    (void)state;
    for (size_t i = 0; i < CASES(NAMES); i++) {
        const lion_function *function = lion_function_named(lion_slice_text(NAMES[i]));
        uint32_t computed = 0, declined = 0;
        for (int trial = 0; trial < TRIALS; trial++) {
            columns given;
            lion_arithmetic arithmetic;
            lion_vector answers;
            make_columns(&given, TYPES, CASES(TYPES), arity_of(function));
            lion_arithmetic_init(&arithmetic, &arena, lion_slice_text(NAMES[i]), given.slots,
                                 given.constants, given.count);
            if (lion_arithmetic_compute(&arithmetic, &answers, &given.batch)) {
                check_answers(function, &given, &answers);
                computed++;
            } else {
                bool is_extreme = NAMES[i][0] == 'm' &&
                                  NAMES[i][1] != 'o'; /* of several types it may be of any */
                bool is_plain = arithmetic.operation != NULL && !is_extreme;
                if (is_plain) assert_true(some_row_fails(function, &given));
                declined++;
            }
            next_trial();
        }
        assert_true(computed > TRIALS / 4);
        assert_true(declined < TRIALS * 3 / 4);
    }
}

/* ---- predicates ---- */

static void check_selection(const lion_function *function, const columns *given,
                            const uint16_t *selection, uint32_t selected)
{
    uint32_t at = 0;
    for (uint32_t k = 0; k < lion_batch_rows(&given->batch); k++) {
        uint32_t row = lion_batch_row(&given->batch, k);
        lion_value verdict;
        assert_int_equal(LION_OK, apply(function, given, row, &verdict));
        if (!lion_value_is_truthy(verdict)) continue;
        assert_true(at < selected);
        assert_int_equal(row, selection[at++]);
    }
    assert_int_equal(selected, at);
}

/* Whether all arguments are of one type, whose values no loop declines. */
static bool is_of_one_type(const columns *given)
{
    uint8_t type = given->vectors[0].type;
    for (uint32_t i = 1; i < given->count; i++)
        if (type !=
            (given->slots[i] == LION_SLOT_NONE ? given->constants[i].type : given->vectors[i].type))
            return false;
    return true;
}

static void predicates_select_the_rows_that_the_function_passes(void **state)
{
    static const char *const NAMES[] = {
        "<",    "<=",   "=",     "==",   ">=",           ">",          "not=",     "!=", "zero?",
        "pos?", "neg?", "even?", "odd?", "starts-with?", "ends-with?", "includes?"
    };
    static const lion_type TYPES[] = { LION_TYPE_LONG,    LION_TYPE_DOUBLE,  LION_TYPE_INSTANT,
                                       LION_TYPE_REF,     LION_TYPE_BOOLEAN, LION_TYPE_STRING,
                                       LION_TYPE_KEYWORD, LION_TYPE_URI };
    (void)state;
    for (size_t i = 0; i < CASES(NAMES); i++) {
        const lion_function *function = lion_function_named(lion_slice_text(NAMES[i]));
        uint32_t told = 0;
        for (int trial = 0; trial < TRIALS; trial++) {
            columns given;
            uint16_t selection[LION_BATCH_ROWS];
            uint32_t selected = 0;
            make_columns(&given, TYPES, CASES(TYPES), arity_of(function));
            lion_comparison comparison = lion_comparison_of(lion_slice_text(NAMES[i]), given.slots,
                                                            given.constants, given.count);
            if (lion_comparison_select(&comparison, &given.batch, selection, &selected)) {
                check_selection(function, &given, selection, selected);
                told++;
            } else if (comparison.kind != LION_COMPARE_NONE && is_of_one_type(&given)) {
                assert_true(some_row_fails(function, &given));
            }
            next_trial();
        }
        assert_true(told > TRIALS / 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(arithmetic_answers_what_the_function_answers, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(predicates_select_the_rows_that_the_function_passes, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
