/* Random transactions against a model that keeps facts in an array: what is there after them, and
 * the laws that hold of each transaction whatever it says. LION_SEED repeats a run. */
#include "world.h"

#define ENTITIES 12
#define VALUES 6

/* v/one long; v/many long many; v/key long identity; v/uni long value; v/ref ref; v/pair composite
 * of one and key. */
enum { ONE, MANY, KEY, UNI, REF, ATTRIBUTES };
static const char *const NAMES[] = { "v/one", "v/many", "v/key", "v/uni", "v/ref" };

typedef struct model {
    bool facts[ENTITIES][ATTRIBUTES][VALUES + ENTITIES];
} model;

typedef struct said {
    int e, a, v;
    bool added;
} said;

/* false: the transaction must be refused. */
static bool model_apply(model *after, const model *before, const said *ops, int count)
{
    *after = *before;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < count; k++) {
            if (ops[i].e != ops[k].e || ops[i].a != ops[k].a) continue;
            if (ops[i].v == ops[k].v && ops[i].added != ops[k].added) return false;
            if (ops[i].a != MANY && ops[i].added && ops[k].added && ops[i].v != ops[k].v)
                return false;
        }
    for (int i = 0; i < count; i++)
        if (!ops[i].added) after->facts[ops[i].e][ops[i].a][ops[i].v] = false;
    for (int i = 0; i < count; i++) {
        if (!ops[i].added) continue;
        bool *values = after->facts[ops[i].e][ops[i].a];
        if (ops[i].a != MANY) memset(values, 0, VALUES + ENTITIES);
        values[ops[i].v] = true;
    }
    for (int a = KEY; a <= UNI; a++)
        for (int v = 0; v < VALUES; v++) {
            int holders = 0;
            for (int e = 0; e < ENTITIES; e++) holders += after->facts[e][a][v];
            if (holders > 1) return false;
        }
    return true;
}

static const char *op_text(lion_arena *arena, const said *op, const int64_t *ids)
{
    return lion_arena_printf(arena, "[%s %lld :%s %lld]", op->added ? ":db/add" : ":db/retract",
                             (long long)ids[op->e], NAMES[op->a],
                             op->a == REF ? (long long)ids[op->v] : (long long)op->v);
}

static void check_same(test_world *w, const model *expected, const int64_t *ids)
{
    for (int e = 0; e < ENTITIES; e++) {
        for (int a = 0; a < ATTRIBUTES; a++) {
            const char *text = "";
            for (int v = 0; v < (a == REF ? ENTITIES : VALUES); v++)
                if (expected->facts[e][a][v])
                    text = lion_arena_printf(&w->arena, "%s%s%lld", text, *text == 0 ? "" : " ",
                                             a == REF ? (long long)ids[v] : (long long)v);
            assert_string_equal(world_values(w, w->db, ids[e], NAMES[a]), text);
        }
        const char *one = world_values(w, w->db, ids[e], "v/one");
        const char *key = world_values(w, w->db, ids[e], "v/key");
        const char *pair = *one == 0 && *key == 0
                               ? ""
                               : lion_arena_printf(&w->arena, "[%s %s]", *one == 0 ? "nil" : one,
                                                   *key == 0 ? "nil" : key);
        const lion_attribute *attribute =
            lion_schema_attribute_named(w->db->schema, lion_slice_text("v/pair"));
        lion_value value;
        lion_status status =
            lion_view_get(&value, NULL, &w->db->view, ids[e], attribute->id, &w->arena, &w->error);
        const char *found = "";
        if (status == LION_OK) {
            lion_value *slots;
            size_t count;
            assert_int_equal(lion_tuple_read(&slots, &count, value, &w->arena, NULL), LION_OK);
            lion_form form = lion_form_vector(&w->arena, count);
            for (size_t i = 0; i < count; i++) form.items[i] = lion_form_value(slots[i]);
            found = lion_form_text(&w->arena, &form);
        }
        assert_string_equal(found, pair);
    }
}

/* Every datom of a transaction changes something: it adds what was not there, retracts what was,
 * once. */
static void check_laws(test_world *w, const lion_view *before)
{
    for (uint32_t i = 0; i < w->last.datom_count; i++) {
        const lion_datom *datom = &w->last.datoms[i];
        int64_t tx;
        lion_status status =
            lion_view_has(&tx, before, datom->e, datom->a, datom->v, &w->arena, &w->error);
        assert_int_equal(status, datom->added ? LION_ABSENT : LION_OK);
        for (uint32_t k = i + 1; k < w->last.datom_count; k++)
            assert_int_not_equal(lion_datom_compare_fact(LION_EAVT, datom, &w->last.datoms[k]), 0);
    }
}

