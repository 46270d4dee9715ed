--- Completion at the prompt: words with a colon, attributes and idents, names of Lua.
-- @module lion.cli.complete
local output = require "lion.cli.output"

local complete = {}

local IDENTS_MAX, LISTED_MAX = 20000, 200

-- ---- what there is -----------------------------------------------------------------------------

-- The idents of the newest value, without their colons; kept until the database moves on.
local function idents_of(session)
  local db = session.env.conn:db()
  local known = session.idents
  if known and known.basis_t == db.basis_t then return known end
  known = { basis_t = db.basis_t }
  for datom in db:datoms("aevt", "db/ident") do
    if #known >= IDENTS_MAX then break end
    known[#known + 1] = datom.v:gsub("^:", "")
  end
  session.idents = known
  return known
end

local function starts(text, prefix) return text:sub(1, #prefix) == prefix end

-- The system's own names come only where they are asked for.
local function add_idents(found, session, prefix, colon)
  for _, name in ipairs(idents_of(session)) do
    local is_own = name:find "^db[./]" or name:find "^lion%."
    if starts(name, prefix) and (not is_own or #prefix >= 2) then
      found[colon .. name] = true
    end
  end
end

local function add_words(found, session, prefix)
  for name in pairs(session.words) do
    if starts(name, prefix) then found[":" .. name] = true end
  end
end

local function is_name(key) return type(key) == "string" and key:find "^[%a_][%w_]*$" ~= nil end

-- What an expression of names and dots stands for; nothing is called.
local function look_up(env, path)
  local value = env
  for name in path:gmatch "[^.:]+" do
    if type(value) ~= "table" then return nil end
    local ok, inner = pcall(function() return value[name] end)
    value = ok and inner or nil
  end
  return value
end

-- The tables in which a value's fields are found, nearest first.
local function field_tables(value)
  local tables = {}
  if type(value) == "table" then tables[1] = value end
  local meta = getmetatable(value)
  local index = type(meta) == "table" and meta.__index
  while type(index) == "table" and #tables < 4 do
    tables[#tables + 1] = index
    meta = getmetatable(index)
    index = type(meta) == "table" and meta.__index
  end
  return tables
end

-- An object's own tables and handles are its own affair.
local function is_shown(value, field, is_method)
  if is_method then return type(field) == "function" end
  local meta = getmetatable(value)
  local is_object = type(meta) == "table" and meta.__lion ~= nil
  return not is_object or (type(field) ~= "table" and type(field) ~= "userdata")
end

local function add_fields(found, session, path, prefix, mark)
  local value = look_up(session.env, path)
  if value == nil then return end
  if type(value) == "string" then value = setmetatable({}, { __index = string }) end
  for _, fields in ipairs(field_tables(value)) do
    for name, field in pairs(fields) do
      local is_there = is_name(name) and not name:find "^__" and starts(name, prefix)
      if is_there and is_shown(value, field, mark == ":") then
        found[path .. mark .. name .. (type(field) == "function" and "(" or "")] = true
      end
    end
  end
end

local function add_globals(found, session, prefix)
  for _, scope in ipairs { session.env, _G } do
    for name, value in pairs(scope) do
      if is_name(name) and starts(name, prefix) then
        found[name .. (type(value) == "function" and "(" or "")] = true
      end
    end
  end
end

-- ---- what fits ---------------------------------------------------------------------------------

--- What may stand in place of the word before the cursor.
-- @tparam table session with env and words
-- @tparam string before the line up to the cursor
-- @treturn string the word
-- @treturn table what it may become, sorted
function complete.candidates(session, before)
  local word, found = before:match "[%w_.:/%-!?*+]*$", {}
  local path, mark, name = word:match "^([%a_][%w_.]*)([.:])([%w_]*)$"
  if starts(word, ":") then
    if before:find "^%s*:[^%s]*$" and not session.is_continued then
      add_words(found, session, word:sub(2))
    end
    add_idents(found, session, word:sub(2), ":")
  elseif before:find "^%s*:%a+%s+[%w_.:/%-]*$" then
    add_idents(found, session, word, "")
  else
    if path then
      add_fields(found, session, path, name, mark)
    elseif not word:find "/" and word ~= "" then
      add_globals(found, session, word)
    end
    if word ~= "" then add_idents(found, session, word, "") end
  end
  local list = {}
  for candidate in pairs(found) do
    list[#list + 1] = candidate
  end
  table.sort(list)
  return word, list
end

local function common_prefix(list)
  local prefix = list[1]
  for i = 2, #list do
    while not starts(list[i], prefix) do
      prefix = prefix:sub(1, -2)
    end
  end
  return prefix
end

-- Names in columns, as many as the window holds.
local function in_columns(list, window)
  local widest = 0
  for i = 1, math.min(#list, LISTED_MAX) do
    widest = math.max(widest, output.width(list[i]))
  end
  local columns = math.max(1, math.floor((window + 2) / (widest + 2)))
  local rows, lines = math.ceil(math.min(#list, LISTED_MAX) / columns), {}
  for row = 1, rows do
    local parts = {}
    for i = row, math.min(#list, LISTED_MAX), rows do
      parts[#parts + 1] = list[i] .. (" "):rep(widest - output.width(list[i]))
    end
    lines[row] = table.concat(parts, "  "):gsub("%s+$", "")
  end
  if #list > LISTED_MAX then lines[#lines + 1] = ("… %d more"):format(#list - LISTED_MAX) end
  return table.concat(lines, "\n") .. "\n"
end

--- The answer to the key: characters to take away, what to put there, what to list below.
-- @tparam table session
-- @tparam string before the line up to the cursor
-- @tparam number window
function complete.answer(session, before, window)
  if not before:find "%S" then return 0, "  " end
  local word, list = complete.candidates(session, before)
  if #list == 0 then return 0 end
  local text = common_prefix(list)
  if #list == 1 and starts(text, ":") and session.words[text:sub(2)] then text = text .. " " end
  if #text > #word then return output.width(word), text end
  if #list > 1 then return 0, nil, in_columns(list, window) end
  return 0
end

return complete
