--- lion spec FILE…: busted inside the program, with the modules that Debian's packages install.
-- @module lion.spec
local spec = {}

local SYSTEM_LUA = { "/usr/share/lua/5.1", "/usr/local/share/lua/5.1" }
local SYSTEM_C = {
  "/usr/lib/x86_64-linux-gnu/lua/5.1", "/usr/lib/aarch64-linux-gnu/lua/5.1",
  "/usr/local/lib/lua/5.1",
}

local USAGE = [[
Run specs by busted (Debian package lua-busted), with lion and ion on their path.

usage: lion spec FILE… [busted's options]        (busted --help lists those)

  lion spec spec/lua/db_spec.lua
]]

local function add_paths()
  for _, folder in ipairs(SYSTEM_LUA) do
    package.path = package.path .. ";" .. folder .. "/?.lua;" .. folder .. "/?/init.lua"
  end
  for _, folder in ipairs(SYSTEM_C) do package.cpath = package.cpath .. ";" .. folder .. "/?.so" end
end

--- Run the specs.
-- @tparam table arguments files, folders and busted's options
-- @treturn number the exit code
function spec.main(arguments)
  local first = arguments[1]
  if first == "--help" or first == "-h" then
    io.stdout:write(USAGE)
    return 0
  end
  if not first then
    io.stderr:write "lion: a file is needed: lion spec FILE…\n"
    return 2
  end
  add_paths()
  require "ions.fuel.environment" -- before busted: once it bounds strings, it cannot be loaded anew
  local has_busted, runner = pcall(require, "busted.runner")
  if not has_busted then
    io.stderr:write("lion: lion spec needs busted (Debian package lua-busted): ")
    io.stderr:write(tostring(runner), "\n")
    return 1
  end
  _G.arg = { [0] = "lion spec", unpack(arguments) }
  -- busted's own check whether it is the program looks at the frames above it. It ends the program where all
  -- went well, and raises a nil where something failed.
  local ok, e = pcall(runner, { standalone = false })
  if not ok and e ~= nil then error(e, 0) end
  return ok and 0 or 1
end

return spec
