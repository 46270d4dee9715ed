-- ion.html: elements are functions; text is escaped by where it stands.
local application = require "spec.ions.application"
local h = require "ion.html"
local lion = require "lion"
local refuses = require "spec.stdlib.refuses"

local function refused(words, fn, ...) refuses.with("ion.html/invalid", words, fn, ...) end

describe("An element", function()
  for _, case in ipairs {
    { h.p "text", "<p>text</p>" },
    { h.p(5), "<p>5</p>" },
    { h.p {}, "<p></p>" },
    { h.p(), "<p></p>" },
    { h.p { "a", h.b "c", 1.5 }, "<p>a<b>c</b>1.5</p>" },
    { h.p { false, nil, "c", nil, h.b "d" }, "<p>c<b>d</b></p>" },
    { h.p { { "a", { "b" } }, h.fragment { "c" } }, "<p>abc</p>" },
    { h.p { function() return h.b "later" end }, "<p><b>later</b></p>" },
    { h.br(), "<br>" },
    { h.img { src = "/a.png", alt = "" }, '<img alt="" src="/a.png">' },
    { h.input { disabled = true, checked = false, name = "q" }, '<input disabled name="q">' },
    { h.p { class = { "a", "b" }, "x" }, '<p class="a b">x</p>' },
    { h.tag "my-chart" { ["data-x"] = 1 }, '<my-chart data-x="1"></my-chart>' },
    { h.ul(h.each({ "a", "b" }, function(x, i) return h.li { i, x } end)),
      "<ul><li>1a</li><li>2b</li></ul>" },
    { h.each({ 1, 2, 3 }, function(x) if x ~= 2 then return x end end), "13" },
    { h.html { h.body "x" }, "<!doctype html><html><body>x</body></html>" },
    { h.pre "\nx", "<pre>\n\nx</pre>" },
    { h.td(lion.decimal "1.50"), "<td>1.50</td>" },
    { nil, "" },
  } do
    it("is written as " .. case[2], function() assert.equal(case[2], h.render(case[1])) end)
  end

  it("is the same text each time, whatever the order of its attributes", function()
    local link = h.a { id = "y", href = "/", class = "x", "z" }
    assert.equal('<a class="x" href="/" id="y">z</a>', h.render(link))
  end)
end)

describe("Text that is not marked safe", function()
  it("cannot begin an element", function()
    local text = "<script>a && b</script>"
    assert.equal("<p>&lt;script&gt;a &amp;&amp; b&lt;/script&gt;</p>", h.render(h.p(text)))
  end)

  it("cannot end an attribute", function()
    assert.equal('<p title="&quot; onclick=&quot;&#39;&lt;&gt;&amp;">x</p>',
      h.render(h.p { title = "\" onclick=\"'<>&", "x" }))
    assert.equal('<p class="a&quot; b">x</p>', h.render(h.p { class = { 'a"', "b" }, "x" }))
  end)

  for _, url in ipairs { "javascript:alert(1)", " JavaScript:alert(1)", "java\nscript:alert(1)",
    "\1javascript:x", "vbscript:x", "data:text/html,<script>", "data:image/svg+xml,<svg onload=x>" } do
    it(("is no program where a URL stands: %q"):format(url), function()
      assert.equal('<a href="about:invalid">x</a>', h.render(h.a { href = url, "x" }))
      assert.equal('<form action="about:invalid"></form>', h.render(h.form { action = url }))
    end)
  end

  it("is a URL where it is one", function()
    for _, url in ipairs { "/a?b=1#c:d", "https://x.org/", "mailto:a@b.c", "a:b@c", "?q=javascript:x",
      "./a:b", "data:image/png;base64,AAAA" } do
      assert.equal(('<a href="%s">x</a>'):format(url), h.render(h.a { href = url, "x" }))
    end
  end)

  it("is refused where a program or a document stands", function()
    refused("onclick", h.render, h.p { onclick = "x()", "x" })
    refused("onclick", h.render, h.p { ONCLICK = "x()", "x" })
    refused("srcdoc", h.render, h.iframe { srcdoc = "<p>" })
    refused("text in a <script>", h.render, h.script "alert(1)")
    refused("text in a <style>", h.render, h.style { "p{}" })
    refused("holds text only", h.render, h.script { h.b "x" })
  end)

  it("is escaped alone, too", function()
    assert.equal("&lt;&#39;", h.escape "<'")
    refused("not a table", h.escape, {})
  end)
end)

