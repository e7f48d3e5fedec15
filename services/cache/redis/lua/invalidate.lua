-- Moves tags. KEYS[3..] are their keys; ARGV[2] is how long they are kept.
-- Answers {epoch, offset, kept since, process, told...}: the event's place, and of whose readers it is known.

local FIRST_TAG = 3

-- Removing needs no memory, and lets the writes after it pass where Redis is at maxmemory; a missing tag is a miss.
redis.call('DEL', unpack(KEYS, FIRST_TAG))
local epoch, offset = position()
epoch, offset = append(offset, epoch, table.concat(KEYS, ' ', FIRST_TAG))
for i = FIRST_TAG, #KEYS do
  redis.call('SET', KEYS[i], digits(offset), 'PX', ARGV[2])
end
return {epoch, offset, kept_since(epoch, offset), unpack(redis.call('HGETALL', WATCHERS))}
