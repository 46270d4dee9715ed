return {
  app = "bench",
  http = {
    { "GET", "/", "bench/hello" },
    { "GET", "/item/:key", "bench/item" },
    { "POST", "/visit", "bench/visit" },
  },
}
