-- Several applications in the processes of one group, and one that does not load when a worker starts.
-- luacheck: max line length 130 (an application's code stands in it)
local node = require "spec.node.node"
local prometheus = require "spec.ions.prometheus"

local function app(name, extra)
  return {
    ["ion.lua"] = ([==[
      return { app = "NAME", allow = { "NAME/add" }, invoke = { who = "NAME/who" }, http = {
        { "GET", "/NAME", "NAME/who" }, { "GET", "/both", "NAME/who" }, { "POST", "/NAME/add", "NAME/ask" },
        { "GET", "/NAME/hog", "NAME/hog" },
      } } ]==]):gsub("NAME", name),
    [name .. ".lua"] = ([==[
      local ion, lion = require "ion", require "lion"
      EXTRA
      local M = {}
      function M.who() return "NAME" end
      function M.add(db, text) return { { ["NAME/text"] = text } } end
      function M.ask(r)
        ion.connect():transact(lion.schema { NAME = { text = "string" } })
        ion.connect():transact { { "NAME/add", r.body } }
        return tostring(ion.db():count("aevt", "NAME/text"))
      end
      function M.hog() local list = {} while true do list[#list + 1] = { #list } end end
      return M ]==]):gsub("NAME", name):gsub("EXTRA", extra or ""),
  }
end

-- Loads as long as a parameter lets it.
local WATCHED = [==[ if ion.param("state", "whole") == "broken" then error "broken for now" end ]==]

describe("A group of several applications", function()
  local cluster, a

  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "one", group = "a", workers = 1, memory = 48 }
    for _, one in ipairs { app("bread"), app("apple"), app("cheese", WATCHED) } do
      cluster.repository:git("rm", "-rq", "--ignore-unmatch", ".")
      local revision = cluster:pushed(a, one)
      local result = cluster:deploy(a, revision, "a", "--add")
      assert(result.code == 0, result.err .. result.out)
    end
  end)
  teardown(function() cluster:close() end)

  local function worker() return a:control("GET", "/status").json().workers[1] end

  it("has each answer what it has a route for, by the order of their names where several have", function()
    for _, name in ipairs { "apple", "bread", "cheese" } do
      assert.equal(name, a:ask("GET", "/" .. name).body)
      assert.equal('"' .. name .. '"\n', a:control("POST", "/invoke/" .. name .. "/who").body)
    end
    assert.equal("apple", a:ask("GET", "/both").body)
    assert.equal(404, a:ask("GET", "/nothing").status)
    assert.equal(404, a:control("POST", "/invoke/milk/who").status)
  end)

  it("gives each its database and its functions", function()
    assert.equal("1", a:ask("POST", "/apple/add", { body = "x" }).body)
    assert.equal("1", a:ask("POST", "/bread/add", { body = "y" }).body)
    assert.equal("2", a:ask("POST", "/bread/add", { body = "z" }).body)
    local told = prometheus.read(a:control("GET", "/metrics").body)
    assert.equal(2, told:value("lion_calls_total", { app = "bread", entry = "bread/ask", status = "2xx" }))
    assert.equal(1, told:value("lion_calls_total", { app = "apple", entry = "apple/ask", status = "2xx" }))
  end)

  it("runs all of them again when one has used up its memory", function()
    local pid = a:ready_pids("worker", 1)[1]
    assert.equal(500, a:ask("GET", "/apple/hog").status)
    node.wait_for(function() return a:ready_pids("worker", 1)[1] ~= pid end, "another worker")
    for _, name in ipairs { "apple", "bread", "cheese" } do assert.equal(name, a:ask("GET", "/" .. name).body) end
  end)

  it("serves on without one that does not load any more when a worker starts, and says so", function()
    local body = '{"group":"a","app":"cheese","path":"state","value":"broken"}'
    local set = a:control("POST", "/params", { body = body })
    assert.equal(200, set.status, set.body)
    local pid = a:ready_pids("worker", 1)[1]
    node.kill(pid)
    node.wait_for(function() return a:ready_pids("worker", 1)[1] ~= pid end, "another worker")
    assert.equal("apple", a:ask("GET", "/apple").body)
    assert.equal(404, a:ask("GET", "/cheese").status)
    local broken = {}
    for _, one in ipairs(worker().apps) do broken[one.app] = one.is_broken or false end
    assert.same({ apple = false, bread = false, cheese = true }, broken)
    assert.truthy(a.child:err():find("lion: cheese at %x+ does not load: .-broken for now"), a.child:err())
  end)
end)
