local signature = require "ions.events.signature"
local sodium = require "ions.sodium"

local GITHUB = { scheme = "github", secret_param = "github/secret" }
local STRIPE = { scheme = "stripe", secret_param = "stripe/secret" }
local STANDARD = { scheme = "standard", secret_param = "hooks/secret" }
local HMAC = { scheme = "hmac", secret_param = "s", header = "X-Signature" }

-- Examples that the three publish or that were computed elsewhere.
local HELLO, HELLO_SECRET = "Hello, World!", "It's a Secret to Everybody"
local HELLO_HEX = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
local HELLO_BASE64 = sodium.base64(sodium.from_hex(HELLO_HEX), false)
local EVENT, EVENT_SECRET, EVENT_S = '{"id":"evt_1"}', "whsec_test", 1492774577
local EVENT_HEX = "7656fc2882a7ca0a651666b36bf2f2f22ee204f54f608f227498a2419f2890b2"
local MESSAGE, MESSAGE_S = '{"test": 2432232314}', 1614265330
local MESSAGE_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
local MESSAGE_HEADERS = {
  ["webhook-id"] = "msg_p5jXN8AQM9LWM0D4loKWxJek",
  ["webhook-timestamp"] = "1614265330",
  ["webhook-signature"] = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}

local WRONG_HEX = ("0"):rep(64)

local function with(headers, changes)
  local result = {}
  for name, value in pairs(headers) do result[name] = value end
  for name, value in pairs(changes) do result[name] = value or nil end
  return result
end

local function stripe(value, seconds, secret)
  return signature.verify(STRIPE, secret or EVENT_SECRET, { ["stripe-signature"] = value }, EVENT,
    (seconds or EVENT_S) * 1000)
end

