--- lion run bench/http/items.lua NAME.lion [COUNT]: make the database that the application reads.
local lion = require "lion"

local BATCH = 10000
local path, count = arg[1], tonumber(arg[2]) or 100000

local conn = lion.connect(path, { durability = "none" })
conn:transact(lion.schema {
  item = {
    key = { "string", unique = "identity" },
    name = "string",
    count = "long",
    price = "double",
    other = "long",
    done = "boolean",
  },
  visit = { number = { "long", unique = "identity" } },
})
for at = 0, count - 1, BATCH do
  local tx = {}
  for i = at, math.min(at + BATCH, count) - 1 do
    tx[#tx + 1] = {
      ["item/key"] = ("key-%08d"):format(i),
      ["item/name"] = "name of " .. i,
      ["item/count"] = i,
      ["item/price"] = i / 4,
      ["item/other"] = i % 100,
      ["item/done"] = i % 2 == 0,
    }
  end
  conn:transact(tx)
end
conn:request_index()
conn:close()
