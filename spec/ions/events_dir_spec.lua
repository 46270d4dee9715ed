-- Files in a folder, as the engine and a worker see them.
local dir = require "ions.events.dir"
local files = require "ions.files"
local gate = require "ions.gate"
local program = require "spec.lua.program"

describe("Files as a source of events", function()
  local top, event, source, now_ms

  local function open() return assert(files.folder(top)) end

  before_each(function()
    top = program.folder()
    now_ms = 0
    gate.use(setmetatable({ files = open }, { __index = gate.source }))
    event = { app = "shop", name = "in", spec = { on = "dir", path = "in" } }
    local host = { files = open, monotonic = function() return now_ms end }
    assert.equal(0, dir.first(host, event))
    source = dir.open(host, event)
  end)
  after_each(function()
    gate.live()
    source:close()
    program.remove(top)
  end)

  local function put(name, text) program.write(top .. "/in/" .. name, text) end

  local function next_item()
    local item = source:next()
    now_ms = now_ms + 1000
    return item or source:next()
  end

  -- As it comes to the worker.
  local function prepared(item)
    local input = {}
    for key, value in pairs(item.input) do input[key] = value end
    return dir.prepare(nil, input, event.spec) and input or nil
  end

  it("are told by name, size and time of change, under a whole number", function()
    put("a", "abc")
    local item = next_item()
    assert.equal("a", item.input.name)
    assert.equal(3, item.input.size)
    assert.is_true(math.abs(item.input.changed - os.time() * 1000) < 60000)
    assert.is_true(item.number % 1 == 0 and item.number > 0 and item.number < 2 ^ 53)
    assert.equal(0, item.position)
    assert.same({ 0, 0 }, { source.passed(), source.newest() })
    assert.is_true(source.due() > 0)
  end)

  it("tell how long ago the oldest came that is not done", function()
    assert.equal(0, source:lag())
    put("a", "1")
    assert.equal(0, source:lag())
    local item = next_item()
    now_ms = now_ms + 10
    assert.equal(1010, source:lag())
    source:ended(item, true)
    assert.equal(0, source:lag())
  end)

  it("are read whole or in pieces where they are handled", function()
    put("a", "abc")
    local input = prepared(next_item())
    assert.equal("in/taken/a", input.path)
    assert.is_nil(input.file)
    assert.same({ "abc", "bc", "b", "" }, { input.read(), input.read(1), input.read(1, 1), input.read(9, 1) })
    for _, case in ipairs { { -1, 1 }, { 0, 16 * 1024 * 1024 + 1 }, { "x" }, { 0, "y" } } do
      local ok, e = pcall(input.read, unpack(case))
      assert.is_false(ok)
      assert.equal("incorrect", e.category)
    end
  end)

  it("are not read whole when they are large", function()
    assert.equal(0, os.execute(("truncate -s 17M %s/in/large"):format(top)))
    local input = prepared(next_item())
    local ok, e = pcall(input.read)
    assert.is_false(ok)
    assert.truthy(tostring(e):find("at most 16777216 bytes of in/taken/large are read at once", 1, true))
    assert.equal(1024, #input.read(16 * 1024 * 1024, 1024))
  end)

  it("are moved by how they end, and found again for a replay", function()
    put("a", "abc")
    local item = next_item()
    source:ended(item, false)
    assert.equal("in/failed/a", prepared(item).path)
    source:ended({ input = item.input }, true)
    assert.is_nil(prepared(item))
    assert.equal("abc", program.read(top .. "/in/done/a"))
  end)

  it("are no more, if somebody took them away", function()
    put("a", "abc")
    local item = next_item()
    local input = prepared(item)
    os.remove(top .. "/in/taken/a")
    assert.is_nil(prepared(item))
    local ok, e = pcall(input.read)
    assert.is_false(ok)
    assert.equal("not-found", e.category)
    source:ended(item, true)
    assert.is_nil(next_item())
  end)

  it("are all given up when they are passed over", function()
    put("a", "1")
    put("b", "2")
    assert.truthy(next_item())
    source:pass_over()
    assert.is_nil(next_item())
    assert.equal("1", program.read(top .. "/in/failed/a"))
    assert.equal("2", program.read(top .. "/in/failed/b"))
  end)
end)
