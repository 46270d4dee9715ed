--- Plain pages.
local html = {}

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;" }

function html.escape(text) return (tostring(text):gsub('[&<>"]', ENTITIES)) end

local escape = html.escape

local STYLE = "body{font:16px/1.5 sans-serif;max-width:48rem;margin:2rem auto;padding:0 1rem;color:#222}"
  .. "dt{font-weight:bold}dd{margin:0 0 .5rem}li{margin:.1rem 0}"
  .. "input{font:inherit;padding:.2rem .4rem}a{color:#05a}"

function html.page(title, body)
  return {
    headers = { ["content-type"] = "text/html; charset=utf-8" },
    body = (
      '<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width">'
      .. "<title>%s</title><style>%s</style><h1>%s</h1>%s</html>\n"
    ):format(escape(title), STYLE, escape(title), body),
  }
end

function html.link(name)
  local target = name:gsub("[^%w%-%._~]", function(char) return ("%%%02X"):format(char:byte()) end)
  return ('<a href="/packages/%s">%s</a>'):format(target, escape(name))
end

function html.list(names)
  local items = {}
  for i, name in ipairs(names) do
    items[i] = "<li>" .. html.link(name)
  end
  return "<ul>" .. table.concat(items) .. "</ul>"
end

html.search_form = '<form action="/search"><input name=q placeholder="name begins with…" autofocus> '
  .. "<button>Search</button></form>"

return html