describe("A webhook's signature", function()
  describe("of the body", function()
    for _, case in ipairs {
      { "in hexadecimal digits", {}, HELLO_HEX },
      { "in upper case", {}, HELLO_HEX:upper() },
      { "behind a prefix", { prefix = "sha256=" }, "sha256=" .. HELLO_HEX },
      { "in base64", { encoding = "base64" }, HELLO_BASE64 },
    } do
      it("is taken " .. case[1], function()
        local headers = { ["x-signature"] = case[3] }
        assert.same({}, (signature.verify(with(HMAC, case[2]), HELLO_SECRET, headers, HELLO, 0)))
      end)
    end

    it("is taken in GitHub's manner", function()
      local headers = { ["x-hub-signature-256"] = "sha256=" .. HELLO_HEX }
      assert.same({}, (signature.verify(GITHUB, HELLO_SECRET, headers, HELLO, 0)))
    end)

    for _, case in ipairs {
      { "none", nil, 401, "the header x-hub-signature-256 is missing" },
      { "one without its prefix", HELLO_HEX, 401, "the header x-hub-signature-256 is no signature" },
      { "one that is no digits", "sha256=" .. ("g"):rep(64), 401,
        "the header x-hub-signature-256 is no signature" },
      { "an empty one", "sha256=", 403, "the signature is wrong" },
      { "a short one", "sha256=" .. HELLO_HEX:sub(1, 62), 403, "the signature is wrong" },
      { "another", "sha256=" .. WRONG_HEX, 403, "the signature is wrong" },
      { "two", "sha256=" .. HELLO_HEX .. ", sha256=" .. HELLO_HEX, 401,
        "the header x-hub-signature-256 is no signature" },
    } do
      it(("is refused with %d: %s"):format(case[3], case[1]), function()
        local headers = { ["x-hub-signature-256"] = case[2] }
        local found, status, message = signature.verify(GITHUB, HELLO_SECRET, headers, HELLO, 0)
        assert.is_nil(found)
        assert.same({ case[3], case[4] }, { status, message })
      end)
    end

    it("is refused for another body, and with another secret", function()
      local headers = { ["x-hub-signature-256"] = "sha256=" .. HELLO_HEX }
      assert.equal(403, (select(2, signature.verify(GITHUB, HELLO_SECRET, headers, HELLO .. " ", 0))))
      assert.equal(403, (select(2, signature.verify(GITHUB, "another", headers, HELLO, 0))))
    end)
  end)

  describe("in Stripe's manner", function()
    local sound = ("t=%d,v1=%s,v0=abc"):format(EVENT_S, EVENT_HEX)

    it("is taken within 300 s", function()
      assert.same({}, (stripe(sound)))
      assert.same({}, (stripe(sound, EVENT_S + 300)))
      assert.same({}, (stripe(sound, EVENT_S - 300)))
    end)

    it("is taken when one of several fits", function()
      assert.same({}, (stripe(("t=%d,v1=%s,v1=%s"):format(EVENT_S, WRONG_HEX, EVENT_HEX))))
    end)

    it("is taken with either secret while one is changed for another", function()
      assert.same({}, (stripe(sound, EVENT_S, { "new", EVENT_SECRET })))
      assert.equal(403, (select(2, stripe(sound, EVENT_S, { "new", "newer" }))))
    end)

    it("has a tolerance of its own", function()
      local settings = with(STRIPE, { tolerance = 10 })
      local headers = { ["stripe-signature"] = sound }
      assert.same({}, (signature.verify(settings, EVENT_SECRET, headers, EVENT, (EVENT_S + 10) * 1000)))
      local late_ms = (EVENT_S + 11) * 1000
      local _, status, message = signature.verify(settings, EVENT_SECRET, headers, EVENT, late_ms)
      assert.same({ 403, "the signature's time is more than 10 s from now" }, { status, message })
    end)

    for _, case in ipairs {
      { "it is too old", sound, 403, EVENT_S + 301 },
      { "it is from the future", sound, 403, EVENT_S - 301 },
      { "its time was changed", ("t=%d,v1=%s"):format(EVENT_S + 1, EVENT_HEX), 403, EVENT_S },
      { "it is of the version before alone", ("t=%d,v0=%s"):format(EVENT_S, EVENT_HEX), 401, EVENT_S },
      { "it has no time", "v1=" .. EVENT_HEX, 401, EVENT_S },
      { "it has two times", ("t=1,t=%d,v1=%s"):format(EVENT_S, EVENT_HEX), 401, EVENT_S },
      { "its time is no number", "t=now,v1=" .. EVENT_HEX, 401, EVENT_S },
      { "its time is negative", "t=-1,v1=" .. EVENT_HEX, 401, EVENT_S },
      { "its time is huge", ("t=%s,v1=%s"):format(("9"):rep(400), EVENT_HEX), 401, EVENT_S },
      { "it is empty", "", 401, EVENT_S },
      { "it is missing", nil, 401, EVENT_S },
    } do
      it(("is refused with %d when %s"):format(case[3], case[1]), function()
        local found, status = stripe(case[2], case[4])
        assert.is_nil(found)
        assert.equal(case[3], status)
      end)
    end

    it("is tried against 16 signatures at most", function()
      local many = ("v1=" .. WRONG_HEX .. ","):rep(16)
      assert.equal(403, (select(2, stripe(("t=%d,%sv1=%s"):format(EVENT_S, many, EVENT_HEX)))))
    end)
  end)

  describe("of Standard Webhooks", function()
    local function standard(changes, secret, seconds)
      local headers = with(MESSAGE_HEADERS, changes or {})
      local now_ms = (seconds or MESSAGE_S) * 1000
      return signature.verify(STANDARD, secret or MESSAGE_SECRET, headers, MESSAGE, now_ms)
    end

    it("is taken, and names its message", function()
      assert.same({ id = "msg_p5jXN8AQM9LWM0D4loKWxJek" }, (standard()))
      assert.same({ id = "msg_p5jXN8AQM9LWM0D4loKWxJek" }, (standard(nil, MESSAGE_SECRET:sub(7))))
    end)

    it("is taken when one of several fits", function()
      local several = "v1a,AAAA v1,AAAA " .. MESSAGE_HEADERS["webhook-signature"]
      assert.truthy((standard { ["webhook-signature"] = several }))
    end)

    for _, case in ipairs {
      { "another id", { ["webhook-id"] = "msg_2" }, 403 },
      { "another time", { ["webhook-timestamp"] = "1614265331" }, 403 },
      { "a time that is none", { ["webhook-timestamp"] = "1614265330.0" }, 401 },
      { "another signature", { ["webhook-signature"] = "v1,AAAA" }, 403 },
      { "one of another version", { ["webhook-signature"] = "v1a,AAAA" }, 401 },
      { "no id", { ["webhook-id"] = false }, 401 },
      { "an empty id", { ["webhook-id"] = "" }, 401 },
      { "no time", { ["webhook-timestamp"] = false }, 401 },
      { "no signature", { ["webhook-signature"] = false }, 401 },
    } do
      it(("is refused with %d: %s"):format(case[3], case[1]), function()
        local found, status = standard(case[2])
        assert.is_nil(found)
        assert.equal(case[3], status)
      end)
    end

    it("is refused when it is too old", function()
      assert.equal(403, (select(2, standard(nil, nil, MESSAGE_S + 301))))
    end)
  end)

  for _, case in ipairs {
    { "is not set", nil },
    { "is empty", "" },
    { "is no text", 7 },
    { "is an empty list", {} },
    { "has one that is none", { "a", "" } },
  } do
    it("cannot be checked while its parameter " .. case[1], function()
      local headers = { ["x-signature"] = HELLO_HEX }
      local found, status, message = signature.verify(HMAC, case[2], headers, HELLO, 0)
      assert.is_nil(found)
      assert.same({ 503, "the parameter s is not set, or is no secret" }, { status, message })
    end)
  end

  it("cannot be checked with a standard secret that is no base64", function()
    assert.equal(503, (select(2, signature.verify(STANDARD, "whsec_?", MESSAGE_HEADERS, MESSAGE, 0))))
  end)
end)

