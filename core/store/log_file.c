/* log_file.c - the file of the log tail: growing, places for groups. See log_file.h. */
#include "store/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/text.h"
#include "store/file.h"

#define NO_EXTENT UINT32_MAX
#define ZEROS_SIZE ((size_t)1 << 20)
#define EXTENTS_OFFSET (UINT64_C(2) * LION_LOG_DIRECTORY_SIZE)

static uint64_t extents_end(const lion_log_directory *directory)
{
    uint64_t end = EXTENTS_OFFSET;
    for (uint32_t i = 0; i < directory->extent_count; i++) end += directory->extent_sizes[i];
    return end;
}

/* -- The directory ---------------------------------------------------------------------------- */

uint64_t lion_log_directory_checksum(const lion_log_directory *directory)
{
    return lion_hash((const uint8_t *)directory + 8, sizeof *directory - 8);
}

lion_status lion_log_file_put_directory(const lion_log_file *log, lion_log_directory *directory,
                                        lion_error *error)
{
    directory->edition++;
    directory->checksum = lion_log_directory_checksum(directory);
    for (uint64_t copy = 0; copy < 2; copy++) {
        lion_status status = lion_file_write(log->file, directory, sizeof *directory,
                                             copy * sizeof *directory, log->path, error);
        if (status == LION_OK) status = lion_file_sync(log->file, log->path, error);
        if (status != LION_OK) return status;
    }
    return LION_OK;
}

/* -- Growing ---------------------------------------------------------------------------------- */

/* Zeros that are on disk: piece by piece, so that a commit's sync beside us waits for one piece
 * only. */
static lion_status write_zeros(const lion_log_file *log, uint64_t offset, uint64_t size,
                               lion_error *error)
{
    uint8_t *zeros = lion_zalloc(ZEROS_SIZE);
    if (zeros == NULL) return lion_fail_memory(error);
    lion_status status = LION_OK;
    while (size > 0 && status == LION_OK) {
        size_t piece = size < ZEROS_SIZE ? (size_t)size : ZEROS_SIZE;
        lion_fault_kind fault = LION_FAULT_POINT("log.grow");
        if (fault != LION_FAULT_NONE)
            status = lion_file_fail_fault(error, fault, "lengthen", log->path);
        else
            status = lion_file_write(log->file, zeros, piece, offset, log->path, error);
        if (status == LION_OK) status = lion_file_sync(log->file, log->path, error);
        offset += piece;
        size -= piece;
    }
    lion_free(zeros);
    return status;
}

uint64_t lion_log_file_growth(const lion_log_file *log, size_t size)
{
    uint32_t count = log->directory.extent_count;
    uint64_t growth = count == 0 ? LION_LOG_EXTENT_MIN : log->directory.extent_sizes[count - 1] * 2;
    if (growth > LION_LOG_EXTENT_MAX) growth = LION_LOG_EXTENT_MAX;
    uint64_t needed = lion_log_round(size, LION_LOG_EXTENT_MIN);
    return growth > needed ? growth : needed;
}

lion_status lion_log_file_grow(const lion_log_file *log, lion_log_directory *directory,
                               uint64_t size, lion_error *error)
{
    if (directory->extent_count == LION_LOG_EXTENTS_MAX)
        return lion_fail(error, LION_INTERRUPTED, "lion/limit",
                         "\"%s\" has all of its %d extents; wait until more of it is indexed",
                         log->path, LION_LOG_EXTENTS_MAX);
    lion_status status = write_zeros(log, extents_end(directory), size, error);
    if (status != LION_OK) return status;
    directory->extent_sizes[directory->extent_count++] = size;
    return lion_log_file_put_directory(log, directory, error);
}

void lion_log_file_adopt(lion_log_file *log, const lion_log_directory *directory)
{
    uint64_t offset = EXTENTS_OFFSET;
    for (uint32_t i = 0; i < directory->extent_count; i++) {
        uint64_t size = directory->extent_sizes[i];
        bool is_new = log->extents[i].size == 0;
        if (is_new)
            log->extents[i] = (lion_log_extent){
                .offset = offset, .size = size, .first = 1, .last = 0, .is_free = true
            };
        offset += size;
    }
    log->directory = *directory;
}

uint64_t lion_log_file_end(const lion_log_file *log)
{
    return extents_end(&log->directory);
}

/* -- Groups ----------------------------------------------------------------------------------- */

