local cloud = require "ions.events.cloud"
local lion = require "lion"
local utf8 = require "ions.utf8"

local JSON = "application/json"
local STRUCTURED = "application/cloudevents+json; charset=utf-8"

-- Headers of binary mode, changed.
local function binary(changes)
  local headers = {
    ["ce-specversion"] = "1.0",
    ["ce-id"] = "7",
    ["ce-source"] = "/shop",
    ["ce-type"] = "order.paid",
    ["content-type"] = JSON,
  }
  for name, value in pairs(changes or {}) do headers[name] = value or nil end
  return headers
end

describe("An event by HTTP", function()
  describe("in binary mode", function()
    it("has its attributes in headers and its data in the body", function()
      local event = cloud.read(binary {
        ["ce-subject"] = "orders/7",
        ["ce-time"] = "2026-11-28T17:18:54.123+02:00",
        ["ce-dataschema"] = "https://example.com/order.json",
        ["ce-traceparent"] = "00-ab",
        ["user-agent"] = "x",
      }, '{"total":5,"note":null}')
      assert.same({
        id = "7",
        source = "/shop",
        type = "order.paid",
        subject = "orders/7",
        time = "2026-11-28T17:18:54.123+02:00",
        dataschema = "https://example.com/order.json",
        traceparent = "00-ab",
        datacontenttype = JSON,
        data = { total = 5, note = lion.null },
      }, event)
    end)

    it("is decoded from percent-encoding and from quotes", function()
      local event = cloud.read(binary { ["ce-subject"] = "Euro%20%E2%82%AC", ["ce-note"] = '"a \\" b"' }, "1")
      assert.equal("Euro €", event.subject)
      assert.equal('a " b', event.note)
    end)

    for _, case in ipairs {
      { "text/plain", "hello", "hello" },
      { "application/octet-stream", "\0\255", "\0\255" },
      { "application/vnd.shop+json", "[1]", { 1 } },
      { "application/json", "null", lion.null },
      { "text/plain", "", nil },
      { false, "bytes", "bytes" },
      { false, "", nil },
    } do
      it(("has data of %s"):format(case[1] or "no type"), function()
        local event = cloud.read(binary { ["content-type"] = case[1] }, case[2])
        assert.same(case[3], event.data)
        assert.equal(case[1] or nil, event.datacontenttype)
      end)
    end
  end)

  describe("in structured mode", function()
    it("is a JSON object", function()
      local event = cloud.read({ ["content-type"] = STRUCTURED }, [[{ "specversion": "1.0", "id": "7",
        "source": "urn:shop", "type": "order.paid", "subject": null, "time": "2026-11-28T17:18:54Z",
        "hops": 3, "sampled": true, "data": { "total": 5 } }]])
      assert.same({
        id = "7",
        source = "urn:shop",
        type = "order.paid",
        time = "2026-11-28T17:18:54Z",
        hops = 3,
        sampled = true,
        datacontenttype = "application/json",
        data = { total = 5 },
      }, event)
    end)

    it("has other data as text, or in base64", function()
      local event = cloud.read({ ["content-type"] = STRUCTURED }, [[{ "specversion": "1.0", "id": "7",
        "source": "s", "type": "t", "datacontenttype": "text/plain", "data": "hello" }]])
      assert.equal("hello", event.data)
      event = cloud.read({ ["content-type"] = STRUCTURED }, [[{ "specversion": "1.0", "id": "7",
        "source": "s", "type": "t", "datacontenttype": "image/png", "data_base64": "AP8=" }]])
      assert.equal("\0\255", event.data)
      assert.is_nil(event.data_base64)
    end)
  end)

  describe("that is no CloudEvent", function()
    it("is the JSON of its body", function()
      local event = cloud.read({ ["content-type"] = JSON }, '{"id":"evt_1"}')
      assert.same({ datacontenttype = JSON, data = { id = "evt_1" } }, event)
    end)

    it("is its bytes, where they are of another type", function()
      local event = cloud.read({ ["content-type"] = "application/x-www-form-urlencoded" }, "a=1")
      assert.same({ datacontenttype = "application/x-www-form-urlencoded", data = "a=1" }, event)
      assert.same({ data = "a=1" }, cloud.read({}, "a=1"))
    end)
  end)

  local function structured(text) return { ["content-type"] = STRUCTURED }, text end

  for _, case in ipairs {
    -- what, status, part of what is said, headers, body
    { "JSON that is cut off", 400, "malformed JSON", { ["content-type"] = JSON }, '{"a":' },
    { "an empty body as JSON", 400, "malformed JSON", { ["content-type"] = JSON }, "" },
    { "JSON that is not UTF-8", 400, "not UTF-8", { ["content-type"] = JSON }, '"\255"' },
    { "JSON in another charset", 415, "charset latin1",
      { ["content-type"] = JSON .. "; charset=latin1" }, "1" },
    { "JSON that is too deep", 400, "malformed JSON", { ["content-type"] = JSON }, ("["):rep(1000) },
    { "a batch", 415, "in a request of its own",
      { ["content-type"] = "application/cloudevents-batch+json" }, "[]" },
    { "another format", 415, "application/cloudevents+xml is not taken",
      { ["content-type"] = "application/cloudevents+xml" }, "<x/>" },
    { "a content type that is none", 400, "datacontenttype", { ["content-type"] = "json" }, "1" },
    { "no specversion", 400, "specversion is missing", binary { ["ce-specversion"] = false }, "1" },
    { "another specversion", 400, "specversion 0.3", binary { ["ce-specversion"] = "0.3" }, "1" },
    { "no id", 400, "id is missing", binary { ["ce-id"] = false }, "1" },
    { "no source", 400, "source is missing", binary { ["ce-source"] = false }, "1" },
    { "no type", 400, "type is missing", binary { ["ce-type"] = false }, "1" },
    { "an empty id", 400, "id is empty", binary { ["ce-id"] = "" }, "1" },
    { "an empty subject", 400, "subject is empty", binary { ["ce-subject"] = "" }, "1" },
    { "a source with a blank", 400, "source is no URI", binary { ["ce-source"] = "a b" }, "1" },
    { "a time that is none", 400, "time is no time", binary { ["ce-time"] = "yesterday" }, "1" },
    { "a date alone", 400, "time is no time", binary { ["ce-time"] = "2026-11-28" }, "1" },
    { "February 30", 400, "time is no time", binary { ["ce-time"] = "2026-02-30T00:00:00Z" }, "1" },
    { "a percent alone", 400, "percent-encoding", binary { ["ce-subject"] = "5%" }, "1" },
    { "a NUL", 400, "no text", binary { ["ce-subject"] = "a%00" }, "1" },
    { "text that is no UTF-8", 400, "no text", binary { ["ce-subject"] = "%FF" }, "1" },
    { "a name that is none", 400, "no attribute's name", binary { ["ce-my_name"] = "a" }, "1" },
    { "data in a header", 400, "none of CloudEvents'", binary { ["ce-data"] = "a" }, "1" },
    { "a long attribute", 400, "more than 4096 bytes", binary { ["ce-subject"] = ("a"):rep(4097) }, "1" },
    { "its body malformed", 400, "malformed JSON", binary(), "{" },
    { "an array in structured mode", 400, "no JSON object", structured "[1]" },
    { "a text in structured mode", 400, "no JSON object", structured '"a"' },
    { "nothing in structured mode", 400, "specversion is missing", structured "{}" },
    { "an id that is a number", 400, "id is a string",
      structured '{"specversion":"1.0","id":7,"source":"s","type":"t"}' },
    { "an id that is null", 400, "id is missing",
      structured '{"specversion":"1.0","id":null,"source":"s","type":"t"}' },
    { "an extension that is an object", 400, "x is a string, a boolean or a whole number",
      structured '{"specversion":"1.0","id":"7","source":"s","type":"t","x":{}}' },
    { "an extension that is a fraction", 400, "x is a string, a boolean or a whole number",
      structured '{"specversion":"1.0","id":"7","source":"s","type":"t","x":1.5}' },
    { "data twice", 400, "not both",
      structured '{"specversion":"1.0","id":"7","source":"s","type":"t","data":1,"data_base64":"AA=="}' },
    { "base64 that is none", 400, "no base64",
      structured '{"specversion":"1.0","id":"7","source":"s","type":"t","data_base64":"A"}' },
  } do
    it(("is refused with %d: %s"):format(case[2], case[1]), function()
      local event, status, message = cloud.read(case[4], case[5])
      assert.is_nil(event)
      assert.equal(case[2], status)
      assert.truthy(message:find(case[3], 1, true), message)
    end)
  end

  it("is refused when an attribute stands there twice", function()
    local repeated = { ["ce-id"] = { "7", "8" } }
    local event, status, message = cloud.read(binary { ["ce-id"] = "7, 8" }, "1", repeated)
    assert.is_nil(event)
    assert.equal(400, status)
    assert.equal("the header ce-id stands there twice", message)
  end)

  it("is refused with more attributes than there is room for", function()
    local headers = binary()
    for i = 1, 64 do headers["ce-x" .. i] = "a" end
    local _, status, message = cloud.read(headers, "1")
    assert.equal(400, status)
    assert.equal("an event has at most 64 attributes", message)
  end)
end)

