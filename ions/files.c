/* files.c - folders and files as values of Lua: opening and reading them. */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "files_below.h"
#include "files_change.h"

#define LION_FILE "ions.file"
#define LION_FILES_PIECE_SIZE (1 << 20)

/* Userdata that owns a descriptor; -1: closed. */
typedef struct file {
    int descriptor;
    struct stat info;
} file;

static int push_folder(lua_State *state, int descriptor)
{
    if (descriptor < 0) {
        lua_pushnil(state);
        lua_pushstring(state, strerror(errno));
        return 2;
    }
    lion_folder *self = lua_newuserdata(state, sizeof *self);
    self->descriptor = descriptor;
    luaL_getmetatable(state, LION_FILES_FOLDER);
    lua_setmetatable(state, -2);
    return 1;
}

static int files_folder(lua_State *state)
{
    return push_folder(state,
                       open(lion_files_check_path(state, 1), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static int folder_folder(lua_State *state)
{
    const lion_folder *self = luaL_checkudata(state, 1, LION_FILES_FOLDER);
    return push_folder(state,
                       lion_files_open_below(self->descriptor, lion_files_check_path(state, 2),
                                             O_PATH | O_DIRECTORY | O_CLOEXEC));
}

static int refuse(lua_State *state, const char *what)
{
    lua_pushnil(state);
    lua_pushstring(state, what);
    return 2;
}

/* Non-blocking, so that a pipe that nobody writes to cannot hold us; only regular files are given
 * out. */
static int folder_open(lua_State *state)
{
    const lion_folder *self = luaL_checkudata(state, 1, LION_FILES_FOLDER);
    const char *path = lion_files_check_path(state, 2);
    file *opened = lua_newuserdata(state, sizeof *opened);
    opened->descriptor =
        lion_files_open_below(self->descriptor, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    luaL_getmetatable(state, LION_FILE);
    lua_setmetatable(state, -2);
    if (opened->descriptor < 0 || fstat(opened->descriptor, &opened->info) != 0)
        return refuse(state, "absent");
    if (S_ISREG(opened->info.st_mode)) return 1;
    close(opened->descriptor);
    opened->descriptor = -1;
    return refuse(state, S_ISDIR(opened->info.st_mode) ? "folder" : "absent");
}

static int folder_free(lua_State *state)
{
    lion_folder *self = luaL_checkudata(state, 1, LION_FILES_FOLDER);
    if (self->descriptor >= 0) close(self->descriptor);
    self->descriptor = -1;
    return 0;
}

/* ---- files ---- */

static file *check_file(lua_State *state)
{
    file *self = luaL_checkudata(state, 1, LION_FILE);
    luaL_argcheck(state, self->descriptor >= 0, 1, "the file is closed");
    return self;
}

static int file_size(lua_State *state)
{
    lua_pushnumber(state, (lua_Number)check_file(state)->info.st_size);
    return 1;
}

static int file_changed(lua_State *state)
{
    const struct timespec *changed = &check_file(state)->info.st_mtim;
    lua_pushnumber(state, (lua_Number)changed->tv_sec + (lua_Number)changed->tv_nsec / 1e9);
    return 1;
}

static int file_version(lua_State *state)
{
    const struct stat *info = &check_file(state)->info;
    char text[160];
    snprintf(text, sizeof text, "%ju-%ju-%jd-%jd.%ld-%jd.%ld", (uintmax_t)info->st_dev,
             (uintmax_t)info->st_ino, (intmax_t)info->st_size, (intmax_t)info->st_mtim.tv_sec,
             info->st_mtim.tv_nsec, (intmax_t)info->st_ctim.tv_sec, info->st_ctim.tv_nsec);
    lua_pushstring(state, text);
    return 1;
}

/* Bytes read, fewer than asked for at the end of the file alone; -1: an error. */
static ssize_t read_at(const file *self, char *data, size_t size, off_t offset)
{
    size_t have = 0;
    while (have < size) {
        ssize_t got = pread(self->descriptor, data + have, size - have, offset + (off_t)have);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

static int file_read(lua_State *state)
{
    const file *self = check_file(state);
    lua_Number offset = luaL_checknumber(state, 2), size = luaL_checknumber(state, 3);
    luaL_argcheck(state, offset >= 0 && offset < 9e15, 2, "an offset is not negative");
    luaL_argcheck(state, size >= 0 && size <= 1 << 30, 3, "a size is from 0 to 1 GiB");
    char *data = lua_newuserdata(state, (size_t)size + 1);
    ssize_t got = read_at(self, data, (size_t)size, (off_t)offset);
    if (got < 0) return luaL_error(state, "a file cannot be read: %s", strerror(errno));
    lua_pushlstring(state, data, (size_t)got);
    return 1;
}

static int push_hash(lua_State *state, lion_hash128 hash)
{
    char text[33];
    snprintf(text, sizeof text, "%016jx%016jx", (uintmax_t)hash.high, (uintmax_t)hash.low);
    lua_pushlstring(state, text, 32);
    return 1;
}

static int files_hash(lua_State *state)
{
    size_t size = 0;
    const char *text = luaL_checklstring(state, 1, &size);
    return push_hash(state, lion_hash_128(text, size));
}

/* Up to a piece, the hash of the content; beyond, the hash of the hash so far and the next piece,
 * and so on. */
static int file_hash(lua_State *state)
{
    const file *self = check_file(state);
    struct {
        lion_hash128 hash;
        char data[LION_FILES_PIECE_SIZE];
    } *piece = lua_newuserdata(state, sizeof *piece);
    off_t offset = 0;
    for (;;) {
        ssize_t got = read_at(self, piece->data, sizeof piece->data, offset);
        if (got < 0) return luaL_error(state, "a file cannot be read: %s", strerror(errno));
        if (got == 0 && offset > 0) break;
        piece->hash = offset == 0 ? lion_hash_128(piece->data, (size_t)got)
                                  : lion_hash_128(piece, sizeof piece->hash + (size_t)got);
        offset += got;
        if ((size_t)got < sizeof piece->data) break;
    }
    return push_hash(state, piece->hash);
}

static int file_close(lua_State *state)
{
    file *self = luaL_checkudata(state, 1, LION_FILE);
    if (self->descriptor >= 0) close(self->descriptor);
    self->descriptor = -1;
    return 0;
}

static void make_type(lua_State *state, const char *name, const luaL_Reg *methods)
{
    luaL_newmetatable(state, name);
    lua_pushvalue(state, -1);
    lua_setfield(state, -2, "__index");
    luaL_setfuncs(state, methods, 0);
    lua_pop(state, 1);
}

int luaopen_ions_files(lua_State *state)
{
    static const luaL_Reg folder_methods[] = {
        { "folder", folder_folder },     { "open", folder_open },
        { "list", lion_files_list },     { "make", lion_files_make },
        { "write", lion_files_write },   { "move", lion_files_move },
        { "remove", lion_files_remove }, { "close", folder_free },
        { "__gc", folder_free },         { NULL, NULL }
    };
    static const luaL_Reg file_methods[] = { { "size", file_size },  { "changed", file_changed },
                                             { "read", file_read },  { "version", file_version },
                                             { "hash", file_hash },  { "close", file_close },
                                             { "__gc", file_close }, { NULL, NULL } };
    make_type(state, LION_FILES_FOLDER, folder_methods);
    make_type(state, LION_FILE, file_methods);
    lua_newtable(state);
    lua_pushcfunction(state, files_folder);
    lua_setfield(state, -2, "folder");
    lua_pushcfunction(state, files_hash);
    lua_setfield(state, -2, "hash");
    return 1;
}
