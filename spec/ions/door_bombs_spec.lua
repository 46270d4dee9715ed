-- Bodies that are made to hurt: each is refused by a clear error, at every route that reads one, and the next
-- request is answered as ever.
local access = require "ions.door.access"
local codec = require "lion.remote.codec"
local json = require "lion.json"
local utf8 = require "ions.utf8"
local world = require "spec.ions.door_world"

local EDN = { ["content-type"] = "application/edn" }

local function nested(open, count, close) return open:rep(count) .. "1" .. close:rep(count) end

-- What no route can read: name, body, headers, what is said of it.
local UNREADABLE = {
  { "arrays 100,000 deep", nested("[", 100000, "]"), nil, "nested" },
  { "arrays that never close", ("["):rep(250000), nil, "nested" },
  { "objects 40,000 deep", nested('{"a":', 40000, "}"), nil, "nested" },
  { "NaN", '{"db":NaN}', nil, "malformed JSON" },
  { "an escape that is half a character", '{"db":"\\ud800"}', nil, "unicode escape" },
  { "a byte order mark", '\239\187\191{"db":"x"}', nil, "malformed JSON" },
  { "something behind its end", '{"db":"x"} {}', nil, "the end" },
  { "compressed bytes", "\31\139\8\0\0\0\0\0", nil, "malformed JSON" },
  { "zeros", ("\0"):rep(100000), nil, "malformed JSON" },
  { "no object but a number", "7", nil, "a map of fields" },
  { "no object but a list", "[1]", nil, "a map of fields" },
  { "null", "null", nil, "a map of fields" },
  { "vectors 100,000 deep", nested("[", 100000, "]"), EDN, "nested deeper than 1000" },
  { "maps 40,000 deep", nested("{:a ", 40000, "}"), EDN, "nested deeper than 1000" },
  { "tags 80,000 deep", ("#a "):rep(80000) .. "1", EDN, "nested deeper than 1000" },
  { "discards 80,000 deep", ("#_ "):rep(80000) .. "1", EDN, "nested deeper than 1000" },
  { "a whole number of 100,000 digits", "{:db " .. ("9"):rep(100000) .. "}", EDN, "beyond 64 bits" },
  { "a decimal of a billion digits", "{:db 1e999999999M}", EDN, "no decimal number" },
  { "a key that is there twice", '{:db "a" :db "b"}', EDN, "the key db twice" },
  { "a map without a last value", "{:db}", EDN, "a value for each key" },
  { "a vector", "[1]", EDN, "a map of fields" },
}

-- What a route reads, and refuses.
local REFUSED = {
  { "/transact", '{"db":"\255\254","tx":[]}', "no database's name" },
  { "/transact", '{"\255":1}', "is no field here" },
  { "/transact", '{"db":"x\\u0000y","tx":[]}', "no database's name" },
  { "/transact", '{"db":"../system","tx":[]}', "no database's name" },
  { "/transact", '{"db":"o","tx":[{"db/doc":"\255"}]}', "UTF-8" },
  { "/transact", '{"db":"o","tx":[{"db/doc":1e999}]}', "##Inf" },
  { "/transact", '{"db":"o","tx":[{"db/id":1e30,"db/doc":"x"}]}', "no entity" },
  { "/transact", json.write { db = "o", tx = nested("[", 100000, "]") }, "nested deeper than 1000" },
  { "/transact", '{"db":"o","tx":[' .. ("[],"):rep(20000) .. "[]]}", "no operation" },
  { "/q", '{"db":"o","query":"[:find ?e :where [?e :db/doc]]","limit":1e999}', "limit is a whole number" },
  { "/q", '{"db":"o","query":"[:find ?e :where [?e :db/doc]]","limit":-1}', "limit is a whole number" },
  { "/q", '{"db":"o","query":"[:find ?e :where [?e :db/doc]]","offset":0.5}', "offset is a whole number" },
  { "/q", '{"db":"o","query":"[:find ?e :where [?e :db/doc]]","timeout_ms":1e9}', "at most 30000" },
  { "/q", json.write { db = "o", query = nested("[", 100000, "]") }, "nested deeper than 1000" },
  { "/q", json.write { db = "o", query = "[:find ?e :where " .. nested("(or ", 900, ")") .. "]" }, "" },
  { "/pull", json.write { db = "o", pattern = nested("[{:a ", 400, "}]"), id = 1 }, "" },
  { "/pull", json.write { db = "o", pattern = nested("[", 100000, "]"), id = 1 }, "nested deeper than 1000" },
  { "/tokens", '{"name":"\255","roles":["read"]}', "no token's name" },
}

describe("The control door is sent", function()
  local w

  setup(function()
    w = world.new()
    assert.equal(200, (w:ask("POST", "/transact", { db = "o", tx = { { ["db/doc"] = "x" } } })))
  end)
  teardown(function() w:close() end)

  local function is_well()
    local status, told = w:ask("POST", "/q", { db = "o", query = '[:find ?e :where [?e :db/doc "x"]]' })
    assert.equal(200, status)
    assert.equal(1, #told.result)
  end

  local function refused(expected, ...)
    local status, told = w:ask(...)
    assert.equal(400, status, type(told) == "table" and json.write(told) or told)
    assert.truthy(told.error.code and told.error.message:find(expected, 1, true), told.error.message)
    assert.is_true(utf8.is_valid(told.error.message))
    assert.is_true(#told.error.message < 1000)
  end

  for _, case in ipairs(UNREADABLE) do
    it("a body of " .. case[1], function()
      for route in pairs(access.NEEDED) do
        local path = route:match "^POST (/[%w/-]+)$"
        if path and path ~= "/values" then refused(case[4], "POST", path, case[2], case[3]) end
      end
      is_well()
    end)
  end

  for _, case in ipairs(REFUSED) do
    it(case[1] .. " " .. case[2]:gsub("[^%g ]", "?"):sub(1, 60), function()
      refused(case[3], "POST", case[1], case[2])
      is_well()
    end)
  end

  it("what is no value of remote connections", function()
    local headers, good = { ["content-type"] = codec.TYPE }, codec.write { op = "newest", name = "o" }
    local deep = {}
    for _ = 1, 50000 do deep = { deep } end
    local stepped = codec.write { "o", 1, 1, 1, { 7 } }
    local bodies = { "", "x", ("\255"):rep(1000), good:sub(1, -2), good .. good, codec.write(7) }
    for _, asked in ipairs {
      { op = "nothing" }, { op = deep }, { op = "q", value = deep }, { op = "q", value = "x" },
      { op = "walk", what = "rows", id = 7, at = "x", size = -1 }, { op = "newest", name = "../system" },
      { op = "pull", arguments = 7, value = "x" }, { op = "derive", value = stepped, arguments = {} },
    } do
      bodies[#bodies + 1] = codec.write(asked)
    end
    for _, body in ipairs(bodies) do
      local status, told = w:ask("POST", "/values", body, headers)
      assert.is_true(status >= 400 and status < 600, tostring(status))
      assert.equal("string", type(codec.read(told).code))
      assert.not_equal("lion/fault", codec.read(told).code, codec.read(told).message)
    end
    is_well()
  end)

  it("fields whose names are there twice in JSON: the last one counts", function()
    local status = w:ask("POST", "/transact", '{"db":"none of these","db":"o","tx":[]}')
    assert.equal(200, status)
  end)
end)
