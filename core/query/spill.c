/* spill.c - blocks of a temporary file, and rows as a stream of bytes over them. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_TMPFILE */
#endif
#include "query/spill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "base/fault.h"

/* Sixteen spools are written at once at most, each with a block in memory: an eighth of the budget. */
#define BLOCK_PART 128
#define BLOCK_MIN 4096u
#define BLOCK_MAX 65536u
#define PATH_SIZE 512

/* ---- the file ---- */

void lion_spill_init(lion_spill *spill, lion_arena *arena, uint64_t bytes_max)
{
    uint64_t size = arena->budget == 0 ? BLOCK_MAX : arena->budget / BLOCK_PART;
    *spill = (lion_spill){ .arena = arena, .bytes_max = bytes_max, .file = -1 };
    spill->block_size = size < BLOCK_MIN ? BLOCK_MIN : size > BLOCK_MAX ? BLOCK_MAX : (uint32_t)(size & ~(uint64_t)(BLOCK_MIN - 1));
}

void lion_spill_deinit(lion_spill *spill)
{
    if (spill->file >= 0) (void)close(spill->file);
    spill->file = -1;
}

uint64_t lion_spill_peak(const lion_spill *spill)
{
    return (uint64_t)spill->used_max * spill->block_size;
}

static lion_status fail_file(lion_error *error, int code, const char *what)
{
    if (code != ENOSPC && code != EDQUOT) return lion_fail_errno(error, code, what);
    lion_fail(error, LION_UNAVAILABLE, "lion/disk-full",
              "no space is left for a query's temporary file: free some, let TMPDIR name another folder, or raise memory_mb");
    if (error != NULL) error->system_code = code;
    return LION_FAILED;
}

