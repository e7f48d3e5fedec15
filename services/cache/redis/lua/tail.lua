-- Tells of this process's readers and reads the end of the stream, in one step: where Redis takes no writes (a replica,
-- a primary that has lost its replicas) nothing is answered. ARGV[2] is the process, ARGV[3] what it tells, empty if it
-- has no reader that may be serving; ARGV[4] and ARGV[5] are the epoch and offset it knows, ARGV[6] how many events to
-- answer at most, ARGV[7] the number of this reading. Answers {epoch, offset, events}, as `events_between` has them; no
-- events if an epoch has begun since.

local PROCESS, REPORT, READING = ARGV[2], ARGV[3], tonumber(ARGV[7])

-- One that was given up and comes after a later one, from a connection that Redis had not looked at, undoes nothing.
if last_reading(PROCESS) > READING then
  return redis.error_reply('LATE a later reading has been answered')
end
forget(PROCESS)
local epoch, offset = position()
kept_since(epoch, offset)
if REPORT ~= '' then
  redis.call('HSET', WATCHERS, PROCESS, REPORT .. ' ' .. digits(READING))
end
return {epoch, offset, ARGV[4] == epoch and events_between(epoch, ARGV[5], offset, tonumber(ARGV[6]))}
