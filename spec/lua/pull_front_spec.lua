local pull = require "lion.pull"
local values = require "lion.values"

local function attribute(name, options)
  local spec = { attr = name, reverse = 0 }
  for key, value in pairs(options or {}) do spec[key] = value end
  return spec
end

describe("A pull pattern", function()
  for _, case in ipairs {
    { "[:a/b :c]", { attribute "a/b", attribute "c" } },
    { "[*]", { attribute "*" } }, { '["*" :db/id]', { attribute "*", attribute "db/id" } },
    { "[:a/_b]", { attribute("a/b", { reverse = 1 }) } },
      { "[:_b]", { attribute("b", { reverse = 1 }) } },
    { "[{:a/b [:c/d] :e/f 3} {:g/_h ...}]", { attribute("a/b", { pattern = { attribute "c/d" } }),
      attribute("e/f", { recursion = 3 }),
      attribute("g/h", { reverse = 1, recursion = -1 }) } },
    { '[[:a/b :as "Name" :limit 2 :default 0 :xform str]]',
      { attribute("a/b", { as = "Name", limit = 2, default = 0, xform = "str" }) } },
    { "[(:a/b :as :k :limit nil)]", { attribute("a/b", { as = ":k", limit = -1 }) } },
    { "[(limit :a/b 3) (default :c false) (limit (default :a/b 1) 2)]",
      { attribute("a/b", { limit = 3 }), attribute("c", { default = false }),
        attribute("a/b", { limit = 2, default = 1 }) } },
    { "[{[:a/b :limit 1] [:c]} {(:a/_b :as \"x\") [*]}]",
      { attribute("a/b", { limit = 1, pattern = { attribute "c" } }),
      attribute("a/b", { reverse = 1, as = "x", pattern = { attribute "*" } }) } },
    { "[[:a/b :xform my.app/shout] [:c :xform clojure.core/str]]",
      { attribute("a/b", { xform = "my.app/shout" }), attribute("c", { xform = "str" }) } },
  } do
    it("reads " .. case[1], function() assert.same(case[2], pull.normalise(case[1])) end)
  end

  for _, case in ipairs {
    { { "a/b", ":c/_d", "*" }, "[:a/b :c/_d *]" }, { { "a", { ["c/d"] = { "e" } } },
      "[:a {:c/d [:e]}]" },
    { { { ["c/d"] = "..." }, { ["e/f"] = 2 } }, "[{:c/d ...} {:e/f 2}]" },
    { { { "a/b", as = "x", limit = 3 } }, '[[:a/b :as "x" :limit 3]]' },
      { { { "a/b", ":as", "x" } }, '[[:a/b :as "x"]]' },
    { { { "a/b", xform = "str" } }, "[[:a/b :xform str]]" }, { { { "limit", "a/b", 1 } },
      "[(limit :a/b 1)]" },
    { { { [{ "a/b", limit = 1 }] = { "c" } } }, "[{[:a/b :limit 1] [:c]}]" },
      { { { "a/b", limit = values.null } }, "[[:a/b :limit nil]]" },
  } do
    it("is the same as a table: " .. case[2], function() assert.same(pull.normalise(case[2]),
      pull.normalise(case[1])) end)
  end

  local loop = {}
  loop[1] = { a = loop }
  for _, pattern in ipairs {
    "", "[", "[:a/b", "{:a/b}", "[{:a/b}]", "[[:a/b :wrong 1]]", "[[:a/b :limit 0]]",
      "[[:a/b :limit -1]]", "[[:a/b :limit 1.5]]", "[17]", "[]", "[{}]",
    "[{:a 0}]", "[{:a -1}]", "[{:a []}]", "[{* [:a]}]", "[[:a :as]]", "[(limit :a)]", "[foo]",
      "[nil]", "[:a] [:b]", ":a", "[[:a :xform 1]]", "[()]",
    ("[{:a "):rep(400) .. "[:b]" .. ("}]"):rep(400), ("[{:a "):rep(20000), 17, true, {}, { 17 },
      { { "a", wrong = 1 } }, { a = { "b" } }, { print }, loop, { {} },
  } do
    it("is refused: " .. tostring(pattern):sub(1, 40), function()
      local ok, e = pcall(pull.normalise, pattern)
      assert.is_false(ok)
      assert.is_table(e)
      assert.same({ "incorrect", "lion/syntax" }, { e.category, e.code })
    end)
  end

  it("may nest far", function()
    assert.is_table(pull.normalise(("[{:a "):rep(80) .. "[:b]" .. ("}]"):rep(80)))
  end)
end)