describe("A manifest's signature", function()
  local function problems(settings)
    local messages = {}
    signature.check(settings, function(message) messages[#messages + 1] = message end)
    return messages
  end

  it("is right as it is documented", function()
    for _, settings in ipairs { GITHUB, STRIPE, STANDARD, HMAC,
      with(HMAC, { encoding = "base64", prefix = "sha256=" }), with(STRIPE, { tolerance = 600 }) } do
      assert.same({}, problems(settings))
    end
  end)

  for _, case in ipairs {
    { "stripe", "signature is {" },
    { {}, "signature is {" },
    { { scheme = "rsa", secret_param = "s" }, "signature is {" },
    { { scheme = "stripe" }, "secret_param is the name" },
    { { scheme = "stripe", secret_param = "" }, "secret_param is the name" },
    { { scheme = "stripe", secret_parm = "s", secret_param = "s" }, "did you mean secret_param?" },
    { { scheme = "github", secret_param = "s", tolerance = 5 }, "unknown key tolerance" },
    { { scheme = "hmac", secret_param = "s" }, "header is the name" },
    { { scheme = "hmac", secret_param = "s", header = "a b" }, "header is the name" },
    { { scheme = "hmac", secret_param = "s", header = "x", encoding = "ascii" }, 'encoding is "hex" or' },
    { { scheme = "hmac", secret_param = "s", header = "x", prefix = 1 }, "prefix is a string" },
    { { scheme = "stripe", secret_param = "s", tolerance = 0 }, "tolerance is a whole number" },
    { { scheme = "stripe", secret_param = "s", tolerance = 1.5 }, "tolerance is a whole number" },
    { { scheme = "stripe", secret_param = "s", tolerance = 86401 }, "tolerance is a whole number" },
  } do
    it("is refused: " .. case[2], function()
      local found = problems(case[1])
      assert.equal(1, #found)
      assert.truthy(found[1]:find(case[2], 1, true), found[1])
    end)
  end
end)
