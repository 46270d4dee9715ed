/* embed_test.c - a program that knows lion.h alone: schema, transactions, single facts, queries,
 * pulls, the past, the log, what goes wrong, and functions of the host. Each test is a function; a
 * failed check names its line and ends the program. */
#include <lion.h>

#include <stdio.h>
#include <stdlib.h>

static lion_error error;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n%s: %s\n", __FILE__, __LINE__, #condition, error.code,     \
                    error.message);                                                                \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)
#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool is_text(lion_value value, const char *text)
{
    return value.size == strlen(text) && memcmp(value.data, text, value.size) == 0;
}

/* ---- a small world ---- */

static lion_form attribute(lion_arena *arena, const char *name, const char *type, bool is_identity)
{
    lion_entry entries[] = { { "db/ident", lion_form_keyword(name) },
                             { "db/valueType", lion_form_keyword(type) },
                             { "db/cardinality", lion_form_keyword("db.cardinality/one") },
                             { "db/unique", lion_form_keyword("db.unique/identity") } };
    return lion_form_entries(arena, entries, is_identity ? 4 : 3);
}

static void transact(lion_connection *connection, lion_form ops)
{
    CHECK(lion_transact(NULL, connection, &ops, NULL, &error) == LION_OK);
}

static lion_form person(lion_arena *arena, const char *tempid, const char *email, const char *name,
                        int64_t age)
{
    lion_entry entries[] = { { "db/id", lion_form_string(tempid) },
                             { "person/email", lion_form_string(email) },
                             { "person/name", lion_form_string(name) },
                             { "person/age", lion_form_long(age) } };
    return lion_form_entries(arena, entries, COUNT(entries));
}

/* A database of three people; ann's friend is bob. */
static lion_connection *open_people(lion_arena *arena)
{
    lion_connection *connection = NULL;
    CHECK(lion_connection_open(&connection, "mem:", NULL, &error) == LION_OK);
    lion_form schema[] = {
        attribute(arena, "person/email", "db.type/string", true),
        attribute(arena, "person/name", "db.type/string", false),
        attribute(arena, "person/age", "db.type/long", false),
        attribute(arena, "person/friend", "db.type/ref", false),
    };
    transact(connection, lion_form_list(arena, schema, COUNT(schema)));
    lion_form people[] = {
        person(arena, "ann", "ann@x.org", "Ann", 40), person(arena, "bob", "bob@x.org", "Bob", 30),
        person(arena, "cyd", "cyd@x.org", "Cyd", 20),
        lion_form_add(arena, lion_form_string("ann"), "person/friend", lion_form_string("bob"))
    };
    transact(connection, lion_form_list(arena, people, COUNT(people)));
    return connection;
}

static lion_db *db_of(lion_connection *connection)
{
    lion_db *db = NULL;
    CHECK(lion_connection_db(&db, connection, &error) == LION_OK);
    return db;
}

static uint32_t id_of(const lion_db *db, const char *name)
{
    const lion_attribute *found =
        lion_schema_attribute_named(lion_db_schema(db), lion_slice_text(name));
    CHECK(found != NULL);
    return found->id;
}

static void close_people(lion_connection *connection, lion_db *db, lion_arena *arena)
{
    lion_db_drop(db);
    CHECK(lion_connection_close(connection, &error) == LION_OK);
    lion_arena_deinit(arena);
}

/* ---- tests ---- */

