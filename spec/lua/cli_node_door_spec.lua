--- The commands that ask a node, against the control door itself: its routes are called, no socket between.
local cli = require "lion.cli"
local json = require "lion.json"
local program = require "spec.lua.program"
local repository = dofile "spec/ions/repository.lua"
local world = require "spec.ions.door_world"

describe("A node's door, asked by the command line,", function()
  local w, shop, client, stdout, stderr, print_before

  -- As lion.client, the answers coming from the world's door.
  local function request(_, asked)
    local id = w:begin(asked.method or "GET", asked.path, asked.body, asked.headers)
    w:until_true(function() return w.answers[id] ~= nil end)
    local status, list, body = unpack(w.answers[id], 1, 3)
    local headers = {}
    for _, header in ipairs(list or {}) do
      headers[header[1]] = header[2]
    end
    return status, headers, body
  end

  local function keeping(texts)
    local file = { flush = function() end }
    function file.write(self, ...)
      for i = 1, select("#", ...) do
        texts[#texts + 1] = tostring((select(i, ...)))
      end
      return self
    end
    return file
  end

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
    local code, out, err = on_node(...)
    assert.equal("", err)
    assert.equal(0, code)
    return out
  end

  local function commit(text)
    return shop:commit({
      ["ion.lua"] = 'return { app = "shop", http = "shop/home", checks = { "shop/smoke" } }',
      ["shop.lua"] = ("return { home = function() return %q end, smoke = function() end }"):format(text),
    }, "say " .. text)
  end

  setup(function()
    client, stdout, stderr, print_before = package.loaded["lion.client"], io.stdout, io.stderr, print
    package.loaded["lion.client"] = { new = function(address)
      return { address = function() return address end, request = request, close = function() end }
    end }
    w = world.new()
    shop = repository.new()
  end)

  teardown(function()
    package.loaded["lion.client"] = client
    shop:remove()
    w:close()
  end)

  it("takes a commit, deploys it, and tells of it", function()
    local one = commit "one"
    local text = printed("push", shop.dir)
    assert.equal(one .. "\nshop: 2 files, 2 of them sent\n  lion deploy " .. one:sub(1, 12)
      .. " --group production\n", text)
    assert.matches("it is there already", printed("push", shop.dir))

    text = printed("deploy", one:sub(1, 8))
    assert.matches("^production: shop " .. one:sub(1, 12) .. "  %(%x+%-", text)
    assert.matches("\n  load     one ", text)
    assert.matches("\n  check    one ", text)
    assert.matches("\n  switch   one +executor", text)
    assert.matches("\n  switch   one +worker 1 ", text)
    assert.matches("\n  switch   one +worker 2 ", text)
    assert.matches("\nproduction runs " .. one:sub(1, 12) .. " of shop %([%d.]+ s%)\n$", text)
    assert.equal("production runs " .. one:sub(1, 12) .. " of shop already\n",
      printed("deploy", one):match "[^\n]+\n$")

    assert.matches("\nproduction %(primary%) +1 +shop +" .. one:sub(1, 12), printed "groups")
    assert.matches("\nshop +" .. one:sub(1, 12) .. " +production .* say one\n", printed "revisions")
    text = printed("status", "--wait")
    assert.matches("^node one of group production, primary: up since ", text)
    assert.matches("\nworker 2 +%d+ +ready ", text)
    assert.matches("\nshop +" .. one:sub(1, 12), text)
    assert.equal("one", json.read(printed("status", "--json")).node.name)
  end)

  it("puts back what ran where a revision fails, and goes back to it when asked", function()
    local two = commit "two"
    printed("push", shop.dir)
    printed("deploy", two)
    local three = commit "three"
    printed("push", shop.dir)
    function w.trial() return { is_ok = false, message = "shop/smoke: no", trace = "shop.lua:1", ms = 1 } end
    local code, out, err = on_node("deploy", three)
    w.trial = function() end
    assert.equal(1, code)
    assert.matches("failed", out)
    assert.matches("^lion: " .. three:sub(1, 12) .. " of shop is not in production, which runs "
      .. two:sub(1, 12) .. " as before: ", err)
    assert.matches("shop/smoke: no", err)
    assert.matches("shop.lua:1", err)
    local id = out:match "%((%x+%-[%x-]+)%)"
    assert.equal("failed", json.read(select(2, on_node("status", id, "--json"))).state)

    assert.matches("^production: back to shop ", printed "rollback")
    local list = json.read(printed("deploy", two, "--json"))
    assert.equal("done", list[1].state)
  end)

  it("tells what is not there, and what is misused", function()
    local tx = program.write(w.dir .. "/tx.edn", '[{:db/doc "a"}]')
    for _, case in ipairs {
      { 3, "deploy", "dead0000" },
      { 3, "deploy", "unrepro/none", "--group", "production" },
      { 3, "deploy", "HEAD1", "--group", "production" },
      { 3, "rollback", "--group", "staging" },
      { 3, "status", "0190a1b2-0000-7000-8000-000000000001" },
      { 3, "q", "none", "[:find ?e :where [?e :db/doc]]" },
      { 1, "q", "system", "[:find ?e :where" },
      { 1, "transact", "system", tx },
      { 3, "transact", "orders", w.dir .. "/none.edn" },
    } do
      local code, out, err = on_node(unpack(case, 2))
      assert.equal(case[1], code, table.concat(case, " ", 2))
      assert.equal("", out)
      assert.matches("^lion: ", err)
    end
  end)

  it("is asked in every format", function()
    local query = '[:find ?n ?b ?k :in $ ?k :where [?g :group/name ?n] [?g :group/is-primary ?b]]'
    local function ask(...) return printed("q", "system", query, ":a/b", ...) end
    assert.equal('[["production",true,":a/b"]]\n', ask "--json")
    assert.equal('[["production" true :a/b]]\n', ask("--output", "edn"))
    assert.equal("?n,?b,?k\r\nproduction,true,:a/b\r\n", ask("--output", "csv"))
    assert.matches("^%?n +%?b +%?k\n.*production +true +:a/b\n1 row\n$", ask())
    local one = "[:find ?t . :in $ ?n :where [_ :group/name ?n ?tx] [?tx :db/txInstant ?t]]"
    assert.matches('^"20%d%d%-[%d:T.-]+Z"\n$', printed("q", "system", one, '"production"', "--json"))
    assert.matches('^#inst "20', printed("q", "system", one, '"production"', "--output", "edn"))
    assert.equal("null\n", printed("q", "system", one, '"none"', "--json"))
    assert.equal("nil\n", printed("q", "system", one, '"none"', "--output", "edn"))
  end)
end)
