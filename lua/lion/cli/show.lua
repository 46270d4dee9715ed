--- Results as the prompt shows them: tables and trees, cut to the window.
-- @module lion.cli.show
local edn = require "lion.edn"
local output = require "lion.cli.output"
local values = require "lion.values"

local show = {}

local ITEMS_MAX, DEPTH_MAX = 50, 8

-- How an outsider's table names itself, or nil.
local function own_text(x)
  local meta = getmetatable(x)
  if type(meta) == "table" and meta.__tostring then return tostring(x) end
end

-- One line of text for a value, or nil for what has none.
local function flat(x)
  if type(x) == "table" and not own_text(x) then
    local ok, text = pcall(edn.write, x)
    return ok and text or nil
  end
  local ok, text = pcall(edn.write, x)
  return ok and text or tostring(x)
end

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b)
    if type(a) == type(b) and (type(a) == "number" or type(a) == "string") then return a < b end
    return tostring(a) < tostring(b)
  end)
  return keys
end

local function add(lines, indent, text, window) lines[#lines + 1] = output.cut(indent .. text, window) end

local tree

-- A key and what it holds: beside it where that fits, below it otherwise.
local function branch(lines, key, value, indent, window, depth)
  local text = flat(value)
  if text and (type(value) ~= "table" or #indent + #key + #text + 2 <= window) then
    return add(lines, indent, key .. "  " .. text, window)
  end
  if type(value) ~= "table" or own_text(value) or depth >= DEPTH_MAX then
    return add(lines, indent, key .. "  " .. (text or tostring(value)), window)
  end
  add(lines, indent, key, window)
  tree(lines, value, indent .. "  ", window, depth + 1)
end

function tree(lines, value, indent, window, depth)
  for i = 1, math.min(#value, ITEMS_MAX) do
    branch(lines, "-", value[i], indent, window, depth)
  end
  if #value > ITEMS_MAX then
    add(lines, indent, ("… %d more"):format(#value - ITEMS_MAX), window)
  end
  local count = #value
  for _, key in ipairs(sorted_keys(value)) do
    local is_item = type(key) == "number" and key >= 1 and key <= count
    if not is_item then branch(lines, tostring(key), value[key], indent, window, depth) end
  end
end

--- Rows under headings, no more than the screen holds.
-- @tparam table headings
-- @tparam table rows
-- @tparam table screen { width =, rows = the most that are shown, color = }
function show.rows(headings, rows, screen)
  local shown = rows
  if #rows > screen.rows then
    shown = { unpack(rows, 1, screen.rows) }
  end
  local text = output.grid(headings, shown, screen.width, screen.color) .. output.count(rows)
  if #shown < #rows then
    text = text .. (", %d shown (:rows N shows more)"):format(#shown)
  end
  return text .. "\n"
end

local function is_datom(x) return type(x) == "table" and x.a ~= nil and x.e ~= nil and x.tx ~= nil end

local function datom_rows(list)
  local rows = {}
  for i, d in ipairs(list) do
    local v = d.a == "db/txInstant" and values.format_instant(d.v) or d.v
    rows[i] = { d.e, d.a, v, d.tx, d.added and "+" or "-" }
  end
  return rows
end

local DATOM = { "e", "a", "v", "tx", "" }

-- Arrays of one length, as db:q answers; the headings are the places.
local function as_grid(list)
  local size = type(list[1]) == "table" and getmetatable(list[1]) == nil and #list[1] or 0
  if size == 0 then return nil end
  for _, row in ipairs(list) do
    if type(row) ~= "table" or #row ~= size then return nil end
  end
  local headings = {}
  for k = 1, size do
    headings[k] = tostring(k)
  end
  return headings
end

local function report(x, screen)
  local instant = x.tx_instant and values.format_instant(x.tx_instant) or ""
  local text = ("t %d, %s\n"):format(x.t, instant)
  if next(x.tempids) then text = text .. "tempids  " .. flat(x.tempids) .. "\n" end
  return text .. show.rows(DATOM, datom_rows(x.tx_data), screen)
end

--- Any value of Lua as text that ends its line.
-- @param x
-- @tparam table screen { width =, rows = }
function show.value(x, screen)
  if type(x) ~= "table" then
    return (type(x) == "string" and edn.write(x) or flat(x)) .. "\n"
  end
  if is_datom(x) then return show.rows(DATOM, datom_rows { x }, screen) end
  if own_text(x) then return own_text(x) .. "\n" end
  if x.tx_data and x.tempids then return report(x, screen) end
  if is_datom(x[1]) then return show.rows(DATOM, datom_rows(x), screen) end
  local headings = #x > 1 and as_grid(x)
  if headings then return show.rows(headings, x, screen) end
  local text = flat(x)
  if text and output.width(text) <= screen.width then return text .. "\n" end
  local lines = {}
  tree(lines, x, "", screen.width, 1)
  return table.concat(lines, "\n") .. "\n"
end

return show
