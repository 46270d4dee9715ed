/* world.h - a database in memory for tests of transactions: novelty and values, no store, no
 * connection. Transactions and expectations are EDN text; functions, predicates are a C function of
 * the test's. */
#ifndef LION_SPEC_WORLD_H
#define LION_SPEC_WORLD_H

#include "data/tuple.h"
#include "db/bootstrap.h"
#include "db/db.h"
#include "edn.h"
#include "transact/transact.h"

typedef struct test_world test_world;
/* Answers a call, in call->results[0]; false: the function failed. */
typedef bool (*world_host)(test_world *world, lion_call *call);

struct test_world {
    lion_arena arena; /* of all that the tests hold */
    lion_novelty *novelty;
    lion_db *db;
    lion_error error;
    lion_transaction last; /* the last transaction's datoms and tempids */
    int64_t now_ms;
    lion_tx_options options;
    world_host host;
    int calls;
    const char *facts; /* of the last one: "a v +" sorted, joined by "; " */
};

static inline lion_db *world_value(test_world *world, lion_schema *schema, int64_t t,
                                   int64_t next_counter, int64_t instant_ms)
{
    lion_novelty_version version = lion_novelty_seal(world->novelty);
    lion_db *db = NULL;
    assert_int_equal(
        lion_db_new(&db, NULL, &version, schema, t, next_counter, instant_ms, 1, &world->error),
        LION_OK);
    lion_novelty_version_release(&version);
    return db;
}

static inline void world_open(test_world *world)
{
    memset(world, 0, sizeof *world);
    lion_arena_init(&world->arena, 0);
    world->now_ms = INT64_C(1770000000000);
    lion_novelty_options options = { .reserve_size = UINT64_C(1) << 28 };
    assert_int_equal(lion_novelty_new(&world->novelty, &options, &world->error), LION_OK);
    lion_datom *datoms;
    size_t count;
    lion_bootstrap_datoms(&datoms, &count, &world->arena);
    lion_schema *schema = NULL;
    assert_int_equal(lion_schema_new(&schema, &world->error), LION_OK);
    uint8_t *is_in_avet = lion_arena_array(&world->arena, uint8_t, count);
    for (size_t i = 0; i < count; i++)
        is_in_avet[i] = lion_schema_attribute(schema, datoms[i].a)->is_in_avet;
    assert_int_equal(lion_novelty_apply(world->novelty, LION_T_BOOTSTRAP, datoms, is_in_avet, count,
                                        (lion_slice){ 0 }, &world->error),
                     LION_OK);
    world->db = world_value(world, schema, LION_T_BOOTSTRAP, LION_COUNTER_FIRST, 0);
    lion_schema_drop(schema);
}

static inline void world_close(test_world *world)
{
    lion_db_drop(world->db);
    lion_novelty_drop(world->novelty);
    lion_arena_deinit(&world->arena);
}

static inline int world_compare(const void *x, const void *y)
{
    return strcmp(*(char *const *)x, *(char *const *)y);
}

/* "a v +; a v -", sorted, without the transaction's instant. */
static inline const char *world_facts(lion_arena *arena, const lion_db *db,
                                      const lion_transaction *transaction)
{
    char **lines = lion_arena_array(arena, char *, transaction->datom_count + 1);
    size_t count = 0;
    for (uint32_t i = 0; i < transaction->datom_count; i++) {
        const lion_datom *datom = &transaction->datoms[i];
        if (datom->a == LION_ID_TX_INSTANT) continue;
        lion_slice name = { 0 };
        lion_schema_ident(&name, db->schema, datom->a);
        lion_form form = lion_form_value(datom->v);
        if (datom->v.type == LION_TYPE_TUPLE) {
            lion_value *slots;
            size_t slot_count;
            assert_int_equal(lion_tuple_read(&slots, &slot_count, datom->v, arena, NULL), LION_OK);
            form = lion_form_vector(arena, slot_count);
            for (size_t k = 0; k < slot_count; k++) form.items[k] = lion_form_value(slots[k]);
        }
        lines[count++] =
            lion_arena_printf(arena, "%.*s %s %c", (int)name.size, (const char *)name.data,
                              lion_form_text(arena, &form), datom->added ? '+' : '-');
    }
    qsort(lines, count, sizeof *lines, world_compare);
    const char *text = "";
    for (size_t i = 0; i < count; i++)
        text = i == 0 ? lines[0] : lion_arena_printf(arena, "%s; %s", text, lines[i]);
    return text;
}

