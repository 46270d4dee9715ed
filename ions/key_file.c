/* key_file.c - `ions.key_file` for Lua. A key file is written whole under another name and then
 * takes its place, so that whoever reads it finds the old one or the new one. */
#include "key_file.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <limits.h>
#include <sodium/utils.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE_MAX_READ 65536
#define LOCK_TYPE "ions.key_file.lock"

/* nil, what went wrong, in words */
static int push_failure(lua_State *state, const char *what, const char *words)
{
    lua_pushnil(state);
    lua_pushstring(state, what);
    lua_pushstring(state, words);
    return 3;
}

/* ---- reading ---- */

static ssize_t read_all(int fd, char *text, size_t room)
{
    size_t size = 0;
    while (size < room) {
        ssize_t got = read(fd, text + size, room - size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return -1;
        if (got == 0) break;
        size += (size_t)got;
    }
    return (ssize_t)size;
}

/* read(path) → text; nil, "absent"; nil, "open", its mode in octal: others than its owner may read
 * or write it; nil, "unreadable", why */
static int read_key_file(lua_State *state)
{
    const char *path = luaL_checkstring(state, 1);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return push_failure(state, errno == ENOENT ? "absent" : "unreadable", strerror(errno));
    struct stat info = { 0 };
    char text[SIZE_MAX_READ], mode[16];
    ssize_t size = -1;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && (info.st_mode & 077) == 0)
        size = read_all(fd, text, sizeof text);
    int code = errno;
    (void)close(fd);
    if (!S_ISREG(info.st_mode)) return push_failure(state, "unreadable", "it is no file");
    snprintf(mode, sizeof mode, "%04o", (unsigned)(info.st_mode & 07777));
    if ((info.st_mode & 077) != 0) return push_failure(state, "open", mode);
    if (size < 0) return push_failure(state, "unreadable", strerror(code));
    lua_pushlstring(state, text, (size_t)size);
    sodium_memzero(text, sizeof text);
    return 1;
}

/* ---- writing ---- */

static bool write_all(int fd, const char *text, size_t size)
{
    while (size > 0) {
        ssize_t put = write(fd, text, size);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) return false;
        text += put;
        size -= (size_t)put;
    }
    return fsync(fd) == 0;
}

/* The name is durable when its folder is. */
static void sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash == NULL ? 1 : (int)(slash - path) + 1,
             slash == NULL ? "." : path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    (void)fsync(fd);
    (void)close(fd);
}

/* write(path, text, is_new) → true: it is there, 0600, durable; nil, "exists": is_new, and there is
 * one; nil, "unwritable", why */
static int write_key_file(lua_State *state)
{
    size_t size;
    const char *path = luaL_checkstring(state, 1), *text = luaL_checklstring(state, 2, &size);
    bool is_new = lua_toboolean(state, 3);
    char other[PATH_MAX];
    int length = snprintf(other, sizeof other, "%s.%ld", path, (long)getpid());
    if (length >= (int)sizeof other)
        return push_failure(state, "unwritable", strerror(ENAMETOOLONG));
    (void)unlink(other); /* of a process that ended in here */
    int fd = open(other, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return push_failure(state, "unwritable", strerror(errno));
    bool is_written = write_all(fd, text, size);
    int code = errno;
    (void)close(fd);
    if (is_written && (is_new ? link(other, path) : rename(other, path)) != 0) {
        is_written = false;
        code = errno;
    }
    (void)unlink(other);
    if (!is_written)
        return push_failure(state, code == EEXIST ? "exists" : "unwritable", strerror(code));
    sync_folder(path);
    lua_pushboolean(state, true);
    return 1;
}

/* ---- locks ---- */

static int unlock(lua_State *state)
{
    int *fd = luaL_checkudata(state, 1, LOCK_TYPE);
    if (*fd >= 0) (void)close(*fd);
    *fd = -1;
    return 0;
}

/* lock(path) → a lock with close(), for who changes what the file is for; nil, "taken": somebody
 * has it; nil, "unwritable", why. It lies in a file of its own, path.lock. */
static int lock(lua_State *state)
{
    const char *path = luaL_checkstring(state, 1);
    char name[PATH_MAX];
    if (snprintf(name, sizeof name, "%s.lock", path) >= (int)sizeof name)
        return push_failure(state, "unwritable", strerror(ENAMETOOLONG));
    int *fd = lua_newuserdata(state, sizeof *fd);
    *fd = -1;
    luaL_getmetatable(state, LOCK_TYPE);
    lua_setmetatable(state, -2);
    *fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (*fd >= 0 && flock(*fd, LOCK_EX | LOCK_NB) == 0) return 1;
    int code = errno;
    return push_failure(state, code == EWOULDBLOCK ? "taken" : "unwritable", strerror(code));
}

static const luaL_Reg functions[] = {
    { "read", read_key_file }, { "write", write_key_file }, { "lock", lock }, { NULL, NULL }
};

int luaopen_ions_key_file(lua_State *state)
{
    luaL_newmetatable(state, LOCK_TYPE);
    lua_pushcfunction(state, unlock);
    lua_setfield(state, -2, "__gc");
    lua_newtable(state);
    lua_pushcfunction(state, unlock);
    lua_setfield(state, -2, "close");
    lua_setfield(state, -2, "__index");
    lua_newtable(state);
    luaL_register(state, NULL, functions);
    return 1;
}
