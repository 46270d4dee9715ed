--- The git program. A call is a process; its arguments are quoted for the shell, so they may hold any
-- byte but NUL, and what a hook has set around us (GIT_DIR and its like) does not reach it.
-- @module ions.push.git
local anomaly = require "lion.anomaly"

local git = {}

--- The program; specs put another in its place.
git.program = "git"

-- What git tells its hooks of the repository they run for. Ours is the one that a call names.
local UNSET = "unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_PREFIX GIT_COMMON_DIR GIT_NAMESPACE"
  .. " GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_QUARANTINE_PATH GIT_LITERAL_PATHSPECS; "

-- Messages that can be read, no questions, no locks taken for looking, each commit as it was made.
local EXPORT = "export LC_ALL=C GIT_TERMINAL_PROMPT=0 GIT_OPTIONAL_LOCKS=0 GIT_NO_REPLACE_OBJECTS=1; "

local NOT_FOUND = 127 -- the shell's code for a program that is not there

--- A word of a shell's command.
-- @tparam string text
-- @treturn string
function git.quote(text)
  if text:find("%z") then anomaly.incorrect("lion/syntax", "a NUL byte in %q", text) end
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

local function read_file(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

local function write_file(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  file:close()
end

local function command_of(where, words, environment)
  local parts = { UNSET, EXPORT }
  for name, value in pairs(environment or {}) do
    parts[#parts + 1] = ("export %s=%s; "):format(name, git.quote(value))
  end
  parts[#parts + 1] = git.quote(git.program) .. " -c protocol.ext.allow=never "
  parts[#parts + 1] = (where.git_dir and "--git-dir=" or "-C ") .. git.quote(where.git_dir or where.dir)
  for _, word in ipairs(words) do parts[#parts + 1] = " " .. git.quote(word) end
  return table.concat(parts)
end

--- Call git.
-- @tparam table where { dir = a folder } or { git_dir = a bare repository }
-- @tparam table words its arguments
-- @tparam[opt] table options input = text for its standard input; environment = name → value
-- @treturn number the exit code
-- @treturn string what it wrote
-- @treturn string what it complained of
function git.try(where, words, options)
  options = options or {}
  local complaint_path, input_path = os.tmpname(), "/dev/null"
  if options.input then
    input_path = os.tmpname()
    write_file(input_path, options.input)
  end
  local command = ("{ %s; } <%s 2>%s; printf '\\n%%d' $?"):format(
    command_of(where, words, options.environment), git.quote(input_path), git.quote(complaint_path))
  local pipe = assert(io.popen(command, "r"))
  local output = pipe:read "*a"
  pipe:close()
  local complaint = read_file(complaint_path)
  os.remove(complaint_path)
  if options.input then os.remove(input_path) end
  local text, code = output:match "^(.*)\n(%d+)$"
  code = tonumber(code)
  if code == NOT_FOUND then
    local message = "git is needed and was not found (%s): install it, on Debian by apt install git"
    error(anomaly.new("unavailable", "lion/git", message:format(git.program)), 0)
  end
  return code, text, (complaint:gsub("%s+$", ""))
end

--- Call git; a failure is raised in git's words.
-- @treturn string what it wrote
function git.run(where, words, options)
  local code, output, complaint = git.try(where, words, options)
  if code == 0 then return output end
  local message = ("git %s in %s: %s"):format(words[1], where.git_dir or where.dir,
    complaint ~= "" and complaint or "exit code " .. code)
  error(anomaly.new("incorrect", "lion/git", message), 0)
end

--- A new folder for what is soon thrown away.
-- @tparam[opt] string parent where; default: where the system has such folders
-- @treturn string
function git.make_folder(parent)
  local pipe = assert(io.popen("mktemp -d" .. (parent and " -p " .. git.quote(parent) or "")))
  local path = pipe:read "*l"
  pipe:close()
  if not path then error(anomaly.new("unavailable", "lion/io", "no temporary folder can be made"), 0) end
  return path
end

--- Remove a folder and what is in it.
-- @tparam string path
function git.remove_folder(path) os.execute("rm -rf -- " .. git.quote(path)) end

return git
