-- docs/stdlib.md names every function of the library.
local function read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

local DOCS = read "docs/stdlib.md"

-- Elements are told of all together.
local HELPERS = { "tag", "fragment", "each", "raw", "json", "escape", "render", "stream", "page" }

describe("The reference of the library", function()
  for _, name in ipairs { "cast", "file", "hash", "http", "route", "time", "uuid" } do
    it("has every function of ion." .. name, function()
      for member, value in pairs(require("ion." .. name)) do
        local written = name .. "." .. member .. (type(value) == "function" and "(" or "")
        local alone = "`" .. member .. "`"
        assert.truthy(DOCS:find(written, 1, true) or DOCS:find(alone, 1, true), written)
      end
    end)
  end

  it("has every function of ion.html but the elements", function()
    for _, member in ipairs(HELPERS) do
      assert.is_function(require("ion.html")[member])
      assert.truthy(DOCS:find("h." .. member .. "(", 1, true), member)
    end
  end)

  it("has examples that can be read", function()
    local count = 0
    for code in DOCS:gmatch "```lua\n(.-)```" do
      assert(loadstring((code:gsub("…", ""))))
      count = count + 1
    end
    assert.equal(9, count)
  end)
end)
