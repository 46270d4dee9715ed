local form = require "ions.form"

describe("A query string or form", function()
  it("is a table of its names, the last of each", function()
    local text = "a=1+2&b=x%26y&c&d=&e=a=b&a=3&&%66=%25"
    assert.same({ a = "3", b = "x&y", c = "", d = "", e = "a=b", f = "%" }, form.read(text))
    assert.same({}, form.read "")
  end)

  it("has all values of a name, in order", function()
    assert.same({ "1", "", "x y" }, form.read_all("a=1&b=2&a&a=x+y", "a"))
    assert.same({}, form.read_all("a=1", "b"))
  end)

  for _, text in ipairs { "a=%", "a=%4", "a=%zz", "%=a", "a=1&b=%g0" } do
    it("is malformed: " .. text, function()
      local values, problem = form.read(text)
      assert.is_nil(values)
      assert.truthy(problem:find "malformed percent%-encoding")
      assert.is_nil(form.read_all(text, "a"))
    end)
  end

  it("has no more names than people send", function()
    local values, problem = form.read(("a&"):rep(10001))
    assert.is_nil(values)
    assert.equal("more than 10000 names", problem)
  end)
end)

describe("A cookie", function()
  for _, case in ipairs {
    { "a=1", "1" },
    { "b=2; a=1", "1" },
    { "a=1; a=2", "1" },
    { "aa=0; a=1", "1" },
    { 'a="quoted"', "quoted" },
    { "a=x=y%20z", "x=y%20z" },
    { "a=", "" },
    { "b=a=1", nil },
    { "a", nil },
    { "", nil },
    { nil, nil },
  } do
    local header, expected = case[1], case[2]
    it(("is %s in %s"):format(tostring(expected), tostring(header)), function()
      assert.equal(expected, form.cookie(header, "a"))
    end)
  end
end)

describe("A multipart body", function()
  local function lines(...) return table.concat({ ... }, "\r\n") end

  it("has texts and files", function()
    local body = lines(
      "a preamble that nobody reads",
      "--XX",
      'Content-Disposition: form-data; name="title"',
      "",
      "two",
      "lines",
      "--XX",
      'content-disposition: form-data; name="photo"; filename="a %22b%22.png"',
      "content-type: image/png",
      "",
      "\0\1--XX no boundary",
      "--XX",
      "Content-Disposition: form-data; name=bare",
      "",
      "",
      "--XX--",
      "an epilogue"
    )
    assert.same({
      title = "two\r\nlines",
      photo = { filename = 'a "b".png', type = "image/png", body = "\0\1--XX no boundary" },
      bare = "",
    }, form.read_parts(body, "XX"))
  end)

  it("may have no part", function() assert.same({}, form.read_parts("--XX--\r\n", "XX")) end)

  for name, body in pairs {
    ["without its end"] = lines("--XX", 'Content-Disposition: form-data; name="a"', "", "1"),
    ["without a head"] = lines("--XX", "a", "--XX--"),
    ["without a name"] = lines("--XX", "Content-Disposition: form-data", "", "1", "--XX--"),
    ["of another boundary"] = lines("--YY", 'Content-Disposition: form-data; name="a"', "", "1", "--YY--"),
    ["that is empty"] = "",
  } do
    it("is malformed " .. name, function()
      local values, problem = form.read_parts(body, "XX")
      assert.is_nil(values)
      assert.equal("malformed multipart body", problem)
    end)
  end
end)
