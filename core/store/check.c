/* check.c - are the pages of a file at rest what LMDB takes them for? LMDB trusts its pages: it has
 * no checksums, and follows what a damaged one says. So before a doubtful file is given to it,
 * every page that its trees lead to is read here, with bounds.
 *
 * What is known of LMDB's format (0.9, 64 bit, little-endian), as sizes and what they hold:
 *
 *   page      8 number, 2 -, 2 flags (1 branch, 2 leaf, 4 overflow, 8 meta), 2 lower, 2 upper
 *             (of an overflow run: 4 pages); from 16 on places of nodes, 2 each
 *   node      2 low, 2 high, 2 flags, 2 size of the key, the key, the value
 *             branch: child = low | high << 16 | flags << 32
 *             leaf:   size of the value = low | high << 16;
 *                     flags 1: the value is 8 bytes, the number of an overflow run
 *                     flags 2: the value is the record of a tree
 *   tree      4 -, 2 flags, 2 depth, 8 branches, 8 leaves, 8 overflow pages, 8 entries, 8 root
 *   meta      pages 0 and 1, at 16: 4 magic, 4 version, 8 -, 8 -, tree of free pages (its first
 *             four bytes are the size of pages), tree of names, 8 last page, 8 transaction
 *   free      transaction -> 8 count, pages, 8 each */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "store/file.h"
#include "store/lmdb.h"

#define PAGE_HEADER 16
#define NODE_HEADER 8
#define META_SIZE 136
#define TREE_SIZE 48
#define META_MAGIC 0xBEEFC0DEu
#define PAGE_SIZE_MIN 512
#define PAGE_SIZE_MAX 65536
#define NO_PAGE UINT64_MAX
#define DEPTH_MAX 32 /* LMDB's cursors go no deeper */
#define PAGES_A_STEP 64

enum { BRANCH = 1, LEAF = 2, OVERFLOW_RUN = 4, META = 8, KINDS = 15 };
enum { BIG_DATA = 1, SUB_DATA = 2 };
enum { TREE_FREE, TREE_NAMES, TREE_META, TREE_SEGMENTS, TREE_BLOBS, TREE_REFERENCES, TREE_UNBORN };
#define TREES 7

static const char *const NAMES[TREES] = { "free pages", "trees",      "meta",  "segments",
                                          "blobs",      "references", "unborn" };
static const uint16_t KEY_SIZES[TREES] = { 8, 0, 0, 8, 16, 16, 16 }; /* 0: any */

typedef struct tree_record {
    uint16_t depth;
    uint64_t branches, leaves, overflow_pages, entries, root;
} tree_record;

typedef struct visit {
    uint64_t page;
    uint16_t depth; /* of the page; the root has 1 */
    uint8_t tree;
} visit;

struct lion_store_check {
    char *path; /* owned */
    lion_owner owner;
    int file;
    uint64_t size; /* of the file */
    size_t page_size;
    uint64_t last_page, pages; /* pages: that begin inside the file */
    uint8_t *used, *freed;     /* bitmaps of them; owned */
    uint8_t *bytes;            /* the page at hand; owned */
    tree_record said[TREES], found[TREES];
    visit *stack; /* owned */
    size_t count, capacity;
    lion_error *faults; /* of the step, to be handed out; owned */
    size_t fault_count, fault_next, fault_capacity;
    bool has_faults; /* ever */
    bool is_counted;
    uint64_t done;
};

static uint16_t load_u16(const uint8_t *at)
{
    uint16_t x;
    memcpy(&x, at, sizeof x);
    return x;
}

static uint32_t load_u32(const uint8_t *at)
{
    uint32_t x;
    memcpy(&x, at, sizeof x);
    return x;
}

static uint64_t load_u64(const uint8_t *at)
{
    uint64_t x;
    memcpy(&x, at, sizeof x);
    return x;
}

/* ---- faults and work wait in lists ---- */

static bool grow(void **list, size_t count, size_t *capacity, size_t element_size)
{
    if (count < *capacity) return true;
    size_t wanted = *capacity == 0 ? 64 : *capacity * 2;
    void *grown = lion_realloc(*list, wanted * element_size);
    if (grown == NULL) return false;
    *list = grown;
    *capacity = wanted;
    return true;
}

/* false: out of memory. */
static bool note(lion_store_check *check, const lion_error *fault)
{
    check->has_faults = true;
    if (!grow((void **)&check->faults, check->fault_count, &check->fault_capacity, sizeof *fault))
        return false;
    check->faults[check->fault_count++] = *fault;
    return true;
}

