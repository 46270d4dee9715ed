/* files.h - files below a folder, for Lua: what lies outside is not reached, whatever the path says. */
#ifndef LION_IONS_FILES_H
#define LION_IONS_FILES_H

#include <lua.h>

/* `ions.files`:
 *   folder(path) → folder, or nil and a message
 *   folder:folder(path) → a folder below it, or nil and a message
 *   folder:open(path) → a regular file below it; or nil and "folder" or "absent"
 *   folder:list(path) → { { name =, kind = "file"|"folder"|"other", size =, changed = (s since 1970) }, … }, by name
 *   folder:make(path) → true: the folder is there, and those above it
 *   folder:write(path, bytes) → true: the file is there whole and durable, or nothing has changed; its folders are made
 *   folder:move(from, to) → true: in the place of what was there; folders are made. folder:remove(path) → true: a file
 *     These: or nil and a message, and "absent" behind it if that is why
 *   file:size(), file:changed() (s since 1970), file:version() (a text that differs when the content may)
 *   file:read(offset, size) → bytes, fewer at the end; file:hash() of its content; file:close()
 *   hash(text) → the hash of a content, 32 hexadecimal digits
 * Paths are relative; "..", absolute paths and symbolic links are followed no further than the folder. */
int luaopen_ions_files(lua_State *state);

#endif
