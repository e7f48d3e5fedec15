-- Returns the reports of all processes, as fields and values. Returns an empty table if they were lost.

if not is_kept() then
  return {}
end
return redis.call('HGETALL', WATCHERS)
