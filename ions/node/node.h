/* node.h - what a node's processes are started with. docs/node.md tells what they are. */
#ifndef LION_IONS_NODE_NODE_H
#define LION_IONS_NODE_NODE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct lion_node_options {
    const char *name;     /* of the node */
    const char *group;
    const char *dir;      /* its data folder */
    const char *primary;  /* the primary's data folder: the same one, unless it follows */
    bool is_primary;
    int index;            /* of a worker, from 1 */
    int workers;
    const char *address;  /* HOST:PORT it listens on */
    const char *control;  /* unix:PATH */
    const char *control_address; /* HOST:PORT that the control door is at too; NULL: it is not */
    int bus_fd;           /* to the supervisor; -1 in the supervisor itself */
    int listen_fd;        /* the public socket (workers), the control door's (door); -1: none */
    int control_fd;       /* the control door's at control_address; -1: none */
    const char *app;      /* of a trial */
    const char *revision;
    const char *cast_file;  /* where what applications cast is written; NULL: standard error */
    const char *access_log; /* where each request is written; "-": standard error; NULL: nowhere */
    const char *alert_url;  /* where alerts are posted; NULL: nowhere */
    uint64_t memory_max;  /* bytes of a Lua state; 0: 512 MiB */
    const char *secret_key; /* the file of the key of secret parameters; NULL: secret.key in the primary's folder */
} lion_node_options;

/* `lion node-process ROLE --name value …`, by role: returns the exit code. The arguments behind "node-process". */
int lion_node_process(int count, char **arguments);

int lion_node_supervise(const lion_node_options *options);
int lion_node_write(const lion_node_options *options);
int lion_node_execute(const lion_node_options *options);
int lion_node_work(const lion_node_options *options); /* workers */
int lion_node_open_door(const lion_node_options *options); /* the same, but its application is ions.door */
int lion_node_run_events(const lion_node_options *options); /* the same, with ions.events; it listens nowhere */
int lion_node_try(const lion_node_options *options);
int lion_node_evaluate(const lion_node_options *options); /* one chunk of Lua that the door was sent */

#endif
