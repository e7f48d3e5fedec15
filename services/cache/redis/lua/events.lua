-- Reads events of the invalidation stream. Requires stream.lua.

-- Returns the first `most` events after `from` and up to `to`, each as {offset, keys of the tags}. Returns false if
-- `from` is not in the stream any more, or is of another epoch.
local function events_between(epoch, from, to, most)
  local found = redis.call('XRANGE', STREAM, from .. '-0', digits(to) .. '-0', 'COUNT', most + 1)
  local first = found[1]
  if not first or first[1] ~= from .. '-0' or first[2][2] ~= epoch then
    return false
  end
  local events = {}
  for i = 2, #found do
    events[i - 1] = {tonumber(string.match(found[i][1], '^%d+')), found[i][2][4]}
  end
  return events
end
