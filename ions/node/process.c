/* process.c - `lion node-process ROLE --name value …`: the words become lion_node_options, the role
 * runs. */
#include "node/process.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum kind { TEXT, NUMBER, SIZE } kind;

static const struct option {
    const char *name;
    kind kind;
    size_t offset;
} known[] = {
    { "--name", TEXT, offsetof(lion_node_options, name) },
    { "--group", TEXT, offsetof(lion_node_options, group) },
    { "--dir", TEXT, offsetof(lion_node_options, dir) },
    { "--primary", TEXT, offsetof(lion_node_options, primary) },
    { "--index", NUMBER, offsetof(lion_node_options, index) },
    { "--workers", NUMBER, offsetof(lion_node_options, workers) },
    { "--listen", TEXT, offsetof(lion_node_options, address) },
    { "--control", TEXT, offsetof(lion_node_options, control) },
    { "--control-address", TEXT, offsetof(lion_node_options, control_address) },
    { "--bus", NUMBER, offsetof(lion_node_options, bus_fd) },
    { "--listen-fd", NUMBER, offsetof(lion_node_options, listen_fd) },
    { "--control-fd", NUMBER, offsetof(lion_node_options, control_fd) },
    { "--app", TEXT, offsetof(lion_node_options, app) },
    { "--revision", TEXT, offsetof(lion_node_options, revision) },
    { "--cast", TEXT, offsetof(lion_node_options, cast_file) },
    { "--access-log", TEXT, offsetof(lion_node_options, access_log) },
    { "--alert-url", TEXT, offsetof(lion_node_options, alert_url) },
    { "--memory", SIZE, offsetof(lion_node_options, memory_max) },
    { "--secret-key", TEXT, offsetof(lion_node_options, secret_key) },
};

static bool set(lion_node_options *options, const struct option *option, const char *text)
{
    void *field = (char *)options + option->offset;
    if (option->kind == TEXT) {
        *(const char **)field = text;
        return true;
    }
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    bool is_number = errno == 0 && end != text && *end == '\0' && number >= 0;
    if (option->kind == SIZE)
        *(uint64_t *)field = (uint64_t)number;
    else
        *(int *)field = (int)number;
    return is_number && (option->kind == SIZE || number <= 1 << 30);
}

static bool parse(lion_node_options *options, int count, char **arguments)
{
    for (int i = 0; i < count; i += 2) {
        const struct option *option = NULL;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
            if (strcmp(arguments[i], known[k].name) == 0) option = &known[k];
        }
        if (option == NULL || i + 1 == count || !set(options, option, arguments[i + 1])) {
            fprintf(stderr, "lion: node-process does not take %s %s\n", arguments[i],
                    i + 1 < count ? arguments[i + 1] : "without a value");
            return false;
        }
    }
    return true;
}

int lion_node_process(int count, char **arguments)
{
    const char *name = count > 0 ? arguments[0] : "";
    lion_node_options options = { .name = "node",
                                  .group = "main",
                                  .dir = ".",
                                  .address = "127.0.0.1:8080",
                                  .control = NULL,
                                  .bus_fd = -1,
                                  .listen_fd = -1,
                                  .control_fd = -1 };
    if (count > 0 && !parse(&options, count - 1, arguments + 1)) return 2;
    /* A node that follows is told whose folder it uses. */
    options.is_primary = options.primary == NULL;
    if (options.is_primary) options.primary = options.dir;
    for (const lion_node_role *role = lion_node_roles; role->name != NULL; role++) {
        if (strcmp(role->name, name) == 0) return role->run(&options);
    }
    fprintf(stderr, "lion: there is no role %s of a node's process; `lion node` starts them\n",
            name);
    return 2;
}
