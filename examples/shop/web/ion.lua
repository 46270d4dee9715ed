-- The shop itself: pages, orders and what happens to them. It reads the database where it runs; what it
-- writes goes to the writer's group, where the transaction functions of ../store are.
return {
  app = "shop",
  http = {
    { "GET", "/", "shop.pages/catalogue" },
    { "GET", "/basket", "shop.pages/basket" },
    { "GET", "/orders/:id", "shop.pages/order" },
    { "POST", "/basket", "shop.orders/put" },
    { "POST", "/orders", "shop.orders/place" },
  },
  events = {
    {
      on = "tx",
      attr = "order/state",
      fn = "shop.receipts/paid",
      query = [==[[:find [?id ...] :in $ $tx
                   :where [$tx ?order :order/state :order.state/paid _ true] [?order :order/id ?id]]]==],
    },
    { on = "cron", at = "*/5 * * * *", fn = "shop.sweep/expire", catch_up = true },
    {
      on = "http",
      name = "payments",
      fn = "shop.payments/paid",
      signature = { scheme = "hmac", header = "x-signature", secret_param = "payments/secret" },
    },
  },
  params = { title = "Tea and pots", currency = "EUR", unpaid_minutes = 30 },
  checks = { "shop.checks/catalogue" },
}