static int open_in(const char *folder)
{
    int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC | O_EXCL, 0600);
    if (file >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL)) return file;
    char path[PATH_SIZE]; /* a file system that has no files without names */
    int size = snprintf(path, sizeof(path), "%s/lion-query-XXXXXX", folder);
    if (size < 0 || (size_t)size >= sizeof(path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    file = mkostemp(path, O_CLOEXEC);
    if (file >= 0) (void)unlink(path);
    return file;
}

static lion_status make_file(lion_spill *spill, lion_error *error)
{
    const char *wanted = getenv("TMPDIR");
    const char *folders[] = { wanted != NULL && wanted[0] == '/' ? wanted : "/var/tmp", "/tmp" };
    int code = 0;
    if (spill->file >= 0) return LION_OK;
    if (LION_FAULT_POINT("spill.open") != LION_FAULT_NONE) return lion_fail_errno(error, EACCES, "make a query's temporary file");
    for (int i = 0; i < (folders[0] == wanted ? 1 : 2); i++) {
        spill->file = open_in(folders[i]);
        if (spill->file >= 0) return LION_OK;
        code = errno;
    }
    char what[PATH_SIZE];
    (void)snprintf(what, sizeof(what), "make a temporary file in %.100s, for a query that needs more than memory_mb (TMPDIR names another folder)",
                   folders[0]);
    return fail_file(error, code, what);
}

static lion_status write_block(lion_spill *spill, uint32_t block, const uint8_t *bytes, uint32_t size, lion_error *error)
{
    off_t offset = (off_t)block * (off_t)spill->block_size;
    lion_fault_kind fault = LION_FAULT_POINT("spill.write");
    if (fault != LION_FAULT_NONE) return fail_file(error, fault == LION_FAULT_FULL ? ENOSPC : EIO, "write a query's temporary file");
    for (size_t done = 0; done < size;) {
        ssize_t count = pwrite(spill->file, bytes + done, size - done, offset + (off_t)done);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return fail_file(error, count == 0 ? ENOSPC : errno, "write a query's temporary file");
        done += (size_t)count;
    }
    return LION_OK;
}

lion_status lion_spill_read(void *bytes, lion_spill *spill, uint32_t block, uint32_t size, lion_error *error)
{
    off_t offset = (off_t)block * (off_t)spill->block_size;
    if (LION_FAULT_POINT("spill.read") != LION_FAULT_NONE) return fail_file(error, EIO, "read a query's temporary file");
    for (size_t done = 0; done < size;) {
        ssize_t count = pread(spill->file, (uint8_t *)bytes + done, size - done, offset + (off_t)done);
        if (count < 0 && errno == EINTR) continue;
        if (count <= 0) return fail_file(error, count == 0 ? EIO : errno, "read a query's temporary file");
        done += (size_t)count;
    }
    return LION_OK;
}

/* ---- blocks ---- */

static lion_status take_block(uint32_t *block_out, lion_spill *spill, lion_error *error)
{
    lion_status status = make_file(spill, error);
    if (status != LION_OK) return status;
    if (spill->free_count > 0) {
        *block_out = spill->free_blocks[--spill->free_count];
    } else {
        if (((uint64_t)spill->block_count + 1) * spill->block_size > spill->bytes_max || spill->block_count == UINT32_MAX)
            return lion_fail(error, LION_INTERRUPTED, "lion/limit",
                             "the query needs more than %llu bytes in temporary files; narrow it, or raise memory_mb or temp_mb",
                             (unsigned long long)spill->bytes_max);
        *block_out = spill->block_count++;
    }
    uint32_t used = spill->block_count - spill->free_count;
    if (used > spill->used_max) spill->used_max = used;
    return LION_OK;
}

/* Without memory to remember it the block is not used again: the file grows instead. */
void lion_spill_give(lion_spill *spill, uint32_t block)
{
    if (spill->free_count == spill->free_room) {
        uint32_t room = spill->free_room == 0 ? 64 : spill->free_room * 2;
        uint32_t *blocks = lion_arena_grow(spill->arena, spill->free_blocks, spill->free_room * sizeof(*blocks), room * sizeof(*blocks));
        if (blocks == NULL || spill->arena->is_exhausted) return;
        spill->free_blocks = blocks;
        spill->free_room = room;
    }
    spill->free_blocks[spill->free_count++] = block;
}

lion_status lion_spill_write(uint32_t *block_out, lion_spill *spill, const void *bytes, uint32_t size, lion_error *error)
{
    uint32_t block = 0;
    LION_ASSERT(size <= spill->block_size);
    lion_status status = take_block(&block, spill, error);
    if (status == LION_OK) status = write_block(spill, block, bytes, size, error);
    if (status == LION_OK) *block_out = block;
    return status;
}

/* ---- spools ---- */

void lion_spool_init(lion_spool *spool, lion_spill *spill, uint32_t row_size)
{
    *spool = (lion_spool){ .spill = spill, .row_size = row_size };
}

static lion_status make_buffer(lion_spool *spool, lion_error *error)
{
    if (spool->buffer == NULL) spool->buffer = lion_arena_take(spool->spill->arena, spool->spill->block_size);
    return spool->buffer == NULL ? lion_fail_memory(error) : LION_OK;
}

static void drop_buffer(lion_spool *spool)
{
    lion_arena_give(spool->spill->arena, spool->buffer);
    spool->buffer = NULL;
}

/* A block behind the last. */
static lion_status extend(lion_spool *spool, lion_error *error)
{
    lion_arena *arena = spool->spill->arena;
    uint32_t block = 0;
    if (spool->block_count == spool->block_room) {
        uint32_t room = spool->block_room == 0 ? 16 : spool->block_room * 2;
        uint32_t *blocks = lion_arena_grow(arena, spool->blocks, spool->block_room * sizeof(*blocks), room * sizeof(*blocks));
        if (blocks == NULL || arena->is_exhausted) return lion_fail_memory(error);
        spool->blocks = blocks;
        spool->block_room = room;
    }
    lion_status status = take_block(&block, spool->spill, error);
    if (status != LION_OK) return status;
    spool->blocks[spool->block_count++] = block;
    spool->filled = 0;
    return LION_OK;
}

static lion_status flush(lion_spool *spool, lion_error *error)
{
    if (spool->block_count == 0 || spool->is_last_written) return LION_OK;
    lion_status status = write_block(spool->spill, spool->blocks[spool->block_count - 1], spool->buffer, spool->spill->block_size, error);
    spool->is_last_written = status == LION_OK;
    return status;
}

/* The last block in memory again, after lion_spool_close. */
static lion_status reopen(lion_spool *spool, lion_error *error)
{
    bool is_closed = spool->buffer == NULL && spool->block_count > 0;
    lion_status status = make_buffer(spool, error);
    if (status != LION_OK || !is_closed) return status;
    return lion_spill_read(spool->buffer, spool->spill, spool->blocks[spool->block_count - 1], spool->spill->block_size, error);
}

lion_status lion_spool_add(lion_spool *spool, const void *row, lion_error *error)
{
    uint32_t block_size = spool->spill->block_size;
    LION_ASSERT(!spool->is_reading);
    lion_status status = reopen(spool, error);
    for (uint32_t done = 0; status == LION_OK && done < spool->row_size;) {
        if (spool->block_count == 0 || spool->filled == block_size) {
            status = flush(spool, error);
            if (status == LION_OK) status = extend(spool, error);
            if (status != LION_OK) break;
        }
        uint32_t left = spool->row_size - done, room = block_size - spool->filled, count = left < room ? left : room;
        memcpy(spool->buffer + spool->filled, (const uint8_t *)row + done, count);
        spool->filled += count;
        spool->is_last_written = false;
        done += count;
    }
    spool->count += status == LION_OK;
    return status;
}

lion_status lion_spool_close(lion_spool *spool, lion_error *error)
{
    lion_status status = flush(spool, error);
    if (status == LION_OK && !spool->is_reading) drop_buffer(spool);
    return status;
}

lion_status lion_spool_read(lion_spool *spool, bool take, lion_error *error)
{
    lion_status status = spool->is_reading ? LION_OK : flush(spool, error);
    if (status != LION_OK) return status;
    spool->is_reading = true;
    spool->is_taken = take;
    spool->next = 0;
    spool->read_block = 0;
    spool->read_at = spool->spill->block_size; /* as if one had been read */
    if (spool->count == 0) return LION_OK;
    if (spool->row == NULL) spool->row = lion_arena_take(spool->spill->arena, spool->row_size);
    return spool->row == NULL ? lion_fail_memory(error) : make_buffer(spool, error);
}

static lion_status next_block(lion_spool *spool, lion_error *error)
{
    uint32_t block = spool->blocks[spool->read_block];
    lion_status status = lion_spill_read(spool->buffer, spool->spill, block, spool->spill->block_size, error);
    if (status != LION_OK) return status;
    if (spool->is_taken) lion_spill_give(spool->spill, block);
    spool->read_block++;
    spool->read_at = 0;
    return LION_OK;
}

lion_status lion_spool_next(const void **row_out, lion_spool *spool, lion_error *error)
{
    uint32_t block_size = spool->spill->block_size;
    if (spool->next == spool->count) {
        drop_buffer(spool); /* it may wait long until it is read again, or freed */
        return LION_END;
    }
    for (uint32_t done = 0; done < spool->row_size;) {
        lion_status status = spool->read_at == block_size ? next_block(spool, error) : LION_OK;
        if (status != LION_OK) return status;
        uint32_t left = spool->row_size - done, room = block_size - spool->read_at, count = left < room ? left : room;
        memcpy(spool->row + done, spool->buffer + spool->read_at, count);
        spool->read_at += count;
        done += count;
    }
    spool->next++;
    *row_out = spool->row;
    return LION_OK;
}

void lion_spool_free(lion_spool *spool)
{
    uint32_t first = spool->is_reading && spool->is_taken ? spool->read_block : 0;
    for (uint32_t i = first; i < spool->block_count; i++) lion_spill_give(spool->spill, spool->blocks[i]);
    drop_buffer(spool);
    lion_arena_give(spool->spill->arena, spool->row);
    lion_arena_release(spool->spill->arena, spool->blocks, spool->block_room * sizeof(*spool->blocks));
    lion_spool_init(spool, spool->spill, spool->row_size);
}
