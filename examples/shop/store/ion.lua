-- What may be done to a shop's database: its schema and its transaction functions. It answers nobody by
-- HTTP; it is deployed to the group that owns the writer, and shops on other groups transact by its names.
return {
  app = "store",
  allow = {
    "store.tx/put",
    "store.tx/place",
    "store.tx/pay",
    "store.tx/expire",
    "store.tx/mailed",
  },
  invoke = { install = "store.install/install" },
  checks = { "store.checks/schema" },
}
