/* lmdb_open.c - open, check and close the LMDB file.
 *
 * Opening for writing: take the owner's lock; open the environment; refuse what is foreign, newer
 * or cut off; undo an unfinished commit; count the generation up.
 *
 * A cut-off file. LMDB maps the file and would end the process (SIGBUS) when it touches a page
 * behind the end. Whole files may end a little early too (a page that was taken and freed in one
 * transaction was never written), so a short file is first lengthened with zeros, and then every
 * address that its trees point to is compared with the old end: only a file that lost something is
 * refused. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/clock.h"
#include "base/memory.h"
#include "base/text.h"
#include "store/file.h"
#include "store/lmdb.h"
#include "store/map_size.h"

#define MAP_SIZE_MIN (UINT64_C(1) << 26)
#define FREE_TREE ((MDB_dbi)0)
#define SHORT_TRIES 20 /* of 10 ms: a reader waits for the owner to lengthen the file */

/* -- The environment -------------------------------------------------------------------------- */

static void close_env(lion_lmdb *lmdb)
{
    if (lmdb->env != NULL) mdb_env_close(lmdb->env);
    lmdb->env = NULL;
    lion_map_size_give_back(lmdb->map_size);
    lmdb->map_size = 0;
}

/* It is at least what the file needs, whatever was asked for. */
static void note_map(lion_lmdb *lmdb)
{
    MDB_envinfo info;
    mdb_env_info(lmdb->env, &info);
    lmdb->map_size = info.me_mapsize;
    lion_map_size_take(lmdb->map_size);
}

static int open_env_once(lion_lmdb *lmdb, uint64_t map_size)
{
    unsigned flags = MDB_NOSUBDIR | MDB_NOTLS | MDB_NORDAHEAD;
    if (lmdb->base.is_read_only) flags |= MDB_RDONLY;
    int code = mdb_env_create(&lmdb->env);
    if (code == 0) code = mdb_env_set_maxdbs(lmdb->env, 8);
    if (code == 0) code = mdb_env_set_maxreaders(lmdb->env, LION_LMDB_READERS_MAX);
    if (code == 0) code = mdb_env_set_mapsize(lmdb->env, map_size);
    if (code == 0) code = mdb_env_open(lmdb->env, lmdb->path, flags, 0644);
    if (code != 0) close_env(lmdb);
    return code;
}

/* Address space may be scarce (ulimit, small machines): ask for less until it fits. */
static lion_status open_env(lion_lmdb *lmdb, uint64_t map_size, lion_error *error)
{
    if (map_size == 0) map_size = lion_map_size_choose(lmdb->path);
    int code = open_env_once(lmdb, map_size);
    while (code == ENOMEM && map_size / 2 >= MAP_SIZE_MIN) {
        map_size /= 2;
        code = open_env_once(lmdb, map_size);
    }
    if (code != 0) return lion_lmdb_fail(error, code, "open", lmdb->path);
    note_map(lmdb);
    return LION_OK;
}

static int open_trees(lion_lmdb *lmdb, MDB_txn *txn, unsigned flags)
{
    int code = mdb_dbi_open(txn, "meta", flags, &lmdb->meta);
    if (code == 0) code = mdb_dbi_open(txn, "segments", flags | MDB_INTEGERKEY, &lmdb->segments);
    if (code == 0) code = mdb_dbi_open(txn, "blobs", flags, &lmdb->blobs);
    if (code == 0) code = mdb_dbi_open(txn, "references", flags, &lmdb->references);
    if (code == 0) code = mdb_dbi_open(txn, "unborn", flags, &lmdb->unborn);
    return code;
}

/* -- A fresh file ----------------------------------------------------------------------------- */

static lion_status create(lion_lmdb *lmdb, lion_error *error)
{
    lion_random_bytes(lmdb->base.database_id, sizeof lmdb->base.database_id);
    lmdb->base.generation = 1;
    MDB_txn *txn;
    int code = mdb_txn_begin(lmdb->env, NULL, 0, &txn);
    if (code != 0) return lion_lmdb_fail(error, code, "begin a write to", lmdb->path);
    code = open_trees(lmdb, txn, MDB_CREATE);
    lion_status status = code == 0 ? lion_lmdb_put_header(lmdb, txn, error)
                                   : lion_lmdb_fail(error, code, "write to", lmdb->path);
    if (status != LION_OK) {
        mdb_txn_abort(txn);
        return status;
    }
    code = mdb_txn_commit(txn);
    if (code != 0) return lion_lmdb_fail(error, code, "write to", lmdb->path);
    lion_lmdb_lengthen(lmdb);
    return lion_file_sync_folder(lmdb->path, error);
}

