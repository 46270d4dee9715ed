local grammar = require "ions.fuel.grammar"

-- The tags of a tree, nested, without places: "Block(Local(List(Name) List(Scalar)))".
local function shape(node)
  local parts = {}
  for _, child in ipairs(node) do parts[#parts + 1] = shape(child) end
  for _, label in ipairs { "names", "targets", "values", "variable", "condition", "key", "value", "body",
                           "block" } do
    if node[label] then parts[#parts + 1] = label .. "=" .. shape(node[label]) end
  end
  return node.tag .. (parts[1] and "(" .. table.concat(parts, " ") .. ")" or "")
end

local function parse(source) return assert(grammar.parse(source, "=it")) end

describe("The grammar of Lua", function()
  for _, case in ipairs {
    { "local a, b = 1", "Local(names=List(Name Name) values=List(Scalar))" },
    { "local a", "Local(names=List(Name) values=List)" },
    { "f(x)", "Assign(targets=List(Chain(Name Call(Name))))" },
    { "f{}'x'[[y]]", "Assign(targets=List(Chain(Name Call(Table) Call(String) Call(String))))" },
    { "a.b[c]:d(1, ...)", "Assign(targets=List(Chain(Name Field Key(Name) Method(Scalar Scalar))))" },
    { "(a or b).c, d = e", "Assign(targets=List(Chain(Brackets(Operation(Name Name)) Field) Name)"
      .. " values=List(Name))" },
    { "while a do break end", "While(condition=Name block=Block(Break))" },
    { "repeat until a", "Repeat(condition=Name block=Block)" },
    { "for i = 1, 2 do end", "For(values=List(Scalar Scalar) variable=Name block=Block)" },
    { "for k, v in a, b do end", "ForIn(names=List(Name Name) values=List(Name Name) block=Block)" },
    { "if a then elseif b then else end",
      "If(Branch(condition=Name block=Block) Branch(condition=Name block=Block) Branch(block=Block))" },
    { "do ::x:: goto x end", "Do(block=Block(Label Goto))" },
    { "goto = goto goto.x = 1", "Assign(targets=List(Name) values=List(Name))"
      .. " Assign(targets=List(Chain(Name Field)) values=List(Scalar))" },
    { "function a.b:c(...) end", "FunctionStatement(body=Function(names=List block=Block))" },
    { "local function f(a, ...) end", "LocalFunction(body=Function(names=List(Name) block=Block))" },
    { "return -a ^ not #b .. 'x' == 1, nil",
      "Return(values=List(Operation(Name Name String Scalar) Scalar))" },
    { "return { a; b = 1, [c] = 2, [[d]], }", "Return(values=List(Table(Name Item(value=Scalar)"
      .. " Item(key=Name value=Scalar) String)))" },
    { "return { [ [[a]] ] = 1, [=[b]=] }",
      "Return(values=List(Table(Item(key=String value=Scalar) String)))" },
    { "return 0x1p-3 + 1e+5 - 3. * .5 / 10LL % 0xffULL ^ 2i .. 1",
      "Return(values=List(Operation(Scalar Scalar Scalar Scalar Scalar Scalar Scalar Scalar)))" },
    { [[return "\z
         \x41\u{20AC}\"\
         ", 'it\'s']], "Return(values=List(String String))" },
    { "#!/usr/bin/lion\nreturn", "Return(values=List)" },
    { "--[==[ a ]] \n ]==] f() --[[b]] --c", "Assign(targets=List(Chain(Name Call)))" },
    { "\239\187\191 local größe = 1", "Local(names=List(Name) values=List(Scalar))" },
  } do
    it("reads " .. case[1]:gsub("\n.*", " …"), function()
      assert.equal("Block(" .. case[2] .. ")", shape(parse(case[1])))
    end)
  end

  it("keeps where a node stands and where its block opens", function()
    local loop = parse("local x\n while x do --c\n end")[2]
    assert.equal(10, loop.at)
    assert.equal(20, loop.opened)
  end)

  it("says what is wrong as LuaJIT does, with file and line", function()
    local tree, message = grammar.parse("local x = 1\nlocal = 2", "@shop/web.lua")
    assert.is_nil(tree)
    assert.equal("shop/web.lua:2: '<name>' expected near '='", message)
  end)

  it("refuses bytecode", function()
    local tree, message = grammar.parse(string.dump(function() end), "=it")
    assert.is_nil(tree)
    assert.truthy(message:find("wrong mode", 1, true))
  end)

  it("refuses nesting that nobody writes", function()
    for _, pair in ipairs { { "(", ")" }, { "{", "}" }, { "do ", " end " }, { "f(function() ", " end)" },
                            { "- ", "" }, { "a .. ", "" } } do
      local inside = pair[1] == "do " and "" or pair[1]:find "^f" and "" or "1"
      local start = (pair[1] == "do " or pair[1]:find "^f") and "" or "return "
      local source = start .. pair[1]:rep(100000) .. inside .. pair[2]:rep(100000)
      local tree, message = grammar.parse(source, "=deep")
      assert.is_nil(tree)
      assert.truthy(message:find "^deep:1: ")
    end
  end)

  it("reads nesting as deep as LuaJIT does", function()
    for _, source in ipairs { "return " .. ("("):rep(190) .. "1" .. (")"):rep(190),
                              "return " .. ("{"):rep(190) .. "1" .. ("}"):rep(190),
                              ("do "):rep(190) .. ("end "):rep(190),
                              ("return function() "):rep(60) .. ("end "):rep(60) } do
      assert.truthy(parse(source))
    end
  end)

  it("reads long chains and many statements", function()
    assert.equal(10000, #parse(("x = x + 1\n"):rep(10000)))
    assert.equal(10001, #parse("return x" .. (" + x"):rep(10000))[1].values[1])
    assert.equal(10002, #parse("f" .. "()" .. (".x()"):rep(4999) .. ".x()")[1].targets[1])
    assert.equal(2000, #parse("if x then" .. (" elseif x then f()"):rep(1999) .. " end")[1])
  end)

  it("knows the line of a place, whatever ends the lines", function()
    local source = "a\r\nb\n\rc\nd\re"
    for line, letter in ipairs { "a", "b", "c", "d", "e" } do
      assert.equal(line, grammar.line(source, source:find(letter)))
    end
  end)
end)
