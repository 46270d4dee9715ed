--- A chunk of Lua that somebody sends to the control door (POST /eval), in a process of its own: with a
-- database at hand, within the bounds of applications' code, its values as the prompt shows them. Who takes
-- too long is ended by the supervisor.
-- @module ions.evaluate
local anomaly = require "lion.anomaly"
local core = require "lion.core"
local environment = require "ions.fuel.environment"
local fileless = require "ions.fileless"
local fuel = require "ions.fuel"
local remote = require "ions.remote"
local show = require "lion.cli.show"

local evaluate = {}

local OUTPUT_MAX = 2 ^ 20
local ROWS, ROWS_MAX, WIDTH, WIDTH_MIN, WIDTH_MAX = 50, 10000, 120, 20, 10000

-- ---- what it writes --------------------------------------------------------------------------------

local Output = {}
Output.__index = Output

-- What of a text there is room for; what is beyond is dropped, and said so.
function Output:cut(text)
  local room = OUTPUT_MAX - self.size
  if #text > room then text, self.is_cut = text:sub(1, room), true end
  self.size = self.size + #text
  return text
end

function Output:write(text) self[#self + 1] = self.size < OUTPUT_MAX and self:cut(text) or nil end

local function printer(output)
  return function(...)
    local texts = {}
    for i = 1, select("#", ...) do texts[i] = tostring((select(i, ...))) end
    output:write(table.concat(texts, "\t") .. "\n")
  end
end

-- ---- the chunk -------------------------------------------------------------------------------------

local function globals_of(conn, output)
  local lion = fileless.copy "conn is the database that was asked for"
  return environment.new {
    conn = conn, db = conn:db(), lion = lion, print = printer(output),
    os = { clock = os.clock, date = os.date, difftime = os.difftime, time = os.time },
    require = function(name)
      if name == "lion" then return lion end
      anomaly.incorrect("lion/module", "module %s not found: here is lion alone", tostring(name))
    end,
  }
end

local function results(...) return ... end

-- An expression has values; what is none is run. The chunk is called with `results`: an expression that were
-- returned itself would leave the stack by its tail call, and its errors would not name it.
local function load(text, globals)
  local chunk = fuel.load("return (...)(" .. text .. "\n)", "=eval", globals)
  local message
  if not chunk then chunk, message = fuel.load(text, "=eval", globals) end
  if not chunk then anomaly.incorrect("lion/syntax", "%s", tostring(message)) end
  return chunk
end

local function shown(output, screen, ...)
  local texts = {}
  for i = 1, select("#", ...) do texts[i] = output:cut(show.value((select(i, ...)), screen)) end
  return texts
end

-- As far as the chunk goes: what called it is ours.
local function trace_of(message)
  return (debug.traceback(tostring(message), 3):gsub("\n\tions%.evaluate:.*$", ""))
end

local function traced(e)
  if type(e) == "table" and e.code then
    e.trace = e.trace or trace_of(e.message)
    return e
  end
  return { category = "incorrect", code = "lion/eval", message = tostring(e), trace = trace_of(e) }
end

local function run(asked, options, output)
  local conn = remote.open(options.folder, asked.db)
  local globals = globals_of(conn, output)
  local chunk = load(asked.chunk, globals)
  local width = math.max(WIDTH_MIN, math.min(asked.width or WIDTH, WIDTH_MAX))
  local screen = { width = width, rows = math.min(asked.rows or ROWS, ROWS_MAX), color = false }
  local budget = fuel.budget { deadline_ms = core.monotonic_ms() + asked.chunk_ms, handler = traced }
  local ok, result = budget:call(function() return shown(output, screen, chunk(results)) end)
  if not ok then error(result, 0) end
  return result, budget:cost()
end

local function plain_data(data)
  local ok = type(data) == "table" and pcall(core.form_write, data)
  return ok and data or nil
end

--- Evaluate.
-- @tparam table options folder: the primary's
-- @tparam string payload a form: chunk, db, chunk_ms, width, rows
-- @treturn string a form: is_ok, output, is_cut, values (texts) and steps; or category, code, message, trace,
-- data
function evaluate.run(options, payload)
  local asked = core.form_read(payload)
  local output = setmetatable({ size = 0 }, Output)
  local ok, values, steps = pcall(run, asked, options, output)
  local told = { is_ok = ok, output = table.concat(output), is_cut = output.is_cut or false }
  if ok then
    told.values, told.steps = values, steps
    return core.form_write(told)
  end
  local e = type(values) == "table" and values or { message = tostring(values) }
  told.category = anomaly.is_category(e.category) and e.category or "incorrect"
  told.code, told.message = tostring(e.code or "lion/eval"), tostring(e.message or "it failed")
  told.trace, told.data = e.trace and tostring(e.trace), plain_data(e.data)
  if told.message == "not enough memory" then
    told.category, told.code = "interrupted", "lion/limit"
    told.message = "the chunk needs more memory than it may have"
  end
  return core.form_write(told)
end

return evaluate
