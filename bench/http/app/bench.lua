--- The application of the benchmarks: a greeting, an entity as JSON, a transaction.
local ion = require "ion"

local bench = {}

function bench.hello() return "hello\n" end

function bench.item(request)
  local item = ion.db():entity { "item/key", request.params.key }
  return {
    body = {
      name = item["item/name"],
      count = item["item/count"],
      price = item["item/price"],
      other = item["item/other"],
      done = item["item/done"],
    },
  }
end

function bench.visit(request)
  ion.connect():transact { { ["visit/number"] = tonumber(request.body) } }
  return "ok\n"
end

return bench