static bool wrong(lion_store_check *check, unsigned tree, uint64_t page, const char *what)
{
    lion_error fault;
    unsigned long long number = page, byte = page * check->page_size;
    lion_fail_corrupt(&fault, "page %llu (byte %llu) of the tree \"%s\": %s", number, byte,
                      NAMES[tree], what);
    return note(check, &fault);
}

static bool push(lion_store_check *check, unsigned tree, uint64_t page, unsigned depth)
{
    if (!grow((void **)&check->stack, check->count, &check->capacity, sizeof(visit))) return false;
    check->stack[check->count++] =
        (visit){ .page = page, .depth = (uint16_t)depth, .tree = (uint8_t)tree };
    return true;
}

static bool has_bit(const uint8_t *bits, uint64_t at)
{
    return (bits[at / 8] >> at % 8 & 1) != 0;
}

static void set_bit(uint8_t *bits, uint64_t at)
{
    bits[at / 8] |= (uint8_t)(1u << at % 8);
}

/* ---- the meta pages ---- */

static bool read_tree_record(tree_record *tree, const uint8_t *at)
{
    *tree = (tree_record){ .depth = load_u16(at + 6),
                           .branches = load_u64(at + 8),
                           .leaves = load_u64(at + 16),
                           .overflow_pages = load_u64(at + 24),
                           .entries = load_u64(at + 32),
                           .root = load_u64(at + 40) };
    return tree->depth <= DEPTH_MAX;
}

static bool is_meta(const uint8_t *page, uint64_t number)
{
    return load_u64(page) == number && (load_u16(page + 10) & KINDS) == META &&
           load_u32(page + PAGE_HEADER) == META_MAGIC && load_u32(page + PAGE_HEADER + 4) == 1;
}

/* The newer of the two: that of transaction n lies in page n % 2. */
static lion_status read_metas(lion_store_check *check, lion_error *error)
{
    uint8_t pages[2][PAGE_HEADER + META_SIZE];
    lion_status status =
        lion_file_read(check->file, pages[0], sizeof pages[0], 0, check->path, error);
    if (status != LION_OK) return status;
    if (!is_meta(pages[0], 0))
        return lion_fail_corrupt(error,
                                 "\"%s\" is not a Lion database, or its first page is "
                                 "damaged",
                                 check->path);
    check->page_size = load_u32(pages[0] + PAGE_HEADER + 24);
    size_t size = check->page_size;
    if (size < PAGE_SIZE_MIN || size > PAGE_SIZE_MAX || (size & (size - 1)) != 0)
        return lion_fail_corrupt(error,
                                 "the first page of \"%s\" is damaged: its size of pages is "
                                 "%zu",
                                 check->path, size);
    status = lion_file_read(check->file, pages[1], sizeof pages[1], size, check->path, error);
    if (status != LION_OK) return status;
    if (!is_meta(pages[1], 1) || load_u32(pages[1] + PAGE_HEADER + 24) != size)
        return lion_fail_corrupt(
            error, "the second page of \"%s\" (byte %zu) is damaged or cut off", check->path, size);

    const uint8_t *metas[2] = { pages[0] + PAGE_HEADER, pages[1] + PAGE_HEADER };
    uint64_t transactions[2] = { load_u64(metas[0] + 128), load_u64(metas[1] + 128) };
    unsigned newest = transactions[1] > transactions[0] ? 1 : 0;
    if (transactions[newest] != 0 && transactions[newest] % 2 != newest)
        return lion_fail_corrupt(error,
                                 "page %u of \"%s\" is damaged: its number of the newest "
                                 "transaction",
                                 newest, check->path);
    check->last_page = load_u64(metas[newest] + 120);
    if (!read_tree_record(&check->said[TREE_FREE], metas[newest] + 24) ||
        !read_tree_record(&check->said[TREE_NAMES], metas[newest] + 24 + TREE_SIZE))
        return lion_fail_corrupt(error, "page %u of \"%s\" is damaged: its trees", newest,
                                 check->path);
    return LION_OK;
}

/* ---- opening ---- */