/* -- A file that is there --------------------------------------------------------------------- */

static lion_status read_header(lion_lmdb *lmdb, MDB_txn *txn, lion_error *error)
{
    MDB_val key = lion_lmdb_key("lion", 4), value;
    int code = mdb_get(txn, lmdb->meta, &key, &value);
    lion_lmdb_header header;
    if (code != 0 || value.mv_size < sizeof header)
        return lion_fail_corrupt(error, "\"%s\" is not a Lion database: it has no header",
                                 lmdb->path);
    memcpy(&header, value.mv_data, sizeof header);
    if (memcmp(header.magic, LION_LMDB_MAGIC, sizeof header.magic) != 0)
        return lion_fail_corrupt(error, "\"%s\" is not a Lion database", lmdb->path);
    if (header.version > LION_FORMAT_VERSION)
        return lion_fail(error, LION_UNSUPPORTED, "lion/version",
                         "\"%s\" has format %u, this Lion reads up to %d; use a newer one",
                         lmdb->path, header.version, LION_FORMAT_VERSION);
    if (header.checksum != lion_hash(&header, offsetof(lion_lmdb_header, checksum)))
        return lion_fail_corrupt(error, "the header of \"%s\" has a wrong checksum", lmdb->path);
    memcpy(lmdb->base.database_id, header.database_id, sizeof header.database_id);
    lmdb->base.generation = header.generation;
    lmdb->base.next_id = header.next_id;
    return LION_OK;
}

static lion_status read_trees(lion_lmdb *lmdb, lion_error *error)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &txn);
    if (code != 0) return lion_lmdb_fail(error, code, "begin a read of", lmdb->path);
    code = open_trees(lmdb, txn, 0);
    lion_status status = LION_OK;
    if (code == MDB_NOTFOUND || code == MDB_INCOMPATIBLE)
        status =
            lion_fail_corrupt(error, "\"%s\" is an LMDB file, but not a Lion database", lmdb->path);
    else if (code != 0)
        status = lion_lmdb_fail(error, code, "read", lmdb->path);
    if (status == LION_OK) status = read_header(lmdb, txn, error);
    if (status != LION_OK) {
        mdb_txn_abort(txn);
        return status;
    }
    code = mdb_txn_commit(txn); /* keeps the trees' handles */
    return code == 0 ? LION_OK : lion_lmdb_fail(error, code, "read", lmdb->path);
}

/* Where the file's first byte is mapped. LMDB does not tell, but each of its pages begins with its
 * number. NULL: cannot be told (pages larger than the machine's need not be aligned). */
static const uint8_t *find_map(const lion_lmdb *lmdb, MDB_txn *txn)
{
    MDB_val key = lion_lmdb_key("lion", 4), value;
    if (lmdb->page_size != (size_t)sysconf(_SC_PAGESIZE)) return NULL;
    if (mdb_get(txn, lmdb->meta, &key, &value) != 0) return NULL;
    const uint8_t *at = value.mv_data;
    const uint8_t *page = at - (uintptr_t)at % lmdb->page_size;
    size_t number;
    memcpy(&number, page, sizeof number);
    return page - number * lmdb->page_size;
}

/* Does every value of a tree lie before `end`? 0, LMDB's code, or MDB_CORRUPTED. */
static int check_reach(MDB_txn *txn, MDB_dbi tree, const uint8_t *end)
{
    MDB_cursor *cursor;
    int code = mdb_cursor_open(txn, tree, &cursor);
    if (code != 0) return code;
    MDB_val key, value;
    while ((code = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) == 0) {
        if ((const uint8_t *)value.mv_data + value.mv_size <= end) continue;
        code = MDB_CORRUPTED;
        break;
    }
    mdb_cursor_close(cursor);
    return code == MDB_NOTFOUND ? 0 : code;
}

static lion_status check_short_file(lion_lmdb *lmdb, uint64_t size, lion_error *error)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(lmdb->env, NULL, MDB_RDONLY, &txn);
    if (code != 0) return lion_lmdb_fail(error, code, "begin a read of", lmdb->path);
    const uint8_t *map = find_map(lmdb, txn);
    if (map == NULL) code = MDB_CORRUPTED;
    MDB_dbi trees[] = { FREE_TREE,   lmdb->meta,       lmdb->segments,
                        lmdb->blobs, lmdb->references, lmdb->unborn };
    for (size_t i = 0; code == 0 && i < sizeof trees / sizeof trees[0]; i++)
        code = check_reach(txn, trees[i], map + size);
    mdb_txn_abort(txn);
    return code == 0 ? LION_OK : lion_lmdb_fail(error, code, "read", lmdb->path);
}

