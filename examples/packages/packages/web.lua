--- Web ions. JSON where the request's Accept asks for it, else a page.
local graph = require "packages.graph"
local h = require "ion.html"
local html = require "packages.html"
local ion = require "ion"

local web = {}

local function wants_json(request)
  return (request.headers.accept or ""):find("application/json", 1, true) ~= nil
end

local function not_found(request, name)
  if wants_json(request) then
    return { status = 404, body = { error = "there is no package " .. name } }
  end
  local page = html.page("No package " .. name, html.search_form)
  page.status = 404
  return page
end

function web.home()
  local db = ion.db()
  local versions, depends = db:count("aevt", "package/version"), db:count("aevt", "package/depends")
  return html.page(
    "Packages",
    h.p { versions, " packages, ", depends, " dependencies." },
    html.search_form,
    h.p(h.a { href = "/changes", "What changed" })
  )
end

--- Names that begin with ?q=, in order, off the index.
function web.search(request)
  local prefix, names, limit = request.query.q or "", {}, ion.param "page_size"
  for datom in ion.db():index_range("package/name", prefix, nil) do
    if datom.v:sub(1, #prefix) ~= prefix or #names == limit then break end
    names[#names + 1] = datom.v
  end
  if wants_json(request) then return { body = { names = names } } end
  return html.page("Names that begin with " .. prefix, html.search_form, html.list(names))
end

local PATTERN =
  [[[:package/name :package/version :package/section :package/maintainer :package/homepage :package/summary
  :package/size :package/installed_size
  {:package/depends [:dependency/kind :dependency/group :dependency/relation :dependency/version
                      {:dependency/on [:package/name]}]}]
]]

local function dependency_text(d)
  local constraint = d["dependency/version"]
      and (" (%s %s)"):format(d["dependency/relation"], d["dependency/version"])
    or ""
  return { html.link(d["dependency/on"]["package/name"]), constraint }
end

local function package_page(package)
  local rows = {}
  for _, key in ipairs {
    "version",
    "section",
    "maintainer",
    "homepage",
    "summary",
    "size",
    "installed_size",
  } do
    local value = package["package/" .. key]
    if value then
      rows[#rows + 1] = { h.dt((key:gsub("_", " "))), h.dd(value) }
    end
  end
  local groups, order = {}, {}
  for _, d in ipairs(package["package/depends"] or {}) do
    local group = d["dependency/group"]
    if not groups[group] then
      groups[group] = {}
      order[#order + 1] = group
    end
    local alternatives = groups[group]
    alternatives[#alternatives + 1] = { #alternatives > 0 and " | ", dependency_text(d) }
  end
  table.sort(order)
  local name = package["package/name"]
  return html.page(
    name,
    h.dl(rows),
    h.h2 "Needs",
    h.ul(h.each(order, function(group) return h.li(groups[group]) end)),
    h.p {
      h.a { href = html.path(name, "needs"), "all that it needs" },
      " · ",
      h.a { href = html.path(name, "breaks"), "what breaks without it" },
    }
  )
end

function web.package(request)
  local package = ion.db():pull(PATTERN, { "package/name", request.params.name })
  if not package then return not_found(request, request.params.name) end
  if wants_json(request) then return { body = package } end
  return package_page(package)
end

local function names_page(request, title, names)
  if wants_json(request) then return { body = { count = #names, names = names } } end
  return html.page(title, h.p { #names, " packages." }, html.list(names))
end

function web.needs(request)
  local name = request.params.name
  return names_page(request, "What " .. name .. " needs", graph.needs(ion.db(), name))
end

function web.breaks(request)
  local name = request.params.name
  return names_page(request, "What breaks without " .. name, graph.broken_by(ion.db(), name))
end

--- Versions that changed since ?since= (an instant as text; the last day if none is given): then and
-- now.
function web.changes(request)
  local db = ion.db()
  local point = request.query.since or ion.now() - 86400000
  local before = db:as_of(point)
  local changes = {}
  for datom in db:since(point):datoms("aevt", "package/version") do
    local old = before:entity(datom.e)
    changes[#changes + 1] = {
      name = db:pull("[:package/name]", datom.e)["package/name"],
      now = datom.v,
      was = old and old["package/version"] or nil,
    }
    if #changes == ion.param "page_size" then break end
  end
  if wants_json(request) then return { body = { changes = require("lion").set(changes) } } end
  return html.page("What changed", h.ul(h.each(changes, function(change)
    return h.li { html.link(change.name), " ", change.was or "new", " → ", change.now }
  end)))
end

--- POST {"version": "…"}: 201, or 409 for one that is not higher.
function web.release(request)
  local input = request:json()
  if type(input) ~= "table" or type(input.version) ~= "string" then
    return { status = 400, body = { error = 'the body is {"version": "…"}' } }
  end
  local report =
    ion.connect():transact { { "packages.tx/release", request.params.name, input.version } }
  return {
    status = 201,
    body = { t = report.t, name = request.params.name, version = input.version },
  }
end

return web
