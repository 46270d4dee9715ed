/* root.c - the root record: where all trees are. All integers little-endian.
 *
 *   offset  size  what
 *        0     4  "LRO1"
 *        4     4  flags: 1: the body is a zstd frame, else it is plain; 2: samples stand at its end
 *        8     8  size of the body, uncompressed
 *       16     …  body:
 *            varint t, varint next_counter, varint log_sequence, varint generation,
 *            1 byte has_tail, varint datoms, trees eavt, history_eavt, log,
 *            varint number of attributes, then for each, ascending:
 *              varint a (less the one before), 1 byte type,
 *              trees aevt, avet, history_aevt, history_avet,
 *              varint distinct_e, varint distinct_v,
 *            with samples: varint number of them, then for each, ascending: varint a (less the one
 *              before), and the sample (value_sample.c)
 *            a tree: varint segment; if not 0: varint rows, 1 byte height */
#include "index/root.h"

#include <string.h>
#include <zstd.h>

#include "base/assert.h"
#include "base/memory.h"
#include "index/overlay.h"
#include "index/points.h"

#define MAGIC 0x314f524cu
#define HEADER_SIZE 16
#define COMPRESSED 1
#define SAMPLES 2
#define COMPRESS_MIN 1024 /* bytes of body: smaller ones stay as they are */
#define LEVEL 3
#define RATIO_MAX 40000 /* of zstd */
#define ATTRIBUTE_SIZE_MIN 8

/* ---- encoding ---- */

static void put_tree(lion_buffer *buffer, const lion_tree *tree)
{
    lion_buffer_put_varint(buffer, tree->segment);
    if (tree->segment == 0) return;
    lion_buffer_put_varint(buffer, tree->count);
    lion_buffer_put_u8(buffer, tree->height);
}

static void put_body(lion_buffer *buffer, const lion_root *root)
{
    lion_buffer_put_varint(buffer, (uint64_t)root->t);
    lion_buffer_put_varint(buffer, (uint64_t)root->next_counter);
    lion_buffer_put_varint(buffer, root->log_sequence);
    lion_buffer_put_varint(buffer, root->generation);
    lion_buffer_put_u8(buffer, root->has_tail ? 1 : 0);
    lion_buffer_put_varint(buffer, root->datoms);
    put_tree(buffer, &root->eavt);
    put_tree(buffer, &root->history_eavt);
    put_tree(buffer, &root->log);
    lion_buffer_put_varint(buffer, root->attribute_count);
    uint32_t a = 0;
    for (uint32_t i = 0; i < root->attribute_count; i++) {
        const lion_root_attribute *attribute = &root->attributes[i];
        LION_ASSERT(i == 0 || attribute->a > a);
        lion_buffer_put_varint(buffer, attribute->a - a);
        lion_buffer_put_u8(buffer, attribute->type);
        put_tree(buffer, &attribute->aevt);
        put_tree(buffer, &attribute->avet);
        put_tree(buffer, &attribute->history_aevt);
        put_tree(buffer, &attribute->history_avet);
        lion_buffer_put_varint(buffer, attribute->distinct_e);
        lion_buffer_put_varint(buffer, attribute->distinct_v);
        a = attribute->a;
    }
    if (root->sample_count == 0) return;
    lion_buffer_put_varint(buffer, root->sample_count);
    a = 0;
    for (uint32_t i = 0; i < root->sample_count; i++) {
        LION_ASSERT(i == 0 || root->samples[i].a > a);
        lion_buffer_put_varint(buffer, root->samples[i].a - a);
        lion_value_sample_encode(buffer, &root->samples[i]);
        a = root->samples[i].a;
    }
}

static void put_header(lion_buffer *buffer, uint32_t flags, size_t body_size)
{
    lion_buffer_put_u32(buffer, MAGIC);
    lion_buffer_put_u32(buffer, flags);
    lion_buffer_put_u64(buffer, body_size);
}

