--- Plain pages.
local h = require "ion.html"

local html = {}

local STYLE = h.style(h.raw(
  "body{font:16px/1.5 sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;color:#222}"
    .. "dt{font-weight:bold}dd{margin:0 0 .5rem}li{margin:.1rem 0}"
    .. "input{font:inherit;padding:.2rem .4rem}a{color:#05a}"
))

function html.page(title, ...) return h.page { title = title, head = STYLE, h.h1(title), ... } end

--- Where a package's page is, or what lies below it.
function html.path(name, below)
  local encoded = name:gsub("[^%w%-%._~]", function(char) return ("%%%02X"):format(char:byte()) end)
  return "/packages/" .. encoded .. (below and "/" .. below or "")
end

function html.link(name) return h.a { href = html.path(name), name } end

function html.list(names)
  return h.ul(h.each(names, function(name) return h.li(html.link(name)) end))
end

html.search_form = h.form {
  action = "/search",
  h.input { name = "q", placeholder = "name begins with…", autofocus = true },
  " ",
  h.button "Search",
}

return html
