/* one.c - one entity pulled in one call, for programs whose patterns call none of their functions.
 */
#include "db/db.h"

lion_status lion_db_pull(lion_form *result_out, const lion_db *db, const lion_form *pattern,
                         int64_t entity, lion_arena *arena, lion_error *error)
{
    lion_pull_pattern *read = NULL;
    lion_pull *pull = NULL;
    int64_t *ids = lion_arena_new(arena, int64_t);
    *ids = entity;
    lion_status status = lion_pull_pattern_read(&read, pattern, arena, error);
    if (status == LION_OK) status = lion_pull_open(&pull, read, db, ids, 1, arena, error);
    if (status == LION_OK) status = lion_pull_step(pull, error);
    if (status == LION_CALL)
        return lion_fail(
            error, LION_UNSUPPORTED, "lion/unsupported",
            "this pull calls a function of the host (an xform or a filter): step it with "
            "lion_pull_open and answer");
    if (status == LION_OK) *result_out = *lion_pull_results(pull);
    return status;
}
