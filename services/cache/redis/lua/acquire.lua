-- Acquires from the window KEYS[1]. ARGV[2] is the limit, ARGV[3] the period in milliseconds, ARGV[4] the cost.
-- Returns {1 if allowed or else 0, the requests left, the wait in milliseconds}.
--
-- The key expires a period after the last allowed request. So the window ends with the key, and no clock is read.

local LIMIT, PERIOD, COST = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])

-- A value that is not a number, or has no expiry, was not written by this script. It counts as 0.
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
  -- Just before it expires, a key has 0 ms left.
  return {0, math.max(LIMIT - count, 0), math.max(left, 1)}
end
redis.call('SET', KEYS[1], count + COST, 'PX', PERIOD)
return {1, LIMIT - count - COST, 0}