static void reads_single_facts(void)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_connection *connection = open_people(&arena);
    lion_db *db = db_of(connection);
    uint32_t email = id_of(db, "person/email");
    uint32_t attributes[] = { id_of(db, "person/name"), id_of(db, "person/age"),
                              id_of(db, "person/friend") };
    int64_t ann = 0, nobody = 7;
    CHECK(lion_db_lookup(&ann, db, email, lion_value_string("ann@x.org"), &error) == LION_OK);
    lion_value values[3];
    CHECK(lion_db_get(values, db, ann, attributes, 3, &error) == LION_OK);
    CHECK(is_text(values[0], "Ann") && values[1].bits == 40 && values[2].type == LION_TYPE_REF);
    int64_t bob = values[2].bits;
    CHECK(lion_db_get(values, db, bob, attributes, 3, &error) == LION_OK);
    CHECK(is_text(values[0], "Bob") && values[2].type == LION_TYPE_NIL);
    lion_value absent = lion_value_string("eve@x.org");
    CHECK(lion_db_lookup(&nobody, db, email, absent, &error) == LION_ABSENT && nobody == 7);
    CHECK(lion_db_lookup(&nobody, db, email, lion_value_long(1), &error) == LION_ABSENT);
    CHECK(lion_db_lookup(&nobody, db, 4000000, absent, &error) == LION_FAILED);
    CHECK(strcmp(error.code, "lion/unknown-attribute") == 0 && error.category == LION_INCORRECT);
    lion_form lookup = lion_form_lookup(&arena, "person/email", lion_form_string("bob@x.org"));
    int64_t found = 0;
    CHECK(lion_db_entid(&found, db, &lookup, &arena, &error) == LION_OK && found == bob);
    close_people(connection, db, &arena);
}

/* ---- facts, over and over ---- */

#define MANY_MAX 12

static void transact_numbers(lion_connection *connection, lion_arena *arena, int from, int to)
{
    lion_forms ops = { arena, NULL, 0, 0 };
    for (int i = from; i < to; i++) {
        char *key = lion_arena_alloc(arena, 16);
        snprintf(key, 16, "key %05d", i * 7919 % 100000);
        lion_form many = lion_form_vector(arena, (size_t)(i % MANY_MAX));
        for (int k = 0; k < i % MANY_MAX; k++) many.items[k] = lion_form_long(k * 3 + i % 2);
        lion_entry entries[] = { { "n/key", lion_form_string(key) },
                                 { "n/many", many },
                                 { "n/some", lion_form_long(i) } };
        lion_forms_add(&ops, lion_form_entries(arena, entries, i % 3 == 0 ? 2 : 3));
    }
    transact(connection, lion_form_list(arena, ops.items, ops.count));
}

/* Facts that are kept open say what single look-ups say, of what is there and what is not. */
static void compare_facts(lion_db *db, int count)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    uint32_t key = id_of(db, "n/key"),
             attributes[] = { id_of(db, "n/many"), id_of(db, "n/some"), key };
    lion_facts *facts = NULL;
    CHECK(lion_facts_open(&facts, db, key, attributes, 3, &arena, &error) == LION_OK);
    int found = 0;
    for (int i = -20; i < count + 20; i++) {
        char text[16];
        snprintf(text, sizeof text, "key %05d", i < 0 ? -i : i * 7919 % 100000);
        lion_value value = lion_value_string(text), kept[3], single[3];
        int64_t id = -1, same = -1;
        lion_status status = lion_facts_find(&id, facts, value, &error);
        CHECK(status == lion_db_lookup(&same, db, key, value, &error) && id == same);
        for (int64_t e = id - 1; status == LION_OK && e <= id + 1; e++) {
            CHECK(lion_facts_get(kept, facts, e, &error) == LION_OK);
            CHECK(lion_db_get(single, db, e, attributes, 3, &error) == LION_OK);
            for (int a = 0; a < 3; a++)
                CHECK(kept[a].type == single[a].type &&
                      lion_value_compare(kept[a], single[a]) == 0);
        }
        if (status == LION_OK)
            CHECK(lion_facts_get(kept, facts, id, &error) == LION_OK && is_text(kept[2], text));
        found += status == LION_OK;
    }
    CHECK(found >= count / 2 &&
          lion_facts_find(NULL, facts, lion_value_long(1), &error) == LION_ABSENT);
    lion_arena_deinit(&arena);
}