describe("What is marked safe", function()
  it("goes as it is, in elements, programs and attributes", function()
    assert.equal("<p><b>x</b></p>", h.render(h.p(h.raw "<b>x</b>")))
    assert.equal("<style>a>b{}</style>", h.render(h.style(h.raw "a>b{}")))
    assert.equal('<p onclick="a(&quot;b&quot;)">x</p>', h.render(h.p { onclick = h.raw 'a("b")', "x" }))
  end)

  it("is data for a script by json, and cannot end it", function()
    assert.equal([[<script>let x = {"a":"\u003c/script\u003e\u0026\u2028"}</script>]],
      h.render(h.script { h.raw "let x = ", h.json { a = "</script>&\226\128\168" } }))
    refused("has the end of it inside", h.render, h.script(h.raw "x</SCRIPT>"))
  end)

  it("is text", function() refused("not a nil", h.raw, nil) end)
end)

describe("What is no page", function()
  it("is told with what would be", function()
    refused("did you mean button", function() return h.buttons end)
    refused("html.tag makes", function() return h.whatever end)
    refused("is not written into it", function() h.x = 1 end)
    refused("cannot hold anything", h.br, "x")
    refused("cannot hold anything", h.img, { src = "/", "x" })
    refused("no name of an attribute", h.p, { ["a b"] = 1 })
    refused("no name of an attribute", h.p, { ["x>"] = 1 })
    refused("no name of an attribute", h.p, { [h] = 1 })
    refused("it is there twice", h.p, { Class = "a", class = "b" })
    refused("no place of a child", h.p, { [0.5] = 1 })
    refused("no place of a child", h.p, { [1e300] = 1 })
    refused("not a function", h.render, h.p { id = print })
    refused("a list of texts has a table", h.render, h.p { class = { {} } })
    refused("(true)", h.render, h.p { true })
    refused("no place in it", h.render, h.p { { class = "x" } })
    refused("not a thread", h.render, coroutine.create(print))
    refused("not a number", h.each, 5, print)
    refused("a function of an item", h.each, {})
    refused("letters, digits and hyphens", h.tag, "a b")
    refused("takes a list", h.fragment, "x")
  end)

  it("is too deep or too large", function()
    local deep = "x"
    for _ = 1, 300 do deep = h.div(deep) end
    refused("at most 200 elements deep", h.render, deep)
    local list = {}
    list[1] = list
    refused("at most 200 elements deep", h.render, list)
    local function forever() return forever end
    refused("at most 200 elements deep", h.render, forever)
    refuses.with("lion/limit", "html.stream", h.render, h.each({ 1, 2, 3, 4, 5, 6, 7, 8, 9 }, function()
      return ("x"):rep(1024 * 1024)
    end))
  end)
end)

describe("A page", function()
  it("is a response", function()
    local page = h.page { title = "A & B", lang = "de", status = 404, headers = { ["x-a"] = "b" },
      head = h.link { rel = "stylesheet", href = "/s.css" }, body = { class = "dark" }, h.h1 "Hi", "there" }
    assert.equal(404, page.status)
    assert.same({ ["x-a"] = "b", ["content-type"] = "text/html; charset=utf-8" }, page.headers)
    assert.equal('<!doctype html><html lang="de"><head><meta charset="utf-8">'
      .. '<meta content="width=device-width" name="viewport"><title>A &amp; B</title>'
      .. '<link href="/s.css" rel="stylesheet"></head><body class="dark"><h1>Hi</h1>there</body></html>\n',
      page.body)
  end)

  it("is paid for by who makes it", function()
    local budget = require("ions.fuel").budget()
    local ok, text = budget:call(function()
      local rows = {}
      for i = 1, 10000 do rows[i] = h.li { i, ("x"):rep(64) } end
      return h.render(h.ul(rows))
    end)
    assert.is_true(ok)
    assert.truthy(#text > 640000)
    assert.truthy(budget:cost() > 50000)
  end)

  it("refuses what it does not know", function()
    refused("did you mean title", h.page, { titl = "x" })
    refused("not a string", h.page, "x")
    refused("the headers of a page", h.page, { headers = 5 })
  end)

  it("is streamed piece by piece, while an application makes it", function()
    local app = application.new {
      ["ion.lua"] = [[
        return { app = "shop", http = { { "GET", "/", "web/all" }, { "GET", "/long", "web/long" } } } ]],
      ["web.lua"] = [[
        local h, ion = require "ion.html", require "ion"
        local web = {}
        local function row(i) return function() return h.li { i, " ", ("<"):rep(100) } end end
        function web.all()
          local rows = {}
          for i = 1, 200 do rows[i] = row(i) end
          return h.page { title = "All", stream = true, h.ul(rows), function() ion.sleep(1) return "end" end }
        end
        function web.long()
          local function again() return { ("x"):rep(1000), again, again } end
          return h.page { again }
        end
        return web ]],
    }
    local answer = app:ask "GET /"
    assert.is_true(answer.is_streamed)
    assert.equal("text/html; charset=utf-8", answer.headers["content-type"])
    assert.truthy(answer.body:find("<li>200 &lt;", 1, true))
    assert.truthy(answer.body:find "</ul>end</body></html>$")
    assert.is_true(app:ask("GET /long").status >= 400)
    app:close()
  end)
end)
