/* retire.c - roots that have had their time.
 *
 * A value keeps the root and the novelty it was made on, and with them the room of all that was replaced since. So
 * only the newest roots are kept for values; one on an older root is put on the newest when its holder comes
 * by: the same value, read bounded by its basis. What cannot be read there stays where it is: a speculative value,
 * whose datoms have the times of others there, and one from before rows were dropped that no history keeps. */
#include "connection/database.h"

static uint64_t root_number(const lion_db *db)
{
    const lion_root *root = db->view.root;
    return root == NULL ? UINT64_MAX : lion_snapshot_number(root->snapshot);
}

static bool has_lossy_attributes(const lion_schema *schema)
{
    uint32_t count = 0;
    const lion_attribute *const *attributes = lion_schema_attributes(schema, &count);
    for (uint32_t i = 0; i < count; i++)
        if (attributes[i]->no_history) return true;
    return false;
}

/* How many of the newest roots are kept: as many as there may be, and as their novelties leave room for. */
static uint32_t count_kept(const lion_database *database)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < database->root_count; i++) {
        bytes += database->roots[i].novelty_bytes;
        if (i > 0 && bytes > database->options.novelty_max) return i;
    }
    return database->root_count;
}

void lion_database_note_root(lion_database *database, const lion_root *root, const lion_schema *schema,
                             uint64_t replaced_bytes)
{
    pthread_mutex_lock(&database->state);
    uint32_t max = database->options.roots_max != 0 && database->options.roots_max < LION_ROOTS_MAX
                       ? database->options.roots_max
                       : LION_ROOTS_MAX;
    if (database->root_count > 0) database->roots[0].novelty_bytes = replaced_bytes;
    if (database->root_count < max) database->root_count++;
    for (uint32_t i = database->root_count - 1; i > 0; i--) database->roots[i] = database->roots[i - 1];
    database->roots[0] = (lion_kept_root){ .number = lion_snapshot_number(root->snapshot) };
    if (has_lossy_attributes(schema) && root->t > database->lossy_t) database->lossy_t = root->t;
    database->root_count = count_kept(database);
    __atomic_store_n(&database->oldest_root, database->roots[database->root_count - 1].number, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&database->state);
}

uint64_t lion_connection_oldest_root(const lion_connection *connection)
{
    return __atomic_load_n(&connection->database->oldest_root, __ATOMIC_ACQUIRE);
}

lion_status lion_connection_rebase(lion_db **db, lion_connection *connection, lion_error *error)
{
    lion_database *database = connection->database;
    if (root_number(*db) >= lion_connection_oldest_root(connection)) return LION_OK;
    pthread_mutex_lock(&database->state);
    lion_db *newest = lion_db_keep(database->published);
    bool can_move = (*db)->basis_t <= newest->basis_t && (*db)->basis_t >= database->lossy_t &&
                    (*db)->database == newest->database;
    pthread_mutex_unlock(&database->state);
    lion_db *moved = NULL;
    lion_status status = can_move ? lion_db_on(&moved, *db, newest, error) : LION_ABSENT;
    lion_db_drop(newest);
    if (status != LION_OK) return status == LION_ABSENT ? LION_OK : status;
    lion_db_drop(*db);
    *db = moved;
    return LION_OK;
}
