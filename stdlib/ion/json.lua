--- JSON for applications: `json.read(text)`, `json.write(value)`; null is lion.null.
-- @module ion.json
return require "lion.json"