static lion_status open_file(lion_store_check *check, lion_error *error)
{
    check->file = open(check->path, O_RDONLY | O_CLOEXEC);
    if (check->file < 0) return lion_file_fail(error, errno, "open", check->path);
    lion_status status = lion_file_size(&check->size, check->file, check->path, error);
    if (status == LION_OK) status = read_metas(check, error);
    if (status != LION_OK) return status;
    check->pages = (check->size + check->page_size - 1) / check->page_size;
    check->used = lion_zalloc((size_t)(check->pages / 8 + 1));
    check->freed = lion_zalloc((size_t)(check->pages / 8 + 1));
    check->bytes = lion_alloc(check->page_size);
    bool has_room = check->used != NULL && check->freed != NULL && check->bytes != NULL;
    for (unsigned tree = TREE_FREE; has_room && tree <= TREE_NAMES; tree++)
        if (check->said[tree].root != NO_PAGE)
            has_room = push(check, tree, check->said[tree].root, 1);
    return has_room ? LION_OK : lion_fail_memory(error);
}

static lion_status look_for(const char *path, lion_error *error)
{
    struct stat file;
    if (stat(path, &file) != 0)
        return errno == ENOENT ? lion_fail(error, LION_NOT_FOUND, "lion/not-found",
                                           "there is no database at \"%s\"; check the path", path)
                               : lion_file_fail(error, errno, "open", path);
    if (S_ISREG(file.st_mode)) return LION_OK;
    return lion_fail(error, LION_UNAVAILABLE, "lion/io", "\"%s\" is not a regular file", path);
}

/* On a medium that nobody can write to, no lock is needed. */
static lion_status take_lock(lion_store_check *check, lion_error *error)
{
    lion_error failure;
    lion_status status = lion_owner_open(&check->owner, check->path, false, NULL, &failure);
    if (status == LION_OK || failure.system_code == EROFS) return LION_OK;
    if (error != NULL) *error = failure;
    return status;
}

lion_status lion_store_check_open(lion_store_check **check_out, const char *path, lion_error *error)
{
    lion_status status = look_for(path, error);
    if (status != LION_OK) return status;
    lion_store_check *check = lion_zalloc(sizeof *check);
    if (check == NULL) return lion_fail_memory(error);
    check->file = check->owner.file = -1;
    check->path = lion_text_join(path, "");
    status = check->path != NULL ? take_lock(check, error) : lion_fail_memory(error);
    if (status == LION_OK) status = open_file(check, error);
    if (status != LION_OK) {
        lion_store_check_close(check);
        return status;
    }
    *check_out = check;
    return LION_OK;
}

void lion_store_check_close(lion_store_check *check)
{
    if (check == NULL) return;
    if (check->file >= 0) close(check->file);
    if (check->owner.path != NULL) lion_owner_close(&check->owner, NULL);
    lion_free(check->path);
    lion_free(check->used);
    lion_free(check->freed);
    lion_free(check->bytes);
    lion_free(check->stack);
    lion_free(check->faults);
    lion_free(check);
}

/* ---- pages; functions answer false when there is no memory, faults are noted ---- */

/* Take pages [page, page + count) for a tree; *is_ours_out: they are there and nobody else's. */
static bool take(lion_store_check *check, unsigned tree, uint64_t page, uint64_t count,
                 uint64_t size, bool *is_ours_out)
{
    *is_ours_out = false;
    if (page < 2 || page > check->last_page || count > check->last_page - page + 1)
        return wrong(check, tree, page, "there is no such page; a page that leads here is damaged");
    if (page >= check->pages || size > check->size - page * check->page_size)
        return wrong(check, tree, page, "the file is cut off before it ends");
    for (uint64_t at = page; at < page + count && at < check->pages; at++) {
        if (has_bit(check->used, at))
            return wrong(check, tree, at, "two places of the file's trees lead to it");
    }
    for (uint64_t at = page; at < page + count && at < check->pages; at++) set_bit(check->used, at);
    *is_ours_out = true;
    return true;
}

static bool check_run(lion_store_check *check, unsigned tree, uint64_t page, uint64_t value_size)
{
    uint8_t header[PAGE_HEADER];
    uint64_t needed = (PAGE_HEADER + value_size + check->page_size - 1) / check->page_size;
    bool is_ours;
    if (!take(check, tree, page, needed, PAGE_HEADER + value_size, &is_ours)) return false;
    if (!is_ours) return true;
    check->found[tree].overflow_pages += needed;
    if (lion_file_read(check->file, header, sizeof header, page * check->page_size, check->path,
                       NULL) != LION_OK)
        return wrong(check, tree, page, "it cannot be read");
    if (load_u64(header) != page || (load_u16(header + 10) & KINDS) != OVERFLOW_RUN ||
        load_u32(header + 12) != needed)
        return wrong(check, tree, page, "its header is damaged");
    return true;
}

