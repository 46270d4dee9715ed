/* audit.c - see audit.h. The hash of a datom mixes its parts one after the other; a large value
 * counts by its content hash, so that a stub and the whole value are the same. */
#include "index/audit.h"

#include "base/memory.h"
#include "index/stub.h"
#include "index/tree.h"

#define ATTRIBUTE_NO_HISTORY 45 /* db/noHistory, as db/bootstrap.h has it */

lion_status lion_audit_init(lion_audit *audit, lion_error *error)
{
    *audit = (lion_audit){ .blob_places = lion_names_new() };
    lion_table_init(&audit->segments);
    lion_table_init(&audit->places);
    lion_table_init(&audit->forgetful);
    return audit->blob_places != NULL ? LION_OK : lion_fail_memory(error);
}

void lion_audit_deinit(lion_audit *audit)
{
    lion_table_deinit(&audit->segments);
    lion_table_deinit(&audit->places);
    lion_table_deinit(&audit->forgetful);
    if (audit->blob_places != NULL) lion_names_free(audit->blob_places);
    lion_free(audit->attributes);
    lion_free(audit->blobs);
}

/* ---- segments ---- */

lion_status lion_audit_mark(lion_audit *audit, uint64_t id, unsigned bits, unsigned *before_out,
                            lion_error *error)
{
    uint64_t known = 0;
    if (!lion_table_get(&audit->segments, id, &known)) known = 0;
    if (!lion_table_put(&audit->segments, id, known | bits)) return lion_fail_memory(error);
    *before_out = (unsigned)known;
    return LION_OK;
}

lion_status lion_audit_reach(lion_audit *audit, uint64_t id, lion_error *error)
{
    unsigned before = 0;
    if (lion_audit_mark(audit, id, LION_AUDIT_REACHED, &before, error) != LION_OK)
        return LION_FAILED;
    if ((before & LION_AUDIT_REACHED) != 0)
        return lion_fail_corrupt(error, "two branches lead to it");
    if ((before & LION_AUDIT_DAMAGED) != 0)
        return lion_fail_corrupt(error, "it has a wrong checksum");
    return LION_OK;
}

/* ---- rows ---- */

/* Room for one element more; NULL: out of memory. */
static void *grow(void *list, size_t count, size_t *capacity, size_t element_size)
{
    if (count < *capacity) return list;
    size_t wanted = *capacity == 0 ? 64 : *capacity * 2, size;
    if (!lion_size_mul(&size, wanted, element_size)) return NULL;
    void *grown = lion_realloc(list, size);
    if (grown != NULL) *capacity = wanted;
    return grown;
}

static lion_status attribute_of(lion_audit_attribute **attribute_out, lion_audit *audit, uint32_t a,
                                lion_error *error)
{
    uint64_t place;
    if (!lion_table_get(&audit->places, a, &place)) {
        place = audit->attribute_count;
        lion_audit_attribute *grown = grow(audit->attributes, audit->attribute_count,
                                           &audit->attribute_capacity, sizeof *grown);
        if (grown == NULL) return lion_fail_memory(error);
        audit->attributes = grown;
        if (!lion_table_put(&audit->places, a, place)) return lion_fail_memory(error);
        audit->attributes[audit->attribute_count++] = (lion_audit_attribute){ .a = a };
    }
    *attribute_out = &audit->attributes[place];
    return LION_OK;
}

static bool is_large(const lion_value *value)
{
    return !lion_type_is_scalar(value->type) && value->size > LION_BLOB_SIZE_MIN;
}

static uint64_t hash_row(const lion_datom *row, const lion_hash128 *large)
{
    uint64_t value = large != NULL ? large->low ^ large->high : lion_value_hash(row->v);
    uint64_t hash = lion_hash_u64((uint64_t)row->e * 2 + (row->added ? 1 : 0));
    hash = lion_hash_u64(hash ^ ((uint64_t)row->a << 8 | row->v.type));
    hash = lion_hash_u64(hash + value);
    return lion_hash_u64(hash ^ (uint64_t)row->tx);
}

static lion_status refer(lion_audit *audit, const lion_datom *row, lion_hash128 hash,
                         lion_error *error)
{
    lion_audit_blob *blob;
    if (lion_audit_blob_of(&blob, audit, hash, error) != LION_OK) return LION_FAILED;
    if (blob->references == 0) {
        blob->size = row->v.size;
        blob->a = row->a;
        blob->e = row->e;
    }
    blob->references++;
    if (blob->size == row->v.size) return LION_OK;
    return lion_fail_corrupt(error, "a row says %u bytes of a blob that another says has %u",
                             row->v.size, blob->size);
}

lion_status lion_audit_row(lion_audit *audit, lion_audit_kind kind, const lion_datom *row,
                           lion_error *error)
{
    lion_audit_attribute *attribute = NULL;
    if (attribute_of(&attribute, audit, row->a, error) != LION_OK) return LION_FAILED;
    bool has_blob = is_large(&row->v);
    lion_hash128 large = { 0 };
    if (has_blob)
        large = lion_value_is_stub(&row->v) ? lion_stub_hash(&row->v)
                                            : lion_hash_128(row->v.data, row->v.size);
    attribute->sums[kind].count++;
    attribute->sums[kind].hash += hash_row(row, has_blob ? &large : NULL);
    if (row->a == ATTRIBUTE_NO_HISTORY && !lion_table_put(&audit->forgetful, (uint64_t)row->e, 1))
        return lion_fail_memory(error);
    if (!has_blob || kind == LION_AUDIT_LOG) return LION_OK;
    return refer(audit, row, large, error);
}

/* ---- blobs ---- */

lion_status lion_audit_blob_of(lion_audit_blob **blob_out, lion_audit *audit, lion_hash128 hash,
                               lion_error *error)
{
    lion_slice name = lion_slice_of(&hash, sizeof hash);
    uint64_t place;
    if (!lion_names_get(audit->blob_places, name, &place)) {
        place = audit->blob_count;
        lion_audit_blob *grown =
            grow(audit->blobs, audit->blob_count, &audit->blob_capacity, sizeof *grown);
        if (grown == NULL) return lion_fail_memory(error);
        audit->blobs = grown;
        if (!lion_names_put(audit->blob_places, name, place)) return lion_fail_memory(error);
        audit->blobs[audit->blob_count++] = (lion_audit_blob){ .hash = hash };
    }
    *blob_out = &audit->blobs[place];
    return LION_OK;
}
