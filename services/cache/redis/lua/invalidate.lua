-- Invalidates tags. KEYS[3..] are their keys. ARGV[2] is the lifetime of a tag in milliseconds.
-- Returns {epoch, offset, kept since, process, report...}: the position of the event, and the reports of all processes.

local FIRST_TAG = 3

-- DEL needs no memory, and after it Redis accepts the script's writes even at maxmemory. A missing tag makes a miss.
redis.call('DEL', unpack(KEYS, FIRST_TAG))
local epoch, offset = position()
epoch, offset = append(offset, epoch, table.concat(KEYS, ' ', FIRST_TAG))
for i = FIRST_TAG, #KEYS do
  redis.call('SET', KEYS[i], digits(offset), 'PX', ARGV[2])
end
return {epoch, offset, kept_since(epoch, offset), unpack(redis.call('HGETALL', WATCHERS))}
