--- Pages out of elements, which are functions: text is escaped by where it stands, unless it is marked safe.
--
--     local h = require "ion.html"
--     return h.page { title = "Orders", h.h1 "Orders", h.ul { class = "list", h.each(orders, function(o)
--       return h.li { h.a { href = "/orders/" .. o.id, o.name } }
--     end) } }
-- @module ion.html
local anomaly = require "lion.anomaly"
local json = require "lion.json"
local meter = require "ions.fuel.meter"
local nearest = require "lion.nearest"

local html = {}

local DEPTH_MAX = 200
local SIZE_MAX = 8 * 1024 * 1024 -- bytes that are rendered into one text
local PIECE_SIZE = 8 * 1024 -- bytes of a streamed piece, about
local BYTES_PER_STEP = 64
local PLACES_MAX = 1000000 -- of children in one table

local function set_of(names)
  local set = {}
  for name in names:gmatch "%S+" do set[name] = true end
  return set
end

-- The elements of HTML's living standard.
local TAGS = set_of [[
  a abbr address area article aside audio b base bdi bdo blockquote body br button canvas caption cite
  code col colgroup data datalist dd del details dfn dialog div dl dt em embed fieldset figcaption
  figure footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html i iframe img input ins kbd label
  legend li link main map mark math menu meta meter nav noscript object ol optgroup option output p
  picture pre progress q rp rt ruby s samp script search section select slot small source span strong
  style sub summary sup svg table tbody td template textarea tfoot th thead time title tr track u ul var
  video wbr ]]

local IS_VOID = set_of "area base br col embed hr img input link meta source track wbr"

-- What stands in them is no HTML: entities are not read there.
local IS_CODE = set_of "script style"

local IS_URL = set_of "href src action formaction poster cite data xlink:href background ping"

-- Values that are programs or documents of their own.
local function is_program(name) return name:find "^on" ~= nil or name == "srcdoc" end

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

local Raw = { __tostring = function(self) return self.text end }
local Element = {}
local Fragment = {}

local function refuse(message, ...) anomaly.incorrect("ion.html/invalid", message, ...) end

-- ---- escaping ----------------------------------------------------------------------------------