/* Run to the end, or to an error; answers calls by the world's host. */
static inline lion_status world_run(test_world *world, lion_tx **tx_out, lion_db *db,
                                    const lion_form *ops)
{
    lion_tx_options options = world->options;
    options.now_ms = world->now_ms;
    *tx_out = NULL;
    lion_status status = lion_tx_open(tx_out, db, ops, &options, &world->arena, &world->error);
    while (status == LION_OK) {
        status = lion_tx_step(*tx_out, &world->error);
        if (status != LION_CALL) return status;
        lion_call *call = lion_tx_call(*tx_out);
        world->calls++;
        if (world->host == NULL || !world->host(world, call))
            return lion_fail(&world->error, LION_INCORRECT, "test/no-function", "no function %.*s",
                             (int)call->name.size, (const char *)call->name.data);
        call->is_answered = true;
        status = LION_OK;
    }
    return status;
}

static inline lion_status world_transact_form(test_world *world, const lion_form *ops)
{
    lion_tx *tx = NULL;
    lion_status status = world_run(world, &tx, world->db, ops);
    if (status == LION_OK) {
        const lion_tx_result *result = lion_tx_result_view(tx);
        world->last = result->transaction;
        for (uint32_t i = 0; i < result->newly_indexed_count; i++) {
            lion_view view = world->db->view;
            lion_key key = { .datom = { .a = result->newly_indexed[i] }, .parts = 1 };
            lion_cursor_options options = { .columns = LION_COLUMN_ALL };
            lion_cursor *cursor = NULL;
            lion_datom_batch batch;
            view.is_history = true;
            assert_int_equal(lion_cursor_open(&cursor, &view, LION_AEVT, &key, &options,
                                              &world->arena, &world->error),
                             LION_OK);
            while (lion_cursor_next(cursor, &batch, &world->error) == LION_OK) {
                for (uint32_t row = 0; row < batch.count; row++) {
                    lion_datom datom = lion_datom_batch_get(&batch, row);
                    lion_novelty_add_avet(world->novelty, &datom, 1, &world->error);
                }
            }
        }
        assert_int_equal(lion_novelty_apply(world->novelty, world->last.t, world->last.datoms,
                                            result->is_in_avet, world->last.datom_count,
                                            (lion_slice){ 0 }, &world->error),
                         LION_OK);
        lion_db *before = world->db;
        world->db = world_value(world, result->schema_after, world->last.t,
                                world->last.next_counter, world->last.instant_ms);
        world->facts = world_facts(&world->arena, world->db, &world->last);
        lion_db_drop(before);
    }
    if (tx != NULL) lion_tx_close(tx);
    return status;
}

