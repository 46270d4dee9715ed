--- Texts of forms in EDN as they stand: what is handed on without being read loses nothing.
-- @module lion.cli.form_text
local edn = require "lion.edn"

local form_text = {}

--- The forms of a text, one after the other: for text, form, line, behind in form_text.each(text) do.
function form_text.each(text)
  local next_form, at = edn.forms(text), 1
  return function()
    local form, line, behind = next_form()
    if form == nil then return nil end
    local own = text:sub(at, behind - 1)
    at = behind
    return own, form, line, behind
  end
end

-- Behind the blanks and comments in front of it.
local function start_of(text)
  local at = 1
  while true do
    at = text:match("^[%s,]*()", at)
    local behind = text:match("^;[^\n]*()", at)
    if not behind then return at end
    at = behind
  end
end

--- The values of a map by its keywords, as texts; nil where the text is no map.
function form_text.entries(text)
  text = text:gsub("%s+$", "")
  local start = start_of(text)
  if text:sub(start, start) ~= "{" then return nil end
  local entries, key = {}, nil
  for own, form in form_text.each(text:sub(start + 1, -2)) do
    if key == nil then
      key = tostring(form):gsub("^:", "")
    else
      entries[key], key = own, nil
    end
  end
  return entries
end

return form_text
