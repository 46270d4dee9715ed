--- lion version
local json = require "lion.json"
local options = require "lion.cli.options"

local version = {
  summary = "Print the version.",
  usage = [[[--json]

  lion version --json]],
}

function version.run(args)
  local found, words = options.parse(args, { json = "flag" })
  if #words > 0 then options.misuse("lion version takes no %s", words[1]) end
  local lion = require "lion"
  if found.json then
    print(json.write { version = lion.version, luajit = jit.version })
  else
    print(("lion %s (%s)"):format(lion.version, jit.version))
  end
  return 0
end

return version
