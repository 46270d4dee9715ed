/* overlay_kept.c - the overlays that a root keeps: all by when they were used, and those of an
 * attribute in a list by the same, which a hash of it finds. */
#include "index/overlay_kept.h"

#include <pthread.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"

#define COUNT_MAX 1024 /* overlays of a root, and lists */

struct lion_overlay_cache {
    pthread_mutex_t lock; /* guards what follows */
    lion_overlay_kept *newest, *oldest;
    uint64_t size, count;
    lion_overlay_kept *lists[COUNT_MAX];
};

lion_overlay_cache *lion_overlay_cache_new(void)
{
    lion_overlay_cache *made = lion_zalloc(sizeof *made);
    if (made != NULL) pthread_mutex_init(&made->lock, NULL);
    return made;
}

void lion_overlay_kept_drop(void *argument)
{
    lion_overlay_kept *one = argument;
    if (__atomic_sub_fetch(&one->references, 1, __ATOMIC_ACQ_REL) != 0) return;
    lion_arena_deinit(&one->arena);
    lion_free(one);
}

/* Under the lock, as all up to let_oldest_go. */
static lion_overlay_kept **list_of(lion_overlay_cache *cache, const lion_overlay_sight *sight)
{
    return &cache->lists[lion_hash_u64((uint64_t)sight->a << 2 | sight->order) % COUNT_MAX];
}

static void take_out(lion_overlay_cache *cache, lion_overlay_kept *one)
{
    lion_overlay_kept **place = list_of(cache, &one->sight);
    while (*place != one) place = &(*place)->next;
    *place = one->next;
    if (one->newer != NULL)
        one->newer->older = one->older;
    else
        cache->newest = one->older;
    if (one->older != NULL)
        one->older->newer = one->newer;
    else
        cache->oldest = one->newer;
}

static void put_first(lion_overlay_cache *cache, lion_overlay_kept *one)
{
    lion_overlay_kept **list = list_of(cache, &one->sight);
    one->next = *list;
    *list = one;
    one->newer = NULL;
    one->older = cache->newest;
    if (cache->newest != NULL)
        cache->newest->newer = one;
    else
        cache->oldest = one;
    cache->newest = one;
}

static lion_overlay_kept *find(lion_overlay_cache *cache, const lion_overlay_sight *wanted)
{
    for (lion_overlay_kept *one = *list_of(cache, wanted); one != NULL; one = one->next) {
        if (one->sight.a != wanted->a || memcmp(&one->sight, wanted, sizeof *wanted) != 0) continue;
        __atomic_add_fetch(&one->references, 1, __ATOMIC_RELAXED);
        take_out(cache, one);
        put_first(cache, one);
        return one;
    }
    return NULL;
}

static void let_oldest_go(lion_overlay_cache *cache)
{
    lion_overlay_kept *one = cache->oldest;
    take_out(cache, one);
    cache->size -= one->size;
    cache->count--;
    lion_overlay_kept_drop(one);
}

uint64_t lion_overlay_cache_size(lion_overlay_cache *cache)
{
    if (cache == NULL) return 0;
    pthread_mutex_lock(&cache->lock);
    uint64_t size = cache->size;
    pthread_mutex_unlock(&cache->lock);
    return size;
}

void lion_overlay_cache_free(lion_overlay_cache *cache)
{
    if (cache == NULL) return;
    while (cache->oldest != NULL) let_oldest_go(cache);
    pthread_mutex_destroy(&cache->lock);
    lion_free(cache);
}

lion_overlay_kept *lion_overlay_cache_find(lion_overlay_cache *cache,
                                           const lion_overlay_sight *wanted)
{
    pthread_mutex_lock(&cache->lock);
    lion_overlay_kept *one = find(cache, wanted);
    pthread_mutex_unlock(&cache->lock);
    return one;
}

lion_overlay_kept *lion_overlay_cache_put(lion_overlay_cache *cache, lion_overlay_kept *made)
{
    pthread_mutex_lock(&cache->lock);
    lion_overlay_kept *one = find(cache, &made->sight);
    if (one == NULL) {
        while (cache->count == COUNT_MAX || cache->size + made->size > LION_OVERLAYS_SIZE_MAX)
            let_oldest_go(cache);
        made->references = 2;
        put_first(cache, made);
        cache->size += made->size;
        cache->count++;
    }
    pthread_mutex_unlock(&cache->lock);
    if (one == NULL) return made;
    lion_overlay_kept_drop(made);
    return one;
}

static lion_overlay_kept *find_older(lion_overlay_cache *cache, const lion_overlay_kept *wanted)
{
    for (lion_overlay_kept *one = *list_of(cache, &wanted->sight); one != NULL; one = one->next) {
        bool is_same = one->sight.a == wanted->sight.a && one->sight.order == wanted->sight.order &&
                       one->sight.upper_t == INT64_MAX && one->sight.since_t < 0 &&
                       one->sight.novelty.serial == wanted->sight.novelty.serial &&
                       one->sight.speculative.serial == 0 &&
                       one->transactions <= wanted->transactions;
        if (!is_same) continue;
        __atomic_add_fetch(&one->references, 1, __ATOMIC_RELAXED);
        return one;
    }
    return NULL;
}

lion_overlay_kept *lion_overlay_cache_find_older(lion_overlay_cache *cache,
                                                 const lion_overlay_kept *wanted)
{
    pthread_mutex_lock(&cache->lock);
    lion_overlay_kept *one = find_older(cache, wanted);
    pthread_mutex_unlock(&cache->lock);
    return one;
}