static void keeps_the_way_to_facts_open(void)
{
    static const int counts[] = { 20, 400, 3000 }; /* one leaf, one branch, more */
    for (size_t n = 0; n < COUNT(counts); n++) {
        lion_arena arena;
        lion_arena_init(&arena, 0);
        lion_connection *connection = NULL;
        lion_connection_options options;
        memset(&options, 0, sizeof options);
        options.segment_size = 1024;
        CHECK(lion_connection_open(&connection, "mem:", &options, &error) == LION_OK);
        lion_form schema[] = { attribute(&arena, "n/key", "db.type/string", true),
                               attribute(&arena, "n/some", "db.type/long", false),
                               attribute(&arena, "n/many", "db.type/long", false) };
        schema[2].items[5] = lion_form_keyword("db.cardinality/many");
        transact(connection, lion_form_list(&arena, schema, 3));
        transact_numbers(connection, &arena, 0, counts[n]);
        lion_db *fresh = db_of(connection), *as_of = NULL;
        compare_facts(fresh, counts[n]);
        int64_t t = 0;
        CHECK(lion_connection_index(&t, connection, &error) == LION_OK);
        lion_db *indexed = db_of(connection);
        compare_facts(indexed, counts[n]);
        transact_numbers(connection, &arena, counts[n] / 2, counts[n] * 3 / 2);
        lion_db *mixed = db_of(connection);
        compare_facts(mixed, counts[n] * 3 / 2);
        CHECK(lion_db_as_of(&as_of, mixed, lion_db_info_of(fresh).basis_t, &error) == LION_OK);
        compare_facts(as_of, counts[n]);
        lion_db_drop(fresh);
        lion_db_drop(indexed);
        lion_db_drop(as_of);
        close_people(connection, mixed, &arena);
    }
}

static void asks_queries(void)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_connection *connection = open_people(&arena);
    lion_db *db = db_of(connection);

    lion_query_builder q;
    lion_query_builder_init(&q, &arena);
    lion_query_where(&q, lion_var("?p"), "person/name", lion_var("?name"));
    lion_query_where(&q, lion_var("?p"), "person/age", lion_var("?age"));
    lion_form arguments[] = { lion_var("?age"), lion_var("?min") };
    lion_query_predicate(&q, ">=", arguments, 2);
    lion_form increased[] = { lion_var("?age"), lion_form_long(1) };
    lion_query_function(&q, "?next", "+", increased, 2);
    lion_query_in(&q, "?min");
    lion_query_find(&q, "?name");
    lion_query_find(&q, "?next");
    lion_query_order(&q, "?next", true);
    lion_query *query = NULL;
    CHECK(lion_query_build(&query, &q, &error) == LION_OK);

    lion_query_input inputs[] = { lion_query_input_db(db),
                                  lion_query_input_form(lion_form_long(30)) };
    lion_query_run *run = NULL;
    CHECK(lion_query_open(&run, query, inputs, 2, NULL, &error) == LION_OK);
    lion_query_batch batch;
    CHECK(lion_query_next(run, &batch, &error) == LION_OK);
    CHECK(batch.count == 2 && batch.width == 2);
    CHECK(is_text(lion_vector_get(&batch.columns[0], 0), "Ann"));
    CHECK(lion_vector_get(&batch.columns[1], 0).bits == 41);
    CHECK(is_text(lion_vector_get(&batch.columns[0], 1), "Bob"));
    CHECK(lion_query_next(run, &batch, &error) == LION_END);
    lion_query_close(run);
    lion_query_drop(query);
    close_people(connection, db, &arena);
}

static void counts_and_says_what_is_not_bound(void)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_connection *connection = open_people(&arena);
    lion_db *db = db_of(connection);
    lion_query_input input = lion_query_input_db(db);
    lion_query_builder q;
    lion_query *query = NULL;
    lion_query_run *run = NULL;
    lion_query_batch batch;

    lion_query_builder_init(&q, &arena);
    lion_query_where(&q, lion_var("?p"), "person/age", lion_var("_"));
    lion_query_find_aggregate(&q, "count", "?p");
    CHECK(lion_query_build(&query, &q, &error) == LION_OK);
    CHECK(lion_query_open(&run, query, &input, 1, NULL, &error) == LION_OK);
    CHECK(lion_query_next(run, &batch, &error) == LION_OK && batch.count == 1);
    CHECK(lion_vector_get(&batch.columns[0], 0).bits == 3);
    lion_query_close(run);
    lion_query_drop(query);

    lion_query_builder_init(&q, &arena);
    lion_query_where(&q, lion_var("?p"), "person/age", lion_var("?age"));
    lion_query_find(&q, "?nothing");
    CHECK(lion_query_build(&query, &q, &error) == LION_OK);
    CHECK(lion_query_open(&run, query, &input, 1, NULL, &error) == LION_FAILED);
    CHECK(strcmp(error.code, "db.error/insufficient-binding") == 0);
    CHECK(lion_query_open(&run, query, &input, 1, NULL, NULL) == LION_FAILED);
    lion_query_drop(query);
    close_people(connection, db, &arena);
}

