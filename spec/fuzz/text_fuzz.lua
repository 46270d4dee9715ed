--- Texts that nobody would write: EDN, queries, pull patterns and transactions are mutated token by
-- token and byte by byte. Each is answered, or refused by an anomaly with a category, a code and a
-- message; an error of Lua's own is a bug, and so is one of ours that says so.
--
-- lion run spec/fuzz/text_fuzz.lua [KIND…]     LION_SEED, LION_FUZZ_SECONDS (5)
-- luacheck: max line length 260 (a text stands on one line)
local lion = require "lion"

local SECONDS = tonumber(os.getenv "LION_FUZZ_SECONDS") or 5
local SEED = tonumber(os.getenv "LION_SEED") or 20260101
local FAILURES_MAX = 20
local LENGTH_MAX = 2000

local CATEGORIES = {
  unavailable = true, interrupted = true, incorrect = true, forbidden = true, unsupported = true,
  ["not-found"] = true, conflict = true, busy = true,
}

-- ---- seeds: one text of each kind of construct ---------------------------------------------------

local SCHEMA = [==[
[{:db/ident :p/name :db/valueType :db.type/string :db/cardinality :db.cardinality/one :db/unique :db.unique/identity}
 {:db/ident :p/age :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db/index true}
 {:db/ident :p/score :db/valueType :db.type/double :db/cardinality :db.cardinality/many}
 {:db/ident :p/friend :db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
 {:db/ident :p/home :db/valueType :db.type/ref :db/cardinality :db.cardinality/one :db/isComponent true}
 {:db/ident :p/street :db/valueType :db.type/string :db/cardinality :db.cardinality/one}
 {:db/ident :p/kind :db/valueType :db.type/keyword :db/cardinality :db.cardinality/one}
 {:db/ident :p/at :db/valueType :db.type/instant :db/cardinality :db.cardinality/one}
 {:db/ident :p/uuid :db/valueType :db.type/uuid :db/cardinality :db.cardinality/one :db/unique :db.unique/value}
 {:db/ident :p/price :db/valueType :db.type/double :db/cardinality :db.cardinality/one}
 {:db/ident :p/flag :db/valueType :db.type/boolean :db/cardinality :db.cardinality/one}
 {:db/ident :p/raw :db/valueType :db.type/bytes :db/cardinality :db.cardinality/one}
 {:db/ident :p/pair :db/valueType :db.type/tuple :db/tupleTypes [:db.type/long :db.type/string] :db/cardinality :db.cardinality/one}
 {:db/ident :p/many :db/valueType :db.type/tuple :db/tupleType :db.type/long :db/cardinality :db.cardinality/many}
 {:db/ident :p/name+age :db/valueType :db.type/tuple :db/tupleAttrs [:p/name :p/age] :db/cardinality :db.cardinality/one}]
]==]

local FACTS = [==[
[{:db/id "ann" :p/name "Ann" :p/age 30 :p/friend ["bob" "cy"] :p/home {:p/street "One"} :p/score [1.5 2.5] :p/kind :k/a :p/price 1.5}
 {:db/id "bob" :p/name "Bob" :p/age 40 :p/friend ["ann"] :p/flag true :p/pair [1 "one"] :p/at #inst "2026-01-01T00:00:00Z"}
 {:db/id "cy" :p/name "Cy" :p/age 50 :p/friend ["cy"] :p/many [[1 2] [3 4]] :p/uuid #uuid "00000000-0000-0000-0000-00000000000f"}]
]==]

local SEEDS = {
  edn = {
    SCHEMA, FACTS, [==[{:a 1 :b [1 2.5 -3e4 1.25M 7N] #{1 2} "x" nil true, false}]==],
    [==[#inst "2026-01-01T10:20:30.123Z" #uuid "00000000-0000-0000-0000-00000000000f"]==],
    [==[#:ns{:a 1 :_/b 2} ^{:m 1} [#_ 1 2 'x \a \newline \u0041 ##Inf ##-Inf ##NaN]]==],
    [==["esc \n \t \\ \" \u00e9 \ud83d\ude00" ; comment]==], [==[(a/b c.d/e -> ?x $ % _ ... #"re\d+")]==],
    [==[#db/id [:db.part/user -1] 9223372036854775807 -9223372036854775808]==],
  },
  query = {
    [==[[:find ?n ?a :where [?p :p/name ?n] [?p :p/age ?a]]]==],
    [==[[:find ?n . :in $ ?min :where [?p :p/age ?a] [(>= ?a ?min)] [?p :p/name ?n]]]==],
    [==[[:find [?n ...] :where [?p :p/friend ?f] [?f :p/name ?n] (not [?f :p/flag true])]]==],
    [==[[:find [?n ?a] :keys n a :where (or [?p :p/age 30] (and [?p :p/age ?x] [(> ?x 45)])) [?p :p/name ?n] [?p :p/age ?a]]]==],
    [==[[:find (count ?f) (sum ?a) (min 2 ?a) (max ?a) (avg ?a) (median ?a) ?n :with ?f :where [?p :p/name ?n] [?p :p/friend ?f] [?f :p/age ?a]]]==],
    [==[[:find (pull ?p [:p/name {:p/friend [:p/name]}]) :where [?p :p/age]]]==],
    [==[[:find ?x ?y :in $ % :where (reach ?x ?y)]]==],
    [==[[:find ?n ?h :where [?p :p/name ?n] [(get-else $ ?p :p/kind :k/none) ?h] [(missing? $ ?p :p/flag)]]]==],
    [==[[:find ?a ?v :in $ [?n ...] [[?x ?y]] [?t _] :where [?p :p/name ?n] [?p ?a ?v ?tx true]]]==],
    [==[[:find ?s :where [?p :p/name ?n] [(str ?n "-" 1) ?s] [(subs ?n 0 1) ?c] [(.startsWith ?n "A")]]]==],
    [==[[:find ?n ?q :where [?p :p/name ?n] [(q [:find (max ?a) . :where [_ :p/age ?a]] $) ?q] [(ground [1 2 3]) [?z ...]]]]==],
    [==[{:find [?n] :in [$ ?x] :where [[?p :p/name ?n] (not-join [?p] [?p :p/age ?a] [(< ?a ?x)]) (or-join [?p] [?p :p/flag] [?p :p/kind])] :order-by [?n :desc] :limit 2 :offset 1}]==],
    [==[[:find ?d ?e ?r :where [?p :p/age ?a] [(/ ?a 7) ?d] [(* ?a 9223372036854775807) ?e] [(rem ?a 0) ?r]]]==],
    [==[[:find ?x ?u ?t :where [?p :p/pair ?x] [(untuple ?x) [?u ?t]] [(tuple ?t ?u) ?w] [(re-find #"o(n)e" ?t) ?m] [(hash ?x) ?h]]]==],
    [==[[:find (distinct ?v) (sample 2 ?v) (rand 2 ?v) (variance ?v) (stddev ?v) (count-distinct ?v) :where [?p :p/score ?v]]]==],
  },
  pull = {
    [==[[*]]==], [==[[:db/id :p/name {:p/friend [:p/name :p/age]}]]==], [==[[{:p/friend ...} :p/name]]==],
    [==[[{:p/friend 2} {:p/_friend 1} {[:p/home :as :h] [*]}]]==],
    [==[[(:p/score :limit 1 :as "s") [:p/kind :default :k/none] (limit :p/friend 1) (default :p/flag false)]]==],
    [==[[(:p/name :as ##NaN)]]==],
    [==[[[:p/name :xform str] {(:p/friend :limit nil) [*]} "*" :p/name+age :p/many]]==],
  },
  tx = {
    FACTS, SCHEMA, [==[[[:db/add "x" :p/name "X"] [:db/add [:p/name "Ann"] :p/age 31] [:db/retract [:p/name "Bob"] :p/age]]]==],
    [==[[[:db/cas [:p/name "Ann"] :p/age 30 31] [:db/retractEntity [:p/name "Cy"]]]]==],
    [==[[{:db/id "datomic.tx" :db/doc "why"} {:p/name "D" :p/_friend [:p/name "Ann"] :p/home {:p/street "S"} :p/pair [nil "x"] :p/raw nil}]]==],
    [==[[{:db/id :p/age :db/cardinality :db.cardinality/many} {:db/id :p/street :db/index true :db/unique :db.unique/value} {:db/id :p/kind :db/ident :p/sort}]]==],
    [==[[{:db/id "lion.tx" :db/txInstant #inst "2100-01-01"} [:db/force-partition {"x" :db.part/user}] {:db/id #db/id [:db.part/user -1] :p/name "E"}]]==],
    [==[[{:db/id "g" :p/name "G" :db/ensure :p/guard} {:db/ident :p/guard :db.entity/attrs [:p/name :p/age] :db.entity/preds [a/b]} {:db/ident :p/checked :db/valueType :db.type/long :db/cardinality :db.cardinality/one :db.attr/preds a/c}]]==],
    [==[[{:db/id :p/name :db/noHistory true :db/doc "d"} [:db/retract :p/age :db/index true] [:db.fn/cas [:p/name "Bob"] :p/kind nil :k/b] {:db/ident :e/one} {:db.install/_partition :db.part/db :db/id "part" :db/ident :part/a}]]==],
    [==[[{:db/id :p/name :db/noHistory true} {:db/ident :e/two} {:db.install/_partition "part" :db/ident :part/b}]]==],
  },
}

local RULES = "[[(reach ?x ?y) [?x :p/friend ?y]] [(reach ?x ?y) [?x :p/friend ?z] (reach ?z ?y)]]"

-- what is put where a token stood
local ATOMS = {
  "nil", "true", "0", "-1", "1", "2", "30", "9223372036854775807", "-9223372036854775808", "1e308", "1e999", "##NaN", "0.5",
  "1M", "1e99999M", "\"\"", "\"x\"", "\"Ann\"", "\"\\ud83d\"", "\"\255\"", ":", ":a", ":p/name", ":p/age", ":p/friend", ":p/home", ":p/nothing", ":p/pair", ":p/many",
  ":p/name+age", ":p/price", ":p/at", ":p/uuid", ":p/raw", ":p/_friend", ":db/id", ":db/ident", ":db/valueType", ":db.type/long", ":db.type/ref", ":db.type/tuple", ":db.type/bigdec", ":db/txInstant", ":db/unique",
  ":db/add", ":db/retract", ":db/retractEntity", ":db/cas", "\"datomic.tx\"", "?p", "?n", "?a", "?x", "?_", "$", "$2", "%", "_", "...", ".", "*", "and", "or", "not", "not-join",
  "count", "sum", "min", "max", "=", "<", "!=", "+", "/", "str", "q", "ground", "identity", "vector", "rand", "a/b", "pull", "reach", ":find", ":where", ":in", ":with", ":keys", ":order-by", ":limit",
  ":asc", ":desc", ":as", ":default", ":xform", "[", "]", "(", ")", "{", "}", "#{", "#_", "'", "^", "#inst", "#inst \"2026\"", "#uuid", "#:p", "[]", "()", "{}", "[nil]", "[[]]", "[:p/name \"Ann\"]", "[?x ...]", "[[?x ?y]]",
  "17592186045418", "13194139534312", "4398046511104", "\0", "\128",
}

-- ---- random ------------------------------------------------------------------------------------

math.randomseed(SEED)
local random = math.random

local function pick(list) return list[random(#list)] end

local CLOSING = { ["["] = "]", ["("] = ")", ["{"] = "}", ["#{"] = "}" }

local function tokens_of(text)
  local tokens = {}
  local at = 1
  while at <= #text do
    local token = text:match('^"[^"]*"', at) or text:match("^#{", at) or text:match("^[%[%](){}]", at)
      or text:match('^[^%s,%[%](){}"]+', at) or text:sub(at, at)
    if not token:find "^[%s,]$" then tokens[#tokens + 1] = token end
    at = at + #token
  end
  return tokens
end

-- A node is a word, or an array of nodes with the bracket that opens it.
local function tree_of(tokens)
  local stack = { { open = "" } }
  for _, token in ipairs(tokens) do
    local top = stack[#stack]
    if CLOSING[token] then
      stack[#stack + 1] = { open = token }
      top[#top + 1] = stack[#stack]
    elseif token:find "^[%])}]$" then
      if #stack > 1 then stack[#stack] = nil end
    else
      top[#top + 1] = token
    end
  end
  return stack[1]
end

local function text_of(node)
  if type(node) == "string" then return node end
  local parts = {}
  for i, child in ipairs(node) do parts[i] = text_of(child) end
  return node.open .. table.concat(parts, " ") .. (CLOSING[node.open] or "")
end

local function copy_of(node)
  if type(node) == "string" then return node end
  local copy = { open = node.open }
  for i, child in ipairs(node) do copy[i] = copy_of(child) end
  return copy
end

-- Every place where a node stands: { its parent, its index }.
local function places_of(tree, into)
  for i, child in ipairs(tree) do
    into[#into + 1] = { tree, i }
    if type(child) == "table" then places_of(child, into) end
  end
  return into
end

local TREES, TOKENS = {}, {}
for kind, texts in pairs(SEEDS) do
  TREES[kind], TOKENS[kind] = {}, {}
  for i, text in ipairs(texts) do
    TOKENS[kind][i] = tokens_of(text)
    TREES[kind][i] = tree_of(TOKENS[kind][i])
  end
end

local function node_of_another(kind)
  local place = pick(places_of(pick(TREES[kind]), {}))
  return copy_of(place[1][place[2]])
end

-- What may happen to the node at parent[i]; the text stays balanced.
local NODE_EDITS = {
  function(parent, i) parent[i] = pick(ATOMS) end,
  function(parent, i) parent[i] = pick(ATOMS) end,
  function(parent, i, kind) parent[i] = node_of_another(kind) end,
  function(parent, i) table.remove(parent, i) end,
  function(parent, i) table.insert(parent, i, pick(ATOMS)) end,
  function(parent, i, kind) table.insert(parent, i, node_of_another(kind)) end,
  function(parent, i) table.insert(parent, i, copy_of(parent[i])) end,
  function(parent, i) parent[i] = { open = pick { "[", "(", "{", "#{" }, parent[i] } end,
  function(parent, i)
    local j = random(#parent)
    parent[i], parent[j] = parent[j], parent[i]
  end,
  function(parent, i) -- other brackets, or the node's own first child
    local node = parent[i]
    if type(node) == "string" then return end
    if random(2) == 1 then node.open = pick { "[", "(", "{", "#{" } else parent[i] = node[1] or "[]" end
  end,
}

-- What may happen to the tokens, which leaves brackets open.
local TOKEN_EDITS = {
  function(tokens) tokens[random(#tokens)] = pick(ATOMS) end,
  function(tokens) table.remove(tokens, random(#tokens)) end,
  function(tokens) table.insert(tokens, random(#tokens), pick(ATOMS)) end,
  function(tokens)
    local i, j = random(#tokens), random(#tokens)
    tokens[i], tokens[j] = tokens[j], tokens[i]
  end,
}

local function mutate_nodes(kind)
  local tree = copy_of(pick(TREES[kind]))
  for _ = 1, random(3) do
    local places = places_of(tree, {})
    if #places == 0 then break end
    local place = pick(places)
    pick(NODE_EDITS)(place[1], place[2], kind)
  end
  return text_of(tree)
end

local function mutate_tokens(kind)
  local tokens = {}
  for i, token in ipairs(pick(TOKENS[kind])) do tokens[i] = token end
  for _ = 1, random(3) do
    if #tokens > 0 then pick(TOKEN_EDITS)(tokens) end
  end
  return table.concat(tokens, " ")
end

local function mutate(kind)
  local text = random(10) == 1 and mutate_tokens(kind) or mutate_nodes(kind)
  if random(20) == 1 and #text > 0 then
    local at = random(#text)
    text = text:sub(1, at - 1) .. string.char(random(0, 255)) .. text:sub(at + random(0, 1))
  end
  return text:sub(1, LENGTH_MAX)
end

-- ---- what is done with a text ---------------------------------------------------------------------

local conn, db

local function start_over()
  if conn then conn:close() end
  conn = lion.connect("mem:", { memory_mb = 64, timeout_ms = 2000 })
  conn:transact(SCHEMA)
  db = conn:transact(FACTS).db_after
end

-- Mostly as many inputs as the text names behind $.
local function inputs_of(text)
  local inputs = {}
  local clause = text:match ":in %[?%$?([^:]*)" or ""
  for name in clause:gmatch "[%%?$]%S*" do
    inputs[#inputs + 1] = name == "%" and RULES
      or pick { 35, "Ann", { "Ann", "Bob" }, { { 1, 2 }, { 3, 4 } }, { 1, 2 }, db, ":k/a", {}, true }
  end
  if random(10) == 1 then inputs[random(3)] = pick { 1, "x", {}, RULES, db } end
  return inputs
end

local RUN = {
  edn = function(text)
    local value = lion.edn.read(text)
    lion.edn.read(lion.edn.write(value)) -- what is read can be written, what is written read
  end,
  query = function(text)
    local from = random(4) == 1 and db:history() or db
    local result = from:q(text, unpack(inputs_of(text)))
    if random(8) == 1 then from:explain(text) end
    return result
  end,
  pull = function(text) return db:pull(text, pick { { "p/name", "Ann" }, { "p/name", "Cy" }, 0, 1, ":p/name" }) end,
  tx = function(text)
    if random(3) > 1 then return db:with(text).db_after:pull("[*]", { "p/name", "Ann" }) end
    return conn:transact(text).db_after:pull("[* {:p/friend [*]}]", { "p/name", "Ann" })
  end,
}

-- What is wrong with an error, or nil.
local function complaint(e)
  if type(e) ~= "table" then return "an error of Lua's own: " .. tostring(e) end
  if type(e.code) ~= "string" or not (e.code:find "^lion/" or e.code:find "^db%.error/") then
    return "a code that is none: " .. tostring(e.code)
  end
  if e.code == "lion/corrupt" or e.code == "lion/internal" then return e.code .. ": " .. tostring(e.message) end
  if not CATEGORIES[e.category] then return "a category that is none: " .. tostring(e.category) end
  if type(e.message) ~= "string" or e.message == "" then return "no message: " .. e.code end
  if tostring(e) == "" or type(tostring(e)) ~= "string" then return "no text" end
end

local function run_kind(kind, seconds)
  local clock, started, runs, answered, failures = os.clock, os.clock(), 0, 0, 0
  start_over()
  while clock() - started < seconds and failures < FAILURES_MAX do
    runs = runs + 1
    if runs % 500 == 0 then start_over() end
    local text = mutate(kind)
    if os.getenv "LION_FUZZ_TRACE" then
      io.stderr:write(kind, " ", runs, ": ", text, "\n")
    end
    local ok, e = pcall(RUN[kind], text)
    if ok then answered = answered + 1 end
    local wrong = not ok and complaint(e)
    if wrong then
      failures = failures + 1
      print(("%s, LION_SEED=%d, text %d: %s\n  %q"):format(kind, SEED, runs, wrong, text))
    end
  end
  print(("%s: %d texts, %d answered, %d failures"):format(kind, runs, answered, failures))
  return failures
end

io.stdout:setvbuf "line"
local kinds = #arg > 0 and arg or { "edn", "query", "pull", "tx" }
print("LION_SEED=" .. SEED)
local failures = 0
for _, kind in ipairs(kinds) do failures = failures + run_kind(kind, SECONDS / #kinds) end
conn:close()
if failures > 0 then error(failures .. " texts were answered wrongly", 0) end
