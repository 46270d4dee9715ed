/* verify_store.c - each segment and blob for itself, before the trees are read; and afterwards what
 * the trees told of them. A damaged segment is only marked here: the tree that comes to it names
 * it, and what no tree came to is named at the end. */
#include <string.h>

#include "connection/verify_parts.h"

#define SEGMENTS_A_STEP 8

/* "segment 1:77" and "blob …", the store's words. */
#define SEGMENT_EPOCH(id) ((unsigned long long)((id) >> 40))
#define SEGMENT_COUNTER(id) ((unsigned long long)((id) & ((UINT64_C(1) << 40) - 1)))
#define BLOB_HIGH(hash) ((unsigned long long)(hash).high)
#define BLOB_LOW(hash) ((unsigned long long)(hash).low)

/* ---- before the trees ---- */

static lion_status mark_segment(lion_verify *v, uint64_t id, lion_slice bytes, bool is_damaged,
                                lion_error *error)
{
    unsigned before;
    v->report.segments++;
    v->report.done++;
    v->report.bytes += bytes.size;
    return lion_audit_mark(&v->audit, id, LION_AUDIT_STORED | (is_damaged ? LION_AUDIT_DAMAGED : 0),
                           &before, error);
}

static lion_status mark_blob(lion_verify *v, lion_hash128 hash, lion_slice bytes, bool is_damaged,
                             lion_error *error)
{
    lion_audit_blob *blob;
    v->report.blobs++;
    v->report.bytes += bytes.size;
    if (lion_audit_blob_of(&blob, &v->audit, hash, error) != LION_OK) return LION_FAILED;
    blob->is_stored = true;
    blob->stored = bytes.size;
    lion_hash128 content = is_damaged ? hash : lion_hash_128(bytes.data, bytes.size);
    blob->is_damaged = is_damaged || content.low != hash.low || content.high != hash.high;
    return LION_OK;
}

static lion_status walk_one(lion_verify *v, lion_error *error)
{
    uint64_t id = 0;
    lion_hash128 hash = { 0 };
    bool is_blob = false;
    lion_slice bytes = { 0 };
    lion_error fault = { 0 };
    lion_status status = lion_store_walk_next(v->walk, &id, &hash, &is_blob, &bytes, &fault);
    if (status == LION_END) return LION_END;
    bool is_damaged = status < 0;
    bool is_named = id != 0 || hash.low != 0 || hash.high != 0;
    if (is_damaged && fault.category != LION_FAULT)
        return lion_verify_note(v, "store", &fault, error);
    if (is_damaged && !is_named) {
        status = lion_verify_note(v, "store", &fault, error);
        return status == LION_OK ? LION_END : status;
    }
    if (is_damaged) bytes.size = 0;
    return is_blob ? mark_blob(v, hash, bytes, is_damaged, error)
                   : mark_segment(v, id, bytes, is_damaged, error);
}

lion_status lion_verify_store_step(lion_verify *v, lion_error *error)
{
    lion_status status = LION_OK;
    if (v->walk == NULL) status = lion_store_walk_open(&v->walk, v->root->snapshot, error);
    for (unsigned i = 0; i < SEGMENTS_A_STEP && status == LION_OK; i++) status = walk_one(v, error);
    if (status == LION_END) {
        lion_store_walk_close(v->walk);
        v->walk = NULL;
    }
    return status;
}

/* ---- after the trees ---- */

static lion_status check_count(lion_verify *v, const lion_audit_blob *blob, lion_error *error)
{
    uint64_t count = 0;
    lion_error fault = { 0 };
    lion_status status = lion_snapshot_references(&count, v->root->snapshot, blob->hash, &fault);
    if (status < 0) return lion_verify_note(v, "blobs", &fault, error);
    if (status == LION_ABSENT || count == blob->references) return LION_OK;
    return lion_verify_wrong(v, error, "blobs",
                             "blob %016llx%016llx: the trees refer to it %llu times, the store "
                             "counted %llu",
                             BLOB_HIGH(blob->hash), BLOB_LOW(blob->hash),
                             (unsigned long long)blob->references, (unsigned long long)count);
}

static lion_status check_blob(lion_verify *v, const lion_audit_blob *blob, lion_error *error)
{
    char where[128];
    lion_verify_name(v, where, "values", blob->a);
    unsigned long long high = BLOB_HIGH(blob->hash), low = BLOB_LOW(blob->hash);
    if (blob->references == 0) {
        if (blob->is_damaged)
            return lion_verify_wrong(v, error, "blobs", "blob %016llx%016llx has a wrong checksum",
                                     high, low);
        if (v->is_any_broken) return LION_OK;
        v->report.waste_blobs++;
        v->report.waste_bytes += blob->stored;
        return LION_OK;
    }
    if (!blob->is_stored)
        return lion_verify_wrong(v, error, where, "blob %016llx%016llx (of entity %lld) is missing",
                                 high, low, (long long)blob->e);
    if (blob->is_damaged)
        return lion_verify_wrong(v, error, where,
                                 "blob %016llx%016llx (of entity %lld) has a wrong checksum", high,
                                 low, (long long)blob->e);
    if (blob->stored != blob->size)
        return lion_verify_wrong(v, error, where,
                                 "blob %016llx%016llx (of entity %lld) has %llu bytes, its leaf "
                                 "says %u",
                                 high, low, (long long)blob->e, (unsigned long long)blob->stored,
                                 blob->size);
    return v->is_any_broken ? LION_OK : check_count(v, blob, error);
}

lion_status lion_verify_blobs_step(lion_verify *v, lion_error *error)
{
    for (unsigned i = 0; i < SEGMENTS_A_STEP; i++) {
        if (v->blob_next == v->audit.blob_count) return LION_END;
        lion_audit_blob blob = v->audit.blobs[v->blob_next++];
        if (check_blob(v, &blob, error) != LION_OK) return LION_FAILED;
    }
    return LION_OK;
}

lion_status lion_verify_waste(lion_verify *v, lion_error *error)
{
    uint64_t id, bits;
    for (size_t cursor = 0; lion_table_next(&v->audit.segments, &cursor, &id, &bits);) {
        if ((bits & LION_AUDIT_REACHED) != 0) continue;
        lion_status status = LION_OK;
        lion_slice bytes;
        if ((bits & LION_AUDIT_DAMAGED) != 0) {
            status = lion_verify_wrong(v, error, "store", "segment %llu:%llu has a wrong checksum",
                                       SEGMENT_EPOCH(id), SEGMENT_COUNTER(id));
        } else if (!v->is_any_broken) { /* else it may well belong below what is broken */
            v->report.waste_segments++;
            if (lion_snapshot_segment(&bytes, v->root->snapshot, id, NULL) == LION_OK)
                v->report.waste_bytes += bytes.size;
        }
        if (status != LION_OK) return status;
    }
    return LION_END;
}
