--- lion dev [DIR]: an application, run from its folder and reloaded on save.
-- @module lion.cli.dev
local command = require "lion.cli.command"
local terminal = require "lion.cli.terminal"

local dev = {}

local OPTIONS = { listen = "text", db = "text" }

local function address_of(listen)
  local host, port = listen:match("^%[?([^%]]*)%]?:(%d+)$")
  if not host then command.misuse("--listen is HOST:PORT, such as 127.0.0.1:8080, not %s", listen) end
  return host, tonumber(port)
end

function dev.run(arguments)
  local options, rest = command.parse(arguments, OPTIONS)
  local dir = (rest[1] or "."):gsub("(.)/+$", "%1")
  local host, port = address_of(options.listen or "127.0.0.1:8080")
  local folder = dir .. "/.lion"
  local uri = options.db or folder .. "/dev.lion"
  terminal.make_directory(folder)
  local conn = require("lion").connect(uri) -- held, so that revisions come and go on an open database
  local ok, result = pcall(require("ions.dev").run,
    { dir = dir, uri = uri, folder = folder, env = "dev", host = host, port = port })
  conn:close()
  if not ok then error(result, 0) end
  return type(result) == "number" and result or command.DONE
end

return dev
