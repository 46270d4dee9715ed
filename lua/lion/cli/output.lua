--- Results as text: table, json, edn, csv.
-- @module lion.cli.output
local edn = require "lion.edn"
local json = require "lion.json"
local values = require "lion.values"

local output = {}

-- What stands alone is its bare text, what is inside a form is EDN.
local function cell(x)
  if x == nil or x == values.null then return "" end
  if type(x) == "string" then return x end
  local meta = type(x) == "table" and getmetatable(x)
  return meta and meta.__tostring and tostring(x) or edn.write(x)
end

-- Display width: characters, not bytes.
local function width(text) return #text:gsub("[\128-\191]", "") end

local function cut(text, limit)
  text = text:gsub("[%c]", " ")
  if width(text) <= limit then return text end
  local kept, count = {}, 0
  for char in text:gmatch "[%z\1-\127\194-\244][\128-\191]*" do
    count = count + 1
    if count == limit then break end
    kept[count] = char
  end
  return table.concat(kept) .. "…"
end

local COLUMN_MIN, GAP = 6, 2

-- Take from the widest column, again and again, until all of them fit into the window.
local function fit(widths, window)
  local total = -GAP
  for _, w in ipairs(widths) do
    total = total + w + GAP
  end
  while total > window do
    local widest = 1
    for k, w in ipairs(widths) do
      if w > widths[widest] then widest = k end
    end
    if widths[widest] <= COLUMN_MIN then return end
    widths[widest], total = widths[widest] - 1, total - 1
  end
end

local BOLD, PLAIN = "\27[1m", "\27[m"

--- Rows (arrays) under headings.
-- @tparam table headings
-- @tparam table rows
-- @tparam[opt] number window how wide it may be; nothing is cut without it
-- @tparam[opt] boolean is_colored headings stand out
function output.grid(headings, rows, window, is_colored)
  local widths, lines = {}, {}
  local texts = {}
  for k, heading in ipairs(headings) do
    widths[k] = width(heading)
  end
  for i, row in ipairs(rows) do
    texts[i] = {}
    for k = 1, #headings do
      texts[i][k] = cut(cell(row[k]), window or math.huge)
      widths[k] = math.max(widths[k], width(texts[i][k]))
    end
  end
  if window then fit(widths, window) end
  local function line(cells)
    local parts = {}
    for k, text in ipairs(cells) do
      text = cut(text, widths[k])
      parts[k] = text .. (" "):rep(widths[k] - width(text))
    end
    return (table.concat(parts, "  "):gsub("%s+$", ""))
  end
  lines[1] = is_colored and BOLD .. line(headings) .. PLAIN or line(headings)
  local rule = {}
  for k = 1, #headings do
    rule[k] = ("─"):rep(widths[k])
  end
  lines[2] = table.concat(rule, "  ")
  for i = 1, #texts do
    lines[#lines + 1] = line(texts[i])
  end
  return table.concat(lines, "\n") .. "\n"
end

local function csv_field(x)
  local text = cell(x)
  if text:find('[",\r\n]') then return '"' .. text:gsub('"', '""') .. '"' end
  return text
end

local function as_rows(kind, result)
  if kind == "relation" then return result end
  local rows = {}
  if kind == "collection" then
    for i, value in ipairs(result) do
      rows[i] = { value }
    end
  elseif result ~= nil then
    rows[1] = kind == "tuple" and result or { result }
  end
  return rows
end

local function row_values(row, keys)
  if not keys then return row end
  local list = {}
  for i, key in ipairs(keys) do
    list[i] = row[key]
  end
  return list
end

local writers = {}

function writers.json(_, result) return json.write(result == nil and values.null or result) .. "\n" end
function writers.edn(_, result) return edn.write(result) .. "\n" end

function writers.csv(shape, result)
  local lines = { table.concat(shape.headings, ",") }
  for _, row in ipairs(as_rows(shape.kind, result)) do
    local fields = {}
    row = row_values(row, shape.keys)
    for k = 1, #shape.headings do
      fields[k] = csv_field(row[k])
    end
    lines[#lines + 1] = table.concat(fields, ",")
  end
  return table.concat(lines, "\r\n") .. "\r\n"
end

--- The rows of a result, as arrays.
function output.rows(shape, result)
  local rows = {}
  for i, row in ipairs(as_rows(shape.kind, result)) do
    rows[i] = row_values(row, shape.keys)
  end
  return rows
end

--- "1 row", "2 rows".
function output.count(rows) return ("%d %s"):format(#rows, #rows == 1 and "row" or "rows") end

function writers.table(shape, result, screen)
  local rows = output.rows(shape, result)
  return output.grid(shape.headings, rows, screen.width, screen.color) .. output.count(rows) .. "\n"
end

--- A text cut to so many characters, on one line.
output.cut = cut
--- How many columns a text takes.
output.width = width

--- What a compiled query's result looks like: find kind, headings, keys.
function output.shape(compiled)
  local ir, headings = compiled.ir, {}
  for i, element in ipairs(ir.find.elements) do
    if element[1] == "var" then
      headings[i] = ir.vars[element[2] + 1]
    elseif element[1] == "pull" then
      headings[i] = "pull " .. ir.vars[element[3] + 1]
    else
      local last = element[3][#element[3]]
      headings[i] = element[2] .. " " .. ir.vars[last[2] + 1]
    end
  end
  return { kind = ir.find.kind, headings = ir.find.keys or headings, keys = ir.find.keys }
end

--- A result as text. Its values say their types (lion.values), so an instant is RFC 3339 and bytes are
-- base64 in each format; an empty relation is [] in JSON.
-- @tparam string format one of output.formats
-- @tparam table shape as output.shape tells it
-- @param result
-- @tparam[opt] table screen { width =, color = } for a table
function output.write(format, shape, result, screen)
  if
    format == "json"
    and type(result) == "table"
    and next(result) == nil
    and shape.kind ~= "scalar"
  then
    return "[]\n"
  end
  return writers[format](shape, result, screen or {})
end

output.formats = { table = true, json = true, edn = true, csv = true }

return output
