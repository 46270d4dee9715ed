--- A node's databases are what embedded ones are: specs of those, run over a node. Left out are the files
-- whose cases give functions to queries and filters, which cannot be sent.
local lion = require "lion"
local node = require "spec.node.node"

local FILES = { "compare", "contract", "entity", "index", "schema", "tuples" }

describe("Over a node", function()
  local cluster, a
  local connect = lion.connect

  setup(function()
    cluster = node.cluster()
    a = cluster:start { name = "a", group = "main", workers = 1 }
    lion.connect = function(uri, options)
      if uri == "mem:" then uri = a.door .. "/fresh" .. lion.uuid():gsub("-", "") end
      return connect(uri, options)
    end
  end)
  teardown(function()
    lion.connect = connect
    cluster:close()
  end)

  for _, file in ipairs(FILES) do
    describe(file, function()
      setfenv(assert(loadfile("spec/lua/" .. file .. "_spec.lua")), getfenv())()
    end)
  end
end)
