-- Counts at a steady rate under KEYS[1], by the generic cell rate algorithm: ARGV[2] are allowed per period, ARGV[3] is
-- the period in milliseconds, ARGV[4] how many to count. Answers {1 or 0, how many are left, milliseconds to wait}.
--
-- Kept is when it was counted last, in microseconds of Redis' clock, and how far ahead of that the theoretical arrival
-- time then lay. Times that are apart stay exact where their sum would not: a limit of a million in a millisecond.

local LIMIT, PERIOD, COST = tonumber(ARGV[2]), tonumber(ARGV[3]) * 1000, tonumber(ARGV[4])
local INTERVAL = PERIOD / LIMIT
-- Far below one cell, and far above what a sum of a million intervals is wrong by.
local ROUNDING = INTERVAL / 1000

local clock = redis.call('TIME')
local now = clock[1] * 1000000 + clock[2]

local function keep(ahead)
  redis.call('SET', KEYS[1], string.format('%.0f %.17g', now, ahead), 'PX', math.max(math.ceil(ahead / 1000), 1))
end

-- How far the theoretical arrival time lies ahead of now. What is none of ours is no count.
local function ahead_of_now()
  local kept = redis.pcall('GET', KEYS[1])
  local counted_at, ahead = string.match(type(kept) == 'string' and kept or '', '^(%d+) (%S+)$')
  counted_at, ahead = tonumber(counted_at), tonumber(ahead)
  if not counted_at or not ahead then
    return 0
  end
  local left = ahead - math.max(now - counted_at, 0)
  local bounded = math.max(math.min(left, PERIOD), 0)
  -- A clock that was set back, or a period that was shortened, locks nobody out for longer than a period from now.
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
