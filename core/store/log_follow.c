/* log_follow.c - a tail read while its owner goes on writing it.
 *
 * The next group lies behind the last one, or at the start of another extent, perhaps of one that
 * the file did not have before; log_file.h says how it is known. One that is half written has a
 * wrong checksum, and is not there yet. Room that the owner has recycled under us holds groups with
 * other sequences, so nothing is taken for what it is not. */
#include <string.h>

#include "base/memory.h"
#include "store/file.h"
#include "store/log_file.h"

#define NO_EXTENT UINT32_MAX
#define PEEK_SIZE 4096 /* most groups are read whole by one call */
#define MARKS_MAX 64   /* groups without records in a row: an owner writes one or two */

typedef struct peek {
    lion_log_file *log;
    const lion_log_options *options;
    uint64_t offset; /* where it was looked */
    uint64_t room;   /* up to the extent's end */
    union {
        lion_log_group header;
        uint8_t bytes[PEEK_SIZE];
    };
} peek;

/* LION_OK: what lies at offset says that it continues the tail. LION_END: it does not. LION_ABSENT:
 * it does, for another opening. */
static lion_status look_at(peek *self, uint64_t offset, uint64_t room, lion_error *error)
{
    const lion_log_file *log = self->log;
    if (room < sizeof self->header) return LION_END;
    self->offset = offset;
    self->room = room;
    size_t size = room < PEEK_SIZE ? (size_t)room : PEEK_SIZE;
    lion_status status = lion_file_read(log->file, self->bytes, size, offset, log->path, error);
    if (status != LION_OK) return status;
    const lion_log_group *group = &self->header;
    bool is_next =
        memcmp(group->magic, LION_LOG_GROUP_MAGIC, sizeof group->magic) == 0 &&
        memcmp(group->database_id, self->options->database_id, sizeof group->database_id) == 0 &&
        group->sequence == log->last_sequence + 1 && group->generation >= log->tail_generation &&
        group->size >= sizeof *group && group->size <= room;
    if (!is_next) return LION_END;
    return group->generation > self->options->generation ? LION_ABSENT : LION_OK;
}

/* The whole group in a block of its own; LION_END: it is being written. */
static lion_status take(uint8_t **bytes_out, const peek *self, lion_error *error)
{
    size_t size = self->header.size;
    uint8_t *bytes = lion_alloc(size);
    if (bytes == NULL) return lion_fail_memory(error);
    lion_status status = LION_OK;
    if (size <= PEEK_SIZE)
        memcpy(bytes, self->bytes, size);
    else
        status = lion_file_read(self->log->file, bytes, size, self->offset, self->log->path, error);
    bool is_same = status == LION_OK && memcmp(bytes, &self->header, sizeof self->header) == 0;
    if (is_same && lion_log_group_checksum(bytes, size, self->offset) == self->header.checksum) {
        *bytes_out = bytes;
        return LION_OK;
    }
    lion_free(bytes);
    return status == LION_OK ? LION_END : status;
}

static void note_group(lion_log_file *log, uint32_t index, const peek *self)
{
    lion_log_extent *extent = &log->extents[index];
    const lion_log_group *group = &self->header;
    if (index != log->current || self->offset == extent->offset)
        *extent = (lion_log_extent){ .offset = extent->offset,
                                     .size = extent->size,
                                     .first = group->sequence,
                                     .last = group->sequence - 1 };
    log->current = index;
    log->last_sequence = group->sequence + group->count - 1;
    log->tail_generation = group->generation;
    if (group->mark > log->mark) log->mark = group->mark;
    extent->used += lion_log_round(group->size, LION_LOG_ALIGN);
    extent->last = log->last_sequence;
}

/* Look at the start of the extents from `first` on. Of the current one, too, while the root has all
 * that was found: an owner that opens such a file begins at any. */
static lion_status find_head(peek *self, uint32_t first, uint32_t *index_out, lion_error *error)
{
    const lion_log_file *log = self->log;
    bool is_all_in_root = log->last_sequence == self->options->root_sequence;
    lion_status status = LION_END;
    for (uint32_t i = first; status == LION_END && i < log->directory.extent_count; i++) {
        if (i == log->current && !is_all_in_root) continue;
        *index_out = i;
        status = look_at(self, log->extents[i].offset, log->extents[i].size, error);
    }
    return status;
}

static lion_status find_known(peek *self, uint32_t *index_out, lion_error *error)
{
    const lion_log_file *log = self->log;
    lion_status status = LION_END;
    if (log->current != NO_EXTENT) {
        const lion_log_extent *extent = &log->extents[log->current];
        *index_out = log->current;
        status = look_at(self, extent->offset + extent->used, extent->size - extent->used, error);
    }
    return status == LION_END ? find_head(self, 0, index_out, error) : status;
}

/* The file may have grown since its directory was read. */
static lion_status find_new(peek *self, uint32_t *index_out, lion_error *error)
{
    lion_log_file *log = self->log;
    uint64_t size = 0;
    lion_status status = lion_file_size(&size, log->file, log->path, error);
    if (status != LION_OK) return status;
    if (size <= lion_log_file_end(log)) return LION_END;
    uint32_t known = log->directory.extent_count;
    status = lion_log_file_read_directory(log, self->options, error);
    return status == LION_OK ? find_head(self, known, index_out, error) : status;
}

static lion_status next_group(peek *self, uint8_t **bytes_out, lion_error *error)
{
    uint32_t index = 0;
    lion_status status = find_known(self, &index, error);
    if (status == LION_END) status = find_new(self, &index, error);
    if (status == LION_OK) status = take(bytes_out, self, error);
    if (status == LION_OK) note_group(self->log, index, self);
    return status;
}

lion_status lion_log_file_follow(lion_log_file *log, const lion_log_options *options,
                                 uint8_t **bytes_out, lion_error *error)
{
    peek self;
    self.log = log;
    self.options = options;
    for (int marks = 0; marks < MARKS_MAX; marks++) {
        uint8_t *bytes = NULL;
        lion_status status = next_group(&self, &bytes, error);
        if (status != LION_OK) return status;
        if (self.header.count > 0) {
            *bytes_out = bytes;
            return LION_OK;
        }
        lion_free(bytes); /* it carries a mark alone */
    }
    return LION_END; /* the next look goes on */
}
