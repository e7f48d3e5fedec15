-- Acquires from the rate KEYS[1], by the generic cell rate algorithm. ARGV[2] is the limit per period, ARGV[3] the
-- period in milliseconds, ARGV[4] the cost.
-- Returns {1 if allowed or else 0, the requests left, the wait in milliseconds}.
--
-- The key stores the time of the last count, in microseconds of Redis' clock, and how far the theoretical arrival time
-- was ahead of it. Two separate numbers stay exact. Their sum would not, for a limit of a million in a millisecond.

local LIMIT, PERIOD, COST = tonumber(ARGV[2]), tonumber(ARGV[3]) * 1000, tonumber(ARGV[4])
local INTERVAL = PERIOD / LIMIT
-- Much less than an interval, and much more than the rounding error of a million summed intervals.
local ROUNDING = INTERVAL / 1000

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function keep(ahead)
  redis.call('SET', KEYS[1], string.format('%.0f %.17g', now, ahead), 'PX', math.max(math.ceil(ahead / 1000), 1))
end

-- Returns how far the theoretical arrival time is ahead of now. A value of another form counts as 0.
local function ahead_of_now()
  local kept = redis.pcall('GET', KEYS[1])
  local counted_at, ahead = string.match(type(kept) == 'string' and kept or '', '^(%d+) (%S+)$')
  counted_at, ahead = tonumber(counted_at), tonumber(ahead)
  if not counted_at or not ahead then
    return 0
  end
  local left = ahead - math.max(now - counted_at, 0)
  local bounded = math.max(math.min(left, PERIOD), 0)
  -- After the clock was set back, or the period was shortened, no subject waits longer than a period from now.
  if counted_at > now or left > PERIOD then
    keep(bounded)
  end
  return bounded
end

local ahead = ahead_of_now()
local too_early = ahead + COST * INTERVAL - PERIOD
if too_early > ROUNDING then
  return {0, math.floor((PERIOD - ahead + ROUNDING) / INTERVAL), math.max(math.ceil(too_early / 1000), 1)}
end
ahead = math.min(ahead + COST * INTERVAL, PERIOD)
keep(ahead)
return {1, math.floor((PERIOD - ahead + ROUNDING) / INTERVAL), 0}
