/* log_open.c - the file of the log tail: its directory, creating and opening. See log_file.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "store/file.h"
#include "store/log_file.h"

/* -- The directory ---------------------------------------------------------------------------- */

static bool is_sound_directory(const lion_log_directory *directory)
{
    return memcmp(directory->magic, LION_LOG_MAGIC, sizeof directory->magic) == 0 &&
           directory->checksum == lion_log_directory_checksum(directory);
}

/* Length of the name of the file that the tail lies beside: NAME.lion of NAME.lion-log. */
static int beside(const char *path)
{
    size_t size = strlen(path), suffix = strlen("-log");
    return (int)(size > suffix && strcmp(path + size - suffix, "-log") == 0 ? size - suffix : size);
}

/* The better of the two copies. */
static lion_status read_directory(lion_log_file *log, const lion_log_options *options,
                                  lion_error *error)
{
    lion_log_directory copies[2];
    lion_status status = lion_file_read(log->file, copies, sizeof copies, 0, log->path, error);
    if (status != LION_OK) return status;

    const lion_log_directory *best = NULL;
    for (size_t i = 0; i < 2; i++) {
        if (!is_sound_directory(&copies[i])) continue;
        if (best == NULL || copies[i].edition > best->edition) best = &copies[i];
    }
    if (best == NULL)
        return lion_fail_corrupt(error,
                                 "\"%s\" is not the log tail of a Lion database, or its "
                                 "beginning is damaged; restore a backup",
                                 log->path);
    if (best->version > 1)
        return lion_fail(error, LION_UNSUPPORTED, "lion/version",
                         "\"%s\" has format %u, this Lion reads 1; use a newer one", log->path,
                         best->version);
    if (memcmp(best->database_id, options->database_id, sizeof best->database_id) != 0)
        return lion_fail_corrupt(error,
                                 "\"%s\" is the log tail of another database than \"%.*s\" "
                                 "beside it; put the right two files together",
                                 log->path, beside(log->path), log->path);
    if (best->generation < options->root_generation || best->generation > options->generation)
        return lion_fail_corrupt(error,
                                 "\"%s\" is of another time (opening %llu) than \"%.*s\" beside it "
                                 "(opening %llu); put the right two files together",
                                 log->path, (unsigned long long)best->generation,
                                 beside(log->path), log->path,
                                 (unsigned long long)(best->generation > options->generation
                                                          ? options->generation
                                                          : options->root_generation));
    if (best->extent_count == 0 || best->extent_count > LION_LOG_EXTENTS_MAX)
        return lion_fail_corrupt(error, "\"%s\" names %u extents", log->path, best->extent_count);
    log->directory = *best;
    return LION_OK;
}

lion_status lion_log_file_read_directory(lion_log_file *log, const lion_log_options *options,
                                         lion_error *error)
{
    lion_status status = read_directory(log, options, error);
    if (status != LION_OK) return status;
    lion_log_directory directory = log->directory;
    lion_log_file_adopt(log, &directory);
    return LION_OK;
}

/* -- Creating and opening --------------------------------------------------------------------- */

/* Under another name first: whoever sees the file sees a whole one. */
static lion_status create(lion_log_file *log, const lion_log_options *options, lion_error *error)
{
    char *path_new = lion_text_join(log->path, "-new");
    if (path_new == NULL) return lion_fail_memory(error);
    lion_log_directory directory = { .version = 1, .generation = options->generation };
    memcpy(directory.magic, LION_LOG_MAGIC, sizeof directory.magic);
    memcpy(directory.database_id, options->database_id, sizeof directory.database_id);

    lion_status status = LION_OK;
    log->file = open(path_new, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (log->file < 0) status = lion_file_fail(error, errno, "create", path_new);
    if (status == LION_OK) status = lion_log_file_grow(log, &directory, LION_LOG_EXTENT_MIN, error);
    if (status == LION_OK && rename(path_new, log->path) != 0)
        status = lion_file_fail(error, errno, "rename", path_new);
    if (status == LION_OK) status = lion_file_sync_folder(log->path, error);
    if (status == LION_OK)
        lion_log_file_adopt(log, &directory);
    else
        unlink(path_new);
    lion_free(path_new);
    log->last_sequence = options->root_sequence;
    log->mark = options->root_sequence;
    return status;
}

static lion_status open_existing(lion_log_file *log, const lion_log_options *options,
                                 lion_error *error)
{
    lion_status status = read_directory(log, options, error);
    uint64_t size = 0;
    if (status == LION_OK) status = lion_file_size(&size, log->file, log->path, error);
    if (status != LION_OK) return status;
    uint64_t wanted = lion_log_file_end(log);
    if (size < wanted)
        return lion_fail_corrupt(error,
                                 "\"%s\" is cut off: it has %llu of %llu bytes; restore a backup",
                                 log->path, (unsigned long long)size, (unsigned long long)wanted);

    lion_log_directory directory = log->directory;
    lion_log_file_adopt(log, &directory);
    status = lion_log_file_recover(log, options, error);
    if (status != LION_OK || options->read_only) return status;
    directory.generation = options->generation;
    status = lion_log_file_put_directory(log, &directory, error);
    if (status == LION_OK) lion_log_file_adopt(log, &directory);
    return status;
}

lion_status lion_log_file_open(lion_log_file *log, const char *path,
                               const lion_log_options *options, lion_error *error)
{
    log->file = -1;
    log->current = UINT32_MAX;
    log->path = lion_text_join(path, "");
    if (log->path == NULL) return lion_fail_memory(error);

    log->file = open(path, (options->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
    if (log->file >= 0) return open_existing(log, options, error);
    if (errno != ENOENT) return lion_file_fail(error, errno, "open", path);
    if (options->create) return create(log, options, error);
    return lion_fail_corrupt(error,
                             "the log tail \"%s\" is missing: its transactions are not in \"%.*s\" "
                             "yet; put it back or restore a backup",
                             path, beside(path), path);
}

void lion_log_file_close(lion_log_file *log)
{
    if (log->file >= 0) close(log->file);
    log->file = -1;
    lion_free(log->path);
    lion_free(log->places);
}
