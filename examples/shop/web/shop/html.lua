--- What all pages look like.
local h = require "ion.html"
local ion = require "ion"

local html = {}

local STYLE = h.style(h.raw(
  "body{font:16px/1.5 sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;color:#222}"
    .. "table{border-collapse:collapse;width:100%}"
    .. "td,th{padding:.4rem .6rem;text-align:left;border-bottom:1px solid #ddd}td.n,th.n{text-align:right}"
    .. "input,button{font:inherit;padding:.2rem .4rem}input{width:4rem}input[type=email]{width:16rem}"
    .. "nav a{margin-right:1rem}a{color:#05a}.note{color:#666}"
))

function html.page(title, ...)
  return h.page {
    title = title .. " · " .. ion.param "title",
    head = STYLE,
    h.nav { h.a { href = "/", ion.param "title" }, h.a { href = "/basket", "Basket" } },
    h.h1(title),
    ...,
  }
end

--- A table: headings, then rows; what is a number stands on the right.
function html.rows(headings, rows)
  local function cells(tag, row)
    return h.each(row, function(cell, at)
      return tag { class = headings[at].is_number and "n" or false, cell }
    end)
  end
  local titles = {}
  for i, heading in ipairs(headings) do titles[i] = heading[1] end
  return h.table { h.tr(cells(h.th, titles)), h.each(rows, function(row) return h.tr(cells(h.td, row)) end) }
end

return html
