-- What a program sees of Lua, and what it cannot do with it.
-- luacheck: max line length 140 (a program stands on one line)
local environment = require "ions.fuel.environment"
local fuel = require "ions.fuel"
local text = require "ions.fuel.text"

-- LuaJIT's own functions: the spec's strings have the bounded ones as methods.
local own = string

local function run(source, options, env)
  local fn = assert(fuel.load(source, "@it.lua", env or environment.new()))
  local budget = fuel.budget(options or { steps = 1e6 })
  return budget, budget:call(fn)
end

local function results(source, env)
  local found = { run(source, nil, env) }
  return unpack(found, 2, table.maxn(found))
end

local function error_of(source, options, env)
  local _, ok, e = run(source, options, env)
  assert.is_false(ok)
  return e
end

describe("A program's globals", function()
  it("reach nothing outside", function()
    local env = environment.new()
    for _, name in ipairs { "collectgarbage", "debug", "dofile", "ffi", "gcinfo", "getfenv", "io", "jit", "loadfile", "lpeg",
                            "module", "newproxy", "os", "package", "require", "setfenv" } do
      assert.is_nil(env[name], name)
    end
    assert.is_nil(env.string.dump)
    assert.same({ true, nil }, { results "return ('').dump" })
  end)

  it("lead to no function that does, by whatever table", function()
    local forbidden = { [load] = true, [loadstring] = true, [dofile] = true, [loadfile] = true, [getfenv] = true, [setfenv] = true,
      [string.dump] = true, [collectgarbage] = true, [newproxy] = true, [rawset] = true, [pcall] = true, [require] = true }
    for _, library in ipairs { io, os, debug, package, require "ffi", require "jit" } do
      for _, value in pairs(library) do
        if type(value) == "function" then forbidden[value] = true end
      end
    end
    local seen, queue = {}, { environment.new(), "" }
    while #queue > 0 do
      local value = table.remove(queue)
      assert.is_nil(forbidden[value])
      if (type(value) == "table" or type(value) == "string") and not seen[value] then
        seen[value] = true
        local meta = getmetatable(value)
        if type(meta) == "table" then queue[#queue + 1] = meta end
        if type(value) == "table" then
          local hidden = debug.getmetatable(value)
          local content = hidden and type(hidden.__index) == "table" and hidden.__index or value
          for key, inner in pairs(content) do
            queue[#queue + 1] = key
            queue[#queue + 1] = inner
          end
        end
      end
    end
  end)

  it("cannot be replaced through their metatables", function()
    assert.same({ true, "protected", "string", false },
      { results "return getmetatable(_G), getmetatable '', (pcall(setmetatable, _G, {}))" })
  end)

  it("can be written while the program is loaded, and no more when it is frozen", function()
    local env = environment.new()
    assert.same({ true, 5, 5, 5 }, { results("x = 5 string.twice = function(s) return s .. s end return x, _G.x, rawget(_G, 'x')", env) })
    environment.freeze(env)
    for _, source in ipairs { "x = 6", "y = 1", "_G.x = 6", "rawset(_G, 'x', 6)", "string.rep = nil", "function z() end",
                              "load('x = 7')()", "rawset(math, 'pi', 3)" } do
      assert.equal("lion/frozen", error_of(source, nil, env).code)
    end
    assert.same({ true, 5, "aa" }, { results("return x, string.twice 'a'", env) })
    assert.equal("it.lua:2: the global count is written after the program was loaded; make it a local of its module",
      error_of("\ncount = 1", nil, env).message)
  end)

  it("are those of one program", function()
    local first = environment.new()
    results("x = 1 math.tau = 6", first)
    assert.same({ true, nil, nil }, { results "return x, math.tau" })
  end)

  it("are counted by pairs", function()
    assert.same({ true, true }, { results "local seen = {} for k, v in pairs(_G) do seen[k] = v end return seen.pairs == pairs" })
  end)

  it("take what the host gives", function()
    local env = environment.new { answer = 42, math = { random = function() return 4 end } }
    assert.same({ true, 42, 4, 3 }, { results("return answer, math.random(), math.floor(3.5)", env) })
  end)

  it("are told by name", function()
    local names = environment.names(environment.new { os = { time = os.time } })
    assert.is_true(names.print)
    assert.is_true(names.string.rep)
    assert.is_true(names.os.time)
    assert.is_nil(names.io)
    assert.is_nil(names.string.dump)
  end)
end)

describe("load in a program", function()
  it("counts the loaded program's steps", function()
    for _, source in ipairs { "load 'while true do end' ()", "loadstring('while true do end')()",
                              "local f = load('return function() while true do end end')() while true do pcall(f) end",
                              "local n = 0 load(function() n = n + 1 return n == 1 and 'while true do end' or nil end)()" } do
      assert.equal("lion/fuel", error_of(source).code)
    end
  end)

  it("takes an environment, arguments and a name", function()
    assert.same({ true, 3, 7 }, { results "return load('return x, ...', '=n', 't', { x = 3 })(7)" })
    assert.same({ true, "n:1: x" }, { results "return select(2, pcall(load(\"error 'x'\", '=n')))" })
  end)

  it("takes text only", function()
    for _, source in ipairs { "return load('\\27LJ')", "return load('return 1', 'n', 'b')", "return load(5)",
                              "local n = 0 return load(function() n = n + 1 return n == 1 and '\\27LJ' or nil end)" } do
      local ok, fn, message = results(source)
      assert.is_true(ok)
      assert.is_nil(fn)
      assert.equal("string", type(message))
    end
  end)

  it("says what is wrong with the text", function()
    assert.same({ true, nil, "n:1: unexpected symbol near '='" }, { results "return load('x = =', '=n')" })
  end)

  it("costs by the length of the text", function()
    assert.equal("lion/fuel", error_of("while true do load(('x = 1 '):rep(1000)) end", { steps = 50000 }).code)
  end)
end)

describe("A text function", function()
  local function outcome(fn, ...)
    local values = { pcall(fn, ...) }
    local count = table.maxn(values)
    for i = 1, count do values[i] = tostring(values[i]) end
    if values[1] == "false" then values[2] = own.gsub(values[2], "^[^ ]*:%d+: ", "") end
    return table.concat(values, "|", 1, count)
  end

  -- Random texts and patterns: the seed is in the message.
  it("does as LuaJIT's own", function()
    local seed = tonumber(os.getenv "LION_SEED") or 20260101
    math.randomseed(seed)
    local items = { "a", "b", ".", "%a", "%d", "%s", "%w", "%p", "%A", "%z", "[ab]", "[^a]", "[a-c]", "[%a_]", "[]]", "[^]]", "[a-]",
      "%.", "%%", "%f[a]", "%bab", "(", ")", "(a)", "(.-)", "()", "%1", "$", "^", "%", "[", "*", "-", "%g" }
    local repeats = { "", "", "", "*", "+", "-", "?" }
    local characters = { "a", "b", "c", "a", "(", ")", " ", "1", "_", ".", "]", "-", "%", "\0", "\200" }
    local function join(parts, other, most)
      local list = {}
      for i = 1, math.random(0, most) do list[i] = parts[math.random(#parts)] .. (other and other[math.random(#other)] or "") end
      return table.concat(list)
    end
    local function all(s, p)
      local found = {}
      for a, b in text.gmatch(s, p) do found[#found + 1] = tostring(a) .. tostring(b) end
      return table.concat(found, ",")
    end
    local function all_own(s, p)
      local found = {}
      for a, b in own.gmatch(s, p) do found[#found + 1] = tostring(a) .. tostring(b) end
      return table.concat(found, ",")
    end
    local replacements = { "x", "<%0>", "%1%1", "%%", "%2", { a = "A", b = false }, function(c) return c ~= "a" and c or nil end, 5 }
    for _ = 1, 5000 do
      local s, p = join(characters, nil, 12), join(items, repeats, 5)
      local init, plain = math.random(-14, 14), math.random(5) == 1
      local replacement, most = replacements[math.random(#replacements)], math.random(3) == 1 and math.random(0, 3) or nil
      local case = ("seed %d: %q %q %d"):format(seed, s, p, init)
      assert.equal(outcome(own.find, s, p, init, plain), outcome(text.find, s, p, init, plain), case)
      assert.equal(outcome(own.match, s, p, init), outcome(text.match, s, p, init), case)
      assert.equal(outcome(all_own, s, p), outcome(all, s, p), case)
      local replaced = outcome(text.gsub, s, p, replacement, most)
      if replaced ~= "false|unfinished capture" then -- which LuaJIT says only if the capture is asked for
        assert.equal(outcome(own.gsub, s, p, replacement, most), replaced, case)
      end
      assert.equal(outcome(own.sub, s, init, most), outcome(text.sub, s, init, most), case)
      assert.equal(outcome(own.rep, s, most, p), outcome(text.rep, s, most, p), case)
    end
  end)

  it("does as LuaJIT's own with numbers, and with wrong arguments", function()
    for _, case in ipairs {
      { "find", 1234, 23 }, { "match", 12, "%d" }, { "gsub", 112, 1, 3 }, { "rep", 5, 3 }, { "rep", "x", -1 }, { "rep", "x", "3" },
      { "sub", "hello", 2, -2 }, { "sub", "hello" }, { "format", "%5.2f %s %q %d", 1.5, "a", "b\n", 3 }, { "format", "%s", nil },
      { "format", "%y", 1 }, { "format", 5 }, { "gsub", "x", "x", true }, { "find", {}, "x" }, { "match", "x", {} }, { "upper", "aé" },
      { "format", ("%s"):rep(200), unpack(own.rep("x", 200):gsub(".", "%0 ") and {}) }, { "gsub", "x", "x", "y", {} },
      { "gsub", "abc", "%w", "%9" }, { "gsub", "abc", "b", function() return {} end }, { "find", "a.b", ".", 1, true }, { "find", "", "" },
      { "find", "abc", "", 10 }, { "match", "abc", "()", 4 }, { "reverse", "abc" }, { "gsub", "hello world", "", "-" },
      { "gsub", "abc", "b", "%" }, { "gsub", "abc", "(b)(c)", "%2%1%0%%%x" }, { "gsub", "abc", "%w", "%0%0", 2 },
      { "gsub", "abc", "^a", "x" },
      { "gsub", "aaa", "^a", "x", 5 }, { "gsub", "abc", "()b", "%1" }, { "gsub", "abc", "x*", "-" }, { "gsub", "", "", "x" },
    } do
      local name = case[1]
      local a, b = outcome(own[name], unpack(case, 2, table.maxn(case))), outcome(text[name], unpack(case, 2, table.maxn(case)))
      assert.equal(a:gsub("'%?'", "'" .. name .. "'"):sub(1, 24), b:gsub("'%?'", "'" .. name .. "'"):sub(1, 24))
    end
  end)

  it("finds long pieces in long texts in linear time", function()
    local s = ("a"):rep(200000)
    assert.same({ true, nil }, { results("return (('a'):rep(1000000)):find(('a'):rep(500000) .. 'b', 1, true)") })
    assert.same({ 199001, 200000 }, { text.find(s .. "b", ("a"):rep(999) .. "b", 1, true) and 199001, 200000 })
  end)

  it("tells the place of the program in its errors", function()
    assert.equal("it.lua:2: malformed pattern (missing ']')", error_of "\nlocal x = ('x'):find '[a'")
    assert.equal("it.lua:3: bad argument #1 to 'find' (string expected, got nil)", (error_of "\n\nlocal x = string.find(nil, 'a')"
      :gsub("no value", "nil")))
  end)

  it("has its place among the methods", function()
    assert.same({ true, "lion/limit" }, { results "return select(2, pcall(function() return ('x'):rep(1e12) end)).code" and true,
      error_of("local s = ('x'):rep(1e12)").code })
  end)
end)

describe("No library function outruns the budget", function()
  for _, case in ipairs {
    { "a pattern that is exponential", "local x = ('a'):rep(30):find(('.-'):rep(20) .. 'b')" },
    { "such a pattern in a loop of pcalls", "while true do pcall(string.find, ('a'):rep(30), ('.-'):rep(20) .. 'b') end" },
    { "match", "local x = ('a'):rep(28):match(('a*'):rep(28) .. 'b')" },
    { "gmatch", "for x in ('a'):rep(28):gmatch(('a*'):rep(28) .. 'b') do end" },
    { "gsub", "local x = ('a'):rep(28):gsub(('a*'):rep(28) .. 'b', '')" },
    { "gsub of a long text", "local s = ('x'):rep(1e7) while true do s = s:gsub('x', 'x') end" },
    { "a frontier and a balance", "local s = ('('):rep(1e5) while true do local x = s:find '%b()' end" },
    { "copies", "local s = ('x'):rep(1e6) while true do local u = s:upper() end" },
    { "pieces", "local s = ('x'):rep(1e6) while true do local u = s:sub(2) end" },
    { "repetitions", "while true do local s = ('x'):rep(1e7) end" },
    { "formats", "local s = ('x'):rep(1e7) while true do local u = ('%s'):format(s) end" },
    { "joins", "local t = {} for i = 1, 1000 do t[i] = i end while true do local s = table.concat(t) end" },
    { "insertion at the front", "local t = {} while true do table.insert(t, 1, 0) end" },
    { "removal at the front", "local t = {} for i = 1, 90000 do t[i] = i end while true do table.remove(t, 1) table.insert(t, 1) end" },
    { "table.move", "table.move({}, 1, 1e12, 2)" },
    { "table.sort", "local t = {} for i = 1, 20000 do t[i] = -i end while true do table.sort(t) end" },
    { "table.maxn", "local t = {} for i = 1, 20000 do t[i] = i end while true do table.maxn(t) end" },
  } do
    it(case[1], function()
      local began = os.clock()
      local e = error_of(case[2], { steps = 200000 })
      assert.is_true(e.code == "lion/fuel" or e.code == "lion/limit")
      assert.is_true(os.clock() - began < 30) -- it ends at all
    end)
  end

  it("makes no text beyond its size", function()
    for _, source in ipairs { "local s = ('x'):rep(1e12)", "local s = ('xy'):rep(1e8, ', ')",
                              "local t = {} for i = 1, 1000 do t[i] = ('x'):rep(1e5) end local s = table.concat(t)",
                              "local t = { 1, 2 } local s = table.concat(t, ('x'):rep(6.6e7)) s = table.concat({ s, s })",
                              "local x = ('x'):rep(3e7) local s = ('%s%s%s'):format(x, x, x)",
                              "local x = ('x'):rep(1e6) local s = x:gsub('x', ('y'):rep(1000))" } do
      assert.equal("lion/limit", error_of(source, { steps = 1e8 }).code)
    end
  end)

  it("and no format crashes the compiler", function()
    assert.same({ true, "done" }, { results "local f = ('%'):rep(5000) for i = 1, 200 do pcall(f.format, f) end return 'done'" })
  end)
end)

describe("A protected call in a program", function()
  it("hands on everything but a stop", function()
    assert.same({ true, false, { 5 } }, { results "return pcall(error, { 5 })" })
    assert.same({ true, true, 1, nil, 3 }, { results "return pcall(function(...) return ... end, 1, nil, 3)" })
    assert.same({ true, false, "handled x" }, { results "return xpcall(error, function(e) return 'handled ' .. e end, 'x')" })
    assert.same({ true, true, 7 }, { results "return xpcall(function(a) return a end, print, 7)" })
  end)

  it("does not outlive a stop, even without a loop behind it", function()
    local budget, ok, e = run("pcall(function() while true do end end) reached = true return 'fine'", { steps = 1000 })
    assert.is_false(ok)
    assert.equal("lion/fuel", e.code)
    assert.equal(1000, budget:cost())
  end)
end)

describe("A program's own coroutines", function()
  it("work as the plain ones", function()
    for _, case in ipairs {
      { "local co = coroutine.create(function(a) local b = coroutine.yield(a) return b, nil, 3 end)"
        .. " return coroutine.resume(co, 1), select(2, coroutine.resume(co, 2))" },
      { "local co = coroutine.wrap(function() error 'x' end) return pcall(co)" },
      { "local co = coroutine.wrap(function() error { 5 } end) return select(2, pcall(co))[1]" },
      { "local co = coroutine.wrap(function() end) co() return pcall(co)" },
      { "local co = coroutine.create(function() error 'x' end) return coroutine.resume(co), coroutine.status(co)" },
      { "return coroutine.resume(coroutine.create(function() return coroutine.isyieldable() end))" },
      { "return pcall(coroutine.wrap(function() local x = nil; return x.y end))" },
      { "return (pcall(coroutine.resume, 5)), (pcall(coroutine.wrap, 5))" },
    } do
      local expected = { pcall(assert(load(case[1], "@it.lua"))) }
      assert.same(expected, { results(case[1]) })
    end
  end)

  it("resume one another so deep and no deeper, again and again", function()
    for _ = 1, 3 do
      local ok, depth, e = results [[
        local depth, why = 0
        local function deeper()
          depth = depth + 1
          local ok, e = pcall(coroutine.wrap(deeper))
          if not ok then why = e end
        end
        deeper()
        return depth, why
      ]]
      assert.is_true(ok)
      assert.equal(191, depth)
      assert.truthy(e:find("C stack overflow", 1, true))
    end
  end)

  it("pass the end of a slice outward", function()
    local env = environment.new()
    local co = coroutine.create(assert(fuel.load([[
      local inner = coroutine.wrap(function()
        local innermost = coroutine.create(function() for i = 1, 100 do end coroutine.yield "one" for i = 1, 100 do end return "two" end)
        coroutine.yield(select(2, coroutine.resume(innermost)))
        coroutine.yield(select(2, coroutine.resume(innermost)))
      end)
      return inner(), inner()
    ]], "@it.lua", env)))
    local budget, turns = fuel.budget { slice = 20 }, 0
    local ok, a, b
    repeat
      ok, a, b = budget:resume(co)
      turns = turns + 1
    until a ~= fuel.SLICE
    assert.same({ true, "one", "two" }, { ok, a, b })
    assert.is_true(turns >= 8)
  end)

  it("go on within the slice where nobody can be reached", function()
    local env = environment.new()
    local budget = fuel.budget { slice = 20 }
    local co = coroutine.create(assert(fuel.load([[
      local list = setmetatable({}, { __lt = 1 })
      return (tostring(setmetatable({}, { __tostring = function()
        return coroutine.wrap(function() for i = 1, 100 do end return "slow" end)()
      end })))
    ]], "@it.lua", env)))
    local ok, value
    repeat ok, value = budget:resume(co) until value ~= fuel.SLICE
    assert.same({ true, "slow" }, { ok, value })
  end)

  it("may yield in comparisons", function()
    assert.same({ true, "1,2,3" }, { results [[
      local co = coroutine.wrap(function()
        local t = { 3, 1, 2 }
        table.sort(t, function(a, b) coroutine.yield() return a < b end)
        return table.concat(t, ",")
      end)
      local a repeat a = co() until a
      return a
    ]] })
  end)
end)

describe("table.sort in a program", function()
  it("sorts as the own one", function()
    math.randomseed(7)
    local sort = environment.new().table.sort
    for size = 0, 40 do
      local a, b = {}, {}
      for i = 1, size do
        a[i] = math.random(20)
        b[i] = a[i]
      end
      table.sort(a)
      sort(b)
      assert.same(a, b)
      table.sort(a, function(x, y) return x > y end)
      sort(b, function(x, y) return x > y end)
      assert.same(a, b)
    end
  end)

  it("says what it cannot compare", function()
    assert.truthy(error_of "local t = { 1, 'a', {} } table.sort(t)":find "attempt to compare")
  end)
end)