/* The body as a zstd frame; false if that is no smaller. */
static bool put_compressed(lion_buffer *buffer, lion_slice body, uint32_t flags)
{
    size_t start = buffer->size, bound = ZSTD_compressBound(body.size);
    put_header(buffer, flags | COMPRESSED, body.size);
    if (!lion_buffer_reserve(buffer, bound)) return true; /* the failure is latched */
    size_t size = ZSTD_compress(buffer->data + buffer->size, bound, body.data, body.size, LEVEL);
    if (ZSTD_isError(size) || size >= body.size) {
        buffer->size = start;
        return false;
    }
    buffer->size += size;
    return true;
}

void lion_root_encode(lion_buffer *buffer, const lion_root *root)
{
    lion_buffer body;
    uint32_t flags = root->sample_count > 0 ? SAMPLES : 0;
    lion_buffer_init(&body);
    put_body(&body, root);
    if (body.is_failed) buffer->is_failed = true;
    if (body.size < COMPRESS_MIN || !put_compressed(buffer, lion_buffer_view(&body), flags)) {
        put_header(buffer, flags, body.size);
        lion_buffer_put(buffer, body.data, body.size);
    }
    lion_buffer_deinit(&body);
}

/* ---- decoding ---- */

static lion_tree empty_tree(lion_index order, uint8_t type, uint32_t a, bool is_history)
{
    return (lion_tree){ .order = (uint8_t)order, .type = type, .a = a, .is_history = is_history };
}

static bool get_tree(lion_reader *reader, lion_tree *tree, lion_index order, uint8_t type,
                     uint32_t a, bool is_history)
{
    *tree = empty_tree(order, type, a, is_history);
    tree->segment = lion_reader_varint(reader);
    if (tree->segment == 0) return !reader->is_failed;
    tree->count = lion_reader_varint(reader);
    tree->height = lion_reader_u8(reader);
    return !reader->is_failed && tree->count > 0 && tree->height >= 1 &&
           tree->height <= LION_TREE_HEIGHT_MAX;
}

static bool get_attribute(lion_reader *reader, lion_root_attribute *attribute, uint32_t before,
                          bool is_first)
{
    uint64_t step = lion_reader_varint(reader);
    if (step > UINT32_MAX - before || (step == 0 && !is_first)) return false;
    *attribute =
        (lion_root_attribute){ .a = before + (uint32_t)step, .type = lion_reader_u8(reader) };
    uint8_t type = attribute->type;
    uint32_t a = attribute->a;
    bool is_sound = type >= LION_TYPE_BOOLEAN && type <= LION_TYPE_DECIMAL &&
                    get_tree(reader, &attribute->aevt, LION_AEVT, type, a, false) &&
                    get_tree(reader, &attribute->avet, LION_AVET, type, a, false) &&
                    get_tree(reader, &attribute->history_aevt, LION_AEVT, type, a, true) &&
                    get_tree(reader, &attribute->history_avet, LION_AVET, type, a, true);
    attribute->distinct_e = lion_reader_varint(reader);
    attribute->distinct_v = lion_reader_varint(reader);
    return is_sound && !reader->is_failed;
}

static bool get_scalars(lion_reader *reader, lion_root *root)
{
    root->t = (int64_t)lion_reader_varint(reader);
    root->next_counter = (int64_t)lion_reader_varint(reader);
    root->log_sequence = lion_reader_varint(reader);
    root->generation = lion_reader_varint(reader);
    uint8_t has_tail = lion_reader_u8(reader);
    root->has_tail = has_tail == 1;
    root->datoms = lion_reader_varint(reader);
    return !reader->is_failed && root->t >= 0 && root->next_counter >= 0 && has_tail <= 1 &&
           get_tree(reader, &root->eavt, LION_EAVT, LION_TYPE_MIXED, 0, false) &&
           get_tree(reader, &root->history_eavt, LION_EAVT, LION_TYPE_MIXED, 0, true) &&
           get_tree(reader, &root->log, LION_EAVT, LION_TYPE_NIL, 0, false);
}

static lion_status bad_root(lion_error *error, const char *what)
{
    return lion_fail_corrupt(error, "the root record is malformed: %s", what);
}

