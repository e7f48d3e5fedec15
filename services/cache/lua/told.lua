-- Answers what the processes have told, field by field; nothing if that has been lost.

if redis.call('TYPE', WATCHERS).ok ~= 'hash' then
  return {}
end
return redis.call('HGETALL', WATCHERS)
