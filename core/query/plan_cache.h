/* plan_cache.h - the orders that a query's clauses were given before, so that what is dear to plan is planned once.
 *
 * An order is kept by what it was made from: the clauses' shape, the schema, and the classes of all numbers that the search
 * looks at (of a factor of four), those of the inputs' values among them. Numbers that leave their class, because the data grew
 * or another value was given, ask for a new one. Any thread. */
#ifndef LION_QUERY_PLAN_CACHE_H
#define LION_QUERY_PLAN_CACHE_H

#include <pthread.h>

#include "query/order.h"

#define LION_PLAN_CACHE_ENTRIES 8

typedef struct lion_plan_entry {
    uint64_t key;
    lion_arena arena;          /* the order's memory */
    lion_order order;
} lion_plan_entry;

struct lion_plan_cache {
    pthread_mutex_t lock;
    lion_plan_entry entries[LION_PLAN_CACHE_ENTRIES];
    uint32_t count, next;      /* the next one goes, when all are taken */
};

void lion_plan_cache_init(lion_plan_cache *cache);
void lion_plan_cache_deinit(lion_plan_cache *cache);
/* What the graph's numbers are, by class. */
uint64_t lion_plan_cache_key(const lion_join_graph *graph);
/* A copy in the arena; false: there is none. */
bool lion_plan_cache_get(lion_order *order_out, lion_plan_cache *cache, uint64_t key, lion_arena *arena);
void lion_plan_cache_put(lion_plan_cache *cache, uint64_t key, const lion_order *order);

#endif
