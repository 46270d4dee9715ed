-- wrk's script: a greeting, or with WRK_ITEMS items by random key. Prints one line:
-- requests a second, p50 ms, p99 ms, errors.
local count = tonumber(os.getenv "WRK_ITEMS")
local random = math.random

if count then
  function request() -- luacheck: ignore
    return wrk.format("GET", ("/item/key-%08d"):format(random(0, count - 1))) -- luacheck: ignore
  end
end

function done(summary, latency) -- luacheck: ignore
  local errors = summary.errors
  io.write(("%.0f %.3f %.3f %d %d %.3f\n"):format(
    summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1000,
    latency:percentile(99) / 1000,
    errors.status + errors.timeout,
    errors.connect + errors.read + errors.write,
    latency.max / 1000
  ))
end
