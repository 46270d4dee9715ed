-- Alerts on their way to a webhook, with a webhook of the spec's own.
local alerts = require "ions.door.alerts"
local core = require "lion.core"
local json = require "lion.json"
local scheduler = require "ions.scheduler"

describe("An alert", function()
  local tasks, sent, answers, logged, cast, one
  local pause, tries = alerts.PAUSE_MS, alerts.TRIES

  before_each(function()
    tasks, sent, answers, logged, cast = scheduler.new(), {}, {}, {}, {}
    alerts.PAUSE_MS = 1
    local token = 0
    one = alerts.new {
      url = "http://127.0.0.1:9/hook?key=1", node = "one", group = "a", tasks = tasks,
      log = function(text) logged[#logged + 1] = text end,
      cast = function(text) cast[#cast + 1] = json.read(text) end,
      post = function(url, body)
        token = token + 1
        sent[token] = { url, json.read(body) }
        return scheduler.await(token)
      end,
    }
  end)
  after_each(function() alerts.PAUSE_MS, alerts.TRIES = pause, tries end)

  -- Until nothing is left to do: each post gets the next of the answers, 200 behind them.
  local function run()
    local given, until_ms = 0, core.monotonic_ms() + 20000
    while not tasks:is_idle() do
      assert(core.monotonic_ms() < until_ms, "it does not end")
      tasks:step()
      while given < #sent do
        given = given + 1
        local answer = answers[given] or { 200, "" }
        tasks:deliver(given, answer[1], answer[2])
      end
    end
  end

  local function says(line, words) assert.truthy(logged[line]:find(words, 1, true), logged[line]) end

  it("is posted as JSON, with who tells it", function()
    one:take { name = "stock/low", key = "shop stock/low", app = "shop", data = { left = 2 } }
    run()
    assert.equal("http://127.0.0.1:9/hook?key=1", sent[1][1])
    local body = sent[1][2]
    assert.truthy(body.time:find "^%d%d%d%d%-")
    body.time = nil
    assert.same({ kind = "alert", name = "stock/low", key = "shop stock/low", app = "shop", node = "one",
      group = "a", data = { left = 2 } }, body)
    assert.equal(1, one.sent)
    assert.same({}, logged)
  end)

  it("is tried again until it is taken, and the others wait", function()
    answers = { { 0, "nobody listens" }, { 503, "" }, { 429, "" }, { 204, "" } }
    one:take { name = "first" }
    one:take { name = "second" }
    run()
    local names = {}
    for i, post in ipairs(sent) do names[i] = post[2].name end
    assert.same({ "first", "first", "first", "first", "second" }, names)
    assert.equal(2, one.sent)
    assert.equal(1, #logged)
    says(1, "the alert first is tried again at http://127.0.0.1:9/hook?key=1: nobody listens")
  end)

  it("is given up when it is refused, or after many tries, which is told", function()
    alerts.TRIES = 3
    answers = { { 400, "" }, { 0, "x" }, { 0, "y" }, { 0, "z" } }
    one:take { name = "refused" }
    one:take { name = "unheard" }
    run()
    assert.equal(4, #sent)
    assert.equal(2, one.failed)
    says(1, "refused was not taken by http://127.0.0.1:9/hook?key=1: it answered 400")
    says(3, "unheard was not taken by http://127.0.0.1:9/hook?key=1: z")
  end)

  it("is one with those of its key that come soon, and the next says how many there were", function()
    local window = alerts.WINDOW_MS
    for _ = 1, 5 do one:take { name = "x", key = "k" } end
    one:take { name = "x", key = "other" }
    run()
    assert.equal(2, #sent)
    assert.equal(4, one.repeated)
    alerts.WINDOW_MS = 0
    one:take { name = "x", key = "k" }
    alerts.WINDOW_MS = window
    run()
    assert.equal(4, sent[3][2].repeated)
  end)

  it("finds a queue that has an end", function()
    for i = 1, alerts.QUEUE_MAX + 10 do one:take { name = "n" .. i } end
    assert.equal(10, one.dropped)
    assert.equal(1, #logged)
    run()
    assert.equal(alerts.QUEUE_MAX, #sent)
  end)

  it("is a line alone where there is no webhook", function()
    one = alerts.new { node = "one", group = "a", cast = one.options.cast }
    one:raise { name = "lion/disk", message = "full" }
    assert.same({ "alert", "lion/disk", "full" }, { cast[1].kind, cast[1].name, cast[1].data.message })
  end)

  it("comes of a process that dies again and again", function()
    local function died(restarts)
      return { role = "worker", index = 2, restarts = restarts, reason = "signal 9" }
    end
    for restarts = 1, 3 do one:note_process(died(restarts)) end
    assert.equal(0, #cast)
    one:note_process(died(4))
    run()
    assert.equal("worker 2 was started again 3 times within a minute; last: signal 9", sent[1][2].message)
    assert.equal("lion/process", cast[1].name)
  end)

  for _, url in ipairs { "http://a:1/b?c=d", "http://a", "http://a?x", "http://[::1]:8/x", "https://a/" } do
    it("goes to " .. url, function() assert.is_true(alerts.is_url(url)) end)
  end
  for _, url in ipairs { "ftp://a/", "a:80", "http://", "http://a b/", "http://u@a/", "http://a/#x", "" } do
    it(("does not go to %q"):format(url), function() assert.is_false(alerts.is_url(url)) end)
  end
end)
