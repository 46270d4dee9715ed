--- lion transact, import and export: data on their way in and out, also where the way is cut off.
local lion = require "lion"
local program = require "spec.lua.program"

local SCHEMA = [[
[{:db/ident :item/number :db/valueType :db.type/long :db/cardinality :db.cardinality/one}
 {:db/ident :item/text :db/valueType :db.type/string :db/cardinality :db.cardinality/one}]
]]
local RECORDS = 12000

-- A file of records in each format.
local FILES = {
  edn = function(i) return ('[{:item/number %d :item/text "text %d"}]\n'):format(i, i) end,
  jsonl = function(i) return ('{"item/number": %d, "item/text": "text %d"}\n'):format(i, i) end,
  csv = function(i) return ('%d,"text\n%d"\n'):format(i, i) end,
}

describe("Loading", function()
  local folder

  local function run(...) return program.run(folder, { ... }) end

  local function ask(query, ...)
    local result = run("q", "a.lion", query, "--json", ...)
    assert.equal("", result.err)
    return lion.json.read(result.out)
  end

  before_each(function()
    folder = program.folder()
    program.write(folder .. "/schema.edn", SCHEMA)
    assert.equal(0, run("transact", "a.lion", "schema.edn").code)
  end)

  after_each(function() program.remove(folder) end)

  describe("by lion transact", function()
    it("takes each form as a transaction, from a file or standard input", function()
      program.write(folder .. "/a.edn", "[{:item/number 1}] ; one\n{:data [{:item/number 2}]}\n")
      local result = run("transact", "a.lion", "a.edn")
      assert.equal("2 transactions, 4 datoms\n", result.out)
      result = program.run(folder, { "transact", "a.lion", "-", "--json" }, { input = "[{:item/number 3}]" })
      assert.same({ transactions = 1, datoms = 2 }, lion.json.read(result.out))
      assert.equal(3, ask "[:find (count ?e) . :where [?e :item/number]]")
    end)

    it("names the line of a form that fails, and keeps those before it", function()
      program.write(folder .. "/a.edn", '[{:item/number 1}]\n\n[{:item/number "x"}]\n[{:item/number 3}]\n')
      local result = run("transact", "a.lion", "a.edn")
      assert.equal(1, result.code)
      assert.matches("^lion: a.edn, line 3: ", result.err)
      assert.same({ 1 }, ask "[:find [?n ...] :where [_ :item/number ?n]]")
    end)
  end)

  describe("by lion import", function()
    it("ends with one line that tells what was done", function()
      program.write(folder .. "/a.jsonl", '{"item/number": 1}\n{"item/number": 2}\n')
      local result = run("import", "a.lion", "a.jsonl")
      assert.matches("^1 transactions, 5 datoms, [%d.]+ seconds\n$", result.out)
      assert.equal("", result.err)
      result = run("import", "a.lion", "a.jsonl", "--json")
      local told = lion.json.read(result.out)
      assert.equal(0, told.transactions)
      assert.equal(0, told.datoms)
      assert.is_number(told.seconds)
      assert.equal("all of a.jsonl was imported before\n", result.err)
    end)

    it("names what is wrong with the columns of a CSV file", function()
      for _, case in ipairs {
        { "N,T\n1,x\n", "M=item/number", 2, "a.csv has no column M" },
        { "Number\n1\n", "Numbr=item/number", 2, "did you mean Number%?" },
        { "N\n1\n", "N=item/numbr", 1, "did you mean :item/number%?" },
        { "N\n1\n", "N", 2, "COLUMN=ATTRIBUTE" },
        { "item/number\n1,2\n", nil, 1, "a.csv, line 2: 2 fields, where the heading names 1" },
        { "item/nonsense\n1\n", nil, 1, "no attribute :item/nonsense" },
        { "", nil, 1, "a.csv has no heading" },
      } do
        program.write(folder .. "/a.csv", case[1])
        local result = run("import", "a.lion", "a.csv", case[2] and "--map=" .. case[2])
        assert.equal(case[3], result.code)
        assert.matches("^lion: [^\n]*" .. case[4] .. "[^\n]*\n$", result.err)
        assert.equal("", result.out)
      end
    end)

    it("reads what spreadsheets write", function()
      program.write(folder .. "/a.csv", "\239\187\191item/number,item/text\r\n5,\"a, b\"\r\n6,\r\n")
      assert.equal(0, run("import", "a.lion", "a.csv").code)
      assert.equal(2, ask "[:find (count ?e) . :where [?e :item/number]]")
      assert.same({ "a, b" }, ask "[:find [?t ...] :where [_ :item/text ?t]]")
    end)

    it("takes standard input where it is told the format", function()
      local words = { "import", "a.lion", "-", "--format", "csv", "--map", "N=item/number" }
      local result = program.run(folder, words, { input = "N,M\n7,x\n" })
      assert.equal(0, result.code)
      assert.same({ 7 }, ask "[:find [?n ...] :where [_ :item/number ?n]]")
      table.remove(words, 5)
      assert.equal(2, program.run(folder, { "import", "a.lion", "-" }, { input = "N\n7\n" }).code)
    end)
  end)

  -- Start an import of a transaction a record, and let `fn` meet it when it is at work.
  local function interrupted(format, fn)
    local lines = {}
    for i = 1, RECORDS do
      lines[i] = FILES[format](i)
    end
    local heading = format == "csv" and "item/number,item/text\n" or ""
    program.write(folder .. "/a." .. format, heading .. table.concat(lines))
    local child = program.start(folder, { "import", "a.lion", "a." .. format, "--batch", "1" })
    local reader = lion.connect(folder .. "/a.lion", { read_only = true })
    program.wait_for(function() return reader:sync():count("aevt", "item/number") >= 20 end, "20 records")
    assert.is_nil(child:code()) -- more records are needed where this fails
    fn(child)
    local code = child:wait()
    reader:close()
    return child, code
  end

  -- Give the same command again: now every record is there, each once.
  local function goes_on(format)
    local before = ask "[:find (count ?e) . :where [?e :item/number]]"
    assert.is_true(before >= 20 and before < RECORDS)
    local result = run("import", "a.lion", "a." .. format, "--batch", "500")
    assert.equal(0, result.code)
    assert.matches("^going on at byte %d+ of %d+\n$", result.err)
    assert.matches("^%d+ transactions, %d+ datoms, [%d.]+ seconds\n$", result.out)
    assert.equal(RECORDS, ask "[:find (count ?e) . :where [?e :item/number]]")
    assert.equal(RECORDS, #ask "[:find [?n ...] :where [_ :item/number ?n]]")
    assert.equal(RECORDS, #ask "[:find [?t ...] :where [_ :item/text ?t]]")
    assert.matches("^0 transactions, 0 datoms", run("import", "a.lion", "a." .. format).out)
    assert.equal(0, run("db", "verify", "a.lion").code)
  end

  for _, format in ipairs { "edn", "jsonl", "csv" } do
    it("goes on behind what it wrote, nothing twice and nothing lost, when it was killed: " .. format,
      function()
        local _, code = interrupted(format, function(child) child:signal "KILL" end)
        assert.equal(137, code)
        goes_on(format)
      end)
  end

  for signal, expected in pairs { INT = 130, TERM = 143 } do
    it("stops behind a transaction by SIG" .. signal .. " and says how to go on", function()
      local child, code = interrupted("jsonl", function(child) child:signal(signal) end)
      assert.equal(expected, code)
      assert.equal("", child:out())
      assert.matches("^lion: stopped at byte %d+ of %d+; the same command goes on from there\n$", child:err())
      assert.is_nil(program.read(folder .. "/a.lion-owner"))
      goes_on "jsonl"
    end)
  end

  describe("what lion export wrote", function()
    local function export(...) return program.run(folder, { "export", "a.lion", ... }) end

    -- Its forms without ids, which differ from one database to another.
    local function plain(name)
      local text = program.read(folder .. "/" .. name)
      return (text:gsub('"e%d+"', '"e"'):gsub("(:lion.export/id) %d+", "%1"))
    end

    -- Transactions of every type of value, and entities that several of them tell of.
    local function fill()
      local conn = lion.connect(folder .. "/a.lion")
      conn:transact(lion.schema { x = {
        born = "instant", raw = "bytes", uid = "uuid", kind = "keyword", sym = "symbol", ok = "boolean",
        friend = { "ref", many = true }, pair = { "tuple", tuple_types = { "long", "string" } },
      } })
      local ids = conn:transact({
        {
          ["db/id"] = "a", ["item/text"] = lion.str ":odd \"text\"\n", ["x/born"] = -1, ["x/raw"] = "\0\255",
          ["x/uid"] = "0190a1b2-0000-7000-8000-000000000001", ["x/kind"] = ":a/b", ["x/ok"] = false,
          ["x/sym"] = lion.symbol "s", ["x/friend"] = { "a", "b" }, ["x/pair"] = { 1, lion.null },
          ["item/number"] = 9223372036854775807LL,
        },
        { ["db/id"] = "b", ["item/number"] = 2 },
      }).tempids
      conn:transact { { "db/retract", ids.b, "item/number", 2 }, { "db/add", ids.b, "item/text", "later" } }
      conn:transact { { "db/add", ids.b, "db/ident", ":the/second" }, { "db/add", ids.a, "x/friend", ids.b } }
      conn:transact { { "db/add", ids.b, "x/ok", true }, { "db/add", ":x/kind", "db/ident", ":x/sort" } }
      local report = conn:transact { { "db/add", ":the/second", "x/sort", ":c" } }
      conn:transact { { "db/add", report.tx, "db/doc", "a transaction that was remarked upon" } }
      conn:close()
    end

    it("makes the same database again, with its past", function()
      fill()
      local result = export "a.edn"
      assert.equal("8 transactions\n", result.out)
      assert.same({ transactions = 8 }, lion.json.read(export("a.edn", "--json").out))
      assert.equal(program.read(folder .. "/a.edn"), export("-").out)
      result = run("transact", "b.lion", "a.edn")
      assert.equal("", result.err)
      assert.equal(0, run("export", "b.lion", "b.edn").code)
      assert.equal(plain "a.edn", plain "b.edn")
      local words = { "q", "b.lion", "[:find (pull ?e [:item/text :x/ok :x/sort]) . :where [?e :x/sort :c]]",
        "--json" }
      assert.equal('{"item/text":"later","x/ok":true,"x/sort":":c"}\n', program.run(folder, words).out)
    end)

    it("can be imported, and what an import notes does not go on", function()
      fill()
      export "a.edn"
      local result = run("import", "b.lion", "a.edn")
      assert.equal("", result.err)
      assert.equal(0, result.code)
      run("export", "b.lion", "b.edn")
      assert.is_nil(program.read(folder .. "/b.edn"):find(":lion.import/position ", 1, true))
      assert.equal(0, run("import", "c.lion", "b.edn").code)
      assert.equal(0, run("db", "verify", "c.lion").code)
    end)

    it("is not made where it does not arrive", function()
      local result = export "none/a.edn"
      assert.equal(3, result.code)
      assert.equal("", result.out)
    end)
  end)
end)
