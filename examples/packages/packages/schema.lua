--- What is known of packages. A dependency is a component of its package; alternatives of one
-- dependency share a group.
local lion = require "lion"

return function()
  return lion.schema {
    package = {
      name = { "string", unique = "identity", doc = "its name in the index" },
      version = "string",
      architecture = "string",
      section = "string",
      priority = "string",
      maintainer = "string",
      homepage = "string",
      summary = { "string", doc = "the first line of its description" },
      size = { "long", doc = "bytes of the archive" },
      installed_size = { "long", doc = "KiB when installed" },
      depends = { "ref", many = true, component = true },
    },
    dependency = {
      kind = { "keyword", doc = ":depends or :pre-depends" },
      on = { "ref", doc = "the package that is needed; one that only others name has no version" },
      group = { "long", doc = "one of the dependencies of equal group must be there" },
      relation = { "string", doc = "<<, <=, =, >= or >>" },
      version = "string",
    },
  }
end
