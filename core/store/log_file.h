/* log_file.h - the file of the log tail. Private to store/.
 *
 * The file (docs/format.md repeats this for readers of the format):
 *
 *        0  directory, first copy      (4096 bytes)
 *     4096  directory, second copy     (the same)
 *     8192  extent 0, extent 1, …      each of the size the directory gives, zeros when new
 *
 * The directory lists the extents. It changes when the file is opened or grows: first one copy is
 * written and synced, then the other, so one of them is always whole; the higher `edition` counts. An
 * extent is full of zeros, on disk, before a directory names it.
 *
 * Groups fill an extent from its start, each at a multiple of 512 bytes; one group is one write and one
 * sync. Then the next extent is used: a free one, all of whose records are in the trees, or a new one at
 * the file's end. No byte that is durable and still needed is ever written again.
 *
 *   group:   offset  size  what
 *                 0     8  checksum: XXH3 of offsets 8 … size, seeded with the group's file position
 *                 8     8  "liongrp\n"
 *                16    16  database id
 *                32     8  generation of the opening that wrote it
 *                40     8  sequence of its first record (of the next one, in a group without records)
 *                48     8  mark: the highest sequence known to be durable when it was written
 *                56     4  size, header included, a multiple of 8
 *                60     4  count of records
 *                64     …  records
 *
 *   record:  offset  size  what
 *                 0     4  size of the payload
 *                 4     4  branch (0: the main one)
 *                 8     8  t
 *                16     …  payload, then zeros up to a multiple of 8
 *
 * What is the tail? Start in the extent whose first group has the highest sequence not above
 * root_sequence + 1, and follow groups: the next one lies behind the last, or at the start of an extent, and
 * continues its sequence with a generation that is not lower. Everything else is left over.
 *
 * Is it whole? Let E be the last sequence found so (or root_sequence, if higher), and M the highest mark of any
 * sound group in the file, left over or not. If M > E, a durable record is lost: lion/corrupt. Otherwise what
 * follows E was never acknowledged, and the tail ends there. Sound groups left over with sequences above E
 * (from an opening that synced at intervals) are wiped before anything is appended, so that no later
 * chain can ever run into them. */
#ifndef LION_STORE_LOG_FILE_H
#define LION_STORE_LOG_FILE_H

#include <stdbool.h>

#include "store/log.h"

#define LION_LOG_ALIGN 512
#define LION_LOG_PAGE 4096
#define LION_LOG_DIRECTORY_SIZE 4096
#define LION_LOG_EXTENTS_MAX 500
#define LION_LOG_EXTENT_MIN (UINT64_C(1) << 20)
#define LION_LOG_EXTENT_MAX (UINT64_C(64) << 20) /* larger only for one group that is */

typedef struct lion_log_group {
    uint64_t checksum;
    uint8_t magic[8];
    uint8_t database_id[16];
    uint64_t generation;
    uint64_t sequence;
    uint64_t mark;
    uint32_t size;
    uint32_t count;
} lion_log_group;

typedef struct lion_log_record {
    uint32_t size;
    uint32_t branch;
    int64_t t;
} lion_log_record;

typedef struct lion_log_directory {
    uint64_t checksum; /* XXH3 of all behind it, up to the copy's end */
    uint8_t magic[8];  /* "lionlog\n" */
    uint32_t version;
    uint32_t extent_count;
    uint8_t database_id[16];
    uint64_t edition;
    uint64_t generation;                          /* of the newest opening */
    uint64_t extent_sizes[LION_LOG_EXTENTS_MAX]; /* bytes */
    uint8_t zero[LION_LOG_DIRECTORY_SIZE - 56 - 8 * LION_LOG_EXTENTS_MAX];
} lion_log_directory;

_Static_assert(sizeof(lion_log_group) == 64, "a group's header is 64 bytes on disk");
_Static_assert(sizeof(lion_log_record) == 16, "a record's header is 16 bytes on disk");
_Static_assert(sizeof(lion_log_directory) == LION_LOG_DIRECTORY_SIZE, "a directory is a page");

typedef struct lion_log_extent {
    uint64_t offset, size;
    uint64_t used;        /* bytes of groups */
    uint64_t first, last; /* sequences in it; first > last: none */
    bool is_free;
} lion_log_extent;

