--- lion param and lion group, against the control door itself: its routes are called, no socket between.
-- luacheck: max line length 120 (messages stand in it)
local cli = require "lion.cli"
local json = require "lion.json"
local options = require "lion.cli.options"
local program = require "spec.lua.program"
local world = require "spec.ions.door_world"

local function keeping(texts)
  local file = { flush = function() end }
  function file.write(self, ...)
    for i = 1, select("#", ...) do texts[#texts + 1] = tostring((select(i, ...))) end
    return self
  end
  return file
end

describe("lion param", function()
  local w, client, stdout, stderr, print_before, read_before, input

  setup(function()
    stdout, stderr, print_before, read_before = io.stdout, io.stderr, print, options.read_file
    w = world.new()
    w.door.system:transact { { ["app/name"] = "shop" } }
    client = package.loaded["lion.client"]
    package.loaded["lion.client"] = { new = function(address)
      return { address = function() return address end, close = function() end, request = function(_, asked)
        local id = w:begin(asked.method or "GET", asked.path, asked.body, asked.headers)
        w:until_true(function() return w.answers[id] ~= nil end)
        return w.answers[id][1], {}, w.answers[id][3]
      end }
    end }
    options.read_file = function() return input end
  end)
  teardown(function()
    package.loaded["lion.client"] = client
    options.read_file = read_before
    w:close()
  end)

  -- → exit code, standard output, standard error
  local function run(...)
    local out, err = {}, {}
    rawset(io, "stdout", keeping(out))
    rawset(io, "stderr", keeping(err))
    rawset(_G, "print", function(text) io.stdout:write(text, "\n") end)
    local ok, code = pcall(cli.main, { ... })
    rawset(io, "stdout", stdout)
    rawset(io, "stderr", stderr)
    rawset(_G, "print", print_before)
    assert(ok, code)
    return code, table.concat(out), table.concat(err)
  end

  local function on_node(...)
    local words = { ... }
    words[#words + 1] = "--node=door:1"
    return run(unpack(words))
  end

  local function printed(...)
    local code, out, err = on_node("param", ...)
    assert.equal("", err)
    assert.equal(0, code)
    return out
  end

  it("sets text, JSON, and what comes from standard input, and gets it", function()
    printed("set", "/shop/web/currency", "EUR", "--app", "shop")
    assert.equal("EUR\n", printed("get", "/shop/web/currency", "--app", "shop"))
    printed("set", "limit", '{"most":7}', "--json", "--group=production")
    assert.equal('{"most":7}\n', printed("get", "limit", "--group", "production"))
    input = "two\nlines\n"
    printed("set", "motd", "--stdin")
    assert.equal("two\nlines\n", printed("get", "motd"))
    assert.same({ path = "motd", value = "two\nlines", from = { "everywhere" } },
      json.read(printed("get", "motd", "--json")))
  end)

  it("lists them, and what they were", function()
    printed("set", "color", "red")
    printed("set", "color", "blue")
    assert.truthy(printed("list", "color"):find("/color +.*blue"))
    assert.equal("color", json.read(printed("list", "color", "--json"))[1].path)
    local history = printed("history", "color")
    assert.truthy(history:find("blue.*\n.*red"), history)
    printed("unset", "color")
    assert.equal("[]\n", printed("list", "color", "--json"))
    assert.truthy(printed("history", "color"):find("unset", 1, true))
    local code, _, err = on_node("param", "unset", "color")
    assert.equal(0, code)
    assert.equal("color was not set there\n", err)
  end)

  it("shows secrets only when it is asked to reveal them", function()
    input = "hush-hush\n"
    printed("set", "bank/key", "--secret", "--stdin")
    for _, words in ipairs { { "get", "bank/key" }, { "list" }, { "history", "bank/key" }, { "list", "--json" },
      { "get", "bank/key", "--json" }, { "history", "bank/key", "--json" } } do
      assert.is_nil(printed(unpack(words)):find("hush", 1, true))
    end
    assert.equal("hush-hush\n", printed("get", "bank/key", "--reveal"))
  end)

  it("makes the key, and changes it", function()
    assert.truthy(printed("key"):find("secret.key (key ", 1, true))
    assert.truthy(printed("rotate-key"):find("has a new key", 1, true))
    assert.equal("hush-hush\n", printed("get", "bank/key", "--reveal"))
    assert.is_string(json.read(printed("key", "--json")).key)
  end)

  it("says what is missing, and how it is set", function()
    local code, _, err = on_node("param", "get", "none", "--app", "shop", "--group", "production")
    assert.equal(3, code)
    assert.truthy(err:find("looked for in shop in group production, group production, application shop, everywhere",
      1, true), err)
    assert.truthy(err:find("`lion param set /none VALUE --app shop --group production` sets it", 1, true), err)
  end)

  for _, case in ipairs {
    { { "set", "x" }, "takes PATH VALUE" },
    { { "set", "x", "y", "--stdin" }, "takes PATH VALUE" },
    { { "set", "x", "{", "--json" }, "no JSON" },
    { { "set", "x", "null", "--json" }, "lion param unset" },
    { { "get" }, "takes one PATH" },
    { { "key", "x" }, "takes no x" },
    { { "lst" }, "did you mean list?" },
  } do
    it("refuses " .. table.concat(case[1], " "), function()
      local code, _, err = on_node("param", unpack(case[1]))
      assert.equal(2, code)
      assert.truthy(err:find(case[2], 1, true), err)
    end)
  end

  it("goes with lion group set, which says what ion.env() is", function()
    assert.equal(0, (on_node("group", "set", "production", "--env", "live")))
    assert.equal("live", w.door.system:db():entity({ "group/name", "production" })["group/env"])
    assert.equal(0, (on_node("group", "set", "production", "--env=")))
    assert.is_nil(w.door.system:db():entity({ "group/name", "production" })["group/env"])
    assert.equal(2, (on_node("group", "set", "production")))
    assert.equal(3, (on_node("group", "set", "prod", "--env", "x")))
  end)

  it("takes the file of the key where the node was told", function()
    local folder = program.folder()
    w.door.secret_key = folder .. "/other.key"
    assert.truthy(printed("key"):find("made " .. folder .. "/other.key", 1, true))
    w.door.secret_key = nil
    program.remove(folder)
  end)
end)
