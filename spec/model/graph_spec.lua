-- Recursion and cyclic joins over random graphs against the reference: graphs with cycles, loops,
-- retracted edges and nodes that nothing leads to; each asked now, as of, since, in history, and
-- with what is not indexed yet. LION_SEED repeats a run.
package.path = "spec/?.lua;" .. package.path

local lion = require "lion"
local model = require "model.model"
local random_numbers = require "model.random"

local SEED = tonumber(os.getenv "LION_SEED") or os.time()
local GRAPHS = tonumber(os.getenv "LION_GRAPHS") or 8

local SCHEMA = {
  ["g/to"] = { many = true, ref = true },
  ["g/up"] = { ref = true },
  ["g/n"] = {},
}

-- ---- rules: each set is one way to be recursive --------------------------------------------------

local RULES = {
  -- right, left, double
  { { { "p", "?x", "?y" }, { "?x", "g/to", "?y" } },
    { { "p", "?x", "?y" }, { "?x", "g/to", "?z" }, { "p", "?z", "?y" } } },
  { { { "p", "?x", "?y" }, { "?x", "g/to", "?y" } },
    { { "p", "?x", "?y" }, { "p", "?x", "?z" }, { "?z", "g/to", "?y" } } },
  { { { "p", "?x", "?y" }, { "?x", "g/to", "?y" } },
    { { "p", "?x", "?y" }, { "p", "?x", "?z" }, { "p", "?z", "?y" } } },
  -- against the attribute's direction; another base; both ends grow
  { { { "p", "?x", "?y" }, { "?y", "g/to", "?x" } },
    { { "p", "?x", "?y" }, { "?z", "g/to", "?x" }, { "p", "?z", "?y" } } },
  { { { "p", "?x", "?y" }, { "?x", "g/up", "?y" } },
    { { "p", "?x", "?y" }, { "?x", "g/to", "?z" }, { "p", "?z", "?y" } } },
  { { { "p", "?x", "?y" }, { "?x", "g/up", "?y" } },
    { { "p", "?x", "?y" }, { "?x", "g/to", "?z" }, { "p", "?z", "?y" } },
    { { "p", "?x", "?y" }, { "p", "?x", "?z" }, { "?y", "g/to", "?z" } } },
  -- a chain of two attributes, of the same generation; several kinds of step
  { { { "p", "?x", "?y" }, { "?x", "g/to", "?m" }, { "?m", "g/up", "?y" } },
    { { "p", "?x", "?y" }, { "?x", "g/to", "?m" }, { "?m", "g/up", "?z" }, { "p", "?z", "?y" } } },
  { { { "p", "?x", "?y" }, { "?x", "g/up", "?m" }, { "?y", "g/up", "?m" } },
    { { "p", "?x", "?y" }, { "p", "?x", "?z" }, { "?z", "g/to", "?y" } } },
  { { { "p", "?x", "?y" }, { "?x", "g/to", "?y" } },
    { { "p", "?x", "?y" }, { "?x", "g/up", "?y" } },
    { { "p", "?x", "?y" }, { "?x", "g/to", "?z" }, { "p", "?z", "?y" } },
    { { "p", "?x", "?y" }, { "?x", "g/up", "?z" }, { "p", "?z", "?y" } } },
  -- through a rule, an or, and what is no path: a step with a condition, a mutual recursion
  { { { "s", "?x", "?y" }, { "?x", "g/to", "?y" } },
    { { "s", "?x", "?y" }, { "?y", "g/up", "?x" } },
    { { "p", "?x", "?y" }, { "s", "?x", "?y" } },
    { { "p", "?x", "?y" }, { "s", "?x", "?z" }, { "p", "?z", "?y" } } },
  { { { "p", "?x", "?y" }, { "or", { "?x", "g/to", "?y" }, { "?y", "g/to", "?x" } } },
    { { "p", "?x", "?y" }, { "or", { "?x", "g/to", "?z" }, { "?z", "g/to", "?x" } },
      { "p", "?z", "?y" } } },
  { { { "p", "?x", "?y" }, { "?x", "g/to", "?y" } },
    { { "p", "?x", "?y" }, { "?x", "g/to", "?z" }, { "?z", "g/n", 1 }, { "p", "?z", "?y" } } },
  { { { "p", "?x", "?y" }, { "?x", "g/to", "?y" } },
    { { "p", "?x", "?y" }, { "?x", "g/up", "?z" }, { "s", "?z", "?y" } },
    { { "s", "?x", "?y" }, { "?x", "g/to", "?z" }, { "p", "?z", "?y" } } },
  -- a search inside another rule that is none
  { { { "r", "?x", "?y" }, { "?x", "g/to", "?y" } },
    { { "r", "?x", "?y" }, { "?x", "g/to", "?z" }, { "r", "?z", "?y" } },
    { { "p", "?x", "?y" }, { "r", "?x", "?y" }, { "?y", "g/n", "?n" } },
    { { "p", "?x", "?y" }, { "?x", "g/up", "?z" }, { "p", "?z", "?y" } } },
}

