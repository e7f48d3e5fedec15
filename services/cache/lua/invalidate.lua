-- Moves tags. KEYS[2..] are their keys; ARGV[2] is how long they are kept. Answers {epoch, offset} of the event.

-- Removing needs no memory, and lets the writes after it pass where Redis is at maxmemory; a missing tag is a miss.
redis.call('DEL', unpack(KEYS, 2))
local epoch, offset = position()
epoch, offset = append(offset, epoch, table.concat(KEYS, ' ', 2))
for i = 2, #KEYS do
  redis.call('SET', KEYS[i], digits(offset), 'PX', ARGV[2])
end
return {epoch, offset}
