--- The parameters of an application that runs from its folder: those of the command line, of a file in .lion,
-- of its manifest.
-- @module ions.development
local anomaly = require "lion.anomaly"
local json = require "lion.json"

local development = {}

local NAMES = { "params.lua", "params.json" }

local function fail(message) error(anomaly.new("incorrect", "lion/syntax", message), 0) end

-- Plain data: it sees no globals.
local function read_lua(path, text)
  local chunk, problem = loadstring(text, "@" .. path)
  if not chunk then fail(problem) end
  local ok, value = pcall(setfenv(chunk, {}))
  if not ok then fail(tostring(value)) end
  return value
end

local function read_json(path, text)
  local ok, value = pcall(json.read, text)
  if not ok then fail(path .. ": " .. value.message) end
  return value
end

local READ = { ["params.lua"] = read_lua, ["params.json"] = read_json }

local function read_file(name, path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "*a"
  file:close()
  local value = READ[name](path, text)
  if type(value) ~= "table" or #value > 0 then fail(path .. " holds no table of parameters by name") end
  return value
end

local function is_folder(options) return options.is_dev and options.folder ~= nil end

--- Have the files of parameters looked after, as modules are.
-- @tparam table files a list of paths
-- @tparam table options as of app.load
function development.watch(files, options)
  if not is_folder(options) then return end
  for _, name in ipairs(NAMES) do files[#files + 1] = options.folder .. "/" .. name end
end

--- The layers for params.merge.
-- @tparam table|nil manifest
-- @tparam table options as of app.load: params, is_dev, folder
-- @treturn table
function development.layers(manifest, options)
  local layers = { manifest or {} }
  for _, name in ipairs(is_folder(options) and NAMES or {}) do
    layers[#layers + 1] = read_file(name, options.folder .. "/" .. name)
  end
  local given = options.params
  layers[#layers + 1] = type(given) == "string" and json.read(given) or given
  return layers
end

--- What sets a parameter here.
-- @tparam string path
-- @tparam table options
-- @treturn string
function development.advice(path, options)
  if not options.is_dev then return "the option params of test.app sets it" end
  return ("`lion dev --param %s=VALUE` sets it, or %s/params.lua: return { [%q] = VALUE }"):format(path,
    options.folder, path)
end

return development
