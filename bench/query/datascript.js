// DataScript's side of datascript.lua: the suite's tables as facts, queries as they are written for Lion.
"use strict";
const fs = require("fs");
const d = require("datascript");
const serve = require("./line_server.js");

const ENTITY_MIN = 400000000; // above all numbers of the suites, below DataScript's transactions

let db;
let first; // of each table: the entity of its first row

const isPlain = (type) => type === "string" || type === "long" || type === "double";

function* lines(path) {
    for (const line of fs.readFileSync(path, "utf8").split("\n")) if (line !== "") yield line.split(",");
}

function schemaOf(tables) {
    const schema = {};
    for (const t of tables) {
        if (t.link) schema[t.link] = { ":db/valueType": ":db.type/ref", ":db/cardinality": ":db.cardinality/many" };
        else for (const [name, type] of t.columns)
            schema[t.name + "/" + name] = isPlain(type) ? { ":db/index": true } : { ":db/valueType": ":db.type/ref" };
    }
    return schema;
}

function* facts(tables, entity) {
    for (const t of tables) {
        if (t.link) {
            for (const [a, b] of lines(t.path)) yield [":db/add", entity(t.from, a), t.link, entity(t.to, b)];
            continue;
        }
        for (const row of lines(t.path))
            for (let k = 0; k < t.columns.length; k++) {
                const [name, type] = t.columns[k], text = row[k + 1];
                const value = type === "string" ? text : isPlain(type) ? Number(text) : entity(type, text);
                yield [":db/add", entity(t.name, row[0]), t.name + "/" + name, value];
            }
    }
}

function load({ tables }) {
    first = {};
    let next = ENTITY_MIN;
    for (const t of tables.filter((t) => !t.link)) {
        first[t.name] = next;
        for (const _ of lines(t.path)) next++;
    }
    // Rows are numbered from 1.
    const entity = (name, row) => first[name] + Number(row) - 1;
    db = d.db_with(d.empty_db(schemaOf(tables)), [...facts(tables, entity)]);
}

// Entities as the numbers of their rows.
function rowNumber(value) {
    if (typeof value !== "number" || value < ENTITY_MIN) return value;
    return value - Math.max(...Object.values(first).filter((one) => one <= value)) + 1;
}

const ask = ({ query, inputs }) => d.q(query, db, ...(inputs || []));

serve({
    load,
    rows(question) {
        const answer = ask(question);
        return { rows: Array.isArray(answer) ? answer.map((row) => row.map(rowNumber)) : [[answer]] };
    },
    run(question) {
        for (let i = 0; i < question.repeats; i++) ask(question);
    },
});
