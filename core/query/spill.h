/* spill.h - what a query holds beyond its memory: rows of a fixed size in one temporary file of the run.
 *
 * The file is made when it is first needed, in $TMPDIR, /var/tmp or /tmp, and has no name: it is gone with the run, or the process.
 * It is divided into blocks, which can be had by themselves; a spool of rows is a list of blocks, which go back when the spool is freed or read for the last
 * time. Rows are written as they lie in memory: what they point to (texts, tuples) lives as long as the run and stays where it
 * is. One thread at a time. */
#ifndef LION_QUERY_SPILL_H
#define LION_QUERY_SPILL_H

#include "base/arena.h"

typedef struct lion_spill {
    lion_arena *arena;         /* the run's; blocks in memory are taken from it */
    uint64_t bytes_max;        /* of the file; 0: there shall be none */
    uint32_t block_size;
    int file;                  /* -1: not made yet */
    uint32_t block_count;      /* the file's length */
    uint32_t *free_blocks;
    uint32_t free_count, free_room;
    uint32_t used_max;         /* blocks in use, at most */
} lion_spill;

void lion_spill_init(lion_spill *spill, lion_arena *arena, uint64_t bytes_max);
void lion_spill_deinit(lion_spill *spill);
/* The most that was in the file at once. */
uint64_t lion_spill_peak(const lion_spill *spill);
/* So many bytes, a block's at most, into a block that nobody has: lion/limit past bytes_max; lion/disk-full, lion/io. */
lion_status lion_spill_write(uint32_t *block_out, lion_spill *spill, const void *bytes, uint32_t size, lion_error *error);
/* As many of a block's as were written. */
lion_status lion_spill_read(void *bytes, lion_spill *spill, uint32_t block, uint32_t size, lion_error *error);
/* Nobody has the block any more. */
void lion_spill_give(lion_spill *spill, uint32_t block);

typedef struct lion_spool {
    lion_spill *spill;
    uint32_t row_size;
    uint64_t count;            /* rows */
    uint32_t *blocks;          /* in order */
    uint32_t block_count, block_room;
    uint8_t *buffer;           /* a block: the last, while it is written; the present one, while rows are read */
    uint32_t filled;           /* bytes of the last block */
    bool is_last_written;
    uint8_t *row;              /* the one that was read */
    uint64_t next;             /* to be read */
    uint32_t read_at, read_block; /* byte and block of the next */
    bool is_reading, is_taken; /* blocks go back as they are read */
} lion_spool;

/* No memory before the first row. */
void lion_spool_init(lion_spool *spool, lion_spill *spill, uint32_t row_size);
/* lion/limit past bytes_max; lion/disk-full, lion/io. Not after lion_spool_read. */
lion_status lion_spool_add(lion_spool *spool, const void *row, lion_error *error);
/* All rows are there, and the memory that writing takes is not needed for now. */
lion_status lion_spool_close(lion_spool *spool, lion_error *error);
/* Read from the first row on; with `take` for the last time. */
lion_status lion_spool_read(lion_spool *spool, bool take, lion_error *error);
/* LION_OK: the next row, valid until the next step; LION_END. */
lion_status lion_spool_next(const void **row_out, lion_spool *spool, lion_error *error);
/* The blocks go back; the spool is empty and can be filled again. */
void lion_spool_free(lion_spool *spool);

#endif
