--- A database of a few entities, and random transactions, in it and in the reference alike.
local lion = require "lion"

local history = {}

--- @param schema attribute → { type =, many =, index = }
-- @return the ids of as many entities
function history.begin(conn, schema, count)
  local spec, tx, ids = {}, {}, {}
  for name, attribute in pairs(schema) do
    local space, rest = name:match "(.-)/(.*)"
    spec[space] = spec[space] or {}
    spec[space][rest] = { attribute.type, many = attribute.many, index = attribute.index }
  end
  conn:transact(lion.schema(spec))
  for i = 1, count do tx[i] = { ["db/id"] = "e" .. i, ["db/doc"] = "entity " .. i } end
  local tempids = conn:transact(tx).tempids
  for i = 1, count do ids[i] = tempids["e" .. i] end
  return ids
end

--- Up to `size` facts: { "add" | "retract", e, a, v }… Each (e, a) is touched once, so nothing contradicts
-- itself.
-- @param fact function() → attribute, value
function history.ops(random, ids, size, fact)
  local ops, touched = {}, {}
  for _ = 1, size do
    local name, v = fact()
    local e = ids[random(#ids)]
    if not touched[e .. name] then
      touched[e .. name] = true
      ops[#ops + 1] = { random(6) == 1 and "retract" or "add", e, name, v }
    end
  end
  return ops
end

--- The same as a transaction.
function history.tx_of(ops)
  local tx = {}
  for i, op in ipairs(ops) do tx[i] = { "db/" .. op[1], op[2], op[3], op[4] } end
  return tx
end

--- So many transactions of up to `size` facts.
-- @param fact function() → attribute, value
function history.live(random, conn, reference, ids, transactions, size, fact)
  for _ = 1, transactions do
    local ops = history.ops(random, ids, size, fact)
    reference:transact(conn:transact(history.tx_of(ops)).t, ops)
  end
end

return history
