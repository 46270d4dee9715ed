/* roles.c - what `lion node-process ROLE` can be. */
#include <stddef.h>

#include "node/process.h"

const lion_node_role lion_node_roles[] = {
    { "supervisor", lion_node_supervise },
    { "writer", lion_node_write },
    { NULL, NULL },
};