static void calls_functions_of_the_host(void)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_connection *connection = open_people(&arena);
    lion_db *db = db_of(connection);
    lion_query_builder q;
    lion_query_builder_init(&q, &arena);
    lion_query_where(&q, lion_var("?p"), "person/age", lion_var("?age"));
    lion_form argument = lion_var("?age");
    lion_query_predicate(&q, "app/is_thirty", &argument, 1);
    lion_query_find(&q, "?age");
    lion_query *query = NULL;
    CHECK(lion_query_build(&query, &q, &error) == LION_OK);
    lion_query_input input = lion_query_input_db(db);
    lion_query_run *run = NULL;
    CHECK(lion_query_open(&run, query, &input, 1, NULL, &error) == LION_OK);
    lion_query_batch batch;
    uint32_t calls = 0, rows = 0;
    for (;;) {
        lion_status status = lion_query_next(run, &batch, &error);
        CHECK(status >= 0);
        if (status == LION_END) break;
        if (status == LION_OK) {
            rows += batch.count;
            CHECK(lion_vector_get(&batch.columns[0], 0).bits == 30);
            continue;
        }
        lion_call *call = lion_query_call(run);
        CHECK(call->kind == LION_CALL_PREDICATE && call->count == 3);
        CHECK(call->name.size == 13 && memcmp(call->name.data, "app/is_thirty", 13) == 0);
        for (uint32_t i = 0; i < call->count; i++)
            call->verdict[i] = lion_vector_get(&call->arguments[0], i).bits == 30;
        call->is_answered = true;
        calls++;
    }
    CHECK(calls == 1 && rows == 1);
    lion_query_close(run);
    lion_query_drop(query);

    lion_form op[] = { lion_form_string("app/transfer"), lion_form_long(10) };
    lion_form call = lion_form_list(&arena, op, 2), ops = lion_form_list(&arena, &call, 1);
    CHECK(lion_transact(NULL, connection, &ops, NULL, &error) == LION_FAILED);
    CHECK(error.category == LION_NOT_FOUND && strstr(error.message, "app/transfer") != NULL);
    close_people(connection, db, &arena);
}

static void pulls_entities(void)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_connection *connection = open_people(&arena);
    lion_db *db = db_of(connection);
    int64_t ann = 0;
    CHECK(lion_db_lookup(&ann, db, id_of(db, "person/email"), lion_value_string("ann@x.org"),
                         &error) == LION_OK);
    static const char *const names[] = { "person/name" };
    lion_form inner = lion_form_pattern(&arena, names, 1);
    lion_entry friend[] = { { "attr", lion_form_string("person/friend") }, { "pattern", inner } };
    lion_form specs[] = { inner.items[0], lion_form_entries(&arena, friend, 2) };
    lion_form pattern = lion_form_list(&arena, specs, 2), result;
    CHECK(lion_db_pull(&result, db, &pattern, ann, &arena, &error) == LION_OK);
    CHECK(lion_form_is_text(lion_form_get(&result, "person/name"), "Ann"));
    const lion_form *bob = lion_form_get(&result, "person/friend");
    CHECK(bob != NULL && lion_form_is_text(lion_form_get(bob, "person/name"), "Bob"));
    close_people(connection, db, &arena);
}

