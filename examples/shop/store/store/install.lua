--- Schema and catalogue of a shop, brought up to date: `lion invoke store install`.
local ion = require "ion"
local schema = require "store.schema"

local install = {}

local CATALOGUE = {
  { "tea-green", "Green tea, 100 g", 690, 40 },
  { "tea-black", "Black tea, 100 g", 590, 60 },
  { "pot-iron", "Iron tea pot", 5900, 5 },
  { "cup-blue", "Blue cup", 1250, 24 },
}

--- Input: { products = { { sku, name, cents, pieces }, … }, database = name }, both may be left out: the
-- catalogue above, and `shop`. What is there already keeps its stock.
function install.install(input)
  local conn = ion.connect(input and input.database or "shop")
  conn:transact(schema())
  local db, data = conn:db(), {}
  for _, product in ipairs(input and input.products or CATALOGUE) do
    local known = db:entid { "product/sku", product[1] }
    data[#data + 1] = {
      ["product/sku"] = product[1],
      ["product/name"] = product[2],
      ["product/price"] = product[3],
      ["product/stock"] = not known and product[4] or nil,
    }
  end
  conn:transact(data)
  return { products = conn:db():count("aevt", "product/sku") }
end

return install