/* The free pages that one transaction left. */
static bool check_free_list(lion_store_check *check, uint64_t page, const uint8_t *list,
                            size_t size)
{
    uint64_t count = size >= 8 ? load_u64(list) : NO_PAGE;
    if (count > (size - 8) / 8 || size < 8)
        return wrong(check, TREE_FREE, page, "a list of free pages is damaged");
    for (uint64_t i = 0; i < count; i++) {
        uint64_t freed = load_u64(list + 8 + 8 * i);
        if (freed < 2 || freed > check->last_page)
            return wrong(check, TREE_FREE, page, "a list of free pages names no page");
        if (freed >= check->pages) continue; /* taken and given back before it was written */
        if (has_bit(check->freed, freed))
            return wrong(check, TREE_FREE, page, "a page is free twice");
        set_bit(check->freed, freed);
    }
    return true;
}

static bool check_free_entry(lion_store_check *check, uint64_t page, const uint8_t *value,
                             uint32_t size, bool is_big)
{
    if (!is_big) return check_free_list(check, page, value, size);
    uint64_t run = load_u64(value);
    bool has_faults = check->has_faults;
    check->has_faults = false;
    if (!check_run(check, TREE_FREE, run, size)) return false;
    bool is_sound = !check->has_faults;
    check->has_faults |= has_faults;
    if (!is_sound) return true;
    uint8_t *list = lion_alloc(size);
    if (list == NULL) return false;
    lion_status status = lion_file_read(check->file, list, size,
                                        run * check->page_size + PAGE_HEADER, check->path, NULL);
    bool is_noted = status == LION_OK ? check_free_list(check, run, list, size)
                                      : wrong(check, TREE_FREE, run, "it cannot be read");
    lion_free(list);
    return is_noted;
}

/* A named tree. */
static bool check_name(lion_store_check *check, uint64_t page, const uint8_t *key,
                       uint16_t key_size, const uint8_t *value, uint32_t size)
{
    for (unsigned tree = TREE_META; tree < TREES; tree++) {
        if (strlen(NAMES[tree]) != key_size || memcmp(NAMES[tree], key, key_size) != 0) continue;
        if (size != TREE_SIZE || !read_tree_record(&check->said[tree], value))
            return wrong(check, TREE_NAMES, page, "the record of a tree is damaged");
        uint64_t root = check->said[tree].root;
        return root == NO_PAGE || push(check, tree, root, 1);
    }
    return wrong(check, TREE_NAMES, page, "it names a tree that no Lion database has");
}

static bool check_leaf_node(lion_store_check *check, const visit *at, const uint8_t *node,
                            const uint8_t *end)
{
    uint16_t flags = load_u16(node + 4), key_size = load_u16(node + 6);
    uint32_t size = load_u16(node) | (uint32_t)load_u16(node + 2) << 16;
    const uint8_t *key = node + NODE_HEADER, *value = key + key_size;
    bool is_big = (flags & BIG_DATA) != 0;
    if (key_size > (size_t)(end - key) || (is_big ? 8 : size) > (size_t)(end - value))
        return wrong(check, at->tree, at->page, "a value lies outside of it");
    bool is_named = at->tree == TREE_NAMES;
    if ((flags & ~(unsigned)BIG_DATA) != (is_named ? SUB_DATA : 0u) || (is_named && is_big))
        return wrong(check, at->tree, at->page, "the flags of a value are damaged");
    check->found[at->tree].entries++;
    if (is_named) return check_name(check, at->page, key, key_size, value, size);
    if (at->tree == TREE_FREE) return check_free_entry(check, at->page, value, size, is_big);
    return !is_big || check_run(check, at->tree, load_u64(value), size);
}

/* Integer keys by number, others by bytes. */
static bool is_ascending(unsigned tree, const uint8_t *low, const uint8_t *high)
{
    uint16_t low_size = load_u16(low + 6), high_size = load_u16(high + 6);
    low += NODE_HEADER;
    high += NODE_HEADER;
    if (tree == TREE_FREE || tree == TREE_SEGMENTS) return load_u64(low) < load_u64(high);
    uint16_t size = low_size < high_size ? low_size : high_size;
    int order = memcmp(low, high, size);
    return order < 0 || (order == 0 && low_size < high_size);
}

