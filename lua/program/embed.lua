--- Writes the Lua sources that the program carries as one C file: luajit embed.lua OUT.c NAME=FILE…
local out = assert(io.open(arg[1], "wb"))

local function bytes_of(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  assert(loadstring(text, "@" .. path)) -- a syntax error is told when building
  return text
end

local modules = {}
for i = 2, #arg do
  local name, path = arg[i]:match("^([^=]+)=(.+)$")
  modules[#modules + 1] = { name = name, text = bytes_of(path) }
end
table.sort(modules, function(a, b) return a.name < b.name end)

out:write("/* Made by lua/program/embed.lua. */\n#include \"bind/sources.h\"\n\n")
for i, module in ipairs(modules) do
  local at = 0
  out:write(("static const unsigned char source_%d[] = {\n"):format(i))
  for byte in module.text:gmatch "[%z\1-\255]" do
    at = at + 1
    out:write(byte:byte(), at % 24 == 0 and ",\n" or ",")
  end
  out:write("0 };\n")
end
out:write("\nconst lion_lua_source lion_lua_sources[] = {\n")
for i, module in ipairs(modules) do
  out:write(("    { %q, source_%d, sizeof source_%d - 1 },\n"):format(module.name, i, i))
end
out:write(("};\nconst size_t lion_lua_source_count = %d;\n"):format(#modules))
out:close()
