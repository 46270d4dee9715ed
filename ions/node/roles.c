/* roles.c - what `lion node-process ROLE` can be. */
#include <stddef.h>

#include "node/process.h"

const lion_node_role lion_node_roles[] = {
    { "supervisor", lion_node_supervise },
    { "writer", lion_node_write },
    { "worker", lion_node_work },
    { "door", lion_node_open_door },
    { "events", lion_node_run_events },
    { "trial", lion_node_try },
    { "executor", lion_node_execute },
    { "evaluator", lion_node_evaluate },
    { NULL, NULL },
};
