-- Returns the first ARGV[5] events of the epoch ARGV[2] after the offset ARGV[3] and up to ARGV[4].

return events_between(ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5]))
