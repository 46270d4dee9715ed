--- lion spec FILE…: busted inside the program, with the modules that Debian's packages install.
-- @module lion.spec
local spec = {}

local SYSTEM_LUA = { "/usr/share/lua/5.1", "/usr/local/share/lua/5.1" }
local SYSTEM_C = {
  "/usr/lib/x86_64-linux-gnu/lua/5.1", "/usr/lib/aarch64-linux-gnu/lua/5.1",
  "/usr/local/lib/lua/5.1",
}

local function add_paths()
  for _, folder in ipairs(SYSTEM_LUA) do
    package.path = package.path .. ";" .. folder .. "/?.lua;" .. folder .. "/?/init.lua"
  end
  for _, folder in ipairs(SYSTEM_C) do package.cpath = package.cpath .. ";" .. folder .. "/?.so" end
end

--- Run the specs; busted ends the program with its own exit code.
-- @tparam table arguments files, folders and busted's options
function spec.main(arguments)
  add_paths()
  local ok, runner = pcall(require, "busted.runner")
  if not ok then
    io.stderr:write("lion: lion spec needs busted (Debian package lua-busted): ")
    io.stderr:write(tostring(runner), "\n")
    return 1
  end
  _G.arg = { [0] = "lion spec", unpack(arguments) }
  -- busted's own check whether it is the program looks at the frames above it
  runner { standalone = false }
  return 0
end

return spec
