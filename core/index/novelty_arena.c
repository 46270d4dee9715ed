/* novelty_arena.c - memory of a novelty: a bump pointer in a reserved range, free lists of nodes,
 * and the wait until nobody reaches a replaced node any more.
 *
 * A node born in epoch b and replaced in epoch r is reachable from the versions sealed in [b, r).
 * When none of those is held, it is free at once. Else it waits on the oldest of them; when that
 * version goes, its nodes are looked at again. So a version held for long keeps what it reaches and
 * nothing else. */
#include <string.h>
#include <sys/mman.h>

#include "base/memory.h"
#include "index/novelty_tree.h"

/* Look-ups go all over a novelty, and find their way sooner in large pages. But who touches one
 * first waits until it is cleared: 0.3 ms, and several where a virtual machine has to get it from
 * its host. So those that apply much at once get them. What small transactions need are small
 * pages, some at a time, which is much cheaper than one by one. */
#define LARGE_PAGE (2ull << 20)
#define LARGE_APPLY ((uint64_t)32 << 10)
#define READY_SIZE ((uint64_t)64 << 10)
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* a kernel before 5.14 does not know it */
#endif

#define NODE_SIZE_MAX                                                                              \
    (sizeof(lion_node) + LION_NODE_ENTRIES_MAX * (sizeof(uint64_t) + sizeof(lion_edge)))

_Static_assert(sizeof(lion_node) == 16 && 4 * sizeof(lion_edge) % 16 == 0,
               "nodes lie in whole units");

uint32_t lion_novelty_append(lion_novelty *novelty, uint64_t size)
{
    uint64_t at = novelty->next;
    LION_ASSERT(size <= novelty->reserved - at);
    uint64_t next = (at + size + LION_NOVELTY_UNIT - 1) / LION_NOVELTY_UNIT * LION_NOVELTY_UNIT;
    __atomic_store_n(&novelty->next, next,
                     __ATOMIC_RELAXED); /* lion_novelty_size asks from any thread */
    return (uint32_t)(at / LION_NOVELTY_UNIT);
}

lion_status lion_novelty_reserve(const lion_novelty *novelty, uint64_t bytes, uint64_t nodes,
                                 lion_error *error)
{
    uint64_t left = novelty->reserved - novelty->next;
    if (bytes <= left && nodes <= (left - bytes) / (NODE_SIZE_MAX + LION_NOVELTY_UNIT))
        return LION_OK;
    return lion_fail(
        error, LION_BUSY, "lion/novelty-full",
        "the memory for datoms that are not indexed yet (%llu MiB) is used up; wait for "
        "the indexer, then try again",
        (unsigned long long)(novelty->reserved >> 20));
}

static uint64_t round_up(uint64_t address, uint64_t size)
{
    return (address + size - 1) / size * size;
}

static void use_large_pages(lion_novelty *novelty, uint64_t bytes)
{
    uint64_t base = (uintptr_t)novelty->base;
    uint64_t first = round_up(base + novelty->next, LARGE_PAGE) - base,
             end = round_up(base + novelty->next + 2 * bytes, LARGE_PAGE) - base;
    if (first < novelty->large_end) first = novelty->large_end;
    if (end > novelty->reserved) end = novelty->reserved;
    if (end <= first) return;
    (void)madvise(novelty->base + first, end - first, MADV_HUGEPAGE);
    novelty->large_end = end;
}

static void make_pages_ready(lion_novelty *novelty)
{
    uint64_t first = round_up(novelty->next, READY_SIZE);
    if (first < novelty->ready_end) first = novelty->ready_end;
    if (first < novelty->large_end || first + READY_SIZE > novelty->reserved) return;
    (void)madvise(novelty->base + first, READY_SIZE, MADV_POPULATE_WRITE);
    novelty->ready_end = first + READY_SIZE;
}

void lion_novelty_expect(lion_novelty *novelty, uint64_t bytes)
{
    if (bytes >= LARGE_APPLY)
        use_large_pages(novelty, bytes);
    else if (novelty->next + READY_SIZE / 2 > novelty->ready_end)
        make_pages_ready(novelty);
}

/* -- Nodes ------------------------------------------------------------------------------------- */

uint32_t lion_node_class(uint32_t entries)
{
    LION_ASSERT(entries <= LION_NODE_ENTRIES_MAX);
    uint32_t class_index = 0;
    while ((4u << class_index) < entries) class_index++;
    return class_index;
}

static uint64_t class_size(uint32_t class_index)
{
    if (class_index == LION_CLASS_DIRECTORY) return sizeof(lion_directory_node);
    if (class_index >= LION_CLASS_BRANCH)
        return sizeof(lion_node) +
               (4ull << (class_index - LION_CLASS_BRANCH)) * (sizeof(uint64_t) + sizeof(lion_edge));
    return sizeof(lion_node) + (4ull << class_index) * (sizeof(uint64_t) + 2 * sizeof(uint32_t));
}

/* All nodes begin with an epoch and have their link at the same place. */
static uint32_t *link_of(const lion_novelty *novelty, uint32_t offset, uint32_t class_index)
{
    void *node = lion_novelty_at(novelty->base, offset);
    return class_index == LION_CLASS_DIRECTORY ? &((lion_directory_node *)node)->next
                                               : &((lion_node *)node)->next;
}

