--- tarantool bench/http/tarantool.lua FOLDER COUNT: a greeting, and an item by its key as JSON.
-- Debian has no HTTP server for Tarantool, so this answers what wrk sends and no more: the least that a
-- server can do over its sockets.
local socket = require "socket"
local json = require "json"

local folder, count = arg[1], tonumber(arg[2])
box.cfg { work_dir = folder, wal_mode = "none", log_level = 2, log = folder .. "/log", memtx_memory = 256 * 2 ^ 20 } -- luacheck: ignore
local items = box.schema.space.create "item" -- luacheck: ignore
items:create_index("key", { parts = { { 1, "string" } } })
for i = 0, count - 1 do
  items:insert { ("key-%08d"):format(i), "name of " .. i, i, i / 4, i % 100, i % 2 == 0 }
end

local function answer(client, kind, body)
  return client:write(
    "HTTP/1.1 200 OK\r\ncontent-type: " .. kind .. "\r\ncontent-length: " .. #body .. "\r\n\r\n" .. body
  )
end

local function serve(client)
  while true do
    local head = client:read { delimiter = "\r\n\r\n" }
    if not head or head == "" then return end
    local path = head:match "^GET (%S+)"
    if path == "/" then
      answer(client, "text/plain", "hello\n")
    else
      local item = items:get(path:sub(7))
      answer(client, "application/json", json.encode {
        name = item[2], count = item[3], price = item[4], other = item[5], done = item[6],
      })
    end
  end
end

local server = socket.tcp_server("127.0.0.1", 0, serve)
print(("ready http://127.0.0.1:%d/"):format(server:name().port))
io.stdout:flush()
