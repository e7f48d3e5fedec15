-- Counts in the window KEYS[1]: ARGV[2] are allowed, ARGV[3] is the period in milliseconds, ARGV[4] how many to count.
-- Answers {1 or 0, how many are left, milliseconds to wait}.
--
-- The key lives for a period after what was allowed last, so it is gone when the window is over: no clock is read.

local LIMIT, PERIOD, COST = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

-- What is no count, or would never end, is none of ours.
local function counted()
  local count = redis.pcall('GET', KEYS[1])
  local left = redis.call('PTTL', KEYS[1])
  if type(count) ~= 'string' or left < 0 then
    return 0, 0
  end
  return tonumber(count) or 0, left
end

local count, left = counted()
if count + COST > LIMIT then
  -- At the very end of its life a key has 0 ms left, and is still there.
  return {0, math.max(LIMIT - count, 0), math.max(left, 1)}
end
redis.call('SET', KEYS[1], count + COST, 'PX', PERIOD)
return {1, LIMIT - count - COST, 0}
