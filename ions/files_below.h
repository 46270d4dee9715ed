/* files_below.h - a folder that Lua holds, and what lies below it. */
#ifndef LION_IONS_FILES_BELOW_H
#define LION_IONS_FILES_BELOW_H

#include <lua.h>

#define LION_FILES_FOLDER "ions.folder" /* its metatable */
#define LION_FILES_PATH_MAX 4096

/* Userdata that owns a descriptor; -1: closed. */
typedef struct lion_folder {
    int descriptor;
} lion_folder;

/* A descriptor, or -1 and errno: of a path below the folder `root`, however it is written. */
int lion_files_open_below(int root, const char *path, int flags);
/* The descriptor of the folder that is the first argument. */
int lion_files_check_folder(lua_State *state);
/* A path with a NUL in it is none: C would see its beginning alone. */
const char *lion_files_check_path(lua_State *state, int index);

#endif
