/* plan_cache.c - orders by the class of their numbers. */
#include "query/plan_cache.h"

#include <math.h>

#include "base/hash.h"
#include "db/schema.h"

/* ---- copies of orders ---- */

static void copy_sets(lion_order_step *to, const lion_order_step *from, lion_arena *arena)
{
    to->sets = lion_arena_array(arena, lion_order_set, from->set_count + 1);
    for (uint32_t i = 0; i < from->set_count && !arena->is_exhausted; i++) {
        to->sets[i] = (lion_order_set){ .var = from->sets[i].var, .order = lion_arena_new(arena, lion_order) };
        if (!arena->is_exhausted) lion_order_copy(to->sets[i].order, from->sets[i].order, arena);
    }
}

void lion_order_copy(lion_order *to, const lion_order *from, lion_arena *arena)
{
    *to = *from;
    to->room = to->count = 0;
    to->steps = lion_arena_array(arena, lion_order_step, from->count + 1);
    if (to->steps == NULL || arena->is_exhausted) return;
    to->room = to->count = from->count;
    for (uint32_t i = 0; i < from->count; i++) {
        to->steps[i] = from->steps[i];
        if (from->steps[i].cycle != NULL) {
            size_t size = sizeof(uint32_t) * from->steps[i].cycle_count;
            to->steps[i].cycle = lion_arena_alloc(arena, size);
            if (arena->is_exhausted) return;
            memcpy(to->steps[i].cycle, from->steps[i].cycle, size);
            copy_sets(&to->steps[i], &from->steps[i], arena);
            if (arena->is_exhausted) return;
        }
        if (from->steps[i].group == NULL) continue;
        to->steps[i].group = lion_arena_new(arena, lion_order);
        if (arena->is_exhausted) return;
        lion_order_copy(to->steps[i].group, from->steps[i].group, arena);
    }
}

/* ---- the cache ---- */

void lion_plan_cache_init(lion_plan_cache *cache)
{
    *cache = (lion_plan_cache){ 0 };
    pthread_mutex_init(&cache->lock, NULL);
}

void lion_plan_cache_deinit(lion_plan_cache *cache)
{
    for (uint32_t i = 0; i < cache->count; i++) lion_arena_deinit(&cache->entries[i].arena);
    pthread_mutex_destroy(&cache->lock);
}

/* ---- the key ---- */

static void mix(uint64_t *hash, uint64_t value)
{
    *hash = lion_hash_u64(*hash ^ value) + 0x9e3779b97f4a7c15u;
}

/* Two powers of two are a class. */
static void mix_number(uint64_t *hash, double number)
{
    mix(hash, (uint64_t)(int64_t)floor(log2(fmax(number, 1e-6)) / 2));
}

static void mix_node(uint64_t *hash, const lion_join_node *node)
{
    mix(hash, node->kind | (uint64_t)node->uses_feed << 8 | (uint64_t)node->has_constant << 9 | (uint64_t)node->part_count << 16);
    mix(hash, node->vars);
    mix(hash, node->needs);
    mix_number(hash, node->rows);
    for (uint32_t i = 0; i < node->part_count; i++) {
        const lion_pattern_stats *stats = &node->parts[i].stats;
        mix(hash, node->parts[i].clause);
        if (stats->db != NULL) mix(hash, lion_schema_epoch(stats->db->schema));
        mix_number(hash, stats->total);
        mix_number(hash, stats->count);
        mix_number(hash, stats->distinct_v);
    }
}

uint64_t lion_plan_cache_key(const lion_join_graph *graph)
{
    uint64_t hash = graph->node_count;
    mix(&hash, graph->feed);
    mix(&hash, graph->wanted);
    mix_number(&hash, graph->feed_rows);
    mix(&hash, graph->known);
    mix(&hash, graph->pending);
    for (uint32_t n = 0; n < graph->node_count; n++) mix_node(&hash, &graph->nodes[n]);
    for (uint32_t i = 0; i < graph->core_count; i++) {
        mix(&hash, graph->cores[i].set);
        mix_number(&hash, graph->cores[i].references);
    }
    for (uint32_t i = 0; i < graph->extra_count; i++) {
        mix(&hash, graph->extras[i].clause | (uint64_t)graph->extras[i].is_late << 32);
        mix(&hash, graph->extras[i].needs);
        mix(&hash, graph->extras[i].adds);
        mix_number(&hash, graph->extras[i].selects);
    }
    for (uint32_t n = 0; graph->corrections != NULL && n < graph->node_count; n++)
        for (uint32_t i = 0; i < n; i++) mix_number(&hash, graph->corrections[n][i]);
    return hash;
}

/* ---- keeping ---- */

bool lion_plan_cache_get(lion_order *order_out, lion_plan_cache *cache, uint64_t key, lion_arena *arena)
{
    bool is_found = false;
    pthread_mutex_lock(&cache->lock);
    for (uint32_t i = 0; i < cache->count && !is_found; i++) {
        if (cache->entries[i].key != key) continue;
        lion_order_copy(order_out, &cache->entries[i].order, arena);
        is_found = true;
    }
    pthread_mutex_unlock(&cache->lock);
    return is_found && !arena->is_exhausted;
}

void lion_plan_cache_put(lion_plan_cache *cache, uint64_t key, const lion_order *order)
{
    lion_plan_entry entry = { .key = key };
    lion_arena_init(&entry.arena, 0);
    lion_order_copy(&entry.order, order, &entry.arena);
    if (entry.arena.is_exhausted) {
        lion_arena_deinit(&entry.arena);
        return;
    }
    pthread_mutex_lock(&cache->lock);
    lion_plan_entry *place = &cache->entries[cache->count < LION_PLAN_CACHE_ENTRIES ? cache->count++ : cache->next++ % LION_PLAN_CACHE_ENTRIES];
    lion_arena_deinit(&place->arena);
    *place = entry;
    pthread_mutex_unlock(&cache->lock);
}
