--- lion version
return {
  summary = "Print the version.",
  usage = "",
  run = function()
    print("lion " .. require("lion").version .. " (" .. (jit and jit.version or _VERSION) .. ")")
  end,
}