describe("Whatever is sent", function()
  local seed = tonumber(os.getenv "LION_SEED") or os.time()
  local state = seed % 2147483647

  local function random(low, high)
    state = (state * 48271) % 2147483647
    return low + state % (high - low + 1)
  end

  local function mutated(text)
    for _ = 1, random(1, 4) do
      local at, kind = random(1, #text), random(1, 3)
      local byte = kind == 1 and "" or string.char(random(0, 255))
      text = text:sub(1, at - 1) .. byte .. text:sub(kind == 3 and at or at + 1)
    end
    return text
  end

  local BODY = '{"specversion":"1.0","id":"7","source":"/s","type":"t","time":"2026-11-28T17:18:54Z",'
    .. '"subject":"é","n":1,"b":true,"data":{"a":[1,null]}}'

  it(("is an event, or is told what is wrong (seed %d)"):format(seed), function()
    for _ = 1, 3000 do
      local event, status, message = cloud.read({ ["content-type"] = STRUCTURED }, mutated(BODY))
      if event then
        assert.equal("string", type(event.id))
      else
        assert.is_true(status == 400 or status == 415)
        assert.is_true(#message > 0 and #message < 500 and utf8.is_valid(message), message)
      end
      local headers = binary { ["ce-time"] = mutated "2026-11-28T17:18:54Z" }
      headers["ce-subject"] = mutated "a%20b"
      headers["content-type"] = mutated(JSON)
      event, status, message = cloud.read(headers, "1")
      assert.is_true(event ~= nil or status == 400 or status == 415, message)
    end
  end)
end)