static bool check_node(lion_store_check *check, const visit *at, bool is_leaf, size_t index,
                       const uint8_t **before)
{
    const uint8_t *page = check->bytes, *end = page + check->page_size;
    size_t place = load_u16(page + PAGE_HEADER + 2 * index), upper = load_u16(page + 14);
    if (place < upper || place % 2 != 0 || place + NODE_HEADER > check->page_size)
        return wrong(check, at->tree, at->page, "an entry lies outside of it");
    const uint8_t *node = page + place;
    uint16_t key_size = load_u16(node + 6), wanted = KEY_SIZES[at->tree];
    bool has_key = is_leaf || index > 0; /* the first key of a branch is not looked at */
    if (key_size > (size_t)(end - node) - NODE_HEADER)
        return wrong(check, at->tree, at->page, "a key lies outside of it");
    if (has_key && (key_size == 0 || (wanted != 0 && key_size != wanted)))
        return wrong(check, at->tree, at->page, "a key has the wrong size");
    bool is_sorted = !has_key || *before == NULL || is_ascending(at->tree, *before, node);
    if (has_key) *before = node;
    if (!is_sorted && !wrong(check, at->tree, at->page, "its keys are out of order")) return false;
    if (is_leaf) return check_leaf_node(check, at, node, end);
    uint64_t child =
        load_u16(node) | (uint64_t)load_u16(node + 2) << 16 | (uint64_t)load_u16(node + 4) << 32;
    return push(check, at->tree, child, at->depth + 1u);
}

static bool check_page(lion_store_check *check, const visit *at)
{
    bool is_ours;
    if (!take(check, at->tree, at->page, 1, check->page_size, &is_ours)) return false;
    if (!is_ours) return true;
    const uint8_t *page = check->bytes;
    if (lion_file_read(check->file, check->bytes, check->page_size, at->page * check->page_size,
                       check->path, NULL) != LION_OK)
        return wrong(check, at->tree, at->page, "it cannot be read");
    bool is_leaf = at->depth == check->said[at->tree].depth;
    unsigned lower = load_u16(page + 12), upper = load_u16(page + 14);
    if (load_u64(page) != at->page ||
        (load_u16(page + 10) & (KINDS | 0x60)) != (is_leaf ? LEAF : BRANCH) ||
        at->depth > check->said[at->tree].depth)
        return wrong(check, at->tree, at->page, "its header is damaged");
    if (lower < PAGE_HEADER || lower % 2 != 0 || lower > upper || upper > check->page_size ||
        lower == PAGE_HEADER)
        return wrong(check, at->tree, at->page, "its header is damaged: its bounds");
    if (is_leaf)
        check->found[at->tree].leaves++;
    else
        check->found[at->tree].branches++;
    const uint8_t *before = NULL;
    for (size_t i = 0; i < (lower - PAGE_HEADER) / 2; i++)
        if (!check_node(check, at, is_leaf, i, &before)) return false;
    return true;
}

/* ---- the end: sums, and pages that are free and in use ---- */

static bool check_sums(lion_store_check *check)
{
    for (unsigned tree = 0; tree < TREES; tree++) {
        const tree_record *said = &check->said[tree], *found = &check->found[tree];
        lion_error fault;
        if (said->branches == found->branches && said->leaves == found->leaves &&
            said->overflow_pages == found->overflow_pages && said->entries == found->entries)
            continue;
        lion_fail_corrupt(
            &fault,
            "the tree \"%s\" has %llu entries in %llu pages, and its record "
            "says %llu in %llu",
            NAMES[tree], (unsigned long long)found->entries,
            (unsigned long long)(found->branches + found->leaves + found->overflow_pages),
            (unsigned long long)said->entries,
            (unsigned long long)(said->branches + said->leaves + said->overflow_pages));
        if (!note(check, &fault)) return false;
    }
    for (uint64_t at = 0; at < check->pages; at++) {
        if (!has_bit(check->used, at) || !has_bit(check->freed, at)) continue;
        if (!wrong(check, TREE_FREE, at, "it is in use and listed as free")) return false;
    }
    return true;
}

lion_status lion_store_check_step(lion_store_check *check, lion_error *error)
{
    for (unsigned i = 0; i < PAGES_A_STEP && check->fault_next == check->fault_count; i++) {
        check->fault_next = check->fault_count = 0;
        if (check->count > 0) {
            visit at = check->stack[--check->count];
            if (!check_page(check, &at)) return lion_fail_memory(error);
            check->done++;
        } else if (!check->is_counted) {
            check->is_counted = true;
            if (!check->has_faults && !check_sums(check)) return lion_fail_memory(error);
        } else {
            return LION_END;
        }
    }
    if (check->fault_next == check->fault_count) return LION_OK;
    if (error != NULL) *error = check->faults[check->fault_next];
    check->fault_next++;
    return LION_FAILED;
}
