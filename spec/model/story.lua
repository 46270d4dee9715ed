--- A database and its reference, with all that was done to make them: so that it can be done again, and less
-- of it.
local lion = require "lion"
local history = require "model.history"
local model = require "model.model"

local story = {}

local Story = {}
Story.__index = Story

--- A database of a few entities without facts.
-- @param schema attribute → { type =, many =, index = }
-- @param options of lion.connect
function story.new(schema, count, options)
  local conn = lion.connect("mem:", options)
  local self = { schema = schema, count = count, options = options, conn = conn, steps = {}, indexed = {} }
  self.ids, self.reference = history.begin(conn, schema, count), model.new(schema)
  return setmetatable(self, Story)
end

local function transact(self, ops)
  self.steps[#self.steps + 1] = ops
  self.reference:transact(self.conn:transact(history.tx_of(ops)).t, ops)
end

--- So many transactions of up to `size` facts.
-- @param fact function() → attribute, value
function Story:live(random, transactions, size, fact)
  for _ = 1, transactions do transact(self, history.ops(random, self.ids, size, fact)) end
end

function Story:request_index()
  self.indexed[#self.indexed + 1] = #self.steps
  self.conn:request_index()
end

--- What a view shows.
-- @param view { upper = t, since = t, history = boolean, is_filtered = boolean, as_if = ops }, each or none
-- @return a value of the database, and its reference
function Story:value(view)
  local db, reference = self.conn:db(), self.reference
  if view.as_if then
    db, reference = db:with(history.tx_of(view.as_if)).db_after, reference:copy()
    reference:transact(db.basis_t, view.as_if)
  end
  if view.upper then db = db:as_of(view.upper) end
  if view.since then db = db:since(view.since) end
  if view.history then db = db:history() end
  if view.is_filtered then db = db:filter(function() return true end) end
  return db, reference
end

--- All that was asserted and retracted: { step =, op = }…
function Story:facts()
  local facts = {}
  for step, ops in ipairs(self.steps) do
    for _, op in ipairs(ops) do facts[#facts + 1] = { step = step, op = op } end
  end
  return facts
end

--- Another one with these facts alone, each at its t.
-- @param indexed after how many transactions there was an index job
function Story:again(facts, indexed)
  local other, steps = story.new(self.schema, self.count, self.options), {}
  for step = 1, #self.steps do steps[step] = {} end
  for _, fact in ipairs(facts) do table.insert(steps[fact.step], fact.op) end
  for step = 0, #steps do
    if step > 0 then transact(other, steps[step]) end
    for _, at in ipairs(indexed) do
      if at == step then other:request_index() end
    end
  end
  return other
end

function Story:close() self.conn:close() end

return story
