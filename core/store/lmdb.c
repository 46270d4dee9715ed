/* lmdb.c - what opening, reading and writing an LMDB file share. See lmdb.h. */
#include "store/lmdb.h"

#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "store/file.h"

#define VERIFIED_IDS 4096 /* ids a bitmap */

lion_status lion_lmdb_fail(lion_error *error, int code, const char *verb, const char *path)
{
    if (code > 0) return lion_file_fail(error, code, verb, path);
    lion_status status;
    switch (code) {
    case MDB_MAP_FULL:
        status = lion_fail(error, LION_UNAVAILABLE, "lion/disk-full",
                           "cannot %s \"%s\": its map is full; open it with a larger map_gb", verb,
                           path);
        break;
    case MDB_INVALID:
        status = lion_fail_corrupt(error, "\"%s\" is not a Lion database", path);
        break;
    case MDB_VERSION_MISMATCH:
        status = lion_fail(error, LION_UNSUPPORTED, "lion/version",
                           "\"%s\" was written by another version of LMDB than %s", path,
                           mdb_version(NULL, NULL, NULL));
        break;
    case MDB_READERS_FULL:
        status = lion_fail(error, LION_BUSY, "lion/busy",
                           "cannot %s \"%s\": all %d reader slots are taken; drop old database "
                           "values",
                           verb, path, LION_LMDB_READERS_MAX);
        break;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
        status = lion_fail_corrupt(error, "cannot %s \"%s\": %s; restore a backup", verb, path,
                                   mdb_strerror(code));
        break;
    default:
        status = lion_fail(error, LION_UNAVAILABLE, "lion/io", "cannot %s \"%s\": %s", verb, path,
                           mdb_strerror(code));
    }
    if (error != NULL) error->system_code = code;
    return status;
}

MDB_val lion_lmdb_key(const void *data, size_t size)
{
    return (MDB_val){ .mv_size = size, .mv_data = (void *)(uintptr_t)data };
}

lion_slice lion_lmdb_slice(MDB_val value)
{
    return lion_slice_of(value.mv_data, value.mv_size);
}

/* -- Ids whose checksum agreed ---------------------------------------------------------------- */

bool lion_lmdb_is_verified(lion_lmdb *lmdb, uint64_t id)
{
    uint64_t address;
    pthread_mutex_lock(&lmdb->verified_lock);
    bool is_verified = lion_table_get(&lmdb->verified, id / VERIFIED_IDS, &address);
    if (is_verified) {
        const uint64_t *bitmap = (const uint64_t *)(uintptr_t)address;
        is_verified = bitmap[id % VERIFIED_IDS / 64] >> id % 64 & 1;
    }
    pthread_mutex_unlock(&lmdb->verified_lock);
    return is_verified;
}

void lion_lmdb_set_verified(lion_lmdb *lmdb, uint64_t id)
{
    uint64_t address;
    pthread_mutex_lock(&lmdb->verified_lock);
    uint64_t *bitmap = NULL;
    if (lion_table_get(&lmdb->verified, id / VERIFIED_IDS, &address)) {
        bitmap = (uint64_t *)(uintptr_t)address;
    } else {
        bitmap = lion_zalloc(VERIFIED_IDS / 8);
        if (bitmap != NULL &&
            !lion_table_put(&lmdb->verified, id / VERIFIED_IDS, (uint64_t)(uintptr_t)bitmap)) {
            lion_free(bitmap); /* then it is computed again */
            bitmap = NULL;
        }
    }
    if (bitmap != NULL) bitmap[id % VERIFIED_IDS / 64] |= UINT64_C(1) << id % 64;
    pthread_mutex_unlock(&lmdb->verified_lock);
}

void lion_lmdb_free_verified(lion_lmdb *lmdb)
{
    uint64_t address;
    for (size_t cursor = 0; lion_table_next(&lmdb->verified, &cursor, NULL, &address);)
        lion_free((void *)(uintptr_t)address);
    lion_table_deinit(&lmdb->verified);
}

/* -- The file's length ------------------------------------------------------------------------ */

uint64_t lion_lmdb_size(const lion_lmdb *lmdb)
{
    MDB_envinfo info;
    mdb_env_info(lmdb->env, &info);
    return (uint64_t)(info.me_last_pgno + 1) * lmdb->page_size;
}

void lion_lmdb_lengthen(const lion_lmdb *lmdb)
{
    uint64_t wanted = lion_lmdb_size(lmdb), size;
    mdb_filehandle_t file;
    mdb_env_get_fd(lmdb->env, &file);
    if (lion_file_size(&size, file, lmdb->path, NULL) != LION_OK || size >= wanted) return;
    (void)!ftruncate(file, (off_t)wanted); /* the next owner tries again */
}
