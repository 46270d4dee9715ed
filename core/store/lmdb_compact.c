/* lmdb_compact.c - a file gives back the room it does not use, when it is closed.
 *
 * An index job writes the new trees beside the old ones, so a file that was filled at one go ends with free pages that
 * may wait for years to be used again. LMDB never shortens a file; it copies one without its free pages. The copy replaces the
 * file when the last one who has it open leaves, and it is made only after an opening that wrote at
 * least as much as is copied, so it costs a part of what was done anyway. */
#include <stdio.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"
#include "store/file.h"
#include "store/lmdb.h"

#define SIZE_MIN ((uint64_t)1 << 20)

static bool is_worth_it(lion_lmdb *lmdb)
{
    lion_store_stats stats;
    if (lmdb->is_stopped || lmdb->has_pending) return false;
    if (lion_lmdb_stats(&stats, &lmdb->base, NULL) != LION_OK) return false;
    return stats.bytes_file >= SIZE_MIN && stats.bytes_file - stats.bytes_used > stats.bytes_file / 8 &&
           lmdb->bytes_written >= stats.bytes_used;
}

char *lion_lmdb_compact(lion_lmdb *lmdb)
{
    if (lmdb->env == NULL || lmdb->base.is_read_only || !is_worth_it(lmdb)) return NULL;
    char *copy = lion_text_join(lmdb->path, LION_LMDB_COPY_SUFFIX);
    if (copy == NULL) return NULL;
    unlink(copy);
    lion_status status = LION_FAULT_POINT("store.compact") ? LION_FAILED
                                                          : lion_lmdb_copy(&lmdb->base, copy, NULL);
    if (status == LION_OK) return copy;
    unlink(copy); /* the file stays as large as it is: nothing is lost */
    lion_free(copy);
    return NULL;
}
