-- What an application that runs out of its folder takes from others: folders as they are, commits as they
-- were.
local app = require "ions.app"
local deps = require "ions.push.deps"
local program = require "spec.lua.program"
local repository = require "spec.ions.repository"

describe("Dependencies of an application in its folder", function()
  local root, default_cache, loaded

  before_each(function()
    root = repository.new(true)
    default_cache = deps.default_cache
    deps.default_cache = function() return root.dir .. "/cache" end
  end)
  after_each(function()
    deps.default_cache = default_cache
    if loaded then loaded:close() end
    loaded = nil
    root:remove()
  end)

  local MANIFEST = 'return { app = "shop", deps = { money = %s }, http = { { "GET", "/", "shop/home" } } }'
  local HOME = 'return { home = function() return require("money.core").text(7) end }'

  local function load(wanted)
    local dir = root.dir .. "/shop"
    root:write { ["shop/ion.lua"] = MANIFEST:format(wanted), ["shop/shop.lua"] = HOME }
    loaded = app.load { dir = dir, uri = "mem:" .. dir, folder = dir, env = "spec", is_dev = false }
    return loaded
  end

  local MONEY = {
    ["money/ion.lua"] = 'return { app = "money", allow = { "money.tx/pay" } }',
    ["money/core.lua"] = "return { text = function(n) return n .. ' EUR' end }",
    ["money/tx.lua"] = "return { pay = function() return {} end }",
  }

  local function answer()
    local raw = { method = "GET", path = "/", query = "", headers = {}, body = "", id = 1 }
    local status, _, body = loaded:handle(raw)
    while status == false do
      local _, s, _, b = loaded:step()
      if s then status, body = s, b end
    end
    return body
  end

  it("are a folder beside it, whose modules are required below its name and whose allow is let in", function()
    root:write(MONEY)
    load '{ path = "../money" }'
    assert.equal("7 EUR", answer())
    assert.is_function(loaded.functions["money.tx/pay"])
  end)

  it("are read where they lie: a file that is saved there is one to look after", function()
    root:write(MONEY)
    load '{ path = "../money" }'
    answer()
    local watched = {}
    for _, path in ipairs(loaded.files) do watched[path:match "[^/]+/[^/]+$"] = true end
    assert.is_true(watched["money/core.lua"])
    assert.is_true(watched["money/ion.lua"])
  end)

  it("are a commit of another repository, whatever its folder holds by now", function()
    root:write(MONEY)
    local dir = root.dir .. "/money"
    local money = setmetatable({ dir = dir }, getmetatable(root))
    money:git("init", "--quiet", "--template=")
    money:git("add", ".")
    money:git("commit", "--quiet", "-m", "money")
    local rev = money:git("rev-parse", "HEAD"):match "%x+"
    program.write(dir .. "/core.lua", "return { text = function() return 'changed' end }")
    load(('{ git = "../money", rev = "%s" }'):format(rev:sub(1, 12)))
    assert.equal("7 EUR", answer())
  end)

  it("are told of when they are not there", function()
    local ok, e = pcall(load, '{ path = "../money" }')
    assert.is_false(ok)
    assert.equal("not-found", e.category)
    assert.truthy(e.message:find("shop → money: there is no folder", 1, true))
  end)
end)
