/* process.h - the roles that a process of a node can have: a table, to be looked through by name. */
#ifndef LION_IONS_NODE_PROCESS_H
#define LION_IONS_NODE_PROCESS_H

#include "node/node.h"

typedef struct lion_node_role {
    const char *name;
    int (*run)(const lion_node_options *options); /* → exit code */
} lion_node_role;

/* The last one has no name. The program's are in roles.c. */
extern const lion_node_role lion_node_roles[];

#endif
