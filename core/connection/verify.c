/* verify.c - opening, the stages in their order, and what they report. */
#include "connection/verify.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "base/text.h"
#include "connection/recover.h"
#include "connection/verify_parts.h"

static const char *const STAGES[] = {
    [VERIFY_PAGES] = "pages", [VERIFY_OPEN] = "root", [VERIFY_STORE] = "checksums",
    [VERIFY_TREES] = "trees", [VERIFY_SUMS] = "sums", [VERIFY_BLOBS] = "blobs",
    [VERIFY_WASTE] = "waste", [VERIFY_TAIL] = "tail", [VERIFY_DONE] = "done",
};

/* ---- opening ---- */

static lion_status new_verify(lion_verify **verify_out, lion_error *error)
{
    lion_verify *v = lion_zalloc(sizeof *v);
    if (v == NULL) return lion_fail_memory(error);
    v->faults = lion_zalloc(LION_VERIFY_FAULTS_MAX * sizeof *v->faults);
    lion_arena_init(&v->arena, 0);
    lion_status status = lion_audit_init(&v->audit, error);
    lion_log_verifier_init(&v->log, &v->audit);
    if (status == LION_OK && v->faults == NULL) status = lion_fail_memory(error);
    if (status != LION_OK) {
        lion_verify_close(v);
        return status;
    }
    *verify_out = v;
    return LION_OK;
}

lion_status lion_verify_open_live(lion_verify **verify_out, lion_connection *connection,
                                  lion_error *error)
{
    lion_verify *v = NULL;
    lion_status status = new_verify(&v, error);
    if (status == LION_OK) status = lion_connection_db(&v->db, connection, error);
    if (status != LION_OK) {
        lion_verify_close(v);
        return status;
    }
    v->store = connection->database->store;
    v->root = lion_root_keep((lion_root *)(uintptr_t)v->db->view.root);
    v->report.is_beside_owner = connection->database->is_read_only && v->root->has_tail;
    v->stage = VERIFY_OPEN;
    *verify_out = v;
    return LION_OK;
}

static lion_status open_file(lion_verify *v, const char *path, lion_error *error)
{
    v->path = lion_text_join(path, "");
    v->log_path = lion_text_join(path, "-log");
    if (v->path == NULL || v->log_path == NULL) return lion_fail_memory(error);
    lion_error failure = { 0 };
    v->stage = VERIFY_PAGES;
    lion_status status = lion_store_check_open(&v->check, path, &failure);
    if (status == LION_OK) return LION_OK;
    v->check = NULL;
    bool is_owned = strcmp(failure.code, "lion/locked") == 0 ||
                    failure.system_code == EACCES; /* no lock to be had in another's folder */
    v->report.is_beside_owner = is_owned;
    v->stage = is_owned ? VERIFY_OPEN : VERIFY_DONE;
    return is_owned ? LION_OK : lion_verify_note(v, "file", &failure, error);
}

lion_status lion_verify_open(lion_verify **verify_out, const char *uri, lion_error *error)
{
    lion_connection *connection = NULL;
    lion_status status = lion_connection_join(&connection, uri, error);
    if (status < 0) return status;
    lion_verify *v = NULL;
    if (status == LION_OK) {
        status = lion_verify_open_live(&v, connection, error);
        if (status == LION_OK)
            v->connection = connection;
        else
            lion_connection_close(connection, NULL);
    } else if (strncmp(uri, "mem:", 4) == 0) {
        status = lion_fail(error, LION_NOT_FOUND, "lion/not-found",
                           "there is no database %s in this process; give its connection", uri);
    } else {
        status = new_verify(&v, error);
        if (status == LION_OK) status = open_file(v, uri, error);
        if (status != LION_OK) lion_verify_close(v);
    }
    if (status == LION_OK) *verify_out = v;
    return status;
}

/* ---- stages ---- */

/* A file with damaged pages is not read any further: LMDB would follow them. */
static lion_status check_pages(lion_verify *v, lion_error *error)
{
    lion_error fault = { 0 };
    lion_status status = lion_store_check_step(v->check, &fault);
    if (status == LION_FAILED) return lion_verify_note(v, "file", &fault, error);
    if (status == LION_END && v->report.fault_count > 0) v->stage = VERIFY_DONE;
    return status;
}

