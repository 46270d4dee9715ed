--- The application that the specs of a node deploy: a manifest and two modules, and what a spec changes
-- in them.
local application = {}

local MANIFEST = [[
return {
  app = "shop",
  allow = { "shop.tx/visit", "shop.tx/attack", "shop.tx/positive", ALLOW },
  http = {
    { "GET", "/", "shop.web/home" },
    { "POST", "/setup", "shop.web/setup" },
    { "POST", "/visit", "shop.web/visit" },
    { "POST", "/pay", "shop.web/pay" },
    { "POST", "/call/:name", "shop.web/call" },
    { "GET", "/count", "shop.web/count" },
    { "GET", "/numbers", "shop.web/numbers" },
    { "GET", "/attack/:name", "shop.web/attack", timeout = 300 },
    { "GET", "/odd/:name", "shop.web/odd" },
    PATHS
  },
  static = { ["/files"] = "files" },
  invoke = { double = "shop.web/double", NAMED },
  EXTRA
}
]]

local WEB = [==[
local ion = require "ion"
local lion = require "lion"
local attacks = require "shop.tx".attacks
local web = {}
function web.home() return "VERSION" end
function web.double(n) return n * 2 end

function web.setup()
  local schema = { visit = { number = { "long", unique = "identity" } }, pay = { number = "long" } }
  ion.connect():transact(lion.schema(schema))
  return "ok"
end
-- a fact of its own for each number
function web.visit(request)
  local report = ion.connect():transact { { ["visit/number"] = tonumber(request.body) } }
  return tostring(report.t)
end
-- the same id again writes nothing
function web.pay(request)
  local tx = { { ["pay/number"] = tonumber(request.body) } }
  local report = ion.connect():transact(tx, { id = request.headers["x-id"] })
  return tostring(report.t)
end
-- a transaction function
function web.call(request)
  local tx = { { "shop.tx/" .. request.params.name, request.body } }
  local report = ion.connect():transact(tx, { timeout_ms = 300 })
  return tostring(report.t)
end
function web.count(request) return tostring(ion.db():count("aevt", request.query.of)) end
function web.numbers(request)
  local list = {}
  for datom in ion.db():datoms("aevt", request.query.of) do list[#list + 1] = datom.v end
  return table.concat(list, " ")
end
function web.attack(request) return tostring(attacks[request.params.name]()):sub(1, 100) end

local odd = {
  ["status-99"] = { status = 99 },
  ["status-1000"] = { status = 1000 }, ["status-text"] = { status = "ok" },
  ["status-half"] = { status = 200.5 },
  ["status-nan"] = { status = 0 / 0 }, ["status-101"] = { status = 101 },
  ["header-break"] = { headers = { ["x-a"] = "b\r\nset-cookie: stolen=1" }, body = "" },
  ["header-line"] = { headers = { ["x-a"] = "b\nx-c: d" }, body = "" },
  ["header-name"] = { headers = { ["x-a: b\r\nx-c"] = "d" }, body = "" },
  ["header-zero"] = { headers = { ["x-a"] = "b\0c" }, body = "" },
  ["header-table"] = { headers = "x-a: b", body = "" },
  ["body-number"] = { body = 7 }, ["body-true"] = { body = true },
  ["body-function"] = { body = { [1] = function() end } },
  ["body-self"] = { body = (function() local t = {} t.t = t return t end)() },
  ["body-nan"] = { body = { 0 / 0 } },
  ["key"] = { text = "?" }, ["empty"] = {}, ["number"] = 7, ["true"] = true,
}
function web.odd(request)
  local name = request.params.name
  if name == "nothing" then return nil end
  if name == "throws-nil" then error(nil) end
  if name == "throws-table" then error { 1, 2 } end
  if name == "throws-object" then
    error(setmetatable({}, { __tostring = function() error "again" end }))
  end
  if name == "lengths" then
    local headers = { ["content-length"] = "3", ["transfer-encoding"] = "chunked" }
    return { headers = headers, body = "12345" }
  end
  if name == "piece" then return { body = function() coroutine.yield "a" coroutine.yield {} end } end
  return odd[name]
end
return web
]==]

local TX = [==[
local tx = {}
function tx.visit(_, number) return { { ["visit/number"] = tonumber(number) } } end
function tx.positive(_, number)
  if tonumber(number) < 0 then error "a number below zero" end
  return { { ["visit/number"] = tonumber(number) } }
end
function tx.attack(_, name)
  tx.attacks[name]()
  return { { ["db/doc"] = "attacked" } }
end

local attacks = {}
tx.attacks = attacks
local function forever() while true do end end
function attacks.loop() local n = 0 while true do n = n + 1 end end
function attacks.pcall_loop() while true do pcall(forever) end end
function attacks.xpcall_handler() xpcall(error, forever) end
function attacks.xpcall_handler_loop() while true do xpcall(forever, forever) end end
function attacks.find() return string.find(("a"):rep(28), ("a*"):rep(28) .. "b") end
function attacks.find_again() while true do pcall(string.find, ("a"):rep(28), ("a*"):rep(28) .. "b") end end
function attacks.rep() return #("x"):rep(1e10) end
function attacks.rep_again() local t = {} while true do t[#t + 1] = ("x"):rep(1e6) .. #t end end
function attacks.format()
  local f = ("%"):rep(50000)
  while true do pcall(f.format, f) end
end
function attacks.gsub() local s = ("a"):rep(1e6) while true do s:gsub("a", "bb"):gsub("bb", "a") end end
function attacks.gsub_callback() return (("a"):rep(1e6):gsub("a", forever)) end
function attacks.concat()
  local t = {}
  for i = 1, 1e5 do t[i] = ("x"):rep(1000) end
  while true do table.concat(t) end
end
function attacks.sort()
  local t = {}
  for i = 1, 1e5 do t[i] = i end
  table.sort(t, forever)
end
function attacks.sort_liar()
  local t = {}
  for i = 1, 1e5 do t[i] = i end
  while true do pcall(table.sort, t, function() return true end) end
end
function attacks.tables() local t = {} while true do t[#t + 1] = { {}, {} } end end
function attacks.strings() local s = "x" while true do s = s .. s end end
function attacks.strings_caught()
  local t = {}
  while true do pcall(function() t[#t + 1] = ("x"):rep(1e6) .. #t end) end
end
function attacks.recursion() local function f(n) return 1 + f(n + 1) end return f(1) end
function attacks.recursion_caught() local function f() pcall(f) return 1 + f() end return f() end
function attacks.wrap() while true do coroutine.wrap(forever)() end end
function attacks.wrap_deep() local function f() return coroutine.wrap(f)() end return f() end
function attacks.wrap_many() local t = {} while true do t[#t + 1] = coroutine.wrap(forever) end end
function attacks.tostring() error(setmetatable({}, { __tostring = forever })) end
function attacks.index() local t = setmetatable({}, { __index = forever }) return t.x end
function attacks.load() while true do load "while true do end" end end
return tx
]==]

--- Changes: a check that gives time to act, some tenths of a second.
application.SLOW = {
  manifest = 'checks = { "shop.web/slow" }',
  web = "function web.slow() local n = 0 for i = 1, 1e8 do n = n + i end return n > 0 end",
}

-- A text with more before its last line.
local function with(text, more, last)
  return (text:gsub(last, function() return (more or "") .. "\n" .. last end))
end

--- The files, of a version.
-- @tparam string version what GET / answers
-- @tparam[opt] table changes manifest: more of it; allow, http, invoke: more in these; web, tx: more of
-- the modules; files: path → text
function application.files(version, changes)
  changes = changes or {}
  local words = { EXTRA = changes.manifest or "", ALLOW = changes.allow or "", NAMED = changes.invoke or "",
    PATHS = changes.http or "" }
  local files = {
    ["ion.lua"] = MANIFEST:gsub("%u%u%u%u%u", words),
    ["shop/web.lua"] = with(WEB:gsub("VERSION", version), changes.web, "return web\n"),
    ["shop/tx.lua"] = with(TX, changes.tx, "return tx\n"),
    ["files/small.txt"] = "0123456789",
  }
  for path, text in pairs(changes.files or {}) do
    files[path] = text
  end
  return files
end

return application
