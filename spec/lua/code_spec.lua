--- Values as bytes, and reports of transactions that another process made.
local lion = require "lion"
local core = require "lion.core"

local function again(value) return core.form_read(core.form_write(value)) end

describe("Values as bytes", function()
  it("come back as they were", function()
    local value = { 1, -2.5, "text", ":key/word", true, { a = 1, b = { "x", {} } }, lion.symbol "?x" }
    assert.same(value, again(value))
    assert.equal("\0\255", again "\0\255")
    assert.equal(lion.null, again(nil))
    assert.equal(lion.null, again(lion.null))
    assert.equal(9007199254740993LL, again(9007199254740993LL))
    assert.equal("12.50", tostring(again(lion.decimal "12.50")))
  end)

  it("say what cannot travel", function()
    for _, value in ipairs { print, { deep = { print } } } do
      local ok, problem = pcall(core.form_write, value)
      assert.is_false(ok)
      assert.equal("lion/not-allowed", problem.code)
    end
    local conn = lion.connect "mem:"
    for _, write in ipairs { core.form_write, core.tx_write } do
      local ok, problem = pcall(write, { conn:db() })
      assert.is_false(ok)
      assert.equal("lion/not-allowed", problem.code)
    end
    conn:close()
  end)

  it("say so where they are none", function()
    for _, bytes in ipairs { "", "\1", "\255", core.form_write { 1, 2 } .. "x",
      core.form_write("cut"):sub(1, -2) } do
      local ok, problem = pcall(core.form_read, bytes)
      assert.is_false(ok)
      assert.equal("lion/syntax", problem.code)
    end
  end)

  it("keep what transaction data means", function()
    local tx = { { "db/add", "tempid", "item/name", ":text" }, { ["item/tags"] = lion.set { "a", "b" } } }
    assert.equal(core.form_write(tx), core.tx_write(tx))
    assert.same({ { "db/add", "tempid", "item/name", ":text" }, { ["item/tags"] = { "a", "b" } } },
      core.form_read(core.tx_write(tx)))
  end)
end)

describe("A record that is no transaction", function()
  it("is refused", function()
    local conn = lion.connect "mem:"
    for _, bytes in ipairs { "", "\1", ("x"):rep(50) } do
      local ok, problem = pcall(core.record_report, conn.handle, bytes)
      assert.is_false(ok)
      assert.equal("lion/corrupt", problem.code)
    end
    conn:close()
  end)
end)