typedef struct lion_log_place {
    uint64_t offset;
    uint32_t size;
} lion_log_place;

typedef struct lion_log_file {
    int file;   /* -1: not open */
    char *path; /* owned */
    lion_log_directory directory;
    lion_log_extent extents[LION_LOG_EXTENTS_MAX];
    uint32_t current; /* the extent that is being filled, UINT32_MAX: none yet */

    lion_log_place *places; /* the groups of the tail, found at open; owned */
    size_t place_count, place_capacity;
    uint64_t last_sequence; /* E */
    uint64_t tail_generation; /* of the newest group of the tail */
    uint64_t mark;          /* of the newest group written or found */
    uint64_t torn;          /* where a group that is not whole would continue the tail; 0: nowhere */
} lion_log_file;

/* log_open.c: open or create; recover (log_recover.c). options as in log.h. */
lion_status lion_log_file_open(lion_log_file *log, const char *path,
                               const lion_log_options *options, lion_error *error);
void lion_log_file_close(lion_log_file *log);
/* Read one group found at open into `buffer` (place.size bytes) and check it again. */
lion_status lion_log_file_read_group(const lion_log_file *log, lion_log_place place, void *buffer,
                                     lion_error *error);

/* A place of `size` bytes for the next group: behind the last one or in a free extent. LION_ABSENT: the
 * file must grow first. The caller serialises. */
lion_status lion_log_file_place(lion_log_file *log, size_t size, uint64_t first, uint64_t last,
                                uint64_t *offset_out);
/* Write a group at its place: `bytes` has room for `size` rounded up to a page. Fills the header's checksum. */
lion_status lion_log_file_write(lion_log_file *log, uint8_t *bytes, size_t size, uint64_t offset,
                                lion_error *error);
lion_status lion_log_file_sync(lion_log_file *log, lion_error *error);
/* Size of the extent to grow by, so that a group of `size` fits. */
uint64_t lion_log_file_growth(const lion_log_file *log, size_t size);
/* Append an extent of zeros, durably, and name it in the directory on disk. `directory` is a copy; extents are
 * only added by lion_log_file_adopt. So this runs beside writing. */
lion_status lion_log_file_grow(const lion_log_file *log, lion_log_directory *directory,
                               uint64_t size, lion_error *error);
void lion_log_file_adopt(lion_log_file *log, const lion_log_directory *directory);
/* Extents with nothing above `sequence` are free. */
void lion_log_file_trim(lion_log_file *log, uint64_t sequence);
bool lion_log_file_has_free(const lion_log_file *log);
uint64_t lion_log_file_needed(const lion_log_file *log, uint64_t trimmed);

/* log_follow.c: the group that has continued the tail meanwhile, whole and checked, in a block that the caller frees. LION_END: none
 * yet. LION_ABSENT: one of an opening later than options->generation. */
lion_status lion_log_file_follow(lion_log_file *log, const lion_log_options *options,
                                 uint8_t **bytes_out, lion_error *error);
/* Read the directory again: the file may have grown. */
lion_status lion_log_file_read_directory(lion_log_file *log, const lion_log_options *options,
                                         lion_error *error);
/* Where the extents end that are known. */
uint64_t lion_log_file_end(const lion_log_file *log);

/* log_recover.c: find the tail. The directory is read. */
lion_status lion_log_file_recover(lion_log_file *log, const lion_log_options *options,
                                  lion_error *error);
/* Seeded checksum of a group. */
uint64_t lion_log_group_checksum(const void *group, size_t size, uint64_t offset);
uint64_t lion_log_directory_checksum(const lion_log_directory *directory);
/* Write and sync both copies of the directory, edition + 1. */
lion_status lion_log_file_put_directory(const lion_log_file *log, lion_log_directory *directory,
                                        lion_error *error);

#define LION_LOG_GROUP_MAGIC "liongrp\n"
#define LION_LOG_MAGIC "lionlog\n"

static inline uint64_t lion_log_round(uint64_t size, uint64_t unit)
{
    return (size + unit - 1) / unit * unit;
}

#endif
