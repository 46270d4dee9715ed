/* files_below.c - the kernel keeps a path below its folder (openat2, RESOLVE_BENEATH): no check of
 * ours can be raced or forgotten. Where it cannot (Linux before 5.6, or a sandbox that does not
 * know the call), the path is walked step by step and no symbolic link is followed at all. */
#include "files_below.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int walk_below(int root, const char *path, int flags)
{
    char copy[LION_FILES_PATH_MAX];
    if (strlen(path) >= sizeof copy) return -1;
    memcpy(copy, path, strlen(path) + 1);
    char *rest = NULL;
    int at = root;
    for (char *name = strtok_r(copy, "/", &rest); name != NULL;) {
        char *next = strtok_r(NULL, "/", &rest);
        int found = -1;
        if (strcmp(name, "..") != 0)
            found = openat(at, name,
                           next == NULL ? flags | O_NOFOLLOW
                                        : O_PATH | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC);
        if (at != root) close(at);
        if (found < 0) return -1;
        at = found;
        name = next;
    }
    return at == root ? openat(root, ".", flags) : at;
}

int lion_files_open_below(int root, const char *path, int flags)
{
    if (path[0] == '/') return -1;
    struct open_how how = { .flags = (unsigned)flags,
                            .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS };
    long found = syscall(SYS_openat2, root, path[0] == '\0' ? "." : path, &how, sizeof how);
    if (found >= 0) return (int)found;
    return errno == ENOSYS || errno == EPERM ? walk_below(root, path, flags) : -1;
}

int lion_files_check_folder(lua_State *state)
{
    return ((lion_folder *)luaL_checkudata(state, 1, LION_FILES_FOLDER))->descriptor;
}

const char *lion_files_check_path(lua_State *state, int index)
{
    size_t size = 0;
    const char *path = luaL_checklstring(state, index, &size);
    luaL_argcheck(state, strlen(path) == size, index, "a path has no NUL");
    return path;
}
