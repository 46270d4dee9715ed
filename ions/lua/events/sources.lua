--- The kinds of events that there are: what a manifest's `on` says → the source. What a source is:
-- ions.events.engine.
-- @module ions.events.sources
return {
  cron = require "ions.events.cron",
  dir = require "ions.events.dir",
  http = require "ions.events.http",
  tx = require "ions.events.tx",
}