local function calls(ids, random)
  local a, b = ids[random(#ids)], ids[random(#ids)]
  return {
    { { "?x", "?y" }, { { "p", "?x", "?y" } } },
    { { "?y" }, { { "p", a, "?y" } } },
    { { "?x" }, { { "p", "?x", a } } },
    { { "?n" }, { { a, "g/n", "?n" }, { "p", a, b } } },
    { { "?x" }, { { "p", "?x", "?x" } } },
    { { "?y" }, { { "p", "?x", "?y" } } },
    { { "?x" }, { { "p", "?x", "_" } } },
    { { "?x", "?y", "?n" }, { { "?x", "g/n", "?n" }, { "p", "?x", "?y" } } },
    { { "?x", "?y" }, { { "?x", "g/up", "?y" }, { "p", "?y", "?x" } } },
    { { "?x", "?n" }, { { "?x", "g/n", "?n" }, { "not", { "p", "?x", a } } } },
    { { "?y", "?z" }, { { "p", a, "?y" }, { "p", b, "?z" }, { "p", "?y", "?z" } } },
    { { "?x", "?n" }, { { "p", a, "?x" }, { "p", "?x", "?z" }, { "?z", "g/n", "?n" } } },
  }
end

local CYCLES = {
  { { "?a", "?b", "?c" },
    { { "?a", "g/to", "?b" }, { "?b", "g/to", "?c" }, { "?a", "g/to", "?c" } } },
  { { "?a", "?b", "?c" },
    { { "?a", "g/to", "?b" }, { "?b", "g/to", "?c" }, { "?c", "g/to", "?a" } } },
  { { "?a", "?d" }, { { "?a", "g/to", "?b" }, { "?b", "g/to", "?c" }, { "?c", "g/to", "?d" },
                      { "?d", "g/to", "?a" } } },
  { { "?a", "?b", "?c", "?d" },
    { { "?a", "g/to", "?b" }, { "?a", "g/to", "?c" }, { "?b", "g/to", "?d" },
      { "?c", "g/to", "?d" }, { "?b", "g/to", "?c" } } },
  { { "?a", "?b", "?c" },
    { { "?a", "g/to", "?b" }, { "?b", "g/up", "?c" }, { "?c", "g/to", "?a" } } },
  { { "?a", "?b" }, { { "?a", "g/to", "?b" }, { "?b", "g/to", "?a" } } },
  { { "?a", "?n" }, { { "?a", "g/to", "?b" }, { "?b", "g/to", "?c" }, { "?c", "g/to", "?a" },
                      { "?c", "g/to", "?e" }, { "?e", "g/n", "?n" } } },
  { { "?a", "?b", "?c" }, { { "?a", "g/n", 1 }, { "?a", "g/to", "?b" }, { "?b", "g/to", "?c" },
                            { "?a", "g/to", "?c" } } },
  { { "?c" }, { { "?a", "g/to", "?b" }, { "?b", "g/to", "?c" }, { "?a", "g/to", "?c" },
                { { "!=", "?a", "?b" } } } },
}

-- ---- graphs ------------------------------------------------------------------------------------

local function live(random, conn, reference, ids, ts, count)
  for _ = 1, count do
    local ops, tx, touched = {}, {}, {}
    for _ = 1, random(6) do
      local e, v = ids[random(#ids)], ids[random(#ids)]
      local kind = random(8)
      local name = kind == 1 and "g/n" or kind <= 3 and "g/up" or "g/to"
      if not touched[e .. name] then
        touched[e .. name] = true
        local verb = random(5) == 1 and "retract" or "add"
        ops[#ops + 1] = { verb, e, name, name == "g/n" and random(2) or v }
        tx[#tx + 1] = { "db/" .. verb, e, name, ops[#ops][4] }
      end
    end
    local report = conn:transact(tx)
    reference:transact(report.t, ops)
    ts[#ts + 1] = report.t
  end
end

local function sorted(rows)
  local texts = {}
  for i, row in ipairs(rows) do
    texts[i] = table.concat(row, "|")
  end
  table.sort(texts)
  return texts
end

local function edn(clauses)
  local texts = {}
  for i, clause in ipairs(clauses) do
    if type(clause[1]) == "table" then
      texts[i] = "[(" .. table.concat(clause[1], " ") .. ")]"
    elseif clause[1] == "not" or clause[1] == "or" then
      texts[i] = "(" .. clause[1] .. " " .. edn { unpack(clause, 2) } .. ")"
    elseif tostring(clause[1]):match "^%l$" then
      texts[i] = "(" .. table.concat(clause, " ") .. ")"
    else
      texts[i] = ("[%s :%s %s]"):format(clause[1], clause[2], clause[3])
    end
  end
  return table.concat(texts, " ")
end

local function rules_text(rules)
  local texts = {}
  for i, rule in ipairs(rules) do
    texts[i] = "[" .. edn { rule[1] } .. " " .. edn { unpack(rule, 2) } .. "]"
  end
  return "[" .. table.concat(texts, "\n") .. "]"
end

local function check(shown, reference, view, query, rules, note)
  local text = ("[:find %s :in $ %% :where %s]"):format(table.concat(query[1], " "), edn(query[2]))
  local found = shown:q(text, rules_text(rules))
  local expected = reference:q(view, query[1], query[2], rules)
  assert.same(sorted(expected), sorted(found), note .. "\n" .. text .. "\n" .. rules_text(rules))
end

local function check_all(random, db, reference, ids, ts, note)
  local t, other = ts[random(#ts)], ts[random(#ts)]
  local views = {
    { db, {} },
    { db:as_of(t), { upper = t } },
    { db:since(other), { since = other } },
    { db:history(), { history = true } },
    { db:filter(function() return true end), {} },
  }
  for v, view in ipairs(views) do
    for _ = 1, 3 do
      local rules = RULES[random(#RULES)]
      for _, query in ipairs(calls(ids, random)) do
        check(view[1], reference, view[2], query, rules, note .. ", view " .. v)
      end
    end
    for _, query in ipairs(CYCLES) do
      check(view[1], reference, view[2], query, {}, note .. ", view " .. v)
    end
  end
end

local function begin(conn, random, has_far)
  conn:transact(lion.schema { g = { to = { "ref", many = true }, up = "ref", n = "long" } })
  local tx, ids = {}, {}
  local count = 5 + random(8)
  for i = 1, count do
    tx[i] = { ["db/id"] = "e" .. i, ["db/doc"] = "node " .. i }
  end
  local tempids = conn:transact(tx).tempids
  for i = 1, count do
    ids[i] = tempids["e" .. i]
  end
  -- One of another partition, so that numbers cannot be distances.
  if has_far then ids[#ids + 1] = conn:db():entid "g/n" end
  return ids
end

-- Whoever is reached from some of the ids, and whoever reaches anything, when nobody asks for the other end.
local function check_ends(db, rules, expected, ids)
  local some, targets, sources = { ids[1], ids[2], ids[70], ids[149] }, {}, {}
  for _, id in ipairs(some) do
    for node in pairs(expected[id]) do targets[node] = true end
  end
  local function is(set, text, ...)
    local count = 0
    for _ in pairs(set) do count = count + 1 end
    local rows = db:q(text, rules, ...)
    assert.equal(count, #rows, text)
    for _, row in ipairs(rows) do assert.is_true(set[row[1]], text) end
  end
  is(targets, "[:find ?y :in $ % [?x ...] :where (p ?x ?y)]", some)
  targets = {}
  for id, reached in pairs(expected) do
    if next(reached) then sources[id] = true end
    for node in pairs(reached) do targets[node] = true end
  end
  is(targets, "[:find ?y :in $ % :where (p _ ?y)]")
  is(sources, "[:find ?x :in $ % :where (p ?x _)]")
  is(sources, "[:find ?x :in $ % :where [?x :g/to _] (p ?x _)]")
end

describe("Searches answer as the reference does (seed " .. SEED .. ")", function()
  for graph = 1, GRAPHS do
    it("in graph " .. graph, function()
      local random = random_numbers.new(SEED + graph)
      local conn = lion.connect("mem:", { segment_size = 512, node_entries = 4 })
      local reference, ts = model.new(SCHEMA), {}
      local ids = begin(conn, random, graph % 2 == 0)
      live(random, conn, reference, ids, ts, 12)
      check_all(random, conn:db(), reference, ids, ts, "before indexing")
      conn:request_index()
      live(random, conn, reference, ids, ts, 6)
      check_all(random, conn:db(), reference, ids, ts, "with novelty on top")
      conn:close()
    end)
  end

  -- A graph that was read once serves what shows the same, and nothing else.
  it("in a graph that was read before, and in what became of it", function()
    local conn = lion.connect "mem:"
    conn:transact(lion.schema { g = { to = { "ref", many = true } } })
    local tx, ids = {}, {}
    for i = 1, 400 do tx[i] = { ["db/id"] = "e" .. i, ["g/to"] = { "e" .. i % 400 + 1 } } end
    local tempids = conn:transact(tx).tempids
    for i = 1, 400 do ids[i] = tempids["e" .. i] end
    conn:request_index()
    local rules = "[[(p ?x ?y) [?x :g/to ?y]] [(p ?x ?y) [?x :g/to ?z] (p ?z ?y)]]"
    local function reached(db, id)
      return db:q("[:find (count ?y) . :in $ % ?x :where (p ?x ?y)]", rules, id) or 0
    end
    local function reaching(db, id)
      return db:q("[:find (count ?x) . :in $ % ?y :where (p ?x ?y)]", rules, id) or 0
    end
    local round = conn:db()
    for _ = 1, 2 do
      assert.equal(160000, #round:q("[:find ?x ?y :in $ % :where (p ?x ?y)]", rules))
      assert.same({ 400, 400 }, { reached(round, ids[9]), reaching(round, ids[9]) })
    end
    local text = "[:find ?e :in $ % [?e ...] :where (p ?x ?x)]"
    assert.equal(2, #round:q(text, rules, { ids[1], ids[2] }))
    conn:transact { { "db/retract", ids[400], "g/to", ids[1] } }
    local open = conn:db()
    assert.equal(0, #open:q(text, rules, { ids[1], ids[2] }))
    assert.same({ 391, 8 }, { reached(open, ids[9]), reaching(open, ids[9]) })
    local closed = open:with({ { "db/add", ids[400], "g/to", ids[9] } }).db_after
    assert.same({ 392, 400 - 1 }, { reached(closed, ids[9]), reaching(closed, ids[9]) - 1 })
    conn:request_index()
    assert.same({ 391, 8 }, { reached(conn:db(), ids[9]), reaching(conn:db(), ids[9]) })
    assert.same({ 400, 400 }, { reached(round, ids[9]), reaching(round, ids[9]) })
    assert.equal(400, reached(conn:db():as_of(round.basis_t), ids[9]))
    assert.equal(400, reached(conn:db():history(), ids[9]))
    conn:close()
  end)

  -- Large enough that searches leave the trees for arrays, and make sets when many are asked for.
  it("in graphs of many nodes", function()
    local random = random_numbers.new(SEED)
    for round, far in ipairs { false, true } do
      local conn = lion.connect("mem:", {})
      conn:transact(lion.schema { g = { to = { "ref", many = true } } })
      local tx, ids, edges = {}, {}, {}
      for i = 1, 150 do
        tx[i] = { ["db/id"] = "e" .. i, ["db/doc"] = "node " .. i }
      end
      local tempids = conn:transact(tx).tempids
      for i = 1, 150 do
        ids[i] = tempids["e" .. i]
      end
      if far then ids[150] = conn:db():entid "g/to" end
      tx = {}
      for _ = 1, 330 do
        local a, b = ids[random(150)], ids[random(round * 75)]
        edges[a] = edges[a] or {}
        edges[a][b] = true
        tx[#tx + 1] = { "db/add", a, "g/to", b }
      end
      local t = conn:transact(tx).t
      local past = conn:db()
      conn:transact { { "db/add", ids[1], "db/doc", "later" } }
      conn:request_index()
      local expected, pairs_expected = {}, 0
      for _, id in ipairs(ids) do
        local reached, queue = {}, { id }
        for _, node in ipairs(queue) do
          for next_node in pairs(edges[node] or {}) do
            if not reached[next_node] then
              reached[next_node] = true
              queue[#queue + 1] = next_node
            end
          end
        end
        expected[id] = reached
        pairs_expected = pairs_expected + #queue - 1
      end
      for _, rules in ipairs {
        "[[(p ?x ?y) [?x :g/to ?y]] [(p ?x ?y) [?x :g/to ?z] (p ?z ?y)]]",
        "[[(s ?x ?y) (or [?x :g/to ?y] (and [?x :g/to ?y] [?y :db/doc]))]"
          .. " [(p ?x ?y) (s ?x ?y)] [(p ?x ?y) (s ?x ?z) (p ?z ?y)]]",
      } do
        for _, db in ipairs { conn:db(), past, conn:db():as_of(t), conn:db():history() } do
          local rows = db:q("[:find ?x ?y :in $ % [?x ...] :where (p ?x ?y)]", rules, ids)
          assert.equal(pairs_expected, #rows)
          for _, row in ipairs(rows) do
            assert.is_true(expected[row[1]][row[2]])
          end
          rows = db:q("[:find ?x ?y :in $ % [?y ...] :where (p ?x ?y)]", rules, ids)
          assert.equal(pairs_expected, #rows)
          rows = db:q("[:find ?x ?y :in $ % [[?x ?y]] :where (p ?x ?y)]", rules,
            { { ids[1], ids[2] }, { ids[3], ids[3] }, { ids[150], ids[7] } })
          assert.equal((expected[ids[1]][ids[2]] and 1 or 0) + (expected[ids[3]][ids[3]] and 1 or 0)
            + (expected[ids[150]][ids[7]] and 1 or 0), #rows)
          assert.equal(pairs_expected, #db:q("[:find ?x ?y :in $ % :where (p ?x ?y)]", rules))
          check_ends(db, rules, expected, ids)
        end
      end
      conn:close()
    end
  end)
end)
