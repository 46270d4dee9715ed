// A line of JSON in, a line of JSON out: { op, … } is answered by the handler of that name.
"use strict";
const readline = require("readline");

module.exports = async function serve(handlers) {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const question = JSON.parse(line);
        let answer;
        try {
            answer = await handlers[question.op](question);
        } catch (problem) {
            answer = { error: String(problem && problem.message || problem) };
        }
        process.stdout.write(JSON.stringify(answer || {}) + "\n");
    }
    process.exit(0);
};
