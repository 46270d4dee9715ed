-- A question that is answered wrongly is told with nothing that the fault can do without.
package.path = "spec/?.lua;" .. package.path

local random_numbers = require "model.random"
local shrink = require "model.shrink"
local story = require "model.story"

local SCHEMA = {
  ["m/n"] = { type = "long" }, ["m/to"] = { type = "ref", many = true }, ["m/up"] = { type = "ref" },
}

-- A hundred facts, some of them in an index job.
local function some_facts()
  local random, told = random_numbers.new(5), story.new(SCHEMA, 20, {})
  local function fact()
    local name = random_numbers.pick(random, { "m/n", "m/to", "m/up" })
    return name, name == "m/n" and random(9) or told.ids[random(20)]
  end
  told:live(random, 3, 30, fact)
  told:request_index()
  told:live(random, 2, 10, fact)
  return told
end

-- Questions of an engine that takes m/to for m/up.
local Question = {}

function Question:expected(reference) return reference:q(self.view, self.find, self.clauses) end

function Question:query()
  local where = {}
  for i, clause in ipairs(self.clauses) do
    where[i] = clause[2] == "m/up" and self.is_wrong and { clause[1], "m/to", clause[3] } or clause
  end
  return { find = self.find, where = where }, {}
end

function Question.compare(_, expected, rows) assert.equal(#expected, #rows) end

local function question(told, is_wrong)
  local asked = { story = told, view = {}, find = { "?a", "?n" }, is_wrong = is_wrong }
  asked.clauses = {
    { "?a", "m/n", "?n" }, { "?a", "m/up", "?b" }, { "?b", "m/to", "?c" }, { { "<", "?n", 9 } },
  }
  asked.where, asked.options = asked.clauses, { plan_seed = 0, threads = 3, table_rows_max = 2 }
  for name, method in pairs(Question) do asked[name] = method end
  return asked
end

describe("What is left of a question that is answered wrongly", function()
  local told
  before_each(function() told = some_facts() end)
  after_each(function() told:close() end)

  it("is a clause or two, as few facts, and no option", function()
    local text, smallest = shrink.smallest(question(told, true), "rows")
    assert.is_true(#smallest.clauses <= 2, text)
    assert.is_true(#smallest.facts <= 2, text)
    assert.equal(1, #smallest.find, text)
    assert.same({}, smallest.indexed, text)
    assert.equal(1, smallest.options.threads)
    assert.equal(0, smallest.options.table_rows_max)
    for _, fact in ipairs(smallest.facts) do
      assert.truthy(text:find(("%d %q"):format(fact.op[2], fact.op[3]), 1, true), text)
    end
  end)

  it("is told by whoever checks the answer", function()
    local db, reference = told:value {}
    local wrong = question(told, true)
    local ok, message = pcall(shrink.check, wrong, db, wrong:expected(reference), "the query")
    assert.is_false(ok)
    assert.truthy(message:find("Smallest:", 1, true))
  end)

  it("is nothing where the answer is right", function()
    local db, reference = told:value {}
    local right = question(told, false)
    assert.is_true(#right:expected(reference) > 0)
    shrink.check(right, db, right:expected(reference), "the query")
    assert.is_nil(shrink.smallest(right, "rows"))
  end)
end)
