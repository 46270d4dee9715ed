--- Revisions that are not fit to run: none takes a request, the reason is told, the one before serves on.
local application = require "spec.node.application"
local node = require "spec.node.node"

-- What push cannot know: it loads modules, but without parameters, files and data, and runs no checks.
local CHECKED = 'checks = { "shop.web/check" }'
local LATE = {
  {
    what = "whose check returns false",
    changes = { manifest = CHECKED, web = "function web.check() return false end" },
    reason = "returned false",
  },
  {
    what = "whose check throws",
    changes = { manifest = CHECKED, web = 'function web.check() error "not today" end' },
    reason = "not today",
    trace = "shop/web.lua",
  },
  {
    what = "whose check never ends",
    changes = { manifest = CHECKED, web = "function web.check() while true do end end" },
    reason = "deadline",
  },
  {
    what = "whose check catches whatever stops it",
    changes = {
      manifest = CHECKED,
      web = "local function f() while true do end end function web.check() while true do pcall(f) end end",
    },
    reason = "deadline",
  },
  {
    what = "whose check takes all memory",
    changes = {
      manifest = CHECKED,
      web = "function web.check() local t = {} while true do t[#t + 1] = { {}, {} } end end",
    },
    reason = "",
  },
  {
    what = "that throws when it loads where it has parameters",
    changes = { web = 'if ion.param("is_there", nil) == nil then error "no parameter" end' },
    reason = "no parameter",
    trace = "shop/web.lua",
  },
}

-- What push tells.
local EARLY = {
  {
    what = "that throws when it loads",
    files = { ["shop/web.lua"] = 'error "thrown at load"' },
    reason = "thrown at load",
  },
  {
    what = "that never ends loading",
    files = { ["shop/web.lua"] = "while true do end" },
    reason = "shop/web.lua",
  },
  {
    what = "with a syntax error",
    files = { ["shop/web.lua"] = "local web = {}\nfunction web.home( return web" },
    reason = "shop/web.lua:2",
  },
  {
    what = "that lacks a function",
    files = { ["shop/web.lua"] = "return { home = function() return '' end }" },
    reason = "setup",
  },
  {
    what = "whose manifest is no table",
    files = { ["ion.lua"] = "return 7" },
    reason = "ion.lua",
  },
  {
    what = "whose manifest never ends",
    files = { ["ion.lua"] = "while true do end" },
    reason = "ion.lua",
  },
}

describe("A revision", function()
  local cluster, a
  local good

  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "one", group = "a", workers = 2 }
    good = cluster:run(a, application.files "good", "a")
  end)
  teardown(function() cluster:close() end)

  local function assert_serves_on()
    assert.same({ good = 10 }, a:answers("/", 10))
    local group = a:control("GET", "/groups").json()[1]
    assert.equal(good, group.running[1].revision)
  end

  for _, case in ipairs(EARLY) do
    it(case.what .. " is refused by push, with the reason", function()
      local revision, told = cluster:push(a, application.files("bad", { files = case.files }))
      assert.is_nil(revision)
      assert.truthy(told:find(case.reason, 1, true), told)
      assert_serves_on()
    end)
  end

  for _, case in ipairs(LATE) do
    it(case.what .. " takes no request when it is deployed", function()
      local revision, why = cluster:push(a, application.files("bad", case.changes))
      if not revision then -- push may know better; it has to say why
        assert.truthy(why:find(case.reason, 1, true), why)
        return assert_serves_on()
      end
      local result = cluster:deploy(a, revision, "a")
      assert.equal(1, result.code)
      local told = result.out .. result.err
      assert.truthy(told:find(case.reason, 1, true), told)
      local deployment = a:deployments()[1]
      assert.equal(revision, deployment.revision)
      assert.equal("failed", deployment.state)
      assert.truthy(deployment.reason:find(case.reason, 1, true), deployment.reason)
      local trace = deployment.trace or ""
      assert.truthy(trace:find(case.trace or "", 1, true), trace)
      assert_serves_on()
    end)
  end

  it("that is good is taken after all of these", function()
    local revision = cluster:pushed(a, application.files "better")
    local result = cluster:deploy(a, revision, "a")
    assert.equal(0, result.code)
    assert.same({ better = 10 }, a:answers("/", 10))
  end)

  it("that nobody pushed is not deployed", function()
    local result = cluster:deploy(a, ("0"):rep(40), "a")
    assert.equal(3, result.code)
    assert.same({ better = 10 }, a:answers("/", 10))
  end)

  it("is not deployed to a group that there is not", function()
    local result = cluster:deploy(a, good, "nowhere")
    assert.equal(3, result.code)
  end)

  it("of another application is not deployed to a group that does not run it", function()
    local files = {
      ["ion.lua"] = 'return { app = "other", http = { { "GET", "/", "other/home" } } }',
      ["other.lua"] = 'return { home = function() return "other" end }',
    }
    local other = require("spec.ions.repository").new()
    other:commit(files)
    local pushed = cluster:lion("push", other.dir, "--node", a.door)
    other:remove()
    assert.equal("", pushed.code == 0 and "" or pushed.err)
    local result = cluster:deploy(a, pushed.out:match "^%S+", "a")
    assert.equal(4, result.code)
    assert.truthy(result.err:find("shop", 1, true), result.err)
    assert.same({ better = 10 }, a:answers("/", 10))
  end)
end)
