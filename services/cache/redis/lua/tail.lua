-- Writes the report of a process and reads the end of the stream, atomically. If Redis accepts no writes (a replica, a
-- primary that has lost its replicas), it fails.
-- ARGV[2] is the process. ARGV[3] is its report, empty if no reader can be serving. ARGV[4] and ARGV[5] are the epoch
-- and offset that the process knows. ARGV[6] is the maximum number of events. ARGV[7] is the number of this read.
-- Returns {epoch, offset, events}, with the events of `events_between`, or false if a new epoch has begun.

local PROCESS, REPORT, READ_NUMBER = ARGV[2], ARGV[3], tonumber(ARGV[7])

-- A read that timed out can arrive here after a later one. It must not overwrite the later report.
if last_read_number(PROCESS) > READ_NUMBER then
  return redis.error_reply('LATE a later read has been answered')
end
forget(PROCESS)
local epoch, offset = position()
kept_since(epoch, offset)
if REPORT ~= '' then
  redis.call('HSET', WATCHERS, PROCESS, REPORT .. ' ' .. digits(READ_NUMBER))
end
return {epoch, offset, ARGV[4] == epoch and events_between(epoch, ARGV[5], offset, tonumber(ARGV[6]))}