static inline lion_status world_transact(test_world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static inline lion_status world_transact(test_world *world, const char *format, ...)
{
    char text[16384];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    lion_form ops = edn(&world->arena, text);
    return world_transact_form(world, &ops);
}

#define transacted(world, ...)                                                                     \
    do {                                                                                           \
        if (world_transact((world), __VA_ARGS__) != LION_OK)                                       \
            fail_msg("%s: %s", (world)->error.code, (world)->error.message);                       \
    } while (0)

/* Refused with the code, and the database stays where it was. */
#define refused(world, expected, ...)                                                              \
    do {                                                                                           \
        int64_t basis_t_ = (world)->db->basis_t;                                                   \
        if (world_transact((world), __VA_ARGS__) == LION_OK) fail_msg("was not refused");          \
        if (strcmp((world)->error.code, (expected)) != 0)                                          \
            fail_msg("%s: %s", (world)->error.code, (world)->error.message);                       \
        assert_int_equal((world)->db->basis_t, basis_t_);                                          \
    } while (0)

#define message_has(world, text)                                                                   \
    do {                                                                                           \
        if (strstr((world)->error.message, (text)) == NULL)                                        \
            fail_msg("no \"%s\" in: %s", (text), (world)->error.message);                          \
    } while (0)

/* Attributes from words: "a/b long many identity component". NULL ends the list. */
static inline void world_schema(test_world *world, ...)
{
    va_list arguments;
    va_start(arguments, world);
    const char *ops = "";
    for (const char *spec; (spec = va_arg(arguments, const char *)) != NULL;) {
        char copy[256], *saved = NULL;
        snprintf(copy, sizeof copy, "%s", spec);
        const char *name = strtok_r(copy, " ", &saved), *rest = "", *cardinality = "one";
        for (char *word; (word = strtok_r(NULL, " ", &saved)) != NULL;) {
            if (strcmp(word, "many") == 0)
                cardinality = "many";
            else if (strcmp(word, "component") == 0)
                rest = lion_arena_printf(&world->arena, "%s :db/isComponent true", rest);
            else if (strcmp(word, "identity") == 0 || strcmp(word, "value") == 0)
                rest = lion_arena_printf(&world->arena, "%s :db/unique :db.unique/%s", rest, word);
            else if (strchr(":[", *word) != NULL || strchr(word, ']') != NULL ||
                     strcmp(word, "false") == 0)
                rest = lion_arena_printf(&world->arena, "%s %s", rest, word); /* as it is */
            else
                rest = lion_arena_printf(&world->arena, "%s :db/valueType :db.type/%s", rest, word);
        }
        ops = lion_arena_printf(&world->arena,
                                "%s {:db/ident :%s :db/cardinality :db.cardinality/%s %s}", ops,
                                name, cardinality, rest);
    }
    va_end(arguments);
    transacted(world, "[%s]", ops);
}

/* The entity of a tempid of the last transaction. */
static inline int64_t world_id(const test_world *world, const char *tempid)
{
    for (uint32_t i = 0; i < world->last.tempid_count; i++)
        if (lion_slice_equal(world->last.tempids[i].name, lion_slice_text(tempid)))
            return world->last.tempids[i].id;
    fail_msg("no tempid %s", tempid);
    return -1;
}

/* LION_ABSENT: -1. */
static inline int64_t world_entid(test_world *world, const char *text)
{
    lion_form form = edn(&world->arena, text);
    int64_t id = -1;
    lion_status status = lion_db_entid(&id, world->db, &form, &world->arena, &world->error);
    if (status < 0) fail_msg("%s: %s", world->error.code, world->error.message);
    return status == LION_OK ? id : -1;
}

/* All values of (e, a), as text, in order. */
static inline const char *world_values(test_world *world, const lion_db *db, int64_t e,
                                       const char *name)
{
    const lion_attribute *attribute =
        lion_schema_attribute_named(db->schema, lion_slice_text(name));
    assert_non_null(attribute);
    lion_key key = { .datom = { .e = e, .a = attribute->id }, .parts = 2 };
    lion_cursor_options options = { .columns = LION_COLUMN_V };
    lion_cursor *cursor = NULL;
    lion_datom_batch batch;
    const char *text = "";
    assert_int_equal(lion_cursor_open(&cursor, &db->view, LION_EAVT, &key, &options, &world->arena,
                                      &world->error),
                     LION_OK);
    while (lion_cursor_next(cursor, &batch, &world->error) == LION_OK) {
        for (uint32_t row = 0; row < batch.count; row++) {
            lion_form form = lion_form_value(lion_vector_get(&batch.v, row));
            text = lion_arena_printf(&world->arena, "%s%s%s", text, *text == 0 ? "" : " ",
                                     lion_form_text(&world->arena, &form));
        }
    }
    return text;
}

#endif
