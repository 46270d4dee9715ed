/* verify_fault.c - what a verification finds wrong, and where. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "connection/verify_parts.h"

/* Bytes that are wrong, or that the disk does not give; not what keeps this process from reading
 * them. */
static bool is_of_database(const lion_error *error)
{
    switch (error->system_code) {
    case EACCES:
    case EPERM:
    case EMFILE:
    case ENFILE:
    case ENOMEM: return false;
    default: return error->category == LION_FAULT;
    }
}

lion_status lion_verify_note(lion_verify *v, const char *where, const lion_error *fault,
                             lion_error *error)
{
    if (!is_of_database(fault)) {
        if (error != NULL && error != fault) *error = *fault;
        return LION_FAILED;
    }
    if (v->report.fault_count == LION_VERIFY_FAULTS_MAX) return LION_OK;
    lion_verify_fault *noted = &v->faults[v->report.fault_count++];
    snprintf(noted->where, sizeof noted->where, "%s", where);
    noted->error = *fault;
    return LION_OK;
}

lion_status lion_verify_wrong(lion_verify *v, lion_error *error, const char *where,
                              const char *format, ...)
{
    char message[LION_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    lion_error fault = { 0 };
    lion_fail_corrupt(&fault, "%s", message);
    return lion_verify_note(v, where, &fault, error);
}

void lion_verify_name(const lion_verify *v, char *text, const char *tree, uint32_t a)
{
    const lion_attribute *attribute =
        v->schema == NULL ? NULL : lion_schema_attribute(v->schema, a);
    if (attribute == NULL)
        snprintf(text, 128, "%s of attribute %u", tree, a);
    else
        snprintf(text, 128, "%s of :%.*s", tree, (int)attribute->ident.size,
                 (const char *)attribute->ident.data);
}
