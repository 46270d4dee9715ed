-- Alerts of a node with real processes, taken by another node's application.
-- luacheck: max line length 130 (an application's code stands in it)
local node = require "spec.node.node"

local RECEIVER = {
  ["ion.lua"] = [==[
    return { app = "pager", http = { { "POST", "/page", "pager/page" }, { "GET", "/pages", "pager/pages" } } } ]==],
  ["pager.lua"] = [==[
    local pages, asked = {}, 0
    return {
      page = function(r)
        asked = asked + 1
        if asked <= 2 then return { status = 503, body = "not yet" } end
        pages[#pages + 1] = r:json()
        return "ok"
      end,
      pages = function() return { body = { asked = asked, pages = pages } } end,
    }
  ]==],
}

local SHOP = {
  ["ion.lua"] = [==[ return { app = "shop", CHECKS http = { { "GET", "/low", "web/low" } } } ]==],
  ["web.lua"] = [==[
    local ion = require "ion"
    local web = {}
    function web.low() for i = 1, 50 do ion.cast.alert { "stock/low", item = "tea" } end return "ok" end
    function web.fails() error "it cannot be" end
    return web
  ]==],
}

local function shop(checks)
  return { ["ion.lua"] = SHOP["ion.lua"]:gsub("CHECKS", checks), ["web.lua"] = SHOP["web.lua"] }
end

describe("A node with a webhook", function()
  local cluster, receiver, a

  setup(function()
    cluster = node.cluster()
    receiver = cluster:start { name = "two", group = "b", workers = 1 }
    cluster:run(receiver, RECEIVER, "b")
    a = cluster:start { name = "one", group = "a", workers = 1, words = { "--alert-url", receiver.url .. "/page" } }
    cluster:run(a, shop "", "a")
  end)
  teardown(function() cluster:close() end)

  local function pages(name)
    local list = {}
    for _, page in ipairs(receiver:ask("GET", "/pages").json().pages) do
      if page.name == name then list[#list + 1] = page end
    end
    return list
  end

  local function page(name)
    return node.wait_for(function() return pages(name)[1] end, "the page " .. name)
  end

  it("has it told what applications cast, once, and again until it is taken", function()
    assert.equal("ok", a:ask("GET", "/low").body)
    local told = page "stock/low"
    assert.same({ "one", "a", "shop", "web/low", "tea", "alert" },
      { told.node, told.group, told.app, told.entry, told.data.item, told.kind })
    assert.equal(3, receiver:ask("GET", "/pages").json().asked)
    assert.equal(1, #pages "stock/low")
    assert.truthy(a:control("GET", "/metrics").body:find "lion_alerts_sent_total{[^}]*} 1\n")
  end)

  it("has it told of a deployment that has failed", function()
    local bad = cluster:pushed(a, shop 'checks = { "web/fails" },')
    assert.equal(1, cluster:deploy(a, bad, "a").code)
    local told = page "lion/deployment"
    assert.equal(bad, told.revision)
    assert.truthy(told.message:find("it cannot be", 1, true), told.message)
  end)

  it("has it told of a process that dies again and again", function()
    for _ = 1, 4 do
      local pid = a:ready_pids("worker", 1)[1]
      node.kill(pid)
      node.wait_for(function() return a:ready_pids("worker", 1)[1] ~= pid end, "another worker")
    end
    assert.truthy(page "lion/process".message:find("worker 1 was started again", 1, true))
  end)

  it("is refused what is no address", function()
    assert.equal(2, cluster:lion("node", "--data", cluster.folder .. "/x", "--alert-url", "a:1").code)
  end)
end)