static lion_status get_samples(lion_root *root, lion_reader *reader, lion_error *error)
{
    uint64_t count = lion_reader_varint(reader);
    if (reader->is_failed || count == 0 || count > root->attribute_count)
        return bad_root(error, "its samples");
    root->samples = lion_zalloc((size_t)count * sizeof *root->samples);
    if (root->samples == NULL) return lion_fail_memory(error);
    uint32_t a = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t step = lion_reader_varint(reader);
        if (reader->is_failed || step > UINT32_MAX - a || (step == 0 && i > 0))
            return bad_root(error, "its samples");
        a += (uint32_t)step;
        const lion_root_attribute *attribute = lion_root_attribute_lookup(root, a);
        if (attribute == NULL) return bad_root(error, "its samples");
        bool no_memory = false;
        root->sample_count = i + 1;
        if (lion_value_sample_decode(&root->samples[i], reader, a, attribute->type, &no_memory))
            continue;
        return no_memory ? lion_fail_memory(error) : bad_root(error, "its samples");
    }
    return LION_OK;
}

static lion_status get_body(lion_root *root, lion_slice body, bool has_samples, lion_error *error)
{
    lion_reader reader;
    lion_reader_init(&reader, body);
    if (!get_scalars(&reader, root)) return bad_root(error, "its trees");
    uint64_t count = lion_reader_varint(&reader);
    if (reader.is_failed || count > lion_reader_left(&reader) / ATTRIBUTE_SIZE_MIN)
        return bad_root(error, "its attributes");
    root->attribute_count = (uint32_t)count;
    root->attributes = NULL;
    if (count > 0) {
        root->attributes = lion_alloc((size_t)count * sizeof *root->attributes);
        if (root->attributes == NULL) return lion_fail_memory(error);
    }
    uint32_t a = 0;
    bool is_sound = true;
    for (uint32_t i = 0; i < count && is_sound; i++) {
        is_sound = get_attribute(&reader, &root->attributes[i], a, i == 0);
        a = root->attributes[i].a;
    }
    if (!is_sound) return bad_root(error, "its attributes");
    lion_status status = has_samples ? get_samples(root, &reader, error) : LION_OK;
    if (status == LION_OK && lion_reader_left(&reader) > 0) return bad_root(error, "its end");
    return status;
}

static lion_status unpack_body(lion_buffer *body, uint64_t size, lion_slice frame,
                               lion_error *error)
{
    if (size / RATIO_MAX > frame.size) return bad_root(error, "its size");
    if (!lion_buffer_reserve(body, (size_t)size + 1)) return lion_fail_memory(error);
    size_t found = ZSTD_decompress(body->data, (size_t)size, frame.data, frame.size);
    if (ZSTD_isError(found) || found != size) return bad_root(error, "it does not decompress");
    body->size = found;
    return LION_OK;
}

lion_status lion_root_decode(lion_root *root, lion_slice bytes, lion_error *error)
{
    lion_reader reader;
    lion_reader_init(&reader, bytes);
    uint32_t magic = lion_reader_u32(&reader), flags = lion_reader_u32(&reader);
    uint64_t size = lion_reader_u64(&reader);
    lion_slice stored = lion_reader_bytes(&reader, lion_reader_left(&reader));
    if (reader.is_failed || magic != MAGIC || flags > (COMPRESSED | SAMPLES))
        return bad_root(error, "its header");

    lion_buffer body;
    lion_buffer_init(&body);
    lion_root decoded = { 0 };
    lion_status status = LION_OK;
    if ((flags & COMPRESSED) != 0) {
        status = unpack_body(&body, size, stored, error);
        stored = lion_buffer_view(&body);
    }
    if (status == LION_OK) status = get_body(&decoded, stored, (flags & SAMPLES) != 0, error);
    lion_buffer_deinit(&body);
    if (status != LION_OK) {
        lion_root_clear(&decoded);
        return status;
    }
    decoded.snapshot = root->snapshot;
    decoded.references = root->references;
    *root = decoded;
    return LION_OK;
}

/* ---- shared roots ---- */