static void travels_in_time(void)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_connection *connection = open_people(&arena);
    lion_db *before = db_of(connection);
    uint32_t email = id_of(before, "person/email"), age = id_of(before, "person/age");
    int64_t bob = 0;
    CHECK(lion_db_lookup(&bob, before, email, lion_value_string("bob@x.org"), &error) == LION_OK);

    lion_form op = lion_form_add(&arena, lion_form_ref(bob), "person/age", lion_form_long(31));
    lion_form ops = lion_form_list(&arena, &op, 1);
    lion_transacting *done = NULL;
    CHECK(lion_transact(&done, connection, &ops, NULL, &error) == LION_OK);
    const lion_report *report = lion_transacting_report(done);
    lion_db *after = lion_db_keep(report->db_after);
    CHECK(report->transaction.t > lion_db_info_of(before).basis_t);
    lion_transacting_close(done);

    lion_db *as_of = NULL, *history = NULL;
    CHECK(lion_db_as_of(&as_of, after, lion_db_info_of(before).basis_t, &error) == LION_OK);
    CHECK(lion_db_history(&history, after, &error) == LION_OK);
    lion_value value;
    CHECK(lion_db_get(&value, before, bob, &age, 1, &error) == LION_OK && value.bits == 30);
    CHECK(lion_db_get(&value, after, bob, &age, 1, &error) == LION_OK && value.bits == 31);
    CHECK(lion_db_get(&value, as_of, bob, &age, 1, &error) == LION_OK && value.bits == 30);
    CHECK(lion_db_get(&value, history, bob, &age, 1, &error) == LION_OK && value.bits == 31);
    CHECK(lion_db_equal(after, after) && !lion_db_equal(after, as_of));

    /* All that was ever said of bob's age. */
    lion_form components[] = { lion_form_ref(bob), lion_form_string("person/age") };
    lion_cursor *cursor = NULL;
    CHECK(lion_db_datoms(&cursor, history, LION_EAVT, components, 2, NULL, &arena, &error) ==
          LION_OK);
    lion_datom_batch batch;
    int64_t told = 0;
    lion_status status;
    while ((status = lion_cursor_next(cursor, &batch, &error)) == LION_OK)
        for (uint32_t i = 0; i < batch.count; i++) {
            lion_datom datom = lion_datom_batch_get(&batch, i);
            told += datom.added ? datom.v.bits : -datom.v.bits;
        }
    CHECK(status == LION_END && told == 31); /* 30, not 30, 31 */
    uint64_t count = 0;
    CHECK(lion_db_count(&count, history, LION_EAVT, components, 2, &arena, &error) == LION_OK);
    CHECK(count == 3);
    lion_form unknown = lion_form_lookup(&arena, "person/email", lion_form_string("eve@x.org"));
    CHECK(lion_db_datoms(&cursor, after, LION_EAVT, &unknown, 1, NULL, &arena, &error) ==
          LION_ABSENT);

    lion_tx_range *range = NULL;
    CHECK(lion_tx_range_open(&range, connection, lion_db_info_of(after).basis_t, 0, &error) ==
          LION_OK);
    lion_transaction transaction;
    CHECK(lion_tx_range_next(range, &transaction, &error) == LION_OK);
    CHECK(transaction.datom_count == 3); /* the instant, the old age, the new one */
    CHECK(lion_tx_range_next(range, &transaction, &error) == LION_END);
    lion_tx_range_close(range);
    lion_db_drop(as_of);
    lion_db_drop(history);
    lion_db_drop(after);
    close_people(connection, before, &arena);
}

/* [:find ?n :in $ ?log :where [(tx-ids ?log nil nil) ?txs] [(count ?txs) ?n]] */
static void asks_the_log(void)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_connection *connection = open_people(&arena);
    lion_db *db = db_of(connection);
    transact(connection, (lion_form){ .kind = LION_FORM_VECTOR }); /* the log knows it not */
    lion_query_builder builder;
    lion_query_builder_init(&builder, &arena);
    lion_query_in(&builder, "?log");
    lion_form range[] = { lion_var("?log"), lion_form_value(lion_value_nil()),
                          lion_form_value(lion_value_nil()) };
    lion_form txs = lion_var("?txs");
    lion_query_function(&builder, "?txs", "tx-ids", range, COUNT(range));
    lion_query_function(&builder, "?n", "count", &txs, 1);
    lion_query_find(&builder, "?n");
    lion_query *query = NULL;
    lion_query_run *run = NULL;
    lion_query_batch batch;
    lion_query_input inputs[] = { lion_query_input_db(db), lion_query_input_log(db) };
    CHECK(lion_query_build(&query, &builder, &error) == LION_OK);
    CHECK(lion_query_open(&run, query, inputs, 2, NULL, &error) == LION_OK);
    lion_db_drop(db); /* the run keeps it */
    CHECK(lion_query_next(run, &batch, &error) == LION_OK);
    CHECK(lion_vector_get(&batch.columns[0], 0).bits == 3); /* the making, the schema, the people */
    lion_query_close(run);
    lion_query_drop(query);
    close_people(connection, NULL, &arena);
}

