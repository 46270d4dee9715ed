--- What a shop knows. Money is in whole cents.
local lion = require "lion"

return function()
  return lion.schema {
    product = {
      sku = { "string", unique = "identity", doc = "its number in the catalogue" },
      name = "string",
      price = { "long", doc = "cents" },
      stock = { "long", doc = "pieces that are there and belong to no order" },
    },
    line = {
      product = "ref",
      count = "long",
      price = { "long", doc = "cents a piece when it was ordered; a basket's line has none" },
    },
    basket = {
      id = { "uuid", unique = "identity" },
      lines = { "ref", many = true, component = true },
    },
    order = {
      id = { "uuid", unique = "identity" },
      email = "string",
      lines = { "ref", many = true, component = true },
      total = "long",
      state = { "keyword", index = true, doc = ":order.state/placed, /paid, /expired" },
      placed_at = "instant",
      receipt = { "string", doc = "the file in the outbox" },
    },
    payment = {
      id = { "string", unique = "identity", doc = "the payment service's name of it" },
      order = "ref",
      amount = "long",
    },
  }
end