static void make_empty(lion_root *root)
{
    root->eavt = empty_tree(LION_EAVT, LION_TYPE_MIXED, 0, false);
    root->history_eavt = empty_tree(LION_EAVT, LION_TYPE_MIXED, 0, true);
    root->log = empty_tree(LION_EAVT, LION_TYPE_NIL, 0, false);
}

lion_status lion_root_open(lion_root **root_out, lion_store *store, lion_error *error)
{
    lion_root *root = lion_zalloc(sizeof *root);
    if (root == NULL) return lion_fail_memory(error);
    lion_status status = lion_snapshot_open(&root->snapshot, store, error);
    if (status != LION_OK) {
        lion_free(root);
        return status;
    }
    lion_slice bytes = lion_snapshot_root(root->snapshot);
    make_empty(root);
    if (bytes.size > 0) status = lion_root_decode(root, bytes, error);
    if (status != LION_OK) {
        lion_snapshot_drop(root->snapshot);
        lion_free(root);
        return status;
    }
    root->references = 1;
    *root_out = root;
    return LION_OK;
}

lion_root *lion_root_keep(lion_root *root)
{
    uint32_t before = __atomic_fetch_add(&root->references, 1, __ATOMIC_RELAXED);
    LION_ASSERT(before > 0);
    return root;
}

void lion_root_kept(const lion_root *root, uint64_t *leaves_out, uint64_t *bytes_out)
{
    *leaves_out = __atomic_load_n(&root->leaves_open, __ATOMIC_RELAXED);
    *bytes_out = *leaves_out * sizeof(lion_leaf) +
                 lion_overlay_cache_size(__atomic_load_n(&root->overlays, __ATOMIC_ACQUIRE));
}

void lion_root_drop(lion_root *root)
{
    if (root == NULL) return;
    uint32_t before = __atomic_fetch_sub(&root->references, 1, __ATOMIC_ACQ_REL);
    LION_ASSERT(before > 0);
    if (before > 1) return;
    lion_points_free(root->points, root->attribute_count);
    lion_overlay_cache_free(root->overlays);
    for (lion_attachment *at = root->attached, *next; at != NULL; at = next) {
        next = at->next;
        at->free(at);
    }
    lion_snapshot_drop(root->snapshot);
    lion_root_clear(root);
    lion_free(root);
}

void lion_root_clear(lion_root *root)
{
    for (uint32_t i = 0; i < root->sample_count; i++) lion_value_sample_deinit(&root->samples[i]);
    lion_free(root->samples);
    lion_free(root->attributes);
    root->samples = NULL;
    root->attributes = NULL;
    root->sample_count = root->attribute_count = 0;
}

const lion_value_sample *lion_root_sample_lookup(const lion_root *root, uint32_t a)
{
    for (uint32_t i = 0; i < root->sample_count && root->samples[i].a <= a; i++)
        if (root->samples[i].a == a) return &root->samples[i];
    return NULL;
}

static lion_attachment **place_of_attached(const lion_root *root)
{
    return (lion_attachment **)(uintptr_t)&root->attached; /* it changes no answer */
}

lion_attachment *lion_root_attached(const lion_root *root)
{
    return __atomic_load_n(place_of_attached(root), __ATOMIC_ACQUIRE);
}

void lion_root_attach_take(const lion_root *root, lion_attachment *attachment)
{
    attachment->next = lion_root_attached(root);
    while (!__atomic_compare_exchange_n(place_of_attached(root), &attachment->next, attachment,
                                        false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        ;
}

bool lion_root_attribute_lacks_avet(const lion_root_attribute *attribute)
{
    return (attribute->avet.height == 0 && attribute->aevt.height > 0) ||
           (attribute->history_avet.height == 0 && attribute->history_aevt.height > 0);
}

const lion_root_attribute *lion_root_attribute_lookup(const lion_root *root, uint32_t a)
{
    uint32_t low = 0, high = root->attribute_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (root->attributes[middle].a < a)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_there = low < root->attribute_count && root->attributes[low].a == a;
    return is_there ? &root->attributes[low] : NULL;
}
