--- lion import: what is read, what is told, and going on where it was interrupted.
local lion = require "lion"
local import = require "lion.cli.import"

describe("An import", function()
  local folder, path

  local function file(name, text)
    local out = assert(io.open(folder .. "/" .. name, "wb"))
    out:write(text)
    out:close()
    return folder .. "/" .. name
  end

  -- Run it with what it prints and shows put away.
  local function run(...)
    local lines, real = {}, print
    _G.print = function(line) lines[#lines + 1] = line end
    local ok, result = pcall(import.run, { path, ... })
    _G.print = real
    return ok, result, lines[#lines]
  end

  local function fails(...)
    local ok, e = run(...)
    assert.is_false(ok)
    return tostring(e)
  end

  local function ask(query)
    local conn = lion.connect(path)
    local result = conn:db():q(query)
    conn:close()
    return result
  end

  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    os.execute("mkdir " .. folder)
    path = folder .. "/a.lion"
    local conn = lion.connect(path)
    conn:transact(lion.schema { p = {
      name = { "string", unique = "value" }, age = "long", is_well = "boolean", note = "string",
    } })
    conn:close()
  end)

  after_each(function() os.execute("rm -r " .. folder) end)

  it("reads CSV with quotes that hold commas, quotes and line ends", function()
    local csv = file("p.csv", 'p/name,p/note\r\n"Ann, of O","says ""hi""\nand goes"\r\nBob,\n')
    local ok, _, last = run(csv)
    assert.is_true(ok)
    assert.is_truthy(last:find "^1 transactions, %d+ datoms, [%d.]+ seconds$")
    assert.equal('says "hi"\nand goes', ask '[:find ?n . :where [?e :p/name "Ann, of O"] [?e :p/note ?n]]')
    assert.equal(2, ask "[:find (count ?e) . :where [?e :p/name]]")
  end)

  it("takes true, false, 1 and 0 for booleans and nothing else", function()
    assert.is_true(run(file("p.csv", "p/name,p/is_well\na,true\nb,FALSE\nc,1\nd,0\n")))
    assert.equal(2, ask "[:find (count ?e) . :where [?e :p/is_well false]]")
    local message = fails(file("q.csv", "p/name,p/is_well\ne,true\nf,yes\n"))
    assert.is_truthy(message:find("line 3", 1, true))
    assert.is_truthy(message:find("yes", 1, true))
  end)

  it("names the line of the record that a batch fails by, and writes nothing of the batch", function()
    local lines = {}
    for i = 1, 40 do lines[i] = ('{"p/name": "n%d", "p/age": %d}'):format(i, i) end
    lines[23] = '{"p/name": "n23", "p/age": "old"}'
    local message = fails(file("p.jsonl", table.concat(lines, "\n")))
    assert.is_truthy(message:find("p.jsonl, line 23: ", 1, true))
    assert.is_nil(ask "[:find ?e . :where [?e :p/name]]")
  end)

  it("goes on behind what it wrote, and a whole file a second time writes nothing", function()
    local lines = {}
    for i = 1, 30 do lines[i] = ('{"p/name": "n%d"}'):format(i) end
    local whole = table.concat(lines, "\n") .. "\n"
    lines[21] = "{"
    local jsonl = file("p.jsonl", whole)
    local digest = require "lion.cli.digest"(whole)
    local conn = lion.connect(path)
    assert.is_nil(conn:db():entid ":lion.import/digest")
    conn:close()
    assert.is_false(run(file("q.jsonl", table.concat(lines, "\n")), "--batch", "10"))
    assert.equal(20, ask "[:find (count ?e) . :where [?e :p/name]]")
    conn = lion.connect(path) -- as if the file had been read so far
    local tx = conn:db():q "[:find (max ?t) . :where [?t :lion.import/position]]"
    conn:transact { { ["db/id"] = tx, ["lion.import/digest"] = digest } }
    conn:close()
    assert.is_true(run(jsonl, "--batch", "10"))
    assert.equal(30, ask "[:find (count ?e) . :where [?e :p/name]]")
    local _, _, last = run(jsonl)
    assert.is_truthy(last:find "^0 transactions, 0 datoms")
  end)
end)
