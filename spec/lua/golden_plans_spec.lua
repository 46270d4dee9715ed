-- The plans of the benchmark's queries over small data, each suite's in a file of spec/plans, so that a
-- change of plan is seen. Where plans change for the better, write the files anew and look at the difference:
--   LION_PLANS=renew build/lion spec spec/lua/golden_plans_spec.lua && git diff spec/plans
package.path = "bench/query/?.lua;" .. package.path

local SUITES = {
  { "people", 2000 }, { "rest", 2000 }, { "time", 2000 }, { "movies", 1500 }, { "cyclic", 2000 },
  { "reach", 2000 }, { "rules", "wide 3x3" }, { "rules", "long 10x3" },
}
local IS_RENEWED = os.getenv "LION_PLANS" == "renew"
local DIFFERENCES_MAX = 40 -- lines that are shown

-- Operators and what they do, the last one first, inputs indented; without the numbers of a run.
local function put_tree(lines, tree, depth)
  local text = tree.op .. (tree.detail ~= "" and " " .. tree.detail:gsub("%s+", " ") or "")
  for _, part in ipairs { tree.index or false, tree.range or false } do
    if part then text = text .. " " .. part end
  end
  if tree.op ~= "feed" then lines[#lines + 1] = ("  "):rep(depth) .. text end
  local advice = tree.advice or ""
  if advice ~= "" and not advice:find "estimated$" then
    lines[#lines + 1] = ("  "):rep(depth + 1) .. "! " .. advice
  end
  for _, child in ipairs(tree.children) do put_tree(lines, child, depth + 1) end
end

local function plans_of(name, size)
  local engine = require "engine"
  local world = require("suites." .. name).make(size)
  local opened = engine.open(world.tables, world)
  if world.opened then world.opened { opened } end
  local lines = {}
  for _, query in ipairs(world.queries) do
    if query.lion and not query.call then
      lines[#lines + 1] = query[1]
      lines[#lines + 1] = "  " .. query.lion:gsub("%s+", " ")
      put_tree(lines, opened:explain(query).tree, 1)
      lines[#lines + 1] = ""
    end
  end
  opened:close()
  return lines
end

local function path_of(name, size)
  return ("spec/plans/%s-%s.txt"):format(name, tostring(size):gsub(" ", "-"))
end

local function read_lines(path)
  local lines = {}
  local file = io.open(path)
  if not file then return lines end
  for line in file:lines() do lines[#lines + 1] = line end
  file:close()
  return lines
end

local function write_lines(path, lines)
  local file = assert(io.open(path, "w"))
  file:write(table.concat(lines, "\n"), "\n")
  file:close()
end

-- The lines of one question, with its name.
local function sections(lines)
  local list, named, at = {}, {}, nil
  for _, line in ipairs(lines) do
    if line == "" then
      at = nil
    elseif not at then
      at = { name = line, lines = {} }
      list[#list + 1], named[line] = at, at
    else
      at.lines[#at.lines + 1] = line
    end
  end
  return list, named
end

-- What was and what is of each question whose plan is another.
local function difference(before, after)
  local shown = {}
  local _, old = sections(before)
  local new, has = sections(after)
  local function put(mark, list)
    for _, line in ipairs(list or {}) do shown[#shown + 1] = mark .. line end
  end
  for _, question in ipairs(new) do
    local was = old[question.name]
    if not was or table.concat(was.lines, "\n") ~= table.concat(question.lines, "\n") then
      shown[#shown + 1] = question.name
      put("- ", was and was.lines)
      put("+ ", question.lines)
    end
  end
  for name in pairs(old) do
    if not has[name] then shown[#shown + 1] = "no longer asked: " .. name end
  end
  return table.concat(shown, "\n", 1, math.min(#shown, DIFFERENCES_MAX))
end

describe("The plans of the benchmark", function()
  for _, suite in ipairs(SUITES) do
    local name, size = suite[1], suite[2]
    it(("are what they were: %s %s"):format(name, size), function()
      local lines, path = plans_of(name, size), path_of(name, size)
      if IS_RENEWED then write_lines(path, lines) end
      local changed = difference(read_lines(path), lines)
      local note = "spec/plans says otherwise (LION_PLANS=renew writes it anew):\n"
      assert.is_true(changed == "", note .. changed)
    end)
  end
end)
