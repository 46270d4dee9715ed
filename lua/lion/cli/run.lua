--- lion run: the program runs scripts itself; this is its page.
return {
  summary = "Run a Lua script with lion and ion on its path; its arguments are in `arg`.",
  usage = "FILE.lua [ARGS…]\n\n  lion run hello.lua",
  run = function()
    io.stderr:write "lion: a script is needed: lion run FILE.lua [ARGS…]\n"
    return 2
  end,
}
