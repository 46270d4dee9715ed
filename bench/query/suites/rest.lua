--- What DataScript's and Datahike's benches ask of 20,000 persons in 100 departments of 10 divisions:
-- values that join, not, or, references, chains, aggregates, rules. A bound is Datahike's or Datalevin's
-- best figure, divided by 5.
local data = require "data"
local people = require "suites.people"

local rest = { sizes = { 20000 } }

local RULES = [=[[[(adult ?e) [?e :person/age ?a] [(>= ?a 18)]]
  [(rich-adult ?e ?s) (adult ?e) [?e :person/salary ?s] [(> ?s 50000)]]]]=]

function rest.make(size)
  local divisions = data.table("division", 10, { { "name", "string" } },
  function(i) return { "division" .. i } end)
  local depts = data.table("dept", 100, { { "name", "string" }, { "division", "division" } },
    function(i) return { "dept" .. i, (i - 1) % 10 + 1 } end)
  local persons = people.persons(size, { { "dept", "dept" } }, function(_,
  random) return { random(100) + 1 } end)
  local follows, random = {}, data.random(7)
  for i = 1, size, 2 do
    follows[#follows + 1] = { i, random(size) + 1 }
  end
  local name = people.name_of(1)
  local ten = {}
  for i = 1, 10 do
    ten[i] = "dept" .. i * 7
  end
  local marks = ("?,"):rep(10):sub(1, -2)
  return {
    title = size .. " persons", datascript = true,
    tables = { divisions, depts, persons,
      { name = "follows", link = "person/follows", from = "person", to = "person", rows = follows } },
    queries = {
      { "value join on age",
        lion = [=[[:find ?e1 ?l ?a :in $ ?n :where [?e :person/name ?n] [?e :person/age ?a]
          [?e1 :person/age ?a] [?e1 :person/last_name ?l]]]=], inputs = { name }, parameters = { name },
        sql = "select id, last_name, age from person where age in (select age from person where name = ?)",
        at_most = 7.9 / 5 },
      { "not", lion = [=[[:find ?e ?a :where [?e :person/age ?a] (not [?e :person/sex "male"])]]=],
        sql = "select id, age from person where not sex = 'male'", at_most = 3.8 / 5 },
      { "not-join", lion = [=[[:find ?e ?a :where [?e :person/age ?a]
          (not-join [?e] [?e :person/follows ?f] [?f :person/sex "male"])]]=],
        sql = [=[select id, age from person p where not exists (select 1 from follows f
          join person q on q.id = f.b where f.a = p.id and q.sex = 'male')]=], at_most = 6.0 / 5 },
      { "or", lion = [=[[:find ?e ?a :where [?e :person/age ?a]
          (or [?e :person/name "name0001"] [?e :person/last_name "last7"])]]=],
        sql = "select id, age from person where name = 'name0001' or last_name = 'last7'",
        at_most = 5.5 / 5 },
      { "or-join",
        lion = [=[[:find ?e ?a :in $ ?n :where [?e :person/age ?a] (or-join [?e ?n] [?e :person/name ?n]
          (and [?e :person/follows ?f] [?f :person/name ?n]))]]=], inputs = { name }, parameters = { name,
          name },
        sql = [=[select id, age from person p where name = ? or exists (select 1 from follows f join person q
          on q.id = f.b where f.a = p.id and q.name = ?)]=], at_most = 5.5 / 5 },
      { "five attributes",
        lion = [=[[:find ?e ?n ?l ?a ?s :where [?e :person/name ?n] [?e :person/last_name ?l]
          [?e :person/age ?a] [?e :person/salary ?s] [?e :person/sex "male"]]]=],
        sql = "select id, name, last_name, age, salary from person where sex = 'male'", at_most = 2.4 / 5 },
      { "rule", lion = ([=[[:find ?e ?s :in $ % :where (rich-adult ?e ?s)]]=]), inputs = { RULES },
        sql = "select id, salary from person where age >= 18 and salary > 50000", at_most = 2.5 / 5 },
      { "one department's people",
        lion = [=[[:find ?e ?n :in $ ?d :where [?t :dept/name ?d] [?e :person/dept ?t]
          [?e :person/name ?n]]]=], inputs = { "dept17" }, parameters = { "dept17" },
        sql = "select p.id, p.name from dept d join person p on p.dept = d.id where d.name = ?",
        at_most = 0.18 / 5 },
      { "ten departments' people", lion = [=[[:find ?e ?n :in $ [?d ...] :where [?t :dept/name ?d]
          [?e :person/dept ?t] [?e :person/name ?n]]]=], inputs = { ten }, parameters = ten,
        sql = "select p.id, p.name from dept d join person p on p.dept = d.id where d.name in (" .. marks
          .. ")",
        at_most = 1.2 / 5 },
      { "reference and predicate", lion = [=[[:find ?e ?d :where [?e :person/dept ?t] [?t :dept/name ?d]
          [?e :person/salary ?s] [(> ?s 80000)]]]=],
        sql = "select p.id, d.name from person p join dept d on d.id = p.dept where p.salary > 80000",
        at_most = 1.8 / 5 },
      { "chain of three", lion = [=[[:find ?e ?n ?v :where [?e :person/name ?n] [?e :person/dept ?t]
          [?t :dept/division ?d] [?d :division/name ?v]]]=],
        sql = [=[select p.id, p.name, v.name from person p join dept d on d.id = p.dept
          join division v on v.id = d.division]=], at_most = 30.5 / 5 },
      { "salary > 90000, department", lion = [=[[:find ?n ?d ?s :where [?e :person/salary ?s] [(> ?s 90000)]
          [?e :person/name ?n] [?e :person/dept ?t] [?t :dept/name ?d]]]=],
        sql = [=[select distinct p.name, d.name, p.salary from person p join dept d on d.id = p.dept
          where p.salary > 90000]=], at_most = 4.3 / 5 },
      { "average", lion = "[:find (avg ?s) :with ?e :where [?e :person/salary ?s]]",
        sql = "select avg(salary) from person", at_most = 0.27 / 5 },
      { "average by sex",
        lion = "[:find ?x (avg ?s) :with ?e :where [?e :person/sex ?x] [?e :person/salary ?s]]",
        sql = "select sex, avg(salary) from person group by sex", at_most = 0.54 / 5 },
      { "average, filtered",
        lion = [=[[:find (avg ?s) :with ?e :where [?e :person/salary ?s] [?e :person/age ?a]
          [(> ?a 50)]]]=], sql = "select avg(salary) from person where age > 50", at_most = 0.98 / 5 },
      { "count by sex and name",
        lion = "[:find ?x ?n (count ?e) :where [?e :person/sex ?x] [?e :person/name ?n]]",
        sql = "select sex, name, count(*) from person group by sex, name", at_most = 15.2 / 5 },
      { "variance, deviation, median", lion = [=[[:find (variance ?s) (stddev ?s) (median ?s) :with ?e
          :where [?e :person/salary ?s]]]=],
        duckdb = "select var_pop(salary), stddev_pop(salary), median(salary) from person",
        without = { SQLite = true }, datascript = false, at_most = 4.9 / 5 },
      { "ten highest salaries", lion = [=[[:find ?s ?e :where [?e :person/salary ?s] :order-by [?s :desc ?e]
          :limit 10]]=], datascript = false,
        sql = "select salary, id from person order by salary desc, id limit 10", times = 1 },
    },
  }
end

return rest