static lion_status fail_short(const lion_lmdb *lmdb, uint64_t size, uint64_t wanted,
                              lion_error *error)
{
    return lion_fail_corrupt(error,
                             "\"%s\" is cut off: it has %llu of %llu bytes; restore a backup",
                             lmdb->path, (unsigned long long)size, (unsigned long long)wanted);
}

/* Lengthen a short file, read it, and see whether it lost anything; if so, it is left as it was. */
static lion_status open_existing_owner(lion_lmdb *lmdb, lion_error *error)
{
    uint64_t wanted = lion_lmdb_size(lmdb), size;
    mdb_filehandle_t file;
    mdb_env_get_fd(lmdb->env, &file);
    lion_status status = lion_file_size(&size, file, lmdb->path, error);
    if (status != LION_OK) return status;
    bool is_short = size < wanted;
    if (is_short && ftruncate(file, (off_t)wanted) != 0)
        return lion_file_fail(error, errno, "lengthen", lmdb->path);

    status = read_trees(lmdb, error);
    if (is_short && status == LION_OK) status = check_short_file(lmdb, size, NULL);
    if (is_short && status != LION_OK) {
        if (ftruncate(file, (off_t)size) != 0)
            return lion_file_fail(error, errno, "shorten", lmdb->path);
        return fail_short(lmdb, size, wanted, error);
    }
    return status;
}

static lion_status open_existing_reader(lion_lmdb *lmdb, lion_error *error)
{
    mdb_filehandle_t file;
    mdb_env_get_fd(lmdb->env, &file);
    uint64_t wanted = 0, size = 0;
    for (int i = 0; i < SHORT_TRIES; i++) {
        wanted = lion_lmdb_size(lmdb);
        lion_status status = lion_file_size(&size, file, lmdb->path, error);
        if (status != LION_OK) return status;
        if (size >= wanted) return read_trees(lmdb, error);
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    return fail_short(lmdb, size, wanted, error);
}

/* The number of the newest root, by a snapshot as any other. */
static lion_status read_number(lion_lmdb *lmdb, lion_error *error)
{
    lion_snapshot *snapshot;
    lion_status status = lion_snapshot_open(&snapshot, &lmdb->base, error);
    if (status != LION_OK) return status;
    lmdb->base.number = snapshot->number;
    lion_snapshot_drop(snapshot);
    return LION_OK;
}

/* This opening is a new generation. */
static lion_status begin_generation(lion_lmdb *lmdb, lion_error *error)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(lmdb->env, NULL, 0, &txn);
    if (code != 0) return lion_lmdb_fail(error, code, "begin a write to", lmdb->path);
    lmdb->base.generation++;
    lion_status status = lion_lmdb_put_header(lmdb, txn, error);
    if (status != LION_OK) {
        mdb_txn_abort(txn);
        return status;
    }
    code = mdb_txn_commit(txn);
    if (code != 0) return lion_lmdb_fail(error, code, "write to", lmdb->path);
    lion_lmdb_lengthen(lmdb);
    return LION_OK;
}

/* -- Open and close --------------------------------------------------------------------------- */

static void lmdb_close(lion_store *store)
{
    lion_lmdb *lmdb = lion_lmdb_of(store);
    char *copy = lion_lmdb_compact(lmdb);
    close_env(lmdb);
    if (lmdb->owner.path != NULL) lion_owner_close(&lmdb->owner, copy);
    lion_free(copy);
    lion_lmdb_free_verified(lmdb);
    pthread_mutex_destroy(&lmdb->verified_lock);
    lion_store_deinit(store);
    lion_free(lmdb->path);
    lion_free(lmdb);
}

lion_status lion_store_seize_file(lion_store *store, lion_error *error)
{
    lion_lmdb *lmdb = lion_lmdb_of(store);
    LION_ASSERT(!store->is_read_only);
    if (lion_owner_seize(&lmdb->owner)) return LION_OK;
    return lion_fail(error, LION_UNAVAILABLE, "lion/locked",
                     "\"%s\" is open for reading, here or in another process; close it there first",
                     lmdb->path);
}

