--- The content type of a file by the end of its name.
-- @module ions.media
local TYPES = {
  avif = "image/avif",
  css = "text/css",
  csv = "text/csv",
  eot = "application/vnd.ms-fontobject",
  gif = "image/gif",
  gz = "application/gzip",
  htm = "text/html",
  html = "text/html",
  ico = "image/x-icon",
  jpeg = "image/jpeg",
  jpg = "image/jpeg",
  js = "text/javascript",
  json = "application/json",
  map = "application/json",
  md = "text/markdown",
  mjs = "text/javascript",
  mp3 = "audio/mpeg",
  mp4 = "video/mp4",
  ogg = "audio/ogg",
  otf = "font/otf",
  pdf = "application/pdf",
  png = "image/png",
  svg = "image/svg+xml",
  tar = "application/x-tar",
  ttf = "font/ttf",
  txt = "text/plain",
  wasm = "application/wasm",
  wav = "audio/wav",
  webm = "video/webm",
  webmanifest = "application/manifest+json",
  webp = "image/webp",
  woff = "font/woff",
  woff2 = "font/woff2",
  xml = "application/xml",
  zip = "application/zip",
}

--- "a/b.css" → "text/css; charset=utf-8"; what is unknown is application/octet-stream.
-- @tparam string name
-- @treturn string
return function(name)
  local kind = TYPES[(name:match "%.(%w+)$" or ""):lower()] or "application/octet-stream"
  return kind:find "^text/" and kind .. "; charset=utf-8" or kind
end
