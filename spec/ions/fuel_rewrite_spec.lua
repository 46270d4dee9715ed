-- Rewritten programs do what the plain ones do, line for line.
-- luacheck: max line length 140 (a program stands on one line)
local fuel = require "ions.fuel"
local rewrite = require "ions.fuel.rewrite"

local function globals() return setmetatable({}, { __index = _G }) end

local function texts(...)
  local parts = {}
  for i = 1, select("#", ...) do parts[i] = tostring((select(i, ...))) end
  return table.concat(parts, " ")
end

local function plain(source, ...) return texts(pcall(assert(load(source, "=it", "t", globals())), ...)) end

local function counted(source, ...)
  return texts(fuel.budget({ steps = 1e7 }):call(assert(fuel.load(source, "=it", globals())), ...))
end

local function cost(source)
  local budget = fuel.budget { steps = 1e6 }
  assert(budget:call(assert(fuel.load(source, "=it", globals()))))
  return budget:cost()
end

local function read(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read "*a"
  file:close()
  return text
end

local function list_files(...)
  local pipe = assert(io.popen("find " .. table.concat({ ... }, " ") .. " -name '*.lua' 2>/dev/null | sort"))
  local files = {}
  for path in pipe:lines() do files[#files + 1] = path end
  pipe:close()
  return files
end

-- "first line:last line" of each function of a prototype, those inside first.
local function outline(proto)
  local util = require "jit.util"
  local lines, n = {}, -1
  while true do
    local constant = util.funck(proto, n)
    if constant == nil then break end
    if type(constant) == "proto" then lines[#lines + 1] = outline(constant) end
    n = n - 1
  end
  local info = util.funcinfo(proto)
  lines[#lines + 1] = info.linedefined .. ":" .. info.lastlinedefined
  return table.concat(lines, " ")
end

local function names(count, prefix)
  local list = {}
  for i = 1, count do list[i] = prefix .. i end
  return table.concat(list, ", ")
end

describe("A rewritten program", function()
  for _, case in ipairs {
    { "while", "local i = 0 while i < 3 do i = i + 1 if i == 2 then break end end return i" },
    { "repeat, whose condition sees its locals", "local n = 0 repeat local d = n > 3 n = n + 1 until d return n" },
    { "numeric for", "local s = 0 for i = 10, 1, -3 do s = s + i end return s" },
    { "generic for", "local s = 0 for _, v in ipairs { 1, 2, 3 } do s = s + v end return s" },
    { "a loop whose body begins with a bracket", "local t = {} while not t.x do (t).x = 1 end return t.x" },
    { "a function whose body begins with a bracket", "local t = {} local function f() (t).x = 2 end f() return t.x" },
    { "if and else", "local function f(x) if x == 1 then return 'a' elseif x == 2 then return 'b' else return 'c' end"
      .. " end return f(1), f(2), f(3)" },
    { "varargs of the chunk", "return select('#', ...), ..." },
    { "varargs of a function", "local function f(a, ...) return select('#', ...), ... end return f(1, nil, 3, nil)" },
    { "methods and self", "local t = { x = 5 } function t:get(y) return self.x + y end return t:get(2), t.get(t, 3)" },
    { "a.b.c:d()", "local a = { b = { c = {} } } function a.b.c:d() return self == a.b.c end return a.b.c:d()" },
    { "local function and recursion", "local function f(n) if n < 2 then return 1 end return n * f(n - 1) end return f(10)" },
    { "tail calls, a million deep", "local function f(n) if n == 0 then return 'end' end return f(n - 1) end return f(1e6)" },
    { "goto forward (continue)", "local s = 0 for i = 1, 5 do if i % 2 == 0 then goto on end s = s + i ::on:: end return s" },
    { "goto back", "local i = 0 ::top:: i = i + 1 if i < 5 then goto top end return i" },
    { "goto out of nested loops", "local n = 0 for i = 1, 3 do for j = 1, 3 do n = n + 1 if j == 2 then goto out end end end"
      .. " ::out:: return n" },
    { "goto back behind an expression", "local i, f = 0, tostring ::top:: i = i + 1 local x = f if i < 3 then x = f goto top"
      .. " end return i, x == f" },
    { "labels of one name in blocks apart", "local n = 0 do ::a:: n = n + 1 if n < 2 then goto a end end"
      .. " do goto a n = 100 ::a:: end return n" },
    { "goto as a name", "local goto = 3 goto = goto + 1 return goto" },
    { "escapes", [[return "\65\x42\u{43}\z
                    d\
e\"\'\\", 'a"b']] },
    { "long strings", "return [[\na]] .. [==[ ]] ]==], #[[\r\n]]" },
    { "comments that hold code", "--[[ while true do end ]] local x = 1 --[=[ ]] ]=] -- while true do\nreturn x" },
    { "numbers", "return 0x10, 0x.8p1, 1e3, .5, 3., 0xA, 1e-2, 7LL, 8ULL, 0x7fULL, tostring(2i)" },
    { "operators", "return 1 + 2 * 3 ^ 2 ^ 0.5 - -4 % 3, 'a' .. 'b' .. 1, not nil == true, #'abc', 1 < 2 and 3 or 4" },
    { "tables", "local t = { 1, 2; x = 3, [4] = 5, [ [[y]] ] = 6, (function() return 7, 8 end)() }"
      .. " return #t, t.x, t[4], t.y, t[3]" },
    { "calls without brackets", "local function f(x) return type(x) == 'table' and x[1] or x end return f{ 1 }, f'a', f[[b]]" },
    { "closures of a loop", "local t = {} for i = 1, 3 do t[i] = function() i = i + 1 return i end end"
      .. " return t[1](), t[1](), t[2](), t[3]()" },
    { "coroutines", "local co = coroutine.wrap(function(a) local b = coroutine.yield(a + 1) return b * 2 end)"
      .. " return co(1), co(10)" },
    { "iterators of one's own", "local function up(n, i) if i < n then return i + 1 end end local s = 0"
      .. " for i in up, 4, 0 do s = s + i end return s" },
    { "metamethods", "local t = setmetatable({}, { __index = function(_, k) return k .. '!' end,"
      .. " __call = function(_, x) return x end }) return t.a, t(5)" },
    { "errors with places", "local function f()\n error 'x' end\n\n f()" },
    { "errors that name a variable", "local t = {}\nreturn t.x.y" },
    { "errors that name a global", "\n\nundefined_function()" },
    { "errors with levels", "local function f() error('deep', 2) end\n\nlocal function g()\n f() end g()" },
    { "pcall and xpcall", "return pcall(error, { 1 }) and 1 or 2, xpcall(function() error 'a' end, function(e) return e end)" },
    { "the counting names as the user's own", "local lion_step = 5 lion_step2 = 6 for i = 1, 2 do end"
      .. " return lion_step, lion_step2" },
    { "a shebang", "#!/usr/bin/env lion\nreturn 1, select('#', ...)" },
    { "a byte order mark", "\239\187\191return 1" },
    { "both", "\239\187\191#!lion\n\nerror 'line 3'" },
    { "an end in a comment", "return 1 --the end" },
    { "nothing", "" },
    { "a return that stands alone", "do return end" },
    { "semicolons", "local a = 1; local b = 2; return a + b;" },
    { "\\r\\n", "local x = 1\r\n\r\nerror 'line 3'" },
    { "a reader's view of the stack", "local function f() return debug.getinfo(1, 'n').name end return (f()), 1" },
    { "environments", "local function f() return y end setfenv(f, { y = 4 }) return f()" },
  } do
    it("does as the plain one: " .. case[1], function()
      assert.equal(plain(case[2], 1, nil), counted(case[2], 1, nil))
    end)
  end

  it("counts turns, entries and jumps back", function()
    for _, case in ipairs {
      { 1, "" },
      { 11, "for i = 1, 10 do end" },
      { 11, "local i = 0 while i < 10 do i = i + 1 end" },
      { 11, "local i = 0 repeat i = i + 1 until i == 10" },
      { 11, "for _ in ('x'):rep(10):gmatch '.' do end" },
      { 11, "local i = 0 ::top:: i = i + 1 if i <= 10 then goto top end" },
      { 11, "local function f() end for i = 1, 5 do f() end" },
      { 1, "goto on ::on::" },
      { 1, "local function never() end" },
    } do
      assert.equal(case[1], cost(case[2]), case[2])
    end
  end)

  it("costs the same each time, compiled or not", function()
    local source = "local s = 0 for i = 1, 3000 do for _, v in ipairs { 1, 2 } do s = s + v end end"
    local first = cost(source)
    assert.equal(first, cost(source))
    local jit = require "jit"
    jit.off()
    local interpreted = cost(source)
    jit.on()
    assert.equal(first, interpreted)
    assert.equal(9001, first)
  end)

  it("may have 60 upvalues, and counts in functions inside such a one", function()
    local locals = names(60, "u")
    for _, count in ipairs { 58, 59, 60 } do
      local source = "local " .. locals .. "\nlocal function f() local x = { " .. names(count, "u")
        .. " } for i = 1, 10 do end return (function() for i = 1, 10 do end return #x end)() end return f()"
      assert.equal(plain(source), counted(source))
      assert.equal(23, cost(source))
    end
  end)

  it("jumps back in a function of 60 upvalues, behind an expression", function()
    local source = "local " .. names(60, "u") .. " = tostring\nlocal function f() local x, i = { " .. names(60, "u")
      .. " }, 0 ::top:: i = i + 1 if i < 4 then x = u1 goto top end return i, x == u1 end return f()"
    assert.equal(plain(source), counted(source))
    assert.equal(5, cost(source))
  end)

  it("may have 200 locals", function()
    local source = "local " .. names(200, "v") .. " for i = 1, 0 do end"
    assert.is_nil(load(source)) -- the loop's own locals are too many
    source = "local " .. names(195, "v") .. " = 1\nfor i = 1, 3 do v2 = i end local function f() end f() return v1, v2"
    assert.equal(plain(source), counted(source))
    source = "local function f(" .. names(199, "v") .. ") local w = 1 while w < 5 do w = w + 1 end return w end return f()"
    assert.equal(plain(source), counted(source))
  end)

  it("keeps the lines in tracebacks", function()
    local source = "\nlocal function f()\n  while true do\n    error(debug.traceback 'here', 0)\n  end\nend\n\nf()"
    local text = counted(source)
    assert.truthy(text:find("it:4: in function 'f'", 1, true))
    assert.truthy(text:find("it:8: in function", 1, true))
  end)

  it("is told in LuaJIT's words when it is no Lua", function()
    for _, source in ipairs { "x = = 1", "for", "\n\nlocal 1", "goto nowhere", "break", "return return", "x = 'abc",
                              "--[[ x", "return ...)", "local function f() return ... end" } do
      local _, expected = load(source, "@shop.lua", "t")
      local fn, message = fuel.load(source, "@shop.lua")
      assert.is_nil(fn)
      assert.equal(expected, message)
    end
  end)

  it("is text of a limited size", function()
    local fn, message = fuel.load((" "):rep(rewrite.SOURCE_MAX + 1), "@big.lua")
    assert.is_nil(fn)
    assert.truthy(message:find("big.lua: 4194305 bytes", 1, true))
    fn, message = fuel.load(string.dump(function() end), "@code.lua")
    assert.is_nil(fn)
    assert.truthy(message:find("wrong mode", 1, true))
  end)

  it("has the functions of the plain one, on the same lines: all of our sources", function()
    local files = list_files("lua", "ions", "stdlib", "spec", "examples", "bench")
    assert.truthy(#files > 50)
    for _, path in ipairs(files) do
      local source = read(path)
      local rewritten = assert(rewrite.source(source, "@" .. path))
      local expected = outline((assert(load(source, "@" .. path))))
      local found = outline((assert(load(rewritten, "@" .. path))))
      -- behind it stand the program itself and what returns it, which have the lines of the rewriting
      local body = expected:gsub("%S+$", "")
      assert.equal(body, found:sub(1, #body), path)
    end
  end)
end)

-- Run a check with modules loaded afresh, by `loader`; returns what the check returned.
local function with_modules(prefix, folder, loader, check)
  local loaded = {}
  local function fresh_require(name)
    if name ~= prefix and name:sub(1, #prefix + 1) ~= prefix .. "." then return require(name) end
    if loaded[name] == nil then
      local base = folder .. "/" .. name:gsub("%.", "/")
      local source = read(base .. ".lua") or assert(read(base .. "/init.lua"), "no module " .. name)
      local env = setmetatable({ require = fresh_require }, { __index = _G })
      loaded[name] = true
      local value = assert(loader(source, "@" .. name, env))(name)
      if value ~= nil then loaded[name] = value end
    end
    return loaded[name]
  end
  return check(fresh_require)
end

local function plain_loader(source, chunkname, env) return load(source, chunkname, "t", env) end

local function both(prefix, folder, check)
  local expected = with_modules(prefix, folder, plain_loader, check)
  local found = with_modules(prefix, folder, fuel.load, check)
  assert.same(expected, found)
  return found
end

local SYSTEM = "/usr/share/lua/5.1"

describe("A rewritten library", function()
  it("works as the plain one: our EDN, routes and names", function()
    local found = both("lion.edn", "lua", function(require)
      local edn = require "lion.edn"
      return { edn.read "{:a [1 2.5 \"x\\n\"] :b #{1 2}}", select(2, pcall(edn.read, "[1 2")).message }
    end)
    assert.equal(2, #found)
    both("ions.route", "ions", function()
      return with_modules("route", "ions/lua", fuel.load, function(require)
        local router = require "route".new { { "GET", "/a/:b", "x" }, { "GET", "/a/*c", "y" } }
        return { router:find("GET", "/a/1"), router:find("GET", "/a/1/2"), router:find("PUT", "/a/1") }
      end)
    end)
  end)

  it("works as the plain one: lpeg's re", function()
    if not read(SYSTEM .. "/re.lua") then return pending "no re.lua: install Debian's lua-lpeg" end
    local found = both("re", SYSTEM, function(require)
      local re = require "re"
      return {
        re.match("a, b,c", "{| {%w+} (',' %s* {%w+})* |}"),
        re.compile([[ balanced <- "(" ([^()] / balanced)* ")" ]]):match "(a(b)c)",
        re.find("hello world", "'wor' {.}"),
        re.gsub("hello world", "[aeiou]", "."),
        re.match("3 + 4", [[ sum <- {| {:left: %d+ :} ' + ' {:right: %d+ :} |} ]]),
        { pcall(re.compile, "a <- (") },
      }
    end)
    assert.same({ "a", "b", "c" }, found[1])
  end)

  it("works as the plain one: Penlight", function()
    if not read(SYSTEM .. "/pl/init.lua") then return pending "no Penlight: install Debian's lua-penlight" end
    local found = both("pl", SYSTEM, function(require)
      local List, OrderedMap, pretty = require "pl.List", require "pl.OrderedMap", require "pl.pretty"
      local stringx, tablex, seq = require "pl.stringx", require "pl.tablex", require "pl.seq"
      local class, lexer, template = require "pl.class", require "pl.lexer", require "pl.template"
      local Animal = class()
      function Animal:_init(name) self.name = name end
      local Dog = class(Animal)
      function Dog:speak() return self.name .. " barks" end
      local map = OrderedMap()
      map:set("z", 1)
      map:set("a", 2)
      local tokens = {}
      for kind, value in lexer.lua "local x = 'a' .. 10 --c" do tokens[#tokens + 1] = kind .. ":" .. value end
      return {
        tostring(List { 3, 1, 2 }:sort():map(function(x) return x * 2 end)),
        pretty.write({ 1, { a = "b", [true] = 2 }, "x" }, ""), pretty.read "{ 1, { a = 2 } }",
        stringx.split("a,b,,c", ","), stringx.title "hello world", stringx.center("x", 5, "*"),
        tablex.merge({ a = 1 }, { b = 2 }, true), tablex.deepcompare({ 1, { 2 } }, { 1, { 2 } }),
        seq.copy(seq.filter(seq.range(1, 10), function(x) return x % 3 == 0 end)),
        Dog("Rex"):speak(), map:keys(), tokens,
        template.substitute("# for i = 1, 2 do\n$(i) $(name)\n# end\n", { name = "x" }),
        require "pl.Date" { year = 2026, month = 1, day = 2, hour = 0 }:year(),
        require "pl.data".read(require "pl.stringio".open "x y\n1 2\n3 4\n"):column_by_name "y",
        tostring(require "pl.Set" { 1, 2 } + require "pl.Set" { 2, 3 }):len(),
        require "pl.comprehension".new() "x ^ 2 for x = 1, 3" (),
        require "pl.sip".match("$v{name} = $d{n}", "a = 10", {}) and "matched",
        require "pl.text" and require "pl.xml".parse "<a b='1'><c/>text</a>":get_elements_with_name "c" [1].tag,
        require "pl.lapp" and require "pl.utils".escape "a.b*",
      }
    end)
    assert.equal("{2,4,6}", found[1])
    for _, path in ipairs(list_files(SYSTEM .. "/pl")) do
      assert(load((assert(rewrite.source(read(path), "@" .. path)))))
    end
  end)
end)