static uint32_t take(lion_novelty *novelty, uint32_t class_index)
{
    novelty->node_count++;
    uint32_t offset = novelty->free[class_index];
    if (offset == 0) return lion_novelty_append(novelty, class_size(class_index));
    novelty->free[class_index] = *link_of(novelty, offset, class_index);
    return offset;
}

static void give_back(lion_novelty *novelty, uint32_t offset, uint32_t class_index)
{
    novelty->node_count--;
    *link_of(novelty, offset, class_index) = novelty->free[class_index];
    novelty->free[class_index] = offset;
}

uint32_t lion_node_new(lion_novelty *novelty, uint8_t level, uint32_t entries)
{
    uint32_t class_index = lion_node_class(entries);
    uint32_t offset = take(novelty, class_index + (level > 0 ? (uint32_t)LION_CLASS_BRANCH : 0u));
    lion_node *node = lion_novelty_at(novelty->base, offset);
    *node =
        (lion_node){ .epoch = novelty->epoch, .level = level, .class_index = (uint8_t)class_index };
    return offset;
}

uint32_t lion_directory_new(lion_novelty *novelty)
{
    uint32_t offset = take(novelty, LION_CLASS_DIRECTORY);
    lion_directory_node *node = lion_novelty_at(novelty->base, offset);
    memset(node, 0, sizeof *node);
    node->epoch = novelty->epoch;
    return offset;
}

/* -- Retiring ---------------------------------------------------------------------------------- */

static void push(lion_novelty *novelty, lion_retired **list, const lion_retired_node *node)
{
    lion_retired *block = *list;
    if (block == NULL || block->count == LION_RETIRED_BLOCK) {
        LION_ASSERT(novelty->spare != NULL);
        block = novelty->spare;
        novelty->spare = block->next;
        novelty->spare_count--;
        block->count = 0;
        block->next = *list;
        *list = block;
    }
    block->nodes[block->count++] = *node;
}

static void retire(lion_novelty *novelty, uint32_t offset, uint32_t class_index, uint64_t birth)
{
    if (birth == novelty->epoch) { /* no version was sealed since: nobody has seen it */
        give_back(novelty, offset, class_index);
        return;
    }
    push(novelty, &novelty->retiring,
         &(lion_retired_node){ .birth = birth,
                               .retired = novelty->epoch,
                               .offset = offset,
                               .class_index = class_index });
}

static uint32_t class_of(const lion_node *node)
{
    return node->class_index + (node->level > 0 ? (uint32_t)LION_CLASS_BRANCH : 0u);
}

void lion_node_retire(lion_novelty *novelty, uint32_t offset)
{
    const lion_node *node = lion_novelty_at(novelty->base, offset);
    retire(novelty, offset, class_of(node), node->epoch);
}

void lion_directory_retire(lion_novelty *novelty, uint32_t offset)
{
    const lion_directory_node *node = lion_novelty_at(novelty->base, offset);
    retire(novelty, offset, LION_CLASS_DIRECTORY, node->epoch);
}

/* Blocks for what one apply retires, and for spreading as many over the versions: a version's list
 * may begin a block of its own. */
lion_status lion_novelty_prepare(lion_novelty *novelty, uint64_t nodes, lion_error *error)
{
    pthread_mutex_lock(&novelty->lock);
    bool is_full = novelty->live_count == novelty->live_capacity;
    if (is_full) {
        size_t capacity = novelty->live_capacity * 2;
        lion_live_version *live = lion_realloc(novelty->live, capacity * sizeof *live);
        if (live != NULL) {
            novelty->live = live;
            novelty->live_capacity = capacity;
            is_full = false;
        }
    }
    uint64_t lists = novelty->live_count + 1;
    pthread_mutex_unlock(&novelty->lock);
    if (is_full) return lion_fail_memory(error);

    uint64_t needed = nodes / LION_RETIRED_BLOCK + 1 + lists;
    while (novelty->spare_count < needed) {
        lion_retired *block = lion_alloc(sizeof *block);
        if (block == NULL) return lion_fail_memory(error);
        block->next = novelty->spare;
        novelty->spare = block;
        novelty->spare_count++;
    }
    return LION_OK;
}

/* The oldest live version in [birth, retired), NULL if none. Under the lock. */
static lion_live_version *holder_of(const lion_novelty *novelty, const lion_retired_node *node)
{
    size_t low = 0, high = novelty->live_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (novelty->live[middle].epoch < node->birth)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == novelty->live_count || novelty->live[low].epoch >= node->retired) return NULL;
    return &novelty->live[low];
}

static void settle(lion_novelty *novelty, lion_retired *list)
{
    while (list != NULL) {
        lion_retired *block = list;
        list = block->next;
        for (uint32_t i = 0; i < block->count; i++) {
            lion_live_version *holder = holder_of(novelty, &block->nodes[i]);
            if (holder == NULL)
                give_back(novelty, block->nodes[i].offset, block->nodes[i].class_index);
            else
                push(novelty, &holder->retired, &block->nodes[i]);
        }
        block->next = novelty->spare;
        novelty->spare = block;
        novelty->spare_count++;
    }
}

void lion_novelty_reclaim(lion_novelty *novelty)
{
    lion_retired *retiring = novelty->retiring;
    novelty->retiring = NULL;
    pthread_mutex_lock(&novelty->lock);
    lion_retired *released = novelty->released;
    novelty->released = NULL;
    settle(novelty, retiring);
    settle(novelty, released);
    pthread_mutex_unlock(&novelty->lock);
}
