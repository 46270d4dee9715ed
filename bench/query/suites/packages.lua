--- The machine's package index: what a package needs in the end, what a section needs, what breaks without
-- one.
local packages = { sizes = { "apt-cache" } }

local RULES = [=[[[(needs ?a ?b) [?a :package/depends ?b]]
  [(needs ?a ?b) [?a :package/depends ?t] (needs ?t ?b)]]]=]

-- Names, sections, and pairs of numbers: the first alternative of each dependency.
local function read()
  local number, rows, wanted = {}, {}, {}
  local name, section, needs
  local function take()
    if name and not number[name] then
      rows[#rows + 1] = { name, section or "none" }
      number[name] = #rows
      wanted[#rows] = needs or ""
    end
    name, section, needs = nil, nil, nil
  end
  local pipe = assert(io.popen "apt-cache dumpavail 2>/dev/null")
  for line in pipe:lines() do
    if line == "" then take() end
    name = line:match "^Package: (.+)" or name
    section = line:match "^Section: (.+)" or section
    needs = line:match "^Depends: (.+)" or needs
  end
  take()
  pipe:close()
  local edges, has = {}, {}
  for from, text in ipairs(wanted) do
    for one in text:gmatch "[^,]+" do
      local to = number[one:match "^%s*([%w%.%+%-]+)" or ""]
      local key = to and from * 2 ^ 24 + to
      if to and not has[key] then
        has[key] = true
        edges[#edges + 1] = { from, to }
      end
    end
  end
  return rows, edges
end

local FORWARD = [=[with recursive c (b) as (select d.b from package p
  join depends d on d.a = p.id where p.%s = ?
  union select d.b from depends d join c on d.a = c.b) select b from c]=]
local BACKWARD = [=[with recursive c (a) as (select d.a from package p
  join depends d on d.b = p.id where p.name = ?
  union select d.a from depends d join c on d.b = c.a) select a from c]=]

function packages.make()
  local rows, edges = read()
  local function needs(title, attribute, value, limits)
    return { title,
    lion = ("[:find ?b :in $ %% ?v :where [?a :package/%s ?v] (needs ?a ?b)]"):format(attribute),
      inputs = { RULES, value }, sql = FORWARD:format(attribute), parameters = { value },
      times = limits.times,
      at_most = limits.at_most }
  end
  return {
    title = ("%d packages, %d dependencies"):format(#rows, #edges),
    tables = {
      { name = "package", columns = { { "name", "string", unique = "identity" }, { "section", "string" } },
        rows = rows },
      { name = "depends", link = "package/depends", from = "package", to = "package", rows = edges },
    },
    queries = {
      needs("what one needs", "name", "libreoffice", { at_most = 1 }),
      needs("what a section needs", "section", "games", { times = 5 }),
      { "what breaks without one", lion = "[:find ?a :in $ % ?n :where [?b :package/name ?n] (needs ?a ?b)]",
        inputs = { RULES, "zlib1g" }, sql = BACKWARD, parameters = { "zlib1g" }, times = 5 },
      { "most needed directly",
        lion = [=[[:find ?n (count ?a) :where [?a :package/depends ?b] [?b :package/name ?n]]]=],
        sql = "select p.name, count(*) from depends d join package p on p.id = d.b group by p.name",
        times = 1 },
    },
  }
end

return packages
