--- Writes the FFI declarations of the binding as a Lua module: luajit cdef.lua OUT.lua HEADER….
-- They are what the headers have between their two marks, so headers and binding cannot differ.
local sections = {}
for i = 2, #arg do
  local header = assert(io.open(arg[i], "rb"))
  local text = header:read "*a"
  header:close()
  local section = assert(text:match "/%* ffi: begin %*/\n(.-)/%* ffi: end %*/", arg[i] .. " has no marks")
  assert(not section:find "\n%s*#", "a line of the preprocessor between the marks of " .. arg[i])
  assert(pcall(require("ffi").cdef, section)) -- what LuaJIT does not take is told when building
  sections[#sections + 1] = section
end

local out = assert(io.open(arg[1], "wb"))
out:write("return [==[\n", table.concat(sections), "]==]\n")
out:close()
