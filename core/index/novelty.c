/* novelty.c - the life of a novelty and of its versions. */
#include "index/novelty.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/memory.h"
#include "index/novelty_tree.h"

#define RESERVE_SIZE (8ull << 30)
#define RESERVE_SIZE_MIN (16ull << 20)
#define LIVE_CAPACITY_FIRST 8

/* -- Life ---------------------------------------------------------------------------------------
 */

/* Addresses only: pages come when they are touched. A system that is sparing with addresses gives
 * less. */
static lion_status reserve(lion_novelty *novelty, uint64_t size, lion_error *error)
{
    uint64_t smallest = size < RESERVE_SIZE_MIN ? size : RESERVE_SIZE_MIN;
    void *base = MAP_FAILED;
    for (; size >= smallest; size /= 2) {
        base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
        if (base != MAP_FAILED || errno != ENOMEM) break;
    }
    if (base == MAP_FAILED) return lion_fail_memory(error);
    novelty->base = base;
    novelty->reserved = size;
    (void)madvise(base, size, MADV_NOHUGEPAGE); /* until lion_novelty_expect wants them */
    return LION_OK;
}

static uint64_t reserve_size(const lion_novelty_options *options)
{
    uint64_t size =
        options != NULL && options->reserve_size != 0 ? options->reserve_size : RESERVE_SIZE;
    size = (size + 65535) / 65536 * 65536;
    return size < LION_NOVELTY_SIZE_MAX ? size : LION_NOVELTY_SIZE_MAX;
}

lion_status lion_novelty_new(lion_novelty **novelty_out, const lion_novelty_options *options,
                             lion_error *error)
{
    lion_novelty *novelty = lion_zalloc(sizeof *novelty);
    if (novelty == NULL) return lion_fail_memory(error);
    lion_live_version *live = lion_alloc(LIVE_CAPACITY_FIRST * sizeof *live);
    if (live == NULL || reserve(novelty, reserve_size(options), error) != LION_OK) {
        lion_free(live);
        lion_free(novelty);
        return live == NULL ? lion_fail_memory(error) : LION_FAILED;
    }
    uint32_t entries = options != NULL ? options->node_entries : 0;
    if (entries == 0 || entries > LION_NODE_ENTRIES_MAX) entries = LION_NODE_ENTRIES_MAX;
    novelty->node_entries = entries < 4 ? 4 : entries;
    novelty->live = live;
    novelty->live_capacity = LIVE_CAPACITY_FIRST;
    static uint64_t serials;
    novelty->serial = __atomic_add_fetch(&serials, 1, __ATOMIC_RELAXED);
    novelty->references = 1;
    novelty->epoch = 1;
    novelty->next = (sizeof(lion_novelty_header) + LION_NOVELTY_UNIT - 1) / LION_NOVELTY_UNIT *
                    LION_NOVELTY_UNIT;
    pthread_mutex_init(&novelty->lock, NULL);
    *novelty_out = novelty;
    return LION_OK;
}

lion_novelty *lion_novelty_keep(lion_novelty *novelty)
{
    __atomic_add_fetch(&novelty->references, 1, __ATOMIC_RELAXED);
    return novelty;
}

static void free_blocks(lion_retired *block)
{
    while (block != NULL) {
        lion_retired *next = block->next;
        lion_free(block);
        block = next;
    }
}

void lion_novelty_drop(lion_novelty *novelty)
{
    if (novelty == NULL) return;
    if (__atomic_sub_fetch(&novelty->references, 1, __ATOMIC_ACQ_REL) != 0) return;
    LION_ASSERT(novelty->live_count == 0); /* each holds a reference */
    free_blocks(novelty->retiring);
    free_blocks(novelty->spare);
    free_blocks(novelty->released);
    pthread_mutex_destroy(&novelty->lock);
    munmap(novelty->base, novelty->reserved);
    lion_free(novelty->live);
    lion_free(novelty->entries);
    lion_free(novelty->children);
    lion_free(novelty);
}

uint64_t lion_novelty_size(const lion_novelty *novelty)
{
    return novelty == NULL ? 0 : __atomic_load_n(&novelty->next, __ATOMIC_RELAXED);
}

/* -- Versions -----------------------------------------------------------------------------------
 */