static const lion_backend LMDB_BACKEND = {
    .close = lmdb_close,
    .pin = lion_lmdb_pin,
    .unpin = lion_lmdb_unpin,
    .segment = lion_lmdb_segment,
    .blob = lion_lmdb_blob,
    .references = lion_lmdb_references,
    .begin = lion_lmdb_begin,
    .put = lion_lmdb_put,
    .put_blob = lion_lmdb_put_blob,
    .finish = lion_lmdb_finish,
    .abort = lion_lmdb_abort,
    .edition = lion_lmdb_edition,
    .stats = lion_lmdb_stats,
    .copy = lion_lmdb_copy,
    .walk_open = lion_lmdb_walk_open,
    .walk_next = lion_lmdb_walk_next,
    .walk_close = lion_lmdb_walk_close,
};

/* LION_ABSENT: there is nothing at `path`, or a file without a byte or a page of data. */
static lion_status look_for_file(const char *path, lion_error *error)
{
    struct stat file;
    if (stat(path, &file) == 0) {
        if (S_ISREG(file.st_mode)) return file.st_size > 0 ? LION_OK : LION_ABSENT;
        return lion_fail(error, LION_UNAVAILABLE, "lion/io", "\"%s\" is not a regular file", path);
    }
    if (errno == ENOENT) return LION_ABSENT;
    return lion_file_fail(error, errno, "open", path);
}

/* An environment in which nothing was ever committed: its creator died before the first write. */
static bool is_blank(const lion_lmdb *lmdb)
{
    MDB_envinfo info;
    mdb_env_info(lmdb->env, &info);
    return info.me_last_txnid == 0;
}

/* What a closing left that died before its copy was the file. */
static lion_status remove_copy(const lion_lmdb *lmdb, lion_error *error)
{
    char *copy = lion_text_join(lmdb->path, LION_LMDB_COPY_SUFFIX);
    if (copy == NULL) return lion_fail_memory(error);
    lion_status status = LION_OK;
    if (unlink(copy) != 0 && errno != ENOENT) status = lion_file_fail(error, errno, "remove", copy);
    lion_free(copy);
    return status;
}

static lion_status open_file(lion_lmdb *lmdb, const lion_store_options *options, lion_error *error)
{
    bool may_create = options->create && !options->read_only;
    lion_status found = look_for_file(lmdb->path, error);
    if (found < 0) return found;
    if (found == LION_ABSENT && !may_create)
        return lion_fail(error, LION_NOT_FOUND, "lion/not-found",
                         "there is no database at \"%s\"; create it or check the path", lmdb->path);

    lion_status status =
        lion_owner_open(&lmdb->owner, lmdb->path, options->read_only, options->control, error);
    if (status == LION_OK && !options->read_only) status = remove_copy(lmdb, error);
    if (status == LION_OK) status = open_env(lmdb, options->map_size, error);
    if (status != LION_OK) return status;

    MDB_stat stat;
    mdb_env_stat(lmdb->env, &stat);
    lmdb->page_size = stat.ms_psize;
    int dead;
    mdb_reader_check(lmdb->env, &dead);

    if (is_blank(lmdb) && may_create) return create(lmdb, error);
    if (is_blank(lmdb))
        return lion_fail(error, LION_NOT_FOUND, "lion/not-found",
                         "\"%s\" holds no database yet; create it", lmdb->path);
    if (options->read_only && options->is_checked)
        status = read_trees(lmdb, error);
    else if (options->read_only)
        status = open_existing_reader(lmdb, error);
    else
        status = open_existing_owner(lmdb, error);
    if (status == LION_OK) status = read_number(lmdb, error);
    if (status == LION_OK && !options->read_only) status = lion_lmdb_undo(lmdb, error);
    if (status == LION_OK && !options->read_only) status = begin_generation(lmdb, error);
    return status;
}

lion_status lion_store_open_file(lion_store **store_out, const char *path,
                                 const lion_store_options *options, lion_error *error)
{
    lion_lmdb *lmdb = lion_zalloc(sizeof *lmdb);
    if (lmdb == NULL) return lion_fail_memory(error);
    lion_store_init(&lmdb->base, &LMDB_BACKEND);
    lmdb->base.is_read_only = options->read_only;
    lion_table_init(&lmdb->verified);
    pthread_mutex_init(&lmdb->verified_lock, NULL);
    lmdb->owner.file = -1;
    lmdb->path = lion_text_join(path, "");

    lion_status status =
        lmdb->path != NULL ? open_file(lmdb, options, error) : lion_fail_memory(error);
    if (status != LION_OK) {
        lmdb_close(&lmdb->base);
        return status;
    }
    *store_out = &lmdb->base;
    return LION_OK;
}