static void random_transactions_do_what_the_model_does(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "v/one long", "v/many long many", "v/key long identity", "v/uni long value",
                 "v/ref ref", NULL);
    world_schema(&w, "v/pair tuple :db/tupleAttrs [:v/one :v/key]", "v/born long", NULL);
    const char *births = "";
    for (int i = 0; i < ENTITIES; i++)
        births = lion_arena_printf(&w.arena, "%s {:db/id \"e%d\" :v/born %d}", births, i, i);
    transacted(&w, "[%s]", births);
    int64_t ids[ENTITIES];
    for (int i = 0; i < ENTITIES; i++) {
        char name[16];
        snprintf(name, sizeof name, "e%d", i);
        ids[i] = world_id(&w, name);
    }
    model now = { 0 };
    int refusals = 0;
    for (int round = 0; round < 3000; round++) {
        said ops[8];
        int count = (int)random_below(8) + 1;
        const char *text = "";
        for (int i = 0; i < count; i++) {
            int a = (int)random_below(ATTRIBUTES);
            ops[i] = (said){ .e = (int)random_below(ENTITIES),
                             .a = a,
                             .v = (int)random_below(a == REF ? ENTITIES : VALUES),
                             .added = random_below(3) != 0 };
            text = lion_arena_printf(&w.arena, "%s %s", text, op_text(&w.arena, &ops[i], ids));
        }
        model after;
        bool is_allowed = model_apply(&after, &now, ops, count);
        lion_db *before = lion_db_keep(w.db);
        lion_status status = world_transact(&w, "[%s]", text);
        if ((status == LION_OK) != is_allowed)
            fail_msg("round %d: %s was %s (%s)", round, text, is_allowed ? "refused" : "accepted",
                     w.error.message);
        if (is_allowed) {
            now = after;
            check_laws(&w, &before->view);
        } else {
            refusals++;
        }
        lion_db_drop(before);
        if (round % 50 == 0) {
            check_same(&w, &now, ids);
        }
    }
    check_same(&w, &now, ids);
    assert_in_range(refusals, 100, 2900);
    world_close(&w);
}

/* Words of tx data in any order: an error or an answer, never a crash, and an error leaves no
 * trace. */
static const char *const WORDS[] = {
    "[",
    "]",
    "{",
    "}",
    ":db/add",
    ":db/retract",
    "\"a\"",
    "\"b\"",
    ":v/one",
    ":v/many",
    ":v/key",
    ":v/ref",
    ":v/_ref",
    "1",
    "-1",
    "nil",
    "true",
    "2.5",
    ":db/id",
    ":db/ident",
    ":x/y",
    ":db/cas",
    "\"lion.tx\"",
    ":db/txInstant",
    ":db/valueType",
    ":db.type/long",
    ":db/cardinality",
    ":db.cardinality/one",
    ":db/ensure",
    ":db/retractEntity",
    "#{",
    "[:v/key 1]",
    "{:v/key 2}",
    ":v/pair",
    "[1 2]",
    ":db/tupleAttrs",
    ":db.install/_partition",
    ":db.part/db",
};

static lion_form random_form(test_world *w, int depth)
{
    size_t kind = random_below(depth > 3 ? 1 : 4);
    if (kind == 0 || kind == 3) {
        for (;;) {
            const char *word = WORDS[random_below(CASES(WORDS))];
            if (strlen(word) > 2 || strchr("[]{}#", *word) == NULL) return edn(&w->arena, word);
        }
    }
    uint32_t count = (uint32_t)random_below(6);
    lion_form form =
        kind == 1 ? lion_form_vector(&w->arena, count) : lion_form_map(&w->arena, count);
    for (uint32_t i = 0; i < (kind == 1 ? count : count * 2); i++)
        form.items[i] = random_form(w, kind == 2 && i % 2 == 0 ? 4 : depth + 1);
    return form;
}

static void any_form_is_answered(void **state)
{
    (void)state;
    test_world w;
    world_open(&w);
    world_schema(&w, "v/one long", "v/many long many", "v/key long identity", "v/ref ref component",
                 NULL);
    world_schema(&w, "v/pair tuple :db/tupleAttrs [:v/one :v/key]", NULL);
    int accepted = 0;
    for (int round = 0; round < 20000; round++) {
        lion_form ops = lion_form_vector(&w.arena, random_below(4));
        for (uint32_t i = 0; i < ops.count; i++) ops.items[i] = random_form(&w, 0);
        int64_t basis_t = w.db->basis_t;
        if (world_transact_form(&w, &ops) == LION_OK) {
            accepted++;
        } else {
            assert_true(w.error.category != 0 && w.error.code[0] != 0 && w.error.message[0] != 0);
            assert_int_equal(w.db->basis_t, basis_t);
        }
    }
    assert_true(accepted > 100);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_transactions_do_what_the_model_does),
        cmocka_unit_test(any_form_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
