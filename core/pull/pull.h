/* pull.h - pull patterns and what they yield: nested maps as forms.
 *
 * A pattern arrives as a form that the front (lua/lion/pull.lua) has normalised:
 *
 *   pattern   [spec…]
 *   spec      { attr = "person/name"  (no colon, no underscore) | "*" | "db/id", reverse = 0|1,
 *               as = value form?, limit = n (-1: none), default = form?, xform =
 * "str"|"module/function"?, pattern = [spec…]?, recursion = n (-1: "...")? }
 *
 * The result of one entity is a map form (keys are string values, or what `as` says) or a NIL value
 * where the entity has nothing of the pattern. Defaults (SEMANTICS §5): cardinality-many limit
 * 1000, components whole and recursive, refs as {db/id, db/ident?}, reverse components single.
 * Recursion is cycle-safe and runs on an explicit stack, so depth is bounded by LION_FORM_DEPTH_MAX
 * alone. Works on any view but history (unsupported → incorrect). Many entities are pulled in one
 * batch: ids are sorted, each leaf read once. */
#ifndef LION_PULL_PULL_H
#define LION_PULL_PULL_H

#include "data/call.h"
#include "db/db.h"

typedef struct lion_pull_pattern lion_pull_pattern;
typedef struct lion_pull lion_pull;

/* Parse a normalised pattern form. Attribute names are resolved when a pull is opened (each db has
 * its schema); unknown attributes simply match nothing, except that a malformed pattern is
 * incorrect, lion/syntax. The form must outlive the pattern; lives in the arena. */
lion_status lion_pull_pattern_read(lion_pull_pattern **pattern_out, const lion_form *form,
                                   lion_arena *arena, lion_error *error);

/* Pull count entities; results land in the arena. db must outlive the pull. */
lion_status lion_pull_open(lion_pull **pull_out, const lion_pull_pattern *pattern,
                           const lion_db *db, const int64_t *entities, size_t count,
                           lion_arena *arena, lion_error *error);
/* LION_OK: done, results stand. LION_CALL (xform, filter): answer lion_pull_call, step again. */
lion_status lion_pull_step(lion_pull *pull, lion_error *error);
lion_call *lion_pull_call(lion_pull *pull);
/* count forms, one an entity, in the order given. */
const lion_form *lion_pull_results(const lion_pull *pull);

#endif
