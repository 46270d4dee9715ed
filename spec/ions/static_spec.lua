-- The files that an application's manifest names, and everything that is no such file.
local application = require "spec.ions.application"

local MANIFEST = [==[
return {
  app = "site",
  http = {
    { "GET", "/assets/version", "site/version" }, { "GET", "/*page", "site/page" },
    { "POST", "/assets/upload", "site/version" },
  },
  static = { ["/assets"] = "public", ["/"] = { "www", max_age = 60 } },
}
]==]

local SITE = [==[
return {
  version = function() return "from the handler" end,
  page = function() return { status = 404, body = "no such page" } end,
}
]==]

local BIG = ("0123456789abcdef"):rep(100000) -- 1.6 MB: beyond what is kept in memory

describe("A static file", function()
  local site

  setup(function()
    site = application.new {
      ["ion.lua"] = MANIFEST,
      ["site.lua"] = SITE,
      ["secret.txt"] = "secret",
      ["public/app.js"] = "let a = 1",
      ["public/app.js.gz"] = "pretend that this is gzip",
      ["public/stale.css"] = "a {}",
      ["public/stale.css.gz"] = "older",
      ["public/version"] = "from the folder",
      ["public/a b&c.txt"] = "spaces",
      ["public/empty.txt"] = "",
      ["public/digits.txt"] = "0123456789",
      ["public/big.bin"] = BIG,
      ["public/.env"] = "secret",
      ["public/.git/config"] = "secret",
      ["public/.well-known/x.txt"] = "known",
      ["public/docs/index.html"] = "<h1>docs</h1>",
      ["public/bare/x.txt"] = "x",
      ["www/index.html"] = "<h1>home</h1>",
      ["www/about"] = "about, as a file",
    }
    os.execute(([[
      cd '%s/public'
      touch -d 2001-01-01 stale.css.gz app.js
      ln -s ../secret.txt out.txt; ln -s /etc/passwd etc.txt; ln -s .. up; ln -s /proc/self/root root
      ln -s digits.txt inside.txt; ln -s loop loop; mkfifo pipe
    ]]):format(site.dir))
  end)
  teardown(function() site:close() end)

  local function get(path, headers) return site:ask("GET " .. path, headers) end

  it("is answered with its type, its tag and how long it may be kept", function()
    local answer = get "/assets/app.js"
    assert.equal(200, answer.status)
    assert.equal("let a = 1", answer.body)
    assert.equal("text/javascript; charset=utf-8", answer.headers["content-type"])
    assert.equal("nosniff", answer.headers["x-content-type-options"])
    assert.equal("no-cache", answer.headers["cache-control"])
    assert.truthy(answer.headers.etag:find '^"%x+"$')
    assert.equal(32 + 2, #answer.headers.etag)
    assert.equal("public, max-age=60", get("/index.html").headers["cache-control"])
    assert.equal("application/octet-stream", get("/about").headers["content-type"])
  end)

  it("has a tag that changes with its content alone", function()
    local path = site.dir .. "/public/changing.txt"
    local function tag_of(text)
      local file = io.open(path, "wb")
      file:write(text)
      file:close()
      local answer = get "/assets/changing.txt"
      assert.equal(text, answer.body)
      return answer.headers.etag
    end
    local one, two, three = tag_of "one", tag_of "two", tag_of "one"
    assert.equal(one, three)
    assert.not_equal(one, two)
  end)

  it("is not sent again to who has it", function()
    local tag = get("/assets/digits.txt").headers.etag
    for _, given in ipairs { tag, "W/" .. tag, '"x", ' .. tag, "*" } do
      local answer = get("/assets/digits.txt", { ["if-none-match"] = given, range = "bytes=0-1" })
      assert.same({ 304, "" }, { answer.status, answer.body })
      assert.equal(tag, answer.headers.etag)
    end
    assert.equal(200, get("/assets/digits.txt", { ["if-none-match"] = '"x"' }).status)
    assert.equal(200, get("/assets/digits.txt", { ["if-none-match"] = tag:sub(2, -2) }).status)
  end)

  for _, case in ipairs {
    { "bytes=0-3", 206, "0123", "bytes 0-3/10" },
    { "bytes=7-", 206, "789", "bytes 7-9/10" },
    { "bytes=-4", 206, "6789", "bytes 6-9/10" },
    { "bytes=-40", 206, "0123456789", "bytes 0-9/10" },
    { "bytes=5-500", 206, "56789", "bytes 5-9/10" },
    { "BYTES=0-0", 206, "0", "bytes 0-0/10" },
    { "bytes=9-9", 206, "9", "bytes 9-9/10" },
    { "bytes=10-", 416, "", "bytes */10" },
    { "bytes=99999999999999999999-", 416, "", "bytes */10" },
    { "bytes=-0", 416, "", "bytes */10" },
    { "bytes=3-1", 200, "0123456789" },
    { "bytes=0-1,3-4", 200, "0123456789" },
    { "bytes=-", 200, "0123456789" },
    { "bytes=a-b", 200, "0123456789" },
    { "lines=0-1", 200, "0123456789" },
    { "", 200, "0123456789" },
  } do
    local range, status, body, content_range = unpack(case)
    it(("answers %d to the range %s"):format(status, range), function()
      local answer = get("/assets/digits.txt", { range = range })
      assert.same({ status, body }, { answer.status, answer.body })
      assert.equal(content_range, answer.headers["content-range"])
    end)
  end

  it("sends a range of the version that the client has, or the whole", function()
    local tag = get("/assets/digits.txt").headers.etag
    assert.equal(206, get("/assets/digits.txt", { range = "bytes=0-1", ["if-range"] = tag }).status)
    assert.equal(200, get("/assets/digits.txt", { range = "bytes=0-1", ["if-range"] = '"x"' }).status)
  end)

  it("of no bytes is a file too", function()
    local answer = get "/assets/empty.txt"
    assert.same({ 200, "" }, { answer.status, answer.body })
    assert.equal(416, get("/assets/empty.txt", { range = "bytes=0-" }).status)
  end)

  it("that is large is streamed, its size known before", function()
    local answer = get "/assets/big.bin"
    assert.is_true(answer.is_streamed)
    assert.equal(#BIG, answer.size)
    assert.is_true(answer.body == BIG)
    local part = get("/assets/big.bin", { range = "bytes=1000000-1000015" })
    assert.same({ 206, 16, BIG:sub(1000001, 1000016) }, { part.status, part.size, part.body })
    assert.equal(304, get("/assets/big.bin", { ["if-none-match"] = answer.headers.etag }).status)
  end)

  it("is sent compressed where that is accepted and not older", function()
    for accepted, is_gzip in pairs {
      ["gzip"] = true,
      ["br, gzip;q=0.5"] = true,
      ["GZIP"] = true,
      ["*"] = true,
      ["br"] = false,
      ["gzip;q=0"] = false,
      ["gzip;q=0, *"] = false,
      [""] = false,
    } do
      local answer = get("/assets/app.js", { ["accept-encoding"] = accepted })
      assert.equal(is_gzip and "pretend that this is gzip" or "let a = 1", answer.body)
      assert.equal(is_gzip and "gzip" or nil, answer.headers["content-encoding"])
      assert.equal("accept-encoding", answer.headers.vary)
      assert.equal("text/javascript; charset=utf-8", answer.headers["content-type"])
    end
    assert.equal("a {}", get("/assets/stale.css", { ["accept-encoding"] = "gzip" }).body)
    assert.is_nil(get("/assets/digits.txt").headers.vary)
  end)

  it("is index.html for a folder", function()
    assert.equal("<h1>docs</h1>", get("/assets/docs/").body)
    assert.equal("text/html; charset=utf-8", get("/assets/docs/").headers["content-type"])
    local answer = get "/assets/docs?a=1"
    assert.same({ 302, "/assets/docs/?a=1" }, { answer.status, answer.headers.location })
    assert.equal("<h1>home</h1>", get("/").body)
    assert.equal(404, get("/assets/bare/").status)
    assert.equal(404, get("/assets/").status)
  end)

  it("gives way to a handler that is more specific, and goes before one of its shape", function()
    assert.equal("from the handler", get("/assets/version").body)
    assert.equal("about, as a file", get("/about").body)
  end)

  it("that is not there is left to the next route", function()
    assert.equal(404, get("/assets/nothing").status)
    assert.equal("no such page", get("/nothing").body)
    local alone = application.new {
      ["ion.lua"] = 'return { app = "alone", static = { ["/"] = "www" } }',
      ["www/x"] = "x",
    }
    assert.equal(404, alone:ask("GET /nothing").status)
    assert.equal(405, alone:ask("POST /nothing").status)
    alone:close()
  end)

  it("answers HEAD, and no other method", function()
    local answer = site:ask("HEAD /assets/digits.txt", { range = "bytes=0-1" })
    assert.same({ 200, "0123456789" }, { answer.status, answer.body })
    local refused = site:ask "DELETE /assets/digits.txt"
    assert.same({ 405, "GET, HEAD, OPTIONS" }, { refused.status, refused.headers.allow })
  end)

  it("may have any name that is no hidden one", function()
    assert.equal("spaces", get("/assets/a%20b&c.txt").body)
    assert.equal("known", get("/assets/.well-known/x.txt").body)
    assert.equal("0123456789", get("/assets/inside.txt").body)
  end)

  for _, path in ipairs {
    "/assets/../secret.txt",
    "/assets/%2e%2e/secret.txt",
    "/assets/%2E./secret.txt",
    "/assets/..%2fsecret.txt",
    "/assets/%2e%2e%2fsecret.txt",
    "/assets/..%5csecret.txt",
    "/assets/docs/..%5c..%5csecret.txt",
    "/assets/docs/../../secret.txt",
    "/assets/./digits.txt",
    "/assets//digits.txt",
    "/assets//etc/passwd",
    "/assets/%2fetc/passwd",
    "/assets/digits.txt%00",
    "/assets/digits.txt%00.html",
    "/assets/digits.txt/",
    "/assets/digits.txt/x",
    "/assets/.env",
    "/assets/%2eenv",
    "/assets/.git/config",
    "/assets/out.txt",
    "/assets/etc.txt",
    "/assets/up/secret.txt",
    "/assets/up/public/digits.txt",
    "/assets/root/etc/passwd",
    "/assets/loop",
    "/assets/pipe",
    "/assets/" .. ("x"):rep(5000),
    "/assets/" .. ("x/"):rep(5000),
    "/../ion.lua",
    "/ion.lua/",
  } do
    it("is not " .. path:sub(1, 60), function()
      local answer = get(path)
      assert.not_equal(200, answer.status)
      assert.not_equal(500, answer.status)
      assert.is_nil(answer.body:find("secret", 1, true))
    end)
  end

  it("is refused where the path is malformed", function()
    assert.equal(400, get("/assets/%").status)
    assert.equal(400, get("/assets/%2").status)
  end)
end)

describe("A folder of static files", function()
  local function load(folder)
    local files = {
      ["ion.lua"] = ("return { app = 'a', static = { ['/'] = %q } }"):format(folder),
      ["file"] = "x",
      ["public/x"] = "x",
    }
    local ok, message = pcall(application.new, files)
    return ok, tostring(message)
  end

  it("is there, and a folder", function()
    for _, name in ipairs { "none", "file" } do
      local ok, message = load(name)
      assert.is_false(ok)
      assert.truthy(message:find(("static, /: %s is no folder of the application"):format(name), 1, true))
    end
  end)
end)
