/* registry.c - a list under a lock, and the keys that are being opened or closed. */
#include "connection/registry.h"

#include <string.h>

#include "base/memory.h"

/* On the stack of the thread that opens or closes. */
typedef struct busy {
    struct busy *next;
    const char *key;
} busy;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t is_free = PTHREAD_COND_INITIALIZER; /* some key is busy no more */
static lion_database *databases;
static busy *busy_keys;

static bool is_busy(const char *key)
{
    for (const busy *item = busy_keys; item != NULL; item = item->next)
        if (strcmp(item->key, key) == 0) return true;
    return false;
}

/* Under the lock. Private databases have no key, and nobody else can want them. */
static void begin_busy(busy *item, const char *key)
{
    *item = (busy){ .next = busy_keys, .key = key };
    if (key != NULL) busy_keys = item;
}

static void end_busy(busy *item)
{
    if (item->key == NULL) return;
    busy **link = &busy_keys;
    while (*link != item) link = &(*link)->next;
    *link = item->next;
    pthread_cond_broadcast(&is_free);
}

/* Under the lock, which is released while the key is busy. */
static lion_database *find(const char *key)
{
    if (key == NULL) return NULL;
    while (is_busy(key)) pthread_cond_wait(&is_free, &lock);
    for (lion_database *database = databases; database != NULL; database = database->next)
        if (database->key != NULL && strcmp(database->key, key) == 0) return database;
    return NULL;
}

/* Under the lock, which is released while it opens. Takes key if it succeeds. */
static lion_status open_new(lion_database **database_out, char *key, const char *path,
                            const lion_connection_options *options, lion_error *error)
{
    busy opening;
    begin_busy(&opening, key);
    pthread_mutex_unlock(&lock);
    lion_database *database = NULL;
    lion_status status = lion_database_open(&database, path, options, error);
    pthread_mutex_lock(&lock);
    end_busy(&opening);
    if (status < 0) return status;
    database->key = key;
    database->next = databases;
    databases = database;
    *database_out = database;
    return LION_OK;
}

lion_status lion_registry_open(lion_database **database_out, char *key, const char *path,
                               const lion_connection_options *options, lion_error *error)
{
    pthread_mutex_lock(&lock);
    lion_status status = LION_OK;
    lion_database *database = find(key);
    bool is_new = database == NULL;
    if (is_new) status = open_new(&database, key, path, options, error);
    if (status == LION_OK) {
        database->handles++;
        *database_out = database;
    }
    pthread_mutex_unlock(&lock);
    if (!is_new || status < 0) lion_free(key);
    return status;
}

lion_database *lion_registry_join(const char *key)
{
    pthread_mutex_lock(&lock);
    lion_database *database = find(key);
    if (database != NULL) database->handles++;
    pthread_mutex_unlock(&lock);
    return database;
}

static void forget(lion_database *database)
{
    lion_database **link = &databases;
    while (*link != database) link = &(*link)->next;
    *link = database->next;
}

lion_status lion_registry_leave(lion_database *database, lion_error *error)
{
    lion_status status = LION_OK;
    pthread_mutex_lock(&lock);
    if (--database->handles == 0) {
        forget(database);
        char *key = database->key; /* outlives the database, which would free it */
        database->key = NULL;
        busy closing;
        begin_busy(&closing, key);
        pthread_mutex_unlock(&lock);
        status = lion_database_close(database, error);
        pthread_mutex_lock(&lock);
        end_busy(&closing);
        lion_free(key);
    }
    pthread_mutex_unlock(&lock);
    return status;
}
