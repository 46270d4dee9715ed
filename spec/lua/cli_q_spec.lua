--- lion q: what each kind of value looks like in each format, and what a query is asked of.
local lion = require "lion"
local program = require "spec.lua.program"

local UID = "0190a1b2-0000-7000-8000-000000000001"
local BORN = "2026-01-31T12:00:00.000Z"

describe("lion q", function()
  local folder, path, ann, bob

  setup(function()
    folder = program.folder()
    path = folder .. "/a.lion"
    local conn = lion.connect(path)
    conn:transact(lion.schema { p = {
      name = { "string", unique = "identity" }, kind = "keyword", born = "instant", big = "long",
      raw = "bytes", uid = "uuid", ratio = "double", ok = "boolean", sym = "symbol", site = "uri",
      friend = { "ref", many = true }, pair = { "tuple", tuple_types = { "long", "string" } },
    } })
    local ids = conn:transact({
      {
        ["db/id"] = "ann", ["p/name"] = 'Ann, "of" O', ["p/kind"] = ":status/paid", ["p/born"] = BORN,
        ["p/big"] = 9223372036854775807LL, ["p/raw"] = "\0\1\255x", ["p/uid"] = UID, ["p/ratio"] = 0.5,
        ["p/ok"] = true, ["p/sym"] = lion.symbol "a/b", ["p/site"] = "http://x/", ["p/friend"] = { "bob" },
        ["p/pair"] = { 1, lion.null },
      },
      { ["db/id"] = "bob", ["p/name"] = lion.str ":not/a-keyword" },
    }).tempids
    ann, bob = ids.ann, ids.bob
    conn:close()
  end)

  teardown(function() program.remove(folder) end)

  local function ask(...) return program.run(folder, { "q", "a.lion", ... }) end

  -- What is printed, with nothing on standard error.
  local function answer(...)
    local result = ask(...)
    assert.equal("", result.err)
    assert.equal(0, result.code)
    return result.out
  end

  -- attribute, then its value in JSON, EDN, CSV
  for _, case in ipairs {
    { "p/kind", '":status/paid"', ":status/paid", ":status/paid" },
    { "p/born", '"' .. BORN .. '"', '#inst "' .. BORN .. '"', BORN },
    { "p/big", '"9223372036854775807"', "9223372036854775807", "9223372036854775807" },
    { "p/raw", '"AAH/eA=="', '#base64 "AAH/eA=="', "AAH/eA==" },
    { "p/uid", '"' .. UID .. '"', '#uuid "' .. UID .. '"', UID },
    { "p/ratio", "0.5", "0.5", "0.5" },
    { "p/ok", "true", "true", "true" },
    { "p/sym", '"a/b"', "a/b", "a/b" },
    { "p/site", '"http://x/"', '"http://x/"', "http://x/" },
    { "p/pair", "[1,null]", "[1 nil]", "[1 nil]" },
  } do
    local attribute = case[1]
    local query = ("[:find ?v . :where [_ :%s ?v]]"):format(attribute)
    it("prints a value of " .. attribute .. " as " .. case[2], function()
      assert.equal(case[2] .. "\n", answer(query, "--output", "json"))
      assert.equal(case[3] .. "\n", answer(query, "--output", "edn"))
      assert.equal("?v\r\n" .. case[4] .. "\r\n", answer(query, "--output", "csv"))
      assert.equal(case[4], answer(query):match "\n([^\n]+)\n1 row\n$")
    end)
  end

  it("knows the types of values whose attribute is a variable", function()
    local query = "[:find ?v :in $ ?n :where [?e :p/name ?n] [?e _ ?v]]"
    local found = {}
    for _, row in ipairs(lion.json.read(answer(query, '"Ann, \\"of\\" O"', "--json"))) do
      found[type(row[1]) == "table" and "pair" or row[1]] = true
    end
    for _, value in ipairs { BORN, "AAH/eA==", UID, "9223372036854775807", ":status/paid" } do
      assert.is_true(found[value])
    end
  end)

  it("keeps types through aggregates and functions of the engine", function()
    assert.equal('"' .. BORN .. '"\n', answer("[:find (max ?b) . :where [_ :p/born ?b]]", "--json"))
    assert.equal('"' .. BORN .. '"\n',
      answer("[:find ?b . :where [?e :p/name] [(get-else $ ?e :p/born 0) ?b] [(!= ?b 0)]]", "--json"))
    assert.equal("1\n", answer("[:find (count ?b) . :where [_ :p/born ?b]]", "--json"))
  end)

  it("takes inputs of the types that their texts tell", function()
    for text, json in pairs {
      ['#inst "' .. BORN .. '"'] = '"' .. BORN .. '"', ['#uuid "' .. UID:upper() .. '"'] = '"' .. UID .. '"',
      ["false"] = "false", ["nil"] = "null", ['":a"'] = '":a"', [":a"] = '":a"', ["1.50M"] = '"1.50"',
      ["[1 :k]"] = '[1,":k"]',
    } do
      assert.equal(json .. "\n", answer("[:find ?x . :in $ ?x]", text, "--output", "json"))
    end
    local query = "[:find ?n . :in $ ?b :where [?e :p/raw ?b] [?e :p/ok ?n]]"
    assert.equal("true\n", answer(query, '#base64 "AAH/eA=="', "--json"))
  end)

  it("takes rules before the database, too", function()
    local query = "[:find ?n . :in % $ :where (fine ?n)]"
    assert.equal("true\n", answer(query, "[[(fine ?n) [_ :p/ok ?n]]]", "--json"))
  end)

  it("tells a string that looks like a keyword from a keyword, where the format can", function()
    local query = ("[:find ?n . :where [%d :p/name ?n]]"):format(bob)
    assert.equal('":not/a-keyword"\n', answer(query, "--output", "edn"))
    assert.equal('":not/a-keyword"\n', answer(query, "--output", "json"))
  end)

  it("prints each find specification in its own shape", function()
    for _, case in ipairs {
      { "[:find ?n ?o :where [?e :p/name ?n] [?e :p/ok ?o]]", '[["Ann, \\"of\\" O",true]]' },
      { "[:find [?o ...] :where [_ :p/ok ?o]]", "[true]" },
      { "[:find [?o ?r] :where [?e :p/ok ?o] [?e :p/ratio ?r]]", "[true,0.5]" },
      { "[:find ?o :keys fine :where [_ :p/ok ?o]]", '[{"fine":true}]' },
      { "[:find ?o . :where [_ :p/ok ?o] [(= ?o false)]]", "null" },
      { "[:find [?o ?r] :where [?e :p/ok ?o] [?e :p/ratio ?r] [(< ?r 0)]]", "null" },
      { "[:find ?o :where [_ :p/ok ?o] [(= ?o false)]]", "[]" },
      { "[:find [?o ...] :where [_ :p/ok ?o] [(= ?o false)]]", "[]" },
    } do
      assert.equal(case[2] .. "\n", answer(case[1], "--output", "json"))
    end
  end)

  it("prints nested maps of a pull", function()
    local query = "[:find (pull ?e [:p/born :p/raw {:p/friend [:p/name]}]) . :where [?e :p/ok]]"
    assert.equal(
      '{"p/born":"' .. BORN .. '","p/friend":[{"p/name":":not/a-keyword"}],"p/raw":"AAH/eA=="}\n',
      answer(query, "--output", "json"))
    assert.equal(
      '{:p/born #inst "' .. BORN .. '", :p/friend [{:p/name ":not/a-keyword"}], :p/raw #base64 "AAH/eA=="}\n',
      answer(query, "--output", "edn"))
    local csv = answer(query, "--output", "csv")
    assert.matches('^pull %?e\r\n"{:p/born #inst ""2026', csv)
  end)

  it("prints EDN that reads back as it was", function()
    local text = answer("[:find ?e ?b ?r ?u :where [?e :p/born ?b] [?e :p/raw ?r] [?e :p/uid ?u]]",
      "--output", "edn")
    assert.same({ { ann, lion.instant(BORN), "\0\1\255x", UID } }, lion.edn.read(text))
  end)

  it("quotes what CSV demands", function()
    assert.equal('?n\r\n"Ann, ""of"" O"\r\n',
      answer("[:find ?n :where [?e :p/name ?n] [?e :p/ok]]", "--output", "csv"))
    assert.equal("?n\r\n", answer("[:find ?n :where [?e :p/name ?n] [?e :p/ok false]]", "--output", "csv"))
  end)

  it("cuts nothing where it does not print on a terminal", function()
    local text = answer("[:find (pull ?e [*]) . :where [?e :p/ok]]")
    assert.matches(':p/uid #uuid "' .. UID:gsub("%-", "%%-") .. '"}\n1 row\n$', text)
  end)

  it("takes each further word as an input, a form of EDN", function()
    for _, case in ipairs {
      { "[:find ?o . :in $ ?n :where [?e :p/name ?n] [?e :p/ok ?o]]", { '"Ann, \\"of\\" O"' }, "true" },
      { "[:find ?x . :in ?x :where [(> ?x -10)]]", { "-5" }, "-5" },
      { "[:find [?x ...] :in [?x ...]]", { "[1 1]" }, "[1]" },
      { "[:find ?x . :in $ % :where (rich ?x)]", { "[[(rich ?x) [_ :p/ratio ?x]]]" }, "0.5" },
    } do
      assert.equal(case[3] .. "\n", answer(case[1], "--json", unpack(case[2])))
    end
  end)

  it("reads the query from standard input where it is -", function()
    local result = program.run(folder, { "q", "a.lion", "-", "--json" },
      { input = "[:find ?o .\n :where [_ :p/ok ?o]]\n" })
    assert.equal("true\n", result.out)
  end)

  it("shows a plan with --explain", function()
    assert.matches("p/ok", answer("[:find ?o :where [_ :p/ok ?o]]", "--explain"))
  end)

  it("answers the same with --threads, which is a number", function()
    assert.equal("[true]\n", answer("[:find [?o ...] :where [_ :p/ok ?o]]", "--json", "--threads", "4"))
    local arguments = { "q", "a.lion", "[:find ?o :where [_ :p/ok ?o]]", "--threads", "many" }
    local result = program.run(folder, arguments)
    assert.equal(2, result.code)
    assert.matches("whole number", result.err)
  end)

  it("reads beside the owner, and what it wrote last", function()
    local conn = lion.connect(path)
    conn:transact { { "db/add", bob, "p/ok", false } }
    local query = "[:find (count ?e) . :where [?e :p/ok]]"
    assert.equal("2\n", answer(query, "--json"))
    conn:transact { { "db/retract", bob, "p/ok", false } }
    assert.equal("1\n", answer(query, "--json"))
    conn:close()
  end)

  it("fails with its code, the reason on standard error and nothing on standard output", function()
    for _, case in ipairs {
      { { "q", "none.lion", "[:find ?e :where [?e]]" }, 3, "none.lion" },
      { { "q", "none/a.lion", "[:find ?e :where [?e]]" }, 3, "none" },
      { { "q", "a.lion", "[:find" }, 1, "not closed" },
      { { "q", "a.lion", "[:find ?e :where [?e :p/nobody]]" }, 1, "p/nobody" },
      { { "q", "a.lion", "[:find ?n :in $ ?n :where [_ :p/name ?n]]" }, 1, "inputs" },
      { { "q", "a.lion", "[:find ?n :in $ ?n :where [_ :p/name ?n]]", "[" }, 1, "not closed" },
      { { "q", "a.lion" }, 2, "lion q URI QUERY" },
      { { "q" }, 2, "lion q URI QUERY" },
      { { "q", "a.lion", "[:find ?e :where [?e]]", "--output", "yaml" }, 2, "csv, edn, json, table" },
      { { "q", "a.lion", "[:find ?e :where [?e]]", "--outputs", "json" }, 2, "did you mean %-%-output" },
      { { "q", "a.lion", "[:find ?e :where [?e]]", "--output" }, 2, "takes a value" },
    } do
      local result = program.run(folder, case[1])
      assert.equal(case[2], result.code)
      assert.equal("", result.out)
      assert.matches(case[3], result.err)
      assert.matches("^lion: [^\n]+\n$", result.err)
    end
  end)
end)
