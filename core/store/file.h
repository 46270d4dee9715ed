/* file.h - the few things that both store and log ask of the file system.
 * Private to store/. Any thread. Every failure names the file and what was tried. */
#ifndef LION_STORE_FILE_H
#define LION_STORE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/fault.h"

/* Like lion_fail_errno, with the file's name: `errno` of a call that tried to `verb` the file. */
lion_status lion_file_fail(lion_error *error, int system_code, const char *verb, const char *path);
/* The failure that an armed fault point stands for; LION_FAULT_TORN ends the process. */
lion_status lion_file_fail_fault(lion_error *error, lion_fault_kind kind, const char *verb,
                                 const char *path);

/* All `size` bytes or an error. */
lion_status lion_file_write(int file, const void *data, size_t size, uint64_t offset,
                            const char *path, lion_error *error);
/* As many bytes as there are before the file's end; the rest of `data` is zeroed. */
lion_status lion_file_read(int file, void *data, size_t size, uint64_t offset, const char *path,
                           lion_error *error);
lion_status lion_file_size(uint64_t *size_out, int file, const char *path, lion_error *error);
/* fdatasync. */
lion_status lion_file_sync(int file, const char *path, lion_error *error);
/* Make a new, renamed or removed name durable: fsync of the folder that holds `path`. */
lion_status lion_file_sync_folder(const char *path, lion_error *error);

#endif