local function escape(text)
  meter.pay(#text / BYTES_PER_STEP)
  if not text:find "[&<>\"']" then return text end
  return (text:gsub("[&<>\"']", ENTITIES))
end

--- Text as HTML has it, in elements and in attributes.
-- @tparam string|number text
-- @treturn string
function html.escape(text)
  if type(text) ~= "string" and type(text) ~= "number" then
    refuse("html.escape takes a text, not a %s", type(text))
  end
  return escape(tostring(text))
end

--- Mark a text as safe: it is HTML already, and goes as it is. Never what somebody has sent.
-- @tparam string text
function html.raw(text)
  if type(text) ~= "string" then refuse("html.raw takes a text, not a %s", type(text)) end
  return setmetatable({ text = text }, Raw)
end

local IN_SCRIPT = { ["<"] = "\\u003c", [">"] = "\\u003e", ["&"] = "\\u0026", ["\226\128\168"] = "\\u2028",
  ["\226\128\169"] = "\\u2029" }

--- Data for a script: JSON in which nothing can end the script.
-- @param value what ion.json writes
function html.json(value)
  local text = json.write(value):gsub("[<>&]", IN_SCRIPT):gsub("\226\128[\168\169]", IN_SCRIPT)
  return setmetatable({ text = text }, Raw)
end

-- ---- attributes --------------------------------------------------------------------------------

-- Browsers pass over blanks and control characters in a scheme. Of data: pictures are let through.
local function is_safe_url(url)
  local scheme = url:gsub("[%z\1-\32]", ""):lower():match "^([^/?#:]*):"
  if scheme == nil then return true end
  if scheme == "data" then return url:find "^data:image/%l+[;,]" ~= nil end -- svg+xml is no word of letters
  return scheme ~= "javascript" and scheme ~= "vbscript"
end

local function words(tag, name, list)
  local out = {}
  for i, word in ipairs(list) do
    if type(word) ~= "string" and type(word) ~= "number" then
      refuse("<%s> %s: a list of texts has a %s in it", tag, name, type(word))
    end
    out[i] = tostring(word)
  end
  return table.concat(out, " ")
end

local function attribute_text(tag, name, value)
  local kind = type(value)
  if kind == "table" and getmetatable(value) == Raw then return escape(value.text) end
  if kind == "table" and getmetatable(value) == nil then value, kind = words(tag, name, value), "string" end
  if kind ~= "string" and kind ~= "number" then
    refuse("<%s> %s: an attribute is a text, a number, a boolean or a list of words, not a %s", tag, name,
      kind)
  end
  value = tostring(value)
  if is_program(name) then
    refuse("<%s> %s: a program or a document is no text: mark it by html.raw if it is yours", tag, name)
  end
  if IS_URL[name] and not is_safe_url(value) then return "about:invalid" end
  return escape(value)
end

local function by_name(a, b) return a < b end

-- In the order of their names, so that a page is the same each time.
local function write_attributes(out, element)
  local names = element.names
  for _, name in ipairs(names) do
    local value = element.attributes[name]
    if value == true then
      out:add(" " .. name)
    elseif value ~= false then
      out:add((' %s="%s"'):format(name, attribute_text(element.tag, name, value)))
    end
  end
end

-- ---- elements ----------------------------------------------------------------------------------

local function check_attribute(tag, name)
  if type(name) ~= "string" or not name:find "^[%a_:@][%w_:.@-]*$" then
    refuse("<%s>: %s is no name of an attribute", tag, tostring(name))
  end
end

-- Attributes by name, children by place; places may be empty, since `condition and element` may be nil.
local function split(tag, given)
  local attributes, names, last = {}, {}, 0
  for key, value in pairs(given) do
    meter.pay(1)
    if type(key) == "number" then
      if key % 1 ~= 0 or key < 1 or key > PLACES_MAX then
        refuse("<%s>: %s is no place of a child", tag, key)
      end
      if key > last then last = key end
    else
      check_attribute(tag, key)
      local name = key:lower()
      if attributes[name] ~= nil then refuse("<%s> %s: it is there twice", tag, name) end
      attributes[name], names[#names + 1] = value, name
    end
  end
  table.sort(names, by_name)
  return attributes, names, last
end

local function is_table_of_content(given)
  return type(given) == "table" and getmetatable(given) == nil
end

local NONE = {}

local function make(tag, given)
  local self = { tag = tag, attributes = NONE, names = NONE, children = given, count = 1 }
  if is_table_of_content(given) then
    self.attributes, self.names, self.count = split(tag, given)
  else
    self.children = { given }
  end
  return setmetatable(self, Element)
end

local function constructor(tag)
  return function(given)
    if IS_VOID[tag] and given ~= nil then
      local is_empty = is_table_of_content(given) and #given == 0
      if not is_empty then refuse("<%s> has attributes only: it cannot hold anything", tag) end
    end
    return make(tag, given)
  end
end

--- The constructor of an element that HTML does not have: a custom one ("my-chart"), or one of SVG ("path").
-- @tparam string name
-- @treturn function as html.div
function html.tag(name)
  if type(name) ~= "string" or not name:find "^%a[%w-]*$" then
    refuse("an element's name has letters, digits and hyphens, not %s", tostring(name))
  end
  return constructor(name)
end

--- Several things side by side, without an element around them.
-- @tparam table list
function html.fragment(list)
  if not is_table_of_content(list) then refuse("html.fragment takes a list, not a %s", type(list)) end
  local _, names, last = split("fragment", list)
  if names[1] then refuse("html.fragment takes a list: %s is no place in it", names[1]) end
  return setmetatable({ children = list, count = last }, Fragment)
end

--- Something for each item of a list.
-- @tparam table list
-- @tparam function fn item, place → what stands there, or nil
-- @treturn table a fragment
function html.each(list, fn)
  if type(list) ~= "table" then refuse("html.each takes a list, not a %s", type(list)) end
  if type(fn) ~= "function" then refuse("html.each takes a function of an item, not a %s", type(fn)) end
  local children = {}
  for i, item in ipairs(list) do
    meter.pay(1)
    children[i] = fn(item, i)
  end
  return setmetatable({ children = children, count = #list }, Fragment)
end

-- ---- writing -----------------------------------------------------------------------------------

local write

local function write_children(out, node, depth, code)
  for i = 1, node.count do write(out, node.children[i], depth, code) end
end

local function write_element(out, node, depth, code)
  if code then refuse("<%s> in a <%s>, which holds text only", node.tag, code) end
  if node.tag == "html" then out:add "<!doctype html>" end
  out:add("<" .. node.tag)
  write_attributes(out, node)
  out:add ">"
  if IS_VOID[node.tag] then return end
  -- the first line break in these is not shown
  if node.tag == "pre" or node.tag == "textarea" then out:add "\n" end
  write_children(out, node, depth, IS_CODE[node.tag] and node.tag)
  out:add("</" .. node.tag .. ">")
end

local function write_text(out, text, code)
  if code then refuse("text in a <%s>: mark it by html.raw, or give data by html.json", code) end
  out:add(escape(text))
end

local function write_raw(out, node, code)
  if code and node.text:lower():find("</" .. code, 1, true) then
    refuse("html.raw in a <%s> has the end of it inside", code)
  end
  out:add(node.text)
end

function write(out, node, depth, code)
  meter.pay(1)
  local kind = type(node)
  if node == nil or node == false then return end
  if kind == "string" or kind == "number" then return write_text(out, tostring(node), code) end
  if depth > DEPTH_MAX then refuse("a page is at most %d elements deep", DEPTH_MAX) end
  if kind == "function" then return write(out, node(), depth + 1, code) end
  local meta = kind == "table" and getmetatable(node)
  if meta == Raw then return write_raw(out, node, code) end
  if meta == Element then return write_element(out, node, depth + 1, code) end
  if meta == Fragment then return write_children(out, node, depth + 1, code) end
  if kind == "table" and meta == nil then return write(out, html.fragment(node), depth + 1, code) end
  -- decimals, symbols and what else Lion has
  if type(meta) == "table" and meta.__tostring then return write_text(out, tostring(node), code) end
  refuse("a page holds texts, numbers, elements, lists and functions, not a %s%s", kind,
    node == true and " (true)" or "")
end

-- ---- pages -------------------------------------------------------------------------------------

local Out = {}
Out.__index = Out

function Out:add(text)
  local size = self.size + #text
  self.size, self.count = size, self.count + 1
  self[self.count] = text
  if size > self.size_max then self:full() end
end

function Out:take()
  local text = table.concat(self, "", 1, self.count)
  for i = self.count, 1, -1 do self[i] = nil end
  self.size, self.count = 0, 0
  return text
end

local function too_large()
  local message = "a page has at most %d bytes in one text; html.stream has no such bound"
  anomaly.incorrect("lion/limit", message, SIZE_MAX)
end

local function new_out(size_max, full)
  return setmetatable({ size = 0, count = 0, size_max = size_max, full = full }, Out)
end

--- The text of an element, or of anything that stands in one.
-- @param node a text, a number, an element, a list, a function that gives one; nil and false are nothing
-- @treturn string
function html.render(node)
  local out = new_out(SIZE_MAX, too_large)
  write(out, node, 1, nil)
  return out:take()
end

--- The same as the body of a response that is sent while it is made: a function in it is called when its
-- place has come, and may wait.
-- @param node as of render
-- @treturn function the body
function html.stream(node)
  return function()
    local out = new_out(PIECE_SIZE, function(self) coroutine.yield(self:take()) end)
    write(out, node, 1, nil)
    return out:take()
  end
end

local TYPE = "text/html; charset=utf-8"

local PAGE = set_of "title lang head body status headers stream"

local function headers_of(given)
  local headers, has_type = {}, false
  if given ~= nil and type(given) ~= "table" then
    refuse("the headers of a page are a table, not a %s", type(given))
  end
  for name, value in pairs(given or NONE) do
    headers[name] = value
    has_type = has_type or type(name) == "string" and name:lower() == "content-type"
  end
  if not has_type then headers["content-type"] = TYPE end
  return headers
end

local function check_page(given)
  if not is_table_of_content(given) then refuse("html.page takes { title =, … }, not a %s", type(given)) end
  for name in pairs(given) do
    if type(name) ~= "number" and not PAGE[name] then
      local near = type(name) == "string" and nearest(name, PAGE)
      refuse("html.page knows no %s%s", tostring(name), near and (" (did you mean %s?)"):format(near) or "")
    end
  end
end

--- A whole page as a response.
-- @tparam table given what stands in the body, by place, and by name: title; lang ("en"); head (what else
-- stands there: links, styles); body (attributes of it); status, headers (of the response); stream = true
-- sends it while it is made
-- @treturn table a response
function html.page(given)
  check_page(given)
  local content = {}
  local _, _, last = split("page", given)
  for i = 1, last do content[i] = given[i] end
  local body = { html.fragment(content) }
  for name, value in pairs(given.body or NONE) do body[name] = value end
  local node = html.html {
    lang = given.lang or "en",
    html.head {
      html.meta { charset = "utf-8" },
      html.meta { name = "viewport", content = "width=device-width" },
      given.title and html.title(given.title),
      given.head,
    },
    html.body(body),
  }
  return {
    status = given.status,
    headers = headers_of(given.headers),
    body = given.stream and html.stream(node) or html.render(node) .. "\n",
  }
end

-- The elements, and for what is none a word of help.
for name in pairs(TAGS) do html[name] = constructor(name) end

return setmetatable(html, {
  __index = function(_, name)
    local near = type(name) == "string" and nearest(name, html)
    refuse("ion.html has no %s%s; html.tag makes elements of other names", tostring(name),
      near and (" (did you mean %s?)"):format(near) or "")
  end,
  __newindex = function(_, name)
    refuse("ion.html is the same for all: %s is not written into it", tostring(name))
  end,
})
