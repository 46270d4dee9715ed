-- The package index of a Debian machine as a database: what `lion dev examples/packages` serves.
return {
  app = "packages",
  allow = { "packages.version/compare", "packages.tx/release" },
  http = {
    { "GET", "/", "packages.web/home" },
    { "GET", "/search", "packages.web/search" },
    { "GET", "/changes", "packages.web/changes" },
    { "GET", "/packages/:name", "packages.web/package" },
    { "GET", "/packages/:name/needs", "packages.web/needs" },
    { "GET", "/packages/:name/breaks", "packages.web/breaks" },
    { "POST", "/packages/:name/releases", "packages.web/release" },
  },
  invoke = { breaks = "packages.graph/breaks" },
  params = { page_size = 50 },
  checks = { "packages.checks/schema" },
}
