/* files_change.c - listing and changing what is below a folder. The kernel resolves the path of the
 * folder that a name stands in, below ours; the name itself is one segment, so that nothing outside
 * is reached. */
#include "files_change.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files_below.h"

static int fail(lua_State *state, int code)
{
    lua_pushnil(state);
    lua_pushstring(state, strerror(code));
    if (code != ENOENT) return 2;
    lua_pushliteral(state, "absent");
    return 3;
}

/* ---- places ---- */

/* A name in an open folder. */
typedef struct place {
    int folder;
    const char *name;
} place;

static bool make_folders(int root, char *path)
{
    for (char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        char *last = strrchr(path, '/');
        char *name = last == NULL ? path : last + 1;
        if (last != NULL) *last = '\0';
        int above = last == NULL
                        ? dup(root)
                        : lion_files_open_below(root, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (last != NULL) *last = '/';
        bool is_made = above >= 0 && (mkdirat(above, name, 0700) == 0 || errno == EEXIST);
        int code = errno;
        if (above >= 0) close(above);
        *slash = '/';
        errno = code;
        if (!is_made) return false;
    }
    return true;
}

/* The place of a path; its folder is to be closed. */
static bool open_place(place *place_out, int root, const char *path, bool has_to_be_made)
{
    char copy[LION_FILES_PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    errno = EINVAL;
    if (path[0] == '/' || strlen(path) >= sizeof copy) return false;
    if (name[0] == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) return false;
    memcpy(copy, path, strlen(path) + 1);
    if (has_to_be_made && !make_folders(root, copy)) return false;
    copy[slash == NULL ? 0 : slash - path] = '\0';
    place_out->name = name;
    place_out->folder = lion_files_open_below(root, copy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return place_out->folder >= 0;
}

/* ---- listing ---- */

static void push_entry(lua_State *state, const char *name, const struct stat *info)
{
    lua_createtable(state, 0, 4);
    lua_pushstring(state, name);
    lua_setfield(state, -2, "name");
    lua_pushstring(state, S_ISREG(info->st_mode)   ? "file"
                          : S_ISDIR(info->st_mode) ? "folder"
                                                   : "other");
    lua_setfield(state, -2, "kind");
    lua_pushnumber(state, (lua_Number)info->st_size);
    lua_setfield(state, -2, "size");
    lua_pushnumber(state,
                   (lua_Number)info->st_mtim.tv_sec + (lua_Number)info->st_mtim.tv_nsec / 1e9);
    lua_setfield(state, -2, "changed");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in an array of their own, for Lua may raise while a folder is read. */
static char **read_names(int descriptor, size_t *count_out, int *code_out)
{
    DIR *folder = fdopendir(descriptor);
    *code_out = errno;
    if (folder == NULL) {
        close(descriptor);
        return NULL;
    }
    char **names = NULL;
    size_t count = 0, room = 0;
    errno = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (count == room) {
            room = room == 0 ? 64 : room * 2;
            char **larger = realloc(names, room * sizeof *names);
            if (larger == NULL) break;
            names = larger;
        }
        names[count] = strdup(entry->d_name);
        if (names[count] == NULL) break;
        count++;
    }
    *code_out = errno;
    if (names != NULL) qsort(names, count, sizeof *names, by_name);
    closedir(folder);
    *count_out = count;
    return names;
}

typedef struct listing {
    int root;
    const char *path;
    char **names;
    size_t count;
} listing;

static int push_listing(lua_State *state)
{
    const listing *list = lua_touserdata(state, 1);
    int folder = lion_files_open_below(list->root, list->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    lua_newtable(state);
    int last = 0;
    for (size_t i = 0; folder >= 0 && i < list->count; i++) {
        struct stat info;
        if (fstatat(folder, list->names[i], &info, AT_SYMLINK_NOFOLLOW) != 0)
            continue; /* gone meanwhile */
        push_entry(state, list->names[i], &info);
        lua_rawseti(state, -2, ++last);
    }
    if (folder >= 0) close(folder);
    return 1;
}

int lion_files_list(lua_State *state)
{
    listing list = { .root = lion_files_check_folder(state), .path = luaL_optstring(state, 2, "") };
    int descriptor =
            lion_files_open_below(list.root, list.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        code = errno;
    if (descriptor < 0) return fail(state, code);
    list.names = read_names(descriptor, &list.count, &code);
    int raised = 0;
    if (code == 0) {
        lua_pushcfunction(state, push_listing);
        lua_pushlightuserdata(state, &list);
        raised = lua_pcall(state, 1, 1, 0);
    }
    for (size_t i = 0; i < list.count; i++) free(list.names[i]);
    free(list.names);
    if (code != 0) return fail(state, code);
    return raised == 0 ? 1 : lua_error(state);
}

/* ---- changing ---- */

static bool write_all(int descriptor, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(descriptor, data, size);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        data += written;
        size -= (size_t)written;
    }
    return fsync(descriptor) == 0;
}

/* Under another name first: who looks into the folder sees a whole file or none. 0, or an errno. */
static int replace(const place *at, const char *data, size_t size)
{
    static atomic_uint counter;
    char other[64];
    snprintf(other, sizeof other, ".lion-%ld-%u", (long)getpid(), atomic_fetch_add(&counter, 1));
    int descriptor =
        openat(at->folder, other, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (descriptor < 0) return errno;
    int code = write_all(descriptor, data, size) ? 0 : errno;
    close(descriptor);
    if (code == 0 && renameat(at->folder, other, at->folder, at->name) != 0) code = errno;
    if (code != 0) unlinkat(at->folder, other, 0);
    if (code == 0 && fsync(at->folder) != 0) code = errno;
    return code;
}

int lion_files_write(lua_State *state)
{
    place at;
    size_t size = 0;
    const char *data = luaL_checklstring(state, 3, &size);
    if (!open_place(&at, lion_files_check_folder(state), lion_files_check_path(state, 2), true))
        return fail(state, errno);
    int code = replace(&at, data, size);
    close(at.folder);
    if (code != 0) return fail(state, code);
    lua_pushboolean(state, 1);
    return 1;
}

int lion_files_make(lua_State *state)
{
    char copy[LION_FILES_PATH_MAX];
    int root = lion_files_check_folder(state);
    const char *path = lion_files_check_path(state, 2);
    if (path[0] == '/' || snprintf(copy, sizeof copy, "%s/", path) >= (int)sizeof copy)
        return fail(state, EINVAL);
    if (!make_folders(root, copy)) return fail(state, errno);
    lua_pushboolean(state, 1);
    return 1;
}

int lion_files_move(lua_State *state)
{
    place from, to;
    int root = lion_files_check_folder(state);
    const char *source = lion_files_check_path(state, 2), *target = lion_files_check_path(state, 3);
    if (!open_place(&from, root, source, false)) return fail(state, errno);
    int code = 0;
    if (!open_place(&to, root, target, true)) {
        code = errno;
    } else {
        if (renameat(from.folder, from.name, to.folder, to.name) != 0) code = errno;
        if (code == 0 && (fsync(to.folder) != 0 || fsync(from.folder) != 0)) code = errno;
        close(to.folder);
    }
    close(from.folder);
    if (code != 0) return fail(state, code);
    lua_pushboolean(state, 1);
    return 1;
}

int lion_files_remove(lua_State *state)
{
    place at;
    if (!open_place(&at, lion_files_check_folder(state), lion_files_check_path(state, 2), false))
        return fail(state, errno);
    int code = unlinkat(at.folder, at.name, 0) == 0 ? 0 : errno;
    close(at.folder);
    if (code != 0) return fail(state, code);
    lua_pushboolean(state, 1);
    return 1;
}