lion_novelty_version lion_novelty_peek(const lion_novelty *novelty)
{
    return (lion_novelty_version){ .novelty = (lion_novelty *)(uintptr_t)novelty,
                                   .eavt = novelty->eavt,
                                   .attributes = novelty->attributes,
                                   .transactions = novelty->transactions,
                                   .epoch = novelty->epoch,
                                   .t = novelty->t,
                                   .datoms = novelty->datoms };
}

/* Under the lock. The place of the live version of this epoch, or where it belongs. */
static size_t live_place(const lion_novelty *novelty, uint64_t epoch)
{
    size_t low = 0, high = novelty->live_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (novelty->live[middle].epoch < epoch)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static lion_live_version *live_version(const lion_novelty *novelty, uint64_t epoch)
{
    size_t place = live_place(novelty, epoch);
    if (place == novelty->live_count || novelty->live[place].epoch != epoch) return NULL;
    return &novelty->live[place];
}

lion_novelty_version lion_novelty_seal(lion_novelty *novelty)
{
    lion_novelty_version version = lion_novelty_peek(novelty);
    if (novelty->is_changed || novelty->epoch == 1) {
        novelty->epoch++; /* what stands is not changed in place any more */
        novelty->is_changed = false;
    } else {
        version.epoch = novelty->epoch - 1;
    }
    pthread_mutex_lock(&novelty->lock);
    lion_live_version *live = live_version(novelty, version.epoch);
    if (live == NULL) {
        LION_ASSERT(novelty->live_count < novelty->live_capacity);
        live = &novelty->live[novelty->live_count++]; /* no live one is newer */
        *live = (lion_live_version){ .epoch = version.epoch };
        lion_novelty_keep(novelty);
    }
    live->references++;
    pthread_mutex_unlock(&novelty->lock);
    return version;
}

void lion_novelty_version_keep(const lion_novelty_version *version)
{
    lion_novelty *novelty = version->novelty;
    if (novelty == NULL) return;
    pthread_mutex_lock(&novelty->lock);
    lion_live_version *live = live_version(novelty, version->epoch);
    LION_ASSERT(live != NULL); /* a sealed version that somebody holds */
    live->references++;
    pthread_mutex_unlock(&novelty->lock);
}

/* The version's waiting nodes are handed to the writer. */
static void live_remove(lion_novelty *novelty, size_t place)
{
    lion_retired *list = novelty->live[place].retired;
    if (list != NULL) {
        lion_retired *last = list;
        while (last->next != NULL) last = last->next;
        last->next = novelty->released;
        novelty->released = list;
    }
    novelty->live_count--;
    for (size_t i = place; i < novelty->live_count; i++) novelty->live[i] = novelty->live[i + 1];
}

void lion_novelty_version_release(const lion_novelty_version *version)
{
    lion_novelty *novelty = version->novelty;
    if (novelty == NULL) return;
    pthread_mutex_lock(&novelty->lock);
    size_t place = live_place(novelty, version->epoch);
    LION_ASSERT(place < novelty->live_count && novelty->live[place].epoch == version->epoch);
    bool is_last = --novelty->live[place].references == 0;
    if (is_last) live_remove(novelty, place);
    pthread_mutex_unlock(&novelty->lock);
    if (is_last) lion_novelty_drop(novelty);
}

/* -- Transactions -------------------------------------------------------------------------------
 */

/* Chunk k holds FIRST << k entries, so that entries never move. */
lion_transaction_entry *lion_novelty_transaction_entry(const uint8_t *base, uint32_t index)
{
    uint32_t first = index / LION_TRANSACTION_CHUNK_FIRST + 1;
    uint32_t chunk = 31u - (uint32_t)__builtin_clz(first);
    uint32_t before = ((1u << chunk) - 1) * LION_TRANSACTION_CHUNK_FIRST;
    const lion_novelty_header *header = (const lion_novelty_header *)(const void *)base;
    LION_ASSERT(header->chunks[chunk] != 0);
    return (lion_transaction_entry *)lion_novelty_at(base, header->chunks[chunk]) +
           (index - before);
}

void lion_novelty_transaction(const lion_novelty_version *version, uint32_t index, int64_t *t_out,
                              lion_slice *record_out)
{
    LION_ASSERT(index < version->transactions);
    const uint8_t *base = version->novelty->base;
    const lion_transaction_entry *entry = lion_novelty_transaction_entry(base, index);
    *t_out = entry->t;
    *record_out = lion_slice_of(lion_novelty_at(base, entry->record), entry->record_size);
}
