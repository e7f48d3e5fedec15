-- What each process has last told of its readers, in the hash KEYS[2]: after stream.lua.
--
-- The hash also holds since which offset of which epoch it has been kept. Whoever told something before may have been
-- forgotten, by a flush or an eviction, and may have readers that are not known of.

local WATCHERS, KEPT_SINCE = KEYS[2], 'kept-since'

local function is_kept()
  return redis.call('TYPE', WATCHERS).ok == 'hash'
end

-- Removes a process. Removing needs no memory, and lets the writes after it pass where Redis is at maxmemory.
local function forget(process)
  if is_kept() then
    redis.call('HDEL', WATCHERS, process)
  else
    redis.call('DEL', WATCHERS)
  end
end

-- The number of the reading by which a process told last, 0 if it is not there.
local function last_reading(process)
  local told = is_kept() and redis.call('HGET', WATCHERS, process) or ''
  return tonumber(string.match(told, '%d+$')) or 0
end

-- Since which offset nobody has been forgotten. The hash is begun anew if it is not of this epoch.
local function kept_since(epoch, offset)
  local since = is_kept() and redis.call('HGET', WATCHERS, KEPT_SINCE) or ''
  if string.sub(since, 1, #epoch + 1) == epoch .. ' ' then
    return tonumber(string.sub(since, #epoch + 2))
  end
  redis.call('DEL', WATCHERS)
  redis.call('HSET', WATCHERS, KEPT_SINCE, epoch .. ' ' .. digits(offset))
  return offset
end
