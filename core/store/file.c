/* file.c - whole reads and writes, syncs, and errors that name the file. */
#include "store/file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"

lion_status lion_file_fail(lion_error *error, int system_code, const char *verb, const char *path)
{
    char what[LION_ERROR_MESSAGE_SIZE / 2];
    snprintf(what, sizeof what, "cannot %s \"%s\"", verb, path);
    return lion_fail_errno(error, system_code, what);
}

lion_status lion_file_fail_fault(lion_error *error, lion_fault_kind kind, const char *verb,
                                 const char *path)
{
    if (kind == LION_FAULT_TORN) kill(getpid(), SIGKILL);
    return lion_file_fail(error, kind == LION_FAULT_FULL ? ENOSPC : EIO, verb, path);
}

lion_status lion_file_write(int file, const void *data, size_t size, uint64_t offset,
                            const char *path, lion_error *error)
{
    const uint8_t *next = data;
    while (size > 0) {
        ssize_t written = pwrite(file, next, size, (off_t)offset);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return lion_file_fail(error, written < 0 ? errno : EIO, "write to", path);
        next += written;
        size -= (size_t)written;
        offset += (uint64_t)written;
    }
    return LION_OK;
}

lion_status lion_file_read(int file, void *data, size_t size, uint64_t offset, const char *path,
                           lion_error *error)
{
    uint8_t *next = data;
    while (size > 0) {
        ssize_t got = pread(file, next, size, (off_t)offset);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return lion_file_fail(error, errno, "read", path);
        if (got == 0) break;
        next += got;
        size -= (size_t)got;
        offset += (uint64_t)got;
    }
    if (size > 0) memset(next, 0, size);
    return LION_OK;
}

lion_status lion_file_size(uint64_t *size_out, int file, const char *path, lion_error *error)
{
    struct stat status;
    if (fstat(file, &status) != 0) return lion_file_fail(error, errno, "measure", path);
    *size_out = (uint64_t)status.st_size;
    return LION_OK;
}

lion_status lion_file_sync(int file, const char *path, lion_error *error)
{
    if (fdatasync(file) != 0) return lion_file_fail(error, errno, "sync", path);
    return LION_OK;
}

lion_status lion_file_sync_folder(const char *path, lion_error *error)
{
    char *folder = lion_text_join(path, "");
    if (folder == NULL) return lion_fail_memory(error);
    char *slash = strrchr(folder, '/');
    if (slash != NULL) slash[slash == folder] = '\0';

    lion_status status = LION_OK;
    int file = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0 || fsync(file) != 0)
        status = lion_file_fail(error, errno, "sync the folder of", path);
    if (file >= 0) close(file);
    lion_free(folder);
    return status;
}