/* The schema names attributes; without it they are told by id. */
static lion_status read_schema(lion_verify *v, lion_error *error)
{
    lion_status status =
        v->root->t == 0 ? LION_ABSENT : lion_recover_schema(&v->schema, v->root, NULL);
    v->is_schema_known = status >= 0;
    return status == LION_OK ? LION_OK : lion_schema_new(&v->schema, error);
}

static lion_status open_store(lion_verify *v, lion_error *error)
{
    if (v->root == NULL) {
        lion_store_options options = { .read_only = true, .is_checked = v->check != NULL };
        lion_error fault = { 0 };
        lion_status status = lion_store_open_file(&v->own_store, v->path, &options, &fault);
        v->store = v->own_store;
        if (status == LION_OK) status = lion_root_open(&v->root, v->store, &fault);
        if (status != LION_OK) {
            v->stage = VERIFY_DONE;
            return lion_verify_note(v, v->store == NULL ? "file" : "root", &fault, error);
        }
        if (!v->root->has_tail) v->report.is_beside_owner = false; /* nothing was left out */
    }
    lion_store_stats stats;
    lion_status status = lion_store_stats_read(&stats, v->store, error);
    if (status != LION_OK) return status;
    v->report.total = 2 * stats.segments;
    v->is_broken = lion_zalloc((size_t)v->root->attribute_count * 4 + 3);
    if (v->is_broken == NULL) return lion_fail_memory(error);
    status = read_schema(v, error);
    return status == LION_OK ? LION_END : status;
}

static lion_status run_stage(lion_verify *v, lion_error *error)
{
    switch (v->stage) {
    case VERIFY_PAGES: return check_pages(v, error);
    case VERIFY_OPEN: return open_store(v, error);
    case VERIFY_STORE: return lion_verify_store_step(v, error);
    case VERIFY_TREES: return lion_verify_trees_step(v, error);
    case VERIFY_SUMS: return lion_verify_sums(v, error);
    case VERIFY_BLOBS: return lion_verify_blobs_step(v, error);
    case VERIFY_WASTE: return lion_verify_waste(v, error);
    case VERIFY_TAIL: return lion_verify_tail_step(v, error);
    default: return LION_END;
    }
}

lion_status lion_verify_step(lion_verify *verify, lion_error *error)
{
    lion_verify *v = verify;
    if (v->stage != VERIFY_DONE) {
        verify_stage before = v->stage;
        lion_status status = run_stage(v, error);
        if (status < 0) return status;
        if (v->stage == before && status == LION_END) v->stage++;
        if (v->report.fault_count == LION_VERIFY_FAULTS_MAX) v->stage = VERIFY_DONE;
    }
    return v->stage == VERIFY_DONE ? LION_END : LION_OK;
}

lion_verify_report lion_verify_report_of(const lion_verify *verify)
{
    lion_verify_report report = verify->report;
    report.stage = STAGES[verify->stage];
    report.faults = verify->faults;
    report.is_done = verify->stage == VERIFY_DONE;
    report.is_sound = report.is_done && report.fault_count == 0;
    return report;
}

void lion_verify_close(lion_verify *verify)
{
    if (verify == NULL) return;
    lion_verify *v = verify;
    lion_tree_verify_close(v->tree);
    lion_store_walk_close(v->walk);
    if (v->tail != NULL) lion_log_close(v->tail, false, NULL);
    lion_log_verifier_deinit(&v->log);
    lion_audit_deinit(&v->audit);
    lion_arena_deinit(&v->arena);
    lion_schema_drop(v->schema);
    lion_root_drop(v->root);
    lion_db_drop(v->db);
    lion_store_close(v->own_store);
    lion_store_check_close(v->check);
    lion_connection_close(v->connection, NULL);
    lion_free(v->is_broken);
    lion_free(v->faults);
    lion_free(v->path);
    lion_free(v->log_path);
    lion_free(v);
}
