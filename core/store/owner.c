/* owner.c - see owner.h. A name that is unlinked under us is the only subtle case: whoever gets the
 * lock on a file that no longer has a name (the last one swept it meanwhile) starts over. */
#define _GNU_SOURCE /* F_OFD_SETLK */
#include "store/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "store/file.h"

#define BYTE_OWNER 0
#define BYTE_PRESENT 1
#define TEXT_SIZE_MAX 512

/* 0, or errno. */
static int lock_byte(int file, off_t byte, short type, bool wait)
{
    struct flock lock = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
    int code;
    do code = fcntl(file, wait ? F_OFD_SETLKW : F_OFD_SETLK, &lock) == 0 ? 0 : errno;
    while (code == EINTR);
    return code;
}

static bool has_name(int file)
{
    struct stat status;
    return fstat(file, &status) == 0 && status.st_nlink > 0;
}

/* The text of the holder: "pid 1234\ncontrol unix:/run/…\n". */
static lion_status fail_locked(lion_error *error, int file, const char *store_path)
{
    char text[TEXT_SIZE_MAX + 1] = "";
    ssize_t size = pread(file, text, TEXT_SIZE_MAX, 0);
    text[size > 0 ? size : 0] = '\0';

    long pid = 0;
    char control[TEXT_SIZE_MAX + 1] = "";
    sscanf(text, "pid %ld\ncontrol %512[^\n]", &pid, control);
    if (pid == 0)
        return lion_fail(error, LION_UNAVAILABLE, "lion/locked",
                         "\"%s\" is open in another process; close it there first", store_path);
    if (control[0] == '\0')
        return lion_fail(error, LION_UNAVAILABLE, "lion/locked",
                         "\"%s\" is open in process %ld, which has no control door; "
                         "close it there first",
                         store_path, pid);
    return lion_fail(error, LION_UNAVAILABLE, "lion/locked",
                     "\"%s\" is open in process %ld; connect to its control door %s instead",
                     store_path, pid, control);
}

static lion_status write_text(const lion_owner *owner, const char *control, lion_error *error)
{
    char text[TEXT_SIZE_MAX];
    int size = control != NULL
                   ? snprintf(text, sizeof text, "pid %ld\ncontrol %s\n", (long)getpid(), control)
                   : snprintf(text, sizeof text, "pid %ld\n", (long)getpid());
    if (size < 0 || (size_t)size >= sizeof text)
        return lion_fail(error, LION_INTERRUPTED, "lion/limit",
                         "the control door's name is longer than %d bytes", TEXT_SIZE_MAX - 32);
    if (ftruncate(owner->file, 0) != 0)
        return lion_file_fail(error, errno, "write to", owner->path);
    return lion_file_write(owner->file, text, (size_t)size, 0, owner->path, error);
}

/* One try. LION_ABSENT: the file was swept away under us. */
static lion_status try_lock(lion_owner *owner, lion_error *error)
{
    if (!owner->is_reader) {
        int code = lock_byte(owner->file, BYTE_OWNER, F_WRLCK, false);
        if (code == EAGAIN || code == EACCES)
            return fail_locked(error, owner->file, owner->store_path);
        if (code != 0) return lion_file_fail(error, code, "lock", owner->path);
    }
    int code = lock_byte(owner->file, BYTE_PRESENT, F_RDLCK, true);
    if (code != 0) return lion_file_fail(error, code, "lock", owner->path);
    return has_name(owner->file) ? LION_OK : LION_ABSENT;
}

static void release(lion_owner *owner)
{
    if (owner->file >= 0) close(owner->file);
    lion_free(owner->path);
    lion_free(owner->store_path);
    *owner = (lion_owner){ .file = -1 };
}

static lion_status open_and_lock(lion_owner *owner, lion_error *error)
{
    lion_status status;
    do {
        if (owner->file >= 0) close(owner->file);
        owner->file = open(owner->path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
        if (owner->file < 0) {
            bool is_medium_fixed = errno == EROFS || errno == EACCES;
            if (owner->is_reader && is_medium_fixed) return LION_OK;
            return lion_file_fail(error, errno, "open", owner->path);
        }
        status = try_lock(owner, error);
    } while (status == LION_ABSENT);
    return status;
}

lion_status lion_owner_open(lion_owner *owner, const char *store_path, bool is_reader,
                            const char *control, lion_error *error)
{
    *owner = (lion_owner){ .file = -1, .is_reader = is_reader };
    owner->path = lion_text_join(store_path, "-owner");
    owner->store_path = lion_text_join(store_path, "");
    lion_status status = LION_OK;
    if (owner->path == NULL || owner->store_path == NULL) status = lion_fail_memory(error);
    if (status == LION_OK) status = open_and_lock(owner, error);
    if (status == LION_OK && !is_reader) status = write_text(owner, control, error);
    if (status != LION_OK) release(owner);
    return status;
}

bool lion_owner_seize(lion_owner *owner)
{
    return lock_byte(owner->file, BYTE_PRESENT, F_WRLCK, false) == 0;
}

static void put_in_place(const lion_owner *owner, const char *copy)
{
    if (LION_FAULT_POINT("store.rename")) return; /* specs die here */
    if (rename(copy, owner->store_path) == 0)
        (void)lion_file_sync_folder(owner->store_path, NULL); /* either name is the database, whole */
}

void lion_owner_close(lion_owner *owner, const char *copy)
{
    if (owner->file >= 0 && lock_byte(owner->file, BYTE_PRESENT, F_WRLCK, false) == 0) {
        char *reader_table = lion_text_join(owner->store_path, "-lock");
        if (reader_table != NULL) unlink(reader_table);
        if (copy != NULL) put_in_place(owner, copy);
        lion_free(reader_table);
        unlink(owner->path);
    }
    if (copy != NULL) unlink(copy); /* gone already where it took the place */
    release(owner);
}
