-- The last report of each cache process on its readers, in the hash KEYS[2]. Requires stream.lua.
--
-- The field `kept-since` holds the epoch and the offset since which the hash exists. Reports from before can be lost,
-- by a flush or an eviction, and their processes can have readers.

local WATCHERS, KEPT_SINCE = KEYS[2], 'kept-since'

local function is_kept()
  return redis.call('TYPE', WATCHERS).ok == 'hash'
end

-- Deletes the report of a process. HDEL and DEL need no memory, and after them Redis accepts the script's writes even
-- at maxmemory.
local function forget(process)
  if is_kept() then
    redis.call('HDEL', WATCHERS, process)
  else
    redis.call('DEL', WATCHERS)
  end
end

-- Returns the number of the read that wrote the last report of a process, 0 without a report.
local function last_read_number(process)
  local report = is_kept() and redis.call('HGET', WATCHERS, process) or ''
  return tonumber(string.match(report, '%d+$')) or 0
end

-- Returns the offset since which no report was lost. Replaces a hash of another epoch.
local function kept_since(epoch, offset)
  local since = is_kept() and redis.call('HGET', WATCHERS, KEPT_SINCE) or ''
  if string.sub(since, 1, #epoch + 1) == epoch .. ' ' then
    return tonumber(string.sub(since, #epoch + 2))
  end
  redis.call('DEL', WATCHERS)
  redis.call('HSET', WATCHERS, KEPT_SINCE, epoch .. ' ' .. digits(offset))
  return offset
end
