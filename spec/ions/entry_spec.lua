local entry = require "ions.entry"

describe("An entry point", function()
  it("has sane settings where it says nothing", function()
    local one = entry.new("a/b", print)
    assert.same({ 5000, 128, 512 }, { one.timeout, one.concurrency, one.queue })
    local other = entry.new("a/b", print, { "GET", "/", "a/b", timeout = 20, queue = 0 })
    assert.same({ 20, 128, 0 }, { other.timeout, other.concurrency, other.queue })
  end)

  it("has places, then a queue, then refuses", function()
    local one = entry.new("a/b", print, { concurrency = 2, queue = 2 })
    local verdicts = {}
    for id = 1, 5 do
      verdicts[id] = one:admit(id)
    end
    assert.same({ "run", "run", "wait", "wait", "refuse" }, verdicts)
  end)

  it("gives a place that is free to who has waited longest", function()
    local one = entry.new("a/b", print, { concurrency = 1, queue = 3 })
    for id = 1, 4 do
      one:admit(id)
    end
    one:forget(3)
    assert.equal("wait", one:admit(5))
    assert.equal("refuse", one:admit(6))
    assert.same({ 2, 4, 5 }, { one:leave(), one:leave(), one:leave() })
    assert.is_nil(one:leave())
    assert.equal("run", one:admit(7))
    assert.equal("wait", one:admit(8))
  end)

  it("goes on after all who waited have gone", function()
    local one = entry.new("a/b", print, { concurrency = 1, queue = 2 })
    for id = 1, 3 do
      one:admit(id)
    end
    one:forget(2)
    one:forget(3)
    one:forget(3)
    assert.is_nil(one:leave())
    assert.equal("run", one:admit(4))
  end)

  for _, case in ipairs {
    { { timeout = 0 }, "timeout is a whole number from 1 to 600000, not 0" },
    { { timeout = 1.5 }, "not 1.5" },
    { { timeout = "2 s" }, "not 2 s" },
    { { timeout = 0 / 0 }, "timeout is a whole number" },
    { { concurrency = 0 }, "concurrency is a whole number from 1 to 10000, not 0" },
    { { queue = -1 }, "queue is a whole number from 0 to 100000, not -1" },
    { { queue = math.huge }, "queue is a whole number" },
    { { timeuot = 5 }, "unknown setting timeuot (did you mean timeout?)" },
    { { color = 5 }, "unknown setting color (there are timeout, concurrency, queue)" },
    { { [true] = 5 }, "unknown setting true" },
  } do
    it("is refused: " .. case[2], function()
      local told = {}
      entry.check("here", case[1], function(message) told[#told + 1] = message end)
      assert.equal(1, #told)
      assert.truthy(told[1]:find("here: ", 1, true))
      assert.truthy(told[1]:find(case[2], 1, true))
    end)
  end
end)
