-- examples/shop/README.md, run as it is written: its commands in one shell, and what it says that they
-- answer. Ports and folders alone are the spec's own.
local program = require "spec.lua.program"

local README = assert(program.read "examples/shop/README.md")

-- What stands between commands in the shell's output.
local MARK = "=== %d ==="

-- The commands of all blocks as one script; the answers that are expected, by the number of the mark behind
-- them.
local function read_tutorial(text)
  local script, expected = {}, {}
  for block in text:gmatch "```sh\n(.-)```" do
    local answer
    for line in block:gmatch "[^\n]+" do
      local told = line:match "^#> (.*)$"
      if not told then
        answer = nil
        script[#script + 1] = line
      elseif not answer then
        answer = { told }
        expected[#expected + 1] = answer
        script[#script + 1] = ("printf '\\n" .. MARK .. "\\n'"):format(#expected)
      else
        answer[#answer + 1] = told
      end
    end
  end
  return script, expected
end

-- "…" stands for anything within a line.
local function pattern_of(told)
  local escaped = told:gsub("[%^%$%(%)%%%.%[%]%*%+%-%?]", "%%%0")
  return "^%s*" .. escaped:gsub("…", ".*") .. "%s*$"
end

-- The lines that are expected stand among a segment's, in their order.
local function check(segment, told, at)
  local lines = {}
  for line in segment:gmatch "[^\n]+" do lines[#lines + 1] = line end
  local next_line = 1
  for _, want in ipairs(told) do
    local pattern, found = pattern_of(want), false
    while not found and next_line <= #lines do
      found = lines[next_line]:find(pattern) ~= nil
      next_line = next_line + 1
    end
    assert(found, ("answer %d: %s is not in\n%s"):format(at, want, segment))
  end
end

local HEAD = [[
set -e
trap 'code=$?; kill $(jobs -p) 2>/dev/null || true; wait; exit $code' EXIT
]]

describe("The tutorial of the shop", function()
  it("does what it says", function()
    local folder = program.folder()
    local script, expected = read_tutorial(README)
    local text = HEAD .. table.concat(script, "\n") .. "\n"
    local first = 20000 + tonumber(program.read("/proc/self/stat"):match "^%d+") % 10000 * 4
    text = text:gsub("/tmp", folder):gsub("PATH=%$PWD/build", "PATH=" .. program.path():match "^(.*)/")
    text = text:gsub("127%.0%.0%.1:808(%d)", function(digit) return "127.0.0.1:" .. first + digit end)
    program.write(folder .. "/tutorial.sh", text)
    local command = "timeout 240 bash %s/tutorial.sh >%s/out 2>%s/err </dev/null"
    local code = os.execute(command:format(folder, folder, folder))
    local out, err = program.read(folder .. "/out"), program.read(folder .. "/err")
    local from = 1
    for at, told in ipairs(expected) do
      local mark = "\n" .. MARK:format(at) .. "\n"
      local mark_at = out:find(mark, from, true)
      assert(mark_at, ("answer %d, %s, did not come:\n%s\n%s"):format(at, told[1], out:sub(from), err))
      check(out:sub(from, mark_at), told, at)
      from = mark_at + #mark
    end
    assert.equal(0, code, err)
    program.remove(folder)
    program.remove "examples/shop/web/.lion"
    program.remove "examples/shop/store/.lion"
  end)
end)
