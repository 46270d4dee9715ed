--- How times grow with the size of the data, as an SVG: both axes are powers of ten, so that what is flat is
-- level, and what is linear rises by one decade a decade.
local plot = {}

local WIDTH, HEIGHT = 900, 560
local LEFT, RIGHT, TOP, BOTTOM = 80, 260, 40, 60
local COLOURS = { "#1b6ca8", "#c0392b", "#2e8b57", "#8e44ad", "#b8860b", "#555555" }

local function log10(x) return math.log(x) / math.log(10) end

-- The least and the most of all points, as whole powers of ten.
local function decades(series, key)
  local least, most = math.huge, -math.huge
  for _, one in ipairs(series) do
    for _, point in ipairs(one.points) do
      least, most = math.min(least, point[key]), math.max(most, point[key])
    end
  end
  local from, to = math.floor(log10(least)), math.ceil(log10(most))
  return from, math.max(to, from + 1)
end

local function escape(text)
  return (text:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }))
end

local function number(x)
  if x >= 1 then return ("%d"):format(x):reverse():gsub("(%d%d%d)", "%1,"):reverse():gsub("^,", "") end
  return ("%g"):format(x)
end

local function add(lines, form, ...) lines[#lines + 1] = form:format(...) end

local function text(lines, x, y, anchor, words)
  add(lines, '<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>', x, y, anchor, escape(words))
end

-- Lines at the powers of ten, with their numbers.
local function draw_axes(lines, at, labels)
  for power = at.x_from, at.x_to do
    local x = at.x(10 ^ power)
    add(lines, '<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#ddd"/>', x, TOP, x, HEIGHT - BOTTOM)
    text(lines, x, HEIGHT - BOTTOM + 18, "middle", number(10 ^ power))
  end
  for power = at.y_from, at.y_to do
    local y = at.y(10 ^ power)
    add(lines, '<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#ddd"/>', LEFT, y, WIDTH - RIGHT, y)
    text(lines, LEFT - 8, y + 4, "end", number(10 ^ power))
  end
  text(lines, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, "middle", labels.x)
  text(lines, LEFT - 8, TOP - 14, "end", labels.y)
end

-- A line of a colour with a dot at each point; those of peers are thin and broken.
local function draw_series(lines, at, one)
  local places = {}
  for i, point in ipairs(one.points) do
    places[i] = ("%.1f,%.1f"):format(at.x(point[1]), at.y(point[2]))
  end
  local stroke = one.is_peer and 'stroke-width="1" stroke-dasharray="4 4"' or 'stroke-width="2.5"'
  add(lines, '<polyline points="%s" fill="none" stroke="%s" %s/>', table.concat(places, " "), one.colour,
    stroke)
  for _, point in ipairs(one.points) do
    add(lines, '<circle cx="%.1f" cy="%.1f" r="%d" fill="%s"/>', at.x(point[1]), at.y(point[2]),
      one.is_peer and 2 or 3, one.colour)
  end
end

-- The names beside the lines' ends, moved apart where they would cover each other.
local function draw_names(lines, at, series)
  local names = {}
  for i, one in ipairs(series) do
    names[i] = { y = at.y(one.points[#one.points][2]), one = one }
  end
  table.sort(names, function(a, b) return a.y < b.y end)
  for i, name in ipairs(names) do
    if i > 1 then name.y = math.max(name.y, names[i - 1].y + 15) end
    local weight = name.one.is_peer and "normal" or "bold"
    add(lines, '<text x="%d" y="%.1f" fill="%s" font-weight="%s">%s</text>', WIDTH - RIGHT + 10,
      name.y + 4, name.one.colour, weight, escape(name.one.name))
  end
end

--- The text of the picture.
-- @tparam table labels title, x and y
-- @tparam table series each with name, group (those of one share a colour), is_peer, and points:
-- { size, time }
function plot.svg(labels, series)
  local at, colours, count = {}, {}, 0
  at.x_from, at.x_to = decades(series, 1)
  at.y_from, at.y_to = decades(series, 2)
  function at.x(value)
    return LEFT + (log10(value) - at.x_from) / (at.x_to - at.x_from) * (WIDTH - LEFT - RIGHT)
  end
  function at.y(value)
    return HEIGHT - BOTTOM - (log10(value) - at.y_from) / (at.y_to - at.y_from) * (HEIGHT - TOP - BOTTOM)
  end
  local lines = {}
  local head = '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" font-size="12" %s>'
  add(lines, head, WIDTH, HEIGHT, "font-family=\"sans-serif\"")
  add(lines, '<rect width="%d" height="%d" fill="white"/>', WIDTH, HEIGHT)
  text(lines, (LEFT + WIDTH - RIGHT) / 2, 20, "middle", labels.title)
  draw_axes(lines, at, labels)
  for _, one in ipairs(series) do
    if not colours[one.group] then
      colours[one.group] = COLOURS[count % #COLOURS + 1]
      count = count + 1
    end
    one.colour = colours[one.group]
    draw_series(lines, at, one)
  end
  draw_names(lines, at, series)
  lines[#lines + 1] = "</svg>"
  return table.concat(lines, "\n") .. "\n"
end

return plot
