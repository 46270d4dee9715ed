--- The FFI with the core's structs, which are declared once a state.
-- @module lion.cdata
local ffi = require "ffi"

if not pcall(ffi.typeof, "lion_call") then ffi.cdef(require "lion.cdef") end

return ffi
