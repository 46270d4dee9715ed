-- ion.hash: published test vectors, and what is refused.
local gate = require "ions.gate"
local hash = require "ion.hash"
local refuses = require "spec.stdlib.refuses"

local function refused(words, fn, ...) refuses.with("ion.hash/invalid", words, fn, ...) end

describe("SHA-256", function()
  for text, digest in pairs { -- of FIPS 180-4's examples
    [""] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    [("a"):rep(1000000)] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0",
  } do
    it(("of %d bytes is as published"):format(#text), function() assert.equal(digest, hash.sha256(text)) end)
  end

  it("is written as one likes", function()
    assert.equal("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=", hash.sha256("abc", "base64"))
    assert.equal("ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0", hash.sha256("abc", "base64url"))
    assert.equal(32, #hash.sha256("abc", "bytes"))
    refused("did you mean base64", hash.sha256, "abc", "base46")
    refused("not a nil", hash.sha256)
    refused("not a number", hash.sha256, 5)
  end)
end)

describe("HMAC", function()
  it("is as RFC 4231 has it", function()
    assert.equal("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
      hash.hmac("Jefe", "what do ya want for nothing?"))
    assert.equal("60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
      hash.hmac(("\170"):rep(131), "Test Using Larger Than Block-Size Key - Hash Key First"))
  end)

  it("takes no empty key", function() refused("not empty", hash.hmac, "", "data") end)
end)

describe("Comparing secrets", function()
  it("finds them equal or not, of any sizes", function()
    assert.is_true(hash.equal("a\0b", "a\0b"))
    assert.is_false(hash.equal("a\0b", "a\0c"))
    assert.is_false(hash.equal("a", "ab"))
    assert.is_true(hash.equal("", ""))
    refused("not a nil", hash.equal, "a")
  end)
end)

describe("An encoding", function()
  local ALL = {}
  for i = 0, 255 do ALL[i + 1] = string.char(i) end
  ALL = table.concat(ALL)

  for _, name in ipairs { "hex", "base64", "base64url" } do
    it(name .. " gives all bytes back, of any count", function()
      for size = 0, 256 do
        local bytes = ALL:sub(257 - size)
        assert.equal(bytes, hash["from_" .. name](hash[name](bytes)))
      end
    end)
  end

  for _, case in ipairs {
    { "from_hex", "abc" }, { "from_hex", "zz" }, { "from_hex", "0a 0b" }, { "from_base64", "Zg" },
    { "from_base64", "Zg==\n" }, { "from_base64", "Z-==" }, { "from_base64url", "Zg==" },
    { "from_base64url", "Z/" }, { "from_base64", "Z" }, { "from_hex", "0a\0" },
  } do
    it(("%s refuses %q"):format(case[1], case[2]), function()
      refused("nothing else", hash[case[1]], case[2])
    end)
  end
end)

describe("A token", function()
  it("has 43 characters for URLs, and is like no other", function()
    local seen = {}
    for _ = 1, 1000 do
      local token = hash.token()
      assert.truthy(token:find "^[%w_-]+$")
      assert.equal(43, #token)
      assert.is_nil(seen[token])
      seen[token] = true
    end
  end)

  it("comes through the gate", function()
    gate.use { bytes = function(size) return ("\0"):rep(size) end }
    assert.equal(("A"):rep(43), hash.token())
    gate.live()
  end)

  it("is not too short to be secret", function()
    refused("16 to 1024", hash.token, 8)
    refused("16 to 1024", hash.token, 1e9)
    refused("16 to 1024", hash.token, "32")
  end)
end)

describe("A password", function()
  it("is known again by what was stored of it, and no other is", function()
    local stored = hash.password "correct horse"
    assert.truthy(stored:find("$argon2id$v=19$m=65536,t=2,p=1$", 1, true))
    assert.is_true(hash.verify("correct horse", stored))
    assert.is_false(hash.verify("correct horsf", stored))
    assert.is_false(hash.verify("", stored))
    assert.not_equal(stored, hash.password "correct horse")
  end)

  it("is refused where nothing of it was stored, or at too high a price", function()
    refused("what hash.password gave", hash.verify, "a", "a")
    refused("what hash.password gave", hash.verify, "a", "$2y$10$abcdefghijklmnopqrstuv")
    refused("at most", hash.verify, "a", "$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$AAAA")
    refused("at most", hash.verify, "a", "$argon2id$v=19$m=65536,t=9999,p=1$c29tZXNhbHRzb21lc2FsdA$AAAA")
    refused("4096", hash.password, ("x"):rep(4097))
    refused("not a nil", hash.verify, "a", nil)
  end)
end)
