// Kuzu's side of kuzu.lua: the suite's tables as nodes, its links and references as relations, one thread.
"use strict";
const fs = require("fs");
const kuzu = require("kuzu");
const serve = require("./line_server.js");

const database = new kuzu.Database(":memory:", 4 * 1024 ** 3);
const connection = new kuzu.Connection(database, 1);
const TYPES = { string: "STRING", long: "INT64", double: "DOUBLE" };
const statements = new Map();
const NO_LIMIT_MS = 1e9;

const rowsOf = (path) => fs.readFileSync(path, "utf8").split("\n").filter((line) => line !== "")
    .map((line) => line.split(","));

async function copy(name, path, rows) {
    fs.writeFileSync(path, rows.map((row) => row.join(",")).join("\n") + "\n");
    await connection.query(`COPY ${name} FROM "${path}" (HEADER=false)`);
}

async function makeNodes(t) {
    const plain = t.columns.map((column, k) => [...column, k + 1]).filter(([, type]) => TYPES[type]);
    const columns = ["id INT64", ...plain.map(([name, type]) => `${name} ${TYPES[type]}`), "PRIMARY KEY (id)"];
    await connection.query(`CREATE NODE TABLE ${t.name} (${columns.join(", ")})`);
    const rows = rowsOf(t.path);
    await copy(t.name, t.path + ".nodes.csv", rows.map((row) => [row[0], ...plain.map(([, , k]) => row[k])]));
}

async function makeRelation(name, from, to, path, rows) {
    await connection.query(`CREATE REL TABLE ${name} (FROM ${from} TO ${to})`);
    await copy(name, path, rows);
}

async function load({ tables }) {
    for (const t of tables) if (!t.link) await makeNodes(t);
    for (const t of tables) {
        if (t.link) await makeRelation(t.name, t.from, t.to, t.path + ".links.csv", rowsOf(t.path));
        else for (const [k, [name, type]] of t.columns.entries())
            if (!TYPES[type])
                await makeRelation(`${t.name}_${name}`, t.name, type, `${t.path}.${name}.csv`,
                    rowsOf(t.path).map((row) => [row[0], row[k + 1]]));
    }
}

async function execute(text) {
    if (!statements.has(text)) statements.set(text, await connection.prepare(text));
    const result = await connection.execute(statements.get(text));
    const rows = await result.getAll();
    result.close();
    return rows;
}

serve({
    load,
    async rows({ query, limit }) {
        connection.setQueryTimeout(limit);
        try {
            return { rows: (await execute(query)).map((row) => Object.values(row).map(Number)) };
        } finally {
            connection.setQueryTimeout(NO_LIMIT_MS);
        }
    },
    async run({ query, repeats }) {
        for (let i = 0; i < repeats; i++) await execute(query);
    },
});
