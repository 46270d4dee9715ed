--- Programs that mean harm, or are only wrong, as handlers and as transaction functions: they are stopped,
-- and nobody else notices.
local application = require "spec.node.application"
local client = require "spec.node.client"
local node = require "spec.node.node"
local socket = require "spec.node.socket"

local ATTACKS = {
  "loop", "pcall_loop", "xpcall_handler", "xpcall_handler_loop", "find", "find_again", "rep", "rep_again",
  "format", "gsub", "gsub_callback", "concat", "sort", "sort_liar", "tables", "strings", "strings_caught",
  "recursion", "recursion_caught", "wrap", "wrap_deep", "wrap_many", "tostring", "index", "load",
}

-- A text or match that would be too large is an error of the category incorrect (docs/bounds.md).
local LIMITED = { find = true, rep = true, concat = true }

describe("A node whose application means harm", function()
  local cluster, a
  local next_number = 0

  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "one", group = "a", workers = 2 }
    cluster:run(a, application.files "here", "a")
    assert.equal("ok", a:ask("POST", "/setup").body)
  end)
  teardown(function() cluster:close() end)

  -- Ask for what does harm, while others ask for what does not: they get it, before and after.
  local function attack(method, path, options, others)
    local answer
    local harm = assert(socket.connect(a.url))
    harm:send(client.text(method, path, options))
    local flood = client.flood(a.url, others)
    flood:until_(function()
      local ended = harm:fill()
      answer = client.take(harm, ended) or ended and { status = ended }
      return answer
    end, "the end of " .. path)
    harm:close()
    flood:answers(20)
    local counts = flood:finish()
    return answer, flood.bad, counts
  end

  local quiet = { connections = 4, request = function() return { text = client.text("GET", "/") } end }

  for _, name in ipairs(ATTACKS) do
    it("stops a handler: " .. name, function()
      local answer, bad, counts = attack("GET", "/attack/" .. name, nil, quiet)
      local expected = { [500] = true, [504] = true, [400] = LIMITED[name] }
      assert.truthy(expected[answer.status], tostring(answer.status) .. " " .. tostring(answer.body))
      assert.same({}, bad)
      assert.equal(0, counts.lost)
    end)
  end

  it("serves on with all its workers", function()
    a:ready_pids("worker", 2)
    assert.same({ here = 20 }, a:answers("/", 20))
  end)

  local writers = {
    connections = 2,
    request = function()
      next_number = next_number + 1
      return { text = client.text("POST", "/visit", { body = tostring(next_number) }) }
    end,
  }

  for _, name in ipairs(ATTACKS) do
    it("stops a transaction function: " .. name, function()
      local answer, bad, counts = attack("POST", "/call/attack", { body = name }, writers)
      assert.truthy(type(answer.status) == "number" and answer.status >= 400, tostring(answer.status))
      assert.same({}, bad)
      assert.equal(0, counts.lost)
    end)
  end

  it("has of these transactions nothing, and of the others all", function()
    a:ready_pids("executor", 1)
    assert.equal(200, a:ask("POST", "/call/visit", { body = "1000000" }).status)
    local query = '[:find ?e :where [?e :db/doc "attacked"]]'
    local asked = cluster:lion("q", "shop", query, "--node", a.door, "--output", "json")
    assert.equal("[]\n", asked.out)
    node.wait_for(function()
      return tonumber(a:ask("GET", "/count?of=visit/number").body) == next_number + 1
    end, "all transactions that were answered")
  end)
end)
