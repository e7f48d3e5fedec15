-- Adds ARGV[2] to the counter KEYS[1]. A new counter lives for ARGV[3] milliseconds.
-- Returns the sum as text, because a Lua number is not exact above 2^53. Returns 'overflow' or 'type' if it cannot add.

local is_new = redis.call('EXISTS', KEYS[1]) == 0
local sum = redis.pcall('INCRBY', KEYS[1], ARGV[2])
if type(sum) == 'table' then
  if string.find(sum.err, 'overflow') then
    return 'overflow'
  end
  if string.find(sum.err, 'WRONGTYPE') or string.find(sum.err, 'not an integer') then
    return 'type'
  end
  return sum
end
if is_new then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return redis.call('GET', KEYS[1])
