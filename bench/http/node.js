// node bench/http/node.js FOLDER-with-node_modules DATABASE COUNT: a greeting, and an item of SQLite by its key as JSON.
const http = require("node:http");
const [, , folder, path, count] = process.argv;

let find = null;
try {
  const Database = require(folder + "/node_modules/better-sqlite3");
  const db = new Database(path);
  db.pragma("journal_mode = WAL");
  db.exec("create table item (key text primary key, name text, count integer, price real, other integer, done integer) without rowid");
  const insert = db.prepare("insert into item values (?, ?, ?, ?, ?, ?)");
  db.transaction(() => {
    for (let i = 0; i < Number(count); i++)
      insert.run("key-" + String(i).padStart(8, "0"), "name of " + i, i, i / 4, i % 100, i % 2 === 0 ? 1 : 0);
  })();
  find = db.prepare("select name, count, price, other, done from item where key = ?");
} catch (error) {
  console.error("# node without better-sqlite3: " + error.message.split("\n")[0]);
}

const server = http.createServer((request, response) => {
  if (request.url === "/") {
    response.setHeader("content-type", "text/plain");
    response.end("hello\n");
  } else {
    const item = find.get(request.url.slice(6));
    item.done = item.done === 1;
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify(item));
  }
});
server.listen(0, "127.0.0.1", () => console.log(`ready http://127.0.0.1:${server.address().port}/`));