static void tries_what_would_be(void)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_connection *connection = open_people(&arena);
    lion_db *db = db_of(connection), *would_be = NULL;
    lion_form eve = person(&arena, "eve", "eve@x.org", "Eve", 1);
    lion_form ops = lion_form_list(&arena, &eve, 1);
    lion_tx *tx = NULL;
    lion_tx_options options;
    memset(&options, 0, sizeof options);
    CHECK(lion_tx_open(&tx, db, &ops, &options, &arena, &error) == LION_OK);
    CHECK(lion_tx_step(tx, &error) == LION_OK);
    const lion_tx_result *result = lion_tx_result_view(tx);
    int64_t id = lion_transaction_tempid(&result->transaction, "eve"), found = 0;
    CHECK(id > 0 && lion_transaction_tempid(&result->transaction, "adam") == -1);
    CHECK(lion_db_with(&would_be, db, result, &error) == LION_OK);
    lion_tx_close(tx);
    uint32_t email = id_of(db, "person/email");
    lion_value address = lion_value_string("eve@x.org");
    CHECK(lion_db_lookup(&found, would_be, email, address, &error) == LION_OK && found == id);
    CHECK(lion_db_lookup(&found, db, email, address, &error) == LION_ABSENT);
    lion_db_drop(would_be);
    close_people(connection, db, &arena);
}

static void says_what_is_wrong(void)
{
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_connection *connection = open_people(&arena), *missing = NULL;
    lion_db *db = db_of(connection);
    lion_form op = lion_form_add(&arena, lion_form_string("x"), "person/nmae", lion_form_long(1));
    lion_form ops = lion_form_list(&arena, &op, 1);
    CHECK(lion_transact(NULL, connection, &ops, NULL, &error) == LION_FAILED);
    CHECK(strcmp(error.code, "lion/unknown-attribute") == 0);
    CHECK(strstr(error.message, "person/name") != NULL);
    CHECK(strcmp(lion_category_name(error.category), "incorrect") == 0);
    CHECK(lion_transact(NULL, connection, &ops, NULL, NULL) == LION_FAILED);
    op = lion_form_add(&arena, lion_form_string("x"), "person/age", lion_form_string("old"));
    ops = lion_form_list(&arena, &op, 1);
    CHECK(lion_transact(NULL, connection, &ops, NULL, &error) == LION_FAILED);
    CHECK(strcmp(error.code, "db.error/wrong-type-for-attribute") == 0);
    lion_connection_options options;
    memset(&options, 0, sizeof options);
    options.no_create = true;
    CHECK(lion_connection_open(&missing, "mem:nowhere", &options, &error) == LION_FAILED);
    CHECK(error.category == LION_NOT_FOUND && missing == NULL);
    close_people(connection, db, &arena);
}

static void is_one_version(void)
{
    CHECK(strcmp(lion_version(), LION_VERSION_TEXT) == 0);
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", LION_VERSION_MAJOR, LION_VERSION_MINOR,
             LION_VERSION_PATCH);
    CHECK(strcmp(text, LION_VERSION_TEXT) == 0);
}

int main(void)
{
    reads_single_facts();
    keeps_the_way_to_facts_open();
    asks_queries();
    counts_and_says_what_is_not_bound();
    calls_functions_of_the_host();
    pulls_entities();
    travels_in_time();
    asks_the_log();
    tries_what_would_be();
    says_what_is_wrong();
    is_one_version();
    return 0;
}
