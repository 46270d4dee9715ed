--- Writes the FFI declarations of the binding as a Lua module: luajit cdef.lua lion.h OUT.lua.
-- They are what lion.h has between its two marks, so header and binding cannot differ.
local header = assert(io.open(arg[1], "rb"))
local text = header:read "*a"
header:close()

local section = assert(text:match "/%* ffi: begin %*/\n(.-)/%* ffi: end %*/", "lion.h has no marks")
assert(not section:find "\n%s*#", "a line of the preprocessor between the marks of lion.h")
assert(pcall(require("ffi").cdef, section)) -- what LuaJIT does not take is told when building

local out = assert(io.open(arg[2], "wb"))
out:write("return [==[\n", section, "]==]\n")
out:close()
