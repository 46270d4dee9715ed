--- Who asks, and how.
local uuid = require "ion.uuid"

local visitor = {}

function visitor.wants_json(request)
  return (request.headers.accept or ""):find("application/json", 1, true) ~= nil
end

--- The visitor's basket, of the cookie that `orders` set; nil if there is none.
function visitor.basket(request)
  local id = request:cookie "basket"
  return id and uuid.is(id) and uuid.parse(id) or nil
end

--- What a form or a JSON body says.
function visitor.fields(request)
  if (request.headers["content-type"] or ""):find("application/json", 1, true) then return request:json() end
  return request:form()
end

return visitor
