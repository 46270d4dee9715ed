-- An attribute that gains its index late: its older facts are found by value at once, before any index job.
local lion = require "lion"

local function keys(db)
  local list = {}
  for d in db:datoms("avet", "v/k") do
    list[#list + 1] = d.v
  end
  return list
end

local function filled(uri)
  local conn = lion.connect(uri)
  conn:transact(lion.schema { v = { k = { "string", index = false } } })
  local ids = {}
  for i = 1, 3 do
    ids[i] = conn:transact({ { ["db/id"] = "e", ["v/k"] = "k" .. i } }).tempids.e
  end
  return conn, ids
end

local SWITCH = { { ["db/id"] = ":v/k", ["db/index"] = true } }
local QUERY = '[:find ?e . :where [?e :v/k "k2"]]'

for _, place in ipairs { "memory", "a file" } do
  describe("An attribute that gains its index, in " .. place, function()
    local function new() return filled(place == "memory" and "mem:" or os.tmpname() .. ".lion") end

    for _, is_indexed in ipairs { false, true } do
      local when = is_indexed and " facts that an index job has moved" or " facts of novelty"

      it("is read by value:" .. when, function()
        local conn, ids = new()
        if is_indexed then conn:request_index() end
        local report = conn:transact(SWITCH)
        for _, db in ipairs { report.db_after, conn:db() } do
          assert.same({ "k1", "k2", "k3" }, keys(db))
          assert.equal(3, db:count("avet", "v/k"))
          assert.equal(ids[2], db:q(QUERY))
        end
        conn:close()
      end)

      it("shows its past and its future too:" .. when, function()
        local conn, ids = new()
        if is_indexed then conn:request_index() end
        local before = conn:db().basis_t
        conn:transact(SWITCH)
        conn:transact { { "db/retract", ids[2], "v/k", "k2" }, { "db/add", ids[3], "v/k", "k9" } }
        assert.same({ "k1", "k9" }, keys(conn:db()))
        assert.same({ "k1", "k2", "k3" }, keys(conn:db():as_of(before)))
        conn:request_index()
        assert.same({ "k1", "k9" }, keys(conn:db()))
        assert.same({ "k1", "k2", "k3" }, keys(conn:db():as_of(before)))
        assert.equal(2, conn:db():count("avet", "v/k"))
        conn:close()
      end)
    end

    it("in a speculative value", function()
      local conn, ids = new()
      conn:request_index()
      local db = conn:db():with(SWITCH).db_after
      assert.same({ "k1", "k2", "k3" }, keys(db))
      assert.equal(ids[2], db:q(QUERY))
      conn:close()
    end)

    it("in each of several values made from a speculative one", function()
      local conn = new()
      conn:request_index()
      local base = conn:db():with(SWITCH).db_after
      local one = base:with({ { ["v/k"] = "k4" } }).db_after
      local other = base:with({ { ["v/k"] = "k5" } }).db_after
      assert.same({ "k1", "k2", "k3", "k4" }, keys(one))
      assert.same({ "k1", "k2", "k3", "k5" }, keys(other))
      assert.same({ "k1", "k2", "k3" }, keys(base))
      conn:close()
    end)
  end)
end
