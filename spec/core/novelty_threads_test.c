/* Readers hold versions in threads while the writer goes on: what they see never changes. */
#include "support.h"

#include <pthread.h>

#include "index/cursor.h"
#include "index/novelty.h"

#define TRANSACTIONS 3000
#define READERS 3

typedef struct shared {
    pthread_mutex_t lock;
    lion_novelty_version published; /* held here */
    bool is_over;
} shared;

static lion_novelty_version take(shared *s, bool *is_over_out)
{
    pthread_mutex_lock(&s->lock);
    lion_novelty_version version = s->published;
    lion_novelty_version_keep(&version);
    *is_over_out = s->is_over;
    pthread_mutex_unlock(&s->lock);
    return version;
}

/* Transaction t asserts (t % 97, 10, t) anew and retracts the value before; so e has one value at
 * most. */
static bool check(const lion_novelty_version *version, lion_arena *arena)
{
    lion_view view = { .novelty = *version, .upper_t = version->t, .since_t = -1 };
    lion_key all = { .datom = { .a = 10 }, .parts = 1 };
    uint64_t count;
    if (lion_view_count(&count, &view, LION_AEVT, &all, arena, NULL) != LION_OK) return false;
    uint64_t expected = version->t < 97 ? (uint64_t)version->t : 97;
    if (count != expected) return false;
    for (lion_index index = LION_AEVT; index <= LION_AVET; index++) {
        lion_cursor *cursor;
        lion_datom_batch batch;
        lion_cursor_options options = { .columns = LION_COLUMN_ALL };
        if (lion_cursor_open(&cursor, &view, index, &all, &options, arena, NULL) != LION_OK)
            return false;
        uint64_t seen = 0;
        while (lion_cursor_next(cursor, &batch, NULL) == LION_OK) {
            for (uint32_t i = 0; i < batch.count; i++) {
                int64_t value = batch.v.bits[i];
                if (value % 97 != batch.e[i] || value > version->t || value <= version->t - 97)
                    return false;
            }
            seen += batch.count;
        }
        if (seen != expected) return false;
    }
    lion_value v;
    int64_t newest = version->t;
    if (newest == 0) return true;
    return lion_view_get(&v, NULL, &view, newest % 97, 10, arena, NULL) == LION_OK &&
           v.bits == newest;
}

static void *read_on(void *argument)
{
    shared *s = argument;
    lion_arena arena;
    lion_arena_init(&arena, 0);
    lion_novelty_version held = { 0 };
    bool is_over = false, is_sound = true;
    for (unsigned i = 0; !is_over && is_sound; i++) {
        lion_novelty_version version = take(s, &is_over);
        is_sound = check(&version, &arena) && (held.novelty == NULL || check(&held, &arena));
        (void)lion_novelty_size(version.novelty);
        if (i % 7 == 0) { /* keep some for longer */
            lion_novelty_version_release(&held);
            held = version;
        } else {
            lion_novelty_version_release(&version);
        }
        lion_arena_reset(&arena);
    }
    lion_novelty_version_release(&held);
    lion_arena_deinit(&arena);
    return is_sound ? s : NULL;
}

static lion_status apply(lion_novelty *novelty, int64_t t)
{
    lion_datom datoms[2] = {
        { .e = t % 97, .a = 10, .v = lion_value_long(t), .tx = lion_t_to_tx(t), .added = true },
        { .e = t % 97, .a = 10, .v = lion_value_long(t - 97), .tx = lion_t_to_tx(t) },
    };
    uint8_t in_avet[2] = { 1, 1 };
    return lion_novelty_apply(novelty, t, datoms, in_avet, t > 97 ? 2 : 1, lion_slice_text("r"),
                              NULL);
}

static void readers_and_a_writer(void **state)
{
    (void)state;
    shared s = { .lock = PTHREAD_MUTEX_INITIALIZER };
    lion_novelty_options options = { .node_entries = 8, .reserve_size = 64u << 20 };
    lion_novelty *novelty;
    assert_int_equal(lion_novelty_new(&novelty, &options, NULL), LION_OK);
    s.published = lion_novelty_seal(novelty);
    pthread_t readers[READERS];
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_on, &s), 0);
    for (int64_t t = 1; t <= TRANSACTIONS; t++) {
        assert_int_equal(apply(novelty, t), LION_OK);
        if (t % 3 == 0) continue; /* a group of transactions is sealed once */
        lion_novelty_version version = lion_novelty_seal(novelty);
        pthread_mutex_lock(&s.lock);
        lion_novelty_version old = s.published;
        s.published = version;
        pthread_mutex_unlock(&s.lock);
        lion_novelty_version_release(&old);
    }
    pthread_mutex_lock(&s.lock);
    s.is_over = true;
    pthread_mutex_unlock(&s.lock);
    lion_novelty_drop(novelty);
    for (unsigned i = 0; i < READERS; i++) {
        void *answer = NULL;
        assert_int_equal(pthread_join(readers[i], &answer), 0);
        assert_non_null(answer);
    }
    lion_novelty_version_release(&s.published);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(readers_and_a_writer) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
