--- lion deploy
local anomaly = require "lion.anomaly"
local deployment = require "lion.cli.deployment"
local node_client = require "lion.cli.node_client"
local options = require "lion.cli.options"

local deploy = {
  summary = "Run a revision on a group, node by node; a failure puts back what ran.",
  usage = [[REV [--group NAME,…] [--app APP] [--add] [--no-wait] [--json] [--node NODE] [--token TOKEN]

REV is a revision that was pushed: a commit, its first digits (4 at least), unrepro/NAME, or in a work tree
what git calls a commit (HEAD, a branch, a tag). --group may be left out where there is one, --app where the
revision is of one. --add has a group that runs other applications run this one too.

Each step is shown as it happens. Ctrl-C ends the showing, not the deployment; --no-wait shows none. It ends
with 0 when the group runs the revision, with 1 and the reason when it does not.

  lion deploy HEAD --group production --node /var/lib/lion]],
}

--- The commit that git means by a name, in the folder's work tree.
local function commit_of(rev)
  local git = require "ions.push.git"
  local words = { "rev-parse", "--verify", "--quiet", "--end-of-options", rev .. "^{commit}" }
  local ok, code, text = pcall(git.try, { dir = "." }, words)
  local commit = ok and code == 0 and text:match "^(%x+)"
  if commit then return commit end
  local message = "%s is no revision: it is a commit or its first digits (4 at least), unrepro/NAME, or "
    .. "what git calls a commit where there is a work tree"
  error(anomaly.new("not-found", "lion/not-found", message:format(rev)), 0)
end

local function revision_of(rev)
  local is_name = rev:find "^%x%x%x%x%x*$" and #rev <= 64 or rev:find "^unrepro/"
  return is_name and rev or commit_of(rev)
end

function deploy.run(args)
  local found, words = options.parse(args, { app = "value", group = "value", add = "flag",
    ["no-wait"] = "flag", async = "flag", json = "flag", node = "value", token = "value" })
  if #words ~= 1 then options.misuse "a revision is needed: lion deploy REV" end
  found["no-wait"] = found["no-wait"] or found.async
  local node = node_client.open(found.node, found.token)
  local request = { revision = revision_of(words[1]), app = found.app, add = found.add }
  request.groups = deployment.groups(node, found.group)
  local code = deployment.ask(node, "/deploy", request, found)
  node:close()
  return code
end

return deploy