uint64_t lion_log_group_checksum(const void *group, size_t size, uint64_t offset)
{
    return lion_hash_seed((const uint8_t *)group + 8, size - 8, offset);
}

/* A free extent with room: the smallest that fits, larger ones wait for larger groups. */
static uint32_t find_free(const lion_log_file *log, uint64_t room)
{
    uint32_t best = NO_EXTENT;
    for (uint32_t i = 0; i < log->directory.extent_count; i++) {
        const lion_log_extent *extent = &log->extents[i];
        if (!extent->is_free || extent->size < room) continue;
        if (best == NO_EXTENT || extent->size < log->extents[best].size) best = i;
    }
    return best;
}

lion_status lion_log_file_place(lion_log_file *log, size_t size, uint64_t first, uint64_t last,
                                uint64_t *offset_out)
{
    uint64_t room = lion_log_round(size, LION_LOG_ALIGN);
    lion_log_extent *extent = log->current != NO_EXTENT ? &log->extents[log->current] : NULL;
    if (extent == NULL || extent->size - extent->used < room) {
        uint32_t next = find_free(log, room);
        if (next == NO_EXTENT) return LION_ABSENT;
        log->current = next;
        extent = &log->extents[next];
        *extent = (lion_log_extent){
            .offset = extent->offset, .size = extent->size, .first = first, .last = first - 1
        };
    }
    *offset_out = extent->offset + extent->used;
    extent->used += room;
    extent->last = last;
    return LION_OK;
}

lion_status lion_log_file_write(lion_log_file *log, uint8_t *bytes, size_t size, uint64_t offset,
                                lion_error *error)
{
    lion_log_group *group = (lion_log_group *)(void *)bytes;
    group->checksum = lion_log_group_checksum(bytes, size, offset);

    /* Whole pages: the kernel need not read what it overwrites, and old bytes behind the group go.
     */
    uint64_t end = lion_log_round(offset + size, LION_LOG_PAGE);
    size_t write_size = (size_t)(end - offset);
    memset(bytes + size, 0, write_size - size);

    lion_fault_kind fault = LION_FAULT_POINT("log.write");
    if (fault == LION_FAULT_TORN)
        lion_file_write(log->file, bytes, size / 2, offset, log->path, NULL);
    if (fault != LION_FAULT_NONE) return lion_file_fail_fault(error, fault, "write to", log->path);
    return lion_file_write(log->file, bytes, write_size, offset, log->path, error);
}

lion_status lion_log_file_sync(lion_log_file *log, lion_error *error)
{
    lion_fault_kind fault = LION_FAULT_POINT("log.sync");
    if (fault != LION_FAULT_NONE) return lion_file_fail_fault(error, fault, "sync", log->path);
    return lion_file_sync(log->file, log->path, error);
}

lion_status lion_log_file_read_group(const lion_log_file *log, lion_log_place place, void *buffer,
                                     lion_error *error)
{
    lion_status status =
        lion_file_read(log->file, buffer, place.size, place.offset, log->path, error);
    if (status != LION_OK) return status;
    const lion_log_group *group = buffer;
    if (group->checksum == lion_log_group_checksum(buffer, place.size, place.offset))
        return LION_OK;
    return lion_fail_corrupt(error, "\"%s\" changed while it was read, at byte %llu", log->path,
                             (unsigned long long)place.offset);
}

/* -- Room ------------------------------------------------------------------------------------- */

void lion_log_file_trim(lion_log_file *log, uint64_t sequence)
{
    for (uint32_t i = 0; i < log->directory.extent_count; i++) {
        if (i != log->current && log->extents[i].last <= sequence) log->extents[i].is_free = true;
    }
}

bool lion_log_file_has_free(const lion_log_file *log)
{
    return find_free(log, LION_LOG_EXTENT_MIN) != NO_EXTENT;
}

uint64_t lion_log_file_needed(const lion_log_file *log, uint64_t trimmed)
{
    uint64_t needed = 0;
    for (uint32_t i = 0; i < log->directory.extent_count; i++) {
        const lion_log_extent *extent = &log->extents[i];
        if (extent->is_free || extent->last <= trimmed || extent->first > extent->last) continue;
        uint64_t count = extent->last - extent->first + 1;
        uint64_t left = extent->first > trimmed ? count : extent->last - trimmed;
        needed += (uint64_t)((double)extent->used * (double)left / (double)count);
    }
    return needed;
}
