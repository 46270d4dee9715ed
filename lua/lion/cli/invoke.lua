--- lion invoke
local json = require "lion.json"
local options = require "lion.cli.options"

local EXIT_FAILED, EXIT_NOT_FOUND = 1, 3

local invoke = {
  summary = "Call an entry point of an application: JSON in, JSON out.",
  usage = [[FN [JSON] [--dir DIR (.)] [--db URI (DIR/.lion/dev.lion)]        ("-" is standard input)

FN is a name of the manifest's `invoke`. Without JSON the function is given nil.

  lion invoke breaks '{"name": "libc6"}' --dir examples/packages]],
}

local function read_input(word)
  if not word then return nil end
  local ok, value = pcall(json.read, word == "-" and options.read_file "-" or word)
  if not ok then options.misuse("the input is no JSON: %s", value.message) end
  return value
end

local function fail(exit, e) error({ exit = exit, message = tostring(e.message or e) }, 0) end

function invoke.run(args)
  local found, words = options.parse(args, { dir = "value", db = "value" })
  if #words < 1 or #words > 2 then options.misuse "a name is needed: lion invoke FN [JSON]" end
  local input = read_input(words[2])
  local place = require("lion.cli.dev").place(found.dir or ".", found.db)
  local app = require("ions.app").load(place)
  local ok, result = pcall(function() return json.write(app:invoke(words[1], input)) end)
  app:close()
  if not ok then
    fail(result.code == "lion/no-entry-point" and EXIT_NOT_FOUND or EXIT_FAILED, result)
  end
  print(result)
  return 0
end

return invoke
