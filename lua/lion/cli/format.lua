--- Results as tables for people, and as JSON, EDN and CSV for programs.
-- @module lion.cli.format
local edn = require "lion.edn"
local json = require "lion.json"
local terminal = require "lion.cli.terminal"
local types = require "lion.cli.types"
local values = require "lion.values"

local format = {}

local BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

--- Bytes as base64.
function format.base64(bytes)
  local out = {}
  for i = 1, #bytes, 3 do
    local a, b, c = bytes:byte(i, i + 2)
    local n = a * 65536 + (b or 0) * 256 + (c or 0)
    for k = 0, 3 do
      local digit = math.floor(n / 64 ^ (3 - k)) % 64
      local is_padding = k == 2 and not b or k == 3 and not c
      out[#out + 1] = is_padding and "=" or BASE64:sub(digit + 1, digit + 1)
    end
  end
  return table.concat(out)
end

-- ---- Values as programs read them --------------------------------------------------------------

local plain

-- An empty table is an array here only if it is said to be one.
local function plain_array(items, kind, db)
  local out = {}
  for i = 1, #items do
    out[i] = plain(items[i], kind, db)
  end
  return #out == 0 and values.set(out) or out
end

local function plain_map(map, db)
  local out = {}
  for key, value in pairs(map) do
    local name = tostring(key):gsub("/_", "/")
    out[tostring(key)] = plain(value, types.of_attribute(db, name) or "pull", db)
  end
  return out
end

function plain(value, kind, db)
  if value == nil or value == values.null then return values.null end
  if type(value) == "table" then
    local mt = getmetatable(value)
    if mt and mt.__tostring then return tostring(value) end
    if #value > 0 or next(value) == nil and kind ~= "map" then
      return plain_array(value, kind, db)
    end
    return plain_map(value, db)
  end
  if kind == "instant" and type(value) == "number" then return values.format_instant(value) end
  if kind == "bytes" and type(value) == "string" then return format.base64(value) end
  if type(value) == "cdata" then return (tostring(value):gsub("U?LL$", "")) end
  return value
end

--- A value as JSON has it: instants RFC 3339, bytes base64, longs beyond 2^53 strings, empty lists arrays.
-- @param value
-- @tparam[opt] string kind "instant", "bytes" or "pull"
-- @param[opt] db whose attributes name the types inside pulled maps
format.plain = plain

-- The rows of a result, whatever its shape, with the names of the columns.
local function rows_of(result, described, db)
  local columns, rows = described.columns, {}
  local list = result
  if described.shape == "scalar" then
    list = result == nil and {} or { { result } }
  elseif described.shape == "tuple" then
    list = result == nil and {} or { result }
  elseif described.shape == "collection" then
    list = {}
    for i, value in ipairs(result) do
      list[i] = { value }
    end
  end
  for i, row in ipairs(list) do
    rows[i] = {}
    for k, column in ipairs(columns) do
      local value = row[k]
      if value == nil and described.keys then value = row[described.keys[k]] end
      rows[i][k] = plain(value, column.type, db)
    end
  end
  return rows
end

local function typed_row(row, columns, db)
  local out = {}
  for k, column in ipairs(columns) do
    out[k] = plain(row[k], column.type, db)
  end
  return out
end

local function is_keyed(row) return type(row) == "table" and #row == 0 and next(row) ~= nil end

local function typed_result(result, described, db)
  local columns = described.columns
  if described.shape == "scalar" then return plain(result, columns[1].type, db) end
  if result == nil then return values.null end
  if described.shape == "collection" then return plain_array(result, columns[1].type, db) end
  if described.shape == "tuple" then return typed_row(result, columns, db) end
  local out = {}
  for i, row in ipairs(result) do
    out[i] = is_keyed(row) and plain_map(row, db) or typed_row(row, columns, db)
  end
  return #out == 0 and values.set(out) or out
end

-- ---- Tables ------------------------------------------------------------------------------------

local function length(text)
  local _, continuation = text:gsub("[\128-\191]", "")
  return #text - continuation
end

-- The first `width` characters; an ellipsis where there are more.
local function cut(text, width)
  if length(text) <= width then return text end
  local out, count = {}, 0
  for char in text:gmatch("[%z\1-\127\194-\244][\128-\191]*") do
    count = count + 1
    if count >= width then break end
    out[count] = char
  end
  return table.concat(out) .. "…"
end

--- A value in one line.
function format.cell(value)
  if value == nil or value == values.null then return "" end
  if type(value) == "table" then
    local mt = getmetatable(value)
    if mt and mt.__tostring then return tostring(value) end
    local ok, text = pcall(edn.write, value)
    return ok and text or tostring(value)
  end
  if type(value) == "cdata" then return (tostring(value):gsub("U?LL$", "")) end
  if type(value) == "number" and value % 1 == 0 and math.abs(value) < 2 ^ 53 then
    return ("%.0f"):format(value)
  end
  return (tostring(value):gsub("[%c]", " "))
end

-- Columns share the window: the widest give way first.
local function fit(widths, window)
  local total = 0
  for _, width in ipairs(widths) do
    total = total + width + 2
  end
  while total - 2 > window do
    local widest = 1
    for i, width in ipairs(widths) do
      if width > widths[widest] then widest = i end
    end
    if widths[widest] <= 4 then break end
    widths[widest] = widths[widest] - 1
    total = total - 1
  end
end

--- Rows under names, cut to the window. `rows` are arrays of values.
function format.table(names, rows, window)
  local cells, widths, is_number = {}, {}, {}
  for k, name in ipairs(names) do
    widths[k], is_number[k] = length(name), #rows > 0
  end
  for i, row in ipairs(rows) do
    cells[i] = {}
    for k = 1, #names do
      cells[i][k] = format.cell(row[k])
      widths[k] = math.max(widths[k], length(cells[i][k]))
      is_number[k] = is_number[k] and type(row[k]) == "number"
    end
  end
  fit(widths, window or terminal.width())
  local lines = {}
  local function add(row, paint)
    local out = {}
    for k = 1, #names do
      local text = cut(row[k], widths[k])
      local space = (" "):rep(widths[k] - length(text))
      out[k] = is_number[k] and space .. text or text .. space
    end
    local line = table.concat(out, "  "):gsub("%s+$", "")
    lines[#lines + 1] = paint and terminal.color("bold", line) or line
  end
  add(names, true)
  local rule = {}
  for k, width in ipairs(widths) do
    rule[k] = ("─"):rep(width)
  end
  lines[#lines + 1] = terminal.color("dim", table.concat(rule, "  "))
  for _, row in ipairs(cells) do
    add(row)
  end
  return table.concat(lines, "\n")
end

local function column_names(described)
  local names = {}
  for k, column in ipairs(described.columns) do
    names[k] = column.name
  end
  return names
end

-- ---- Trees -------------------------------------------------------------------------------------

local function sorted_keys(map)
  local keys = {}
  for key in pairs(map) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b) return tostring(a) < tostring(b) end)
  return keys
end

local function add_tree(lines, value, indent, window)
  for _, key in ipairs(sorted_keys(value)) do
    local item = value[key]
    local is_branch = type(item) == "table"
      and not (getmetatable(item) and getmetatable(item).__tostring)
      and next(item) ~= nil
    local label = type(key) == "number" and "·" or tostring(key)
    local line = indent .. terminal.color("cyan", label)
    local flat = format.cell(item)
    if is_branch and length(flat) > window - length(indent) - length(label) - 1 then
      lines[#lines + 1] = line
      add_tree(lines, item, indent .. "  ", window)
    else
      lines[#lines + 1] = line
        .. " "
        .. cut(flat, math.max(8, window - length(indent) - length(label) - 1))
    end
  end
end

--- A nested map as an indented tree, cut to the window.
function format.tree(value, window)
  local lines = {}
  add_tree(lines, value, "", window or terminal.width())
  return table.concat(lines, "\n")
end

-- ---- CSV ---------------------------------------------------------------------------------------

local function csv_field(value)
  local text = format.cell(value)
  if type(value) == "string" then text = value end
  return text:find('[",\r\n]') and '"' .. text:gsub('"', '""') .. '"' or text
end

local function csv_line(row, count)
  local out = {}
  for k = 1, count do
    out[k] = csv_field(row[k])
  end
  return table.concat(out, ",")
end

--- Rows as CSV (RFC 4180) with a line of names.
function format.csv(names, rows)
  local lines = { csv_line(names, #names) }
  for _, row in ipairs(rows) do
    lines[#lines + 1] = csv_line(row, #names)
  end
  return table.concat(lines, "\n")
end

-- ---- One result --------------------------------------------------------------------------------

local outputs = {}

function outputs.json(result, described, db) return json.write(typed_result(result, described, db)) end
function outputs.edn(result)
  if result == nil then return "nil" end
  return edn.write(result)
end
function outputs.csv(result, described, db)
  return format.csv(column_names(described), rows_of(result, described, db))
end
function outputs.table(result, described, db)
  return format.table(column_names(described), rows_of(result, described, db))
end

--- Is it a name of an output: table, json, edn, csv?
function format.is_output(name) return outputs[name] ~= nil end

--- A query's result as text.
-- @tparam string output
-- @param result
-- @tparam table described as types.of_query says; keys: the names of a return map
-- @param[opt] db
function format.result(output, result, described, db)
  if described.shape == "relation" and not described.keys and result and is_keyed(result[1]) then
    described.keys = sorted_keys(result[1])
    if #described.keys == #described.columns then
      described = { shape = "relation", columns = {}, keys = described.keys }
      for k, key in ipairs(described.keys) do
        described.columns[k] = { name = key }
      end
    end
  end
  return outputs[output](result, described, db)
end

return format
