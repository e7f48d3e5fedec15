-- Answers what the processes have told, field by field; nothing if that has been lost.

if not is_kept() then
  return {}
end
return redis.call('HGETALL', WATCHERS)
