--- lion run: the program runs scripts itself; this is its page.
local options = require "lion.cli.options"

return {
  summary = "Run a Lua script with lion and ion on its path; its arguments are in `arg`.",
  usage = [[FILE.lua [ARGS…]        ("-" is standard input)

  lion run hello.lua
  echo 'print(require("lion").version)' | lion run -]],
  run = function() options.misuse("a script is needed: lion run FILE.lua [ARGS…]") end,
}
